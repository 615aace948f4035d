//! Programs of the target that bring what they made up to date; a closed list, each with its arguments.

use crate::model::{Sha256, TargetPath};
use serde::{Deserialize, Serialize};

/// A program with what it works on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tool {
    /// DKMS builds the modules that it knows, for a kernel.
    Modules {
        /// `6.1.0-28-cloud-amd64`.
        kernel: String,
    },
    /// The file systems with which kernels start are made anew.
    Initramfs {
        /// Of this kernel.
        kernel: String,
        /// What went into them, by which it is known whether they are up to date.
        digest: Sha256,
    },
    /// One of several is the one that a name means.
    Alternative {
        /// The name.
        name: String,
        /// This one.
        to: TargetPath,
    },
    /// Docker learns of NVIDIA's runtime.
    DockerRuntime,
    /// The devices that containers may ask for are listed.
    ContainerDevices,
}

/// Where container engines look for devices.
pub const CONTAINER_DEVICES: &str = "/etc/cdi/nvidia.yaml";

impl Tool {
    /// What is called.
    #[must_use]
    pub fn argv(&self) -> Vec<String> {
        let words: Vec<&str> = match self {
            Self::Modules { kernel } => vec!["dkms", "autoinstall", "-k", kernel],
            Self::Initramfs { kernel, .. } => vec!["update-initramfs", "-u", "-k", kernel],
            Self::Alternative { name, to } => vec!["update-alternatives", "--set", name, to.as_str()],
            Self::DockerRuntime => vec!["nvidia-ctk", "runtime", "configure", "--runtime=docker"],
            Self::ContainerDevices => vec!["nvidia-ctk", "cdi", "generate", "--output", CONTAINER_DEVICES],
        };
        words.into_iter().map(str::to_owned).collect()
    }

    /// One line, for plans.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Self::Modules { kernel } => format!("build the driver's modules for kernel {kernel}"),
            Self::Initramfs { kernel, .. } => format!("make the initramfs of kernel {kernel} anew"),
            Self::Alternative { name, to } => format!("choose {to} for {name}"),
            Self::DockerRuntime => "tell Docker of NVIDIA's runtime".into(),
            Self::ContainerDevices => format!("list the GPUs for containers in {CONTAINER_DEVICES}"),
        }
    }

    /// What of it is remembered when it is done: a name, and what it was made from.
    #[must_use]
    pub fn remembered(&self) -> Option<(String, Sha256)> {
        match self {
            Self::Initramfs { kernel, digest } => Some((Self::initramfs(kernel), *digest)),
            Self::Modules { .. } | Self::Alternative { .. } | Self::DockerRuntime | Self::ContainerDevices => None,
        }
    }

    /// The name under which the making of an initramfs is remembered.
    #[must_use]
    pub fn initramfs(kernel: &str) -> String {
        format!("initramfs-{kernel}")
    }

    /// The unit that must read what it wrote.
    #[must_use]
    pub const fn read_by(&self) -> Option<&'static str> {
        match self {
            Self::DockerRuntime => Some("docker.service"),
            Self::Modules { .. } | Self::Initramfs { .. } | Self::Alternative { .. } | Self::ContainerDevices => None,
        }
    }
}
