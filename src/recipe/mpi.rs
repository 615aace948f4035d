//! `mpi`: the library of message passing. Intel's is the runtime of its wheel, as a tree of its own that shells and kernels find; Open MPI
//! is the distribution's.

use super::{Answer, Context, Item, Question, Recipe};
use crate::model::{Architecture, Facts, Meta, Mode, Sha256, TargetPath};
use crate::problem::{Code, Problem};
use crate::resource::{Apt, Archive, File, HEADER, Libraries, Spec};
use crate::step::{Blob, Content, Layer, Strip, Unpack};

/// `mpi`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mpi {
    /// Whose.
    pub implementation: MpiImplementation,
    /// Package index; `None` for PyPI.
    pub index: Option<String>,
}

/// Whose library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MpiImplementation {
    /// Intel's, in this release.
    Intel(String),
    /// Open MPI.
    Open,
}

/// Where Intel's runtime is.
const INTEL: &str = "/opt/intel/mpi";
/// Open MPI: its launcher, and its compilers with what they need.
const OPEN: [&str; 2] = ["openmpi-bin", "libopenmpi-dev"];

/// What shells get of Intel's runtime: its launcher and its own libfabric look for their parts by these.
const SHELLS: &str = "export I_MPI_ROOT=/opt/intel/mpi\nexport FI_PROVIDER_PATH=/opt/intel/mpi/lib/libfabric/prov\n\
                      export PATH=$PATH:/opt/intel/mpi/bin\n";
/// What names its libraries to the dynamic linker.
const LINKER: &str = "/opt/intel/mpi/lib\n/opt/intel/mpi/lib/libfabric\n";

/// The folder of a wheel that is laid over a whole environment: `impi_rt-2021.12.0.data/data`.
fn data(wheel: &Blob) -> Strip {
    let file = wheel.url.rsplit('/').next().unwrap_or_default();
    let named: Vec<&str> = file.split('-').take(2).collect();
    Strip::Folder(format!("{}.data/data", named.join("-")))
}

impl Mpi {
    fn question(&self, facts: &Facts) -> Option<Question> {
        let MpiImplementation::Intel(version) = &self.implementation else { return None };
        let requirements = vec![format!("impi-rt=={version}.*")];
        Some(Question::Wheels { requirements, machine: facts.architecture.machine().into(), index: self.index.clone() })
    }
}

impl Recipe for Mpi {
    fn item(&self) -> Item {
        Item::section("mpi")
    }

    fn questions(&self, facts: &Facts) -> Vec<Question> {
        self.question(facts).into_iter().filter(|_| facts.architecture == Architecture::Amd64).collect()
    }

    fn lower(&self, context: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        let fail = |text: String| vec![Problem::general(Code::BadValue, text)];
        let path = |text: &str| TargetPath::parse(text).map_err(|e| fail(e.0));
        let Some(question) = self.question(context.facts) else {
            return Ok(vec![Spec::Apt(Apt::new("openmpi", OPEN.map(str::to_owned).into(), Vec::new()))]);
        };
        if context.facts.architecture != Architecture::Amd64 {
            let problem = Problem::general(Code::BadValue, "Intel makes MPI for its own processors only, and this machine is arm64");
            return Err(vec![problem.suggest("write `implementation: openmpi`")]);
        }
        let Some(Answer::Wheels(answer)) = context.answers.get(&question) else {
            return Err(fail("Intel MPI was not resolved".into()));
        };
        let layer = |wheel: &Blob| Layer { archive: wheel.clone(), strip: data(wheel) };
        let layers: Vec<Layer> = answer.wheels.iter().map(layer).collect();
        let digests: Vec<String> = layers.iter().map(|layer| layer.archive.sha256.to_string()).collect();
        let unpack = Unpack {
            into: path(INTEL)?,
            digest: Sha256::of_parts(std::iter::once("1").chain(digests.iter().map(String::as_str))),
            layers,
            executable: vec!["bin".into()],
            links: Vec::new(),
            unversioned: Vec::new(),
        };
        let tree = Archive::new("intel-mpi", unpack);
        let file = |at: &str, text: &str| -> Result<File, Vec<Problem>> {
            let file = File::new(path(at)?, Content::Inline(format!("# {HEADER}\n{text}").into()), Meta::root(Mode::FILE));
            Ok(File { requires: vec![tree.id()], ..file })
        };
        let (shells, linker) = (file("/etc/profile.d/fitout-mpi.sh", SHELLS)?, file("/etc/ld.so.conf.d/fitout-mpi.conf", LINKER)?);
        let libraries = Libraries {
            name: "intel-mpi".into(),
            directories: LINKER.lines().map(path).collect::<Result<_, _>>()?,
            trees: vec![tree.clone()],
            link: None,
            files: vec![linker.clone()],
            requires: Vec::new(),
        };
        Ok(vec![Spec::Archive(tree), Spec::File(shells), Spec::File(linker), Spec::Libraries(libraries)])
    }
}
