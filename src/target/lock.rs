//! One run at a time on a machine: a lock on an open file (fcntl(2), open file description locks), never a number in a file that someone
//! must believe. Of all kinds of locks this one can be asked about without being taken, so that who only looks is never in the way.

use super::Machine;
use super::{ProbeError, go_on};
use crate::model::TargetPath;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::time::{Duration, Instant};

/// Held while a run lasts; a killed holder's lock ends with it.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "holding it open is all it is for")] File);

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

/// How long to wait between two tries.
const PAUSE: Duration = Duration::from_millis(200);

const LOCK: &str = "/var/lib/fitout/lock";

impl Machine {
    /// Takes the lock, and ends what a holder that was killed left half done.
    ///
    /// # Errors
    /// Another run holds it, named with its process and command; or the file cannot be opened, or the promotion not be finished.
    pub fn lock(&self) -> Result<Lock, LockError> {
        let path = TargetPath::parse(LOCK).map_err(|e| ProbeError::new("use a path", e))?;
        let broken = |e: String| LockError::Broken(ProbeError::new(format!("lock {path}"), e));
        let mut lock = self.files.open_own(&path)?;
        match fcntl(&lock, FcntlArg::F_OFD_SETLK(&whole())) {
            Ok(_) => {}
            Err(Errno::EAGAIN | Errno::EACCES) => return Err(LockError::Held(holder(lock, &path)?)),
            Err(e) => return Err(broken(e.to_string())),
        }
        let command: Vec<String> = std::env::args().collect();
        let holder = format!("process {} ({})\n", std::process::id(), command.join(" "));
        let written = lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| lock.write_all(holder.as_bytes()));
        written.map_err(|e| broken(e.to_string()))?;
        self.finish_promotion()?;
        self.sweep_policy();
        Ok(Lock(lock))
    }

    /// Takes the lock, and waits for another run as long as this machine's patience goes; `tell` hears whom for, once.
    ///
    /// # Errors
    /// As [`Machine::lock`]; a signal asked Fitout to end.
    pub fn lock_in_time(&self, tell: &dyn Fn(&str)) -> Result<Lock, LockError> {
        let (began, limit) = (Instant::now(), self.patience().run.as_duration());
        let mut told = false;
        loop {
            match self.lock() {
                Err(LockError::Held(holder)) if began.elapsed() < limit => {
                    if !std::mem::replace(&mut told, true) {
                        tell(&holder);
                    }
                    go_on().map_err(|ended| ProbeError::new("wait for another run", ended))?;
                    std::thread::sleep(PAUSE);
                }
                other => return other,
            }
        }
    }

    /// Who is at work: process and command of the lock's holder; `None` where nobody is.
    ///
    /// # Errors
    /// The lock cannot be looked at.
    pub fn at_work(&self) -> Result<Option<String>, ProbeError> {
        let path = TargetPath::parse(LOCK).map_err(|e| ProbeError::new("use a path", e))?;
        let Some(file) = self.files.open_file(&path)? else { return Ok(None) };
        let mut in_the_way = whole();
        fcntl(&file, FcntlArg::F_OFD_GETLK(&mut in_the_way)).map_err(|e| ProbeError::new(format!("look at {path}"), e))?;
        if i32::from(in_the_way.l_type) == libc::F_UNLCK { Ok(None) } else { holder(file, &path).map(Some) }
    }
}

/// A lock on all of a file.
pub(super) fn whole() -> libc::flock {
    let short = |constant: i32| i16::try_from(constant).unwrap_or_default();
    libc::flock { l_type: short(libc::F_WRLCK), l_whence: short(libc::SEEK_SET), l_start: 0, l_len: 0, l_pid: 0 }
}

/// A process as a person knows it: its number and its command.
pub(super) fn process(number: i32) -> String {
    /// Longer command lines are cut.
    const LONGEST: usize = 120;
    if number <= 0 {
        return "a process that cannot be seen from here".to_owned();
    }
    let words = std::fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
    let words = String::from_utf8_lossy(&words).replace('\0', " ");
    let command: String = words.trim().chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    if command.is_empty() { format!("process {number}") } else { format!("process {number} ({command})") }
}

/// What the holder wrote of itself.
fn holder(mut file: File, path: &TargetPath) -> Result<String, ProbeError> {
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|e| ProbeError::new(format!("read {path}"), e))?;
    Ok(text.trim().to_owned())
}
