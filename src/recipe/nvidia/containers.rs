//! `gpu.container_toolkit`: NVIDIA's part in Docker and Podman.

use super::NvidiaPackages;
use crate::problem::Problem;
use crate::recipe::{Context, Item, Recipe};
use crate::resource::{Apt, Containers, Spec};

/// `gpu.container_toolkit`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerToolkit {
    /// Where its packages come from.
    pub packages: NvidiaPackages,
    /// Whether the manifest installs packages: container engines come first.
    pub after_packages: bool,
}

impl Recipe for ContainerToolkit {
    fn item(&self) -> Item {
        Item::section("gpu.container_toolkit")
    }

    fn lower(&self, context: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        let (mut specs, known) = self.packages.known(context)?;
        let toolkit = Spec::Apt(Apt::new("nvidia-container-toolkit", vec!["nvidia-container-toolkit".into()], known));
        let engines = self.after_packages.then(|| crate::model::ResourceId::new("apt", "packages"));
        let containers = Containers { requires: [toolkit.id()].into_iter().chain(engines).collect() };
        specs.extend([toolkit, Spec::Containers(containers)]);
        Ok(specs)
    }
}
