//! The parts of a CUDA toolkit: what a manifest calls them, and what they are called where they come from.

use std::collections::BTreeSet;

/// A part of a toolkit.
#[derive(Debug)]
pub struct Part {
    /// In a manifest.
    pub name: &'static str,
    /// Among NVIDIA's redistributable archives.
    pub redist: &'static str,
    /// On PyPI, where its releases are numbered as the toolkit's are.
    pub wheel: Option<&'static str>,
    /// The first major release of CUDA in which it is a part of its own; before, it came with the compiler.
    pub first: u32,
    /// Parts without which it is of no use.
    pub needs: &'static [&'static str],
}

const fn part(name: &'static str, redist: &'static str, wheel: Option<&'static str>, needs: &'static [&'static str]) -> Part {
    Part { name, redist, wheel, first: 0, needs }
}

/// Every part. cuSOLVER calls cuBLAS and cuSPARSE, cuSPARSE calls nvJitLink, and headers of the libraries include `nv/target` of CCCL.
pub const PARTS: [Part; 24] = [
    part("nvcc", "cuda_nvcc", Some("nvidia-cuda-nvcc"), &["nvvm", "crt", "cudart"]),
    Part { first: 13, ..part("nvvm", "libnvvm", Some("nvidia-nvvm"), &[]) },
    Part { first: 13, ..part("crt", "cuda_crt", Some("nvidia-cuda-crt"), &[]) },
    part("cudart", "cuda_cudart", Some("nvidia-cuda-runtime"), &[]),
    part("cccl", "cuda_cccl", Some("nvidia-cuda-cccl"), &[]),
    part("nvrtc", "cuda_nvrtc", Some("nvidia-cuda-nvrtc"), &[]),
    part("nvjitlink", "libnvjitlink", Some("nvidia-nvjitlink"), &[]),
    part("cuobjdump", "cuda_cuobjdump", Some("nvidia-cuda-cuobjdump"), &[]),
    part("nvdisasm", "cuda_nvdisasm", None, &[]),
    part("cupti", "cuda_cupti", Some("nvidia-cuda-cupti"), &[]),
    part("nvtx", "cuda_nvtx", Some("nvidia-nvtx"), &[]),
    part("nvml", "cuda_nvml_dev", None, &[]),
    part("gdb", "cuda_gdb", None, &[]),
    part("sanitizer", "cuda_sanitizer_api", None, &[]),
    part("cublas", "libcublas", None, &["cccl"]),
    part("cufft", "libcufft", None, &[]),
    part("curand", "libcurand", None, &[]),
    part("cusparse", "libcusparse", None, &["cccl", "nvjitlink"]),
    part("cusolver", "libcusolver", None, &["cublas", "cusparse"]),
    part("npp", "libnpp", None, &[]),
    part("nvjpeg", "libnvjpeg", None, &[]),
    part("cufile", "libcufile", None, &[]),
    part("nsight_compute", "nsight_compute", None, &[]),
    part("nsight_systems", "nsight_systems", None, &[]),
];

/// The parts that come always.
const ALWAYS: [&str; 1] = ["nvcc"];

/// These parts, those that come always, and what they need, in the order of the table.
pub fn with_needs(asked: &[String], major: u32) -> Vec<&'static Part> {
    let mut wanted: BTreeSet<&str> = ALWAYS.into_iter().chain(asked.iter().map(String::as_str)).collect();
    loop {
        let more: Vec<&str> = PARTS.iter().filter(|part| wanted.contains(part.name)).flat_map(|part| part.needs.iter().copied()).collect();
        let before = wanted.len();
        wanted.extend(more);
        if wanted.len() == before {
            break;
        }
    }
    PARTS.iter().filter(|part| wanted.contains(part.name) && major >= part.first).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_part_needs_comes_with_it() {
        let names = |asked: &[&str], major| -> Vec<&str> {
            let asked: Vec<String> = asked.iter().map(|name| (*name).to_owned()).collect();
            with_needs(&asked, major).iter().map(|part| part.redist).collect()
        };
        assert_eq!(names(&[], 12), ["cuda_nvcc", "cuda_cudart"]);
        assert_eq!(names(&[], 13), ["cuda_nvcc", "libnvvm", "cuda_crt", "cuda_cudart"]);
        let solver = ["cuda_nvcc", "cuda_cudart", "cuda_cccl", "libnvjitlink", "libcublas", "libcusparse", "libcusolver"];
        assert_eq!(names(&["cusolver", "nvvm"], 12), solver);
        for part in &PARTS {
            assert!(part.needs.iter().all(|need| PARTS.iter().any(|part| part.name == *need)), "{}", part.name);
        }
    }
}
