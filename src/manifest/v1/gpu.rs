//! NVIDIA's software: toolkits and the libraries that are laid into them.

use super::super::at::At;
use super::words::{CudaVersion, DriverBranch, DriverVersion, GpuArchitecture, MpiVersion, ReleaseVersion, RepositoryUri, SourcePath};
use schemars::JsonSchema;
use serde::Deserialize;

/// NVIDIA's software.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gpu {
    /// Whether the machine must have a GPU. Where one may be absent, or is not there yet (in an image), what asks the driver waits.
    #[schemars(extend("default" = "optional"))]
    pub presence: Option<Presence>,
    /// The driver: with a `flavour` it is installed, without one it is there already. What needs one is judged by it.
    pub driver: Option<Driver>,
    /// The architecture of its GPU, such as `sm_90`, so that what is compiled for it is judged by it.
    pub architecture: Option<At<GpuArchitecture>>,
    /// The CUDA toolkit: compiler, runtime and headers below `/usr/local/cuda`.
    pub cuda: Option<Cuda>,
    /// cuDNN, laid into the toolkit, or beside it by apt; from where the toolkit comes from, for its major version.
    pub cudnn: Option<At<Library>>,
    /// NCCL, for the toolkit's major version: laid into it from NVIDIA's wheels on a Python package index, or beside it by apt.
    pub nccl: Option<At<Library>>,
    /// NVIDIA's part in Docker and Podman, so that containers can have the GPU.
    pub container_toolkit: Option<bool>,
    /// A repository of NVIDIA's packages for apt that has a key of its own, instead of NVIDIA's.
    pub repository: Option<NvidiaRepository>,
}

/// Whether there must be a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// There may be one.
    Optional,
    /// A machine that runs without one is a failure.
    Required,
}

/// A repository of NVIDIA's packages for apt.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NvidiaRepository {
    /// Its address: a flat one, such as `https://apt.example.org/nvidia/debian12`.
    pub uri: At<RepositoryUri>,
    /// The file of the armoured key that signs it.
    pub signed_by: At<SourcePath>,
}

/// NVIDIA's driver.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Driver {
    /// Its branch, such as `"550"`; in quotes.
    pub branch: At<DriverBranch>,
    /// Which build of it is installed; absent, none is.
    pub flavour: Option<At<Flavour>>,
    /// Whose packages; the distribution's where absent.
    #[schemars(extend("default" = "distribution"))]
    pub source: Option<At<DriverSource>>,
    /// Its whole version, such as `"550.54.15"`; the newest of the branch where absent.
    pub version: Option<At<DriverVersion>>,
}

/// Which build of the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Flavour {
    /// With the open kernel modules: for Turing and later, the only one for Blackwell and later.
    Open,
    /// With NVIDIA's own kernel modules: for Maxwell to Hopper.
    Proprietary,
    /// Ubuntu's build for servers, with the open kernel modules.
    OpenServer,
    /// Ubuntu's build for servers, with NVIDIA's own kernel modules.
    Server,
}

/// Whose packages of the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DriverSource {
    /// Those of the distribution: of Ubuntu `restricted`, of Debian `non-free`.
    Distribution,
    /// Those of NVIDIA's repository.
    Nvidia,
}

/// The CUDA toolkit.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cuda {
    /// `"12.4.1"`; from PyPI `"13.0"`; in quotes.
    pub version: At<CudaVersion>,
    /// Where it comes from.
    pub source: CudaSource,
    /// What beside the compiler and the runtime, which come always, as does what these need.
    #[serde(default)]
    pub components: Vec<At<CudaComponent>>,
    /// Further toolkits beside it, each in its own directory such as `/usr/local/cuda-11.8`.
    #[serde(default)]
    pub also: Vec<At<Toolkit>>,
}

/// A toolkit beside the one that `/usr/local/cuda` is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Toolkit {
    /// `"12.4.1"`; from PyPI `"13.0"`; in quotes.
    pub version: At<CudaVersion>,
    /// Where it comes from.
    pub source: CudaSource,
    /// What beside the compiler and the runtime, which come always, as does what these need.
    #[serde(default)]
    pub components: Vec<At<CudaComponent>>,
}

/// Where a CUDA toolkit comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CudaSource {
    /// NVIDIA's wheels on a Python package index; CUDA 13 and later.
    Pypi,
    /// NVIDIA's redistributable archives, by the list that it publishes of each release.
    Redist,
    /// NVIDIA's packages for apt.
    Apt,
}

/// A library that is laid into the toolkit.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Library {
    /// Its release, such as `"9.13.0"` of cuDNN or `"2.21.5"` of NCCL; in quotes.
    pub version: At<ReleaseVersion>,
}

macro_rules! components {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// A part of the CUDA toolkit.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
        pub enum CudaComponent {
            $($(#[$doc])* #[serde(rename = $word)] $name,)*
        }

        impl CudaComponent {
            /// The word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

components! {
    /// The compiler.
    Nvcc = "nvcc",
    /// The compiler's optimiser.
    Nvvm = "nvvm",
    /// Headers of the compiler.
    Crt = "crt",
    /// The runtime.
    Cudart = "cudart",
    /// The core libraries of C++ (Thrust, CUB, libcu++).
    Cccl = "cccl",
    /// The compiler as a library.
    Nvrtc = "nvrtc",
    /// The linker of device code as a library.
    Nvjitlink = "nvjitlink",
    /// Shows what is in compiled programs.
    Cuobjdump = "cuobjdump",
    /// The disassembler.
    Nvdisasm = "nvdisasm",
    /// The interface of profilers.
    Cupti = "cupti",
    /// Marks in profiles.
    Nvtx = "nvtx",
    /// Headers of the management library.
    Nvml = "nvml",
    /// The debugger.
    Gdb = "gdb",
    /// Compute Sanitizer: finds races and bad accesses.
    Sanitizer = "sanitizer",
    /// Linear algebra.
    Cublas = "cublas",
    /// Fourier transforms.
    Cufft = "cufft",
    /// Random numbers.
    Curand = "curand",
    /// Sparse matrices.
    Cusparse = "cusparse",
    /// Solvers of linear systems.
    Cusolver = "cusolver",
    /// Image and signal processing.
    Npp = "npp",
    /// Decoding of JPEG.
    Nvjpeg = "nvjpeg",
    /// Files read straight into the memory of a GPU.
    Cufile = "cufile",
    /// Nsight Compute: profiles kernels.
    NsightCompute = "nsight_compute",
    /// Nsight Systems: profiles programs.
    NsightSystems = "nsight_systems",
    /// All of it; by apt only.
    Toolkit = "toolkit",
}

/// The library of message passing.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mpi {
    /// Whose.
    pub implementation: At<MpiImplementation>,
    /// Its release, such as `"2021.12"` of Intel MPI; in quotes. Open MPI is the distribution's, and has none to choose.
    pub version: Option<At<MpiVersion>>,
}

/// Whose library of message passing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MpiImplementation {
    /// Intel MPI: its runtime, from its wheel, below `/opt/intel/mpi`.
    Intel,
    /// Open MPI, of the distribution, with its compilers.
    Openmpi,
}
