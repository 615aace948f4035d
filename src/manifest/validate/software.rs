//! Packages, files, units and Jupyter.

use super::desk::{CARRIED, Desk};
use super::environments;
use super::network::index;
use crate::manifest::at::At;
use crate::manifest::v1::{self, DebconfType, FileState, Manifest, State};
use crate::model::{HomePath, Owner, TargetPath, UserName};
use crate::problem::Code;
use crate::recipe::{Form, Gone, Jupyter, Locale, ManagedFile, ManagedUnit, Packages, Repository, Sysctl, Timezone, Want};
use crate::resource::{Policy, Reply, Switch, says_when_it_starts};
use crate::step::Content;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// `packages`: each repository, then one request for all packages.
pub fn packages(manifest: &Manifest, desk: &mut Desk<'_>) -> Vec<Want> {
    let Some(packages) = &manifest.packages else { return Vec::new() };
    let (repositories, install) = (&packages.repositories, &packages.install);
    desk.distinct(
        "the repository",
        repositories.iter().map(|repository| &repository.value.name).map(|name| (name.value.as_str().to_owned(), &name.place)),
    );
    let name = |package: &v1::PackageRequest| package.as_str().split('=').next().unwrap_or_default().to_owned();
    desk.distinct("the package", install.iter().map(|package| (name(&package.value), &package.place)));
    let mut wants: Vec<Want> = repositories.iter().filter_map(|repository| one_repository(repository, desk)).collect();
    let names = |list: &[At<v1::PackageRequest>]| list.iter().map(|package| package.value.as_str().to_owned()).collect::<Vec<String>>();
    let (remove, hold, answers) = (names(&packages.remove), names(&packages.hold), answers(packages, desk));
    without_version(&packages.remove, "a package that is not to be has no version", desk);
    without_version(&packages.hold, "a package is held in whichever version it has", desk);
    desk.distinct("the package", packages.hold.iter().map(|package| (name(&package.value), &package.place)));
    for package in &packages.remove {
        if install.iter().any(|wanted| name(&wanted.value) == name(&package.value)) {
            desk.say(Code::Conflict, &package.place, "this package is to be installed and not to be installed", "keep one of the two");
        }
        if packages.hold.iter().any(|held| held.value == package.value) {
            desk.say(Code::Conflict, &package.place, "this package is to be held and not to be installed", "keep one of the two");
        }
    }
    if !(install.is_empty() && remove.is_empty() && hold.is_empty() && answers.is_empty()) {
        let repositories = present_repositories(manifest);
        wants.push(Want::Packages(Packages { install: names(install), remove, hold, answers, repositories }));
    }
    wants
}

fn without_version(packages: &[At<v1::PackageRequest>], message: &str, desk: &mut Desk<'_>) {
    for package in packages {
        if let Some((name, _)) = package.value.as_str().split_once('=') {
            desk.say(Code::BadValue, &package.place, message, format!("write `{name}`"));
        }
    }
}

/// `packages.debconf`, by package.
fn answers(packages: &v1::Packages, desk: &mut Desk<'_>) -> BTreeMap<String, Vec<Reply>> {
    let mut found: BTreeMap<String, Vec<Reply>> = BTreeMap::new();
    let questions = packages.debconf.iter().map(|answer| &answer.value.question);
    desk.distinct("the question", questions.map(|question| (question.value.as_str().to_owned(), &question.place)));
    let owned: Vec<At<v1::PackageRequest>> = packages.debconf.iter().map(|answer| answer.value.package.clone()).collect();
    without_version(&owned, "a package is asked in whichever version it has", desk);
    for answer in packages.debconf.iter().map(|answer| &answer.value) {
        let value = &answer.value;
        let boolean = answer.kind != DebconfType::Boolean || ["true", "false"].contains(&value.value.as_str());
        if !boolean || value.value.contains(char::is_control) || value.value.trim() != value.value {
            desk.say(Code::BadValue, &value.place, "this is no answer of that type", "write one line; \"true\" or \"false\" for a boolean");
        }
        let reply = Reply {
            question: answer.question.value.as_str().to_owned(),
            kind: answer.kind.as_str().to_owned(),
            value: value.value.clone(),
        };
        found.entry(answer.package.value.as_str().to_owned()).or_default().push(reply);
    }
    found
}

