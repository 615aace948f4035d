//! `gpu.cuda` from PyPI: NVIDIA's CUDA 13 wheels hold the whole compiler, spread over several; put together they are a toolkit.

use super::{Answer, Context, Item, Question, Recipe};
use crate::model::{Facts, Meta, Mode, Sha256, TargetPath};
use crate::problem::{Code, Problem};
use crate::resource::{Archive, File, Spec, Symlink};
use crate::step::{Content, Unpack};

/// `gpu.cuda` with `source: pypi`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cuda {
    /// `13.0`, or `13.0.48`; 13 or later, for earlier wheels hold no compiler.
    pub version: String,
    /// What beside the compiler and the runtime.
    pub components: Vec<String>,
    /// Package index; `None` for PyPI.
    pub index: Option<String>,
}

/// Component of a manifest, wheel on PyPI. The first four are the compiler and come always.
pub const WHEELS: [(&str, &str); 6] = [
    ("nvcc", "nvidia-cuda-nvcc"),
    ("nvvm", "nvidia-nvvm"),
    ("crt", "nvidia-cuda-crt"),
    ("cudart", "nvidia-cuda-runtime"),
    ("cccl", "nvidia-cuda-cccl"),
    ("nvrtc", "nvidia-cuda-nvrtc"),
];

/// How many of [`WHEELS`] come always.
const ALWAYS: usize = 4;

impl Cuda {
    /// `13.0` of `13.0.48`.
    fn minor(&self) -> String {
        self.version.split('.').take(2).collect::<Vec<_>>().join(".")
    }

    fn question(&self, facts: &Facts) -> Question {
        let wanted = WHEELS.iter().enumerate().filter(|(n, (name, _))| *n < ALWAYS || self.components.iter().any(|c| c == name));
        let requirements = wanted.map(|(_, (_, wheel))| format!("{wheel}=={}.*", self.minor())).collect();
        Question::Wheels { requirements, machine: facts.architecture.machine().into(), index: self.index.clone() }
    }
}

impl Recipe for Cuda {
    fn item(&self) -> Item {
        Item::section("gpu.cuda")
    }

    fn questions(&self, facts: &Facts) -> Vec<Question> {
        vec![self.question(facts)]
    }

    fn lower(&self, context: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        let fail = |text: String| vec![Problem::general(Code::BadValue, text)];
        let path = |text: &str| TargetPath::parse(text).map_err(|e| fail(e.0));
        let Some(Answer::Wheels(answer)) = context.answers.get(&self.question(context.facts)) else {
            return Err(fail(format!("CUDA {} was not resolved", self.version)));
        };
        let major = self.version.split('.').next().unwrap_or_default();
        let name = format!("cuda-{}", self.minor());
        let strip = format!("nvidia/cu{major}");
        // Wheels hold no links: `-lcudart` needs the one without a version, and `lib64` is where build systems look.
        let links = vec![("lib64".to_owned(), "lib".to_owned()), ("lib/libcudart.so".to_owned(), format!("libcudart.so.{major}"))];
        let digests: Vec<String> = answer.wheels.iter().map(|wheel| wheel.sha256.to_string()).collect();
        let parts = [strip.as_str(), "2"].into_iter().chain(digests.iter().map(String::as_str));
        let unpack = Unpack {
            into: path(&format!("/usr/local/{name}"))?,
            digest: Sha256::of_parts(parts),
            archives: answer.wheels.clone(),
            executable: vec!["bin".into(), "nvvm/bin".into()],
            strip,
            links,
        };
        let archive = Archive { name: name.clone(), unpack };
        let requires = vec![archive.id()];
        let file = |at: &str, text: String| -> Result<Spec, Vec<Problem>> {
            Ok(Spec::File(File { requires: requires.clone(), ..File::new(path(at)?, Content::Inline(text), Meta::root(Mode::FILE)) }))
        };
        let header = crate::resource::HEADER;
        Ok(vec![
            Spec::Archive(archive),
            Spec::Symlink(Symlink::new(path("/usr/local/cuda")?, name, requires.clone())),
            file(
                "/etc/profile.d/fitout-cuda.sh",
                format!("# {header}\nexport CUDA_HOME=/usr/local/cuda\nexport PATH=$PATH:/usr/local/cuda/bin\n"),
            )?,
        ])
    }
}
