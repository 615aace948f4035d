//! What people added to an environment goes along when it is made anew: their files as they are, where nothing that belongs to the
//! new one has their place.
//!
//! The old tree may be a user's: it is read from inside itself, so that no link in it leads out, and nothing is taken that its owner could
//! not have read.

use super::fs::{Ids, Rooted};
use super::inventory::{Added, Installer, Inventory, walk};
use super::machine::Machine;
use super::unpack::below;
use super::{OpError, ProbeError, Progress};
use crate::model::TargetPath;
use crate::step::{FileKind, Site, Stat};
use std::collections::BTreeSet;
use std::io::{Cursor, Read};
use std::os::unix::fs::MetadataExt;

/// Files up to this size are searched for the path of the old generation; larger ones are data.
const SEARCHED: u64 = 16 << 20;
/// Lists of files of packages are shorter.
const LONGEST_LIST: u64 = 32 << 20;

/// What is carried from one generation to the next.
struct Move<'a> {
    machine: &'a Machine,
    old: Rooted,
    from: &'a TargetPath,
    to: &'a TargetPath,
    /// Numbers of the environment's owner.
    ids: Ids,
}

/// Carries what people added to `from` into the generation of `site`, of which `made` is what Fitout put there.
pub(super) fn carry(
    machine: &Machine,
    from: &TargetPath,
    site: &Site,
    made: &Inventory,
    ids: Ids,
    progress: &dyn Progress,
) -> Result<(), OpError> {
    // Without it nobody can tell what was added; an unfinished generation has none, and nobody worked in that.
    let Some(before) = Inventory::read(from, machine)? else { return Ok(()) };
    let old = Rooted::open(&machine.files.on_host(from)?).map_err(|e| OpError::new(format!("open {from}"), e))?;
    let work = Move { machine, old, from, to: &site.generation, ids };
    let added = before.added(from, machine)?;
    let ours = made.names();
    let (replaced, kept): (Vec<Added>, Vec<Added>) = added.into_iter().partition(|package| ours.contains(&package.name));
    let pythons = machine.files.list(&below(work.to, "lib")?)?.unwrap_or_default();
    let foreign = |path: &str| {
        path.strip_prefix("lib/python").is_some_and(|rest| {
            rest.split_once('/').is_some_and(|(version, _)| !pythons.iter().any(|name| name.strip_prefix("python") == Some(version)))
        })
    };
    let mut left = BTreeSet::new();
    for package in &replaced {
        left.extend(work.files_of(package)?);
    }
    for (path, stat) in walk(&work.old)? {
        let name = path.relative();
        if !before.holds(name) && !left.contains(name) && !foreign(name) {
            work.bring(&path, &stat)?;
        }
    }
    for package in &kept {
        if foreign(&package.record) {
            progress.note(&format!("{}: {package} was added for another Python and is not carried along; install it again", site.prefix));
        } else {
            progress.line(&format!("{package} is carried along"));
        }
    }
    for package in &replaced {
        progress.note(&format!("{}: {package}, added by hand, gave way to that of the manifest", site.prefix));
    }
    Ok(())
}

impl Move<'_> {
    /// Brings one file or link, unless the new generation has something there.
    fn bring(&self, path: &TargetPath, stat: &Stat) -> Result<(), ProbeError> {
        let files = &self.machine.files;
        let to = self.to.join(path.relative()).map_err(|e| ProbeError::new(format!("carry {path} along"), e))?;
        if files.stat(&to)?.is_some() {
            return Ok(());
        }
        if let Some(link) = &stat.link {
            return files.symlink(&to, &link.replace(self.from.as_str(), self.to.as_str()));
        }
        if stat.kind != FileKind::File {
            return Ok(());
        }
        let Some(file) = self.old.open_file(path)? else { return Ok(()) };
        let failed = |e| ProbeError::new(format!("carry {}{path} along", self.from), e);
        let data = file.metadata().map_err(failed)?;
        // A second name of a file that is another's would give that file away.
        if !data.is_file() || (data.nlink() > 1 && data.uid() != self.ids.0) {
            return Ok(());
        }
        let mut source: Box<dyn Read> = Box::new(file);
        if data.len() <= SEARCHED {
            let mut bytes = Vec::new();
            source.take(SEARCHED).read_to_end(&mut bytes).map_err(failed)?;
            replace(&mut bytes, self.from.as_str().as_bytes(), self.to.as_str().as_bytes());
            source = Box::new(Cursor::new(bytes));
        }
        files.write_unsynced(&to, &mut source, stat.mode & 0o777, (0, 0))
    }

    /// The files of a package in the old generation, by what it tells of itself.
    fn files_of(&self, package: &Added) -> Result<BTreeSet<String>, ProbeError> {
        let conda = package.installer == Installer::Conda;
        let list = if conda { package.record.clone() } else { format!("{}/RECORD", package.record) };
        let path = TargetPath::root().join(&list).map_err(|e| ProbeError::new(format!("read {list}"), e))?;
        let mut text = String::new();
        if let Some(file) = self.old.open_file(&path)? {
            file.take(LONGEST_LIST).read_to_string(&mut text).map_err(|e| ProbeError::new(format!("read {list}"), e))?;
        }
        if conda {
            let record: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            let files = record["files"].as_array().into_iter().flatten();
            return Ok(files.filter_map(|file| Some(file.as_str()?.to_owned())).chain([list]).collect());
        }
        let folder = package.record.rsplit_once('/').map_or("", |(folder, _)| folder);
        Ok(text.lines().filter_map(|line| resolved(folder, first_field(line))).collect())
    }
}

/// The first field of a line of comma-separated values.
fn first_field(line: &str) -> &str {
    match line.strip_prefix('"') {
        Some(rest) => rest.split_once('"').map_or(rest, |(field, _)| field),
        None => line.split(',').next().unwrap_or_default(),
    }
}

/// A path that is relative to a folder, without its `..` parts; `None` where it leads out.
fn resolved(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Puts one text in the place of another of the same length, wherever it stands.
fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    if from.len() != to.len() || from.is_empty() {
        return;
    }
    let mut at = 0;
    while let Some(next) = bytes.get(at..).and_then(|rest| rest.windows(from.len()).position(|window| window == from)) {
        bytes[at + next..at + next + to.len()].copy_from_slice(to);
        at += next + to.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read() {
        assert_eq!(first_field("six.py,sha256=abc,10"), "six.py");
        assert_eq!(first_field("\"a,b.py\",,"), "a,b.py");
        assert_eq!(resolved("lib/python3.11/site-packages", "../../../bin/tool").as_deref(), Some("bin/tool"));
        assert_eq!(resolved("lib", "../../etc/passwd"), None);
    }

    #[test]
    fn paths_are_replaced_in_place() {
        let mut bytes = b"#!/e/a-1/bin/python\n/e/a-1/e/a-1".to_vec();
        replace(&mut bytes, b"/e/a-1", b"/e/a-2");
        assert_eq!(bytes, b"#!/e/a-2/bin/python\n/e/a-2/e/a-2");
    }
}
