//! `type: computeinstance`: what Azure's images bring that a bare system lacks, of what the manifest asks for.

use super::{Context, Item, Recipe, SshAccess, Sudo, Want};
use crate::problem::Problem;
use crate::resource::{Apt, Seal, Spec};

/// The packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AzureImage {
    /// Their names, each a request of its own: one that is not there takes no other with it.
    pub packages: Vec<&'static str>,
}

/// Whether something takes a package.
type Takes = fn(&Want) -> bool;

/// The package of sshd: for the SSH policy alone, so it does not come where that is refused.
const SERVER: &str = "openssh-server";

/// Each package, and what takes it.
const BRINGS: [(&str, Takes); 3] = [
    ("systemd-sysv", |want| {
        matches!(want, Want::ManagedUnit(_) | Want::Jupyter(_) | Want::Share(_) | Want::Application(_) | Want::PowerPolicy(_))
    }),
    ("sudo", |want| matches!(want, Want::OwnerAccount(owner) if owner.sudo == Sudo::Everything)),
    (SERVER, |want| matches!(want, Want::SshPolicy(policy) if policy.access == SshAccess::Enabled)),
];

impl AzureImage {
    /// What these take; `None` where that is nothing.
    #[must_use]
    pub fn of(wants: &[Want]) -> Option<Self> {
        let packages: Vec<&str> = BRINGS.into_iter().filter(|(_, takes)| wants.iter().any(takes)).map(|(name, _)| name).collect();
        (!packages.is_empty()).then_some(Self { packages })
    }
}

impl Recipe for AzureImage {
    fn item(&self) -> Item {
        Item::section("type")
    }

    fn lower(&self, _: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        let apt = |name: &&str| {
            let for_ssh = (*name == SERVER).then_some(Seal::Enabled);
            Spec::Apt(Apt { for_ssh, ..Apt::new(*name, vec![(*name).into()], Vec::new()) })
        };
        Ok(self.packages.iter().map(apt).collect())
    }
}
