//! Whether a machine waits for a restart: what packages installed is in use from then on only. Debian's packages say so by a file in /run,
//! which a restart takes away; NVIDIA's driver does not say so, and is looked at.

use super::{Probe, ProbeError};
use crate::model::TargetPath;
use crate::step::Ability;
use std::collections::BTreeSet;

/// There where one is needed.
const REQUIRED: &str = "/run/reboot-required";
/// The packages that ask for it, a line each, some of them often.
const BY: &str = "/run/reboot-required.pkgs";

/// What asks for a restart: packages, perhaps none that says its name, and the driver; `None` where no restart is needed, or nothing runs.
///
/// # Errors
/// It cannot be told.
pub fn reboot_required(on: &dyn Probe) -> Result<Option<Vec<String>>, ProbeError> {
    let path = |text: &str| TargetPath::parse(text).map_err(|e| ProbeError::new("use a path", e));
    if !on.has(Ability::RunningSystem) {
        return Ok(None);
    }
    let driver = super::driver_needs_restart(on)?;
    if driver.is_none() && on.stat(&path(REQUIRED)?)?.is_none() {
        return Ok(None);
    }
    let text = on.read(&path(BY)?)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let packages: BTreeSet<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Ok(Some(packages.into_iter().map(str::to_owned).chain(driver).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::fake::{Behaviour, Fake, Node};

    #[test]
    fn packages_ask_for_a_restart_of_what_runs() {
        let live = &[Ability::Files, Ability::RunningSystem];
        let machine = |abilities, files: &[(&str, &str)]| {
            let fake = Fake::debian(abilities, Behaviour::default()).unwrap();
            let put = |(at, text): &(&str, &str)| (TargetPath::parse(at).unwrap(), Node::file(*text, 0o644, (0, 0)));
            fake.arrange(|tree| files.iter().map(put).try_for_each(|(path, node)| tree.put(&path, node))).unwrap();
            reboot_required(&fake).unwrap()
        };
        let asked = [(REQUIRED, "*** System restart required ***\n"), (BY, "linux-image\nlibc6\nlinux-image\n")];
        assert_eq!(machine(live, &asked), Some(vec!["libc6".to_owned(), "linux-image".to_owned()]));
        assert_eq!(machine(live, &asked[..1]), Some(Vec::new()));
        assert_eq!(machine(live, &[]), None);
        assert_eq!(machine(&[Ability::Files], &asked), None);
    }
}
