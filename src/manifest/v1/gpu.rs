//! NVIDIA's software: toolkits and the libraries that are laid into them.

use super::super::at::At;
use super::words::{CudaVersion, DriverBranch, DriverVersion, GpuArchitecture, ReleaseVersion};
use schemars::JsonSchema;
use serde::Deserialize;

/// NVIDIA's software.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gpu {
    /// The driver that the machine has, or is to have, so that what needs one is judged by it; this version installs none.
    pub driver: Option<Driver>,
    /// The architecture of its GPU, such as `sm_90`, so that what is compiled for it is judged by it.
    pub architecture: Option<At<GpuArchitecture>>,
    /// The CUDA toolkit: compiler, runtime and headers below `/usr/local/cuda`.
    pub cuda: Option<Cuda>,
    /// cuDNN, laid into the toolkit; from where the toolkit comes from, for its major version.
    pub cudnn: Option<At<Library>>,
    /// NCCL, laid into the toolkit; from NVIDIA's wheels on a Python package index, for the toolkit's major version.
    pub nccl: Option<At<Library>>,
}

/// NVIDIA's driver.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Driver {
    /// Its branch, such as `"550"`; in quotes.
    pub branch: At<DriverBranch>,
    /// Its whole version, such as `"550.54.15"`; the newest of the branch where absent.
    pub version: Option<At<DriverVersion>>,
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
}
