//! `user`: the one person whose machine it is; other people are told of.

use super::look::{names, path, people, text};
use super::section::Section;
use crate::manifest::word;
use crate::model::sudoers::subjects;
use crate::target::{Account, Probe, ProbeError};

/// Groups whose members the sudoers of distributions let do everything.
const SUDO_GROUPS: [&str; 2] = ["sudo", "admin"];

/// The section.
pub fn person(on: &dyn Probe) -> Result<Section, ProbeError> {
    let people = people(on)?;
    let Some(owner) = people.first() else {
        return Ok(Section::default().remark("No person has an account; `user` would make one."));
    };
    let accounts = on.accounts()?;
    let groups = accounts.groups_of(&owner.name);
    let mut item = vec!["user:".to_owned(), format!("  name: {}", word(&owner.name))];
    if !owner.shell.is_empty() {
        item.push(format!("  shell: {}", word(&owner.shell)));
    }
    if !groups.is_empty() {
        item.push(format!("  groups: [{}]", groups.iter().map(|group| word(group)).collect::<Vec<_>>().join(", ")));
    }
    let mut section = Section::default();
    match sudo(on, owner, &groups) {
        Ok(Sudo::Fitouts) => item.push("  sudo: true".to_owned()),
        Ok(Sudo::Through(ways)) => {
            section = section.list("Uses sudo already, which `sudo: true` would grant without a password; by", &ways);
        }
        Err(error) => section = section.remark(format!("Whether the owner may use sudo could not be told: {error}")),
    }
    section.items.push(item);
    section = match keys(on, owner) {
        Ok(0) => section,
        Ok(count) => {
            section.remark(format!("~/.ssh/authorized_keys opens the account to keys ({count}), which `authorized_keys` would manage."))
        }
        Err(error) => section.remark(format!("Whether SSH keys open the account could not be told: {error}")),
    };
    let others: Vec<String> = people.iter().skip(1).map(|account| account.name.clone()).collect();
    Ok(section.list("Other people, who stay as they are (a manifest describes one)", &others))
}

/// How the owner comes to use sudo.
enum Sudo {
    /// By the rule that Fitout writes.
    Fitouts,
    /// By these, if any.
    Through(Vec<String>),
}

fn sudo(on: &dyn Probe, owner: &Account, groups: &[&str]) -> Result<Sudo, ProbeError> {
    let ours = path(&format!("/etc/sudoers.d/90-fitout-{}", owner.name))?;
    if on.written(&ours)?.is_some() && on.stat(&ours)?.is_some() {
        return Ok(Sudo::Fitouts);
    }
    let in_groups = SUDO_GROUPS.iter().filter(|name| groups.contains(name));
    let mut ways: Vec<String> = in_groups.map(|group| format!("the group {group}")).collect();
    let files = names(on, "/etc/sudoers.d")?.into_iter().map(|name| format!("/etc/sudoers.d/{name}"));
    for file in files.chain(["/etc/sudoers".to_owned()]) {
        let rules = text(on, &file)?.unwrap_or_default();
        if subjects(&rules).contains(&owner.name) {
            ways.push(format!("a rule in {file}"));
        }
    }
    Ok(Sudo::Through(ways))
}

/// How many keys open an account.
fn keys(on: &dyn Probe, owner: &Account) -> Result<usize, ProbeError> {
    let is_key = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
    let file = text(on, &format!("{}/.ssh/authorized_keys", owner.home))?;
    Ok(file.unwrap_or_default().lines().filter(is_key).count())
}
