//! Absolute paths inside a target machine, never paths of the host that runs Fitout.

use super::Invalid;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// An absolute, normalised path of the target: no `.`, no `..`, no empty part, no NUL, no newline.
///
/// Keeping host and target paths apart by type is what lets an offline bake never touch the host by accident.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TargetPath(String);

/// `PATH_MAX` of Linux, without its terminating NUL.
const LONGEST: usize = 4095;

impl TargetPath {
    /// The root of the target.
    #[must_use]
    pub fn root() -> Self {
        Self("/".into())
    }

    /// Reads an absolute path and normalises repeated and trailing slashes.
    ///
    /// # Errors
    /// The text is not absolute, holds `.` or `..` parts or control characters, or is longer than `PATH_MAX`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if !text.starts_with('/') {
            return Err(Invalid::new(format!("`{text}` is not an absolute path; start it with `/`")));
        }
        if text.len() > LONGEST {
            return Err(Invalid::new(format!("a path of {} bytes is longer than Linux allows ({LONGEST})", text.len())));
        }
        if text.chars().any(char::is_control) {
            return Err(Invalid::new(format!("{text:?} holds a control character")));
        }
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
        if let Some(dots) = parts.iter().find(|part| matches!(**part, "." | "..")) {
            return Err(Invalid::new(format!("`{text}` holds a `{dots}` part; write the path out")));
        }
        Ok(Self(format!("/{}", parts.join("/"))))
    }

    /// This path with `name` (one or more parts) below it. Leading slashes of `name` are dropped: the result is always below.
    ///
    /// # Errors
    /// As [`TargetPath::parse`].
    pub fn join(&self, name: &str) -> Result<Self, Invalid> {
        Self::parse(&format!("{}/{name}", self.0))
    }

    /// The path as text, starting with `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path without its leading slash, as calls relative to a root directory want it; `.` for the root itself.
    #[must_use]
    pub fn relative(&self) -> &str {
        match &self.0[1..] {
            "" => ".",
            rest => rest,
        }
    }

    /// The directory that holds this path; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (head, name) = self.0.rsplit_once('/')?;
        if name.is_empty() {
            return None;
        }
        Some(Self(if head.is_empty() { "/".into() } else { head.into() }))
    }

    /// The last part; empty for the root.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(_, name)| name)
    }

    /// The same as text: every directory above this path, nearest first, the root last.
    pub fn above(&self) -> impl Iterator<Item = &str> {
        let own = self.0.as_str();
        std::iter::successors(Some(own), |path| match path.rsplit_once('/')? {
            (_, "") => None,
            ("", _) => Some("/"),
            (head, _) => Some(head),
        })
        .skip(1)
    }

    /// Where a link at this path leads, its `.` and `..` worked out; `None` where that is no path.
    #[must_use]
    pub fn leads_to(&self, to: &str) -> Option<Self> {
        let mut at = if to.starts_with('/') { Self::root() } else { self.parent()? };
        for part in to.split('/').filter(|part| !matches!(*part, "" | ".")) {
            at = if part == ".." { at.parent().unwrap_or_else(Self::root) } else { at.join(part).ok()? };
        }
        Some(at)
    }

    /// Every directory above this path, nearest first, the root last.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(self.parent(), Self::parent)
    }

    /// Whether this path is `directory` or lies below it.
    #[must_use]
    pub fn is_within(&self, directory: &Self) -> bool {
        directory.0 == "/" || self.0.strip_prefix(&directory.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for TargetPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TargetPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TargetPath {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::parse(text)
    }
}

impl TryFrom<String> for TargetPath {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse(&text)
    }
}

impl From<TargetPath> for String {
    fn from(path: TargetPath) -> Self {
        path.0
    }
}

/// A path as manifests write it: absolute, or below the owner's home (`~`, `~/notes`), which only the target knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum HomePath {
    /// Below `/`.
    Absolute(TargetPath),
    /// Below the owner's home; empty for the home itself.
    Home(String),
}

impl HomePath {
    /// Reads `/…`, `~` or `~/…`.
    ///
    /// # Errors
    /// As [`TargetPath::parse`]; `~name` is refused.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let Some(rest) = text.strip_prefix('~') else {
            return TargetPath::parse(text).map(Self::Absolute);
        };
        if !rest.is_empty() && !rest.starts_with('/') {
            return Err(Invalid::new(format!("`{text}`: only `~`, the owner's home, is known; write other homes out")));
        }
        let below = TargetPath::parse(&format!("/{rest}"))?;
        Ok(Self::Home(below.as_str()[1..].to_owned()))
    }

    /// The path in a target where the owner's home is `home`.
    #[must_use]
    pub fn within(&self, home: &TargetPath) -> TargetPath {
        match self {
            Self::Absolute(path) => path.clone(),
            Self::Home(below) if below.is_empty() => home.clone(),
            Self::Home(below) => TargetPath(format!("{}/{below}", home.0.trim_end_matches('/'))),
        }
    }

    /// Whether it lies below the owner's home.
    #[must_use]
    pub const fn is_home(&self) -> bool {
        matches!(self, Self::Home(_))
    }
}

impl TryFrom<String> for HomePath {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse(&text)
    }
}

impl From<HomePath> for String {
    fn from(path: HomePath) -> Self {
        path.to_string()
    }
}

impl fmt::Display for HomePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absolute(path) => path.fmt(f),
            Self::Home(below) if below.is_empty() => f.write_str("~"),
            Self::Home(below) => write!(f, "~/{below}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalises_and_refuses() {
        assert_eq!(TargetPath::parse("//etc///motd/").unwrap().as_str(), "/etc/motd");
        assert_eq!(TargetPath::parse("/").unwrap().as_str(), "/");
        for bad in ["etc", "", "/a/../b", "/a/./b", "/a\nb", "/a\0b"] {
            assert!(TargetPath::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn knows_its_place() {
        let path = TargetPath::parse("/etc/ssh/sshd_config").unwrap();
        let above: Vec<String> = path.ancestors().map(|p| p.to_string()).collect();
        assert_eq!(above, ["/etc/ssh", "/etc", "/"]);
        assert!(path.is_within(&TargetPath::parse("/etc").unwrap()));
        assert!(!path.is_within(&TargetPath::parse("/et").unwrap()));
        assert_eq!(path.relative(), "etc/ssh/sshd_config");
        assert_eq!(TargetPath::root().relative(), ".");
        assert_eq!(TargetPath::root().parent(), None);
    }
}
