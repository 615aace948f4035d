//! What the real sshd answers, held against what it should; and whether that leaves anyone who can come in.

use super::decide::{at, decides, same};
use super::keys::{Key, keys_in};
use super::shut::shut_out;
use super::visits::{Line, SSHD_CONFIG, configuration, matches, visits};
use crate::model::{TargetPath, UserName};
use crate::step::{Ability, Query, Visit};
use crate::target::{OpError, Probe, ProbeError};
use std::collections::BTreeMap;

/// Lower-case keyword to value, as `sshd -T` prints them. A value that begins with `-` names, with commas between them, what may not be in
/// the list that sshd answers, as sshd's own lists do.
pub type Expected = BTreeMap<String, String>;

/// Programs that look up keys and are known: Entra ID's login of Azure's machines, which lets in whom Azure's roles let in.
const KNOWN_COMMANDS: [&str; 1] = ["/usr/sbin/aad_certhandler"];

/// Where the effective policy differs from what is expected, each with the line that does it and the login for which it does; `answers` are
/// those of a [`Query::SshdPolicy`], and the lines those of the configuration.
#[must_use]
pub fn policy_gaps(answers: &str, of: &[Visit], expect: &Expected, lines: &[Line]) -> Vec<String> {
    let mut gaps: Vec<(String, Vec<&Visit>)> = Vec::new();
    for (answer, visit) in answers.split("\n\n").zip(of) {
        for gap in gaps_of(answer, expect, lines) {
            match gaps.iter_mut().find(|(known, _)| *known == gap) {
                Some((_, whose)) => whose.push(visit),
                None => gaps.push((gap, vec![visit])),
            }
        }
    }
    let say = |(gap, whose): (String, Vec<&Visit>)| match whose.first() {
        Some(first) if whose.len() < of.len() => format!("{gap} for {first}"),
        _ => gap,
    };
    gaps.into_iter().map(say).collect()
}

/// What an answer of `sshd -T` says of a keyword; the values of several lines, with spaces between them.
pub(super) fn said(answer: &str, keyword: &str) -> String {
    let lines = answer.lines().filter_map(|line| line.split_once(' ').filter(|(name, _)| *name == keyword));
    lines.map(|(_, value)| value).collect::<Vec<_>>().join(" ")
}

fn gaps_of(answer: &str, expect: &Expected, lines: &[Line]) -> Vec<String> {
    let gap = |(keyword, wanted): (&String, &String)| {
        let now = said(answer, keyword);
        let differs = match wanted.strip_prefix('-') {
            Some(weak) => {
                let weak: Vec<&str> = weak.split(',').collect();
                let there: Vec<&str> = now.split(',').filter(|name| weak.iter().any(|pattern| matches(pattern, name))).collect();
                (!there.is_empty()).then(|| format!("{keyword} has {}", there.join(", ")))
            }
            None if keyword == "authorizedkeyscommand" && KNOWN_COMMANDS.iter().any(|known| now.split(' ').next() == Some(*known)) => None,
            None => (!same(keyword, &now, wanted)).then(|| format!("{keyword} is `{now}`, not `{wanted}`")),
        }?;
        Some([differs].into_iter().chain(decides(lines, keyword, &now).map(at)).collect::<Vec<_>>().join(" "))
    };
    expect.iter().filter_map(gap).collect()
}

/// Where the policy is, among files of others.
const POLICY_FOLDER: &str = "/etc/ssh/sshd_config.d";

/// The policy of Fitout: early in order, because sshd keeps the first value that it reads of a keyword (`sshd_config(5)`).
pub const POLICY: &str = "/etc/ssh/sshd_config.d/00-fitout.conf";

/// Whom the text of the policy lets in.
pub(super) fn allowed(policy: &str) -> Option<String> {
    policy.lines().find_map(|line| line.strip_prefix("AllowUsers ")).map(str::to_owned)
}

/// What is tried when the policy is proved.
const ACT: &str = "prove the SSH policy on the real sshd";

/// What somebody needs to come in, and a manifest does not bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SshLack {
    /// An sshd: no package at all comes.
    Server,
    /// An sshd, unless one of the packages that come brings it: none is known to.
    KnownServer,
    /// A key of the owner.
    Key,
}

/// Fails where the machine does not have either what the manifest does not bring, so that nobody could be let in.
///
/// # Errors
/// It is so, or the machine cannot be looked at.
pub fn has_what_lacks(on: &dyn Probe, (user, expect): (&UserName, &Expected), lacks: &[SshLack]) -> Result<(), OpError> {
    let check = |lack: &SshLack| match lack {
        _ if !lets_in(on, user, expect) => Ok(()),
        SshLack::KnownServer => Ok(()),
        SshLack::Server if has_server(on)? => Ok(()),
        SshLack::Server => must_have_server(on, user, expect),
        SshLack::Key => prove_key(on, user, ""),
    };
    lacks.iter().try_for_each(check)
}

