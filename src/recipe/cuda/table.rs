//! Which parts of NVIDIA's software work together, as data. Every row has its source; a row that nobody can look up is no row.
//!
//! To add a release: a row. Version 1 of the table: what the sources said in November 2026.

/// A version of up to three numbers.
pub type Version = [u32; 3];

/// A row that says what from when on, until when.
#[derive(Debug)]
pub struct Row<K> {
    /// Of what.
    pub of: K,
    /// The first that works.
    pub first: Version,
    /// The last that works; `None` where there is no end yet.
    pub last: Option<Version>,
    /// Who says so.
    pub source: &'static str,
}

const fn row<K>(of: K, first: Version, last: Option<Version>, source: &'static str) -> Row<K> {
    Row { of, first, last, source }
}

const MINOR: &str = "https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html";
const NOTES: &str = "https://docs.nvidia.com/cuda/cuda-toolkit-release-notes/index.html";
/// Which release brought an architecture is told by the release of PTX that did; compiled with by those that are named.
const PTX: &str = "https://docs.nvidia.com/cuda/parallel-thread-execution/#release-notes";
/// Asked of 12.8.93, 12.9.86 and 13.0.88 on this index.
const PTXAS: &str = "https://pypi.org/simple/nvidia-cuda-nvcc-cu12/ (what `ptxas --help` of its wheels lists)";
/// Asked of 11.7.99 and 11.8.89.
const PTXAS_11: &str = "https://pypi.org/simple/nvidia-cuda-nvcc-cu11/ (what `ptxas --help` of its wheels lists)";
const BLACKWELL: &str =
    "https://docs.nvidia.com/cuda/cuda-toolkit-release-notes/index.html (the driver of CUDA 12.8, the first that knows it)";
/// Whoever packages all releases: ptxas of 13.0 names it still, its compiler does not take it.
const NIXPKGS: &str = "https://github.com/NixOS/nixpkgs/blob/master/pkgs/development/cuda-modules/_cuda/db/bootstrap/cuda.nix";
const B200: &str = "https://github.com/NVIDIA/cloud-native-docs/pull/184";
const HOSTS: &str = "https://docs.nvidia.com/cuda/cuda-installation-guide-linux/index.html#host-compiler-support-policy";
const LIFE: &str = "https://docs.nvidia.com/datacenter/tesla/drivers/index.html";
const MODULES: &str = "https://docs.nvidia.com/datacenter/tesla/driver-installation-guide/kernel-modules.html";
const CUDNN_11: &str = "https://pypi.org/simple/nvidia-cudnn-cu11/";
const CUDNN_12: &str = "https://pypi.org/simple/nvidia-cudnn-cu12/";
const CUDNN_13: &str = "https://pypi.org/simple/nvidia-cudnn-cu13/";
const NCCL_11: &str = "https://pypi.org/simple/nvidia-nccl-cu11/";
const NCCL_12: &str = "https://pypi.org/simple/nvidia-nccl-cu12/";
const NCCL_13: &str = "https://pypi.org/simple/nvidia-nccl-cu13/";
const TORCH: &str = "https://pypi.org/project/torch/ (what its wheel requires)";
const TENSORFLOW: &str = "https://www.tensorflow.org/install/source#gpu";
const TENSORFLOW_EXTRA: &str = "https://pypi.org/project/tensorflow/ (what its extra `and-cuda` requires)";

/// Drivers without which a major release of CUDA does not start.
pub const DRIVERS: [Row<u32>; 3] =
    [row(11, [450, 80, 2], None, MINOR), row(12, [525, 60, 13], None, MINOR), row(13, [580, 0, 0], None, MINOR)];

/// Drivers that came with a release of CUDA: older ones lack some of its features and cannot take its PTX.
pub const SHIPPED: [Row<(u32, u32)>; 19] = [
    row((11, 0), [450, 36, 6], None, NOTES),
    row((11, 1), [455, 23, 0], None, NOTES),
    row((11, 2), [460, 27, 3], None, NOTES),
    row((11, 3), [465, 19, 1], None, NOTES),
    row((11, 4), [470, 42, 1], None, NOTES),
    row((11, 5), [495, 29, 5], None, NOTES),
    row((11, 6), [510, 39, 1], None, NOTES),
    row((11, 7), [515, 43, 4], None, NOTES),
    row((11, 8), [520, 61, 5], None, NOTES),
    row((12, 0), [525, 60, 13], None, NOTES),
    row((12, 1), [530, 30, 2], None, NOTES),
    row((12, 2), [535, 54, 3], None, NOTES),
    row((12, 3), [545, 23, 6], None, NOTES),
    row((12, 4), [550, 54, 14], None, NOTES),
    row((12, 5), [555, 42, 2], None, NOTES),
    row((12, 6), [560, 28, 3], None, NOTES),
    row((12, 8), [570, 26, 0], None, NOTES),
    row((12, 9), [575, 51, 3], None, NOTES),
    row((13, 0), [580, 65, 6], None, NOTES),
];

