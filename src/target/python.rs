//! Builds a Python environment on a target.

use super::machine::Machine;
use super::{OpError, Progress};
use crate::step::PythonBuild;

pub(super) fn perform(_: &Machine, build: &PythonBuild, _: &dyn Progress) -> Result<(), OpError> {
    Err(OpError::new(format!("build {build:?}"), "not yet"))
}
