//! How a machine is reached by SSH, as it is: who may come in, by which keys, where, and how to know that it is the right machine.

use super::keys::keys_in;
use super::origin::{OwnersKey, told};
use super::policy::{Gaps, POLICY, allowed, has_server, keys_path, now, policy_gaps, said};
use super::shut::expected;
use super::visits::{configuration, visits};
use crate::model::UserName;
use crate::step::{Ability, Query, SSH_PORT};
use crate::target::look::{names, text};
use crate::target::{Probe, ProbeError};
use nix::ifaddrs::getifaddrs;
use serde::Serialize;
use ssh_key::{HashAlg, PublicKey};
use std::net::IpAddr;

/// The way into a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Access {
    /// Who comes in.
    pub access: Openness,
    /// The one user who does, where there is one.
    pub user: Option<String>,
    /// The port.
    pub port: u16,
    /// The machine's addresses, as it knows them itself; one that a cloud translates is not among them.
    pub addresses: Vec<String>,
    /// The keys by which the machine shows who it is.
    pub host_keys: Vec<HostKey>,
    /// The keys of the user.
    pub keys: Vec<OwnersKey>,
    /// Where sshd does otherwise than the policy says: who is turned away, by which line, and what it answers for whom.
    pub otherwise: Vec<String>,
}

/// Who comes in by SSH.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Openness {
    /// The owner, by key.
    Enabled,
    /// Nobody: the policy lets in the owner, and sshd turns the owner away.
    ShutOut,
    /// Nobody, by Fitout's policy.
    Disabled,
    /// Whom sshd's own configuration lets in: Fitout manages none of it.
    Unmanaged,
    /// Nobody, for there is no sshd.
    NoServer,
}

/// A key of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostKey {
    /// Its kind.
    pub algorithm: String,
    /// SHA-256, as ssh shows it at the first login.
    pub fingerprint: String,
}

impl Access {
    /// As it is now.
    ///
    /// # Errors
    /// sshd cannot be asked, or a file cannot be read.
    pub fn read(on: &dyn Probe) -> Result<Self, ProbeError> {
        let policy = text(on, POLICY)?.unwrap_or_default();
        let allowed = allowed(&policy);
        let user = allowed.as_deref().and_then(|user| UserName::parse(user).ok());
        let (answer, gaps) = if has_server(on)? { asked(on, user.as_ref(), &policy)? } else { Default::default() };
        let openness = match (has_server(on)?, &allowed, &user) {
            (false, ..) => Openness::NoServer,
            (true, None, _) => Openness::Unmanaged,
            (true, Some(_), None) => Openness::Disabled,
            (true, Some(_), Some(_)) if !gaps.shut.is_empty() || takes_no_keys(&answer) => Openness::ShutOut,
            (true, Some(_), Some(_)) => Openness::Enabled,
        };
        let keys = match &user {
            Some(user) => {
                let accepted = said(&answer, "pubkeyacceptedalgorithms");
                let at = keys_path(on, user)?;
                let text = String::from_utf8_lossy(&on.read(&at)?.unwrap_or_default()).into_owned();
                let keys = keys_in(&text, if accepted.is_empty() { "*" } else { &accepted }, &now());
                told(keys, &text, on.written(&at)?)
            }
            None => Vec::new(),
        };
        let addresses = if on.has(Ability::RunningSystem) { addresses() } else { Vec::new() };
        let port = said(&answer, "port").split(' ').next().and_then(|port| port.parse().ok()).unwrap_or(SSH_PORT);
        let host_keys = host_keys(on, &said(&answer, "hostkeyalgorithms"))?;
        let otherwise = gaps.shut.into_iter().chain(gaps.differs).collect();
        Ok(Self { access: openness, user: user.map(|user| user.to_string()), port, addresses, host_keys, keys, otherwise })
    }

    /// What is typed elsewhere to come in; none where nobody does.
    #[must_use]
    pub fn command(&self) -> Option<String> {
        let user = self.user.as_ref().filter(|_| self.access == Openness::Enabled)?;
        let at = self.addresses.first().map_or("ADDRESS", String::as_str);
        let port = if self.port == SSH_PORT { String::new() } else { format!("-p {} ", self.port) };
        Some(format!("ssh {port}{user}@{at}"))
    }
}

