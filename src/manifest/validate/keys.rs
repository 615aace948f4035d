//! Public keys of people: read as sshd reads them, and weak ones refused before they lock somebody out.

use super::desk::{CARRIED, Desk, Named};
use crate::manifest::at::At;
use crate::manifest::v1::SourcePath;
use crate::problem::{Code, Place};
use ssh_key::authorized_keys::Entry;

/// NIST SP 800-131A disallows shorter RSA keys; Azure ML's own instructions make keys of this length.
const RSA_BITS: usize = 2048;

/// NIST SP 800-57 counts shorter RSA keys as good until 2030 only; ssh-keygen makes keys of this length.
const RSA_BITS_TO_COME: usize = 3072;

/// What to do about a key that is refused.
const MAKE_ANOTHER: &str = "make a new one with `ssh-keygen -t ed25519` and give its .pub file";

/// What to do about a value that gives no key.
const GIVE: &str = "paste the key, one line of a .pub file, or write that file's path, relative to this manifest";

/// The keys that a value gives: itself, or each line of the file that it names. Each problem is reported.
pub fn keys(value: &At<String>, desk: &mut Desk<'_>) -> Vec<String> {
    let text = value.value.trim();
    if is_private(text) {
        desk.hide(&value.place);
        return refuse_private(&value.place, desk);
    }
    if is_key(text) {
        return checked(text, &value.place, desk).into_iter().collect();
    }
    if text.starts_with('~') {
        let help = "write a path relative to this manifest, or paste the key; `fitout init --from-azure` takes it in";
        desk.say(Code::MissingFile, &value.place, format!("`{text}`: `~` is not expanded here"), help);
        return Vec::new();
    }
    let Ok(path) = SourcePath::try_from(text.to_owned()) else {
        desk.say(Code::BadValue, &value.place, "this is neither a public key nor the path of a file", GIVE);
        return Vec::new();
    };
    let path = value.map(|_| path);
    desk.file(&path, CARRIED).map(|file| of_file(&file, &value.place, desk)).unwrap_or_default()
}

fn of_file(file: &Named, place: &Place, desk: &mut Desk<'_>) -> Vec<String> {
    if is_private(&file.text) {
        return refuse_private(place, desk);
    }
    desk.show(file);
    let lines = file.text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let mut keys = Vec::new();
    let mut any = false;
    for (index, line) in lines {
        any = true;
        keys.extend(checked(line, &file.line(index + 1, line.chars().count()), desk));
    }
    if !any {
        desk.say(Code::BadValue, place, format!("{} holds no key", file.name()), MAKE_ANOTHER);
    }
    keys
}

fn is_private(text: &str) -> bool {
    text.contains("PRIVATE KEY")
}

fn refuse_private(place: &Place, desk: &mut Desk<'_>) -> Vec<String> {
    desk.hide(place);
    desk.say(
        Code::BadValue,
        place,
        "this is a private key, which must stay where it was made",
        "give the public key, the file that ends in .pub",
    );
    Vec::new()
}

/// Whether a text looks like a line of `authorized_keys`, rather than a path.
fn is_key(text: &str) -> bool {
    let kinds = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"];
    text.split_whitespace().any(|word| kinds.iter().any(|kind| word.starts_with(kind))) && text.contains(char::is_whitespace)
}

/// The key, if it may be used.
fn checked(line: &str, place: &Place, desk: &mut Desk<'_>) -> Option<String> {
    let entry: Entry = match line.parse() {
        Ok(entry) => entry,
        Err(error) => {
            desk.say(
                Code::BadValue,
                place,
                format!("this is not a public key: {error}"),
                "give one line as it stands in a .pub file, uncut",
            );
            return None;
        }
    };
    let key = entry.public_key().key_data();
    let bits = key.rsa().map(|rsa| rsa.n.as_positive_bytes().map_or(0, bits));
    let weak = match bits {
        _ if key.is_dsa() => Some("DSA keys are broken, and sshd refuses them".to_owned()),
        Some(bits) if bits < RSA_BITS => Some(format!("this RSA key has {bits} bits; {RSA_BITS} are needed")),
        Some(_) | None => None,
    };
    if let Some(message) = weak {
        desk.say(Code::BadValue, place, message, MAKE_ANOTHER);
        return None;
    }
    if let Some(bits) = bits.filter(|bits| *bits < RSA_BITS_TO_COME) {
        let message = format!("this RSA key has {bits} bits: enough today, and not for long");
        desk.warn(Code::BadValue, place, message, format!("{MAKE_ANOTHER}; {RSA_BITS_TO_COME} bits are good for years"));
    }
    Some(line.to_owned())
}

/// Length of a number in bits.
fn bits(bytes: &[u8]) -> usize {
    bytes.first().map_or(0, |first| bytes.len() * 8 - first.leading_zeros() as usize)
}
