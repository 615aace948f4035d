//! `units`: units of systemd, switched, masked, written or extended.

use super::{Context, Item, Recipe};
use crate::model::{Meta, Mode, TargetPath, UnitName};
use crate::problem::{Code, Problem};
use crate::resource::{File, Spec, Switch, Unit};
use crate::step::Content;
use std::collections::BTreeMap;

/// One item of `units`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedUnit {
    /// Which.
    pub name: UnitName,
    /// Whether it starts at boot.
    pub enabled: Option<Switch>,
    /// Whether it runs now.
    pub active: Option<Switch>,
    /// Whether nothing can start it.
    pub masked: Option<Switch>,
    /// Its text, where no package brings it.
    pub content: Option<String>,
    /// Names and texts of drop-ins.
    pub drop_ins: BTreeMap<String, String>,
}

impl ManagedUnit {
    fn files(&self) -> Result<Vec<File>, Vec<Problem>> {
        let own = self.content.iter().map(|text| (self.name.to_string(), text));
        let extended = self.drop_ins.iter().map(|(name, text)| (format!("{}.d/{name}", self.name), text));
        let file = |(name, text): (String, &String)| {
            let path =
                TargetPath::parse(&format!("/etc/systemd/system/{name}")).map_err(|e| vec![Problem::general(Code::BadValue, e.0)])?;
            Ok(File { read_by: vec![self.name.clone()], ..File::new(path, Content::Inline(text.as_str().into()), Meta::root(Mode::FILE)) })
        };
        own.chain(extended).map(file).collect()
    }
}

impl Recipe for ManagedUnit {
    fn item(&self) -> Item {
        Item::of("units", &self.name)
    }

    fn lower(&self, _: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        let files = self.files()?;
        let unit = Unit {
            enabled: self.enabled,
            active: self.active,
            masked: self.masked,
            requires: files.iter().map(File::id).collect(),
            reads: files.clone(),
            ..Unit::new(self.name.clone())
        };
        Ok(files.into_iter().map(Spec::File).chain([Spec::Unit(unit)]).collect())
    }
}
