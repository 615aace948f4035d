//! Looking by plain paths: for those who ask many small questions of a machine.

use super::{Probe, ProbeError};
use crate::model::TargetPath;
use crate::step::{FileKind, Stat};

/// A path of the machine.
///
/// # Errors
/// That is no path, or it cannot be looked at.
pub fn path(text: &str) -> Result<TargetPath, ProbeError> {
    TargetPath::parse(text).map_err(|e| ProbeError::new(format!("use path {text}"), e))
}

/// The text of a file; `None` where there is none.
///
/// # Errors
/// That is no path, or it cannot be looked at.
pub fn text(on: &dyn Probe, at: &str) -> Result<Option<String>, ProbeError> {
    Ok(on.read(&path(at)?)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// What is there.
///
/// # Errors
/// That is no path, or it cannot be looked at.
pub fn stat(on: &dyn Probe, at: &str) -> Result<Option<Stat>, ProbeError> {
    on.stat(&path(at)?)
}

/// Names in a folder; none where there is no folder.
///
/// # Errors
/// That is no path, or it cannot be looked at.
pub fn names(on: &dyn Probe, folder: &str) -> Result<Vec<String>, ProbeError> {
    match stat(on, folder)? {
        Some(Stat { kind: FileKind::Directory, .. }) => Ok(on.list(&path(folder)?)?.unwrap_or_default()),
        Some(_) | None => Ok(Vec::new()),
    }
}
