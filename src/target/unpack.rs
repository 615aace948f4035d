//! Builds a tree of archives on a target.

use super::machine::Machine;
use super::{OpError, Progress};
use crate::step::Unpack;

pub(super) fn perform(_: &Machine, unpack: &Unpack, _: &dyn Progress) -> Result<(), OpError> {
    Err(OpError::new(format!("build {unpack:?}"), "not yet"))
}
