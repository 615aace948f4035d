//! Secrets in what programs and servers say. Fitout holds none and prints none, but a script may print its token and a tool the address that it
//! was given, password and all: nothing of that kind reaches a log, a report or a terminal.
//!
//! It is a net, not a proof: it knows how secrets look, and holds back rather too much than too little.

use std::borrow::Cow;

/// Signs that end in a letter or digit and part one word from another, in lower case.
const BEFORE: [&str; 5] = ["%26", "%3f", "\\n", "\\r", "\\t"];

/// Stands where something was held back.
const HELD: &str = "[redacted]";

/// Names whose values are secret, in any case; also as the end of a longer name (`WANDB_API_KEY`).
const NAMES: [&str; 15] = [
    "sig",
    "password",
    "passwd",
    "pwd",
    "secret",
    "token",
    "accountkey",
    "account_key",
    "sharedaccesskey",
    "sharedaccesssignature",
    "access_key",
    "accesskey",
    "api_key",
    "apikey",
    "private_key",
];

/// Beginnings by which makers of tokens mark them.
const MARKS: [&str; 12] = ["hf_", "ghp_", "gho_", "ghs_", "github_pat_", "glpat-", "pypi-", "xoxb-", "xoxp-", "sk-", "npm_", "AKIA"];
/// What follows such a beginning is at least this long.
const MARKED: usize = 16;
/// A run of letters and digits of every kind that is at least this long is a key in base64: 32 bytes come to 43 characters.
const RUN: usize = 43;
/// Words after which a secret follows.
const SCHEMES: [&str; 2] = ["bearer ", "basic "];

/// Text in which nothing is left that looks like a secret.
#[must_use]
pub fn redacted(text: &str) -> Cow<'_, str> {
    without(text, |_| HELD.to_owned())
}

/// The same, every other character in its place.
#[must_use]
pub fn covered(text: &str) -> Cow<'_, str> {
    without(text, |secret| "*".repeat(secret.chars().count()))
}

fn without(text: &str, instead: impl Fn(&str) -> String) -> Cow<'_, str> {
    let mut secret: Vec<(usize, usize)> = Vec::new();
    values(text, &mut secret);
    users(text, &mut secret);
    words(text, &mut secret);
    keys(text, &mut secret);
    if secret.is_empty() {
        return Cow::Borrowed(text);
    }
    secret.sort_unstable();
    let (mut told, mut at) = (String::with_capacity(text.len()), 0);
    for (from, to) in
        secret.chunk_by(|(_, to), (from, _)| from <= to).filter_map(|one| Some((one.first()?.0, one.iter().map(|(_, to)| *to).max()?)))
    {
        told.push_str(&text[at..from.max(at)]);
        told.push_str(&instead(&text[from.max(at)..to.max(at)]));
        at = at.max(to);
    }
    told.push_str(&text[at..]);
    Cow::Owned(told)
}

/// Values of secret names: `sig=…`, `"password": "…"`, `AccountKey%3D…`.
fn values(text: &str, secret: &mut Vec<(usize, usize)>) {
    let lower = text.to_ascii_lowercase();
    for name in NAMES {
        for (at, _) in lower.match_indices(name) {
            let after = at + name.len();
            let Some(value) = value_after(&lower[after..]).map(|skip| after + skip) else { continue };
            // `sig` is a word of its own: not the end of `config`, whose value may be shown.
            let before = &lower[..at];
            let is_alone = !before.ends_with(|c: char| c.is_ascii_alphanumeric()) || BEFORE.iter().any(|sign| before.ends_with(sign));
            if is_alone || name.len() > 3 {
                let end =
                    lower[value..].find(|c: char| c.is_whitespace() || "&;,\"'<>)}]".contains(c)).map_or(lower.len(), |end| value + end);
                if end > value {
                    secret.push((value, end));
                }
            }
        }
    }
}

/// Where a value begins after its name, if this is how one is given.
fn value_after(rest: &str) -> Option<usize> {
    let quote = usize::from(rest.starts_with(['"', '\'']));
    let sign = ["=", ":", "%3d"].iter().find(|sign| rest[quote..].starts_with(**sign))?;
    let after = quote + sign.len();
    let spaces = rest[after..].len() - rest[after..].trim_start_matches(' ').len();
    // `token: unexpected end` is a sentence: only what is quoted may stand apart from its name.
    let quoted = rest[after + spaces..].starts_with(['"', '\'']);
    (spaces == 0 || quoted).then(|| after + spaces + usize::from(quoted))
}

