//! A machine in memory, for tests: every [`Op`](crate::step::Op) has the effect that looking at a real machine would show, and nothing outside changes.
//!
//! It can be told to do worse than a real one: tools that report success and do nothing, tools that fail, and a fuse that stops it
//! between any two effects, as a kill would.

mod effects;
mod packages;
mod seed;
mod sshd;
mod tree;

use super::{Accounts, OpError, Packages, Probe, ProbeError, Written};
use crate::model::{ByteSize, Owner, SecretRef, Sha256, TargetPath, UnitName};
use crate::step::{Ability, Content, Output, Query, Space, Stat};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

pub use tree::{Kind, Last, Node, Tree};

/// How the programs of the machine behave.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// Packages that are more than a name: apt has every other one in version `1.0`.
    pub archive: BTreeMap<String, Deb>,
    /// Packages that apt does not have.
    pub unknown: BTreeSet<String>,
    /// Exit statuses of a script's runs, in order; 0 beyond them.
    pub scripts: BTreeMap<String, Vec<i32>>,
    /// What the program of a check says; by default what is wanted of it.
    pub checks: BTreeMap<String, Said>,
    /// Ops, by their summary, that report success and do nothing.
    pub idle: BTreeSet<String>,
    /// Ops, by their summary, that fail, and with what words.
    pub fails: BTreeMap<String, String>,
    /// Room on its file system, of [`TOTAL`].
    pub free: Option<ByteSize>,
    /// Other file systems, and the room on each.
    pub mounts: BTreeMap<TargetPath, ByteSize>,
}

/// A package of the archive.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Deb {
    /// The one version that apt has.
    pub version: String,
    /// What it needs.
    pub depends: Vec<String>,
    /// What it brings.
    pub files: BTreeMap<TargetPath, String>,
    /// Units that it enables, and starts where something runs.
    pub starts: Vec<UnitName>,
}

impl Default for Deb {
    fn default() -> Self {
        Self { version: "1.0".into(), depends: Vec::new(), files: BTreeMap::new(), starts: Vec::new() }
    }
}

/// What the program of a check says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Said {
    /// Exit status.
    pub status: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Size of each file system.
pub const TOTAL: ByteSize = ByteSize(128_000_000_000);

/// All that can change.
#[derive(Debug, Clone, Default)]
struct State {
    tree: Tree,
    ledger: BTreeMap<TargetPath, Written>,
    active: BTreeSet<UnitName>,
    runs: BTreeMap<String, usize>,
    effects: usize,
    fuse: Option<usize>,
}

/// A machine in memory.
#[derive(Debug)]
pub struct Fake {
    state: Mutex<State>,
    abilities: Vec<Ability>,
    behaviour: Behaviour,
}

/// What can be seen of a machine: its files and what runs.
pub type Sight = (Tree, BTreeSet<UnitName>);

fn path(text: &str) -> Result<TargetPath, ProbeError> {
    TargetPath::parse(text).map_err(|e| ProbeError::new(format!("use path {text}"), e))
}

fn failed(act: &str, path: &TargetPath, cause: impl ToString) -> ProbeError {
    ProbeError::new(format!("{act} {path}"), cause)
}

