//! Accounts that end: locked, without sessions, without keys, gone. And who runs what.

use super::machine::Machine;
use super::{Accounts, OpError, Probe, ProbeError, Silent};
use crate::model::{TargetPath, UserName};
use crate::step::{Cmd, FileKind, Login};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::Duration;

/// The day on which a locked account expired: what `usermod --lock` alone leaves open, keys and tickets, is closed by it (usermod(8)).
const EXPIRED: &str = "1";

fn path(text: &str) -> Result<TargetPath, ProbeError> {
    TargetPath::parse(text).map_err(|e| ProbeError::new(format!("use path {text}"), e))
}

/// The fields of an account in shadow(5).
fn shadow(on: &dyn Probe, name: &UserName) -> Result<Option<Vec<String>>, ProbeError> {
    let text = on.read(&path("/etc/shadow")?)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let fields = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
    Ok(text.lines().map(fields).find(|fields| fields.first().is_some_and(|first| first == name.as_str())))
}

/// Whether anybody may come in by an account; `None` where shadow(5) says nothing of it.
///
/// # Errors
/// It cannot be read.
pub fn login(on: &dyn Probe, name: &UserName) -> Result<Option<Login>, ProbeError> {
    let locked = |fields: Vec<String>| {
        let (password, expires) = (fields.get(1).map(String::as_str), fields.get(7).map(String::as_str));
        password.is_some_and(|password| password.starts_with(['!', '*'])) && expires == Some(EXPIRED)
    };
    Ok(shadow(on, name)?.map(|fields| if locked(fields) { Login::Locked } else { Login::Open }))
}

/// Processes of a user on a machine that runs, whichever of their numbers it is.
///
/// # Errors
/// They cannot be listed.
pub fn processes_of(on: &dyn Probe, uid: u32) -> Result<Vec<i32>, ProbeError> {
    let names = on.list(&path("/proc")?)?.unwrap_or_default();
    let numbers = names.iter().filter_map(|name| name.parse::<i32>().ok());
    let is_theirs = |pid: &i32| {
        // One that ended meanwhile cannot be read, and is nobody's.
        let status = path(&format!("/proc/{pid}/status")).and_then(|path| on.read(&path)).ok().flatten().unwrap_or_default();
        let status = String::from_utf8_lossy(&status).into_owned();
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
        line.is_some_and(|numbers| numbers.split_whitespace().any(|number| number.parse() == Ok(uid)))
    };
    Ok(numbers.filter(is_theirs).collect())
}

/// How often processes are asked to end; the first time kindly.
const ROUNDS: usize = 50;
/// How long each time.
const ROUND: Duration = Duration::from_millis(200);
/// From this round on they are made to.
const KINDLY: usize = 15;

impl Machine {
    /// Lets nobody in by an account, or again.
    pub(super) fn set_login(&self, name: &UserName, login: Login) -> Result<(), OpError> {
        self.sweep_locks()?;
        let usermod =
            |arguments: &[&str]| self.must(&Cmd::new([&["usermod"], arguments, &["--", name.as_str()]].concat()), &Silent).map(drop);
        match login {
            Login::Locked => usermod(&["--lock", "--expiredate", EXPIRED]),
            Login::Open => {
                let password = shadow(self, name)?.and_then(|fields| fields.get(1).cloned()).unwrap_or_default();
                // Where there was no password there is none to be unlocked.
                let had = password.strip_prefix('!').is_some_and(|rest| rest.starts_with('$'));
                usermod(if had { &["--unlock", "--expiredate", ""] } else { &["--expiredate", ""] })
            }
        }
    }

    /// Ends all that runs as a user.
    pub(super) fn end_sessions(&self, name: &UserName) -> Result<(), OpError> {
        let accounts = Accounts::read(self)?;
        let Some(account) = accounts.user(name.as_str()) else { return Ok(()) };
        if self.files.stat(&path("/usr/bin/loginctl")?)?.is_some() {
            // It fails where nobody is there, or no logind runs; what counts is what is left.
            let asked = self.run(&Cmd::new(["loginctl", "terminate-user", "--", name.as_str()]), None, &Silent)?;
            tracing::debug!(status = asked.output.status, "ended the sessions of {name}");
        }
        for round in 0..ROUNDS {
            let left = processes_of(self, account.uid)?;
            if left.is_empty() {
                return Ok(());
            }
            let signal = if round < KINDLY { Signal::SIGTERM } else { Signal::SIGKILL };
            for pid in left {
                // One that ended meanwhile is no failure.
                kill(Pid::from_raw(pid), signal).ok();
            }
            std::thread::sleep(ROUND);
        }
        let left = processes_of(self, account.uid)?;
        Err(OpError::new(format!("end the sessions of {name}"), format!("these processes live on: {left:?}")))
    }

    /// Takes away what opens an account by SSH; it is kept where only root comes. The user's own links are not followed.
    pub(super) fn take_keys(&self, home: &TargetPath) -> Result<(), OpError> {
        let folder = path(&format!("{home}/.ssh"))?;
        match self.stat(&folder)?.map(|stat| stat.kind) {
            Some(FileKind::Symlink) => self.remove(&folder),
            Some(FileKind::Directory) => {
                let names = self.list(&folder)?.unwrap_or_default();
                let keys = names.iter().filter(|name| name.starts_with("authorized_keys"));
                keys.map(|name| path(&format!("{folder}/{name}"))).try_for_each(|key| self.remove(&key?))
            }
            Some(FileKind::File | FileKind::Other) | None => Ok(()),
        }
    }

    /// Removes an account, its home not; also one that an earlier try left half removed.
    pub(super) fn remove_user(&self, name: &UserName) -> Result<(), OpError> {
        self.sweep_locks()?;
        let accounts = Accounts::read(self)?;
        if accounts.user(name.as_str()).is_none() {
            // No tool removes what it does not find in passwd.
            let group: &[&str] = if accounts.has_group(name.as_str()) { &["--gid", name.as_str()] } else { &["--user-group"] };
            self.must(&Cmd::new([&["useradd", "--no-create-home"], group, &["--", name.as_str()]].concat()), &Silent)?;
        }
        self.must(&Cmd::new(["userdel", "--", name.as_str()]), &Silent).map(drop)
    }
}
