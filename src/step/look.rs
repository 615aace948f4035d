//! What can be asked of a machine, and what it answers.

use crate::model::{ByteSize, Mode, UnitName};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The closed list of questions that may execute something. Each runs in a read-only view of the target.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Query {
    /// The effective policy of the target's sshd for each of these logins, with an empty line after each: `sshd -T -C`.
    SshdPolicy(Vec<Visit>),
    /// Whether a unit is active: `systemctl is-active`. Only asked of a running system.
    UnitActive(UnitName),
    /// What installing these packages takes, by the lists that apt has: `apt-get install --assume-no`.
    PackageRoom(Vec<String>),
    /// What removing these packages takes along: `apt-get remove --simulate`.
    PackageRemoval(Vec<String>),
    /// What the driver says of the GPUs, as JSON; fails where there is no driver's library. Only asked of a running system.
    Gpus,
    /// Which files apt would fetch to install these packages: `apt-get install --print-uris`.
    PackageFiles(Vec<String>, Beside),
}

/// Beside what packages are installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Beside {
    /// What the machine has.
    Installed,
    /// Nothing: the answer is the same on every machine with the same sources.
    Nothing,
}

/// A login that sshd is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Visit {
    /// As whom.
    pub user: String,
    /// From where, by name.
    pub host: String,
    /// From where, by number.
    pub addr: String,
    /// To which port.
    pub port: u16,
}

impl Visit {
    /// A login on the machine itself.
    #[must_use]
    pub fn of(user: &str) -> Self {
        Self { user: user.into(), host: "localhost".into(), addr: "127.0.0.1".into(), port: SSH_PORT }
    }

    /// As `sshd -T -C` takes it.
    #[must_use]
    pub fn argument(&self) -> String {
        format!("user={},host={},addr={},laddr=127.0.0.1,lport={}", self.user, self.host, self.addr, self.port)
    }
}

impl fmt::Display for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {}", self.user, self.addr)
    }
}

/// sshd's own port.
pub const SSH_PORT: u16 = 22;

/// What a program said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Exit status; 128 + signal where a signal ended it, as shells say.
    pub status: i32,
    /// Standard output, invalid UTF-8 replaced.
    pub stdout: String,
    /// Standard error, invalid UTF-8 replaced.
    pub stderr: String,
}

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, socket or FIFO.
    Other,
}

/// What is known of a path without reading it. Links are not followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stat {
    /// What it is.
    pub kind: FileKind,
    /// Permission bits, with setuid and setgid if someone set them.
    pub mode: u32,
    /// Owner's number.
    pub uid: u32,
    /// Group's number.
    pub gid: u32,
    /// Bytes.
    pub size: u64,
    /// When its content was last written, in nanoseconds; programs can set it.
    #[serde(skip)]
    pub written: i128,
    /// Where a link points.
    pub link: Option<String>,
}

impl Stat {
    /// Whether the permission bits are exactly these.
    #[must_use]
    pub const fn has_mode(&self, mode: Mode) -> bool {
        self.mode & 0o7777 == mode.bits()
    }
}

/// Room on a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Space {
    /// Bytes that an ordinary user can still write (`f_bavail`).
    pub free: ByteSize,
    /// Bytes in all.
    pub total: ByteSize,
    /// The kernel's number of the file system: two paths of one number share the room.
    #[serde(skip)]
    pub device: u64,
}
