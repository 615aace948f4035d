//! Exit codes: public, named, documented. Those from 64 on are refusals before anything changed, by sysexits(3).

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done; steps that are only deferred count as done.
    Done,
    /// Something failed or did not converge.
    Failed,
    /// Not clean: steps to perform, drift, a degraded machine.
    NotClean,
    /// The command line cannot be understood.
    Usage,
    /// The manifest has problems.
    Manifest,
    /// A file that was named is not there.
    NoInput,
    /// Something could not be fetched.
    Unavailable,
    /// The work would leave too little room, or there was none left.
    DiskFloor,
    /// Another run is at work.
    Locked,
    /// The machine is not what it was when this was looked at.
    Moved,
    /// Only root may do this.
    NotRoot,
    /// A newer Fitout wrote what is known of the machine.
    Newer,
    /// Ctrl-C ended it early.
    Interrupted,
    /// SIGTERM ended it early.
    Terminated,
}

/// The table, as `--help` shows it.
pub const TABLE: &str = "\
Exit codes:
   0  done; steps that are only deferred count as done
   1  something failed or did not converge
   2  not clean: plan --detailed-exitcode has steps; verify, diff, doctor, script lint or
      lock --check found something; status or disk is degraded
  64  the command line cannot be understood
  65  the manifest has problems
  66  a file that was named is not there
  69  something could not be fetched
  73  the work would leave less room than a disk guard asks for, or a disk was full
  75  another run is at work on this machine
  76  the machine or the manifest is not what it was when the plan was saved, the lock written, or the rehearsal begun
  77  only root may do this
  78  a newer Fitout wrote what is known of the machine
 130  Ctrl-C ended it early; `fitout apply` goes on from there
 143  SIGTERM did";

impl Exit {
    /// Its number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::NotClean => 2,
            Self::Usage => 64,
            Self::Manifest => 65,
            Self::NoInput => 66,
            Self::Unavailable => 69,
            Self::DiskFloor => 73,
            Self::Locked => 75,
            Self::Moved => 76,
            Self::NotRoot => 77,
            Self::Newer => 78,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
