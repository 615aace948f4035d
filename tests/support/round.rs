//! What is read is written and read again as the same: random manifests, with all that YAML makes something else of when it is not quoted.

use fitout::manifest::{Machine, MemoryFiles, Remarks, Sheets, Source, Tally, load, parse, write};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

/// How many manifests.
const MANIFESTS: u32 = 10_000;

/// Text that looks like something else, or that a careless writer would break.
const ODD: [&str; 34] = [
    "no",
    "yes",
    "on",
    "null",
    "~",
    "true",
    "0755",
    "1e3",
    "1_000",
    "0x1f",
    "2026-01-01",
    ".inf",
    "- a",
    "? a",
    "a: b",
    "a #b",
    "#a",
    "&a",
    "*a",
    "!a",
    "%a",
    "@a",
    "`a`",
    "{a}",
    "[a]",
    "'a'",
    "\"a\"",
    "a\\nb",
    " a ",
    "a\tb",
    "|",
    ">",
    "é\u{1F600}\u{feff}",
    "\u{85}\u{2028}x",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        select(&ODD[..]).prop_map(str::to_owned),
        "[a-z]{1,12}",
        "[ -~]{1,40}",
        prop::collection::vec(prop_oneof![select(&ODD[..]).prop_map(str::to_owned), "[ -~]{0,20}", Just(String::new())], 1..5)
            .prop_map(|lines| lines.join("\n")),
        any::<String>(),
    ]
}

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9]{2,10}"
}

fn file(number: usize) -> impl Strategy<Value = Value> {
    (text(), select(&["0644", "0600", "0755", "0440"][..]), any::<bool>(), select(&["report", "repair", "ignore"][..])).prop_map(
        move |(content, mode, once, drift)| json!({"path": format!("/srv/{number}/file"), "content": content, "mode": mode, "create_only": once, "on_drift": drift}),
    )
}

fn section() -> impl Strategy<Value = Vec<(&'static str, Value)>> {
    let files = (1..6usize).prop_flat_map(|count| (0..count).map(file).collect::<Vec<_>>()).prop_map(|files| ("files", json!(files)));
    let checks = prop::collection::vec((prop::collection::vec(text(), 1..4), text()), 1..4).prop_map(|checks| {
        let one = |(number, (command, wanted)): (usize, (Vec<String>, String))| json!({"name": format!("check-{number}"), "command": command, "stdout_contains": wanted});
        ("checks", json!(checks.into_iter().enumerate().map(one).collect::<Vec<_>>()))
    });
    let packages = prop::collection::btree_set("[a-z][a-z0-9+.-]{2,12}", 1..8)
        .prop_map(|names| ("packages", json!({"install": names.iter().collect::<Vec<_>>(), "extras": "keep"})));
    let units = (name(), text(), any::<bool>()).prop_map(|(name, content, enabled)| {
        ("units", json!([{"name": format!("{name}.service"), "content": content, "enabled": enabled}]))
    });
    let user = (name(), any::<bool>(), prop::collection::btree_set(name(), 0..3))
        .prop_map(|(name, sudo, groups)| ("user", json!({"name": name, "sudo": sudo, "groups": groups.iter().collect::<Vec<_>>()})));
    let disk = (1..900u32, select(&["MB", "GB", "MiB", "GiB"][..]))
        .prop_map(|(size, unit)| ("disk", json!({"guards": [{"mount": "/", "minimum_free": format!("{size}{unit}")}]})));
    let script = (text(), 1..60u32)
        .prop_map(|(text, minutes)| ("setup_scripts", json!({"creation_script": {"inline": text, "timeout": format!("{minutes}m")}})));
    let said = text().prop_map(|text| ("description", json!(text)));
    let sysctl = (1..100u32).prop_map(|value| ("sysctl", json!({"vm.swappiness": value.to_string()})));
    let named = name().prop_map(|name| ("name", json!(name)));
    (files, checks, packages, units, user, disk, script, said, (sysctl, named))
        .prop_map(|(a, b, c, d, e, f, g, h, (i, j))| vec![a, b, c, d, e, f, g, h, i, j])
}

fn manifest() -> impl Strategy<Value = Value> {
    (section(), subsequence((0..10usize).collect::<Vec<_>>(), 1..6)).prop_map(|(sections, chosen)| {
        let wanted = sections.into_iter().enumerate().filter(|(number, _)| chosen.contains(number));
        wanted.map(|(_, (name, value))| (name.to_owned(), value)).collect::<serde_json::Map<_, _>>().into()
    })
}

/// What a manifest asks for, wherever it stands in the text; or what is wrong with it.
fn loaded(text: &str) -> Result<impl PartialEq + std::fmt::Debug + use<>, String> {
    read(text).map(|machine| (machine.name, machine.kind, machine.owner, machine.wants, machine.policies, machine.unmanaged))
}

fn read(text: &str) -> Result<Machine, String> {
    let source = Source { name: "lab.yaml".into(), text: text.into() };
    load(&Sheets::new(source), MemoryFiles::default())
        .and_then(|manifest| manifest.on(&crate::facts("")))
        .map_err(|rejected| rejected.problems.iter().map(|problem| problem.message.clone() + "\n").collect())
}

#[test]
fn a_text_of_comments_is_a_text() {
    let written = write(&parse("lab.yaml", "description: \"#\\n#a\"", &mut Tally::default()).root.unwrap(), &Remarks::default());
    assert_eq!(written, "\ndescription: |-\n  #\n  #a\n");
}

#[test]
fn ten_thousand_manifests_are_written_as_they_were_read() {
    let mut runner = TestRunner::new(Config { cases: MANIFESTS, failure_persistence: None, ..Config::default() });
    let valid = std::cell::Cell::new(0);
    let round = runner.run(&manifest(), |value| {
        // JSON is YAML: every text is quoted, so that nothing is in doubt.
        let first = value.to_string();
        let read = loaded(&first);
        valid.set(valid.get() + u32::from(read.is_ok()));
        let root = parse("lab.yaml", &first, &mut Tally::default()).root.unwrap();
        let written = write(&root, &Remarks::default());
        prop_assert_eq!(&loaded(&written), &read, "{}\n{}", first, written);
        let again = parse("lab.yaml", &written, &mut Tally::default()).root.map(|root| write(&root, &Remarks::default()));
        prop_assert_eq!(again, Some(written));
        Ok(())
    });
    round.unwrap_or_else(|error| panic!("{error}"));
    assert!(valid.get() > MANIFESTS / 2, "only {} were valid", valid.get());
}
