//! The system as a whole: which one it is, whether Fitout knows it, and whether it waits for a restart.

use super::{Finding, Level};
use crate::model::{Facts, ResourceId};
use crate::step::Ability;
use crate::target::look::stat;
use crate::target::{Probe, ProbeError, read_facts};

/// Where packages of Debian and Ubuntu leave word that they want a restart, and who did.
const REBOOT: [&str; 2] = ["/run/reboot-required", "/var/run/reboot-required"];

pub fn findings(on: &dyn Probe, _: &[ResourceId]) -> Result<Vec<Finding>, ProbeError> {
    let facts = read_facts(on)?;
    let release = facts.distribution.clone();
    let name = format!("{} {} ({}), {}", release.id, release.version, release.codename, facts.architecture.debian());
    let is_known = Facts::kinds().any(|kind| kind.distribution == release);
    let mut found = vec![if is_known {
        Finding::new("system", Level::Fine, name)
    } else {
        Finding::new("system", Level::Warning, format!("{name} is no system that Fitout was made for"))
            .hint("rehearse first: `fitout rehearse -f FILE`")
    }];
    // What is not up may be an offline root, which is none to be.
    if !on.has(Ability::RunningSystem) && !on.has(Ability::Creation) {
        found.push(Finding::new("system", Level::Note, "systemd does not run here: services, timers and mounts wait until it does"));
    }
    for path in REBOOT {
        if on.has(Ability::RunningSystem) && stat(on, path)?.is_some() {
            let says = format!("{path} says that packages wait for a restart");
            found.push(Finding::new("system", Level::Warning, says).hint("restart when nobody works on it"));
            break;
        }
    }
    Ok(found)
}
