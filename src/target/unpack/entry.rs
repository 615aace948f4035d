//! What an entry of an archive may be. An archive is judged, not trusted: one entry that breaks a rule refuses all of it.
//!
//! Names are relative, in parts, without `..`; links stay in the tree, whatever other links there are; devices, pipes and sockets are
//! refused. Owners, times, special bits and extended attributes never come along: permissions are given here.

use crate::step::Strip;
use std::collections::BTreeMap;
use std::io;

/// Longest name; `PATH_MAX` of Linux leaves room for the place of the tree.
const LONGEST_NAME: usize = 3072;
/// Longest part of a name, as Linux has it.
const LONGEST_PART: usize = 255;
/// Deepest tree. The deepest of real packages (node modules) take some thirty.
const DEEPEST: usize = 100;
/// More entries than any archive of this field holds (torch: 12 000).
pub const MOST_ENTRIES: usize = 500_000;

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A file with these permission bits.
    File(u32),
    /// A symbolic link to this text.
    Symlink(String),
    /// Another name of an earlier entry's file.
    Hardlink(String),
}

/// An entry that may be laid into the tree.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where, relative to the tree.
    pub name: String,
    /// What.
    pub kind: Kind,
}

/// What is said of an archive that breaks a rule.
pub fn refused(name: &str, why: &str) -> io::Error {
    io::Error::other(format!("the archive is refused: entry {:?} {why}", shortened(name)))
}

fn shortened(name: &str) -> String {
    /// Enough of a name to find it.
    const SHOWN: usize = 120;
    let short: String = name.chars().take(SHOWN).collect();
    if short.len() < name.len() { format!("{short}…") } else { short }
}

/// The tree as it is so far, and the archive in hand.
#[derive(Debug, Default)]
pub struct Judge {
    /// What is where, and which archive brought it.
    known: BTreeMap<String, (Kind, usize)>,
    archive: usize,
    entries: usize,
    /// The one folder that holds all of the archive in hand, where that is stripped.
    wrapper: Option<String>,
}

impl Judge {
    /// Begins with another archive, whose entries may replace those of earlier ones.
    pub fn next_archive(&mut self) {
        (self.archive, self.entries, self.wrapper) = (self.archive + 1, 0, None);
    }

    /// The entry, where it may be laid; `None` for what lies outside of the folder that is wanted.
    pub fn accept(&mut self, name: &[u8], kind: Kind, strip: &Strip) -> io::Result<Option<Entry>> {
        self.entries += 1;
        if self.entries > MOST_ENTRIES {
            return Err(io::Error::other(format!("the archive is refused: it holds more than {MOST_ENTRIES} entries")));
        }
        let full = checked(name)?;
        let Some(name) = self.stripped(&full, strip)? else { return Ok(None) };
        if name == super::MARKER {
            return Err(refused(&full, "has the name of Fitout's own mark"));
        }
        let kind = match kind {
            Kind::Symlink(to) => symlink(&full, &name, to)?,
            Kind::Hardlink(to) => Kind::Hardlink(self.hardlink(&full, &to, strip)?),
            kind @ (Kind::Directory | Kind::File(_)) => kind,
        };
        self.place(&full, &name, &kind)?;
        Ok(Some(Entry { name, kind }))
    }

    fn stripped(&mut self, full: &str, strip: &Strip) -> io::Result<Option<String>> {
        let folder = match strip {
            Strip::Folder(folder) => folder.clone(),
            Strip::Wrapper => {
                let first = full.split('/').next().unwrap_or_default();
                let wrapper = self.wrapper.get_or_insert_with(|| first.to_owned());
                if wrapper != first {
                    return Err(refused(full, &format!("is not below {wrapper}, as the others are")));
                }
                wrapper.clone()
            }
        };
        if folder.is_empty() {
            return Ok(Some(full.to_owned()).filter(|name| !name.is_empty()));
        }
        let rest = full.strip_prefix(&folder).and_then(|rest| rest.strip_prefix('/'));
        Ok(rest.filter(|rest| !rest.is_empty()).map(str::to_owned))
    }

    /// The file that a hard link names, which must have come before it in the same archive: so it is ours, and no link.
    fn hardlink(&self, full: &str, to: &str, strip: &Strip) -> io::Result<String> {
        let to = checked(to.as_bytes())?;
        let folder = match strip {
            Strip::Folder(folder) => folder.as_str(),
            Strip::Wrapper => self.wrapper.as_deref().unwrap_or_default(),
        };
        let inside = if folder.is_empty() { Some(to.as_str()) } else { to.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')) };
        match inside.and_then(|to| Some((to, self.known.get(to)?))) {
            Some((to, (Kind::File(_) | Kind::Hardlink(_), archive))) if *archive == self.archive => Ok(to.to_owned()),
            _ => Err(refused(full, "is a hard link to something that is no file of the archive")),
        }
    }

    /// Sees to it that nothing is laid through a link or a file, and nothing twice.
    fn place(&mut self, full: &str, name: &str, kind: &Kind) -> io::Result<()> {
        for (end, _) in name.match_indices('/') {
            match self.known.get(&name[..end]) {
                Some((Kind::Directory, _)) => {}
                Some(_) => return Err(refused(full, "lies below something that is no directory")),
                None => drop(self.known.insert(name[..end].to_owned(), (Kind::Directory, self.archive))),
            }
        }
        match self.known.get(name) {
            Some((Kind::Directory, _)) if *kind == Kind::Directory => return Ok(()),
            Some((Kind::Directory, _)) => return Err(refused(full, "takes the place of a directory")),
            Some(_) if *kind == Kind::Directory => return Err(refused(full, "takes the place of a file or a link")),
            Some((_, archive)) if *archive == self.archive => return Err(refused(full, "is there twice")),
            Some(_) | None => {}
        }
        self.known.insert(name.to_owned(), (kind.clone(), self.archive));
        Ok(())
    }
}

/// A name in its normal form: no `./` before it (as many tools write it), no `/` after it.
fn checked(name: &[u8]) -> io::Result<String> {
    let text = std::str::from_utf8(name).map_err(|_| refused(&String::from_utf8_lossy(name), "has a name that is not UTF-8"))?;
    let no = |why: &str| Err(refused(text, why));
    if text.len() > LONGEST_NAME || text.split('/').any(|part| part.len() > LONGEST_PART) {
        return no("has a name that is too long");
    }
    if text.chars().any(char::is_control) {
        return no("has a control character in its name");
    }
    let normal = text.strip_prefix("./").unwrap_or(text);
    let normal = normal.strip_suffix('/').unwrap_or(normal);
    if matches!(text, "." | "./") {
        return Ok(String::new());
    }
    if normal.contains('\\') || normal.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return no("leaves the tree");
    }
    if normal.split('/').count() > DEEPEST {
        return no("lies too deep");
    }
    Ok(normal.to_owned())
}

/// A link that stays in the tree: as many `..` at its beginning as lead to the top at most, and none later, where they could climb out
/// through another link. Every directory above it is a real one, so counting is enough.
fn symlink(full: &str, name: &str, to: String) -> io::Result<Kind> {
    let parts: Vec<&str> = to.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let up = parts.iter().take_while(|part| **part == "..").count();
    let depth = name.matches('/').count();
    if to.is_empty() || to.len() > LONGEST_NAME || to.chars().any(char::is_control) {
        return Err(refused(full, "is a link with no usable target"));
    }
    if to.starts_with('/') || up > depth || parts[up..].contains(&"..") {
        return Err(refused(full, "is a link that leaves the tree"));
    }
    Ok(Kind::Symlink(to))
}
