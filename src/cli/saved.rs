//! A plan in a file: `plan --out FILE` writes it, `apply FILE` performs it and nothing else.

use super::source::{Becomes, LONGEST, Purpose, Refusal};
use super::{Exit, Global, Ground, output};
use crate::manifest::{TextError, text};
use crate::model::Sha256;
use crate::session::Approved;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The format of these files.
const VERSION: u32 = 1;

/// What is kept of a plan.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    version: u32,
    /// Which manifest, on which machine; absolute.
    pub ground: Ground,
    /// The manifest that becomes the machine's with these steps, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installs: Option<Sha256>,
    /// What was looked at.
    pub steps: Approved,
}

impl Saved {
    /// What becomes of the manifest.
    pub const fn becomes(&self) -> Becomes {
        if self.installs.is_some() { Becomes::Installed } else { Becomes::Nothing }
    }
}

/// Refuses what cannot be read again, and a file that holds something else, before anything is planned.
pub fn may_be_saved(ground: &Ground, to: &Path, global: &Global) -> Result<(), Exit> {
    if ground.file.as_deref() != Some("-") {
        return match if to.exists() { read(to).map(drop) } else { Ok(()) } {
            Err(Refusal::Plan(name, cause)) => {
                output::complain(&format!("{name} exists, and {cause}"), Some("name another file"));
                Err(Exit::Failed)
            }
            other => other.map_err(|refusal| refusal.tell(global)),
        };
    }
    output::complain(
        "a plan for a manifest from standard input cannot be saved: `apply` reads the manifest again",
        Some("put it in a file"),
    );
    Err(Exit::Usage)
}

/// Writes a plan to a file, 0600: it holds what the files of the manifest hold.
pub fn save(to: &Path, ground: &Ground, installs: Option<Sha256>, steps: Approved) -> Result<(), Exit> {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut ground = ground.clone();
    ground.file = ground.file.map(|file| absolute(Path::new(&file)).display().to_string());
    ground.root = ground.root.map(|root| absolute(&root));
    let text = serde_json::to_vec_pretty(&Saved { version: VERSION, ground, installs, steps }).map_err(std::io::Error::other);
    let write = |text: Vec<u8>| {
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(to)?;
        file.write_all(&text)
    };
    text.and_then(write).map_err(|error| {
        output::complain(&format!("cannot write {}: {error}", to.display()), None);
        Exit::Failed
    })
}

/// Reads a plan from a file.
pub fn read(from: &Path) -> Result<Saved, Refusal> {
    let name = from.display().to_string();
    let text = text(&Purpose::Act.files(), from, LONGEST).map_err(|error| match error {
        TextError::Doubtful(_) => Refusal::Unread(name.clone(), error),
        TextError::Absent | TextError::Unreadable(_) | TextError::NotText(_) => Refusal::Plan(name.clone(), error.to_string()),
    })?;
    let saved: Saved = serde_json::from_str(&text).map_err(|_| Refusal::Plan(name.clone(), "it is no saved plan".into()))?;
    if saved.version == VERSION {
        return Ok(saved);
    }
    Err(Refusal::Plan(name, format!("it has version {}, and this Fitout knows {VERSION}", saved.version)))
}
