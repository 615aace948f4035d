//! `MANIFEST.lock`: what a manifest came to, file by file with its digest, for each kind of machine that it was asked for.
//!
//! The file is JSON, sorted, a line a thing, so that a difference between two of them reads well; text of several lines is a list of
//! lines. It holds the answers of the resolution as they are, and beside them what they amount to: downloads, packages of the
//! distribution, scripts.

use super::work::Work;
use crate::graph::Node;
use crate::model::{Facts, Gpu, ResourceId, Sha256};
use crate::recipe::{Answer, Answers, Item, Question};
use crate::resource::Spec;
use crate::step::Blob;
use crate::target::{PackageFile, PackageFiles};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The format of these files.
const VERSION: u32 = 1;

/// A lock: what a manifest came to, by kind of machine (`debian-12-x86_64`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    version: u32,
    /// By kind of machine.
    pub machines: BTreeMap<String, Locked>,
}

/// What a manifest came to on one kind of machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// What was found out, and for which parts of the manifest.
    pub answers: Vec<Answered>,
    /// Everything that is downloaded, by address.
    pub downloads: Vec<Blob>,
    /// Packages of the distribution, with what they need.
    pub packages: PackageFiles,
    /// Digests of scripts, by their names.
    pub scripts: BTreeMap<String, Sha256>,
}

/// A question, who asked it, and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answered {
    /// Parts of the manifest: `environments lab`.
    pub of: BTreeSet<String>,
    /// What was asked.
    pub question: Question,
    /// What was found.
    pub answer: Answer,
}

/// Why a text is no lock.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoLock(String);

/// The name of a kind of machine.
pub(super) fn kind(facts: &Facts) -> String {
    let gpu = if facts.gpu == Gpu::Present { "-gpu" } else { "" };
    format!("{}-{}-{}{gpu}", facts.distribution.id, facts.distribution.version, facts.architecture.machine())
}

/// A part of a manifest as locks name it.
pub(super) fn part(item: &Item) -> String {
    item.name.as_ref().map_or_else(|| item.section.clone(), |name| format!("{} {name}", item.section))
}

impl Lock {
    /// Reads one.
    ///
    /// # Errors
    /// It is none, or one of another version.
    pub fn parse(text: &str) -> Result<Self, NoLock> {
        let value: Value = serde_json::from_str(text).map_err(|e| NoLock(format!("it is no lock: {e}")))?;
        match value.get("version").and_then(Value::as_u64) {
            Some(version) if version == u64::from(VERSION) => {}
            Some(version) => return Err(NoLock(format!("it has version {version}, and this Fitout knows {VERSION}"))),
            None => return Err(NoLock("it is no lock: it has no version".into())),
        }
        serde_json::from_value(joined(value)).map_err(|e| NoLock(format!("it is no lock: {e}")))
    }

    /// The file.
    ///
    /// # Errors
    /// Never for what was read; JSON has no other way to say so.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        let value = parted(serde_json::to_value(Self { version: VERSION, ..self.clone() })?);
        Ok(serde_json::to_string_pretty(&value)? + "\n")
    }

    /// What it says of a kind of machine.
    #[must_use]
    pub fn of(&self, facts: &Facts) -> Option<&Locked> {
        self.machines.get(&kind(facts))
    }
}

/// Text of several lines as a list of lines, under a name that nothing else has.
fn parted(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains('\n') => json!({LINES: text.split('\n').collect::<Vec<_>>()}),
        Value::Array(items) => items.into_iter().map(parted).collect(),
        Value::Object(fields) => Value::Object(fields.into_iter().map(|(key, value)| (key, parted(value))).collect()),
        other @ (Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_)) => other,
    }
}

const LINES: &str = "lines";

fn joined(value: Value) -> Value {
    let lines = |fields: &Map<String, Value>| -> Option<String> {
        let lines = fields.get(LINES).filter(|_| fields.len() == 1)?.as_array()?;
        lines.iter().map(Value::as_str).collect::<Option<Vec<_>>>().map(|lines| lines.join("\n"))
    };
    match value {
        Value::Object(fields) => match lines(&fields) {
            Some(text) => Value::String(text),
            None => Value::Object(fields.into_iter().map(|(key, value)| (key, joined(value))).collect()),
        },
        Value::Array(items) => items.into_iter().map(joined).collect(),
        other @ (Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_)) => other,
    }
}

impl Locked {
    /// What this work comes to, with the answers that led to it.
    pub(super) fn new(questions: &[(Item, Question)], answers: &Answers, work: &Work, packages: PackageFiles) -> Self {
        let mut answered: BTreeMap<String, Answered> = BTreeMap::new();
        for (item, question) in questions {
            let Some(answer) = answers.get(question) else { continue };
            let fresh = || Answered { of: BTreeSet::new(), question: question.clone(), answer: answer.clone() };
            answered.entry(question.digest().to_string()).or_insert_with(fresh).of.insert(part(item));
        }
        let mut answers: Vec<Answered> = answered.into_values().collect();
        answers.sort_by(|one, other| one.of.cmp(&other.of));
        let mut downloads: Vec<Blob> = blobs(work).map(|(_, blob)| blob.clone()).collect();
        downloads.sort_by(|one, other| (&one.url, one.sha256).cmp(&(&other.url, other.sha256)));
        downloads.dedup();
        Self { answers, downloads, packages, scripts: scripts(&work.graph.nodes) }
    }

    /// The answers, as a session takes them.
    #[must_use]
    pub fn known(&self) -> Answers {
        Answers(self.answers.iter().map(|one| (one.question.digest(), one.answer.clone())).collect())
    }