/// Releases of CUDA whose compiler knows an architecture of GPUs. Releases before 11 are not told apart.
pub const ARCHITECTURES: [Row<u32>; 20] = [
    row(35, [0, 0, 0], Some([11, 8, 0]), PTXAS_11),
    row(37, [0, 0, 0], Some([11, 8, 0]), PTXAS_11),
    row(50, [0, 0, 0], Some([12, 9, 0]), PTXAS),
    row(52, [0, 0, 0], Some([12, 9, 0]), PTXAS),
    row(53, [0, 0, 0], Some([12, 9, 0]), PTXAS),
    row(60, [0, 0, 0], Some([12, 9, 0]), PTXAS),
    row(61, [0, 0, 0], Some([12, 9, 0]), PTXAS),
    row(62, [0, 0, 0], Some([12, 9, 0]), PTXAS),
    row(70, [0, 0, 0], Some([12, 9, 0]), NIXPKGS),
    row(72, [0, 0, 0], Some([12, 9, 0]), PTXAS),
    row(75, [10, 0, 0], None, PTX),
    row(80, [11, 0, 0], None, PTX),
    row(86, [11, 1, 0], None, PTX),
    row(87, [11, 4, 0], None, PTX),
    row(89, [11, 8, 0], None, PTXAS_11),
    row(90, [11, 8, 0], None, PTXAS_11),
    row(100, [12, 8, 0], None, PTXAS),
    row(103, [12, 9, 0], None, PTXAS),
    row(120, [12, 8, 0], None, PTXAS),
    row(121, [12, 9, 0], None, PTXAS),
];

/// Architectures that NVIDIA's open modules serve, and those that its closed ones do.
pub const OPEN_MODULES: Row<&str> = row("open", [75, 0, 0], None, MODULES);
/// The closed ones: Blackwell has none.
pub const CLOSED_MODULES: Row<&str> = row("proprietary", [50, 0, 0], Some([90, 0, 0]), MODULES);

/// Branches of the driver that know an architecture.
pub const DRIVEN: [Row<u32>; 8] = [
    row(35, [0, 0, 0], Some([470, 0, 0]), LIFE),
    row(37, [0, 0, 0], Some([470, 0, 0]), LIFE),
    row(50, [0, 0, 0], Some([580, 0, 0]), LIFE),
    row(60, [0, 0, 0], Some([580, 0, 0]), LIFE),
    row(61, [0, 0, 0], Some([580, 0, 0]), LIFE),
    row(70, [0, 0, 0], Some([580, 0, 0]), LIFE),
    row(100, [570, 0, 0], None, B200),
    row(120, [570, 0, 0], None, BLACKWELL),
];

/// Releases of cuDNN for a major release of CUDA.
pub const CUDNN: [Row<u32>; 3] =
    [row(11, [8, 0, 0], Some([9, 10, 2]), CUDNN_11), row(12, [8, 8, 0], None, CUDNN_12), row(13, [9, 12, 0], None, CUDNN_13)];

/// Releases of NCCL for a major release of CUDA.
pub const NCCL: [Row<u32>; 3] =
    [row(11, [2, 7, 0], Some([2, 21, 5]), NCCL_11), row(12, [2, 16, 2], None, NCCL_12), row(13, [2, 27, 7], None, NCCL_13)];

/// Newest gcc that the compiler of a release of CUDA takes, from this release on.
pub const COMPILERS: [Row<(u32, u32)>; 5] = [
    row((11, 5), [0, 0, 0], Some([11, 0, 0]), HOSTS),
    row((12, 0), [0, 0, 0], Some([12, 0, 0]), HOSTS),
    row((12, 4), [0, 0, 0], Some([13, 0, 0]), HOSTS),
    row((12, 8), [0, 0, 0], Some([14, 0, 0]), HOSTS),
    row((13, 0), [0, 0, 0], Some([15, 0, 0]), HOSTS),
];

/// CUDA in the usual wheels of `PyTorch`.
pub const TORCHES: [(Version, (u32, u32), &str); 11] = [
    ([1, 13, 0], (11, 7), TORCH),
    ([2, 0, 0], (11, 7), TORCH),
    ([2, 1, 0], (12, 1), TORCH),
    ([2, 2, 0], (12, 1), TORCH),
    ([2, 3, 0], (12, 1), TORCH),
    ([2, 4, 0], (12, 1), TORCH),
    ([2, 5, 0], (12, 4), TORCH),
    ([2, 6, 0], (12, 4), TORCH),
    ([2, 7, 0], (12, 6), TORCH),
    ([2, 8, 0], (12, 8), TORCH),
    ([2, 9, 0], (12, 8), TORCH),
];

/// CUDA and the major release of cuDNN that `TensorFlow` is built for.
pub const TENSORFLOWS: [(Version, (u32, u32), u32, &str); 7] = [
    ([2, 12, 0], (11, 8), 8, TENSORFLOW),
    ([2, 13, 0], (11, 8), 8, TENSORFLOW),
    ([2, 14, 0], (11, 8), 8, TENSORFLOW_EXTRA),
    ([2, 15, 0], (12, 2), 8, TENSORFLOW_EXTRA),
    ([2, 16, 0], (12, 3), 8, TENSORFLOW_EXTRA),
    ([2, 17, 0], (12, 3), 8, TENSORFLOW_EXTRA),
    ([2, 18, 0], (12, 5), 9, TENSORFLOW_EXTRA),
];

/// How `PyTorch`'s extensions are built: with a toolkit of the same major release.
pub const EXTENSIONS: &str = "https://github.com/pytorch/pytorch/blob/main/torch/utils/cpp_extension.py";
/// What `CuPy` says of its wheels: one, for the toolkit's major release.
pub const CUPY: &str = "https://docs.cupy.dev/en/stable/install.html";

/// The newest release of CUDA that a driver came with or after.
#[must_use]
pub fn newest_for(driver: Version) -> Option<(u32, u32)> {
    SHIPPED.iter().filter(|row| row.first <= driver).map(|row| row.of).max()
}

/// The numbers of a driver's version, up to three; those that are missing are as high as can be: of a branch alone the newest is meant.
#[must_use]
pub fn driver(text: &str) -> Option<Version> {
    let mut version = [0, u32::MAX, u32::MAX];
    for (to, part) in version.iter_mut().zip(text.split('.')) {
        *to = part.parse().ok()?;
    }
    Some(version)
}
