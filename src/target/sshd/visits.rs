//! Who might come from where, as far as the configuration makes a difference: sshd is asked about each, because a `Match` block changes the
//! policy for some and not for others.

use crate::model::TargetPath;
use crate::step::{SSH_PORT, Visit};
use crate::target::{Accounts, Probe, ProbeError};
use std::collections::BTreeSet;

/// Where sshd's configuration begins.
pub const SSHD_CONFIG: &str = "/etc/ssh/sshd_config";

/// sshd reads includes of includes no deeper (`sshd_config(5)`).
const DEEPEST: usize = 16;

/// No more logins are asked about: each takes sshd some milliseconds.
const MOST: usize = 64;

/// An address of nobody (RFC 5737), for the rest of the world.
const ELSEWHERE: &str = "203.0.113.7";

/// A line of sshd's configuration that says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The file that holds it.
    pub file: TargetPath,
    /// Its number there, from 1.
    pub number: usize,
    /// What it says, without the spaces around it.
    pub text: String,
    /// For whom.
    pub holds: Holds,
}

/// For whom a line holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Whoever comes, unless an earlier line, or one of a `Match` block, says otherwise.
    ForAll,
    /// Whom the `Match` block around it speaks of: that wins over all other lines.
    ForSome,
}

/// Lines of sshd's configuration, in the order in which it reads them.
///
/// # Errors
/// A file cannot be read.
pub(super) fn configuration(on: &dyn Probe) -> Result<Vec<Line>, ProbeError> {
    let mut lines = Vec::new();
    read(on, &path(SSHD_CONFIG)?, (0, Holds::ForAll), &mut lines)?;
    Ok(lines)
}

fn path(text: &str) -> Result<TargetPath, ProbeError> {
    TargetPath::parse(text).map_err(|e| ProbeError::new(format!("use path {text}"), e))
}

/// A `Match` block ends with its file.
fn read(on: &dyn Probe, file: &TargetPath, (depth, around): (usize, Holds), lines: &mut Vec<Line>) -> Result<(), ProbeError> {
    let text = String::from_utf8_lossy(&on.read(file)?.unwrap_or_default()).into_owned();
    let mut holds = around;
    for (line, number) in text.lines().map(str::trim).zip(1..).filter(|(line, _)| !line.is_empty() && !line.starts_with('#')) {
        if argument(line, "match").is_some() {
            holds = Holds::ForSome;
        }
        lines.push(Line { file: file.clone(), number, text: line.to_owned(), holds });
        let Some(patterns) = argument(line, "include").filter(|_| depth < DEEPEST) else { continue };
        for pattern in words(patterns) {
            for file in files(on, &pattern)? {
                read(on, &file, (depth + 1, holds), lines)?;
            }
        }
    }
    Ok(())
}

/// Whether sshd reads a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Included {
    /// Whoever comes.
    Always,
    /// Inside a `Match` block, for some.
    Sometimes,
    /// For nobody.
    Never,
}

/// Whether sshd, by the text of its configuration, reads a file.
#[must_use]
pub fn included(config: &str, file: &TargetPath) -> Included {
    let reads = |line: &str| includes(line, file.as_str());
    let mut lines = config.lines().map(str::trim);
    let before = lines.by_ref().take_while(|line| argument(line, "match").is_none()).any(reads);
    match (before, lines.any(reads)) {
        (true, _) => Included::Always,
        (false, true) => Included::Sometimes,
        (false, false) => Included::Never,
    }
}

/// Whether a line has sshd read a file.
pub(super) fn includes(line: &str, file: &str) -> bool {
    let whole = |pattern: String| if pattern.starts_with('/') { pattern } else { format!("/etc/ssh/{pattern}") };
    words(argument(line, "include").unwrap_or_default()).into_iter().map(whole).any(|pattern| matches(&pattern, file))
}

/// What follows a keyword.
pub(super) fn argument<'l>(line: &'l str, keyword: &str) -> Option<&'l str> {
    let end = line.find(|c: char| c.is_whitespace() || c == '=')?;
    line[..end].eq_ignore_ascii_case(keyword).then(|| line[end..].trim_start_matches(|c: char| c.is_whitespace() || c == '='))
}

/// Words of a line; quotes hold one together, a comment ends them.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '#' if !quoted && words.last().is_some_and(String::is_empty) => break,
            c if c.is_whitespace() && !quoted => words.push(String::new()),
            c => words.last_mut().into_iter().for_each(|word| word.push(c)),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The files that an `Include` names: relative ones below /etc/ssh, wildcards in the last part only.
fn files(on: &dyn Probe, pattern: &str) -> Result<Vec<TargetPath>, ProbeError> {
    let whole = if pattern.starts_with('/') { pattern.to_owned() } else { format!("/etc/ssh/{pattern}") };
    let Some((folder, last)) = whole.rsplit_once('/') else { return Ok(Vec::new()) };
    if !last.contains(['*', '?']) {
        return Ok(TargetPath::parse(&whole).into_iter().collect());
    }
    let Ok(folder) = TargetPath::parse(folder) else { return Ok(Vec::new()) };
    let names = on.list(&folder)?.unwrap_or_default();
    Ok(names.iter().filter(|name| !name.starts_with('.') && matches(last, name)).filter_map(|name| folder.join(name).ok()).collect())
}

/// Whether a text is what a pattern with `*` and `?` describes.
pub(in crate::target) fn matches(pattern: &str, text: &str) -> bool {
    match (pattern.chars().next(), text.chars().next()) {
        (None, first) => first.is_none(),
        (Some('*'), first) => {
            let rest = &pattern[1..];
            matches(rest, text) || first.is_some_and(|c| matches(pattern, &text[c.len_utf8()..]))
        }
        (Some('?'), Some(c)) => matches(&pattern[1..], &text[c.len_utf8()..]),
        (Some(p), Some(c)) => p == c && matches(&pattern[p.len_utf8()..], &text[c.len_utf8()..]),
        (Some(_), None) => false,
    }
}

