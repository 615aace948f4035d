//! What the parts ask of a machine in the same words.

use crate::model::redacted;
use crate::target::{Account, Probe, ProbeError};
use std::borrow::Cow;

pub use crate::target::look::{names, path, stat, text};

/// Numbers of people's accounts: `UID_MIN` and `UID_MAX` of login.defs(5).
const PEOPLE: std::ops::RangeInclusive<u32> = 1000..=60_000;

/// The accounts of people who can log in, the first one first.
pub fn people(on: &dyn Probe) -> Result<Vec<Account>, ProbeError> {
    let logs_in = |account: &Account| !["/nologin", "/false"].iter().any(|shell| account.shell.ends_with(shell));
    let accounts = on.accounts()?;
    let mut people: Vec<Account> =
        accounts.users().iter().filter(|account| PEOPLE.contains(&account.uid) && logs_in(account)).cloned().collect();
    people.sort_by_key(|account| account.uid);
    Ok(people)
}

/// Words that stand beside secrets in units and settings.
const SECRETS: [&str; 13] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "api-key",
    "_key",
    "credential",
    "sig=",
    "bearer",
    "authorization",
    "-----begin",
];

/// Whether a text may hold a secret. Rather once too often: what is held back is named.
pub fn may_hold_secret(text: &str) -> bool {
    let lower = text.to_lowercase();
    let names_user = |rest: &str| rest.split(['/', '\n', ' ', '"']).next().is_some_and(|host| host.contains('@'));
    let looks_so = matches!(redacted(text), Cow::Owned(_)) || SECRETS.iter().any(|word| lower.contains(word));
    looks_so || lower.split("://").skip(1).any(names_user) || gives_login(&lower)
}

/// Options by which programs are given a user and a password in one word: `curl -u ann:pw`.
const LOGINS: [&str; 7] = ["--user", "--proxy-user", "--login", "--auth", "--basic-auth", "--http-user", "-u"];

/// Whether a command gives a program a user and a password. Two numbers are a user and a group.
fn gives_login(text: &str) -> bool {
    let is_login = |word: &str| {
        let parts = word.trim_matches(['"', '\'']).split_once(':');
        parts.is_some_and(|(user, password)| {
            let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
            !(password.is_empty() || is_number(user) && is_number(password))
        })
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let apart = words.windows(2).any(|pair| LOGINS.contains(&pair[0]) && is_login(pair[1]));
    let joined =
        |word: &&str| LOGINS.iter().any(|option| word.strip_prefix(option).is_some_and(|rest| is_login(rest.trim_start_matches('='))));
    apart || words.iter().any(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_from_settings() {
        for held in [
            "Environment=HF_TOKEN=abc",
            "ExecStart=/bin/x --password y",
            "http://ann:pw@proxy:80",
            "API_KEY=1",
            "ExecStart=/usr/bin/curl -u ann:hunter2 https://example.org",
            "ExecStart=curl -uann:hunter2 x",
            "ExecStart=curl --user='ann:hunter2' x",
            "ExecStart=x --id AKIAIOSFODNN7EXAMPLE1",
        ] {
            assert!(may_hold_secret(held), "{held}");
        }
        for free in [
            "ExecStart=/usr/bin/node --port 80\nUser=ann",
            "Documentation=https://example.org/a@b",
            "vm.swappiness = 10",
            "ExecStart=/usr/bin/docker run -u 1000:1000 --user=ann x:1\nUser=ann",
            "After=a.service\nExecStart=/bin/x -u ann",
        ] {
            assert!(!may_hold_secret(free), "{free}");
        }
    }
}
