//! NVIDIA's packages for apt: where they come from, the driver, and what containers need.

mod containers;
mod driver;

use super::packages::Repository;
use super::{Context, Recipe};
use crate::model::{Architecture, Facts, Meta, Mode, ResourceId, Sha256, TargetPath};
use crate::problem::{Code, Problem};
use crate::resource::{Apt, Archive, File, HEADER, Spec};
use crate::step::{Blob, Content, Layer, Strip, Unpack};

pub use containers::ContainerToolkit;
pub use driver::{Driver, DriverSource, Flavour, GpuPresence};

/// Where NVIDIA's packages for apt come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NvidiaPackages {
    /// What is asked instead of NVIDIA's server.
    pub mirror: Option<String>,
    /// A repository instead of NVIDIA's own, with a key of its own: its address, and the text of the key.
    pub instead: Option<(String, String)>,
}

/// NVIDIA's keyrings: for which release, on what, and the package's digest, as its users pin it (see docs/decisions.md).
const KEYRINGS: [(&str, &str, &str); 8] = [
    ("debian12", "x86_64", "e7f219eab6fe4819cdb5c15b98233dc3420302d9c00883219cd3d896857cf48d"),
    ("debian12", "sbsa", "bf2f53b1a19259501119f732bdef2699f8c80c69a18e6a78dad78d67d96766dc"),
    ("debian13", "x86_64", "dd28f1f6ba0038180d6b23f846cefca1e3de4c9327751665241370bacea452a1"),
    ("ubuntu2004", "x86_64", "cf5ca9853118b9fb2b78dd2708786e1eb5ab14e39d8738539281429428eb4efe"),
    ("ubuntu2204", "x86_64", "d93190d50b98ad4699ff40f4f7af50f16a76dac3bb8da1eaaf366d47898ff8df"),
    ("ubuntu2204", "sbsa", "36d1aed84dfcf93ee9a0212d149f1c4187db92e03ab96a759ec0689aa438fd9e"),
    ("ubuntu2404", "x86_64", "d2a6b11c096396d868758b86dab1823b25e14d70333f1dfa74da5ddaf6a06dba"),
    ("ubuntu2404", "sbsa", "6ea7d2737648936820e85677177957a0f6521b840d98eb0bbae0a4f003fa7249"),
];

const SERVER: &str = "https://developer.download.nvidia.com";
/// Where its keyring is unpacked; a place of its own, so that NVIDIA's package may be installed beside it.
const KEYRING: &str = "/etc/apt/keyrings/fitout-nvidia";
/// What packages that a manifest names besides may not be called, for it names the file.
const NAME: &str = "nvidia-cuda";

fn fail(text: impl Into<String>) -> Vec<Problem> {
    vec![Problem::general(Code::BadValue, text)]
}

fn path(text: &str) -> Result<TargetPath, Vec<Problem>> {
    TargetPath::parse(text).map_err(|e| fail(e.0))
}

fn file(at: &str, text: String, requires: Vec<ResourceId>) -> Result<File, Vec<Problem>> {
    Ok(File { requires, ..File::new(path(at)?, Content::Inline(text.into()), Meta::root(Mode::FILE)) })
}

impl NvidiaPackages {
    /// The resources that make apt know them, and those of them that packages wait for.
    pub(super) fn known(&self, context: &Context<'_>) -> Result<(Vec<Spec>, Vec<ResourceId>), Vec<Problem>> {
        let specs = match &self.instead {
            Some((uri, key)) => {
                Repository { name: NAME.into(), uri: uri.clone(), suite: "/".into(), components: Vec::new(), key: key.clone() }
                    .lower(context)?
            }
            None => self.nvidias(context.facts)?,
        };
        let last = specs.last().map(Spec::id).into_iter().collect();
        Ok((specs, last))
    }

    fn nvidias(&self, facts: &Facts) -> Result<Vec<Spec>, Vec<Problem>> {
        let release = format!("{}{}", facts.distribution.id, facts.distribution.version.replace('.', ""));
        let machine = match facts.architecture {
            Architecture::Amd64 => "x86_64",
            Architecture::Arm64 => "sbsa",
        };
        let Some((.., digest)) = KEYRINGS.iter().find(|row| (row.0, row.1) == (release.as_str(), machine)) else {
            let known: Vec<String> = KEYRINGS.iter().map(|(release, machine, _)| format!("{release}/{machine}")).collect();
            let text = format!("NVIDIA's keyring for {release}/{machine} is not known; known are {}", known.join(", "));
            return Err(vec![Problem::general(Code::BadValue, text).suggest("name a repository and its key in `gpu.repository`")]);
        };
        let uri = format!("{}/compute/cuda/repos/{release}/{machine}", self.mirror.as_deref().unwrap_or(SERVER).trim_end_matches('/'));
        let sha256 = Sha256::parse(digest).map_err(|e| fail(e.0))?;
        let archive = Blob { url: format!("{uri}/cuda-keyring_1.1-1_all.deb"), sha256, size: None };
        let unpack = Unpack {
            into: path(KEYRING)?,
            digest: Sha256::of_parts(["1", digest]),
            layers: vec![Layer { archive, strip: Strip::Folder("usr/share/keyrings".into()) }],
            executable: Vec::new(),
            links: Vec::new(),
            unversioned: Vec::new(),
        };
        let keyring = Archive::new("nvidia-keyring", unpack);
        let authorities = Apt::new("ca-certificates", vec!["ca-certificates".into()], Vec::new());
        let requires = vec![keyring.id(), ResourceId::new("apt", &authorities.name)];
        let stanza = format!("# {HEADER}\nTypes: deb\nURIs: {uri}\nSuites: /\nSigned-By: {KEYRING}/cuda-archive-keyring.gpg\n");
        let sources = file(&format!("/etc/apt/sources.list.d/fitout-{NAME}.sources"), stanza, requires)?;
        Ok(vec![Spec::Apt(authorities), Spec::Archive(keyring), Spec::File(sources)])
    }
}
