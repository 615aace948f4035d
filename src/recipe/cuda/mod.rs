//! `gpu.cuda`, `gpu.cudnn`, `gpu.nccl`: toolkits side by side below `/usr/local`, one of them as `/usr/local/cuda`, with cuDNN and NCCL
//! laid into it; found by shells and by the dynamic linker.

mod apt;
mod parts;
pub mod table;

use super::nvidia::NvidiaPackages;
use super::{Answer, Context, Item, Question, Recipe};
use crate::model::{Architecture, Facts, Meta, Mode, ResourceId, Sha256, TargetPath};
use crate::problem::{Code, Problem};
use crate::resource::{Archive, File, HEADER, Libraries, Spec, Symlink};
use crate::step::{Blob, Content, Layer, Strip, Unpack};

pub use apt::WHOLE;
pub use parts::PARTS;

/// `gpu.cuda` with what is laid into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cuda {
    /// The toolkit that `/usr/local/cuda` is.
    pub toolkit: Toolkit,
    /// Others beside it.
    pub also: Vec<Toolkit>,
    /// Release of cuDNN in the toolkit.
    pub cudnn: Option<String>,
    /// Release of NCCL in the toolkit.
    pub nccl: Option<String>,
    /// Package index; `None` for PyPI.
    pub index: Option<String>,
    /// What is asked instead of NVIDIA's server.
    pub mirror: Option<String>,
    /// Where packages for apt come from.
    pub packages: NvidiaPackages,
}

/// A toolkit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolkit {
    /// Where it comes from.
    pub source: ToolkitSource,
    /// `12.4.1`; from PyPI also `13.0`.
    pub version: String,
    /// What beside the compiler and the runtime.
    pub components: Vec<String>,
}

/// Where a toolkit comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolkitSource {
    /// NVIDIA's redistributable archives.
    Redist,
    /// NVIDIA's wheels, of which those of CUDA 13 and later hold the whole compiler, spread over several.
    Pypi,
    /// NVIDIA's packages for apt.
    Apt,
}

/// The first parts of a version.
fn first_parts(version: &str, count: usize) -> String {
    version.split('.').take(count).collect::<Vec<_>>().join(".")
}

/// The name of a processor among NVIDIA's archives: its servers with Arm are `sbsa`.
const fn platform(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::Amd64 => "linux-x86_64",
        Architecture::Arm64 => "linux-sbsa",
    }
}

/// A question, and where in the archives of its answer the tree begins.
type Asked = (Question, Strip);

impl Toolkit {
    /// `12` of `12.4.1`.
    #[must_use]
    pub fn major(&self) -> u32 {
        first_parts(&self.version, 1).parse().unwrap_or_default()
    }

    /// `12` and `4` of `12.4.1`.
    fn release(&self) -> (u32, u32) {
        let minor = self.version.split('.').nth(1).and_then(|minor| minor.parse().ok());
        (self.major(), minor.unwrap_or_default())
    }

    /// `cuda-12.4`, its directory below `/usr/local`.
    fn name(&self) -> String {
        format!("cuda-{}", first_parts(&self.version, 2))
    }

    /// What brings it.
    fn id(&self) -> ResourceId {
        match self.source {
            ToolkitSource::Apt => self.request_id(),
            ToolkitSource::Redist | ToolkitSource::Pypi => ResourceId::new("archive", self.name()),
        }
    }

    fn asked(&self, cuda: &Cuda, facts: &Facts) -> Option<Asked> {
        let parts = parts::with_needs(&self.components, self.release());
        Some(match self.source {
            ToolkitSource::Apt => return None,
            ToolkitSource::Redist => {
                let components = parts.iter().map(|part| part.redist.to_owned()).collect();
                (cuda.redist("cuda", &self.version, components, None, facts), Strip::Wrapper)
            }
            ToolkitSource::Pypi => {
                let minor = first_parts(&self.version, 2);
                let requirements = parts.iter().filter_map(|part| part.wheel).map(|wheel| format!("{wheel}=={minor}.*")).collect();
                (cuda.wheels(requirements, facts), Strip::Folder(format!("nvidia/cu{}", self.major())))
            }
        })
    }
}

impl Cuda {
    fn redist(&self, product: &str, version: &str, components: Vec<String>, variant: Option<String>, facts: &Facts) -> Question {
        Question::Redist {
            product: product.into(),
            version: version.into(),
            components,
            platform: platform(facts.architecture).into(),
            variant,
            mirror: self.mirror.clone(),
        }
    }

    fn wheels(&self, requirements: Vec<String>, facts: &Facts) -> Question {
        Question::Wheels { requirements, machine: facts.architecture.machine().into(), index: self.index.clone() }
    }

    /// What the main toolkit is made of; cuDNN comes from where the toolkit comes from, NCCL from its wheel: NVIDIA publishes no digests
    /// of its tarballs.
    fn asked(&self, facts: &Facts) -> Vec<Asked> {
        let (major, source) = (self.toolkit.major(), self.toolkit.source);
        let wheel = |name: &str, version: &str| {
            let requirement = format!("nvidia-{name}-cu{major}=={version}.*");
            (self.wheels(vec![requirement], facts), Strip::Folder(format!("nvidia/{name}")))
        };
        let cudnn = self.cudnn.as_deref().map(|version| match source {
            ToolkitSource::Redist => {
                (self.redist("cudnn", version, vec!["cudnn".into()], Some(format!("cuda{major}")), facts), Strip::Wrapper)
            }
            ToolkitSource::Pypi | ToolkitSource::Apt => wheel("cudnn", version),
        });
        let nccl = self.nccl.as_deref().map(|version| wheel("nccl", version));
        self.toolkit.asked(self, facts).map(|toolkit| [toolkit].into_iter().chain(cudnn).chain(nccl).collect()).unwrap_or_default()
    }