/// What keeps the policy from being so: sshd answers otherwise, turns the owner away whom the policy lets in, or is not there. A policy
/// that lets in nobody needs no sshd.
///
/// # Errors
/// sshd cannot be asked, or what it reads cannot be read.
pub fn gaps(on: &dyn Probe, user: &UserName, expect: &Expected) -> Result<Vec<String>, ProbeError> {
    if !has_server(on)? {
        return Ok(lets_in(on, user, expect).then(|| NO_SERVER.to_owned()).into_iter().collect());
    }
    let visits = visits(on, user.as_str())?;
    let answer = on.query(&Query::SshdPolicy(visits.clone()))?;
    if answer.status != 0 {
        return Err(ProbeError::new("ask sshd for its effective policy", answer.stderr.trim()));
    }
    let Gaps { shut, differs } = Gaps::find(on, &answer.stdout, &visits, (user, expect))?;
    Ok(shut.into_iter().chain(differs).collect())
}

/// What keeps a policy from being so.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    /// Why the owner cannot come in, whom the policy lets in.
    pub shut: Vec<String>,
    /// What sshd answers otherwise.
    pub differs: Vec<String>,
}

impl Gaps {
    pub(super) fn find(
        on: &dyn Probe,
        answers: &str,
        visits: &[Visit],
        (user, expect): (&UserName, &Expected),
    ) -> Result<Self, ProbeError> {
        let mut shut = Vec::new();
        if lets_in(on, user, expect) {
            shut = shut_out(on, answers, visits, user.as_str())?;
            shut.extend(prove_key(on, user, answers).err().map(|error| error.cause));
        }
        Ok(Self { shut, differs: policy_gaps(answers, visits, expect, &configuration(on)?) })
    }
}

/// Why nobody comes in where there is no server.
const NO_SERVER: &str = "SSH is enabled, and there is no sshd";

/// Asks the real sshd whether it answers what is expected, and whether that leaves anyone who can come in.
///
/// # Errors
/// It answers otherwise, or nobody could come in.
pub fn prove(on: &dyn Probe, user: &UserName, expect: &Expected) -> Result<(), OpError> {
    if !has_server(on)? {
        return must_have_server(on, user, expect);
    }
    let visits = visits(on, user.as_str())?;
    let answer = on.query(&Query::SshdPolicy(visits.clone()))?;
    if answer.status != 0 {
        return Err(OpError::new(ACT, answer.stderr.trim()));
    }
    judge(on, &answer.stdout, &visits, (user, expect))
}

/// Fails where nobody could be let in, for there is no sshd. A policy that lets in nobody holds without one.
pub(super) fn must_have_server(on: &dyn Probe, user: &UserName, expect: &Expected) -> Result<(), OpError> {
    if !lets_in(on, user, expect) {
        return Ok(());
    }
    Err(OpError::new(ACT, NO_SERVER).hint("add openssh-server to `packages.install`"))
}

/// Fails where the answers are not what is expected, or leave nobody who can come in.
pub(super) fn judge(on: &dyn Probe, answers: &str, visits: &[Visit], (user, expect): (&UserName, &Expected)) -> Result<(), OpError> {
    if lets_in(on, user, expect) {
        prove_key(on, user, answers)?;
    }
    let Gaps { shut, differs } = Gaps::find(on, answers, visits, (user, expect))?;
    if !shut.is_empty() {
        let add_up = "these lines add up, whichever file says them, and Fitout takes no line of others away";
        return Err(OpError::new(ACT, shut.join("; ")).hint(format!("{add_up}: {}", mends(on, &shut)?)));
    }
    if differs.is_empty() {
        return Ok(());
    }
    let why = "sshd keeps the first value that it reads, and what a `Match` block says wins";
    Err(OpError::new(ACT, differs.join("; ")).hint(format!("{why}: {}", mends(on, &differs)?)))
}

/// What a person does about lines of others: Fitout takes away whole files of the folder that the policy is in, one by one and only once
/// the policy stands, and each only where the rest then holds.
fn mends(on: &dyn Probe, gaps: &[String]) -> Result<String, ProbeError> {
    let folder = POLICY_FOLDER;
    let named = |gap: &String| gap.split_once(&format!("({folder}/")).and_then(|(_, rest)| Some(rest.split_once(':')?.0.to_owned()));
    let files: Vec<Option<String>> = gaps.iter().map(named).collect();
    let one = files.first().cloned().flatten().filter(|first| files.iter().all(|file| file.as_ref() == Some(first)));
    let stands = on.stat(&path(POLICY)?)?.is_some();
    Ok(match one.filter(|_| stands) {
        Some(file) => format!(
            "take that out of {folder}/{file}, or name `ssh_settings: {{foreign: remove}}` in the manifest, which takes the file away"
        ),
        None if gaps.iter().all(|gap| gap.contains("(/")) => "take these lines out".to_owned(),
        None => format!("look for these keywords in {SSHD_CONFIG}, before its Include and below Match, and in the other files of {folder}"),
    })
}

pub(super) fn has_server(on: &dyn Probe) -> Result<bool, ProbeError> {
    Ok(on.stat(&path("/usr/sbin/sshd")?)?.is_some())
}

