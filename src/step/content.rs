//! What files hold, and what is run.

use crate::model::{ByteSize, Owner, SecretRef, Sha256, TargetPath};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a file is to hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Small content, carried along. Bytes that are not UTF-8 travel as a blob.
    Inline(Arc<str>),
    /// A blob of the store.
    Blob(Blob),
    /// Text in which `{{secret:N}}` stands for the N-th reference; only a target ever renders it.
    Secret {
        /// The text around the secrets.
        template: String,
        /// Where the secrets are found on the target.
        refs: Vec<SecretRef>,
    },
}

/// A download, pinned: verified before anything reads it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Blob {
    /// Where it can be had.
    pub url: String,
    /// What it must be.
    pub sha256: Sha256,
    /// Its size where the source tells.
    pub size: Option<ByteSize>,
}

impl Blob {
    /// Where Fitout's own program is had: from itself.
    pub const OWN: &str = "fitout, this program";

    /// Whether it is Fitout's own program, which nobody downloads.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.url == Self::OWN
    }
}

/// Where Fitout itself is on a machine that was given it; its units name it.
pub const PROGRAM: &str = "/usr/local/bin/fitout";

/// Where packages lie and are unpacked while an environment is built; nothing stays there.
pub const WORKPLACE: &str = "/var/cache/fitout/build";

/// The PATH of every command that Fitout runs in a target: Debian's, for root.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program and its arguments; never a shell line.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cmd {
    /// The program, then its arguments.
    pub argv: Vec<String>,
    /// Variables beside the fixed, small environment that every command gets.
    pub env: BTreeMap<String, String>,
    /// Who runs it.
    pub user: Owner,
    /// Where it runs.
    pub directory: TargetPath,
}

impl Cmd {
    /// A command of root in `/`.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), env: BTreeMap::new(), user: Owner::Root, directory: TargetPath::root() }
    }

    /// With a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// The beginning of the command, as a person would type it: one line, at most 72 characters.
    #[must_use]
    pub fn first_line(&self) -> String {
        let whole = self.display();
        let line: String = whole.lines().next().unwrap_or_default().chars().take(72).collect();
        if line == whole { line } else { format!("{line}…") }
    }

    /// The command as a person would type it.
    #[must_use]
    pub fn display(&self) -> String {
        let quoted = self.argv.iter().map(|word| {
            let plain = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=:,@+%".contains(c));
            if plain { word.clone() } else { format!("'{}'", word.replace('\'', r"'\''")) }
        });
        quoted.collect::<Vec<_>>().join(" ")
    }
}
