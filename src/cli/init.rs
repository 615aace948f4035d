//! `fitout init`: a manifest to go on with, to standard output or into a file that is not there yet.

use super::output::{self, Paint, complain, paint};
use super::source::Refusal;
use super::{Exit, Global};
use crate::manifest::{HostFiles, STARTER, Source, TextError, from_azure};
use clap::Args;
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
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
    /// Replace a file that is there
    #[arg(long, requires = "into")]
    force: bool,
}

pub fn run(arguments: &Arguments, global: &Global) -> Exit {
    let into = arguments.into.as_deref();
    let text = match &arguments.from_azure {
        None => STARTER.to_owned(),
        Some(origin) => match azure(origin, into) {
            Ok(text) => text,
            Err(refusal) => return refusal.tell(global),
        },
    };
    match into {
        None => output::data(&text),
        Some(path) => {
            if let Err(exit) = write(Path::new(path), &text, arguments) {
                return exit;
            }
            let next = format!("look through it, then run `fitout validate -f {path}`");
            output::say(&format!("{} {path} is written\n  {} {next}", paint(Paint::Green, "ok:"), paint(Paint::Bold, "next:")));
        }
    }
    Exit::Done
}

/// A manifest of Azure's as one of ours. What goes to standard output will stand beside it.
fn azure(origin: &str, into: Option<&str>) -> Result<String, Refusal> {
    let source = if origin == "-" {
        let text =
            io::read_to_string(io::stdin()).map_err(|error| Refusal::Unread("standard input".into(), TextError::Unreadable(error)))?;
        Source { name: "-".into(), text }
    } else {
        Source::read(&HostFiles, origin).map_err(|error| Refusal::Unread(origin.into(), error))?
    };
    from_azure(&source, into.unwrap_or(origin), &HostFiles).map_err(|rejected| Refusal::Rejected(Box::new(rejected)))
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
        complain(&format!("cannot write {}: {error}", path.display()), None);
        Exit::Failed
    })
}
