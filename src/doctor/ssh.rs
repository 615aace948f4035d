//! Ways in: whether drop-ins count, and who looks up keys elsewhere.

use super::{Finding, Level, concerned};
use crate::model::ResourceId;
use crate::target::look::{names, stat, text};
use crate::target::{Access, Probe, ProbeError, SSHD_POLICY};

const CONFIG: &str = "/etc/ssh/sshd_config";

pub fn findings(on: &dyn Probe, named: &[ResourceId]) -> Result<Vec<Finding>, ProbeError> {
    if stat(on, "/usr/sbin/sshd")?.is_none() {
        return Ok(vec![Finding::new("ssh", Level::Fine, "no server: nobody gets in by SSH")]);
    }
    let text = text(on, CONFIG)?.unwrap_or_default();
    let mut words = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut found = Vec::new();
    let first = words.clone().next().unwrap_or_default().to_lowercase();
    let includes = |line: &str| line.starts_with("include") && line.contains("/etc/ssh/sshd_config.d/");
    if !text.lines().any(|line| includes(&line.trim().to_lowercase())) {
        let says = format!("{CONFIG} does not include /etc/ssh/sshd_config.d; where the manifest names SSH, apply puts that first");
        found.push(Finding::new("ssh", Level::Note, says));
    } else if includes(&first) {
        found.push(Finding::new("ssh", Level::Fine, "sshd reads /etc/ssh/sshd_config.d first, as the policy needs"));
    } else {
        let says =
            format!("{CONFIG} does not begin with `Include /etc/ssh/sshd_config.d/*.conf`: what it says itself wins over Fitout's policy");
        let hint = "make that its first line; until then `ssh_public_access_enabled` cannot be proved, and is refused by apply";
        found.push(Finding::new("ssh", Level::Note, says).hint(hint).concerning(concerned(named, &[("sshd-policy", "*")])));
    }
    found.extend(overruled(on, named)?);
    if let Some(line) = words.find(|line| line.to_lowercase().starts_with("authorizedkeyscommand ")) {
        let says = format!("keys are also looked up by a program ({line})");
        found.push(Finding::new("ssh", Level::Note, says).hint("whoever it lets in gets in; Entra ID's login works this way"));
    }
    Ok(found)
}

/// Where sshd does otherwise than the policy that stands says; or, where none does yet, what would be read before it.
fn overruled(on: &dyn Probe, named: &[ResourceId]) -> Result<Vec<Finding>, ProbeError> {
    let hint = "take that out; a file of /etc/ssh/sshd_config.d goes by `ssh_settings: {foreign: remove}`, once the policy stands";
    if stat(on, SSHD_POLICY)?.is_some() {
        let finding = |says| Finding::new("ssh", Level::Warning, format!("sshd does otherwise than {SSHD_POLICY}: {says}")).hint(hint);
        return Ok(Access::read(on)?.otherwise.into_iter().map(finding).collect());
    }
    let Some((folder, own)) = SSHD_POLICY.rsplit_once('/') else { return Ok(Vec::new()) };
    let earlier = names(on, folder)?.into_iter().filter(|name| matches!(name.rsplit_once('.'), Some((_, "conf"))) && name.as_str() < own);
    let finding = |name| {
        let says = format!("{folder}/{name} would be read before Fitout's policy, and win");
        Finding::new("ssh", Level::Note, says).hint(hint).concerning(concerned(named, &[("sshd-policy", "*")]))
    };
    Ok(earlier.map(finding).collect())
}
