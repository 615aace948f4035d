//! A real machine: this one, or an offline root directory. What differs is data (abilities, how programs run), not code.

use super::cgroup::Cgroup;
use super::dpkg::STATUS;
use super::enter::{COVERED, View};
use super::fs::Rooted;
use super::known::Known;
use super::ledger::Ledger;
use super::packages::{Patience, Unreached, Way};
use super::run::{Ended, Job, Runner};
use super::{Accounts, OpError, PackageFiles, Packages, Probe, ProbeError, Progress, Silent, Writers, Written};
use crate::model::{Owner, SecretRef, Sha256, Span, TargetPath};
use crate::step::{Ability, Beside, Cmd, Content, Output, Query, Space, Stat};
use crate::store::Store;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

/// What kind of ground a machine stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ground {
    /// This machine.
    Live,
    /// A root directory that is one machine's: its owner's scripts may run, its secrets exist.
    Root(PathBuf),
    /// A root directory that becomes an image of many machines.
    Image(PathBuf),
    /// A root directory that shows another as a rehearsal makes it: the room is that of the real one.
    Rehearsal {
        /// Where it is worked on.
        stage: PathBuf,
        /// The real one.
        real: PathBuf,
    },
}

/// A real machine.
#[derive(Debug)]
pub struct Machine {
    pub(super) files: Rooted,
    pub(super) runner: Runner,
    pub(super) ledger: Ledger,
    pub(super) store: Store,
    /// The root whose file systems are asked for their room.
    disks: Rooted,
    abilities: Vec<Ability>,
    /// One puts a tool of Fitout's into the target at a time.
    pub(super) tools: Mutex<()>,
    accounts: Known<Accounts>,
    packages: Known<Packages>,
    patience: OnceLock<Patience>,
    /// Whether all that is written here is thrown away.
    pub(super) passing: bool,
    /// Options by which apt goes the ways of the network, or nowhere.
    way: OnceLock<Vec<String>>,
    /// Sources of packages that could not be reached a while ago.
    pub(super) unreached: Mutex<Option<Unreached>>,
}

impl Machine {
    /// Opens a machine; what is downloaded for it comes from `store`.
    ///
    /// # Errors
    /// The root cannot be opened.
    pub fn open(ground: &Ground, store: Store) -> io::Result<Self> {
        let (root, abilities): (&Path, &[Ability]) = match ground {
            Ground::Live if Path::new("/run/systemd/system").is_dir() => {
                (Path::new("/"), &[Ability::Files, Ability::Exec, Ability::Instance, Ability::RunningSystem])
            }
            Ground::Live => (Path::new("/"), &[Ability::Files, Ability::Exec, Ability::Instance]),
            Ground::Rehearsal { stage, real } if real == Path::new("/") => (stage, &[Ability::Files, Ability::Exec, Ability::Instance]),
            Ground::Root(root) | Ground::Rehearsal { stage: root, .. } => {
                (root, &[Ability::Files, Ability::Exec, Ability::Instance, Ability::Creation])
            }
            Ground::Image(root) => (root, &[Ability::Files, Ability::Exec, Ability::Creation]),
        };
        let root = std::fs::canonicalize(root)?;
        let runner = match ground {
            Ground::Live => Runner::Direct,
            Ground::Root(_) | Ground::Image(_) | Ground::Rehearsal { .. } => Runner::Inside(root.clone()),
        };
        let disks = if let Ground::Rehearsal { real, .. } = ground { real } else { &root };
        Ok(Self {
            files: Rooted::open(&root)?,
            disks: Rooted::open(disks)?,
            runner,
            ledger: Ledger::default(),
            store,
            abilities: abilities.to_vec(),
            tools: Mutex::default(),
            accounts: Known::default(),
            packages: Known::default(),
            patience: OnceLock::new(),
            passing: matches!(ground, Ground::Rehearsal { .. }),
            way: OnceLock::new(),
            unreached: Mutex::default(),
        })
    }

    /// Whether this is an offline root, not the machine that we are on.
    #[must_use]
    pub const fn is_offline(&self) -> bool {
        matches!(self.runner, Runner::Inside(_))
    }

