//! What a machine's own files say about apt.

use super::{Probe, ProbeError};
use crate::model::{Sha256, TargetPath};
use crate::step::SOURCES_RECORD;

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
    for place in SOURCES {
        let place = path(place)?;
        let names = match on.list(&place) {
            Ok(Some(names)) => {
                names.iter().map(|name| place.join(name)).collect::<Result<Vec<_>, _>>().map_err(|e| ProbeError::new("use a path", e))?
            }
            Ok(None) | Err(_) => vec![place],
        };
        for file in names {
            if let Some(bytes) = on.read(&file)? {
                parts.push(file.to_string());
                parts.push(String::from_utf8_lossy(&bytes).into_owned());
            }
        }
    }
    Ok(Sha256::of_parts(parts.iter().map(String::as_str)))
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

/// Packages that dpkg left in between.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Between {
    /// Their files may be incomplete: they must be installed anew, which apt does only where they are named.
    pub half_installed: Vec<String>,
    /// Unpacked, half configured, or waiting for triggers: dpkg can go on with them.
    pub unconfigured: Vec<String>,
}

/// What dpkg left in between.
///
/// # Errors
/// dpkg's database cannot be read.
pub fn between(on: &dyn Probe) -> Result<Between, ProbeError> {
    let bytes = on.read(&path("/var/lib/dpkg/status")?)?.unwrap_or_default();
    Ok(sort_out(&String::from_utf8_lossy(&bytes)))
}

fn sort_out(status: &str) -> Between {
    let mut found = Between::default();
    for stanza in status.split("\n\n") {
        let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let (Some(name), Some(status)) = (field("Package"), field("Status")) else { continue };
        match status.split(' ').collect::<Vec<_>>().as_slice() {
            [_, "reinstreq", _] | [.., "half-installed"] => found.half_installed.push(name.to_owned()),
            [.., "installed" | "config-files" | "not-installed"] => {}
            _ => found.unconfigured.push(name.to_owned()),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_whole_is_left_alone() {
        let stanza = |name: &str, status: &str| format!("Package: {name}\nStatus: {status}\nVersion: 1\n\n");
        let text = [
            stanza("whole", "install ok installed"),
            stanza("gone", "deinstall ok config-files"),
            stanza("torn", "install reinstreq half-installed"),
            stanza("waits", "install ok triggers-pending"),
            stanza("unpacked", "install ok unpacked"),
        ];
        let expected = Between { half_installed: vec!["torn".into()], unconfigured: vec!["waits".into(), "unpacked".into()] };
        assert_eq!(sort_out(&text.concat()), expected);
    }
}