/// The names of the repositories that apt is to know.
pub fn present_repositories(manifest: &Manifest) -> Vec<String> {
    let all = manifest.packages.iter().flat_map(|packages| &packages.repositories).map(|repository| &repository.value);
    all.filter(|repository| !State::is_absent(repository.state)).map(|repository| repository.name.value.as_str().to_owned()).collect()
}

fn one_repository(item: &At<v1::Repository>, desk: &mut Desk<'_>) -> Option<Want> {
    let repository = &item.value;
    let name = repository.name.value.as_str().to_owned();
    if State::is_absent(repository.state) {
        return Some(Want::Gone(Gone::Repository(name)));
    }
    let lacks = [("uri", repository.uri.is_none()), ("suite", repository.suite.is_none()), ("signed_by", repository.signed_by.is_none())];
    desk.say_present_lacks(item, &repository.name.place, "this repository", &lacks);
    let (uri, suite, signed_by) = (repository.uri.as_ref()?, repository.suite.as_ref()?, repository.signed_by.as_ref()?);
    match (suite.value.as_str().ends_with('/'), repository.components.is_empty()) {
        (true, false) => {
            desk.say(Code::Conflict, &suite.place, "a flat repository has no components", "remove `components`, or the `/` at the end");
        }
        (false, true) => {
            let help = "add `components:`, such as [main]; a flat repository has a suite that ends in `/`";
            desk.say_lack(item, &suite.place, "this suite needs components", help);
        }
        (true, true) | (false, false) => {}
    }
    let key = armoured_key(signed_by, desk)?;
    Some(Want::Repository(Repository {
        name,
        uri: uri.value.as_str().to_owned(),
        suite: suite.value.as_str().to_owned(),
        components: repository.components.iter().map(|component| component.as_str().to_owned()).collect(),
        key,
    }))
}

/// The text of a file that holds the key of a repository.
pub fn armoured_key(file: &At<v1::SourcePath>, desk: &mut Desk<'_>) -> Option<String> {
    let key = desk.file(file, CARRIED)?;
    if !key.text.contains("-----BEGIN PGP PUBLIC KEY BLOCK-----") {
        let message = format!("{} is not an armoured public key", key.path.display());
        desk.say(Code::BadValue, &file.place, message, "convert it with `gpg --enarmor`, or fetch the .asc file");
    }
    Some(key.text)
}

/// `files`.
pub fn files(manifest: &Manifest, desk: &mut Desk<'_>) -> Vec<Want> {
    desk.distinct("the file", manifest.files.iter().map(|file| &file.value.path).map(|path| (path.value.to_string(), &path.place)));
    manifest.files.iter().filter_map(|file| one_file(file, desk)).map(Want::ManagedFile).collect()
}

fn one_file(item: &At<v1::FileEntry>, desk: &mut Desk<'_>) -> Option<ManagedFile> {
    let file = &item.value;
    desk.check_home(&file.path);
    if file.path.value == HomePath::Home(String::new()) {
        desk.say(Code::BadValue, &file.path.place, "this is a directory", "name a file");
    }
    let owner = file.owner.as_ref().and_then(|owner| match owner.value.as_str() {
        "root" => Some(Owner::Root),
        "user" if desk.owner.is_none() => {
            desk.say_no_owner(&owner.place, "`user` is the machine's owner");
            None
        }
        "user" => desk.owner.clone().map(Owner::User),
        name => UserName::parse(name).ok().map(Owner::User),
    });
    let form = form(item, desk)?;
    super::protected::check(&file.path, &form, desk);
    if let Some(validate) = &file.validate
        && !validate.value.iter().skip(1).any(|word| word.contains("%s"))
    {
        let help = "write program and arguments as a list, such as [visudo, -cf, \"%s\"]";
        desk.say(Code::BadValue, &validate.place, "no argument holds `%s`, which stands for the file that is judged", help);
    }
    let validate = file.validate.as_ref().map(|validate| validate.value.clone());
    Some(ManagedFile { path: file.path.value.clone(), form, mode: file.mode, owner, validate })
}

