//! Keeps packages from starting services in a root where nothing runs: policy-rc.d of Debian's invoke-rc.d, a file of the root that is
//! there while commands run in it. A kill leaves it there, and in a machine that is booted it would keep every later package from starting
//! its service: the next run, whatever it does, takes it away.

use super::Machine;
use crate::model::TargetPath;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, Flock, FlockArg, OFlag, openat};
use nix::sys::stat::Mode as Bits;
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

/// The policy while a command runs.
pub(super) enum ServicePolicy {
    /// Nothing to take back.
    None,
    /// A file of ours in the root, removed when the command has ended.
    Made(Flock<OwnedFd>),
}

/// Where it is.
const FOLDER: &str = "/usr/sbin";
const NAME: &str = "policy-rc.d";
/// Beside it, while it is written.
const FRESH: &str = ".policy-rc.d.fitout-new";
const TEXT: &str = "#!/bin/sh\n# Fitout: nothing is started in a root where nothing runs.\nexit 101\n";

impl ServicePolicy {
    /// Puts it into its folder, unless somebody else's is there.
    pub(super) fn impose(folder: OwnedFd) -> io::Result<Self> {
        // Shared by all commands that run in the root: the last one takes the file away.
        let folder = Flock::lock(folder, FlockArg::LockShared).map_err(|(_, e)| io::Error::from(e))?;
        loop {
            match whose(&folder) {
                Some(Whose::Ours) => return Ok(Self::Made(folder)),
                Some(Whose::Theirs) => return Ok(Self::None),
                None => {}
            }
            // Alone while it is written. Between the two locks another may have taken it away again.
            folder.relock(FlockArg::LockExclusive)?;
            place(&folder).map_err(|e| io::Error::other(format!("{FOLDER}/{NAME}: {e}")))?;
            folder.relock(FlockArg::LockShared)?;
        }
    }

    /// Takes it back, where no other command needs it.
    pub(super) fn withdraw(self) {
        let Self::Made(folder) = self else { return };
        if folder.relock(FlockArg::LockExclusiveNonblock).is_ok() {
            // What stays is taken away by the next run.
            unlinkat(&*folder, NAME, UnlinkatFlags::NoRemoveDir).ok();
        }
    }
}

/// Puts the file there whole: half of it, left by a kill, would allow what it is to forbid, and look like somebody else's.
fn place(folder: &OwnedFd) -> Result<(), Errno> {
    sweep(folder, FRESH)?;
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let fd = openat(folder, FRESH, flags, Bits::from_bits_truncate(0o755))?;
    File::from(fd).write_all(TEXT.as_bytes()).map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or_default()))?;
    let placed = linkat(folder, FRESH, folder, NAME, AtFlags::empty());
    sweep(folder, FRESH)?;
    placed.or_else(|e| if e == Errno::EEXIST { Ok(()) } else { Err(e) })
}

fn sweep(folder: &OwnedFd, name: &str) -> Result<(), Errno> {
    unlinkat(folder, name, UnlinkatFlags::NoRemoveDir).or_else(|e| if e == Errno::ENOENT { Ok(()) } else { Err(e) })
}

/// Whose file is there.
enum Whose {
    Ours,
    Theirs,
}

fn whose(folder: &OwnedFd) -> Option<Whose> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    match openat(folder, NAME, flags, Bits::empty()) {
        Err(Errno::ENOENT) => None,
        // A link is nothing that Fitout made.
        Err(_) => Some(Whose::Theirs),
        Ok(there) => {
            let ours = io::read_to_string(File::from(there)).is_ok_and(|text| text == TEXT);
            Some(if ours { Whose::Ours } else { Whose::Theirs })
        }
    }
}

impl Machine {
    /// Takes away a policy that a kill left behind, unless a command still runs under it.
    pub(super) fn sweep_policy(&self) {
        let swept = || -> Option<()> {
            let sbin = self.files.below(&TargetPath::parse(FOLDER).ok()?).ok()?;
            let folder = openat(sbin.handle(), ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Bits::empty()).ok()?;
            let folder = Flock::lock(folder, FlockArg::LockExclusiveNonblock).ok()?;
            sweep(&folder, FRESH).ok()?;
            if matches!(whose(&folder), Some(Whose::Ours)) { sweep(&folder, NAME).ok() } else { None }
        };
        if swept().is_some() {
            tracing::info!("took away {FOLDER}/{NAME}, which a run that was killed had left");
        }
    }
}
