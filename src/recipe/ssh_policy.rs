//! `ssh_public_access_enabled`: key-only login of the owner, or none; proved on the real sshd before it is kept.

use super::{Context, Item, Recipe};
use crate::model::{ResourceId, TargetPath, UnitName};
use crate::problem::{Code, Problem};
use crate::resource::{Foreign, Said, Spec, SshdPolicy};
use crate::target::{SSHD_POLICY, SSHD_UNSAID, SshLack};
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
    /// Whether the manifest names it.
    pub said: Said,
    /// What is done about ways in that others made.
    pub foreign: Foreign,
    /// What the manifest does not bring for it.
    pub lacks: Vec<SshLack>,
}

/// Keyword and value, as the drop-in writes them and as `sshd -T` must answer: CIS 5.1 and Mozilla's guide. Lists of algorithms take away
/// what ssh-audit calls weak, whatever the age of the sshd: what a newer one adds, such as key exchange that withstands quantum computers,
/// comes by itself. Key exchange by groups that sshd chooses goes too, as the file of groups that distributions bring has short ones.
const POLICY: [(&str, &str); 20] = [
    ("PermitRootLogin", "no"),
    ("PasswordAuthentication", "no"),
    ("KbdInteractiveAuthentication", "no"),
    ("PubkeyAuthentication", "yes"),
    ("AuthenticationMethods", "publickey"),
    ("HostbasedAuthentication", "no"),
    ("IgnoreRhosts", "yes"),
    ("PermitEmptyPasswords", "no"),
    ("PermitUserEnvironment", "no"),
    ("StrictModes", "yes"),
    ("AuthorizedKeysFile", ".ssh/authorized_keys"),
    ("MaxAuthTries", "4"),
    ("MaxStartups", "10:30:60"),
    ("LoginGraceTime", "60"),
    ("LogLevel", "VERBOSE"),
    ("X11Forwarding", "no"),
    ("KexAlgorithms", "-ecdh-sha2-nistp*,diffie-hellman-group1-*,diffie-hellman-group14-*,diffie-hellman-group-exchange-*"),
    ("Ciphers", "-*-cbc,*-cbc@*,arcfour*"),
    ("MACs", "-hmac-md5*,hmac-sha1*,hmac-ripemd160*,umac-64*,umac-128@openssh.com,hmac-sha2-256,hmac-sha2-512"),
    ("HostKeyAlgorithms", "-ecdsa-*,sk-ecdsa-*,webauthn-*,ssh-dss*,ssh-rsa*"),
];

/// A user that cannot exist (`useradd` refuses the name), so that nobody is allowed.
const NOBODY: &str = "!fitout-ssh-disabled";

impl Recipe for SshPolicy {
    fn item(&self) -> Item {
        Item::section("ssh_settings")
    }

    fn lower(&self, context: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        let fail = |text: String| vec![Problem::general(Code::BadValue, text)];
        let path = TargetPath::parse(SSHD_POLICY).map_err(|e| fail(e.0))?;
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
        let said = settings.iter().map(|(keyword, value)| (keyword.to_lowercase(), (*value).to_owned()));
        let expect: BTreeMap<String, String> = said.chain(SSHD_UNSAID.map(|keyword| (keyword.to_owned(), "none".to_owned()))).collect();
        let policy = SshdPolicy {
            user: owner.clone(),
            path,
            text: format!("# {}\n{lines}", crate::resource::HEADER),
            unit,
            expect,
            said: self.said,
            foreign: self.foreign,
            lacks: self.lacks.clone(),
            requires: vec![ResourceId::new("user", owner)],
        };
        Ok(vec![Spec::SshdPolicy(policy)])
    }
}