    /// Sets how long is waited for others; the first word counts.
    pub fn be_patient(&self, patience: Patience) {
        self.patience.set(patience).unwrap_or_else(|_| tracing::debug!("patience was set before"));
    }

    pub(super) fn patience(&self) -> Patience {
        self.patience.get().copied().unwrap_or_default()
    }

    /// Sets how packages are fetched: through which proxy, or not at all; the first word counts.
    pub fn go_by(&self, way: Way<'_>) {
        self.way.set(super::packages::way(way)).unwrap_or_else(|_| tracing::debug!("the way was set before"));
    }

    pub(super) fn way(&self) -> &[String] {
        self.way.get().map_or(&[], Vec::as_slice)
    }

    /// The machine is being changed.
    pub(super) fn forget(&self) {
        self.accounts.forget();
        self.packages.forget();
    }

    /// Every path that Fitout wrote to, by its ledger.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn managed(&self) -> Result<Vec<TargetPath>, ProbeError> {
        self.ledger.paths(&self.files)
    }

    /// Numbers and home of an owner, looked up now.
    pub(super) fn account(&self, owner: &Owner) -> Result<((u32, u32), String), OpError> {
        let Owner::User(name) = owner else { return Ok(((0, 0), "/root".into())) };
        let accounts = self.accounts()?;
        let account = accounts.user(name.as_str()).ok_or_else(|| {
            OpError::new(format!("look up user {name}"), "there is no such user on the target")
                .hint("name it under `user`, or use an owner that exists")
        })?;
        Ok(((account.uid, account.gid), account.home.clone()))
    }

    /// Runs a program of the target that may change it.
    pub(super) fn run(&self, cmd: &Cmd, timeout: Option<Span>, progress: &dyn Progress) -> Result<Ended, OpError> {
        let (ids, home) = self.account(&cmd.user)?;
        let job = Job { cmd, ids, home: &home, view: View::Writable, timeout, cgroup: None };
        self.runner.run(&job, progress).map_err(|e| OpError::new(format!("run `{}`", cmd.display()), e))
    }

    /// Whether its programs are this machine's, not those of a root.
    pub(super) const fn runs_here(&self) -> bool {
        matches!(self.runner, Runner::Direct)
    }

    /// Runs a program of root's, in a control group of its own where this machine has one to give.
    pub(super) fn run_apart(&self, cmd: &Cmd, timeout: Span, cgroup: Option<&Cgroup>, progress: &dyn Progress) -> io::Result<Ended> {
        let job = Job { cmd, ids: (0, 0), home: "/root", view: View::Writable, timeout: Some(timeout), cgroup };
        self.runner.run(&job, progress)
    }

    /// Runs a program of the target that must succeed.
    pub(super) fn must(&self, cmd: &Cmd, progress: &dyn Progress) -> Result<Output, OpError> {
        let ended = self.run(cmd, None, progress)?;
        if ended.output.status == 0 {
            return Ok(ended.output);
        }
        Err(OpError::new(format!("run `{}`", cmd.display()), describe(&ended.output)))
    }

    /// Asks a program of the target, in a read-only view.
    pub(super) fn ask(&self, cmd: &Cmd) -> Result<Output, ProbeError> {
        let job = Job { cmd, ids: (0, 0), home: "/root", view: View::ReadOnly, timeout: Some(ASKING), cgroup: None };
        let ended = self.runner.run(&job, &Silent).map_err(|e| ProbeError::new(format!("run `{}`", cmd.display()), e))?;
        Ok(ended.output)
    }

    /// Runs a program of the target in a view where it can write in these folders alone, and of which nothing stays.
    pub(super) fn try_out(&self, cmd: Cmd, folders: &[&str]) -> Result<Output, OpError> {
        let mut cmd = cmd;
        cmd.env.insert(COVERED.into(), folders.join(":"));
        let job = Job { cmd: &cmd, ids: (0, 0), home: "/root", view: View::Trial, timeout: Some(ASKING), cgroup: None };
        let ended = self.runner.run(&job, &Silent).map_err(|e| OpError::new(format!("run `{}`", cmd.display()), e))?;
        Ok(ended.output)
    }

    /// A secret's text; held by the caller for one write and dropped.
    pub(super) fn secret(&self, from: &SecretRef) -> Result<String, ProbeError> {
        let act = || format!("read the secret from {from}");
        let bytes = match from {
            SecretRef::File(path) => match self.files.open_file(path)? {
                Some(mut file) => Some(read_secret(&mut file).map_err(|e| ProbeError::new(act(), e))?),
                None => None,
            },
            SecretRef::Credential(name) => {
                let folder = std::env::var_os("CREDENTIALS_DIRECTORY")
                    .ok_or_else(|| ProbeError::new(act(), "Fitout's unit was given no credentials"))?;
                Some(std::fs::read(Path::new(&folder).join(name)).map_err(|e| ProbeError::new(act(), e))?)
            }
        };
        let bytes = bytes.ok_or_else(|| ProbeError::new(act(), "it is absent"))?;
        let text = String::from_utf8(bytes).map_err(|_| ProbeError::new(act(), "it is not text"))?;
        Ok(text.strip_suffix('\n').map_or_else(|| text.clone(), str::to_owned))
    }

    /// Text with its secrets filled in.
    pub(super) fn rendered(&self, template: &str, refs: &[SecretRef]) -> Result<String, ProbeError> {
        let mut text = template.to_owned();
        for (number, from) in refs.iter().enumerate() {
            text = text.replace(&format!("{{{{secret:{number}}}}}"), &self.secret(from)?);
        }
        Ok(text)
    }
}

