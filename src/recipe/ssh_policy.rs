//! `ssh_public_access_enabled`: key-only login of the owner, or none; proved on the real sshd before it is kept.

use super::{Context, Item, Recipe};
use crate::model::{Meta, Mode, ResourceId, TargetPath, UnitName};
use crate::problem::{Code, Problem};
use crate::resource::{File, Spec, SshdPolicy, Unit};
use crate::step::{Content, Proof, UnitVerb};
use std::collections::BTreeMap;

/// Whether people may come in by SSH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SshAccess {
    /// The owner, by key.
    Enabled,
    /// Nobody. Azure closes the public port and leaves sshd alone; on a machine of one's own there is no port to close but sshd's,
    /// so the policy allows no user.
    Disabled,
}

/// The policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshPolicy {
    /// Whether people may come in.
    pub access: SshAccess,
}

/// First in order, because sshd keeps the first value it reads of a keyword (`sshd_config(5)`).
const DROP_IN: &str = "/etc/ssh/sshd_config.d/00-fitout.conf";

/// Keyword and value, as the drop-in writes them and as `sshd -T` must answer. The hardening follows CIS 5.1 and Mozilla's guide.
const POLICY: [(&str, &str); 9] = [
    ("PermitRootLogin", "no"),
    ("PasswordAuthentication", "no"),
    ("KbdInteractiveAuthentication", "no"),
    ("PubkeyAuthentication", "yes"),
    ("AuthenticationMethods", "publickey"),
    ("PermitEmptyPasswords", "no"),
    ("MaxAuthTries", "4"),
    ("X11Forwarding", "no"),
    ("AuthorizedKeysFile", ".ssh/authorized_keys"),
];

/// A user that cannot exist (`useradd` refuses the name), so that nobody is allowed.
const NOBODY: &str = "!fitout-ssh-disabled";

impl Recipe for SshPolicy {
    fn item(&self) -> Item {
        Item::section("ssh_settings")
    }

    fn lower(&self, context: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        let fail = |text: String| vec![Problem::general(Code::BadValue, text)];
        let path = TargetPath::parse(DROP_IN).map_err(|e| fail(e.0))?;
        let unit = UnitName::parse("ssh.service").map_err(|e| fail(e.0))?;
        let Some(owner) = context.owner else {
            return Err(fail("an SSH policy is about the owner, but the manifest names no user".into()));
        };
        let allowed = match self.access {
            SshAccess::Enabled => owner.as_str(),
            SshAccess::Disabled => NOBODY,
        };
        let settings: Vec<(&str, &str)> = POLICY.into_iter().chain([("AllowUsers", allowed)]).collect();
        let lines: String = settings.iter().flat_map(|(keyword, value)| [keyword, " ", value, "\n"]).collect();
        let expect: BTreeMap<String, String> =
            settings.iter().map(|(keyword, value)| (keyword.to_lowercase(), (*value).to_owned())).collect();
        let requires = vec![ResourceId::new("user", owner)];
        let file = File {
            requires: requires.clone(),
            proof: Some(Proof::Sshd { user: owner.clone(), expect: expect.clone() }),
            read_by: vec![unit.clone()],
            ..File::new(path, Content::Inline(format!("# {}\n{lines}", crate::resource::HEADER).into()), Meta::root(Mode::FILE))
        };
        let reads = vec![file.clone()];
        let policy = SshdPolicy { user: owner.clone(), expect, requires: vec![file.id()] };
        let unit = Unit { requires: vec![file.id()], reads, on_change: UnitVerb::Reload, ..Unit::new(unit) };
        Ok(vec![Spec::File(file), Spec::SshdPolicy(policy), Spec::Unit(unit)])
    }
}