impl Fake {
    fn with<T>(&self, on: impl FnOnce(&mut State) -> T) -> T {
        on(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One effect, unless the fuse is burnt.
    fn effect<T>(&self, on: impl FnOnce(&mut State) -> Result<T, ProbeError>) -> Result<T, OpError> {
        self.with(|state| {
            if state.fuse.is_some_and(|fuse| state.effects >= fuse) {
                return Err(OpError::new("go on", "the machine was stopped"));
            }
            state.effects += 1;
            Ok(on(state)?)
        })
    }

    /// Stops the machine for good after this many effects in all; `None` lets it run.
    pub fn set_fuse(&self, effects: Option<usize>) {
        self.with(|state| state.fuse = effects);
    }

    /// How many effects there were.
    #[must_use]
    pub fn effects(&self) -> usize {
        self.with(|state| state.effects)
    }

    /// What can be seen of it.
    #[must_use]
    pub fn sight(&self) -> Sight {
        self.with(|state| (state.tree.clone(), state.active.clone()))
    }

    /// Its files, to arrange them.
    ///
    /// # Errors
    /// What the arrangement says.
    pub fn arrange<E>(&self, on: impl FnOnce(&mut Tree) -> Result<(), E>) -> Result<(), E> {
        self.with(|state| on(&mut state.tree))
    }

    /// Makes it one on which Fitout wrote this text here.
    pub fn wrote(&self, path: &TargetPath, text: &str) {
        let written = Written { before: None, after: Sha256::of(text.as_bytes()) };
        self.with(|state| state.ledger.insert(path.clone(), written));
    }

    /// Starts a unit.
    pub fn start(&self, unit: UnitName) {
        self.with(|state| state.active.insert(unit));
    }

    fn secret(&self, from: &SecretRef) -> Result<String, ProbeError> {
        let act = format!("read the secret from {from}");
        let SecretRef::File(path) = from else { return Err(ProbeError::new(act, "Fitout's unit was given no credentials")) };
        let bytes = self.read(path)?.ok_or_else(|| ProbeError::new(act, "it is absent"))?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(text.strip_suffix('\n').map_or_else(|| text.clone(), str::to_owned))
    }

    /// The bytes of a content.
    fn rendered(&self, content: &Content) -> Result<Vec<u8>, ProbeError> {
        match content {
            Content::Inline(text) => Ok(text.as_bytes().to_vec()),
            Content::Blob(blob) => Err(ProbeError::new(format!("open the download of {}", blob.url), "a machine in memory has no store")),
            Content::Secret { template, refs } => {
                let mut text = template.clone();
                for (number, from) in refs.iter().enumerate() {
                    text = text.replace(&format!("{{{{secret:{number}}}}}"), &self.secret(from)?);
                }
                Ok(text.into_bytes())
            }
        }
    }

    fn ids(&self, owner: &Owner) -> Result<(u32, u32), OpError> {
        let Owner::User(name) = owner else { return Ok((0, 0)) };
        let accounts = Accounts::read(self)?;
        let account = accounts.user(name.as_str());
        account
            .map(|account| (account.uid, account.gid))
            .ok_or_else(|| OpError::new(format!("look up user {name}"), "there is no such user on the target"))
    }
}

impl Probe for Fake {
    fn read(&self, path: &TargetPath) -> Result<Option<Vec<u8>>, ProbeError> {
        self.with(|state| state.tree.read(path)).map_err(|e| failed("read", path, e))
    }

    fn stat(&self, path: &TargetPath) -> Result<Option<Stat>, ProbeError> {
        let stat = |node: &Node| {
            let (size, link) = match &node.kind {
                Kind::File(bytes) => (bytes.len() as u64, None),
                Kind::Directory => (0, None),
                Kind::Symlink(to) => (to.len() as u64, Some(to.clone())),
            };
            Stat { kind: node.file_kind(), mode: node.mode, uid: node.ids.0, gid: node.ids.1, size, written: 0, link }
        };
        Ok(self.with(|state| state.tree.get(path, Last::Kept).map(stat)))
    }

    fn list(&self, path: &TargetPath) -> Result<Option<Vec<String>>, ProbeError> {
        Ok(self.with(|state| state.tree.list(path)))
    }

    fn holds(&self, path: &TargetPath, content: &Content) -> Result<bool, ProbeError> {
        Ok(self.read(path)?.as_deref() == Some(&self.rendered(content)?[..]))
    }

    fn space(&self, path: &TargetPath) -> Result<Space, ProbeError> {
        let mounts = || self.behaviour.mounts.iter().zip(1..);
        let nearest = mounts().filter(|((mount, _), _)| path.is_within(mount)).max_by_key(|((mount, _), _)| mount.as_str().len());
        let (free, device) = nearest.map_or((self.behaviour.free.unwrap_or(TOTAL), 0), |((_, free), device)| (*free, device));
        Ok(Space { free, total: TOTAL, device })
    }

    fn query(&self, query: &Query) -> Result<Output, ProbeError> {
        Ok(match query {
            Query::SshdPolicy(visits) => {
                let one = self.with(|state| sshd::effective(&state.tree))? + "\n";
                Output { status: 0, stdout: one.repeat(visits.len()), stderr: String::new() }
            }
            // A machine in memory knows no sizes.
            Query::PackageRoom(_) | Query::PackageRemoval(_) | Query::PackageFiles(..) => {
                Output { status: 100, stdout: String::new(), stderr: String::new() }
            }
            Query::Gpus => {
                let says = r#"{"driver": "550.54.15", "cuda": [12, 4], "devices": []}"#;
                Output { status: 0, stdout: says.into(), stderr: String::new() }
            }
            Query::UnitActive(unit) => {
                let status = if self.with(|state| state.active.contains(unit)) { 0 } else { 3 };
                Output { status, stdout: String::new(), stderr: String::new() }
            }
        })
    }

    fn written(&self, path: &TargetPath) -> Result<Option<Written>, ProbeError> {
        Ok(self.with(|state| state.ledger.get(path).copied()))
    }

    fn accounts(&self) -> Result<Arc<Accounts>, ProbeError> {
        Accounts::read(self).map(Arc::new)
    }

    fn packages(&self) -> Result<Arc<Packages>, ProbeError> {
        Packages::read(self).map(Arc::new)
    }

    fn has(&self, ability: Ability) -> bool {
        self.abilities.contains(&ability)
    }
}
