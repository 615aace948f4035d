//! The file tree of a machine in memory: paths, links that are followed within it, modes and owners.

use crate::model::TargetPath;
use crate::step::FileKind;
use std::collections::BTreeMap;

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is, and what it holds.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Numbers of owner and group.
    pub ids: (u32, u32),
}

/// What a node is, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A file with its bytes.
    File(Vec<u8>),
    /// A directory; what is in it stands in the tree.
    Directory,
    /// A link with its text.
    Symlink(String),
}

impl Node {
    /// A file.
    #[must_use]
    pub fn file(bytes: impl Into<Vec<u8>>, mode: u32, ids: (u32, u32)) -> Self {
        Self { kind: Kind::File(bytes.into()), mode, ids }
    }

    /// A directory.
    #[must_use]
    pub const fn directory(mode: u32, ids: (u32, u32)) -> Self {
        Self { kind: Kind::Directory, mode, ids }
    }

    /// A link.
    #[must_use]
    pub fn link(to: &str) -> Self {
        Self { kind: Kind::Symlink(to.to_owned()), mode: 0o777, ids: (0, 0) }
    }

    /// What it is.
    #[must_use]
    pub const fn file_kind(&self) -> FileKind {
        match self.kind {
            Kind::File(_) => FileKind::File,
            Kind::Directory => FileKind::Directory,
            Kind::Symlink(_) => FileKind::Symlink,
        }
    }
}

/// Whether the last part of a path is followed where it is a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// As opening a file does.
    Followed,
    /// As looking at what is there does.
    Kept,
}

/// As many links as Linux follows in one lookup.
const MOST_LINKS: usize = 40;

/// Everything below a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree(BTreeMap<TargetPath, Node>);

impl Default for Tree {
    fn default() -> Self {
        Self(BTreeMap::from([(TargetPath::root(), Node::directory(0o755, (0, 0)))]))
    }
}

fn place(parts: &[String]) -> TargetPath {
    TargetPath::parse(&format!("/{}", parts.join("/"))).unwrap_or_else(|_| TargetPath::root())
}