/// What a file entry says is to be at its path.
fn form(item: &At<v1::FileEntry>, desk: &mut Desk<'_>) -> Option<Form> {
    let file = &item.value;
    let state = file.state.unwrap_or(FileState::Present);
    let tree = state == FileState::Directory && file.source.is_some();
    let said = file.content.is_some() || file.validate.is_some() || !tree && (file.source.is_some() || file.create_only.is_some());
    if said && (state != FileState::Present || file.link.is_some()) {
        let message = "`content`, `source`, `create_only` and `validate` are for files, not for links, directories or what is absent";
        desk.say(Code::Conflict, &file.path.place, message, "keep one of the two");
        return None;
    }
    let named = if file.link.is_some() { Some("a link") } else { Some("what is absent").filter(|_| state == FileState::Absent) };
    if let Some(what) = named.filter(|_| file.mode.is_some() || file.owner.is_some()) {
        let message = format!("`mode` and `owner` are for files and directories: {what} has none of its own");
        desk.say(Code::Conflict, &file.path.place, message, "remove them; what a link leads to has its own item");
    }
    match (state, &file.link) {
        (FileState::Present, None) => text(item, desk),
        (FileState::Present, Some(link)) => Some(Form::Link(link.value.as_str().to_owned())),
        (FileState::Directory, None) => match &file.source {
            Some(source) => Some(Form::Tree(tree_of(source, desk)?, policy(file))),
            None => Some(Form::Directory),
        },
        (FileState::Absent, None) => Some(Form::Absent),
        (FileState::Directory | FileState::Absent, Some(link)) => {
            desk.say(Code::Conflict, &link.place, "what has a `link` is a link", "remove `state`, or `link`");
            None
        }
    }
}

/// The files of a folder beside the manifest.
fn tree_of(source: &At<v1::SourcePath>, desk: &mut Desk<'_>) -> Option<BTreeMap<String, Content>> {
    let files = desk.folder(source, CARRIED)?;
    if let Some((name, _)) = files.iter().find(|(name, _)| TargetPath::root().join(name).is_err()) {
        let message = format!("{} has a name that no path of a machine may have", name.escape_debug());
        desk.say(Code::BadValue, &source.place, message, "rename the file");
        return None;
    }
    Some(files.into_iter().map(|(name, text)| (name, Content::Inline(text.into()))).collect())
}

fn policy(file: &v1::FileEntry) -> Policy {
    if file.create_only == Some(true) { Policy::CreateOnly } else { Policy::Keep }
}

fn text(item: &At<v1::FileEntry>, desk: &mut Desk<'_>) -> Option<Form> {
    let file = &item.value;
    let content = match (&file.content, &file.source) {
        (Some(content), None) => content.clone(),
        (None, Some(source)) if desk.is_folder(source) => {
            let help = "add `state: directory` to have a directory with these files";
            desk.say(Code::BadValue, &source.place, format!("`{}` is a folder", source.value.as_str()), help);
            return None;
        }
        (None, Some(source)) => desk.file(source, CARRIED)?.text.into(),
        (Some(_), Some(source)) => {
            desk.say(Code::Conflict, &source.place, "a file has `content` or a `source`, not both", "keep one of the two");
            return None;
        }
        (None, None) => {
            let help =
                "add `content:`, its text, or `source:`, the file to take it from; or `state: directory`, `state: absent`, or `link:`";
            desk.say_lack(item, &file.path.place, "this file has no content", help);
            return None;
        }
    };
    Some(Form::File(Content::Inline(content), policy(file)))
}

