//! Names of Python projects, as PEP 503 makes them comparable.

/// A project's name as indexes write it: lower case, one hyphen for every run of `-`, `_` and `.`.
#[must_use]
pub fn project_name(text: &str) -> String {
    let parts = text.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_comparable() {
        assert_eq!(project_name("NVIDIA_cuda..nvcc"), "nvidia-cuda-nvcc");
        assert_eq!(project_name("six"), "six");
    }
}
