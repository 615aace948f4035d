//! A `pylock.toml` (PEP 751): whether it may be used for an environment, and its packages, each pinned with the hashes of its wheels.

use super::desk::{Desk, Named};
use super::requirements::HASH;
use crate::model::Sha256;
use crate::problem::{Code, Place};
use pep440_rs::{Version, VersionSpecifiers};
use std::str::FromStr;
use toml_edit::{Document, Item, Table};

/// The format of these files that is known: of a newer minor one, what is known still means the same.
const KNOWN: (u64, u64) = (1, 0);

/// Patch releases of a line of Python that a range is tried with; none had more (3.9 had 25).
const PATCHES: u64 = 40;

const WRITTEN: &str = "write it with `uv export --format pylock.toml`";

/// The packages of a file, for an environment of this Python (`3.11`).
pub fn pylock(file: &Named, python: &str, desk: &mut Desk<'_>) -> Vec<String> {
    let place = file.line(1, 1);
    let document = match Document::parse(file.text.as_str()) {
        Ok(document) => document,
        Err(error) => {
            desk.say(Code::BadValue, &at(file, error.span()), format!("this is no TOML: {}", error.message()), WRITTEN);
            return Vec::new();
        }
    };
    let Some(packages) = document.get("packages").and_then(|packages| packages.as_array_of_tables()) else {
        desk.say(Code::BadValue, &place, "this is no pylock.toml: it has no `packages`", WRITTEN);
        return Vec::new();
    };
    if !is_known(file, document.get("lock-version"), desk) {
        return Vec::new();
    }
    check_python(file, document.get("requires-python"), python, desk);
    packages.iter().filter_map(|package| requirement(file, package, desk)).collect()
}

/// The line where something begins.
fn at(file: &Named, span: Option<std::ops::Range<usize>>) -> Place {
    let line = span.and_then(|span| file.text.get(..span.start)).map_or(1, |before| before.matches('\n').count() + 1);
    file.line(line, file.text.lines().nth(line - 1).unwrap_or_default().chars().count())
}

/// Whether the file is of a format that is known. The standard wants another major one refused, and a newer minor one told.
fn is_known(file: &Named, written: Option<&Item>, desk: &mut Desk<'_>) -> bool {
    let text = written.and_then(Item::as_str).unwrap_or_default();
    let number = |text: &str| text.parse::<u64>().ok();
    let parts = text.split_once('.').and_then(|(major, minor)| Some((number(major)?, number(minor)?)));
    let place = at(file, written.and_then(Item::span));
    let (major, minor) = KNOWN;
    match parts {
        Some((of, newer)) if of == major => {
            if newer > minor {
                let message =
                    format!("this is a pylock.toml of format {text}, and {major}.{minor} is known: what is new in it is not read");
                desk.warn(Code::NotYet, &place, message, "look whether all that it should install is in the plan");
            }
            true
        }
        Some(_) => {
            let message = format!("this is a pylock.toml of format {text}, and this Fitout reads {major}.{minor}");
            desk.say(Code::NotYet, &place, message, format!("write it with a tool that writes `lock-version = \"{major}.{minor}\"`"));
            false
        }
        None => {
            let message = format!("this is no pylock.toml: its `lock-version` is no version such as \"{major}.{minor}\"");
            desk.say(Code::BadValue, &place, message, WRITTEN);
            false
        }
    }
}

/// Finds a lock that was made for other releases of Python than the environment's, of which the distribution chooses the patch release.
fn check_python(file: &Named, written: Option<&Item>, python: &str, desk: &mut Desk<'_>) {
    let Some(item) = written else { return };
    let place = at(file, item.span());
    let text = item.as_str().unwrap_or_default();
    let Ok(range) = VersionSpecifiers::from_str(text) else {
        desk.say(Code::BadValue, &place, "`requires-python` is no range of versions, such as \">=3.11\"", WRITTEN);
        return;
    };
    let may_be = |patch| Version::from_str(&format!("{python}.{patch}")).is_ok_and(|version| range.contains(&version));
    if !(0..=PATCHES).any(may_be) {
        let message = format!("this was resolved for Python {text}, and the environment is of Python {python}");
        let help = "give the environment a Python of that range, or resolve anew for its own (`uv pip compile --python-version`)";
        desk.say(Code::BadValue, &place, message, help);
    }
}

fn requirement(file: &Named, package: &Table, desk: &mut Desk<'_>) -> Option<String> {
    let text = |key: &str| package.get(key).and_then(|value| value.as_str()).unwrap_or_default();
    let (name, version, marker) = (text("name"), text("version"), text("marker"));
    let wheels = package.get("wheels").and_then(|wheels| wheels.as_array()).into_iter().flatten();
    let hash =
        |wheel: &toml_edit::Value| Some(wheel.as_inline_table()?.get("hashes")?.as_inline_table()?.get("sha256")?.as_str()?.to_owned());
    let hashes: Vec<String> = wheels.filter_map(hash).filter(|hash| Sha256::parse(hash).is_ok()).collect();
    if version.is_empty() || hashes.is_empty() {
        let message = format!("`{name}` has no version or no wheel with a sha256");
        desk.say(Code::NotYet, &at(file, package.span()), message, "Fitout installs wheels of an index, which it can verify");
        return None;
    }
    let marker = if marker.is_empty() { String::new() } else { format!(" ; {marker}") };
    let hashes: String = hashes.iter().flat_map(|hash| [HASH, hash]).collect();
    Some(format!("{name}=={version}{marker}{hashes}"))
}