/// `sysctl`, `timezone`, `locale`.
pub fn system(manifest: &Manifest) -> Vec<Want> {
    let settings: BTreeMap<String, String> =
        manifest.sysctl.iter().map(|(name, value)| (name.as_str().to_owned(), value.0.clone())).collect();
    let locale = manifest.locale.as_ref().map(|locale| Want::Locale(Locale { name: locale.as_str().to_owned() }));
    let timezone = manifest.timezone.as_ref().map(|zone| Want::Timezone(Timezone { name: zone.iana().to_owned() }));
    (!settings.is_empty()).then_some(Want::Sysctl(Sysctl { settings })).into_iter().chain(timezone).chain(locale).collect()
}

/// `units`.
pub fn units(manifest: &Manifest, desk: &mut Desk<'_>) -> Vec<Want> {
    desk.distinct("the unit", manifest.units.iter().map(|unit| &unit.value.name).map(|name| (name.value.to_string(), &name.place)));
    let switch = |on: Option<bool>| on.map(|on| if on { Switch::On } else { Switch::Off });
    let one = |item: &At<v1::Unit>| {
        let unit = &item.value;
        if State::is_absent(unit.state) {
            return Want::Gone(Gone::Unit(unit.name.value.clone()));
        }
        if [unit.enabled, unit.active, unit.masked].iter().all(Option::is_none) && unit.content.is_none() && unit.drop_ins.is_empty() {
            desk.say_lack(
                item,
                &unit.name.place,
                "nothing is said about this unit",
                "add `enabled:`, `active:` or `masked:`, true or false, its `content:` or `drop_ins:`, or `state: absent`",
            );
        }
        if unit.masked == Some(true) && (unit.enabled == Some(true) || unit.active == Some(true) || unit.content.is_some()) {
            let message = "a masked unit cannot be started, enabled or written";
            desk.say(Code::Conflict, &unit.name.place, message, "keep `masked: true`, or the rest");
        }
        if let (Some(true), Some(text)) = (unit.enabled, &unit.content)
            && !std::iter::once(&text.value).chain(unit.drop_ins.values()).any(|text| says_when_it_starts(text))
        {
            let message = "`enabled: true` has this unit start at boot, and its text does not say with what";
            let help = "add a section [Install] with `WantedBy=multi-user.target` to the text, or remove `enabled`";
            desk.say(Code::Conflict, &text.place, message, help);
        }
        Want::ManagedUnit(ManagedUnit {
            name: unit.name.value.clone(),
            enabled: switch(unit.enabled),
            active: switch(unit.active),
            masked: switch(unit.masked),
            content: unit.content.as_ref().map(|text| text.value.clone()),
            drop_ins: unit.drop_ins.iter().map(|(name, text)| (name.as_str().to_owned(), text.clone())).collect(),
        })
    };
    manifest.units.iter().map(one).collect()
}

/// Ports that need no root: those from 1024 on.
const PORTS: RangeInclusive<i64> = 1024..=65535;

/// The port that Jupyter is known by.
pub const JUPYTER_PORT: u16 = 8888;

/// `jupyter`.
pub fn jupyter(manifest: &Manifest, desk: &mut Desk<'_>) -> Vec<Want> {
    let Some(jupyter) = &manifest.jupyter else { return Vec::new() };
    if desk.owner.is_none() {
        desk.say_no_owner(&jupyter.place, "Jupyter runs as the owner");
    }
    let port = jupyter.value.port.as_ref();
    if let Some(port) = port.filter(|port| !PORTS.contains(&port.value)) {
        let (first, last) = (PORTS.start(), PORTS.end());
        let message =
            if (1..*first).contains(&port.value) { format!("ports below {first} need root") } else { format!("{} is no port", port.value) };
        desk.say(Code::BadValue, &port.place, message, format!("write a port from {first} to {last}"));
    }
    environments::check_jupyter(manifest, desk);
    vec![Want::Jupyter(Jupyter {
        root: jupyter.value.root.clone().unwrap_or(HomePath::Home(String::new())),
        // What is no port was reported.
        port: port.and_then(|port| u16::try_from(port.value).ok()).unwrap_or(JUPYTER_PORT),
        python: jupyter.value.python.as_ref().map(|version| version.as_str().to_owned()),
        index: index(manifest),
    })]
}
