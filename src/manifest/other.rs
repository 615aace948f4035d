//! Texts that are for another reader: named for what they are, in one answer for the whole text.

use super::arm;
use super::node::{Entry, Node, Value};
use crate::problem::{Code, Place, Problem};

/// Keys that only an image definition has.
const IMAGE: [&str; 2] = ["base", "outputs"];
/// Keys that only a manifest has.
const MANIFEST: [&str; 8] = ["type", "user", "packages", "files", "units", "environments", "jupyter", "setup_scripts"];
/// Keys of the plays of an Ansible playbook.
const PLAY: [&str; 2] = ["hosts", "import_playbook"];
/// Azure ML's other types of compute, whose fields are others.
const COMPUTE: [(&str, &str); 2] = [("amlcompute", "a cluster"), ("virtualmachine", "an attached machine")];
/// The first line of a file of cloud-init.
const CLOUD_CONFIG: &str = "#cloud-config";

/// What a text is that was given as a manifest and is none.
pub fn than_manifest(file: &str, text: &str, root: &Node) -> Option<Problem> {
    if text.starts_with(CLOUD_CONFIG) {
        let place = Place { file: file.into(), line: 1, column: 1, width: 13 };
        let problem = Problem::at(Code::WrongType, &place, "this is a file of cloud-init, not a manifest");
        return Some(problem.suggest("`fitout explain` lists the keys of a manifest"));
    }
    match &root.value {
        Value::List(items) => items.iter().find_map(play),
        Value::Map(_) if arm::converted(root).is_some() => {
            let problem = Problem::at(Code::WrongType, &root.mark.place(), "this is a document of Azure Resource Manager, not a manifest");
            Some(problem.suggest("`fitout init --from-azure FILE` makes a manifest of it"))
        }
        Value::Map(entries) => compute(entries).or_else(|| {
            let problem = Problem::at(Code::WrongType, &has(entries, &IMAGE)?.mark.place(), "this looks like an image definition");
            Some(problem.suggest("use `fitout bake`; the manifest that it names can be validated"))
        }),
        Value::Scalar(_) => None,
    }
}

/// What a text is that was given as an image definition and is none.
pub fn than_image(root: &Node) -> Option<Problem> {
    let Value::Map(entries) = &root.value else { return None };
    if has(entries, &IMAGE).is_some() {
        return None;
    }
    let problem =
        Problem::at(Code::WrongType, &has(entries, &MANIFEST)?.mark.place(), "this looks like a manifest, not an image definition");
    Some(problem.suggest("use `fitout apply`, or write an image definition that names it; docs/images.md says how"))
}

fn has<'n>(entries: &'n [Entry], keys: &[&str]) -> Option<&'n Entry> {
    entries.iter().find(|entry| keys.contains(&entry.key.as_str()))
}

fn play(item: &Node) -> Option<Problem> {
    let Value::Map(entries) = &item.value else { return None };
    let problem = Problem::at(Code::WrongType, &has(entries, &PLAY)?.mark.place(), "this is an Ansible playbook, not a manifest");
    Some(problem.suggest("`fitout explain` lists the keys of a manifest"))
}

fn compute(entries: &[Entry]) -> Option<Problem> {
    let kind = &has(entries, &["type"])?.value;
    let Value::Scalar(word) = &kind.value else { return None };
    let (name, what) = COMPUTE.iter().find(|(name, _)| *name == word.text)?;
    let problem = Problem::at(Code::NotYet, &kind.mark.place(), format!("`{name}`, {what} of Azure ML, is not yet in this version"));
    Some(problem.suggest("this version makes single machines: `type: computeinstance` or `type: workstation`"))
}