    /// All that comes over a network, packages of the distribution included.
    #[must_use]
    pub fn files(&self) -> Vec<Blob> {
        self.downloads.iter().cloned().chain(self.packages.0.values().filter_map(PackageFile::blob)).collect()
    }

    /// What this work needs and it does not name, in words.
    pub(super) fn lacks(&self, work: &Work) -> Vec<String> {
        let digests: BTreeSet<Sha256> = self.downloads.iter().map(|blob| blob.sha256).collect();
        let unknown = blobs(work).filter(|(_, blob)| !digests.contains(&blob.sha256)).map(|(id, blob)| format!("{id} needs {}", blob.url));
        let moved = scripts(&work.graph.nodes).into_iter().filter_map(|(name, digest)| match self.scripts.get(&name) {
            Some(locked) if *locked == digest => None,
            Some(_) => Some(format!("script {name} is another")),
            None => Some(format!("script {name} is not in it")),
        });
        unknown.chain(moved).collect()
    }

    /// What moved from this to another, in words.
    #[must_use]
    pub fn moved(&self, to: &Self) -> Vec<String> {
        let mut said = Vec::new();
        let urls = |one: &Self| -> BTreeMap<String, Sha256> { one.downloads.iter().map(|blob| (blob.url.clone(), blob.sha256)).collect() };
        said.extend(changes("download", &urls(self), &urls(to), |_| String::new()));
        let versions = |one: &Self| -> BTreeMap<String, (String, Sha256)> {
            one.packages.0.iter().map(|(name, file)| (name.clone(), (file.version.clone(), file.sha256))).collect()
        };
        said.extend(changes("package", &versions(self), &versions(to), |(version, _)| format!(" {version}")));
        said.extend(changes("script", &self.scripts, &to.scripts, |_| String::new()));
        let asked = |one: &Self| -> BTreeMap<String, Sha256> {
            one.answers.iter().flat_map(|one| one.of.iter().map(|of| (of.clone(), one.question.digest()))).collect()
        };
        said.extend(changes("question of", &asked(self), &asked(to), |_| String::new()));
        said
    }
}

/// What differs between two tables, a line a row.
fn changes<T: PartialEq>(what: &str, from: &BTreeMap<String, T>, to: &BTreeMap<String, T>, show: impl Fn(&T) -> String) -> Vec<String> {
    let names: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    let line = |name: &String| match (from.get(name), to.get(name)) {
        (Some(old), Some(new)) if old == new => None,
        (Some(old), Some(new)) => Some(format!(
            "~ {what} {name}{}{}",
            show(old),
            Some(show(new)).filter(|text| !text.is_empty()).map_or_else(String::new, |text| format!(" ->{text}"))
        )),
        (Some(old), None) => Some(format!("- {what} {name}{}", show(old))),
        (None, new) => Some(format!("+ {what} {name}{}", new.map_or_else(String::new, &show))),
    };
    names.into_iter().filter_map(line).collect()
}

/// What the manifest's resources download; Fitout's own program is none of it.
fn blobs(work: &Work) -> impl Iterator<Item = (ResourceId, &Blob)> {
    let named = work.graph.nodes.iter().map(|node| (node.spec.id(), node)).filter(|(id, _)| !work.program.contains(id));
    named.flat_map(|(id, node)| node.spec.blobs().into_iter().map(move |blob| (id.clone(), blob)))
}

fn scripts(nodes: &[Node]) -> BTreeMap<String, Sha256> {
    let script =
        |node: &Node| if let Spec::Script(script) = &node.spec { Some((script.run.name.clone(), script.run.digest)) } else { None };
    nodes.iter().filter_map(script).collect()
}

/// The packages of the distribution that are asked for, as apt takes them.
pub(super) fn wanted(nodes: &[Node]) -> Vec<String> {
    let packages = nodes.iter().flat_map(|node| if let Spec::Apt(apt) = &node.spec { apt.packages.clone() } else { Vec::new() });
    packages.collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::WheelAnswer;

    fn locked(url: &str, sha256: &[u8]) -> Locked {
        let blob = Blob { url: url.into(), sha256: Sha256::of(sha256), size: None };
        let question = Question::Wheels { requirements: vec!["a\nb\n".into()], machine: "x86_64".into(), index: None };
        let answer = Answer::Wheels(WheelAnswer { wheels: vec![blob.clone()] });
        let of = BTreeSet::from(["environments lab".to_owned()]);
        let answers = vec![Answered { of, question, answer }];
        Locked { answers, downloads: vec![blob], ..Locked::default() }
    }

    #[test]
    fn a_lock_is_read_as_it_was_written() {
        let lock = Lock { version: VERSION, machines: BTreeMap::from([("debian-12-x86_64".to_owned(), locked("https://a", b"a"))]) };
        let text = lock.to_text().unwrap();
        assert!(text.contains("\"lines\": [\n"), "{text}");
        assert_eq!(Lock::parse(&text).unwrap(), lock);
        assert_eq!(
            Lock::parse(&text.replace("\"version\": 1", "\"version\": 2")).unwrap_err().to_string(),
            "it has version 2, and this Fitout knows 1"
        );
        assert!(Lock::parse("{}").is_err() && Lock::parse("x").is_err());
    }

    #[test]
    fn what_moved_is_said() {
        let (one, other) = (locked("https://a", b"a"), locked("https://a", b"b"));
        assert_eq!(one.moved(&one), Vec::<String>::new());
        assert_eq!(one.moved(&other), ["~ download https://a"]);
        assert_eq!(one.moved(&Locked::default()), ["- download https://a", "- question of environments lab"]);
    }
}
