//! The keys that open an account, as `authorized_keys` holds them, and whether each can still do so.

use super::visits::matches;
use ssh_key::authorized_keys::Entry;
use ssh_key::{Algorithm, HashAlg};

/// A line of `authorized_keys` that is more than a comment.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Key {
    /// Number of the line, from 1.
    pub line: usize,
    /// SHA-256 of the key, as ssh-keygen prints it; none where the line is no key.
    pub fingerprint: Option<String>,
    /// Its kind, such as `ssh-ed25519`.
    pub algorithm: String,
    /// What its owner calls it.
    pub comment: String,
    /// Why nobody comes in by it; none where somebody does.
    pub useless: Option<String>,
}

/// The keys of a file; `accepted` are the algorithms that sshd takes from people, with commas between them, and now is `YYYYMMDDHHMM`.
#[must_use]
pub fn keys_in(text: &str, accepted: &str, now: &str) -> Vec<Key> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).map(|(number, line)| key(number, line, accepted, now)).collect()
}

fn key(line: usize, text: &str, accepted: &str, now: &str) -> Key {
    let Ok(entry) = text.parse::<Entry>() else {
        let useless = Some("it is not a public key".to_owned());
        return Key { line, fingerprint: None, algorithm: String::new(), comment: String::new(), useless };
    };
    let public = entry.public_key();
    let algorithm = public.algorithm();
    let options: Vec<String> = entry.config_opts().iter().map(str::to_owned).collect();
    let option = |name: &str| options.iter().find_map(|option| option.strip_prefix(name).map(|value| value.trim_matches('"').to_owned()));
    let expired = option("expiry-time=").filter(|time| until(time).as_str() <= now);
    let useless = if option("cert-authority").is_some() {
        Some("it is a certificate authority: nobody can tell whether someone holds a certificate of it that is valid".to_owned())
    } else if let Some(time) = expired {
        Some(format!("it expired ({time})"))
    } else if !is_accepted(&algorithm, accepted) {
        Some(format!("sshd does not accept {algorithm}"))
    } else {
        None
    };
    let fingerprint = Some(public.fingerprint(HashAlg::Sha256).to_string());
    Key { line, fingerprint, algorithm: algorithm.as_str().to_owned(), comment: public.comment().to_owned(), useless }
}

/// A time of `sshd(8)`, `YYYYMMDD[HHMM[SS]][Z]`, to the minute.
fn until(time: &str) -> String {
    let digits: String = time.chars().take_while(char::is_ascii_digit).take(12).collect();
    format!("{digits:0<12}")
}

/// An RSA key signs with whichever digest sshd takes.
fn is_accepted(algorithm: &Algorithm, accepted: &str) -> bool {
    let names: &[&str] =
        if matches!(algorithm, Algorithm::Rsa { .. }) { &["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"] } else { &[algorithm.as_str()] };
    accepted.split(',').any(|pattern| names.iter().any(|name| matches(pattern, name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHXtNqfU8vikNQHMFYijRXb3GyLPsH+Kk3BDeCSjZTwx ann@example.org";

    #[test]
    fn tells_who_can_come_in() {
        let text = format!(
            "# comment\n{KEY}\nexpiry-time=\"20200101\" {KEY}\nexpiry-time=\"29990101\",no-pty {KEY}\ncert-authority {KEY}\nssh-ed25519 cut\n"
        );
        let of = |accepted| keys_in(&text, accepted, "202611211200").into_iter().map(|key| (key.line, key.useless)).collect::<Vec<_>>();
        let found = of("ssh-ed25519,rsa-sha2-256");
        assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
        assert_eq!(found.iter().filter(|(_, useless)| useless.is_none()).map(|(line, _)| *line).collect::<Vec<_>>(), [2, 4]);
        assert!(of("rsa-sha2-256").iter().all(|(_, useless)| useless.is_some()));
    }
}
