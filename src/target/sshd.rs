//! What the real sshd answers, held against what it should.

use super::{OpError, Probe, ProbeError};
use crate::model::{TargetPath, UserName};
use crate::step::{Ability, Query};
use std::collections::BTreeMap;

/// Where the effective policy (`sshd -T` output) differs from what is expected.
#[must_use]
pub fn policy_gaps(effective: &str, expect: &BTreeMap<String, String>) -> Vec<String> {
    let says = |keyword: &str| {
        let values: Vec<&str> = effective
            .lines()
            .filter_map(|line| line.split_once(' ').filter(|(name, _)| *name == keyword))
            .map(|(_, value)| value)
            .collect();
        values.join(" ")
    };
    let gap = |(keyword, wanted): (&String, &String)| {
        let now = says(keyword);
        (now != *wanted).then(|| format!("{keyword} is `{now}`, not `{wanted}`"))
    };
    expect.iter().filter_map(gap).collect()
}

/// Asks the real sshd whether it answers what is expected, and whether that leaves anyone who can come in. Without sshd there is
/// nothing to ask.
pub(super) fn prove(on: &dyn Probe, user: &UserName, expect: &BTreeMap<String, String>) -> Result<(), OpError> {
    if on.stat(&path("/usr/sbin/sshd")?)?.is_none() {
        return Ok(());
    }
    // An image has no owner yet; one particular machine must have someone who can come in.
    if on.has(Ability::Instance) && expect.get("allowusers").map(String::as_str) == Some(user.as_str()) {
        prove_key(on, user)?;
    }
    let answer = on.query(&Query::SshdPolicy(user.clone()))?;
    let act = "prove the SSH policy on the real sshd";
    if answer.status != 0 {
        return Err(OpError::new(act, answer.stderr.trim()));
    }
    match policy_gaps(&answer.stdout, expect) {
        gaps if gaps.is_empty() => Ok(()),
        gaps => Err(OpError::new(act, gaps.join("; "))
            .hint("sshd keeps the first value it reads: look for these keywords before `Include /etc/ssh/sshd_config.d/*.conf` in /etc/ssh/sshd_config")),
    }
}

/// Fails where the one user whom the SSH policy lets in has no key to come in with.
fn prove_key(on: &dyn Probe, user: &UserName) -> Result<(), OpError> {
    let accounts = on.accounts()?;
    let home = accounts.user(user.as_str()).map_or_else(|| format!("/home/{user}"), |account| account.home.clone());
    let keys = on.read(&path(&format!("{home}/.ssh/authorized_keys"))?)?.unwrap_or_default();
    let is_key = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    if String::from_utf8_lossy(&keys).lines().any(is_key) {
        return Ok(());
    }
    Err(OpError::new("let only the owner in by SSH", format!("{user} has no key, so nobody could log in"))
        .hint("name a key under `user.authorized_keys` in the manifest, or in /etc/fitout/machine.yaml"))
}

fn path(text: &str) -> Result<TargetPath, ProbeError> {
    TargetPath::parse(text).map_err(|e| ProbeError::new(format!("use path {text}"), e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_differs() {
        let expect = BTreeMap::from([("permitrootlogin".to_owned(), "no".to_owned()), ("maxauthtries".to_owned(), "4".to_owned())]);
        assert!(policy_gaps("port 22\npermitrootlogin no\nmaxauthtries 4\n", &expect).is_empty());
        assert_eq!(policy_gaps("permitrootlogin yes\nmaxauthtries 4\n", &expect), ["permitrootlogin is `yes`, not `no`"]);
    }
}
