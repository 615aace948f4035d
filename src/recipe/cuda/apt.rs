//! A toolkit of NVIDIA's packages for apt, with cuDNN and NCCL beside it.
//!
//! The small package that brings a compiler is numbered as the toolkit is, so that it pins the release; what it brings, and every other
//! component, is the newest of that release's line. All of it is held: an upgrade of a toolkit is the manifest's to make.

use super::{Cuda, Toolkit, ToolkitSource, parts, path};
use crate::model::{ResourceId, TargetPath};
use crate::problem::Problem;
use crate::recipe::Context;
use crate::resource::{Alternative, Apt, Hold, Spec};

/// The component that is all of them.
pub const WHOLE: &str = "toolkit";

impl Toolkit {
    /// `12-4` of `12.4.1`.
    fn dashed(&self) -> String {
        super::first_parts(&self.version, 2).replace('.', "-")
    }

    /// What apt is asked for.
    fn requests(&self) -> Vec<String> {
        let line = self.dashed();
        // Three numbers are a release, two its line.
        let pinned = |name: &str| match self.version.split('.').count() {
            3 => format!("{name}-{line}={}-*", self.version),
            _ => format!("{name}-{line}"),
        };
        if self.components.iter().any(|name| name == WHOLE) {
            return vec![pinned("cuda-toolkit")];
        }
        let wanted =
            parts::PARTS.iter().filter(|part| self.components.iter().any(|name| name == part.name) && self.release() >= part.first);
        std::iter::once(pinned("cuda-minimal-build")).chain(wanted.map(|part| format!("{}-{line}", part.apt))).collect()
    }

    pub(super) fn request_id(&self) -> ResourceId {
        ResourceId::new("apt", self.name())
    }

    /// Its packages, and that they stay as they are.
    pub(super) fn packages(&self, known: &[ResourceId]) -> [Spec; 2] {
        let install = Apt::new(self.name(), self.requests(), known.to_vec());
        let packages = self.requests().iter().map(|request| crate::step::package_name(request).to_owned()).collect();
        let hold = Hold { name: self.name(), packages, requires: vec![self.request_id()], ownership: None };
        [Spec::Apt(install), Spec::Hold(hold)]
    }

    pub(super) fn place(&self) -> Result<TargetPath, Vec<Problem>> {
        path(&format!("/usr/local/{}", self.name()))
    }
}

impl Cuda {
    /// cuDNN and NCCL by apt: packages that are named by the toolkit's major release, and numbered by their own.
    fn beside(&self) -> Vec<String> {
        let major = self.toolkit.major();
        let cudnn = self.cudnn.as_deref().map(|version| match version.split('.').next().unwrap_or_default() {
            // Before 9 the name said nothing of CUDA; the version does, and the newest CUDA that it names is the highest.
            old @ ("7" | "8") => {
                let wanted = if major < 12 { format!("{version}.*+cuda11.8") } else { format!("{version}.*") };
                [format!("libcudnn{old}={wanted}"), format!("libcudnn{old}-dev={wanted}")]
            }
            own => ["", "-dev"].map(|dev| format!("libcudnn{own}{dev}-cuda-{major}={version}.*")),
        });
        // Apt takes what stands before a `*` at the end as it is.
        let nccl = self.nccl.as_deref().map(|version| ["libnccl2", "libnccl-dev"].map(|name| format!("{name}={version}-1+cuda{major}.*")));
        cudnn.into_iter().chain(nccl).flatten().collect()
    }

    /// All of what apt installs; empty where nothing is.
    pub(super) fn by_apt(&self, context: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        let toolkits: Vec<&Toolkit> = self.all().filter(|toolkit| toolkit.source == ToolkitSource::Apt).collect();
        if toolkits.is_empty() {
            return Ok(Vec::new());
        }
        let (mut specs, known) = self.packages.known(context)?;
        specs.extend(toolkits.iter().flat_map(|toolkit| toolkit.packages(&known)));
        if self.toolkit.source == ToolkitSource::Apt {
            let beside = self.beside();
            if !beside.is_empty() {
                let packages = beside.iter().map(|request| crate::step::package_name(request).to_owned()).collect();
                let install = Apt::new("cuda-libraries", beside, [known, vec![self.toolkit.request_id()]].concat());
                let requires = vec![ResourceId::new("apt", &install.name)];
                let hold = Hold { name: install.name.clone(), packages, requires, ownership: None };
                specs.extend([Spec::Apt(install), Spec::Hold(hold)]);
            }
            // What is installed later, as a dependency of cuDNN say, would make itself the one that people find.
            let requires = specs.iter().filter(|spec| matches!(spec, Spec::Apt(_))).map(Spec::id).collect();
            specs.push(Spec::Alternative(Alternative { name: "cuda".into(), to: self.toolkit.place()?, requires }));
        }
        Ok(specs)
    }
}
