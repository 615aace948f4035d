//! Users and groups of a target, read from its own passwd and group files: a host's users are nobody there.

use super::{Probe, ProbeError};
use crate::model::TargetPath;

/// One user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// Number.
    pub uid: u32,
    /// Number of the primary group.
    pub gid: u32,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
}

/// All users and groups of a target.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    users: Vec<Account>,
    /// Name, number, members.
    groups: Vec<(String, u32, Vec<String>)>,
}

/// What `useradd` writes in place of a password.
const NO_PASSWORD: &str = "!";

fn text(on: &dyn Probe, file: &str) -> Result<Option<String>, ProbeError> {
    let path = TargetPath::parse(file).map_err(|e| ProbeError::new("use a path", e))?;
    Ok(on.read(&path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

impl Accounts {
    /// Reads passwd and group.
    ///
    /// # Errors
    /// They exist and cannot be read.
    pub fn read(on: &dyn Probe) -> Result<Self, ProbeError> {
        let text = |path: &str| Ok(text(on, path)?.unwrap_or_default());
        Ok(Self::parse(&text("/etc/passwd")?, &text("/etc/group")?))
    }

    /// Reads the texts of passwd(5) and group(5); lines that break the format are no users.
    #[must_use]
    pub fn parse(passwd: &str, group: &str) -> Self {
        let user = |line: &str| {
            let mut fields = line.split(':');
            let name = fields.next()?.to_owned();
            let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
            Some(Account { name, uid, gid, home: fields.nth(1)?.to_owned(), shell: fields.next()?.to_owned() })
        };
        let group_line = |line: &str| {
            let mut fields = line.split(':');
            let (name, gid) = (fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?);
            Some((name, gid, fields.next()?.split(',').filter(|name| !name.is_empty()).map(Into::into).collect()))
        };
        Self { users: passwd.lines().filter_map(user).collect(), groups: group.lines().filter_map(group_line).collect() }
    }

    /// Every user.
    #[must_use]
    pub fn users(&self) -> &[Account] {
        &self.users
    }

    /// The groups that a user is in beside the primary one, sorted.
    #[must_use]
    pub fn groups_of(&self, user: &str) -> Vec<&str> {
        let of = |members: &[String]| members.iter().any(|member| member == user);
        let mut names: Vec<&str> = self.groups.iter().filter(|(.., members)| of(members)).map(|(name, ..)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// Every group that a user is in, the primary one too.
    #[must_use]
    pub fn all_groups_of(&self, user: &str) -> Vec<&str> {
        self.groups.iter().map(|(name, ..)| name.as_str()).filter(|group| self.is_member(user, group)).collect()
    }

    /// The user of this name.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<&Account> {
        self.users.iter().find(|account| account.name == name)
    }

    /// Whether a user is in a group, primary or not.
    #[must_use]
    pub fn is_member(&self, user: &str, group: &str) -> bool {
        let Some((_, gid, members)) = self.groups.iter().find(|(name, ..)| name == group) else { return false };
        members.iter().any(|member| member == user) || self.user(user).is_some_and(|account| account.gid == *gid)
    }

    /// Whether an account is all there. The tools that make accounts write passwd first and other files one after the other: a kill leaves
    /// an account that some of them lack. What someone gave a password to counts as whole without subordinate ids.
    ///
    /// # Errors
    /// The files exist and cannot be read.
    pub fn is_whole(&self, on: &dyn Probe, account: &Account) -> Result<bool, ProbeError> {
        let field = |file: &str, name: &str| -> Result<Option<String>, ProbeError> {
            let Some(text) = text(on, file)? else { return Ok(Some(String::new())) };
            let mut lines = text.lines().map(|line| line.split(':'));
            Ok(lines.find_map(|mut fields| (fields.next() == Some(name)).then(|| fields.next().unwrap_or_default().to_owned())))
        };
        let Some((group, ..)) = self.groups.iter().find(|(_, gid, _)| *gid == account.gid) else { return Ok(false) };
        let Some(password) = field("/etc/shadow", &account.name)? else { return Ok(false) };
        let numbers = field("/etc/subuid", &account.name)?.and(field("/etc/subgid", &account.name)?);
        Ok(field("/etc/gshadow", group)?.is_some() && (numbers.is_some() || password != NO_PASSWORD))
    }

    /// Whether there is such a group.
    #[must_use]
    pub fn has_group(&self, group: &str) -> bool {
        self.groups.iter().any(|(name, ..)| name == group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_members_of_both_kinds() {
        let accounts = Accounts::parse("ann:x:1000:1000:Ann:/home/ann:/bin/bash\nbroken\n", "ann:x:1000:\nsudo:x:27:ann,bob\n");
        assert_eq!(accounts.user("ann").unwrap().home, "/home/ann");
        assert!(accounts.is_member("ann", "ann") && accounts.is_member("ann", "sudo") && !accounts.is_member("ann", "docker"));
        assert!(accounts.has_group("sudo") && !accounts.has_group("docker"));
    }
}
