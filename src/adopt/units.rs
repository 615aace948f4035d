//! `units`: own units, drop-ins, and what was enabled, disabled or masked by hand.
//!
//! What a package enables, Debian's helper notes below [`HELPER`]; what systemd itself enables stands in its presets. The rest was done
//! by a person, or by a program of theirs.

use super::look::{may_hold_secret, names, path, stat, text};
use super::section::{Item, Section};
use crate::manifest::{field, word};
use crate::model::UnitName;
use crate::resource::{SYSTEM, holds_switches};
use crate::step::FileKind;
use crate::target::{Probe, ProbeError};
use std::collections::{BTreeMap, BTreeSet};

/// What deb-systemd-helper(1p) enabled: the same folders, with an empty file for each link.
const HELPER: &str = "/var/lib/systemd/deb-systemd-helper-enabled";
/// Where packages and administrators put units.
const FOLDERS: [&str; 4] = [SYSTEM, "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
const PRESETS: &str = "/usr/lib/systemd/system-preset";
/// Beginnings of the names of units that programs write and keep to themselves.
const KEPT: [(&str, &str); 3] = [("snap-", "snapd"), ("snap.", "snapd"), ("fitout", "Fitout")];
/// What is enabled by hand is stated of these types; of others it is told.
const TYPES: [&str; 2] = [".service", ".timer"];

/// What is to be said about one unit.
#[derive(Default)]
struct Own {
    content: Option<String>,
    drop_ins: BTreeMap<String, String>,
    switch: Option<&'static str>,
}

/// What was found.
#[derive(Default)]
struct Found {
    units: BTreeMap<String, Own>,
    /// Names, by what there is to say about them.
    told: BTreeMap<String, BTreeSet<String>>,
}

impl Found {
    fn own(&mut self, unit: &str) -> &mut Own {
        self.units.entry(unit.to_owned()).or_default()
    }

    fn tell(&mut self, what: &str, name: &str) {
        self.told.entry(what.to_owned()).or_default().insert(name.to_owned());
    }

    /// The text of a file that could be stated; else it is told why not.
    fn text(&mut self, on: &dyn Probe, file: &str) -> Result<Option<String>, ProbeError> {
        let shown = file.strip_prefix(SYSTEM).unwrap_or(file).trim_start_matches('/');
        if on.written(&path(file)?)?.is_some() {
            self.tell("Written by Fitout, for the manifest that it has already", shown);
            return Ok(None);
        }
        let text = text(on, file)?.unwrap_or_default();
        if may_hold_secret(&text) {
            self.tell("Text not copied, because it may hold a secret", shown);
            return Ok(None);
        }
        Ok(Some(text))
    }
}

/// The section.
pub fn units(on: &dyn Probe) -> Result<Section, ProbeError> {
    let mut found = Found::default();
    let entries = names(on, SYSTEM)?;
    for name in &entries {
        let keeper = KEPT.iter().find(|(start, _)| name.starts_with(start));
        match keeper {
            Some((_, keeper)) => found.tell(&format!("Left to {keeper}"), name),
            None => entry(on, name, &mut found)?,
        }
    }
    let folders: Vec<&String> = entries.iter().filter(|name| holds_switches(name)).collect();
    enabled(on, &folders, &mut found)?;
    disabled(on, &mut found)?;
    let mut section = Section::headed(&["units:"]);
    section.items = found.units.iter().filter_map(|(name, own)| item(name, own)).collect();
    Ok(found.told.iter().fold(section, |section, (what, names)| section.list(what, &names.iter().cloned().collect::<Vec<_>>())))
}

/// One name in the administrator's folder: an own unit, drop-ins, a mask or another link.
fn entry(on: &dyn Probe, name: &str, found: &mut Found) -> Result<(), ProbeError> {
    let at = format!("{SYSTEM}/{name}");
    let Some(stat) = stat(on, &at)? else { return Ok(()) };
    match (stat.kind, stat.link.as_deref(), name.strip_suffix(".d")) {
        _ if holds_switches(name) => {}
        (FileKind::Symlink, Some("/dev/null"), _) => found.own(name).switch = Some("masked: true"),
        (FileKind::Symlink, Some(to), _) if to.contains("lib/systemd/system/") && name != "default.target" => {}
        (FileKind::Symlink, to, _) => {
            found.tell("Links, which `files` with `link` would describe", &format!("{name} to {}", to.unwrap_or("?")));
        }
        (FileKind::Directory, _, Some(unit)) => {
            for drop_in in names(on, &at)? {
                if let Some(text) = found.text(on, &format!("{at}/{drop_in}"))? {
                    found.own(unit).drop_ins.insert(drop_in, text);
                }
            }
        }
        (FileKind::File, ..) if UnitName::parse(name).is_ok() => {
            if let Some(text) = found.text(on, &at)? {
                found.own(name).content = Some(text);
            }
        }
        _ => found.tell("Not described by `units`", name),
    }
    Ok(())
}

/// Whether there is a unit of this name, or a template for it.
fn exists(on: &dyn Probe, unit: &str) -> Result<bool, ProbeError> {
    for folder in FOLDERS {
        for name in [unit, template(unit).as_str()] {
            if stat(on, &format!("{folder}/{name}"))?.is_some() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// `getty@.service` of `getty@tty1.service`; other names as they are.
fn template(unit: &str) -> String {
    match (unit.split_once('@'), unit.rsplit_once('.')) {
        (Some((stem, _)), Some((_, kind))) => format!("{stem}@.{kind}"),
        _ => unit.to_owned(),
    }
}

/// What is started at boot.
fn enabled(on: &dyn Probe, folders: &[&String], found: &mut Found) -> Result<(), ProbeError> {
    let presets = presets(on)?;
    for folder in folders {
        for unit in names(on, &format!("{SYSTEM}/{folder}"))? {
            let given = stat(on, &format!("{HELPER}/{folder}/{unit}"))?.is_some() || presets.contains(&template(&unit));
            if given {
                found.tell("Enabled by their packages", &unit);
            } else if let Some((_, keeper)) = KEPT.iter().find(|(start, _)| unit.starts_with(start)) {
                found.tell(&format!("Left to {keeper}"), &unit);
            } else if !exists(on, &unit)? {
                found.tell("Enabled, and there is no such unit", &unit);
            } else if TYPES.iter().any(|kind| unit.ends_with(kind)) {
                // A mask is stronger.
                found.own(&unit).switch.get_or_insert("enabled: true");
            } else {
                found.tell("Enabled by hand as well", &unit);
            }
        }
    }
    Ok(())
}

/// What its package enabled and somebody switched off.
fn disabled(on: &dyn Probe, found: &mut Found) -> Result<(), ProbeError> {
    for folder in names(on, HELPER)?.iter().filter(|name| holds_switches(name)) {
        for unit in names(on, &format!("{HELPER}/{folder}"))? {
            let stands = stat(on, &format!("{SYSTEM}/{folder}/{unit}"))?.is_some();
            if !stands && exists(on, &unit)? {
                found.own(&unit).switch.get_or_insert("enabled: false");
            }
        }
    }
    Ok(())
}

/// Units that systemd's own presets enable by name (systemd.preset(5)).
fn presets(on: &dyn Probe) -> Result<BTreeSet<String>, ProbeError> {
    let mut enabled = BTreeSet::new();
    for file in names(on, PRESETS)? {
        let lines = text(on, &format!("{PRESETS}/{file}"))?.unwrap_or_default();
        let words = lines.lines().filter_map(|line| line.trim().strip_prefix("enable "));
        enabled.extend(words.filter_map(|rest| rest.split_whitespace().next()).map(str::to_owned));
    }
    Ok(enabled)
}

/// As an item of `units`; `None` where nothing is to be said.
fn item(name: &str, own: &Own) -> Option<Item> {
    let mut lines = vec![format!("  - name: {}", word(name))];
    lines.extend(own.switch.map(|switch| format!("    {switch}")));
    let mut put = |depth: usize, text: Vec<String>| lines.extend(text.into_iter().map(|line| format!("{:depth$}{line}", "")));
    if let Some(content) = &own.content {
        put(4, field("content:", content));
    }
    if !own.drop_ins.is_empty() {
        put(4, vec!["drop_ins:".to_owned()]);
        own.drop_ins.iter().for_each(|(name, text)| put(6, field(&format!("{}:", word(name)), text)));
    }
    (lines.len() > 1).then_some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_has_its_template() {
        let of = ["getty@tty1.service", "cron.service", "a@b.c.timer"].map(template);
        assert_eq!(of, ["getty@.service", "cron.service", "a@.timer"]);
    }
}
