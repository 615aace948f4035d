//! `user`: the one person whose machine this is.

use super::{Context, Item, Recipe};
use crate::model::{Meta, Mode, Owner, ResourceId, TargetPath, UserName};
use crate::problem::{Code, Problem};
use crate::resource::{Absent, Directory, File, Foreign, Policy, Spec, User};
use crate::step::{Content, Proof};

/// The owner's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerAccount {
    /// Login name.
    pub name: UserName,
    /// Whether sudo asks nothing of the owner.
    pub sudo: Sudo,
    /// Login shell; `None` leaves that of an existing account as it is.
    pub shell: Option<TargetPath>,
    /// Groups beside the primary one.
    pub groups: Vec<String>,
    /// Public keys, one line each, checked.
    pub authorized_keys: Vec<String>,
    /// What is done about keys beside these.
    pub foreign: Foreign,
}

/// What sudo allows the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sudo {
    /// Everything, without a password: there is no password.
    Everything,
    /// Nothing that Fitout grants: what it granted is taken away.
    Nothing,
    /// Whatever it allows now.
    Unmanaged,
}

impl OwnerAccount {
    fn sudoers(&self, path: TargetPath) -> Option<Spec> {
        match self.sudo {
            Sudo::Everything => {
                let text = format!("# {}\n{} ALL=(ALL:ALL) NOPASSWD: ALL\n", crate::resource::HEADER, self.name);
                let file = File::new(path, Content::Inline(text.into()), Meta::root(Mode::SUDOERS));
                Some(Spec::File(File { requires: vec![ResourceId::new("user", &self.name)], proof: Some(Proof::Sudoers), ..file }))
            }
            Sudo::Nothing => Some(Spec::Absent(Absent::if_ours(path))),
            Sudo::Unmanaged => None,
        }
    }
}

impl Recipe for OwnerAccount {
    fn item(&self) -> Item {
        Item::section("user")
    }

    fn lower(&self, context: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        let path = |text: String| TargetPath::parse(&text).map_err(|e| vec![Problem::general(Code::BadValue, e.0)]);
        let id = ResourceId::new("user", &self.name);
        let owner = Owner::User(self.name.clone());
        let mut specs = vec![Spec::User(User::new(self.name.clone(), self.shell.clone(), self.groups.clone()))];
        specs.extend(self.sudoers(path(format!("/etc/sudoers.d/90-fitout-{}", self.name))?));
        if !self.authorized_keys.is_empty() {
            let directory = path(format!("{}/.ssh", context.home))?;
            let keys = path(format!("{directory}/authorized_keys"))?;
            specs.push(Spec::Directory(Directory::new(directory, Meta::of(owner.clone(), Mode::PRIVATE_DIRECTORY), vec![id.clone()])));
            let proof = Some(Proof::Keys { user: self.name.clone() });
            let policy = if self.foreign == Foreign::Remove { Policy::Enforce } else { Policy::Keep };
            let text = format!("{}\n", self.authorized_keys.join("\n"));
            specs.push(Spec::File(File {
                requires: vec![id],
                policy,
                proof,
                ..File::new(keys, Content::Inline(text.into()), Meta::of(owner, Mode::PRIVATE))
            }));
        }
        Ok(specs)
    }
}
