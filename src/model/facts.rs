//! What is known of a target before anything is planned, read from the target, never from the host.

use serde::{Deserialize, Serialize};

/// The processor family, by Debian's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// 64-bit x86.
    Amd64,
    /// 64-bit Arm.
    Arm64,
}

impl Architecture {
    /// The name that conda uses for Linux on this processor.
    #[must_use]
    pub const fn conda_subdir(self) -> &'static str {
        match self {
            Self::Amd64 => "linux-64",
            Self::Arm64 => "linux-aarch64",
        }
    }

    /// The name in Python wheel tags and in `uname -m`.
    #[must_use]
    pub const fn machine(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }
}

/// `ID`, `VERSION_ID` and `VERSION_CODENAME` of os-release(5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    /// `debian`, `ubuntu`, …
    pub id: String,
    /// `12`, `22.04`, …; empty where os-release names none.
    pub version: String,
    /// `bookworm`, `jammy`, …; empty where os-release names none.
    pub codename: String,
}

/// Facts of one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Operating system.
    pub distribution: Distribution,
    /// Processor family.
    pub architecture: Architecture,
}

impl Facts {
    /// The C library's version, which conda's `__glibc` speaks of; the oldest supported one where the release is not known.
    #[must_use]
    pub fn glibc(&self) -> &'static str {
        match (self.distribution.id.as_str(), self.distribution.version.as_str()) {
            ("debian", "13") => "2.41",
            ("debian", "12") => "2.36",
            ("ubuntu", "24.04") => "2.39",
            ("ubuntu", "22.04") => "2.35",
            _ => "2.31",
        }
    }

    /// The version of the distribution's own Python, whose interpreter is `/usr/bin/python3`; Debian 12's where the release is not known.
    #[must_use]
    pub fn python(&self) -> &'static str {
        match (self.distribution.id.as_str(), self.distribution.version.as_str()) {
            ("debian", "13") => "3.13",
            ("ubuntu", "24.04") => "3.12",
            ("ubuntu", "22.04") => "3.10",
            _ => "3.11",
        }
    }
}
