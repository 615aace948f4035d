//! `packages`: operating system packages and the repositories that they come from.

use super::{Context, Item, Recipe};
use crate::model::{Invalid, Meta, Mode, ResourceId, TargetPath};
use crate::problem::{Code, Problem};
use crate::resource::{Apt, Debconf, File, Hold, Ownership, Reply, Spec, Uninstalled};
use crate::step::Content;
use std::collections::BTreeMap;

/// `packages.install`: one request, one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packages {
    /// `name` or `name=version`, in the order of the manifest.
    pub install: Vec<String>,
    /// Names of packages that are not to be.
    pub remove: Vec<String>,
    /// Names of packages that no upgrade changes.
    pub hold: Vec<String>,
    /// Answers to what packages ask, by package.
    pub answers: BTreeMap<String, Vec<Reply>>,
    /// Repositories of the same manifest, which come first.
    pub repositories: Vec<String>,
}

impl Recipe for Packages {
    fn item(&self) -> Item {
        Item::section("packages.install")
    }

    fn lower(&self, _: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        let answers: Vec<Debconf> =
            self.answers.iter().map(|(name, replies)| Debconf { package: name.clone(), answers: replies.clone() }).collect();
        let asked = answers.iter().map(|one| ResourceId::new("debconf", &one.package));
        let install = Apt::new("packages", self.install.clone(), known_to_apt(&self.repositories).into_iter().chain(asked).collect());
        let named = |name: &String| self.install.iter().any(|request| crate::step::package_name(request) == name);
        let requires = self.hold.iter().any(named).then(|| ResourceId::new("apt", "packages")).into_iter().collect();
        let hold = Hold { name: "packages".into(), packages: self.hold.clone(), requires, ownership: Some(Ownership::default()) };
        let remove = Uninstalled { name: "packages".into(), packages: self.remove.clone(), ownership: Ownership::default() };
        // What is removed may be in the way of what is installed.
        let remove = (!self.remove.is_empty()).then_some(Spec::Uninstalled(remove));
        let install = (!self.install.is_empty()).then_some(Spec::Apt(install));
        let hold = (!self.hold.is_empty()).then_some(Spec::Hold(hold));
        Ok(remove.into_iter().chain(answers.into_iter().map(Spec::Debconf)).chain(install).chain(hold).collect())
    }
}

/// What a request requires whose packages may come from these repositories.
pub(super) fn known_to_apt(repositories: &[String]) -> Vec<ResourceId> {
    repositories.iter().map(|name| ResourceId::new("file", sources_path(name))).collect()
}

/// One item of `packages.repositories`: a deb822 source with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Names its files.
    pub name: String,
    /// Where it is; `https:`, `http:` or `file:`.
    pub uri: String,
    /// Suite, or a path ending in `/` for a flat repository.
    pub suite: String,
    /// Components; empty for a flat repository.
    pub components: Vec<String>,
    /// The armoured key that signs it; its text.
    pub key: String,
}

/// The file that makes a repository known to apt.
fn sources_path(name: &str) -> String {
    format!("/etc/apt/sources.list.d/fitout-{name}.sources")
}

fn key_path(name: &str) -> String {
    format!("/etc/apt/keyrings/fitout-{name}.asc")
}

/// What a repository leaves: what makes it known, then its key.
pub(super) fn remains(name: &str) -> Result<[TargetPath; 2], Invalid> {
    Ok([TargetPath::parse(&sources_path(name))?, TargetPath::parse(&key_path(name))?])
}

impl Repository {
    /// The deb822 stanza, as sources.list(5) has it.
    fn stanza(&self) -> String {
        let components = if self.components.is_empty() { String::new() } else { format!("Components: {}\n", self.components.join(" ")) };
        format!(
            "# {}\nTypes: deb\nURIs: {}\nSuites: {}\n{components}Signed-By: {}\n",
            crate::resource::HEADER,
            self.uri,
            self.suite,
            key_path(&self.name)
        )
    }
}

impl Recipe for Repository {
    fn item(&self) -> Item {
        Item::of("packages.repositories", &self.name)
    }

    fn lower(&self, _: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        let path = |text: String| TargetPath::parse(&text).map_err(|e| vec![Problem::general(Code::BadValue, e.0)]);
        let (key, sources) = (path(key_path(&self.name))?, path(sources_path(&self.name))?);
        let file =
            |path, text: String, requires| File { requires, ..File::new(path, Content::Inline(text.into()), Meta::root(Mode::FILE)) };
        let mut specs = Vec::new();
        let mut requires = vec![ResourceId::new("file", &key)];
        if self.uri.starts_with("https:") {
            // apt cannot check a server's certificate before the authorities are there.
            let authorities = Apt::new("ca-certificates", vec!["ca-certificates".into()], Vec::new());
            requires.push(ResourceId::new("apt", &authorities.name));
            specs.push(Spec::Apt(authorities));
        }
        specs.push(Spec::File(file(key, self.key.clone(), Vec::new())));
        specs.push(Spec::File(file(sources, self.stanza(), requires)));
        Ok(specs)
    }
}
