//! A case as its file says it, and the machine that it begins with.

use fitout::model::{TargetPath, UnitName};
use fitout::step::Ability;
use fitout::target::fake::{Behaviour, Fake, Node};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// A case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows, in a line.
    #[serde(rename = "about")]
    _about: String,
    /// What the machine can do.
    #[serde(default)]
    ground: Ground,
    /// How it is before.
    #[serde(default)]
    machine: World,
    /// How its programs behave.
    #[serde(default)]
    programs: Behaviour,
    /// What is asked of it.
    pub manifest: String,
    /// Files that the manifest names.
    #[serde(default)]
    pub beside: BTreeMap<String, String>,
    /// What happens between the first apply and the second.
    #[serde(default)]
    pub between: Between,
    /// What happens between the second apply and further ones.
    #[serde(default)]
    pub then: Vec<Between>,
    /// What is shown after each apply; `active` is what runs.
    #[serde(default)]
    pub show: Vec<String>,
    /// The story of the case.
    #[serde(default)]
    pub expect: String,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ground {
    /// A machine that runs.
    #[default]
    Live,
    /// A root of one machine, or a container without systemd.
    Root,
    /// A root of many machines.
    Image,
}

impl Ground {
    const fn abilities(self) -> &'static [Ability] {
        match self {
            Self::Live => &[Ability::Files, Ability::Exec, Ability::Instance, Ability::RunningSystem],
            Self::Root => &[Ability::Files, Ability::Exec, Ability::Instance, Ability::Creation],
            Self::Image => &[Ability::Files, Ability::Exec, Ability::Creation],
        }
    }
}

/// What happens between two applies.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Between {
    /// The machine starts anew.
    reboot: bool,
    /// Someone edits files.
    edit: BTreeMap<TargetPath, Entry>,
    /// Someone removes files, before the edits.
    remove: Vec<TargetPath>,
    /// Someone makes links.
    links: BTreeMap<TargetPath, String>,
    /// Someone makes directories, with this mode.
    directories: BTreeMap<TargetPath, String>,
    /// The manifest becomes another.
    pub manifest: Option<String>,
}

/// A machine before anything is done.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct World {
    files: BTreeMap<TargetPath, Entry>,
    links: BTreeMap<TargetPath, String>,
    directories: BTreeMap<TargetPath, String>,
    /// What Fitout wrote earlier, whatever is there now.
    wrote: BTreeMap<TargetPath, String>,
    /// Lines of passwd and group.
    users: Vec<String>,
    groups: Vec<String>,
    /// Package to version, or to `version state` where dpkg left it in between.
    packages: BTreeMap<String, String>,
    /// Those of the packages that dpkg has as essential.
    essential: Vec<String>,
    /// Whether apt's lists are there and current.
    lists: bool,
    units: Vec<UnitName>,
    enabled: Vec<UnitName>,
    active: Vec<UnitName>,
}

/// A file: its text, or its text with mode and owner.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Entry {
    Text(String),
    Whole { text: String, mode: String, ids: (u32, u32) },
}

impl Entry {
    fn node(&self) -> Node {
        match self {
            Self::Text(text) => Node::file(text.as_str(), 0o644, (0, 0)),
            Self::Whole { text, mode, ids } => Node::file(text.as_str(), octal(mode), *ids),
        }
    }
}

fn octal(text: &str) -> u32 {
    u32::from_str_radix(text, 8).unwrap()
}

fn path(text: &str) -> TargetPath {
    TargetPath::parse(text).unwrap()
}

impl Case {
    /// The machine that it begins with.
    pub fn machine(&self) -> Fake {
        let fake = Fake::debian(self.ground.abilities(), self.programs.clone()).unwrap();
        self.machine.arrange(&fake);
        fake
    }
}

impl Between {
    /// Lets it happen.
    pub fn happen(&self, on: &Fake) {
        if self.reboot {
            on.reboot().unwrap();
        }
        on.arrange(|tree| {
            self.remove.iter().for_each(|path| tree.remove(path));
            self.links.iter().try_for_each(|(path, to)| tree.put(path, Node::link(to)))?;
            self.directories.iter().try_for_each(|(path, mode)| tree.put(path, Node::directory(octal(mode), (0, 0))))?;
            self.edit.iter().try_for_each(|(path, entry)| tree.put(path, entry.node()))
        })
        .unwrap();
    }
}

impl World {
    fn arrange(&self, fake: &Fake) {
        let mut nodes: Vec<(TargetPath, Node)> = Vec::new();
        nodes.extend(self.directories.iter().map(|(path, mode)| (path.clone(), Node::directory(octal(mode), (0, 0)))));
        nodes.extend(self.files.iter().map(|(path, entry)| (path.clone(), entry.node())));
        nodes.extend(self.links.iter().map(|(path, to)| (path.clone(), Node::link(to))));
        let text = |at: &str, text: String| (path(at), Node::file(text, 0o644, (0, 0)));
        nodes.extend(
            self.units
                .iter()
                .map(|unit| text(&format!("/usr/lib/systemd/system/{unit}"), "[Install]\nWantedBy=multi-user.target\n".into())),
        );
        let wants = |unit: &UnitName| path(&format!("/etc/systemd/system/multi-user.target.wants/{unit}"));
        nodes.extend(self.enabled.iter().map(|unit| (wants(unit), Node::link(&format!("/usr/lib/systemd/system/{unit}")))));
        if !self.packages.is_empty() {
            nodes.push(text("/var/lib/dpkg/status", self.status()));
        }
        fake.arrange(|tree| {
            let mut append = |at: &str, lines: &[String]| {
                let text = lines.iter().fold(tree.text(&path(at)), |all, line| all + line + "\n");
                tree.put(&path(at), Node::file(text, 0o644, (0, 0)))
            };
            append("/etc/passwd", &self.users)?;
            append("/etc/group", &self.groups)?;
            nodes.into_iter().try_for_each(|(path, node)| tree.put(&path, node))
        })
        .unwrap();
        if self.lists {
            fake.update().unwrap();
        }
        self.wrote.iter().for_each(|(path, text)| fake.wrote(path, text));
        self.active.iter().for_each(|unit| fake.start(unit.clone()));
    }

    fn status(&self) -> String {
        self.packages.iter().fold(String::new(), |mut all, (name, said)| {
            let (version, state) = said.split_once(' ').unwrap_or((said, "installed"));
            let essential = if self.essential.contains(name) { "Essential: yes\n" } else { "" };
            writeln!(all, "Package: {name}\n{essential}Status: install ok {state}\nArchitecture: amd64\nVersion: {version}\n").unwrap();
            all
        })
    }
}
