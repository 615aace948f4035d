//! What a machine is told from outside about itself: its name, its owner's keys, a fragment of a manifest.
//!
//! A datasource reads and never acts. Nobody vouches for what it says, so it may select and never elevate: what it says becomes
//! `/etc/fitout/machine.yaml` after the rules of `overlay`, which pass a name, keys and addresses, and nothing that grants a right.
//! To add one: a file with its [`Datasource`], and a line in [`all`].

mod cloud_config;
mod fat;
mod iso9660;
mod medium;
mod nocloud;
mod overlay;

use crate::target::{Probe, ProbeError};
use std::collections::BTreeMap;
use std::io;

pub use medium::Medium;
pub use nocloud::NoCloud;
pub use overlay::{Giver, MACHINE, Overlay, is_own};

/// A place that may say something about this machine.
pub trait Datasource {
    /// What it is called in messages.
    fn name(&self) -> &'static str;

    /// Reads it; `None` where this machine has no such place.
    ///
    /// # Errors
    /// It is there and cannot be read. What it says wrongly is a warning of the [`Overlay`].
    fn fetch(&self, on: &dyn Probe) -> Result<Option<Overlay>, ProbeError>;
}

/// Every datasource, in the order in which they are asked; the first that answers is taken.
#[must_use]
pub fn all() -> Vec<Box<dyn Datasource>> {
    vec![Box::new(NoCloud::default())]
}

/// What the first datasource that is there says.
///
/// # Errors
/// One is there and cannot be read.
pub fn fetch(on: &dyn Probe) -> Result<Option<Overlay>, ProbeError> {
    for source in all() {
        if let Some(overlay) = source.fetch(on)? {
            return Ok(Some(overlay));
        }
    }
    Ok(None)
}

/// The parts of a volume that matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its label.
    pub label: String,
    /// Files of its root directory that were asked for.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// The volume on a medium, whatever file system it has; `None` where it has none that seeds are made of.
///
/// # Errors
/// It has one, and cannot be read.
pub fn read_volume(medium: &mut dyn Medium, wanted: &[&str]) -> io::Result<Option<Volume>> {
    match iso9660::read(medium, wanted)? {
        Some(volume) => Ok(Some(volume)),
        None => fat::read(medium, wanted),
    }
}
