//! One run at a time on a machine: `flock` on an open file, never a number in a file that someone must believe.

use super::Machine;
use super::ProbeError;
use crate::model::TargetPath;
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
    /// Takes the lock.
    ///
    /// # Errors
    /// Another run holds it, named with its process and command; or the file cannot be opened.
    pub fn lock(&self) -> Result<Lock, LockError> {
        let path = TargetPath::parse(LOCK).map_err(|e| ProbeError::new("use a path", e))?;
        let broken = |e: String| LockError::Broken(ProbeError::new(format!("lock {path}"), e));
        let file = self.files.open_own(&path)?;
        let mut lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((mut file, nix::errno::Errno::EWOULDBLOCK)) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).map_err(|e| broken(e.to_string()))?;
                return Err(LockError::Held(holder.trim().to_owned()));
            }
            Err((_, e)) => return Err(broken(e.to_string())),
        };
        let command: Vec<String> = std::env::args().collect();
        let holder = format!("process {} ({})\n", std::process::id(), command.join(" "));
        let written = lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| lock.write_all(holder.as_bytes()));
        written.map_err(|e| broken(e.to_string()))?;
        Ok(Lock(lock))
    }
}
