//! Whether Fitout can work on a machine at all: what it remembers of it, and the manifest that is installed there.

use super::installed::{MACHINE, MANIFEST, TargetFiles, installed};
use super::work::names;
use super::{SessionError, is_installed};
use crate::manifest::{Rejected, load};
use crate::model::{TargetPath, counted};
use crate::problem::Problem;
use crate::target::{Machine, Probe, ProbeError, Records, Verdict};
use serde::Serialize;
use std::sync::Arc;

/// Something that keeps Fitout from its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ill {
    /// What is so.
    pub found: String,
    /// What to do about it.
    pub hint: String,
}

/// What to do about a manifest that cannot be used.
const ANOTHER: &str = "`fitout plan` shows all that is wrong; `fitout apply -f FILE --install` installs a mended one";
/// The same where what is wrong stands in a file that nobody installs.
const MEND: &str = "mend that file: `fitout plan` shows all that is wrong";

impl Ill {
    fn of(error: &ProbeError) -> Self {
        Self { found: error.to_string(), hint: error.trouble.hint().unwrap_or("`fitout plan` tells more").to_owned() }
    }
}

/// What keeps Fitout from its work on a machine.
///
/// # Errors
/// The machine itself cannot be looked at.
pub fn ills(on: &Arc<Machine>) -> Result<Vec<Ill>, ProbeError> {
    let mut ills = remembered(on.as_ref());
    if is_installed(on.as_ref())? {
        ills.extend(of_manifest(on).err());
    }
    Ok(ills)
}

/// What is kept of a machine and cannot be used.
fn remembered(on: &dyn Probe) -> Vec<Ill> {
    let looks = [Records::read(on).map(drop), on.written(&TargetPath::root()).map(drop), Verdict::all(on).map(drop)];
    looks.into_iter().filter_map(Result::err).map(|error| Ill::of(&error)).collect()
}

/// Has the installed manifest come to what it names.
fn of_manifest(on: &Arc<Machine>) -> Result<(), Ill> {
    let ill = |error: SessionError| {
        if let SessionError::Manifest(rejected) = &error {
            refused(rejected)
        } else {
            Ill { found: error.to_string(), hint: ANOTHER.to_owned() }
        }
    };
    let sheets =
        installed(on.as_ref()).map_err(|error| Ill { found: error.to_string(), hint: error.hint().unwrap_or(ANOTHER).to_owned() })?;
    let manifest = load(&sheets, TargetFiles(Arc::clone(on))).map_err(|rejected| ill(SessionError::Manifest(rejected)))?;
    names(&manifest, on.as_ref()).map(drop).map_err(ill)
}

/// That a manifest is refused, with the first of its problems.
fn refused(rejected: &Rejected) -> Ill {
    let first = rejected.problems.first();
    let is_local = first.and_then(|problem| problem.place.as_ref()).is_some_and(|place| &*place.file == MACHINE);
    let (what, hint) = if is_local {
        (format!("what differs on this machine ({MACHINE})"), MEND)
    } else {
        (format!("the installed manifest ({MANIFEST})"), ANOTHER)
    };
    let told = first.map(Problem::to_string).unwrap_or_default();
    Ill { found: format!("{what} has {}: {told}", counted(rejected.problems.len(), "problem")), hint: hint.to_owned() }
}
