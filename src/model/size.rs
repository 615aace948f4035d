//! Sizes in bytes, read and written with SI (`GB`) and IEC (`GiB`) units.

use super::Invalid;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ByteSize(pub u64);

const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

impl ByteSize {
    /// Reads a whole or decimal number with a unit: `5GB`, `1.5 GiB`, `100 MB`.
    ///
    /// # Errors
    /// No number, an unknown unit, no unit, or more than fits 64 bits.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let known = || UNITS.map(|(unit, _)| unit).join(", ");
        let text = text.trim();
        let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = (&text[..split], text[split..].trim());
        if unit.is_empty() {
            return Err(Invalid::new(format!("`{text}` has no unit; write one of {}", known())));
        }
        let Some((_, scale)) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) else {
            return Err(Invalid::new(format!("`{text}`: `{unit}` is no unit of size; use one of {}", known())));
        };
        scaled(number, *scale).map(Self).ok_or_else(|| Invalid::new(format!("`{text}` is not a size, such as 5GB or 1.5GiB")))
    }
}

/// `number` (digits, at most one point) times `scale`, without floating point, rounded down.
fn scaled(number: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.len() > 9 || (number.contains('.') && fraction.is_empty()) {
        return None;
    }
    let base = u128::from(whole.parse::<u64>().ok()?) * u128::from(scale);
    let extra = match fraction {
        "" => 0,
        digits => u128::from(digits.parse::<u64>().ok()?) * u128::from(scale) / 10u128.pow(u32::try_from(digits.len()).ok()?),
    };
    u64::try_from(base + extra).ok()
}

impl fmt::Display for ByteSize {
    /// SI units with one decimal, as disk makers and Azure's 5 GB rule count: `3.1 GB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, scale) = UNITS[..5].iter().rev().find(|(_, scale)| self.0 >= *scale).copied().unwrap_or(("B", 1));
        if scale == 1 {
            return write!(f, "{} B", self.0);
        }
        let tenths = (u128::from(self.0) * 10 + u128::from(scale) / 2) / u128::from(scale);
        write!(f, "{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_families() {
        assert_eq!(ByteSize::parse("5GB").unwrap().0, 5_000_000_000);
        assert_eq!(ByteSize::parse("1.5 GiB").unwrap().0, 1_610_612_736);
        assert_eq!(ByteSize::parse("0B").unwrap().0, 0);
        for bad in ["5", "GB", "5XB", "1..2GB", "-1GB", "99999999999TB", "1.GB"] {
            assert!(ByteSize::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn writes_si() {
        assert_eq!(ByteSize(3_140_000_000).to_string(), "3.1 GB");
        assert_eq!(ByteSize(999).to_string(), "999 B");
        assert_eq!(ByteSize(4_999_999_999).to_string(), "5.0 GB");
    }
}
