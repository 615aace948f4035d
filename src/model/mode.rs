//! Permission bits.

use super::Invalid;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Permission bits of a file or directory, without setuid and setgid: Fitout never makes a setuid file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mode(u32);

impl Mode {
    /// `0644`: a file that all may read.
    pub const FILE: Self = Self(0o644);
    /// `0755`: a directory or program that all may use.
    pub const OPEN: Self = Self(0o755);
    /// `0600`: a file of its owner alone.
    pub const PRIVATE: Self = Self(0o600);
    /// `0700`: a directory of its owner alone.
    pub const PRIVATE_DIRECTORY: Self = Self(0o700);
    /// `0440`: what sudo asks of its drop-ins.
    pub const SUDOERS: Self = Self(0o440);

    /// Bits that a mode may hold: read, write, execute for three, and the sticky bit.
    const ALLOWED: u32 = 0o1777;

    /// A mode from its bits.
    ///
    /// # Errors
    /// Bits beyond `01777`, such as setuid.
    pub fn new(bits: u32) -> Result<Self, Invalid> {
        if bits & !Self::ALLOWED == 0 {
            Ok(Self(bits))
        } else {
            Err(Invalid::new(format!("mode {bits:04o} has bits beyond 1777; setuid and setgid are not given out")))
        }
    }

    /// A mode from octal digits, such as `0644`.
    ///
    /// # Errors
    /// Not three or four octal digits, or bits beyond `01777`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let good = (3..=4).contains(&text.len()) && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
        let bits = good.then(|| u32::from_str_radix(text, 8).ok()).flatten();
        bits.map_or_else(
            || Err(Invalid::new(format!("`{text}` is not a mode; write three or four octal digits in quotes, such as \"0644\""))),
            Self::new,
        )
    }

    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl TryFrom<String> for Mode {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse(&text)
    }
}

impl From<Mode> for String {
    fn from(mode: Mode) -> Self {
        mode.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_octal_only() {
        assert_eq!(Mode::parse("0644").unwrap(), Mode::FILE);
        assert_eq!(Mode::parse("755").unwrap(), Mode::OPEN);
        for bad in ["4755", "0999", "rw", "", "00644", "0o644"] {
            assert!(Mode::parse(bad).is_err(), "{bad}");
        }
    }
}
