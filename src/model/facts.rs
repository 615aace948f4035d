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
    /// Debian's name.
    #[must_use]
    pub const fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

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

/// Whether a machine has a GPU of NVIDIA's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gpu {
    /// It has.
    Present,
    /// It has none, or is no machine yet but an image of one.
    Absent,
}

impl Gpu {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Absent => "absent",
        }
    }
}

/// Releases that are known: `ID`, `VERSION_ID` and `VERSION_CODENAME` of os-release(5).
pub const RELEASES: [(&str, &str, &str); 7] = [
    ("debian", "11", "bullseye"),
    ("debian", "12", "bookworm"),
    ("debian", "13", "trixie"),
    ("ubuntu", "20.04", "focal"),
    ("ubuntu", "22.04", "jammy"),
    ("ubuntu", "24.04", "noble"),
    ("ubuntu", "26.04", "resolute"),
];

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
    /// Whether it has a GPU.
    pub gpu: Gpu,
    /// The version of NVIDIA's driver that its kernel runs.
    #[serde(default)]
    pub driver: Option<String>,
}

impl Facts {
    /// A machine of every kind that is known.
    pub fn kinds() -> impl Iterator<Item = Self> {
        let of = |(id, version, codename): (&str, &str, &str)| Distribution {
            id: id.into(),
            version: version.into(),
            codename: codename.into(),
        };
        let variants = [Architecture::Amd64, Architecture::Arm64].into_iter().flat_map(|cpu| [(cpu, Gpu::Absent), (cpu, Gpu::Present)]);
        RELEASES.into_iter().map(of).flat_map(move |distribution| {
            variants.clone().map(move |(architecture, gpu)| Self { distribution: distribution.clone(), architecture, gpu, driver: None })
        })
    }

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
            ("debian", "11") => "3.9",
            ("ubuntu", "20.04") => "3.8",
            ("ubuntu", "24.04") => "3.12",
            ("ubuntu", "22.04") => "3.10",
            _ => "3.11",
        }
    }
}