/// Users and passwords in addresses: `https://user:password@host`.
fn users(text: &str, secret: &mut Vec<(usize, usize)>) {
    for (at, sign) in text.match_indices("://") {
        let from = at + sign.len();
        let end = text[from..].find(|c: char| c.is_whitespace() || "/\"'<>".contains(c)).map_or(text.len(), |end| from + end);
        if let Some(user) = text[from..end].rfind('@').filter(|length| *length > 0) {
            secret.push((from, from + user));
        }
    }
}

/// What follows `Bearer`, and tokens by their beginnings.
fn words(text: &str, secret: &mut Vec<(usize, usize)>) {
    let lower = text.to_ascii_lowercase();
    let length =
        |from: usize| text[from..].find(|c: char| !(c.is_ascii_alphanumeric() || "_-.~+/=".contains(c))).unwrap_or(text.len() - from);
    for scheme in SCHEMES {
        for (at, _) in lower.match_indices(scheme) {
            let from = at + scheme.len();
            if length(from) >= MARKED {
                secret.push((from, from + length(from)));
            }
        }
    }
    for mark in MARKS {
        for (at, _) in text.match_indices(mark) {
            let starts = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '/' || c == '-');
            if starts && length(at) >= mark.len() + MARKED {
                secret.push((at, at + length(at)));
            }
        }
    }
}

/// Long runs of base64: keys of storage accounts, lines of a private key. Digests (hexadecimal), paths and public keys are none.
fn keys(text: &str, secret: &mut Vec<(usize, usize)>) {
    let mut from = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        let inside = c.is_ascii_alphanumeric() || "+/".contains(c);
        match (from, inside) {
            (None, true) => from = Some(at),
            (Some(start), false) => {
                let run = &text[start..at];
                let has = |what: fn(&char) -> bool| run.chars().any(|c| what(&c));
                let mixed = has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase) && has(char::is_ascii_digit);
                let is_path = run.starts_with('/') || run.matches('/').count() > run.len() / 16;
                if run.len() >= RUN && mixed && !is_path && !run.starts_with("AAAA") {
                    secret.push((start, at + text[at..].len() - text[at..].trim_start_matches('=').len()));
                }
                from = None;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_held_back() {
        let key = "Q2FuYXJ5QWNjb3VudEtleUNhbmFyeUFjY291bnRLZXlDYW5hcnk9PQ==";
        for (said, told) in [
            ("GET https://a.blob.core.windows.net/c?sv=2024&sig=Y2FuYXJ5%3D&se=2 failed", "sig=[redacted]&se=2 failed"),
            ("?sv=2024-01-01&sig=abc", "?sv=2024-01-01&sig=[redacted]"),
            ("sv%3D2024%26sig%3Dabc%26x", "sig%3D[redacted]"),
            (&format!("key {key}."), "key [redacted]."),
            (&format!("AccountName=lab;AccountKey={key};EndpointSuffix=x"), "AccountKey=[redacted];EndpointSuffix=x"),
            ("Authorization: Bearer abcdefghijklmnop.q-r_s", "Bearer [redacted]"),
            ("https://ada:hunter2@example.org/x@y", "https://[redacted]@example.org/x@y"),
            ("HF_TOKEN=abc", "HF_TOKEN=[redacted]"),
            ("using hf_abcdefghijklmnopqrstuv now", "using [redacted] now"),
            ("{\"password\": \"a b\"}", "{\"password\": \"[redacted] b\"}"),
            ("WANDB_API_KEY=0123456789abcdef0123", "WANDB_API_KEY=[redacted]"),
        ] {
            assert!(redacted(said).ends_with(told), "{said}: {}", redacted(said));
        }
    }

    #[test]
    fn nothing_else_is() {
        for said in [
            "Setting up libssl3:amd64 (3.0.15-1~deb12u1) ...",
            "sha256 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
            "cannot read /anaconda/envs/azureml_py310_sdkv2/lib/python3.10/site-packages/Numpy/core/x.so",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ada@example.com",
            "passwordauthentication is yes, not no",
            "unexpected token: end of file",
            "config=x",
            "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/lab/providers/Microsoft.ManagedIdentity/x",
            "https://example.org/a?b=c",
            "mail root@example.org",
        ] {
            assert_eq!(redacted(said), said);
        }
    }
}
