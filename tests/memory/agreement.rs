//! The machine in memory against a folder: what is proved on the one must hold on the other. Needs root, for owners.

use crate::pipeline::{order, perform};
use crate::properties::usual;
use fitout::apply::RunReport;
use fitout::model::TargetPath;
use fitout::step::Ability;
use fitout::store::Store;
use fitout::target::fake::{Behaviour, Fake, Kind, Node};
use fitout::target::{Ground, Machine, Probe, Target};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

/// Where things are and where files are wanted; in each other's way more often than on any real machine.
const PLACES: [&str; 6] = ["/srv/a", "/srv/a/b", "/srv/a/b/c", "/srv/d", "/srv/d/e", "/srv/f"];
const LAST: &str = PLACES[PLACES.len() - 1];
/// A user of both machines.
const ANN: (u32, u32) = (1234, 1234);

/// What is at a place before.
#[derive(Debug, Clone, Copy)]
enum Before {
    Nothing,
    File,
    AnnsFile,
    Directory,
    AnnsDirectory,
    /// To the last place, or to nothing; never in a circle.
    Link(bool),
}

/// What is wanted at a place.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    Nothing,
    File,
    PrivateOfAnn,
    CreateOnly,
}

fn before() -> impl Strategy<Value = Vec<Before>> {
    let one = prop_oneof![
        4 => Just(Before::Nothing),
        1 => Just(Before::File),
        1 => Just(Before::AnnsFile),
        1 => Just(Before::Directory),
        2 => Just(Before::AnnsDirectory),
        1 => any::<bool>().prop_map(Before::Link),
    ];
    prop::collection::vec(one, PLACES.len())
}

fn wanted() -> impl Strategy<Value = Vec<Wanted>> {
    let one = prop::sample::select(vec![Wanted::Nothing, Wanted::File, Wanted::PrivateOfAnn, Wanted::CreateOnly]);
    prop::collection::vec(one, PLACES.len())
}

fn manifest(wanted: &[Wanted]) -> String {
    let file = |(place, wanted): (&&str, &Wanted)| match wanted {
        Wanted::Nothing => None,
        Wanted::File => Some(format!("  - {{path: {place}, content: \"one\\n\"}}\n")),
        Wanted::PrivateOfAnn => Some(format!("  - {{path: {place}, content: \"two\\n\", mode: \"0600\", owner: ann}}\n")),
        Wanted::CreateOnly => Some(format!("  - {{path: {place}, content: \"three\\n\", create_only: true}}\n")),
    };
    // A manifest with a file below a file is refused: the upper one stays.
    let asked = |place: &str| PLACES.iter().zip(wanted).any(|(other, wanted)| *other == place && !matches!(wanted, Wanted::Nothing));
    let is_below = |place: &str| PLACES.iter().any(|above| place.starts_with(&format!("{above}/")) && asked(above));
    let files: String = PLACES.iter().zip(wanted).filter(|(place, _)| !is_below(place)).filter_map(file).collect();
    if files.is_empty() { "files: []\n".into() } else { format!("files:\n{files}") }
}

fn node(place: &str, before: Before) -> Option<Node> {
    match before {
        Before::Nothing => None,
        Before::File => Some(Node::file("one\n", 0o600, (0, 0))),
        Before::AnnsFile => Some(Node::file("hers\n", 0o644, ANN)),
        Before::Directory => Some(Node::directory(0o755, (0, 0))),
        Before::AnnsDirectory => Some(Node::directory(0o700, ANN)),
        Before::Link(last) => Some(Node::link(if last && place != LAST { LAST } else { "/srv/nothing" })),
    }
}

fn path(text: &str) -> TargetPath {
    TargetPath::parse(text).unwrap()
}

/// Makes the fake's files below a folder.
fn copy(fake: &Fake, root: &Path) {
    for (path, node) in fake.sight().0.nodes() {
        let at = root.join(path.as_str().trim_start_matches('/'));
        match &node.kind {
            Kind::Directory => fs::create_dir_all(&at).unwrap(),
            Kind::File(bytes) => fs::write(&at, bytes).unwrap(),
            Kind::Symlink(to) => symlink(to, &at).unwrap(),
        }
        if !matches!(node.kind, Kind::Symlink(_)) {
            chown(&at, Some(node.ids.0), Some(node.ids.1)).unwrap();
            fs::set_permissions(&at, fs::Permissions::from_mode(node.mode)).unwrap();
        }
    }
}

/// What both machines show at every place and above it.
fn seen(on: &dyn Probe) -> BTreeMap<String, String> {
    let all = PLACES.iter().flat_map(|place| path(place).ancestors().chain([path(place)]).collect::<Vec<_>>());
    let one = |path: TargetPath| {
        let stat = on.stat(&path).unwrap().map(|stat| (stat.kind, stat.mode, stat.uid, stat.gid, stat.link));
        (path.to_string(), format!("{stat:?} {:?} {:?}", on.list(&path).ok().flatten(), on.read(&path).ok().flatten()))
    };
    all.map(one).filter(|(path, _)| path.starts_with("/srv")).collect()
}

fn outcomes(report: &RunReport) -> Vec<String> {
    report.resources.iter().map(|one| format!("{} {:?}", one.id, one.outcome)).collect()
}

fn applied(text: &str, on: &dyn Target) -> Vec<String> {
    let work = order(text, &BTreeMap::new(), on).unwrap();
    let report = perform(&work, on);
    work.keep(&report.resources, on).unwrap();
    outcomes(&report)
}

proptest! {
    #![proptest_config(usual(60))]

    /// Files, directories and links: both machines end alike, and say the same of each resource, twice.
    #[test]
    fn memory_and_folder_agree(before in before(), wanted in wanted()) {
        let fake = Fake::debian(&[Ability::Files, Ability::Exec, Ability::Instance], Behaviour::default()).unwrap();
        fake.arrange(|tree| {
            tree.put(&path("/etc/passwd"), Node::file("root:x:0:0:root:/root:/bin/bash\nann:x:1234:1234::/home/ann:/bin/bash\n", 0o644, (0, 0)))?;
            tree.put(&path("/srv"), Node::directory(0o755, (0, 0)))
        }).unwrap();
        for (place, before) in PLACES.iter().zip(&before) {
            // What cannot be there, below a file or a link, is not.
            if let (Some(node), true) = (node(place, *before), fake.stat(&path(place).parent().unwrap()).unwrap().is_some_and(|above| above.link.is_none())) {
                fake.arrange(|tree| tree.put(&path(place), node)).ok();
            }
        }
        let folder = tempfile::tempdir().unwrap();
        copy(&fake, folder.path());
        let store = Store::at(folder.path().join("store"));
        let real = Machine::open(&Ground::Root(folder.path().to_owned()), store).unwrap();
        prop_assert_eq!(seen(&fake), seen(&real), "before");
        let text = manifest(&wanted);
        for time in ["once", "twice"] {
            prop_assert_eq!(applied(&text, &fake), applied(&text, &real), "{}: {}", time, &text);
            prop_assert_eq!(seen(&fake), seen(&real), "{}: {}", time, &text);
        }
    }
}
