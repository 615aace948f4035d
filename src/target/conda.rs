//! Builds a conda environment on a target.

use super::machine::Machine;
use super::{OpError, Progress};
use crate::step::CondaBuild;

pub(super) fn perform(_: &Machine, build: &CondaBuild, _: &dyn Progress) -> Result<(), OpError> {
    Err(OpError::new(format!("build {build:?}"), "not yet"))
}
