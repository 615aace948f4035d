//! Files of requirements: a `requirements.txt`, with hashes or without, and a `pylock.toml` (PEP 751).
//!
//! A requirement with hashes becomes one text, as pip takes it on a line; whoever resolves it takes no file of another hash.

use super::desk::{Desk, Named};
use crate::manifest::v1::Requirement;
use crate::model::Sha256;
use crate::problem::{Code, Place};
use toml_edit::{Document, Table};

/// What stands before a hash.
pub const HASH: &str = " --hash=sha256:";

/// The requirements of a file.
pub fn read(file: &Named, desk: &mut Desk<'_>) -> Vec<String> {
    desk.show(file);
    if file.path.extension().is_some_and(|extension| extension == "toml") { pylock(file, desk) } else { lines(file, desk) }
}

/// The requirements of a `requirements.txt`: one on each line, which may go on on the next; comments apart.
fn lines(file: &Named, desk: &mut Desk<'_>) -> Vec<String> {
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
        let requirement = requirement(&text, &place, desk)?;
        if hashed && !requirement.contains(HASH) {
            let message = "this requirement has no hash, and others of the file have";
            desk.say(Code::BadValue, &place, message, "give each one its hashes (`uv pip compile --generate-hashes`), or none");
        }
        Some(requirement)
    };
    found.into_iter().filter_map(one).collect()
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
                desk.say(Code::NotYet, place, "options other than hashes are not yet read here", "give plain requirements");
                return None;
            }
        }
    }
    if bare.starts_with('-') {
        desk.say(Code::NotYet, place, "options are not yet read here", "give plain requirements; Fitout resolves and pins them itself");
        return None;
    }
    if whole == bare && text.contains("--hash") {
        desk.say(Code::BadValue, place, "none of these hashes is a sha256", "give one; Fitout verifies nothing else");
        return None;
    }
    match Requirement::try_from(bare.to_owned()) {
        Ok(_) => Some(whole),
        Err(error) => {
            desk.say(Code::BadValue, place, error.0, "see PEP 508 for the form");
            None
        }
    }
}

/// The packages of a `pylock.toml`, each pinned with the hashes of its wheels.
fn pylock(file: &Named, desk: &mut Desk<'_>) -> Vec<String> {
    let place = file.line(1, 1);
    let document = match Document::parse(file.text.as_str()) {
        Ok(document) => document,
        Err(error) => {
            let line = error.span().map_or(1, |span| file.text[..span.start].lines().count().max(1));
            desk.say(
                Code::BadValue,
                &file.line(line, 1),
                format!("this is no TOML: {}", error.message()),
                "write it with `uv export --format pylock.toml`",
            );
            return Vec::new();
        }
    };
    let Some(packages) = document.get("packages").and_then(|packages| packages.as_array_of_tables()) else {
        desk.say(Code::BadValue, &place, "this is no pylock.toml: it has no `packages`", "write it with `uv export --format pylock.toml`");
        return Vec::new();
    };
    let one = |package: &Table| {
        let text = |key: &str| package.get(key).and_then(|value| value.as_str()).unwrap_or_default();
        let (name, version, marker) = (text("name"), text("version"), text("marker"));
        let wheels = package.get("wheels").and_then(|wheels| wheels.as_array()).into_iter().flatten();
        let hash =
            |wheel: &toml_edit::Value| Some(wheel.as_inline_table()?.get("hashes")?.as_inline_table()?.get("sha256")?.as_str()?.to_owned());
        let hashes: Vec<String> = wheels.filter_map(hash).filter(|hash| Sha256::parse(hash).is_ok()).collect();
        if version.is_empty() || hashes.is_empty() {
            let message = format!("`{name}` has no version or no wheel with a sha256");
            desk.say(Code::NotYet, &place, message, "Fitout installs wheels of an index, which it can verify");
            return None;
        }
        let marker = if marker.is_empty() { String::new() } else { format!(" ; {marker}") };
        let hashes: String = hashes.iter().flat_map(|hash| [HASH, hash]).collect();
        Some(format!("{name}=={version}{marker}{hashes}"))
    };
    packages.iter().filter_map(one).collect()
}
