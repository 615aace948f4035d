//! The cloud that a machine is in, as far as it can be asked to stop the machine: a guest that powers off by itself stays on the bill of some clouds.

mod azure;

pub use azure::{Azure, CloudError, Leave, Vm, is_azure};
