//! Files of requirements: a `requirements.txt`, with hashes or without; a `pylock.toml` is read next door.
//!
//! A requirement with hashes becomes one text, as pip takes it on a line; whoever resolves it takes no file of another hash.

use super::desk::{Desk, Named};
use super::pep508::malformed;
use super::pylock::pylock;
use crate::manifest::v1::Requirement;
use crate::model::Sha256;
use crate::problem::{Code, Place};

/// What stands before a hash.
pub const HASH: &str = " --hash=sha256:";

/// Files that name one another are read so far; pip knows no end.
const DEEPEST: usize = 8;

/// The requirements of a file, and of those that it names with `-r`, for an environment of this Python (`3.11`).
pub fn read(file: &Named, python: &str, desk: &mut Desk<'_>) -> Vec<String> {
    read_to(DEEPEST, file, python, desk)
}

fn read_to(depth: usize, file: &Named, python: &str, desk: &mut Desk<'_>) -> Vec<String> {
    desk.show(file);
    let is_lock = file.path.extension().is_some_and(|extension| extension == "toml");
    if is_lock { pylock(file, python, desk) } else { lines(depth, file, python, desk) }
}

/// The file that a line names with `-r`.
fn included(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("--requirement").or_else(|| line.strip_prefix("-r"))?;
    Some(rest.trim_start_matches(['=', ' ', '\t'])).filter(|name| !name.is_empty())
}

/// Options of pip that mean something here, what is said of them, and what to do.
const OPTIONS: [(&[&str], &str, &str); 4] = [
    (
        &["-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--no-index", "--trusted-host"],
        "which index is asked is said in the manifest, for all environments alike",
        "write `network: {mirrors: {pypi: …}}` there, and remove this line",
    ),
    (
        &["-e", "--editable"],
        "a folder that is installed as it is cannot be verified: Fitout installs wheels of an index",
        "name packages; have a setup script install what is worked on",
    ),
    (
        &["-r", "--requirement"],
        "files of requirements are not read in a `pip:` section",
        "name their packages here, or make the environment of `python:` with `requirements: FILE`",
    ),
    (
        &["-c", "--constraint"],
        "files of constraints are not read",
        "write the ranges into the requirements themselves, or give a lock (`uv pip compile --generate-hashes`)",
    ),
];

/// What is said of an option, and what to do about it.
pub fn option(text: &str) -> (&'static str, &'static str) {
    let word = text.split([' ', '=', '\t']).next().unwrap_or_default();
    let known = OPTIONS.iter().find(|(words, ..)| words.contains(&word));
    let other = ("this option of pip is not read", "give plain requirements; Fitout resolves and pins them itself");
    known.map_or(other, |(_, message, help)| (message, help))
}

/// Finds a requirement that cannot be resolved: no index vouches for what is at an address, and pip reads nothing but PEP 508.
pub fn is_refused(text: &str, place: &Place, desk: &mut Desk<'_>) -> bool {
    names_address(text, place, desk) || malformed(text, place, desk)
}

fn names_address(text: &str, place: &Place, desk: &mut Desk<'_>) -> bool {
    let is_address = text.split(';').next().is_some_and(|bare| bare.contains("://"));
    if is_address {
        let message =
            "this requirement names an address, where nothing has a digest: Fitout installs wheels of an index, each by its sha256";
        let help =
            "name the package and its release, such as `six==1.16.0`; an index of your own stands in `network: {mirrors: {pypi: …}}`";
        desk.say(Code::BadValue, place, message, help);
    }
    is_address
}

/// The requirements of a `requirements.txt`: one on each line, which may go on on the next; comments apart.
fn lines(depth: usize, file: &Named, python: &str, desk: &mut Desk<'_>) -> Vec<String> {
    let mut found: Vec<(String, Place)> = Vec::new();
    let mut begun: Option<(String, Place)> = None;
    for (index, line) in file.text.lines().enumerate() {
        let text = line[..line.find(" #").unwrap_or(line.len())].trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let (before, place) = begun.take().unwrap_or_else(|| (String::new(), file.line(index + 1, line.chars().count())));
        let whole = format!("{before} {}", text.trim_end_matches('\\').trim());
        if text.ends_with('\\') {
            begun = Some((whole, place));
        } else {
            found.push((whole.trim().to_owned(), place));
        }
    }
    found.extend(begun);
    let hashed = found.iter().any(|(text, _)| text.contains("--hash"));
    let one = |(text, place): (String, Place)| {
        if let Some(name) = included(&text) {
            return include(depth, file, python, (name, &place), desk);
        }
        let Some(requirement) = requirement(&text, &place, desk) else { return Vec::new() };
        if hashed && !requirement.contains(HASH) {
            let message = "this requirement has no hash, and others of the file have";
            desk.say(Code::BadValue, &place, message, "give each one its hashes (`uv pip compile --generate-hashes`), or none");
        }
        vec![requirement]
    };
    found.into_iter().flat_map(one).collect()
}

/// The requirements of a file that another names, relative to that.
fn include(depth: usize, file: &Named, python: &str, (name, place): (&str, &Place), desk: &mut Desk<'_>) -> Vec<String> {
    let Some(depth) = depth.checked_sub(1) else {
        desk.say(Code::BadValue, place, "these files name each other, more than eight deep", "take the circle apart");
        return Vec::new();
    };
    let beside = file.path.parent().map_or_else(|| name.into(), |folder| folder.join(name));
    desk.file_at(beside, place, super::desk::CARRIED).map_or_else(Vec::new, |inner| read_to(depth, &inner, python, desk))
}

/// One requirement, with its hashes in one form.
fn requirement(text: &str, place: &Place, desk: &mut Desk<'_>) -> Option<String> {
    let mut words = text.split(" --");
    let bare = words.next().unwrap_or_default().trim();
    let mut whole = bare.to_owned();
    for option in words {
        let digest = option.trim().strip_prefix("hash=").or_else(|| option.trim().strip_prefix("hash "));
        match digest.map(|digest| digest.trim().strip_prefix("sha256:").and_then(|hex| Sha256::parse(hex).ok())) {
            Some(Some(digest)) => whole.extend([HASH, digest.to_string().as_str()]),
            // Other kinds of hashes stand beside it where they are given.
            Some(None) => {}
            None => {
                desk.say(Code::NotYet, place, "options of a requirement other than hashes are not read", "give plain requirements");
                return None;
            }
        }
    }
    if bare.starts_with('-') {
        let (message, help) = option(bare);
        desk.say(Code::NotYet, place, message, help);
        return None;
    }
    if names_address(bare, place, desk) {
        return None;
    }
    if whole == bare && text.contains("--hash") {
        desk.say(Code::BadValue, place, "none of these hashes is a sha256", "give one; Fitout verifies nothing else");
        return None;
    }
    match Requirement::try_from(bare.to_owned()) {
        Ok(_) => (!malformed(bare, place, desk)).then_some(whole),
        Err(error) => {
            desk.say(Code::BadValue, place, error.0, "see PEP 508 for the form");
            None
        }
    }
}
