//! Fitout itself on a machine: this very program as something that a machine can be given, and what a machine that has it keeps.

use super::SessionError;
use super::installed::is_bundled;
use crate::model::{ByteSize, Sha256, TargetPath};
use crate::plan::Plan;
use crate::recipe::{Service, Want};
use crate::step::{Blob, PROGRAM};
use crate::store::{Held, Store};
use crate::target::{OpError, Probe, ProbeError};
use std::fs::File;
use std::io;
use std::sync::Arc;

/// The running program, whatever became of the file that it was started from.
const RUNNING: &str = "/proc/self/exe";

/// The running program, as what a machine is given. Nothing is written: it comes into the store with the work that needs it.
///
/// # Errors
/// It cannot be read.
pub fn own_program() -> Result<Blob, ProbeError> {
    let read = || Ok::<_, io::Error>((Sha256::of_reader(File::open(RUNNING)?)?, File::open(RUNNING)?.metadata()?.len()));
    let (sha256, size) = read().map_err(|e| ProbeError::new("read this program", e))?;
    Ok(Blob { url: Blob::OWN.into(), sha256, size: Some(ByteSize(size)) })
}

/// Puts the running program into the store, where a plan gives it to the machine.
pub(super) fn bring(plan: &Plan, store: &Store) -> Result<(), SessionError> {
    let mut own = plan.steps().flat_map(|step| step.op.blobs()).filter(|blob| blob.is_own());
    let copied = own.try_for_each(|blob| {
        if !matches!(store.look(&blob.sha256)?, Held::Whole(_)) {
            let mut incoming = store.incoming()?;
            io::copy(&mut File::open(RUNNING)?, &mut incoming)?;
            store.publish(incoming, &blob.sha256)?;
        }
        Ok::<_, io::Error>(())
    });
    copied.map_err(|e| SessionError::Own(OpError::new("copy this program into the cache", e)))
}

/// The service that a machine keeps to which `--install` or a bake gave it: what is missing of it is made again, what Fitout wrote there stays as
/// that release wrote it, and what somebody edited is theirs.
pub(super) fn kept(on: &dyn Probe) -> Result<Option<Want>, ProbeError> {
    if !is_bundled(on)? {
        return Ok(None);
    }
    let path = |text: &str| TargetPath::parse(text).map_err(|e| ProbeError::new("use a path", e));
    let program = if on.stat(&path(PROGRAM)?)?.is_some() { None } else { Some(own_program()?) };
    let ours = |at: &str| {
        let at = path(at)?;
        let (Some(written), Some(bytes)) = (on.written(&at)?, on.read(&at)?) else { return Ok(None) };
        let is_ours = written.after == Sha256::of(&bytes);
        Ok(String::from_utf8(bytes).ok().filter(|_| is_ours).map(Arc::from))
    };
    Service::kept(program, ours).map(|service| Some(Want::Service(service)))
}