/// Whether this policy lets in the user, on a machine that has one: an image has no owner yet.
pub(super) fn lets_in(on: &dyn Probe, user: &UserName, expect: &Expected) -> bool {
    on.has(Ability::Instance) && expect.get("allowusers").map(String::as_str) == Some(user.as_str())
}

/// Where the keys are that open an account.
pub(super) fn keys_path(on: &dyn Probe, user: &UserName) -> Result<TargetPath, ProbeError> {
    let accounts = on.accounts()?;
    let home = accounts.user(user.as_str()).map_or_else(|| format!("/home/{user}"), |account| account.home.clone());
    path(&format!("{home}/.ssh/authorized_keys"))
}

/// Fails where the one user whom the SSH policy lets in has no key to come in with.
pub(super) fn prove_key(on: &dyn Probe, user: &UserName, answer: &str) -> Result<(), OpError> {
    let at = keys_path(on, user)?;
    let accepted = said(answer.split("\n\n").next().unwrap_or_default(), "pubkeyacceptedalgorithms");
    let accepted = if accepted.is_empty() { "*" } else { &accepted };
    let keys = keys_in(&String::from_utf8_lossy(&on.read(&at)?.unwrap_or_default()), accepted, &now());
    let act = "let only the owner in by SSH";
    let hint = "name a key under `user.authorized_keys` in the manifest, or in /etc/fitout/machine.yaml";
    match keys.as_slice() {
        [] => Err(OpError::new(act, format!("{user} has no key, so nobody could log in")).hint(hint)),
        keys if keys.iter().any(|key| key.useless.is_none()) => Ok(()),
        keys => {
            let say = |key: &Key| Some(format!("{at}:{}: {}", key.line, key.useless.as_ref()?));
            let all: Vec<String> = keys.iter().filter_map(say).collect();
            Err(OpError::new(act, format!("nobody could log in: {}", all.join("; "))).hint(hint))
        }
    }
}

/// Fails where nobody could come in by new keys, and somebody can by those that are there.
pub fn keys_may_change(at: &TargetPath, old: &[u8], new: &[u8]) -> Result<(), OpError> {
    let now = now();
    let keys = |bytes: &[u8]| keys_in(&String::from_utf8_lossy(bytes), "*", &now);
    let opens = |bytes: &[u8]| keys(bytes).iter().any(|key| key.useless.is_none());
    if opens(new) || !opens(old) {
        return Ok(());
    }
    let why: Vec<String> = keys(new).into_iter().filter_map(|key| key.useless).collect();
    Err(OpError::new(format!("write {at}"), format!("nobody could log in by these keys: {}", why.join("; ")))
        .hint("the keys that are there stay; name one that is good under `user.authorized_keys`"))
}

/// Now, as an `expiry-time` is written. sshd, too, holds that against the clock of the machine.
pub(super) fn now() -> String {
    jiff::Zoned::now().strftime("%Y%m%d%H%M").to_string()
}

fn path(text: &str) -> Result<TargetPath, ProbeError> {
    TargetPath::parse(text).map_err(|e| ProbeError::new(format!("use path {text}"), e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(pairs: &[(&str, &str)]) -> Expected {
        pairs.iter().map(|(keyword, value)| ((*keyword).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn finds_what_differs_and_for_whom() {
        let expect = expected(&[("permitrootlogin", "no"), ("maxauthtries", "4")]);
        let (ann, root) = (Visit::of("ann"), Visit { addr: "10.0.0.0".into(), ..Visit::of("root") });
        let good = "port 22\npermitrootlogin no\nmaxauthtries 4\n\n";
        let bad = "permitrootlogin yes\nmaxauthtries 4\n\n";
        assert!(policy_gaps(good, std::slice::from_ref(&ann), &expect, &[]).is_empty());
        assert_eq!(policy_gaps(bad, std::slice::from_ref(&ann), &expect, &[]), ["permitrootlogin is `yes`, not `no`"]);
        assert_eq!(
            policy_gaps(&format!("{good}{bad}"), &[ann, root], &expect, &[]),
            ["permitrootlogin is `yes`, not `no` for root from 10.0.0.0"]
        );
    }

    #[test]
    fn weak_algorithms_are_named_and_a_known_command_is_allowed() {
        let expect = expected(&[("macs", "-hmac-sha1*,hmac-sha2-256"), ("authorizedkeyscommand", "none")]);
        let answer = |macs: &str, command: &str| format!("macs {macs}\nauthorizedkeyscommand {command}\n");
        let gaps = |answer: String| policy_gaps(&answer, &[Visit::of("ann")], &expect, &[]);
        assert!(gaps(answer("hmac-sha2-256-etm@openssh.com", "/usr/sbin/aad_certhandler %u %k")).is_empty());
        assert_eq!(
            gaps(answer("hmac-sha1-etm@openssh.com,hmac-sha2-512-etm@openssh.com", "/opt/keys %u")),
            ["authorizedkeyscommand is `/opt/keys %u`, not `none`", "macs has hmac-sha1-etm@openssh.com"]
        );
    }
}
