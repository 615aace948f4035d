//! Programs that configure machines too, as data: how each shows that it is at work, what it does, and which resources it would undo.
//!
//! Sources: cloud-init's reference of modules and of `cloud.cfg`, the README of `WALinuxAgent` (waagent.conf), the manual pages of
//! unattended-upgrade(8), snapd(8), and of the programs named.

use super::setting::{Setting, YES};
use super::{Finding, Level, concerned};
use crate::model::{ResourceId, UnitName};
use crate::resource::unit_starts;
use crate::target::look::stat;
use crate::target::{Probe, ProbeError};

/// Another program.
struct Other {
    name: &'static str,
    /// It is at work where one of these is enabled.
    units: &'static [&'static str],
    /// Files that switch it off whatever is enabled.
    off: &'static [&'static str],
    does: &'static [Habit],
}

/// One thing that it does.
struct Habit {
    when: When,
    what: &'static str,
    /// Kind and name of resources that it would undo, or they it; a name may end in `*`.
    against: &'static [(&'static str, &'static str)],
    hint: &'static str,
}

/// When it does so.
enum When {
    Always,
    There(&'static str),
    Set(Setting),
    Unless(Setting),
}

const CLOUD: &[&str] = &["/etc/cloud/cloud.cfg", "/etc/cloud/cloud.cfg.d/"];
const WAAGENT: &[&str] = &["/etc/waagent.conf"];

const fn cloud(key: &'static str) -> Setting {
    Setting { files: CLOUD, key, values: YES }
}

const fn waagent(key: &'static str, values: &'static [&'static str]) -> Setting {
    Setting { files: WAAGENT, key, values }
}

const OTHERS: &[Other] = &[
    Other {
        name: "cloud-init",
        units: &["cloud-init.service", "cloud-init-main.service", "cloud-init-network.service"],
        off: &["/etc/cloud/cloud-init.disabled"],
        does: &[
            Habit {
                when: When::Unless(cloud("preserve_hostname")),
                what: "sets the host name in each new instance, and when the cloud's metadata names another",
                against: &[("hostname", "*")],
                hint: "write `preserve_hostname: true` into /etc/cloud/cloud.cfg.d/90-fitout.cfg, or leave `name` out of the manifest",
            },
            Habit {
                when: When::Always,
                what: "makes its own first user in each new instance, with sudo (/etc/sudoers.d/90-cloud-init-users) and the cloud's keys",
                against: &[],
                hint: "give that user's name as `user`, or `users: []` in the cloud's user data",
            },
            Habit {
                when: When::Set(cloud("manage_etc_hosts")),
                what: "writes /etc/hosts anew at each boot (manage_etc_hosts)",
                against: &[("file", "/etc/hosts")],
                hint: "write `manage_etc_hosts: false` into /etc/cloud/cloud.cfg.d/90-fitout.cfg",
            },
            Habit {
                when: When::Unless(cloud("preserve_sources_list")),
                what: "writes apt's sources anew in each new instance",
                against: &[
                    ("file", "/etc/apt/sources.list"),
                    ("file", "/etc/apt/sources.list.d/debian.sources"),
                    ("file", "/etc/apt/sources.list.d/ubuntu.sources"),
                ],
                hint: "write `apt: {preserve_sources_list: true}` into /etc/cloud/cloud.cfg.d/90-fitout.cfg",
            },
            Habit {
                when: When::There("/etc/ssh/sshd_config.d/50-cloud-init.conf"),
                what: "says whether sshd takes passwords, in /etc/ssh/sshd_config.d/50-cloud-init.conf; Fitout's 00-fitout.conf is read first and wins",
                against: &[("file", "/etc/ssh/sshd_config.d/50-cloud-init.conf")],
                hint: "state the policy by `ssh_public_access_enabled`, not by that file",
            },
            Habit {
                when: When::There("/etc/netplan/50-cloud-init.yaml"),
                what: "writes the network's configuration, /etc/netplan/50-cloud-init.yaml, in each new instance",
                against: &[("file", "/etc/netplan/50-cloud-init.yaml")],
                hint: "write `network: {config: disabled}` into /etc/cloud/cloud.cfg.d/90-fitout.cfg first",
            },
        ],
    },
    Other {
        name: "waagent",
        units: &["walinuxagent.service", "waagent.service"],
        off: &[],
        does: &[
            Habit {
                when: When::Unless(waagent("Provisioning.Agent", &["cloud-init", "auto", "disabled"])),
                what: "makes the first user and sets the host name in each new instance (Provisioning.Agent)",
                against: &[("hostname", "*")],
                hint: "set Provisioning.Agent=cloud-init, or disabled, in /etc/waagent.conf",
            },
            Habit {
                when: When::Set(waagent("Provisioning.MonitorHostName", YES)),
                what: "restarts the network's client when the host name changes (Provisioning.MonitorHostName)",
                against: &[],
                hint: "connections may break for a moment when `name` is applied",
            },
            Habit {
                when: When::Unless(waagent("Extensions.Enabled", &["n", "no", "false", "0"])),
                what: "runs Azure's extensions as root, which install packages and may hold apt's lock",
                against: &[],
                hint: "Fitout waits for the lock; prefer the manifest to extensions of scripts",
            },
        ],
    },
    Other {
        name: "unattended-upgrades",
        units: &["unattended-upgrades.service", "apt-daily-upgrade.timer"],
        off: &[],
        does: &[Habit {
            when: When::Set(Setting { files: &["/etc/apt/apt.conf.d/"], key: "APT::Periodic::Unattended-Upgrade", values: YES }),
            what: "upgrades packages by itself, kernels too, and holds apt's lock while it does",
            against: &[("apt", "driver")],
            hint: "Fitout waits for the lock; a new kernel needs the GPU driver's module built before the next boot",
        }],
    },
    Other {
        name: "snapd",
        units: &["snapd.service", "snapd.socket"],
        off: &[],
        does: &[Habit {
            when: When::Always,
            what: "refreshes its packages by itself, some of which start over while they are used",
            against: &[],
            hint: "`snap refresh --hold` keeps them as they are",
        }],
    },
    Other { name: "puppet", units: &["puppet.service"], off: &[], does: CONFIGURES },
    Other { name: "chef-client", units: &["chef-client.service", "chef-client.timer"], off: &[], does: CONFIGURES },
    Other { name: "salt-minion", units: &["salt-minion.service"], off: &[], does: CONFIGURES },
    Other { name: "cfengine", units: &["cfengine3.service"], off: &[], does: CONFIGURES },
    Other { name: "landscape", units: &["landscape-client.service"], off: &[], does: CONFIGURES },
];

/// What programs do that keep machines as somebody else says.
const CONFIGURES: &[Habit] = &[Habit {
    when: When::Always,
    what: "keeps this machine as somebody else says, packages, files and accounts, every now and then",
    against: &[("file", "*"), ("user", "*"), ("apt", "*"), ("unit", "*")],
    hint: "let each thing be one program's: name in `unmanaged` what stays with the other, or stop it",
}];

/// What other programs do on this machine.
pub fn findings(on: &dyn Probe, named: &[ResourceId]) -> Result<Vec<Finding>, ProbeError> {
    let mut found = Vec::new();
    for other in OTHERS {
        if !other.is_at_work(on)? {
            continue;
        }
        for habit in other.does {
            if habit.when.is_now(on)? {
                let finding = Finding::new(other.name, Level::Note, habit.what).hint(habit.hint);
                found.push(finding.concerning(concerned(named, habit.against)));
            }
        }
    }
    Ok(found)
}

impl Other {
    fn is_at_work(&self, on: &dyn Probe) -> Result<bool, ProbeError> {
        for file in self.off {
            if stat(on, file)?.is_some() {
                return Ok(false);
            }
        }
        for unit in self.units {
            let unit = UnitName::parse(unit).map_err(|e| ProbeError::new("name a unit", e))?;
            if unit_starts(on, &unit)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl When {
    fn is_now(&self, on: &dyn Probe) -> Result<bool, ProbeError> {
        match self {
            Self::Always => Ok(true),
            Self::There(path) => Ok(stat(on, path)?.is_some()),
            Self::Set(setting) => setting.holds(on),
            Self::Unless(setting) => Ok(!setting.holds(on)?),
        }
    }
}
