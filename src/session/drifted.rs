//! What people changed, as the last look found it: so that `status` need not look at everything to know that something was.

use crate::model::TargetPath;
use crate::target::{OpError, Probe, ProbeError, Target};
use serde::{Deserialize, Serialize};

/// Where it is kept.
const PATH: &str = "/var/lib/fitout/state/drift.json";

/// Format of the file.
const VERSION: u32 = 1;

/// What was found.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Found {
    version: u32,
    drift: Vec<String>,
}

fn path() -> Result<TargetPath, ProbeError> {
    TargetPath::parse(PATH).map_err(|e| ProbeError::new("use a path", e))
}

/// What the last look found; nothing where nobody looked.
///
/// # Errors
/// It cannot be read.
pub fn known_drift(on: &dyn Probe) -> Result<Vec<String>, ProbeError> {
    let bytes = on.read(&path()?)?;
    // A newer or torn one is looked for anew by the next `verify`.
    let found = bytes.and_then(|bytes| serde_json::from_slice::<Found>(&bytes).ok()).filter(|found| found.version == VERSION);
    Ok(found.unwrap_or_default().drift)
}

/// Keeps what a look found, where that is news.
pub(super) fn keep_drift(on: &dyn Target, drift: &[String]) -> Result<(), OpError> {
    if known_drift(on)? == drift {
        return Ok(());
    }
    if drift.is_empty() {
        return on.discard(&path()?);
    }
    let bytes =
        serde_json::to_vec(&Found { version: VERSION, drift: drift.to_vec() }).map_err(|e| OpError::new(format!("write {PATH}"), e))?;
    on.keep(&path()?, &bytes)
}
