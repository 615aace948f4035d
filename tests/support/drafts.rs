//! Manifests that Fitout writes: each is valid as it is.

use fitout::manifest::{HostFiles, Machine, MemoryFiles, STARTER, Sheets, Source, Stand, from_azure, load};
use std::fmt::Write;
use std::fs;

fn at(name: &str) -> Stand<'_> {
    Stand { name, home: None }
}

fn machine(text: &str) -> Machine {
    let key = fs::read("manifests/keys/quickstart.pub").unwrap();
    let files = MemoryFiles([("keys/ada.pub".into(), key), ("setup-scripts/create.sh".into(), b"echo made\n".to_vec())].into());
    let source = Source { name: "lab.yaml".into(), text: text.into() };
    load(&Sheets::new(source), files)
        .and_then(|manifest| manifest.on(&crate::facts("")))
        .unwrap_or_else(|rejected| panic!("{rejected}\n{text}"))
}

#[test]
fn the_starter_is_valid_with_and_without_its_suggestions() {
    assert_eq!(machine(STARTER).wants.len(), 2);
    let uncommented = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase()) || rest.starts_with("  ") => rest.to_owned(),
        Some(_) | None => line.to_owned(),
    };
    let (head, body) = STARTER.split_once("schema: 1").unwrap();
    let all: String = body.lines().map(|line| uncommented(line) + "\n").collect();
    assert!(machine(&format!("{head}schema: 1{all}")).wants.len() >= 12);
}

#[test]
fn azures_instances_become_manifests() {
    let mut all = String::new();
    let cases = [
        "azure/arm.json",
        "azure/instance.yaml",
        "manifest/azure.yaml",
        "manifest/azure_cloud.yaml",
        "manifest/azure_schedule.yaml",
        "manifest/azure_minimal.yaml",
    ];
    for case in cases {
        let name = format!("tests/cases/{case}");
        let source = Source { text: fs::read_to_string(&name).unwrap().into(), name: name.clone() };
        let text = from_azure(&source, at(&name), &HostFiles::default()).unwrap_or_else(|rejected| panic!("{rejected}"));
        let again = Source { name, text: text.as_str().into() };
        load(&Sheets::new(again), HostFiles::default()).unwrap_or_else(|rejected| panic!("{rejected}\n{text}"));
        write!(all, "=== {case}\n{text}").unwrap();
    }
    insta::assert_snapshot!(all);
}

#[test]
fn what_is_wrong_with_azures_file_is_told_where_it_stands() {
    let wrong = "type: computeinstance\nname: 1ci\nidle_time_before_shutdown_minutes: 5\n";
    let rejected = from_azure(&Source { name: "ci.yaml".into(), text: wrong.into() }, at("lab.yaml"), &MemoryFiles::default()).unwrap_err();
    let places: Vec<String> = rejected.problems.iter().map(|problem| problem.place.as_ref().unwrap().to_string()).collect();
    assert_eq!(places, ["ci.yaml:2:7", "ci.yaml:3:36"]);
    let template = fs::read_to_string("tests/cases/azure/arm.json").unwrap();
    let wrong = template.replace("\"PT30M\"", "\"30 min\"").replace("\"lab/ci-arm\"", "\"lab/1\"").replace("\"Week\"", "\"Fortnight\"");
    let rejected = from_azure(&Source { name: "ci.json".into(), text: wrong.into() }, at("lab.yaml"), &MemoryFiles::default()).unwrap_err();
    insta::assert_snapshot!(rejected.to_string());
    let expression = template.replace("\"lab/ci-arm\"", "\"[concat(parameters('ws'), '/ci')]\"");
    let made = from_azure(&Source { name: "ci.json".into(), text: expression.into() }, at("lab.yaml"), &MemoryFiles::default()).unwrap();
    assert!(made.contains("#name: \"[concat(parameters('ws'), '/ci')]\""), "{made}");
    for text in ["", "- a\n", "a: [\n", "type: amlcompute\n", "{\"properties\": {\"computeType\": \"AKS\"}}"] {
        assert!(from_azure(&Source { name: "x".into(), text: text.into() }, at("y"), &MemoryFiles::default()).is_err(), "{text}");
    }
}
