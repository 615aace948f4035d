//! What the parts ask of a machine in the same words.

use crate::target::{Account, Probe, ProbeError};

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
    SECRETS.iter().any(|word| lower.contains(word)) || lower.split("://").skip(1).any(names_user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_from_settings() {
        for held in ["Environment=HF_TOKEN=abc", "ExecStart=/bin/x --password y", "http://ann:pw@proxy:80", "API_KEY=1"] {
            assert!(may_hold_secret(held), "{held}");
        }
        for free in ["ExecStart=/usr/bin/node --port 80\nUser=ann", "Documentation=https://example.org/a@b", "vm.swappiness = 10"] {
            assert!(!may_hold_secret(free), "{free}");
        }
    }
}
