//! `custom_applications`: names, ports and paths, with the messages that Azure ML's own SDK gives.

use super::desk::Desk;
use super::software::JUPYTER_PORT;
use crate::manifest::at::At;
use crate::manifest::v1::{CustomApplication, Manifest};
use crate::problem::{Code, Place, Problem};
use crate::recipe::{Application, Want, slug};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Ports of custom applications: Azure's SDK names 1025 and 65535, and refuses both.
const PORTS: RangeInclusive<i64> = 1026..=65534;

/// The applications of a manifest.
pub fn applications(manifest: &Manifest, desk: &mut Desk<'_>) -> Vec<Want> {
    let all = &manifest.custom_applications;
    let each = || all.iter().map(|application| &application.value);
    unique("name", each().map(|application| (slug(application.name.value.as_str()), &application.name.place)), desk);
    let endpoints = || each().flat_map(|application| &application.endpoints).map(|endpoint| &endpoint.value);
    unique("published", endpoints().map(|endpoint| (endpoint.published.value.to_string(), &endpoint.published.place)), desk);
    let ports = endpoints().flat_map(|endpoint| [("target", &endpoint.target), ("published", &endpoint.published)]);
    for (field, port) in ports.filter(|(_, port)| !PORTS.contains(&port.value)) {
        let help = format!("write a number from {} to {}", PORTS.start(), PORTS.end());
        let message = format!("Value of {field} must be between {} and {}: {}", PORTS.start() - 1, PORTS.end() + 1, port.value);
        desk.say(Code::BadValue, &port.place, message, help);
    }
    beside_jupyter(manifest, endpoints().map(|endpoint| &endpoint.published), desk);
    for path in each().flat_map(|application| &application.bind_mounts).flat_map(|mount| [&mount.value.source, &mount.value.target]) {
        mount(path, desk);
    }
    for application in all.iter().filter(|application| application.value.endpoints.is_empty()) {
        let name = &application.value.name;
        let help = "add `endpoints: [{target: 8787, published: 8787}]`";
        desk.say_lack(application, &name.place, "an application without a port cannot be reached", help);
    }
    each().map(|application| Want::Application(wanted(application, desk))).collect()
}

/// Reports every value that another application has as well.
fn unique<'p>(field: &str, values: impl IntoIterator<Item = (String, &'p Place)>, desk: &mut Desk<'_>) {
    let mut seen: BTreeMap<String, &Place> = BTreeMap::new();
    for (value, place) in values {
        let Some(first) = seen.get(&value).copied() else {
            seen.insert(value, place);
            continue;
        };
        let message = format!("Value of {field} must be unique across all custom applications: `{value}` is there twice");
        let problem = Problem::at(Code::Conflict, place, message).earlier(first);
        desk.report(problem.suggest("give each its own, or remove one"));
    }
}

/// Reports every port on which Jupyter listens already, whichever of the two would come first at a boot.
fn beside_jupyter<'p>(manifest: &Manifest, ports: impl Iterator<Item = &'p At<i64>>, desk: &mut Desk<'_>) {
    let Some(jupyter) = &manifest.jupyter else { return };
    let said = jupyter.value.port.as_ref();
    let (taken, place) = said.map_or((i64::from(JUPYTER_PORT), &jupyter.place), |port| (port.value, &port.place));
    for port in ports.filter(|port| port.value == taken) {
        let problem = Problem::at(Code::Conflict, &port.place, format!("Jupyter and an application cannot both have port {taken}"));
        desk.report(problem.earlier(place).suggest("publish the application on another port, or write another one under `jupyter`"));
    }
}

fn mount(path: &At<String>, desk: &mut Desk<'_>) {
    if !path.value.starts_with('/') {
        desk.say(Code::BadValue, &path.place, format!("`{}` is not absolute", path.value), "write a path that starts with `/`");
    } else if path.value.contains(':') || path.value.chars().any(char::is_control) {
        desk.say(
            Code::BadValue,
            &path.place,
            "a container takes no path with `:` or control characters",
            "mount another path, such as a link to it",
        );
    }
}

fn wanted(application: &CustomApplication, desk: &mut Desk<'_>) -> Application {
    for value in application.environment_variables.values().filter(|value| value.value.0.chars().any(char::is_control)) {
        desk.say(
            Code::BadValue,
            &value.place,
            "a variable of a container is one line",
            "write it without line ends and control characters",
        );
    }
    // What is no port was reported.
    let port = |port: &At<i64>| u16::try_from(port.value).unwrap_or_default();
    let mounts = application.bind_mounts.iter().map(|mount| &mount.value);
    let ports = application.endpoints.iter().map(|endpoint| (port(&endpoint.value.published), port(&endpoint.value.target)));
    let environment = &application.environment_variables;
    Application {
        name: application.name.value.as_str().to_owned(),
        image: application.image.reference.as_str().to_owned(),
        ports: ports.collect(),
        mounts: mounts.map(|mount| (mount.source.value.clone(), mount.target.value.clone())).collect(),
        environment: environment.iter().map(|(name, value)| (name.as_str().to_owned(), value.value.0.clone())).collect(),
    }
}
