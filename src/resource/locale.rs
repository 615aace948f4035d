//! `locale`: the language of the system: generated from its definition, and named where a login reads it.

use super::{Ownership, Resource, Written};
use crate::model::{ResourceId, TargetPath};
use crate::step::{Ability, Change, Op, Step};
use crate::target::{Claims, Probe, ProbeError};
use serde::Serialize;

/// The system's locale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locale {
    /// Its name, such as `en_US.UTF-8`.
    pub name: String,
    /// What must be there first.
    pub requires: Vec<ResourceId>,
    /// Its past.
    pub ownership: Ownership,
}

/// What there is of it.
#[derive(Debug, Serialize)]
pub struct State {
    generated: bool,
    /// The one that logins get.
    lang: Option<String>,
}

/// Where generated locales are: all in one file, or a folder each.
const GENERATED: &str = "/usr/lib/locale";

/// What update-locale(8) writes, by the age of the distribution, and the list that locale-gen(8) reads.
const FILES: [&str; 3] = [NAMED, "/etc/locale.conf", "/etc/locale.gen"];
/// Where logins read it.
const NAMED: &str = "/etc/default/locale";

/// The name of the claim on the locale.
const LANG: &str = "lang";

/// A locale as the C library files it: `en_US.utf8`.
fn filed(name: &str) -> String {
    name.replace(".UTF-8", ".utf8")
}

fn path(text: &str) -> Result<TargetPath, ProbeError> {
    TargetPath::parse(text).map_err(|e| ProbeError::new("use a path", e))
}

/// The locale that logins get, if one is named.
///
/// # Errors
/// It cannot be read.
pub fn named_locale(on: &dyn Probe) -> Result<Option<String>, ProbeError> {
    let settings = String::from_utf8_lossy(&on.read(&path(NAMED)?)?.unwrap_or_default()).into_owned();
    Ok(settings.lines().find_map(|line| line.strip_prefix("LANG=")).map(|value| value.trim_matches('"').to_owned()))
}

impl Resource for Locale {
    type State = State;

    fn id(&self) -> ResourceId {
        ResourceId::new("locale", "system")
    }

    fn requires(&self) -> Vec<ResourceId> {
        self.requires.clone()
    }

    fn claims(&self) -> Claims {
        Claims::from_iter([(LANG.to_owned(), self.name.clone())])
    }

    fn ownership(&self) -> Option<&Ownership> {
        Some(&self.ownership)
    }

    fn writes(&self) -> Vec<Written> {
        FILES.map(Written::alone).into()
    }

    fn observe(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        let lang = named_locale(on)?;
        let folder = on.stat(&path(&format!("{GENERATED}/{}", filed(&self.name)))?)?.is_some();
        // The file holds the names of its locales as C strings.
        let name = format!("{}\0", filed(&self.name));
        let archive = || -> Result<bool, ProbeError> {
            let bytes = on.read(&path(&format!("{GENERATED}/locale-archive"))?)?.unwrap_or_default();
            Ok(bytes.windows(name.len()).any(|window| window == name.as_bytes()))
        };
        Ok(State { generated: folder || archive()?, lang })
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        let step = |why: String| Step::new(Change::Modify, Op::SetLocale { name: self.name.clone() }, why).needs(Ability::Exec);
        match &now.lang {
            Some(lang) if *lang == self.name && now.generated => Vec::new(),
            Some(lang) if *lang == self.name => vec![step("not generated".into())],
            Some(other) => {
                vec![step(format!("is {other}")).claim(LANG, format!("the locale was changed by hand: it is {other}, and stays so"))]
            }
            None => vec![step("absent".into())],
        }
    }
}
