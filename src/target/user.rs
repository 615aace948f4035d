//! Accounts, made by the tools of the distribution, which a kill may interrupt between any two of the files that they edit; and homes,
//! furnished as `useradd` does it, but whole or not at all.

use super::machine::Machine;
use super::run::Runner;
use super::{Accounts, OpError, Probe, Silent};
use crate::model::{Invalid, TargetPath, UserName};
use crate::step::{Cmd, FileKind, Presence};
use nix::sys::stat::Mode as Bits;

/// What every new home holds.
const SKELETON: &str = "/etc/skel";
/// Settings of the tools that make accounts.
const DEFAULTS: &str = "/etc/login.defs";
/// Mode of a home where the settings name none: what useradd's own default umask leaves.
const MODE: u32 = 0o755;

fn path(text: &str) -> Result<TargetPath, Invalid> {
    TargetPath::parse(text)
}

/// Locks of the tools that make accounts: files that hold a process id.
const LOCKS: [&str; 6] =
    ["/etc/passwd.lock", "/etc/shadow.lock", "/etc/group.lock", "/etc/gshadow.lock", "/etc/subuid.lock", "/etc/subgid.lock"];

/// The shell of a new account where the manifest names none: `useradd`'s own default is a bare sh.
const NEW_SHELL: &str = "/bin/bash";

impl Machine {
    /// Makes an account, anew where it is half made, or brings one to this state.
    pub(super) fn set_user(&self, name: &UserName, shell: Option<&TargetPath>, groups: &[String], exists: Presence) -> Result<(), OpError> {
        self.sweep_locks()?;
        let mut accounts = Accounts::read(self)?;
        if exists == Presence::Absent && accounts.user(name.as_str()).is_some() {
            self.must(&Cmd::new(["userdel", "--", name.as_str()]), &Silent)?;
            accounts = Accounts::read(self)?;
        }
        for group in groups.iter().filter(|group| !accounts.has_group(group)) {
            self.must(&Cmd::new(["groupadd", "--system", "--", group]), &Silent)?;
        }
        if exists == Presence::Present && shell.is_none() && groups.is_empty() {
            return self.make_home(name);
        }
        let mut argv: Vec<&str> = match exists {
            // A group of that name is one that a kill left, or someone's; either way it is the account's.
            Presence::Absent if accounts.has_group(name.as_str()) => vec!["useradd", "--no-create-home", "--gid", name.as_str()],
            Presence::Absent => vec!["useradd", "--no-create-home", "--user-group"],
            Presence::Present => vec!["usermod", "--append"],
        };
        let former = if exists == Presence::Absent { self.former_number(name, &accounts)? } else { None };
        let former = former.map(|number| number.to_string());
        argv.extend(former.iter().flat_map(|number| ["--uid", number.as_str()]));
        let usual = (exists == Presence::Absent).then_some(NEW_SHELL);
        if let Some(shell) = shell.map(TargetPath::as_str).or(usual) {
            argv.extend(["--shell", shell]);
        }
        let joined = groups.join(",");
        // `usermod --append` wants groups, even none.
        argv.extend(if joined.is_empty() && exists == Presence::Absent { vec![] } else { vec!["--groups", joined.as_str()] });
        argv.extend(["--", name.as_str()]);
        self.must(&Cmd::new(argv), &Silent)?;
        self.make_home(name)
    }

    /// The number that an account had when it went, by what is in the home that it left: who comes back finds it as it was.
    fn former_number(&self, name: &UserName, accounts: &Accounts) -> Result<Option<u32>, OpError> {
        let act = || format!("look for the home that {name} left");
        let home = path(&format!("/home/{name}")).map_err(|e| OpError::new(act(), e))?;
        for entry in self.files.list(&home)?.unwrap_or_default() {
            let stat = self.files.stat(&home.join(&entry).map_err(|e| OpError::new(act(), e))?)?;
            let number = stat.map(|stat| stat.uid).filter(|uid| *uid != 0);
            if let Some(number) = number.filter(|uid| accounts.users().iter().all(|account| account.uid != *uid)) {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    /// Removes locks that a killed tool left in an offline root. Each command has process ids of its own there, so the tools would take a
    /// lock of the dead for one of the living, for ever; Fitout's own lock keeps two runs apart.
    pub(super) fn sweep_locks(&self) -> Result<(), OpError> {
        if matches!(self.runner, Runner::Direct) {
            return Ok(());
        }
        for lock in LOCKS {
            self.files.remove(&path(lock).map_err(|e| OpError::new("remove a lock", e))?)?;
        }
        Ok(())
    }

    /// Gives an account its home, if it has none.
    fn make_home(&self, name: &UserName) -> Result<(), OpError> {
        let act = || format!("make the home of {name}");
        let bad = |error: Invalid| OpError::new(act(), error);
        let accounts = Accounts::read(self)?;
        let account = accounts.user(name.as_str()).ok_or_else(|| OpError::new(act(), "there is no such account"))?;
        let home = path(&account.home).map_err(bad)?;
        if let Some(stat) = self.files.stat(&home)? {
            // One that was closed when its account went is opened with the account that comes back.
            let closed = stat.kind == FileKind::Directory && (stat.uid, stat.mode & 0o7777) == (0, 0o700);
            let mode = home_mode(&self.read_text(DEFAULTS)?);
            return if closed { Ok(self.files.set_meta(&home, mode, (account.uid, account.gid))?) } else { Ok(()) };
        }
        let above = home.parent().unwrap_or_else(TargetPath::root);
        let fresh = above.join(&format!(".{}.fitout-new", home.name())).map_err(bad)?;
        self.files.remove_tree(&fresh)?;
        self.files.make_directories(&above, Bits::from_bits_truncate(0o755))?;
        let skeleton = self.files.stat(&path(SKELETON).map_err(bad)?)?;
        if skeleton.is_some_and(|stat| stat.kind == FileKind::Directory) {
            self.must(&Cmd::new(["cp", "--archive", "--no-target-directory", "--", SKELETON, fresh.as_str()]), &Silent)?;
        } else {
            self.files.make_directories(&fresh, Bits::from_bits_truncate(0o700))?;
        }
        let ids = (account.uid, account.gid);
        self.files.own_tree(&fresh, ids)?;
        self.files.set_meta(&fresh, home_mode(&self.read_text(DEFAULTS)?), ids)?;
        self.files.sync_tree(&fresh)?;
        Ok(self.files.rename(&fresh, &home)?)
    }

    fn read_text(&self, file: &str) -> Result<String, OpError> {
        let path = path(file).map_err(|e| OpError::new(format!("read {file}"), e))?;
        Ok(String::from_utf8_lossy(&self.read(&path)?.unwrap_or_default()).into_owned())
    }
}

/// `HOME_MODE` of login.defs, else what `UMASK` leaves, else the usual.
fn home_mode(settings: &str) -> u32 {
    let setting = |name: &str| {
        let words = settings.lines().map(str::split_whitespace).find_map(|mut words| (words.next() == Some(name)).then(|| words.next()));
        u32::from_str_radix(words.flatten()?, 8).ok()
    };
    setting("HOME_MODE").or_else(|| Some(0o777 & !setting("UMASK")?)).unwrap_or(MODE) & 0o777
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_follow_the_settings() {
        assert_eq!(home_mode("UMASK\t\t022\nHOME_MODE\t0750\n"), 0o750);
        assert_eq!(home_mode("#HOME_MODE 0700\nUMASK 027\n"), 0o750);
        assert_eq!(home_mode("UMASK nonsense\n"), MODE);
    }
}
