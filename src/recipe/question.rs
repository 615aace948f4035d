//! What recipes cannot know by themselves, and the answers, kept by the digest of the question.

use crate::model::{ByteSize, Sha256};
use crate::step::{Blob, PythonPackages};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Something to be found out on a network, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ask")]
pub enum Question {
    /// Which wheels satisfy these requirements, one each, without their dependencies?
    Wheels {
        /// `name==version` with trailing `.*` allowed, as PEP 440 has it.
        requirements: Vec<String>,
        /// `x86_64` or `aarch64`.
        machine: String,
        /// Package index; `None` for PyPI.
        index: Option<String>,
    },
    /// Which releases, dependencies included, satisfy these requirements on this Python?
    Python {
        /// Requirements as in `requirements.txt`.
        requirements: Vec<String>,
        /// `3.11`.
        version: String,
        /// `x86_64` or `aarch64`.
        machine: String,
        /// Package index; `None` for PyPI.
        index: Option<String>,
    },
    /// Which archives of NVIDIA's make up these components of a release?
    Redist {
        /// `cuda` or `cudnn`.
        product: String,
        /// The label of the release: `12.4.1`.
        version: String,
        /// The components, as the release names them.
        components: Vec<String>,
        /// `linux-x86_64` or `linux-sbsa`.
        platform: String,
        /// `cuda12`, where the product is built for several.
        variant: Option<String>,
        /// What is asked instead of NVIDIA's server.
        mirror: Option<String>,
    },
    /// Which conda packages make up this environment?
    Conda {
        /// The environment file, or a lock file, as text.
        text: String,
        /// Where relative channels of the text are looked up: the directory of the file; empty where it has none.
        base: String,
        /// Channels where the text names none.
        channels: Vec<String>,
        /// `linux-64`.
        subdir: String,
        /// `__cuda` of the target, where the manifest says one.
        cuda: Option<String>,
        /// `__glibc` of the target.
        glibc: String,
        /// Package index of its `pip:` section; `None` for PyPI.
        index: Option<String>,
        /// Where channels are that have only a name; `None` for Anaconda's server. Left out of digests where it is: they stay as they were.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mirror: Option<String>,
        /// `__linux`, where the manifest says one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        linux: Option<String>,
        /// `__archspec`, where the manifest says one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        archspec: Option<String>,
    },
}

impl Question {
    /// The name under which the answer is kept.
    ///
    /// # Panics
    /// Never: questions hold only text.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        Sha256::of(serde_json::to_string(self).unwrap_or_default().as_bytes())
    }

    /// An answer of the right form that nobody gave, to see which resources come of it.
    #[must_use]
    pub fn made_up(&self) -> Answer {
        let blob = |name: &str| Blob { sha256: Sha256::of(name.as_bytes()), url: format!("https://example.org/{name}"), size: None };
        let all = |names: &[String]| names.iter().map(|name| blob(name)).collect();
        match self {
            Self::Wheels { requirements, .. } => Answer::Wheels(WheelAnswer { wheels: all(requirements) }),
            Self::Redist { components, .. } => Answer::Redist(RedistAnswer { archives: all(components) }),
            Self::Python { requirements, .. } => {
                Answer::Python(PythonPackages { requirements: requirements.join("\n"), wheels: all(requirements), uv: blob("uv") })
            }
            Self::Conda { .. } => Answer::Conda(CondaAnswer {
                lock: String::new(),
                packages: Vec::new(),
                pip: None,
                variables: BTreeMap::new(),
                size: ByteSize(0),
            }),
        }
    }

    /// The question in a few words, for progress.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Self::Wheels { requirements, .. } => format!("find wheels of {}", some(requirements)),
            Self::Python { requirements, version, .. } => format!("resolve {} for Python {version}", some(requirements)),
            Self::Redist { product, version, .. } => format!("find the archives of {product} {version}"),
            Self::Conda { .. } => "solve conda environment".into(),
        }
    }
}

/// The first of many requirements, without their hashes.
fn some(requirements: &[String]) -> String {
    /// As many as fit on a line.
    const SHOWN: usize = 5;
    let bare = |text: &String| text.split(" --hash=").next().unwrap_or_default().to_owned();
    let mut shown: Vec<String> = requirements.iter().take(SHOWN).map(bare).collect();
    shown.extend((requirements.len() > SHOWN).then(|| format!("and {} more", requirements.len() - SHOWN)));
    shown.join(", ")
}

/// Wheels, one for each requirement, in the order asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WheelAnswer {
    /// Downloads.
    pub wheels: Vec<Blob>,
}

/// Archives, one for each component, in the order asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedistAnswer {
    /// Downloads.
    pub archives: Vec<Blob>,
}

/// A solved conda environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CondaAnswer {
    /// A lock file in rattler's format, for this one platform, every package with its digest.
    pub lock: String,
    /// Every package as a download, in the order of the lock.
    pub packages: Vec<Blob>,
    /// What its `pip:` section asks for, beside the packages of the channels.
    #[serde(default)]
    pub pip: Option<PythonPackages>,
    /// `variables` of the environment file.
    pub variables: BTreeMap<String, String>,
    /// What the packages take, unpacked where the channel tells, else three times the archives.
    pub size: ByteSize,
}

/// An answer to the question of the same name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum Answer {
    /// To [`Question::Wheels`].
    Wheels(WheelAnswer),
    /// To [`Question::Python`].
    Python(PythonPackages),
    /// To [`Question::Redist`].
    Redist(RedistAnswer),
    /// To [`Question::Conda`].
    Conda(CondaAnswer),
}

/// Answers by the digest of their question.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Answers(pub BTreeMap<Sha256, Answer>);

impl Answers {
    /// The answer to a question, if it is known.
    #[must_use]
    pub fn get(&self, question: &Question) -> Option<&Answer> {
        self.0.get(&question.digest())
    }
}
