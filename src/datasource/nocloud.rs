//! NoCloud: a volume labelled `cidata`, or the folder `/var/lib/cloud/seed/nocloud`, with `meta-data` and `user-data`, as cloud-init
//! and every hypervisor's tools make them.

use super::{Datasource, Giver, Overlay, cloud_config, read_volume};
use crate::manifest::{Node, Tally, parse};
use crate::model::TargetPath;
use crate::problem::Problem;
use crate::target::{Device, Probe, ProbeError, devices};
use std::collections::BTreeMap;
use std::io;

/// The label of seeds, in either case.
const LABEL: &str = "cidata";
/// The folder that stands for a volume.
const FOLDER: &str = "/var/lib/cloud/seed/nocloud";
const META_DATA: &str = "meta-data";
const USER_DATA: &str = "user-data";
/// First line of user data that is a fragment of a manifest.
const FRAGMENT: &str = "#fitout";
/// First line of user data for cloud-init, of which a few keys are understood.
const CLOUD_CONFIG: &str = "#cloud-config";

/// The datasource, and where it finds block devices.
#[derive(Debug, Clone, Copy)]
pub struct NoCloud {
    devices: fn() -> io::Result<Vec<Device>>,
}

impl Default for NoCloud {
    fn default() -> Self {
        Self { devices }
    }
}

/// `meta-data` and `user-data`, and where they were found.
struct Seed {
    found_at: String,
    giver: Giver,
    files: BTreeMap<String, Vec<u8>>,
}

impl Datasource for NoCloud {
    fn name(&self) -> &'static str {
        "NoCloud"
    }

    fn fetch(&self, on: &dyn Probe) -> Result<Option<Overlay>, ProbeError> {
        let seed = match folder(on)? {
            Some(seed) => Some(seed),
            None => self.volume()?,
        };
        Ok(seed.map(|seed| seed.overlay()))
    }
}

fn folder(on: &dyn Probe) -> Result<Option<Seed>, ProbeError> {
    let mut files = BTreeMap::new();
    for name in [META_DATA, USER_DATA] {
        let path = TargetPath::parse(&format!("{FOLDER}/{name}")).map_err(|e| ProbeError::new("use a path", e))?;
        if let Some(bytes) = on.read(&path)? {
            files.insert(name.to_owned(), bytes);
        }
    }
    Ok((!files.is_empty()).then(|| Seed { found_at: FOLDER.into(), giver: Giver::Root, files }))
}

impl NoCloud {
    /// The first volume with the label. Devices that cannot be read have no say: an empty drive, a broken disk.
    fn volume(self) -> Result<Option<Seed>, ProbeError> {
        let devices = (self.devices)().map_err(|e| ProbeError::new("list block devices", e))?;
        for mut device in devices {
            match read_volume(&mut device.medium, &[META_DATA, USER_DATA]) {
                Ok(Some(volume)) if volume.label.eq_ignore_ascii_case(LABEL) => {
                    return Ok(Some(Seed { found_at: device.name, giver: Giver::Anyone, files: volume.files }));
                }
                Ok(_) => {}
                Err(error) => tracing::debug!(device = device.name, %error, "no seed"),
            }
        }
        Ok(None)
    }
}

impl Seed {
    fn text(&self, name: &str) -> String {
        self.files.get(name).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
    }

    fn overlay(&self) -> Overlay {
        let mut overlay = Overlay::new(format!("NoCloud at {}", self.found_at), self.giver);
        if let Some(root) = document(META_DATA, &self.text(META_DATA), &mut overlay) {
            cloud_config::meta_data(&root, &mut overlay);
        }
        let text = self.text(USER_DATA);
        let read = match text.lines().next().map(str::trim_end) {
            Some(FRAGMENT) => Overlay::fragment,
            Some(CLOUD_CONFIG) => cloud_config::user_data,
            None => return overlay,
            Some(_) => {
                overlay.warn(format!("user-data begins with neither `{FRAGMENT}` nor `{CLOUD_CONFIG}`; it is left alone"));
                return overlay;
            }
        };
        if let Some(root) = document(USER_DATA, &text, &mut overlay) {
            read(&root, &mut overlay);
        }
        overlay
    }
}

/// The document in a text; what is wrong with it is a warning.
fn document(name: &str, text: &str, overlay: &mut Overlay) -> Option<Node> {
    let parsed = parse(name, text, &mut Tally::default());
    parsed.problems.iter().map(Problem::to_string).for_each(|problem| overlay.warn(problem));
    parsed.root
}
