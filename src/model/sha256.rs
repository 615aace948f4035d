//! SHA-256 digests, the one name of content everywhere in Fitout.

use super::Invalid;
use serde::{Deserialize, Serialize};
use sha2::Digest;
use std::fmt;
use std::io::{self, Read};

/// A SHA-256 digest, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256([u8; 32]);

/// How much is read at a time: large enough for SHA-NI to be the limit, small enough for the stack's neighbours.
const CHUNK: usize = 128 * 1024;

impl Sha256 {
    /// The digest of bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The digest of several texts; each is preceded by its length, so `["ab","c"]` and `["a","bc"]` differ.
    #[must_use]
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hash = sha2::Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        Self(hash.finalize().into())
    }

    /// The digest of all that `source` yields.
    ///
    /// # Errors
    /// Reading failed.
    pub fn of_reader(mut source: impl Read) -> io::Result<Self> {
        let mut hash = sha2::Sha256::new();
        let mut chunk = vec![0; CHUNK];
        loop {
            match source.read(&mut chunk)? {
                0 => return Ok(Self(hash.finalize().into())),
                n => hash.update(&chunk[..n]),
            }
        }
    }

    /// A digest from a finished hash.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 64 hexadecimal digits.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| Invalid::new(format!("`{text}` is not a sha256 digest: 64 hexadecimal digits")))?;
        Ok(Self(bytes))
    }

    /// The first twelve digits, enough to tell generations of one thing apart.
    #[must_use]
    pub fn short(&self) -> String {
        hex::encode(&self.0[..6])
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{self}")
    }
}

impl TryFrom<String> for Sha256 {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse(&text)
    }
}

impl From<Sha256> for String {
    fn from(digest: Sha256) -> Self {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_standard() {
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Sha256::of(b"abc").to_string(), abc);
        assert_eq!(Sha256::of_reader(&b"abc"[..]).unwrap(), Sha256::parse(abc).unwrap());
        assert_ne!(Sha256::of_parts(["ab", "c"]), Sha256::of_parts(["a", "bc"]));
    }
}
