//! One function for each thing that Fitout parses and somebody else may have written: any bytes at all go in, and it must end without a
//! panic. What more must hold of an answer, the function asserts.
//!
//! `tests/fuzz.rs` replays `fuzz/corpus` and mutations of it with every `cargo test`; `make soak` does that for longer. With a nightly
//! compiler, `fuzz_target!(|data: &[u8]| targets::manifest(data))` makes a target of cargo-fuzz of each.

use fitout::agent::Page;
use fitout::apply::RunReport;
use fitout::datasource::read_volume;
use fitout::journal::Snapshot;
use fitout::manifest::{MemoryFiles, Sheets, Source, from_azure, load, load_image};
use fitout::model::TargetPath;
use fitout::session::{Approved, foresee};
use fitout::step::Visit;
use fitout::target::{CheckVerdict, Document, Packages, Records, Verdict, policy_gaps, seal, unseal};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::Cursor;

/// A target, by the name of its corpus.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 9] = [
    ("manifest", manifest),
    ("overlay", overlay),
    ("image", image),
    ("azure", azure),
    ("state", state),
    ("reports", reports),
    ("sshd", sshd),
    ("dpkg", dpkg),
    ("media", media),
];

fn source(text: &str) -> Source {
    Source { name: "any.yaml".into(), text: text.into() }
}

/// A manifest: good, or refused with problems that can be shown.
pub fn manifest(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    told(&Sheets::new(source(&text)));
}

fn told(sheets: &Sheets) {
    let files = MemoryFiles(BTreeMap::from([("part.yaml".to_owned(), sheets.manifest.text.clone().as_bytes().to_vec())]));
    match load(sheets, files).and_then(|manifest| foresee(&manifest).map(|()| manifest)) {
        Ok(manifest) => drop(manifest.fields()),
        Err(rejected) => assert!(!rejected.problems.is_empty() && !rejected.to_string().is_empty()),
    }
}

/// What differs on one machine, over a manifest that includes; parted by the first line `%`.
pub fn overlay(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (base, over) = text.split_once("\n%\n").unwrap_or((&text, "include: [part.yaml]\n"));
    let machine = Some(Source { name: "machine.yaml".into(), text: over.into() });
    let settings = over.lines().filter_map(|line| line.split_once('=')).map(|(path, value)| (path.to_owned(), value.to_owned()));
    told(&Sheets { settings: settings.take(4).collect(), machine, ..Sheets::new(source(base)) });
}

/// An image definition.
pub fn image(data: &[u8]) {
    load_image(&source(&String::from_utf8_lossy(data))).map(drop).unwrap_or_default();
}

/// What Azure's tools write, YAML or JSON: what is made of it is a manifest.
pub fn azure(data: &[u8]) {
    let files = MemoryFiles::default();
    if let Ok(draft) = from_azure(&source(&String::from_utf8_lossy(data)), "lab.yaml", &files) {
        assert!(!format!("{draft:?}").is_empty());
    }
}

/// What Fitout keeps on a machine. What is read, is written and read again as the same.
pub fn state(data: &[u8]) {
    same::<Records>(data);
    same::<Verdict>(data);
    same::<CheckVerdict>(data);
}

fn same<D: Document + PartialEq + Debug>(data: &[u8]) {
    let Ok(path) = TargetPath::parse("/state.json") else { return };
    let Ok(read) = unseal::<D>(&path, data) else { return };
    let again = seal(&read).ok().and_then(|bytes| unseal::<D>(&path, &bytes).ok());
    assert_eq!(again.as_ref(), Some(&read));
}

/// Documents that verbs read: reports of runs, the agent's page, saved plans and states.
pub fn reports(data: &[u8]) {
    serde_json::from_slice::<RunReport>(data).map(drop).unwrap_or_default();
    serde_json::from_slice::<Page>(data).map(drop).unwrap_or_default();
    serde_json::from_slice::<Approved>(data).map(drop).unwrap_or_default();
    serde_json::from_slice::<Snapshot>(data).map(drop).unwrap_or_default();
}

/// The answer of `sshd -T`: a policy holds only where it says every word of it.
pub fn sshd(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let expect = BTreeMap::from([("passwordauthentication".to_owned(), "no".to_owned()), ("allowusers".to_owned(), "ada".to_owned())]);
    if policy_gaps(&text, &[Visit::of("ada")], &expect).is_empty() {
        assert!(text.contains("passwordauthentication no") && text.contains("allowusers ada"));
    }
}

/// dpkg's database.
pub fn dpkg(data: &[u8]) {
    let packages = Packages::parse(&String::from_utf8_lossy(data));
    assert!(packages.installed.keys().all(|name| !name.is_empty()));
}

/// A medium that a hypervisor attaches.
pub fn media(data: &[u8]) {
    read_volume(&mut Cursor::new(data), &["meta-data", "user-data"]).map(drop).unwrap_or_default();
}
