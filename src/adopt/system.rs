//! Settings of the whole system: host name, time zone, kernel, SSH; and signs of what no section describes.

use super::look::{may_hold_secret, names, people, stat, text};
use super::section::Section;
use crate::manifest::word;
use crate::model::ComputeName;
use crate::resource::named_locale;
use crate::step::{Query, Visit};
use crate::target::{Probe, ProbeError};

/// The host name, told only: a manifest is for many machines, and each has its own.
pub fn name(on: &dyn Probe) -> Result<Section, ProbeError> {
    let name = text(on, "/etc/hostname")?.unwrap_or_default();
    let name = name.trim();
    if name.is_empty() {
        return Ok(Section::default());
    }
    let more = match ComputeName::parse(name) {
        Ok(_) => "`name` would state it, best in /etc/fitout/machine.yaml, which is this machine's alone".to_owned(),
        Err(why) => format!("`name` cannot state it: {why}"),
    };
    Ok(Section::default().remark(format!("{name}; {more}.")))
}

/// `locale`: the language that logins get.
pub fn locale(on: &dyn Probe) -> Result<Section, ProbeError> {
    let lang = named_locale(on)?.filter(|lang| !lang.is_empty());
    Ok(Section { items: lang.map(|lang| vec![format!("locale: {}", word(&lang))]).into_iter().collect(), ..Section::default() })
}

/// `timezone`.
pub fn timezone(on: &dyn Probe) -> Result<Section, ProbeError> {
    let link = stat(on, "/etc/localtime")?.and_then(|stat| stat.link).unwrap_or_default();
    let mut section = Section::default();
    section.items.extend(link.split_once("zoneinfo/").map(|(_, zone)| vec![format!("timezone: {}", word(zone))]));
    Ok(section)
}

/// `sysctl`: Fitout keeps its settings in a file of its own, so those of people are stated only where that file is there already.
pub fn sysctl(on: &dyn Probe) -> Result<Section, ProbeError> {
    let folder = "/etc/sysctl.d";
    let files = names(on, folder)?.into_iter().map(|name| format!("{folder}/{name}")).chain(["/etc/sysctl.conf".to_owned()]);
    let mut section = Section::default();
    let mut item = Vec::new();
    for file in files {
        // Debian links its own file into the folder.
        if stat(on, &file)?.is_none_or(|stat| stat.link.is_some()) {
            continue;
        }
        for line in text(on, &file)?.unwrap_or_default().lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
            let Some((name, value)) = line.split_once('=') else { continue };
            if may_hold_secret(line) {
                section = section.remark(format!("{} in {file} is not copied, because it may be a secret.", name.trim()));
            } else {
                item.push(format!("  {}: {}", word(name.trim()), word(value.trim())));
            }
        }
    }
    if !item.is_empty() {
        section.head = vec!["sysctl:".to_owned()];
        section.items.push(item);
    }
    Ok(section)
}

/// What is told of the policy of sshd, by the names that it gives.
const POLICY: [&str; 6] = ["port", "permitrootlogin", "passwordauthentication", "pubkeyauthentication", "allowusers", "allowgroups"];

/// SSH, told only: `ssh_public_access_enabled` has a policy of its own, which is more than what is asked of sshd here.
pub fn ssh(on: &dyn Probe) -> Result<Section, ProbeError> {
    let section = Section::default();
    if stat(on, "/usr/sbin/sshd")?.is_none() {
        return Ok(section);
    }
    let asked = people(on)?.first().map_or_else(|| "root".to_owned(), |owner| owner.name.clone());
    let answer = on.query(&Query::SshdPolicy(vec![Visit::of(&asked)]))?;
    if answer.status != 0 {
        return Ok(section.remark(format!("It could not be told: {}", answer.stderr.trim())));
    }
    let is_told = |line: &&str| POLICY.contains(&line.split(' ').next().unwrap_or_default());
    let policy: Vec<String> = answer.stdout.lines().filter(is_told).map(str::to_owned).collect();
    Ok(section
        .list(&format!("For {asked}"), &policy)
        .remark("`ssh_public_access_enabled: true` would let in the owner alone, by key only; see docs/ssh.md before you state it."))
}

/// Types of file systems that are shares.
const SHARES: [&str; 5] = ["cifs", "nfs", "nfs4", "fuse", "fuse.rclone"];

/// Places that speak for themselves, and what would describe them.
const SIGNS: [(&str, &str); 4] = [
    ("/usr/local/cuda", "a CUDA toolkit; `gpu.cuda` would make one of Fitout's own there"),
    ("/proc/driver/nvidia/version", "NVIDIA's driver; this version installs none and leaves it alone"),
    ("/etc/docker/daemon.json", "Docker's settings; `files` would describe them"),
    ("/etc/fitout/manifest.yaml", "this machine has a manifest already: `fitout plan` without -f reads it"),
];

/// Signs of what people had done.
pub fn more(on: &dyn Probe) -> Result<Section, ProbeError> {
    let mut section = Section::default();
    for (place, what) in SIGNS {
        if stat(on, place)?.is_some() {
            section = section.remark(format!("{place}: {what}."));
        }
    }
    let fstab = text(on, "/etc/fstab")?.unwrap_or_default();
    let mounts = fstab.lines().filter(|line| !line.trim_start().starts_with('#')).filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (mount, kind) = (words.next()?, words.next()?);
        (SHARES.contains(&kind) || kind.contains("blobfuse")).then(|| format!("{mount} ({kind})"))
    });
    section = section.list("Shares of /etc/fstab, which `shares` would describe", &mounts.collect::<Vec<_>>());
    Ok(match names(on, "/var/spool/cron/crontabs") {
        Ok(tables) => section.list("Crontabs, which timers among `units` would describe", &tables),
        Err(error) => section.remark(format!("Whether people have crontabs could not be told: {error}")),
    })
}
