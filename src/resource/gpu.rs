//! `gpu`: whether the machine has one, where the manifest says that it must. What is not up has no devices, and is not asked.

use super::Resource;
use crate::model::{Gpu, ResourceId};
use crate::step::{Ability, Step};
use crate::target::{Probe, ProbeError, read_facts};

/// A GPU that must be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuPresent;

impl Resource for GpuPresent {
    type State = ();

    fn id(&self) -> ResourceId {
        ResourceId::new("gpu", "presence")
    }

    fn observe(&self, on: &dyn Probe) -> Result<(), ProbeError> {
        if !on.has(Ability::RunningSystem) || read_facts(on)?.gpu == Gpu::Present {
            return Ok(());
        }
        Err(ProbeError::new("find the GPU that `gpu.presence: required` asks for", "no device of NVIDIA's is on the PCI bus"))
    }

    fn diff(&self, (): &()) -> Vec<Step> {
        Vec::new()
    }
}
