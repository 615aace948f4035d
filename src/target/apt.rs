//! What a machine's own files say about apt, and what apt itself says.

use super::machine::describe;
use super::{Probe, ProbeError};
use crate::model::{Sha256, TargetPath};
use crate::step::{Output, SOURCES_RECORD};

/// Where apt's sources are named.
const SOURCES: [&str; 2] = ["/etc/apt/sources.list.d", "/etc/apt/sources.list"];
/// apt's package lists.
const LISTS: &str = "/var/lib/apt/lists";

fn path(text: &str) -> Result<TargetPath, ProbeError> {
    TargetPath::parse(text).map_err(|e| ProbeError::new(format!("use path {text}"), e))
}

/// The digest of apt's sources: another one means that the lists must be fetched again.
///
/// # Errors
/// A source cannot be read.
pub fn sources_digest(on: &dyn Probe) -> Result<Sha256, ProbeError> {
    let mut parts = Vec::new();
    for file in sources(on)? {
        parts.push(file.to_string());
        parts.push(String::from_utf8_lossy(&on.read(&file)?.unwrap_or_default()).into_owned());
    }
    Ok(Sha256::of_parts(parts.iter().map(String::as_str)))
}

/// The files that name apt's sources.
///
/// # Errors
/// One cannot be read.
pub(super) fn sources(on: &dyn Probe) -> Result<Vec<TargetPath>, ProbeError> {
    let mut found = Vec::new();
    for place in SOURCES {
        let place = path(place)?;
        let names = match on.list(&place) {
            Ok(Some(names)) => {
                names.iter().map(|name| place.join(name)).collect::<Result<Vec<_>, _>>().map_err(|e| ProbeError::new("use a path", e))?
            }
            Ok(None) | Err(_) => vec![place],
        };
        for file in names {
            found.extend(on.read(&file)?.map(|_| file));
        }
    }
    Ok(found)
}

/// Whether apt has lists, and they are those of the sources as they are now. That they are fetched is part of installing, not a step of
/// its own: a plan cannot know them stale before the source that makes them so is written.
///
/// # Errors
/// A source cannot be read.
pub fn lists_are_current(on: &dyn Probe) -> Result<bool, ProbeError> {
    let fetched = on.list(&path(LISTS)?)?.unwrap_or_default().iter().any(|name| name.ends_with("Packages") || name.ends_with("InRelease"));
    let recorded = on.read(&path(SOURCES_RECORD)?)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let now = sources_digest(on)?.to_string();
    Ok(fetched && recorded.is_some_and(|text| text.trim() == now))
}

/// Beginnings of what apt says, on standard output, of why it does not do a thing. Its errors say only that it does not.
const EXPLAINS: [&str; 2] = ["The following packages have unmet dependencies:", "The following held packages will be changed:"];
/// So many lines of that are told.
const EXPLAINED: usize = 15;

/// How apt failed: what it says of why, before its errors.
pub(super) fn refusal(output: &Output) -> String {
    let mut explains = false;
    let is_told = |line: &&str| {
        explains = EXPLAINS.iter().any(|beginning| line.starts_with(beginning)) || (explains && line.starts_with(' '));
        explains
    };
    let why: String = output.stdout.lines().filter(is_told).take(EXPLAINED).flat_map(|line| [line, "\n"]).collect();
    let told = describe(output);
    match told.split_once('\n') {
        Some((status, errors)) => format!("{status}\n{why}{errors}"),
        None => format!("{told}\n{why}").trim_end().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_apt_refuses_stands_before_that_it_does() {
        let stdout = "Reading package lists...\nThe following information may help to resolve the situation:\n\n\
            The following packages have unmet dependencies:\n jq : Depends: libjq1 (= 1.6-2) but 1.6-3 is to be installed\n\
            Need to get 0 B of archives.\n a line of others\n";
        let stderr = "W: something else\nE: Unable to correct problems, you have held broken packages.\n";
        let told = refusal(&Output { status: 100, stdout: stdout.into(), stderr: stderr.into() });
        let expected = "exit status 100\nThe following packages have unmet dependencies:\n \
            jq : Depends: libjq1 (= 1.6-2) but 1.6-3 is to be installed\nW: something else\nE: Unable to correct";
        assert!(told.starts_with(expected) && !told.contains("others"), "{told}");
        let told = refusal(&Output { status: 1, stdout: "x".into(), stderr: "E: y".into() });
        assert_eq!(told, "exit status 1\nE: y");
    }
}
