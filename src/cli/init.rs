//! `fitout init`: a manifest to go on with, to standard output or into a file that is not there yet.

use super::output::{self, Paint, complain, paint};
use super::source::{self, Refusal};
use super::{Exit, Form, Global};
use crate::adopt::propose;
use crate::manifest::{HostFiles, STARTER, Source, Stand, TextError, from_azure};
use crate::session::SessionError;
use crate::store::Store;
use clap::Args;
use serde_json::json;
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::Builder;

/// Arguments of `fitout init`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The file to write; standard output where absent
    #[arg(value_name = "FILE")]
    into: Option<String>,
    /// Start from an Azure ML compute instance: its YAML, or JSON of Azure Resource Manager; - for standard input
    #[arg(long, value_name = "FILE")]
    from_azure: Option<String>,
    /// Start from what this machine has: the manifest states what is so already, so that its plan has nothing to do
    #[arg(long, conflicts_with = "from_azure")]
    from_machine: bool,
    /// With --from-machine, an offline root directory instead of this machine
    #[arg(long, value_name = "DIR", requires = "from_machine")]
    root: Option<PathBuf>,
    /// Replace a file that is there
    #[arg(long, requires = "into")]
    force: bool,
}

pub fn run(arguments: &Arguments, global: &Global) -> Exit {
    let into = arguments.into.as_deref();
    let text = match &arguments.from_azure {
        Some(origin) => azure(origin, into),
        None if arguments.from_machine => machine(arguments.root.as_deref(), global),
        None => Ok(STARTER.to_owned()),
    };
    let text = match text {
        Ok(text) => text,
        Err(refusal) => return refusal.tell(global),
    };
    match into {
        None if global.output == Form::Json => output::json(&json!({"version": 1, "manifest": text})),
        None => output::data(&text),
        Some(path) => {
            if let Err(exit) = write(Path::new(path), &text, arguments) {
                return exit;
            }
            let verb = if arguments.from_machine { "plan" } else { "validate" };
            let next = format!("look through it, then run `fitout {verb} -f {path}`");
            if global.output == Form::Json {
                output::json(&json!({"version": 1, "written": path, "manifest": text}));
            }
            output::say(&format!("{} {path} is written\n  {} {next}", paint(Paint::Green, "ok:"), paint(Paint::Bold, "next:")));
        }
    }
    Exit::Done
}

/// What a machine has, as a manifest.
fn machine(root: Option<&Path>, global: &Global) -> Result<String, Refusal> {
    let machine = source::machine(root, global)?;
    propose(machine.as_ref(), &Store::at(&global.cache)).map_err(|error| Refusal::Session(SessionError::Probe(error)))
}

/// A manifest of Azure's as one of ours. What goes to standard output will stand beside it.
fn azure(origin: &str, into: Option<&str>) -> Result<String, Refusal> {
    let source = if origin == "-" {
        let text =
            io::read_to_string(io::stdin()).map_err(|error| Refusal::Unread("standard input".into(), TextError::Unreadable(error)))?;
        Source { name: "-".into(), text: text.into() }
    } else {
        Source::read(&HostFiles::default(), origin).map_err(|error| Refusal::Unread(origin.into(), error))?
    };
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let stand = Stand { name: into.unwrap_or(origin), home: home.as_deref() };
    from_azure(&source, stand, &HostFiles::default()).map_err(|rejected| Refusal::Rejected(Box::new(rejected)))
}

/// Readable by all, as files that editors make.
const MODE: u32 = 0o644;

/// Writes the whole file or nothing.
fn write(path: &Path, text: &str, arguments: &Arguments) -> Result<(), Exit> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = Builder::new().permissions(Permissions::from_mode(MODE)).tempfile_in(folder).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        let kept = if arguments.force { file.persist(path) } else { file.persist_noclobber(path) };
        kept.map(|_| ()).map_err(io::Error::from)
    });
    written.map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            complain(&format!("{} is there already", path.display()), Some("name another file, or add --force to replace it"));
            return Exit::Usage;
        }
        if error.kind() == io::ErrorKind::NotFound {
            complain(&format!("cannot write {}: there is no folder {}", path.display(), folder.display()), Some("make it first"));
            return Exit::Failed;
        }
        // Its own words name a file that nobody asked for.
        complain(&format!("cannot write {}: {}", path.display(), error.kind()), None);
        Exit::Failed
    })
}
