//! `sysctl` and `timezone`: settings of the whole system, in the files that its own tools read.

use super::{Context, Item, Recipe};
use crate::model::{Meta, Mode, TargetPath, UnitName};
use crate::problem::{Code, Problem};
use crate::resource::{Apt, File, HEADER, Ownership, Spec, Symlink, Unit};
use crate::step::Content;
use crate::target::look::text;
use crate::target::{Probe, ProbeError};
use std::collections::BTreeMap;
use std::fmt::Write;

fn path(text: &str) -> Result<TargetPath, Vec<Problem>> {
    TargetPath::parse(text).map_err(|e| vec![Problem::general(Code::BadValue, e.0)])
}

/// `sysctl`: settings of the kernel, which systemd-sysctl.service sets at each start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sysctl {
    /// Names and values.
    pub settings: BTreeMap<String, String>,
}

/// Read after the distribution's files, before an administrator's 99-*.conf (sysctl.d(5)).
const SYSCTL: &str = "/etc/sysctl.d/60-fitout.conf";

impl Sysctl {
    /// The settings that a machine has by a manifest.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn on(machine: &dyn Probe) -> Result<BTreeMap<String, String>, ProbeError> {
        let text = text(machine, SYSCTL)?.unwrap_or_default();
        let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
        Ok(lines.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect())
    }
}

impl Recipe for Sysctl {
    fn item(&self) -> Item {
        Item::section("sysctl")
    }

    fn lower(&self, context: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        let unit = UnitName::parse("systemd-sysctl.service").map_err(|e| vec![Problem::general(Code::BadValue, e.0)])?;
        let settings: BTreeMap<&String, &String> = context.settings.iter().chain(&self.settings).collect();
        let text = settings.iter().fold(format!("# {HEADER}\n"), |mut text, (name, value)| {
            let _ = writeln!(text, "{name} = {value}");
            text
        });
        let file = File::new(path(SYSCTL)?, Content::Inline(text.into()), Meta::root(Mode::FILE));
        let file = File { read_by: vec![unit.clone()], ..file };
        let unit = Unit { reads: vec![file.clone()], requires: vec![file.id()], ..Unit::new(unit) };
        Ok(vec![Spec::File(file), Spec::Unit(unit)])
    }
}

/// `locale`: the language of logins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locale {
    /// Such as `en_US.UTF-8`.
    pub name: String,
}

impl Recipe for Locale {
    fn item(&self) -> Item {
        Item::section("locale")
    }

    fn lower(&self, _: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        let definitions = Apt::new("locales", vec!["locales".into()], Vec::new());
        let requires = vec![crate::model::ResourceId::new("apt", &definitions.name)];
        let locale = crate::resource::Locale { name: self.name.clone(), requires, ownership: Ownership::default() };
        Ok(vec![Spec::Apt(definitions), Spec::Locale(locale)])
    }
}

/// `timezone`: what localtime(5) reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timezone {
    /// By IANA, such as `Europe/Amsterdam`.
    pub name: String,
}

impl Recipe for Timezone {
    fn item(&self) -> Item {
        Item::section("timezone")
    }

    fn lower(&self, _: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        let data = Apt::new("tzdata", vec!["tzdata".into()], Vec::new());
        let requires = vec![crate::model::ResourceId::new("apt", &data.name)];
        let link = Symlink::new(path("/etc/localtime")?, format!("/usr/share/zoneinfo/{}", self.name), requires);
        // timedatectl(1) writes it so.
        let link = Symlink { also: Some(format!("..{}", link.to)), ..link };
        // Debian's own tools read the name from here.
        let name = File::new(path("/etc/timezone")?, Content::Inline(format!("{}\n", self.name).into()), Meta::root(Mode::FILE));
        Ok(vec![Spec::Apt(data), Spec::Symlink(link), Spec::File(name)])
    }
}
