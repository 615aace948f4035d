//! Whom sshd turns away although the policy lets them in: `DenyUsers`, `DenyGroups` and `AllowGroups` add up over all files, so that no
//! file that is read first wins over them.

use super::decide::at;
use super::policy::Expected;
use super::visits::{Line, argument, configuration, matches, words};
use crate::step::Visit;
use crate::target::{Probe, ProbeError};
use std::net::IpAddr;

/// What must not be, and no file of the policy overrules: where somebody looks up keys by a program, or trusts whoever signs them, that is
/// said and decided by a person.
pub const UNSAID: [&str; 2] = ["authorizedkeyscommand", "trustedusercakeys"];

/// Why sshd turns a user away, in its own words, with the line that says so; `answers` are those of a
/// [`Query::SshdPolicy`](crate::step::Query::SshdPolicy).
///
/// # Errors
/// The accounts or the configuration cannot be read.
pub fn shut_out(on: &dyn Probe, answers: &str, of: &[Visit], user: &str) -> Result<Vec<String>, ProbeError> {
    let accounts = on.accounts()?;
    let groups = accounts.all_groups_of(user);
    let lines = configuration(on)?;
    let own: Vec<(&str, &Visit)> = answers.split("\n\n").zip(of).filter(|(_, visit)| visit.user == user).collect();
    let mut found: Vec<(String, Vec<&Visit>)> = Vec::new();
    for (answer, visit) in &own {
        for (keyword, pattern, why) in reasons(answer, visit, &groups) {
            let text = format!("{user} is not allowed because {why}{}", place(&lines, keyword, pattern));
            match found.iter_mut().find(|(known, _)| *known == text) {
                Some((_, whose)) => whose.push(visit),
                None => found.push((text, vec![visit])),
            }
        }
    }
    let say = |(text, whose): (String, Vec<&Visit>)| match whose.first() {
        Some(first) if whose.len() < own.len() => format!("{text} for {first}"),
        _ => text,
    };
    Ok(found.into_iter().map(say).collect())
}

/// Keyword, the pattern of it that turns away, and sshd's words.
fn reasons<'a>(answer: &'a str, visit: &Visit, groups: &[&str]) -> Vec<(&'static str, Option<&'a str>, &'static str)> {
    let list = |keyword: &str| -> Vec<&'a str> {
        let lines = answer.lines().filter_map(|line| line.split_once(' ').filter(|(name, _)| *name == keyword));
        lines.flat_map(|(_, value)| value.split_whitespace()).collect()
    };
    let one_of = |pattern: &&str| groups.iter().any(|group| matches(pattern, group));
    let user = list("denyusers").into_iter().find(|pattern| is_visitor(pattern, visit));
    let group = list("denygroups").into_iter().find(one_of);
    let allowed = list("allowgroups");
    let outside = !allowed.is_empty() && !allowed.iter().any(one_of);
    [
        user.map(|pattern| ("denyusers", Some(pattern), "listed in DenyUsers")),
        group.map(|pattern| ("denygroups", Some(pattern), "a group is listed in DenyGroups")),
        outside.then_some(("allowgroups", None, "none of user's groups are listed in AllowGroups")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Whether a pattern of `DenyUsers`, `USER` or `USER@HOST`, is about a login.
fn is_visitor(pattern: &str, visit: &Visit) -> bool {
    match pattern.rsplit_once('@') {
        None => matches(pattern, &visit.user),
        Some((user, hosts)) => matches(user, &visit.user) && comes_from(hosts, visit),
    }
}

fn comes_from(hosts: &str, visit: &Visit) -> bool {
    let is = |host: &str| matches(host, &visit.addr) || matches(host, &visit.host) || is_within(&visit.addr, host).unwrap_or(false);
    let (not, yes): (Vec<&str>, Vec<&str>) = hosts.split(',').partition(|host| host.starts_with('!'));
    yes.into_iter().any(is) && !not.into_iter().any(|host| is(&host[1..]))
}

/// Whether an address is of a network, such as `10.0.0.0/8`.
fn is_within(address: &str, network: &str) -> Option<bool> {
    let (first, length) = network.split_once('/')?;
    let bits = |text: &str| match text.parse().ok()? {
        IpAddr::V4(ip) => Some((u128::from(u32::from(ip)) << 96, 32_u32)),
        IpAddr::V6(ip) => Some((u128::from(ip), 128)),
    };
    let ((address, whole), (first, of)) = (bits(address)?, bits(first)?);
    let rest = 128_u32.checked_sub(length.parse().ok()?)?;
    Some(whole == of && (address ^ first).checked_shr(rest).unwrap_or_default() == 0)
}

/// The file and the line that say it, where one does.
fn place(lines: &[Line], keyword: &str, pattern: Option<&str>) -> String {
    let says = |line: &&Line| {
        argument(&line.text, keyword).is_some_and(|rest| pattern.is_none_or(|pattern| words(rest).iter().any(|word| word == pattern)))
    };
    lines.iter().find(says).map(|line| format!(" {}", at(line))).unwrap_or_default()
}

/// What the policy says that was written, held against what sshd answers; `text` is that of its file.
pub(super) fn expected(text: &str) -> Expected {
    let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' '));
    let said = lines.map(|(keyword, value)| (keyword.to_lowercase(), value.to_owned()));
    said.chain(UNSAID.map(|keyword| (keyword.to_owned(), "none".to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sshd_turns_away_by_user_place_and_group() {
        let why = |answer: &str| {
            let found = reasons(answer, &Visit::of("ann"), &["ann", "staff"]);
            found.into_iter().map(|(keyword, ..)| keyword).collect::<Vec<_>>()
        };
        assert_eq!(why("denyusers bob\ndenyusers a*\n"), ["denyusers"]);
        assert_eq!(why("denyusers ann@127.0.0.0/8,!127.0.0.1\nallowgroups staff\n"), Vec::<&str>::new());
        assert_eq!(why("denyusers ann@127.0.0.0/8\ndenygroups st?ff\nallowgroups wheel\n"), ["denyusers", "denygroups", "allowgroups"]);
    }

    #[test]
    fn networks_hold_addresses() {
        for (address, network, is) in [
            ("10.1.2.3", "10.0.0.0/8", true),
            ("11.1.2.3", "10.0.0.0/8", false),
            ("203.0.113.7", "0.0.0.0/0", true),
            ("203.0.113.7", "::/0", false),
            ("2001:db8::1", "2001:db8::/32", true),
        ] {
            assert_eq!(is_within(address, network), Some(is), "{address} {network}");
        }
    }
}
