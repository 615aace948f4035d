//! What is told of a root that was named: its files by the paths that lead to them from outside. On the machine where the command was given,
//! `/etc/fitout/machine.yaml` would be another file.

use crate::manifest::Rejected;
use crate::session::{Ill, SessionError};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A command is about one machine.
static NAMED: OnceLock<Named> = OnceLock::new();

#[derive(Debug)]
struct Named {
    root: PathBuf,
    /// The host's own folder, whatever root is worked on.
    cache: PathBuf,
}

/// From here on messages about the machine are about this root.
pub fn begin(root: &Path, cache: &Path) {
    NAMED.get_or_init(|| Named { root: root.to_owned(), cache: cache.to_owned() });
}

/// A message about the machine, each path in it as it is reached from outside.
pub fn told(message: &str) -> String {
    match NAMED.get() {
        Some(named) => named.told(message),
        None => message.to_owned(),
    }
}

/// The same of an own manifest that was refused: where its files are.
pub fn rejected(mut rejected: Rejected) -> Rejected {
    rejected.rename(&told);
    rejected
}

/// The same of work that did not begin, because of an own manifest that was refused.
pub fn session(error: SessionError) -> SessionError {
    if let SessionError::Manifest(refused) = error { SessionError::Manifest(rejected(refused)) } else { error }
}

/// The same of what keeps Fitout from its work there.
pub fn ill(ill: &Ill) -> Ill {
    Ill { found: told(&ill.found), hint: told(&ill.hint) }
}

impl Named {
    fn told(&self, message: &str) -> String {
        let begins = |next: char| next.is_whitespace() || "`('\"=".contains(next);
        message.split_inclusive(begins).map(|piece| if self.is_within(piece) { self.below(piece) } else { piece.to_owned() }).collect()
    }

    /// Whether this is a path of the machine.
    fn is_within(&self, piece: &str) -> bool {
        let names = |folder: &Path| folder.to_str().is_some_and(|folder| piece.starts_with(folder));
        piece.strip_prefix('/').is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '.'))
            && !names(&self.root)
            && !names(&self.cache)
    }

    fn below(&self, path: &str) -> String {
        format!("{}{path}", self.root.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_machine_are_below_its_root() {
        let named = Named { root: "/srv/root".into(), cache: "/var/cache/fitout".into() };
        for (message, told) in [
            ("/etc/fitout/machine.yaml is not trusted: /etc", "/srv/root/etc/fitout/machine.yaml is not trusted: /srv/root/etc"),
            (
                "cannot read `/etc/x` (/etc/y): `chown root /etc/x`",
                "cannot read `/srv/root/etc/x` (/srv/root/etc/y): `chown root /srv/root/etc/x`",
            ),
            ("/srv/root/etc/x, /var/cache/fitout/sha256", "/srv/root/etc/x, /var/cache/fitout/sha256"),
            ("https://example.org/etc and/or / is full, 3 / 4", "https://example.org/etc and/or / is full, 3 / 4"),
        ] {
            assert_eq!(named.told(message), told);
        }
    }
}
