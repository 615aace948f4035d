//! Fitout's own documents on a machine, sealed: JSON that begins with the digest of the rest of itself, so that a damaged one is told from
//! one that was written, and with a format that a later version may raise, so that an earlier one refuses what it does not know.

use super::{ProbeError, Trouble};
use crate::model::{Sha256, TargetPath};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Read;

/// A document with a format.
pub trait Document: Serialize + DeserializeOwned {
    /// The format that this program writes; it reads all up to this one.
    const VERSION: u32;

    /// The format of this one.
    fn version(&self) -> u32;
}

/// What stands before the digest, and after it.
const HEAD: &str = "{\"sha256\":\"";
const NECK: &str = "\",";
/// Hexadecimal digits of a digest.
const DIGITS: usize = 64;
/// Where the brace was that the document began with.
const BRACE: usize = HEAD.len() + DIGITS + NECK.len() - 1;

/// The bytes of a document that is kept.
///
/// # Errors
/// Never for a mapping; JSON has no other way to say so.
pub fn seal(document: &impl Document) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = vec![0; BRACE];
    serde_json::to_writer(&mut bytes, document)?;
    let digest = Sha256::of(&bytes[BRACE..]);
    bytes[..=BRACE].copy_from_slice(format!("{HEAD}{digest}{NECK}").as_bytes());
    Ok(bytes)
}

/// A document as it was kept at a path. One without a seal is somebody's own, and taken as it is.
///
/// # Errors
/// It was damaged, or a newer Fitout wrote it.
pub fn unseal<D: Document>(path: &TargetPath, bytes: &[u8]) -> Result<D, ProbeError> {
    /// What is known of a document of any format.
    #[derive(serde::Deserialize)]
    struct Any {
        version: u32,
    }
    let wrong = |trouble, cause: String| ProbeError::new(format!("use {path}"), cause).of(trouble);
    if !is_whole(bytes) {
        return Err(wrong(Trouble::Damaged, "it is damaged: it is not what was written".into()));
    }
    let newer = |version| wrong(Trouble::Newer, format!("a newer Fitout wrote it (format {version}, this one knows {})", D::VERSION));
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    match D::deserialize(&mut reader).and_then(|document| reader.end().map(|()| document)) {
        Ok(document) if document.version() > D::VERSION => Err(newer(document.version())),
        Ok(document) => Ok(document),
        Err(error) => Err(match serde_json::from_slice::<Any>(bytes) {
            Ok(any) if any.version > D::VERSION => newer(any.version),
            _ => wrong(Trouble::Damaged, format!("it is damaged: {error}")),
        }),
    }
}

/// Whether a seal, if there is one, is that of the rest.
fn is_whole(bytes: &[u8]) -> bool {
    let Some((digest, rest)) = bytes.strip_prefix(HEAD.as_bytes()).and_then(|rest| rest.split_at_checked(DIGITS)) else { return true };
    let Some(rest) = rest.strip_prefix(NECK.as_bytes()) else { return false };
    let own = Sha256::of_reader(b"{".as_slice().chain(rest)).map(|own| own.to_string());
    own.is_ok_and(|own| own.as_bytes() == digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Verdict;

    fn verdict() -> Verdict {
        Verdict {
            version: 1,
            digest: Sha256::of(b"x"),
            boot: None,
            status: 1,
            outcome: "failed".into(),
            run: 1,
            seconds: 0,
            ending: None,
            process: None,
            cgroup: None,
        }
    }

    fn read(bytes: &[u8]) -> Result<Verdict, Trouble> {
        unseal(&TargetPath::parse("/x").unwrap(), bytes).map_err(|error: ProbeError| error.trouble)
    }

    /// Cut anywhere, one bit changed anywhere, zeroed, with something after it: never another document than was written.
    #[test]
    fn damage_is_told() {
        let sound = seal(&verdict()).unwrap();
        assert_eq!(read(&sound), Ok(verdict()));
        for at in 0..sound.len() {
            assert_eq!(read(&sound[..at]), Err(Trouble::Damaged), "cut at {at}");
            assert_eq!(read(&vec![0; at]), Err(Trouble::Damaged), "{at} zeros");
            for bit in 0..8 {
                let mut bytes = sound.clone();
                bytes[at] ^= 1 << bit;
                // A seal that is none any more leaves what it sealed as it was.
                assert!(matches!(read(&bytes), Err(Trouble::Damaged)) || read(&bytes) == Ok(verdict()), "bit {bit} of {at}");
            }
        }
        assert_eq!(read(&[&sound, b"}".as_slice()].concat()), Err(Trouble::Damaged));
    }

    #[test]
    fn a_later_format_is_refused() {
        assert_eq!(read(&seal(&Verdict { version: 2, ..verdict() }).unwrap()), Err(Trouble::Newer));
        assert_eq!(read(br#"{"version": 2, "all": "is otherwise"}"#), Err(Trouble::Newer));
        assert_eq!(read(br#"{"version": 1, "all": "is otherwise"}"#), Err(Trouble::Damaged));
    }
}
