//! Conda packages made from wheels of `PyPI`, which Fitout's own resolver finds.

use super::channel::{Body, Package};
use fitout::fetch::Http;
use fitout::model::Network;
use fitout::recipe::{Answer, Answers, Question};
use fitout::resolve::{Permission, resolve};
use fitout::step::Blob;
use fitout::store::Store;
use fitout::target::Silent;
use std::io::Read;
use zip::ZipArchive;

/// Names what is made here: another text makes another channel.
pub const DEFINITION: &str = include_str!("wheels.rs");

/// The packages that these requirements come to on Python 3.11, each needing Python, the first needing all.
pub fn packages(requirements: &[&str], store: &Store) -> Vec<Package> {
    let question = Question::Python {
        requirements: requirements.iter().map(|text| (*text).to_owned()).collect(),
        version: "3.11".into(),
        machine: "x86_64".into(),
        index: None,
    };
    let answers =
        resolve(std::slice::from_ref(&question), &Answers::default(), store, (Permission::Allowed, &Network::default()), &|_| ()).unwrap();
    let Some(Answer::Python(found)) = answers.get(&question) else { panic!("no answer") };
    let wheels: Vec<&Blob> = found.wheels.iter().collect();
    Http::new().unwrap().download_all(store, &wheels, &Silent).unwrap();
    let mut packages: Vec<Package> = wheels.iter().map(|wheel| package(wheel, store)).collect();
    let all: Vec<String> =
        packages.iter().map(|package| package.name.clone()).filter(|name| !requirements.contains(&name.as_str())).collect();
    let first = packages.iter_mut().find(|package| package.name == requirements[0]).unwrap();
    first.depends.extend(all);
    packages
}

fn package(wheel: &Blob, store: &Store) -> Package {
    let name = wheel.url.rsplit('/').next().unwrap();
    let parts: Vec<&str> = name.trim_end_matches(".whl").split('-').collect();
    let pure = *parts.last().unwrap() == "any";
    let mut archive = ZipArchive::new(store.take(&wheel.sha256).unwrap()).unwrap();
    let (mut files, mut points) = (Vec::new(), Vec::new());
    for number in 0..archive.len() {
        let mut entry = archive.by_index(number).unwrap();
        let path = entry.name().unwrap().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        if path.ends_with("/entry_points.txt") {
            points = console_scripts(&String::from_utf8(bytes.clone()).unwrap());
        }
        if let Some(at) = place(&path, pure) {
            files.push((at, Body::Plain(bytes, 0o644)));
        }
    }
    let name = parts[0].to_lowercase().replace(['_', '.'], "-");
    let entry_points = pure.then_some(points);
    Package { files, entry_points, ..Package::new(&name, parts[1], &["python >=3.11,<3.12"], Vec::new()) }
}

/// Where a file of a wheel is in a package; nowhere for directories and for scripts, which only entry points of pure packages become.
fn place(path: &str, pure: bool) -> Option<String> {
    let modules = if pure { "site-packages" } else { "lib/python3.11/site-packages" };
    if path.ends_with('/') {
        return None;
    }
    match path.split_once(".data/").and_then(|(_, rest)| rest.split_once('/')) {
        Some(("data", rest)) => Some(rest.to_owned()),
        Some(("purelib" | "platlib", rest)) => Some(format!("{modules}/{rest}")),
        Some(_) => None,
        None => Some(format!("{modules}/{path}")),
    }
}

/// `name = module:function`, as a package's `link.json` has it.
fn console_scripts(text: &str) -> Vec<String> {
    let lines = text.lines().skip_while(|line| line.trim() != "[console_scripts]").skip(1);
    lines.take_while(|line| !line.starts_with('[')).filter(|line| line.contains('=')).map(|line| line.trim().to_owned()).collect()
}