    /// The toolkits, the main one first.
    fn all(&self) -> impl Iterator<Item = &Toolkit> {
        std::iter::once(&self.toolkit).chain(&self.also)
    }

    /// The trees that are not apt's, each with what its archives are asked by.
    fn trees(&self, context: &Context<'_>) -> Result<Vec<Archive>, Vec<Problem>> {
        let main = self.asked(context.facts);
        let main = (!main.is_empty()).then(|| Self::tree(&self.toolkit, &main, context));
        let also = self.also.iter().filter_map(|toolkit| Some(Self::tree(toolkit, &[toolkit.asked(self, context.facts)?], context)));
        main.into_iter().chain(also).collect()
    }

    fn tree(toolkit: &Toolkit, asked: &[Asked], context: &Context<'_>) -> Result<Archive, Vec<Problem>> {
        let mut layers = Vec::new();
        for (question, strip) in asked {
            let downloads = downloads(question, context).ok_or_else(|| fail(format!("CUDA {} was not resolved", toolkit.version)))?;
            layers.extend(downloads.iter().map(|archive| Layer { archive: archive.clone(), strip: strip.clone() }));
        }
        let digests: Vec<String> =
            layers.iter().flat_map(|layer| [layer.strip.as_str().to_owned(), layer.archive.sha256.to_string()]).collect();
        let name = toolkit.name();
        let unpack = Unpack {
            into: path(&format!("/usr/local/{name}"))?,
            digest: Sha256::of_parts(std::iter::once(LAYOUT).chain(digests.iter().map(String::as_str))),
            layers,
            executable: vec!["bin".into(), "nvvm/bin".into()],
            // Where build systems look.
            links: vec![("lib64".into(), "lib".into())],
            unversioned: vec!["lib".into()],
        };
        Ok(Archive::new(name, unpack))
    }
}

/// Changes when the same archives make another tree.
const LAYOUT: &str = "3";

fn downloads<'a>(question: &Question, context: &'a Context<'_>) -> Option<&'a [Blob]> {
    match context.answers.get(question)? {
        Answer::Wheels(answer) => Some(&answer.wheels),
        Answer::Redist(answer) => Some(&answer.archives),
        Answer::Python(_) | Answer::Conda(_) => None,
    }
}

fn fail(text: String) -> Vec<Problem> {
    vec![Problem::general(Code::BadValue, text)]
}

fn path(text: &str) -> Result<TargetPath, Vec<Problem>> {
    TargetPath::parse(text).map_err(|e| fail(e.0))
}

/// A file of Fitout's own that is there when the trees are.
fn file(at: &str, text: String, requires: &[ResourceId]) -> Result<File, Vec<Problem>> {
    Ok(File { requires: requires.to_vec(), ..File::new(path(at)?, Content::Inline(text.into()), Meta::root(Mode::FILE)) })
}

impl Recipe for Cuda {
    fn item(&self) -> Item {
        Item::section("gpu.cuda")
    }

    fn questions(&self, facts: &Facts) -> Vec<Question> {
        let also = self.also.iter().filter_map(|toolkit| toolkit.asked(self, facts));
        self.asked(facts).into_iter().chain(also).map(|(question, _)| question).collect()
    }

    fn lower(&self, context: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        let (trees, mut specs) = (self.trees(context)?, self.by_apt(context)?);
        // Apt's main toolkit is chosen among those that it knows; ours is linked to.
        let chosen = specs.iter().filter(|spec| matches!(spec, Spec::Alternative(_))).map(Spec::id).next();
        let link = match &chosen {
            Some(_) => None,
            None => Some(Symlink::new(path("/usr/local/cuda")?, self.toolkit.name(), vec![self.toolkit.id()])),
        };
        let main = chosen.clone().unwrap_or_else(|| self.toolkit.id());
        let mut directories = vec![path("/usr/local/cuda/lib64")?];
        // Before those of others, so that the linker prefers what shells find.
        let first = format!("# {HEADER}\n/usr/local/cuda/lib64\n");
        let mut files = vec![file("/etc/ld.so.conf.d/000-fitout-cuda.conf", first, std::slice::from_ref(&main))?];
        for toolkit in &self.also {
            let libraries = path(&format!("/usr/local/{}/lib64", toolkit.name()))?;
            let at = format!("/etc/ld.so.conf.d/fitout-{}.conf", toolkit.name());
            files.push(file(&at, format!("# {HEADER}\n{libraries}\n"), &[toolkit.id()])?);
            directories.push(libraries);
        }
        let requires = self.all().map(Toolkit::id).chain([main.clone()]).collect();
        let libraries =
            Libraries { name: "cuda".into(), directories, trees: trees.clone(), link: link.clone(), files: files.clone(), requires };
        let shells = format!("# {HEADER}\nexport CUDA_HOME=/usr/local/cuda\nexport PATH=$PATH:/usr/local/cuda/bin\n");
        files.push(file("/etc/profile.d/fitout-cuda.sh", shells, &[main])?);
        specs.extend(trees.into_iter().map(Spec::Archive).chain(link.map(Spec::Symlink)));
        specs.extend(files.into_iter().map(Spec::File).chain([Spec::Libraries(libraries)]));
        Ok(specs)
    }
}