/// The bytes of a secret that nobody may have put there who takes no orders: what is made of it is root's.
fn read_secret(file: &mut File) -> io::Result<Vec<u8>> {
    Writers::of_orders().check(file)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// How long a question may take.
const ASKING: Span = Span::seconds(30);

/// The end of what a failed program said: its errors, or where there are none, its output.
pub(super) fn last_words(output: &Output) -> String {
    /// Lines of a program's last words that are shown.
    const LAST: usize = 15;
    let said = if output.stderr.trim().is_empty() { &output.stdout } else { &output.stderr };
    let lines = beside_warnings(said);
    lines[lines.len().saturating_sub(LAST)..].join("\n")
}

/// What a program said beside its warnings, which stand between it and why it failed; all of it, where that is all.
pub fn beside_warnings(said: &str) -> Vec<&str> {
    const WARNING: &str = "warning:";
    let mut warns = false;
    let mut tells = |line: &&str| {
        // A warning goes on in the lines that are indented below it.
        if !line.starts_with([' ', '\t']) {
            warns = line.get(..WARNING.len()).is_some_and(|word| word.eq_ignore_ascii_case(WARNING));
        }
        !warns && !line.trim().is_empty()
    };
    let told: Vec<&str> = said.lines().filter(&mut tells).collect();
    if told.is_empty() { said.lines().collect() } else { told }
}

/// How a failed program ended, and its last words.
pub(super) fn describe(output: &Output) -> String {
    let end = last_words(output);
    format!("exit status {}{}{end}", output.status, if end.is_empty() { "" } else { "\n" })
}

impl Probe for Machine {
    fn read(&self, path: &TargetPath) -> Result<Option<Vec<u8>>, ProbeError> {
        self.files.read(path)
    }

    fn stat(&self, path: &TargetPath) -> Result<Option<Stat>, ProbeError> {
        self.files.stat(path)
    }

    fn stats(&self, folder: &TargetPath, names: &[&str]) -> Result<Vec<Option<Stat>>, ProbeError> {
        self.files.stats(folder, names)
    }

    fn list(&self, path: &TargetPath) -> Result<Option<Vec<String>>, ProbeError> {
        self.files.list(path)
    }

    fn holds(&self, path: &TargetPath, content: &Content) -> Result<bool, ProbeError> {
        let text = match content {
            Content::Blob(blob) => {
                let Some(file) = self.files.open_file(path)? else { return Ok(false) };
                let now = Sha256::of_reader(file).map_err(|e| ProbeError::new(format!("read {path}"), e))?;
                return Ok(now == blob.sha256);
            }
            Content::Inline(text) => Cow::Borrowed(&**text),
            Content::Secret { template, refs } => Cow::Owned(self.rendered(template, refs)?),
        };
        let Some(file) = self.files.open_file(path)? else { return Ok(false) };
        is_exactly(file, text.as_bytes()).map_err(|e| ProbeError::new(format!("read {path}"), e))
    }

    fn space(&self, path: &TargetPath) -> Result<Space, ProbeError> {
        self.disks.space(path)
    }

    fn query(&self, query: &Query) -> Result<Output, ProbeError> {
        match query {
            Query::SshdPolicy(visits) => self.ask_sshd(visits),
            // Without its lock, for nothing is installed; `--assume-no` ends where apt would ask, with all that it would ask about.
            Query::PackageRoom(packages) => self.ask(&Cmd::new(
                ["apt-get", "-oDebug::NoLocking=1", "--assume-no", "--no-install-recommends", "install", "--"]
                    .into_iter()
                    .map(str::to_owned)
                    .chain(packages.iter().cloned()),
            )),
            Query::PackageRemoval(packages) => self.ask(&Cmd::new(
                ["apt-get", "-oDebug::NoLocking=1", "--simulate", "remove", "--"]
                    .into_iter()
                    .map(str::to_owned)
                    .chain(packages.iter().cloned()),
            )),
            // Into a folder where nothing is, so that what was fetched before is named as well.
            Query::PackageFiles(packages, beside) => self.ask(&Cmd::new(
                ["/bin/sh", "-c", "mkdir -p /tmp/none/partial && : > /tmp/none/status && exec apt-get \"$@\"", "sh"]
                    .into_iter()
                    .chain(["-oDebug::NoLocking=1", "-oDir::Cache::Archives=/tmp/none", "-oAcquire::ForceHash=SHA256", "--yes"])
                    .chain(["--no-install-recommends", "--print-uris"])
                    .chain(match beside {
                        Beside::Installed => ["--reinstall"],
                        Beside::Nothing => ["-oDir::State::status=/tmp/none/status"],
                    })
                    .map(str::to_owned)
                    .chain(PackageFiles::options(self)?)
                    .chain(["install", "--"].map(str::to_owned))
                    .chain(packages.iter().cloned()),
            )),
            Query::Gpus => Ok(gpus()),
            Query::UnitActive(unit) => self
                .run(&Cmd::new(["systemctl", "is-active", "--quiet", unit.as_str()]), Some(ASKING), &Silent)
                .map(|ended| ended.output)
                .map_err(into_probe),
        }
    }

    fn written(&self, path: &TargetPath) -> Result<Option<Written>, ProbeError> {
        self.ledger.get(&self.files, path)
    }

    fn accounts(&self) -> Result<Arc<Accounts>, ProbeError> {
        self.accounts.get(&self.files, &["/etc/passwd", "/etc/group"], || Accounts::read(self))
    }

    fn packages(&self) -> Result<Arc<Packages>, ProbeError> {
        self.packages.get(&self.files, &[STATUS], || Packages::read(self))
    }

    fn has(&self, ability: Ability) -> bool {
        self.abilities.contains(&ability)
    }
}

/// Whether a file holds these bytes and no others.
fn is_exactly(mut file: impl Read, wanted: &[u8]) -> io::Result<bool> {
    // One byte more than wanted is enough to know that a file is longer.
    let (mut now, mut length) = (vec![0; wanted.len() + 1], 0);
    loop {
        match file.read(&mut now[length..]) {
            Ok(0) => break,
            // A file is read short where it ends: most need not be asked again whether there is more.
            Ok(n) if length == 0 && n == wanted.len() => return Ok(&now[..n] == wanted),
            Ok(n) => length += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(&now[..length] == wanted)
}

fn into_probe(error: OpError) -> ProbeError {
    ProbeError::new(error.act, error.cause)
}

/// What the driver says, or why it says nothing: 127 is for a library that is not there, as for a program.
fn gpus() -> Output {
    let said = |status, stdout, stderr| Output { status, stdout, stderr };
    match super::ask_driver(super::DRIVER_LIBRARY.as_ref()) {
        Ok(Some(says)) => said(0, serde_json::json!(says).to_string(), String::new()),
        Ok(None) => said(127, String::new(), format!("there is no {}", super::DRIVER_LIBRARY)),
        Err(cause) => said(1, String::new(), cause),
    }
}