/// The logins to ask about: of this user and of root, from here and from elsewhere, and all that a `Match` line speaks of.
///
/// # Errors
/// The configuration or the accounts cannot be read.
pub fn visits(on: &dyn Probe, user: &str) -> Result<Vec<Visit>, ProbeError> {
    let accounts = on.accounts()?;
    let mut spoken = Spoken::default();
    for line in configuration(on)? {
        if let Some(criteria) = argument(&line.text, "match") {
            spoken.hear(&words(criteria), &accounts);
        }
    }
    let first = |usual: &[&str], more: BTreeSet<String>| -> Vec<String> {
        let usual: Vec<String> = usual.iter().map(|word| (*word).to_owned()).collect();
        let new = more.into_iter().filter(|word| !usual.contains(word)).collect::<Vec<_>>();
        usual.into_iter().chain(new).collect()
    };
    let users = first(&[user, "root"], spoken.users);
    let addresses = first(&["127.0.0.1", ELSEWHERE], spoken.addresses);
    let hosts = first(&["localhost"], spoken.hosts);
    let ports = first(&["22"], spoken.ports);
    let mut all = Vec::new();
    for (port, host) in ports.iter().flat_map(|port| hosts.iter().map(move |host| (port, host))) {
        for (addr, user) in addresses.iter().flat_map(|addr| users.iter().map(move |user| (addr, user))) {
            all.push(Visit { user: user.clone(), host: host.clone(), addr: addr.clone(), port: port.parse().unwrap_or(SSH_PORT) });
        }
    }
    all.truncate(MOST);
    Ok(all)
}

/// What `Match` lines speak of, each pattern by one example of it.
#[derive(Default)]
struct Spoken {
    users: BTreeSet<String>,
    addresses: BTreeSet<String>,
    hosts: BTreeSet<String>,
    ports: BTreeSet<String>,
}

impl Spoken {
    fn hear(&mut self, words: &[String], accounts: &Accounts) {
        for pair in words.chunks(2) {
            let [criterion, patterns] = pair else { continue };
            let patterns = patterns.split(',').filter(|pattern| !pattern.starts_with('!') && !pattern.is_empty());
            for pattern in patterns {
                match criterion.to_lowercase().as_str() {
                    "user" => self.users.extend(Some(example(pattern))),
                    "group" => self
                        .users
                        .extend(accounts.users().iter().map(|user| &user.name).find(|user| accounts.is_member(user, pattern)).cloned()),
                    "host" => self.hosts.extend(Some(example(pattern))),
                    "address" => self.addresses.extend(Some(address(pattern))),
                    "localport" => self.ports.extend(Some(pattern.to_owned())),
                    _ => {}
                }
            }
        }
    }
}

/// A text that a pattern describes.
fn example(pattern: &str) -> String {
    pattern.replace(['*', '?'], "x")
}

/// An address that a pattern describes: the first of a network, or numbers in place of wildcards.
fn address(pattern: &str) -> String {
    let first = pattern.split('/').next().unwrap_or_default();
    if !first.contains(['*', '?']) {
        return first.to_owned();
    }
    let mut parts: Vec<String> = first.split('.').map(|part| part.replace(['*', '?'], "1")).collect();
    parts.resize(4, "1".into());
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_describe_texts() {
        for (pattern, text) in [("*.conf", "a.conf"), ("*", ""), ("a?c*", "abcd"), ("ssh-rsa*", "ssh-rsa")] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("*.conf", "a.conf.bak"), ("a?c", "ac"), ("", "a")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn match_lines_speak_of_people_and_places() {
        let accounts = Accounts::parse("ann:x:1000:1000::/home/ann:/bin/sh\n", "staff:x:50:ann\n");
        let mut spoken = Spoken::default();
        for line in ["User adm*,!bob Address 10.0.0.0/8,10.2.*", "Group staff", "Host *.example.org LocalPort 2222", "all"] {
            spoken.hear(&words(line), &accounts);
        }
        assert_eq!(spoken.users.into_iter().collect::<Vec<_>>(), ["admx", "ann"]);
        assert_eq!(spoken.addresses.into_iter().collect::<Vec<_>>(), ["10.0.0.0", "10.2.1.1"]);
        assert_eq!(spoken.hosts.into_iter().collect::<Vec<_>>(), ["x.example.org"]);
        assert_eq!(spoken.ports.into_iter().collect::<Vec<_>>(), ["2222"]);
    }

    #[test]
    fn a_file_is_read_always_sometimes_or_never() {
        let file = TargetPath::parse("/etc/ssh/sshd_config.d/00-x.conf").unwrap();
        let of = |config: &str| included(config, &file);
        assert_eq!(of("Port 22\nInclude sshd_config.d/*.conf\nMatch all\n"), Included::Always);
        assert_eq!(of("Match User a\ninclude /etc/ssh/sshd_config.d/*.conf\n"), Included::Sometimes);
        assert_eq!(of("#Include /etc/ssh/sshd_config.d/*.conf\nInclude other/*.conf\n"), Included::Never);
    }

    #[test]
    fn lines_are_keywords_and_arguments() {
        assert_eq!(argument("Match User a", "match"), Some("User a"));
        assert_eq!(argument("include=x.conf", "include"), Some("x.conf"));
        assert_eq!(argument("Matches all", "match"), None);
        assert_eq!(words("\"a b\" c # d"), ["a b", "c"]);
    }
}