impl Tree {
    /// Where a path leads when links are followed; never out of the tree.
    #[must_use]
    pub fn real(&self, path: &TargetPath, last: Last) -> TargetPath {
        let mut ahead: Vec<String> = path.as_str().split('/').rev().map(str::to_owned).collect();
        let (mut at, mut links): (Vec<String>, usize) = (Vec::new(), 0);
        while let Some(part) = ahead.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    at.pop();
                    continue;
                }
                _ => at.push(part),
            }
            let followed = (last == Last::Followed || !ahead.is_empty()) && links < MOST_LINKS;
            if let (true, Some(Node { kind: Kind::Symlink(to), .. })) = (followed, self.0.get(&place(&at))) {
                links += 1;
                at.pop();
                if to.starts_with('/') {
                    at.clear();
                }
                ahead.extend(to.split('/').rev().map(str::to_owned));
            }
        }
        place(&at)
    }

    /// What is at a path.
    #[must_use]
    pub fn get(&self, path: &TargetPath, last: Last) -> Option<&Node> {
        self.0.get(&self.real(path, last))
    }

    /// The bytes of a file; `None` where nothing is.
    ///
    /// # Errors
    /// A directory is there.
    pub fn read(&self, path: &TargetPath) -> Result<Option<Vec<u8>>, &'static str> {
        match self.get(path, Last::Followed).map(|node| &node.kind) {
            None | Some(Kind::Symlink(_)) => Ok(None),
            Some(Kind::File(bytes)) => Ok(Some(bytes.clone())),
            Some(Kind::Directory) => Err("it is a directory"),
        }
    }

    /// A file's text; empty where there is none.
    #[must_use]
    pub fn text(&self, path: &TargetPath) -> String {
        String::from_utf8_lossy(&self.read(path).ok().flatten().unwrap_or_default()).into_owned()
    }

    /// Names in a directory, sorted; `None` where there is no directory.
    #[must_use]
    pub fn list(&self, path: &TargetPath) -> Option<Vec<String>> {
        let folder = self.real(path, Last::Followed);
        self.0.get(&folder).filter(|node| node.kind == Kind::Directory)?;
        let inside = self.0.keys().filter(|path| path.parent().as_ref() == Some(&folder));
        Some(inside.map(|path| path.name().to_owned()).collect())
    }

    /// Makes a directory and those above it, each of the owner of the one that it is made in; existing ones stay as they are.
    ///
    /// # Errors
    /// Something else is in the way.
    pub fn make_directories(&mut self, path: &TargetPath, mode: u32) -> Result<(), String> {
        let real = self.real(path, Last::Followed);
        // A link to nothing is in the way as well.
        match self.0.get(&real).or_else(|| self.get(path, Last::Kept)) {
            Some(Node { kind: Kind::Directory, .. }) => Ok(()),
            Some(_) => Err(format!("{path} is no directory; move it away, or name another path")),
            None => {
                if let Some(above) = path.parent() {
                    self.make_directories(&above, mode)?;
                }
                let ids = real.parent().and_then(|above| self.0.get(&above)).map_or((0, 0), |above| above.ids);
                self.0.insert(real, Node::directory(mode, ids));
                Ok(())
            }
        }
    }

    /// Puts a node where it belongs, in place of what is there, making the directories above it.
    ///
    /// # Errors
    /// What is above is no directory, or a directory is there.
    pub fn put(&mut self, path: &TargetPath, node: Node) -> Result<(), String> {
        if let Some(above) = path.parent() {
            self.make_directories(&above, 0o755)?;
        }
        let real = self.real(path, Last::Kept);
        if node.kind != Kind::Directory && self.0.get(&real).is_some_and(|old| old.kind == Kind::Directory) {
            return Err(format!("{path} is a directory"));
        }
        self.0.insert(real, node);
        Ok(())
    }

    /// Changes mode and owner of what is at a path.
    ///
    /// # Errors
    /// Nothing is there.
    pub fn set_meta(&mut self, path: &TargetPath, mode: u32, ids: (u32, u32)) -> Result<(), String> {
        let real = self.real(path, Last::Kept);
        let node = self.0.get_mut(&real).ok_or_else(|| "it is absent".to_owned())?;
        (node.mode, node.ids) = (mode, ids);
        Ok(())
    }

    /// Removes what is at a path, and all below it.
    pub fn remove(&mut self, path: &TargetPath) {
        let real = self.real(path, Last::Kept);
        self.0.retain(|path, _| !path.is_within(&real));
    }

    /// Moves what is at a path, and all below it, to where nothing is.
    ///
    /// # Errors
    /// What is above the new place is no directory.
    pub fn rename(&mut self, from: &TargetPath, to: &TargetPath) -> Result<(), String> {
        let real = self.real(from, Last::Kept);
        let moved: Vec<(TargetPath, Node)> =
            self.0.iter().filter(|(path, _)| path.is_within(&real)).map(|(path, node)| (path.clone(), node.clone())).collect();
        self.remove(from);
        for (path, node) in moved {
            let below = &path.as_str()[real.as_str().len()..];
            self.put(&TargetPath::parse(&format!("{to}{below}")).map_err(|e| e.to_string())?, node)?;
        }
        Ok(())
    }

    /// Everything, by path.
    #[must_use]
    pub const fn nodes(&self) -> &BTreeMap<TargetPath, Node> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> TargetPath {
        TargetPath::parse(text).unwrap()
    }

    #[test]
    fn links_stay_inside() {
        let mut tree = Tree::default();
        tree.put(&path("/usr/lib/x"), Node::file("x", 0o644, (0, 0))).unwrap();
        tree.put(&path("/lib"), Node::link("usr/lib")).unwrap();
        tree.put(&path("/out"), Node::link("../../../usr")).unwrap();
        tree.put(&path("/loop"), Node::link("loop")).unwrap();
        assert_eq!(tree.read(&path("/lib/x")).unwrap().unwrap(), b"x");
        assert_eq!(tree.read(&path("/out/lib/x")).unwrap().unwrap(), b"x");
        assert_eq!(tree.read(&path("/loop/x")), Ok(None));
        assert_eq!(tree.list(&path("/lib")), Some(vec!["x".to_owned()]));
        tree.put(&path("/lib/y"), Node::file("y", 0o644, (0, 0))).unwrap();
        assert_eq!(tree.list(&path("/usr/lib")).unwrap(), ["x", "y"]);
    }

    #[test]
    fn what_is_in_the_way_stays() {
        let mut tree = Tree::default();
        tree.put(&path("/a"), Node::file("", 0o644, (0, 0))).unwrap();
        assert!(tree.put(&path("/a/b"), Node::file("", 0o644, (0, 0))).is_err());
        assert!(tree.put(&path("/"), Node::file("", 0o644, (0, 0))).is_err());
    }
}
