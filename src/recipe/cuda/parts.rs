//! The parts of a CUDA toolkit: what a manifest calls them, and what they are called where they come from.

use std::collections::BTreeSet;

/// A part of a toolkit.
#[derive(Debug)]
pub struct Part {
    /// In a manifest.
    pub name: &'static str,
    /// Among NVIDIA's redistributable archives.
    pub redist: &'static str,
    /// Among NVIDIA's packages for apt, before the numbers of its release: `cuda-nvcc` of `cuda-nvcc-12-4`.
    pub apt: &'static str,
    /// On PyPI, where its releases are numbered as the toolkit's are.
    pub wheel: Option<&'static str>,
    /// The first release of CUDA in which it is a part of its own; before, it came with another.
    pub first: (u32, u32),
    /// Parts without which it is of no use.
    pub needs: Words,
}

type Words = &'static [&'static str];

const fn part(name: &'static str, redist: &'static str, apt: &'static str, wheel: Option<&'static str>, needs: Words) -> Part {
    Part { name, redist, apt, wheel, first: (0, 0), needs }
}

/// Every part. cuSOLVER calls cuBLAS and cuSPARSE, cuSPARSE calls nvJitLink, and headers of the runtime (`cuda_fp16.h`, which NCCL's own
/// includes) and of the libraries include `nv/target` of CCCL.
pub const PARTS: [Part; 24] = [
    part("nvcc", "cuda_nvcc", "cuda-nvcc", Some("nvidia-cuda-nvcc"), &["nvvm", "crt", "cudart"]),
    Part { first: (13, 0), ..part("nvvm", "libnvvm", "libnvvm", Some("nvidia-nvvm"), &[]) },
    Part { first: (13, 0), ..part("crt", "cuda_crt", "cuda-crt", Some("nvidia-cuda-crt"), &[]) },
    part("cudart", "cuda_cudart", "cuda-cudart-dev", Some("nvidia-cuda-runtime"), &["cccl"]),
    Part { first: (11, 4), ..part("cccl", "cuda_cccl", "cuda-cccl", Some("nvidia-cuda-cccl"), &[]) },
    part("nvrtc", "cuda_nvrtc", "cuda-nvrtc-dev", Some("nvidia-cuda-nvrtc"), &[]),
    part("nvjitlink", "libnvjitlink", "libnvjitlink-dev", Some("nvidia-nvjitlink"), &[]),
    part("cuobjdump", "cuda_cuobjdump", "cuda-cuobjdump", Some("nvidia-cuda-cuobjdump"), &[]),
    part("nvdisasm", "cuda_nvdisasm", "cuda-nvdisasm", None, &[]),
    part("cupti", "cuda_cupti", "cuda-cupti-dev", Some("nvidia-cuda-cupti"), &[]),
    part("nvtx", "cuda_nvtx", "cuda-nvtx", Some("nvidia-nvtx"), &[]),
    part("nvml", "cuda_nvml_dev", "cuda-nvml-dev", None, &[]),
    part("gdb", "cuda_gdb", "cuda-gdb", None, &[]),
    part("sanitizer", "cuda_sanitizer_api", "cuda-sanitizer", None, &[]),
    part("cublas", "libcublas", "libcublas-dev", None, &["cccl"]),
    part("cufft", "libcufft", "libcufft-dev", None, &[]),
    part("curand", "libcurand", "libcurand-dev", None, &[]),
    part("cusparse", "libcusparse", "libcusparse-dev", None, &["cccl", "nvjitlink"]),
    part("cusolver", "libcusolver", "libcusolver-dev", None, &["cublas", "cusparse"]),
    part("npp", "libnpp", "libnpp-dev", None, &[]),
    part("nvjpeg", "libnvjpeg", "libnvjpeg-dev", None, &[]),
    part("cufile", "libcufile", "libcufile-dev", None, &[]),
    part("nsight_compute", "nsight_compute", "cuda-nsight-compute", None, &[]),
    part("nsight_systems", "nsight_systems", "cuda-nsight-systems", None, &[]),
];

/// The parts that come always.
const ALWAYS: [&str; 1] = ["nvcc"];

/// These parts, those that come always, and what they need, in the order of the table.
pub fn with_needs(asked: &[String], release: (u32, u32)) -> Vec<&'static Part> {
    let mut wanted: BTreeSet<&str> = ALWAYS.into_iter().chain(asked.iter().map(String::as_str)).collect();
    loop {
        let more: Vec<&str> = PARTS.iter().filter(|part| wanted.contains(part.name)).flat_map(|part| part.needs.iter().copied()).collect();
        let before = wanted.len();
        wanted.extend(more);
        if wanted.len() == before {
            break;
        }
    }
    PARTS.iter().filter(|part| wanted.contains(part.name) && release >= part.first).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_part_needs_comes_with_it() {
        let names = |asked: &[&str], release| -> Vec<&str> {
            let asked: Vec<String> = asked.iter().map(|name| (*name).to_owned()).collect();
            with_needs(&asked, release).iter().map(|part| part.redist).collect()
        };
        assert_eq!(names(&[], (11, 3)), ["cuda_nvcc", "cuda_cudart"]);
        assert_eq!(names(&[], (12, 4)), ["cuda_nvcc", "cuda_cudart", "cuda_cccl"]);
        assert_eq!(names(&[], (13, 0)), ["cuda_nvcc", "libnvvm", "cuda_crt", "cuda_cudart", "cuda_cccl"]);
        let solver = ["cuda_nvcc", "cuda_cudart", "cuda_cccl", "libnvjitlink", "libcublas", "libcusparse", "libcusolver"];
        assert_eq!(names(&["cusolver", "nvvm"], (12, 4)), solver);
        for part in &PARTS {
            assert!(part.needs.iter().all(|need| PARTS.iter().any(|part| part.name == *need)), "{}", part.name);
        }
    }
}