/// Whether an answer of sshd lets in nobody who brings a key and nothing else.
fn takes_no_keys(answer: &str) -> bool {
    let by_key = |methods: &str| methods.split(' ').any(|one| matches!(one, "" | "any" | "publickey"));
    said(answer, "pubkeyauthentication") == "no" || !by_key(&said(answer, "authenticationmethods"))
}

/// What sshd answers for a login from the machine itself, and where it does otherwise than the policy of this text says.
fn asked(on: &dyn Probe, user: Option<&UserName>, policy: &str) -> Result<(String, Gaps), ProbeError> {
    let visits = visits(on, user.map_or("root", UserName::as_str))?;
    let answer = on.query(&Query::SshdPolicy(visits.clone()))?;
    if answer.status != 0 {
        return Err(ProbeError::new("ask sshd for its effective policy", answer.stderr.trim()));
    }
    let gaps = match user {
        _ if policy.is_empty() => Gaps::default(),
        Some(user) => Gaps::find(on, &answer.stdout, &visits, (user, &expected(policy)))?,
        None => Gaps { shut: Vec::new(), differs: policy_gaps(&answer.stdout, &visits, &expected(policy), &configuration(on)?) },
    };
    let first = answer.stdout.split("\n\n").next().unwrap_or_default();
    Ok((first.to_owned(), gaps))
}

/// The keys of the machine that sshd shows, by the algorithms that it offers.
fn host_keys(on: &dyn Probe, offered: &str) -> Result<Vec<HostKey>, ProbeError> {
    let mut found = Vec::new();
    for name in names(on, "/etc/ssh")?.iter().filter(|name| name.starts_with("ssh_host_") && name.ends_with("_key.pub")) {
        let text = text(on, &format!("/etc/ssh/{name}"))?.unwrap_or_default();
        let Ok(key) = PublicKey::from_openssh(&text) else { continue };
        let algorithm = key.algorithm();
        let kind = if algorithm.as_str() == "ssh-rsa" { "rsa-sha2-" } else { algorithm.as_str() };
        if offered.split(',').any(|offer| offer.starts_with(kind)) {
            found.push(HostKey { algorithm: algorithm.as_str().to_owned(), fingerprint: key.fingerprint(HashAlg::Sha256).to_string() });
        }
    }
    Ok(found)
}

/// Addresses by which others can reach this machine; those of IPv4 first, as people type them.
fn addresses() -> Vec<String> {
    let all = getifaddrs().map(|all| all.filter_map(|one| one.address).collect::<Vec<_>>()).unwrap_or_default();
    let four = all.iter().filter_map(|address| Some(IpAddr::from(address.as_sockaddr_in()?.ip())));
    let six = all.iter().filter_map(|address| Some(IpAddr::from(address.as_sockaddr_in6()?.ip())));
    let near = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
    };
    four.chain(six).filter(|ip| !near(ip)).map(|ip| ip.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_to_type() {
        let access = Access {
            access: Openness::Enabled,
            user: Some("ann".into()),
            port: 22,
            addresses: vec!["203.0.113.9".into()],
            host_keys: Vec::new(),
            keys: Vec::new(),
            otherwise: Vec::new(),
        };
        assert_eq!(access.command().unwrap(), "ssh ann@203.0.113.9");
        let elsewhere = Access { port: 50000, addresses: Vec::new(), ..access.clone() };
        assert_eq!(elsewhere.command().unwrap(), "ssh -p 50000 ann@ADDRESS");
        assert_eq!(Access { access: Openness::ShutOut, ..access.clone() }.command(), None);
        assert_eq!(Access { user: None, ..access }.command(), None);
        assert_eq!(allowed("# x\nAllowUsers ann\n").as_deref(), Some("ann"));
    }

    #[test]
    fn knows_an_sshd_that_takes_no_keys() {
        let says = |methods: &str, keys: &str| format!("port 22\nauthenticationmethods {methods}\npubkeyauthentication {keys}\n");
        assert!(takes_no_keys(&says("publickey", "no")) && takes_no_keys(&says("publickey,password", "yes")));
        assert!(!takes_no_keys(&says("any", "yes")) && !takes_no_keys(&says("publickey,password publickey", "yes")) && !takes_no_keys(""));
    }
}
