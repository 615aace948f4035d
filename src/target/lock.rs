//! One run at a time on a machine: `flock` on an open file, never a number in a file that someone must believe.

use super::Machine;
use super::ProbeError;
use crate::model::TargetPath;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::io::{Read, Seek, Write};

/// Held while a run lasts; a killed holder's lock ends with it.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "holding it is all it is for")] Flock<File>);

/// Why a lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run holds it.
    #[error("another run is at work on this machine: {0}")]
    Held(String),
    /// It cannot be taken at all.
    #[error(transparent)]
    Broken(#[from] ProbeError),
}

const LOCK: &str = "/var/lib/fitout/lock";

impl Machine {
    /// Takes the lock, and finishes a promotion whose holder was killed.
    ///
    /// # Errors
    /// Another run holds it, named with its process and command; or the file cannot be opened, or the promotion not be finished.
    pub fn lock(&self) -> Result<Lock, LockError> {
        let path = TargetPath::parse(LOCK).map_err(|e| ProbeError::new("use a path", e))?;
        let broken = |e: String| LockError::Broken(ProbeError::new(format!("lock {path}"), e));
        let file = self.files.open_own(&path)?;
        let mut lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((file, Errno::EWOULDBLOCK)) => return Err(LockError::Held(holder(file, &path)?)),
            Err((_, e)) => return Err(broken(e.to_string())),
        };
        let command: Vec<String> = std::env::args().collect();
        let holder = format!("process {} ({})\n", std::process::id(), command.join(" "));
        let written = lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| lock.write_all(holder.as_bytes()));
        written.map_err(|e| broken(e.to_string()))?;
        self.finish_promotion()?;
        Ok(Lock(lock))
    }

    /// Who is at work: process and command of the lock's holder; `None` where nobody is.
    ///
    /// # Errors
    /// The lock cannot be looked at.
    pub fn at_work(&self) -> Result<Option<String>, ProbeError> {
        let path = TargetPath::parse(LOCK).map_err(|e| ProbeError::new("use a path", e))?;
        let Some(file) = self.files.open_file(&path)? else { return Ok(None) };
        match Flock::lock(file, FlockArg::LockSharedNonblock) {
            Ok(_) => Ok(None),
            Err((file, Errno::EWOULDBLOCK)) => holder(file, &path).map(Some),
            Err((_, e)) => Err(ProbeError::new(format!("look at {path}"), e)),
        }
    }
}

/// What the holder wrote of itself.
fn holder(mut file: File, path: &TargetPath) -> Result<String, ProbeError> {
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|e| ProbeError::new(format!("read {path}"), e))?;
    Ok(text.trim().to_owned())
}
