//! Manifests that are wrong, and what Fitout says of them: each `tests/cases/manifest/NAME.yaml` with its `NAME.txt` beside it.
//! Files that the cases name are in `tests/cases/manifest/files/`. `UPDATE_CASES=1 cargo test --test manifest` writes the texts anew.

#![cfg(test)]

#[path = "support/drafts.rs"]
mod drafts;
#[path = "support/hostile.rs"]
mod hostile;
#[path = "support/pages.rs"]
mod pages;
#[path = "support/round.rs"]
mod round;

use fitout::manifest::{Disposition, Field, HostFiles, Machine, MemoryFiles, Rejected, Sheets, Source, explain, load, schema};
use fitout::model::{Architecture, Distribution, Facts, Gpu};
use fitout::session::foresee;
use proptest::prelude::*;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Files of a folder of the tree, where tests run.
fn listed(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.to_string_lossy().ends_with(ending));
    found.sort();
    found
}

/// Loads a manifest, and beside it `NAME.machine` and the lines `path=value` of `NAME.set`, where these exist, for the machine of `NAME.on`.
fn load_file(path: &Path) -> Result<Machine, Rejected> {
    load_on(path).map(|(machine, _)| machine)
}

/// The machine, and the fields of its manifest.
fn load_on(path: &Path) -> Result<(Machine, Vec<Field>), Rejected> {
    let source = |path: &Path| Source { name: path.to_string_lossy().into_owned(), text: fs::read_to_string(path).unwrap().into() };
    let mut sheets = Sheets::new(source(path));
    let overlay = path.with_extension("machine");
    sheets.machine = overlay.exists().then(|| source(&overlay));
    let settings = fs::read_to_string(path.with_extension("set")).unwrap_or_default();
    sheets.settings = settings.lines().map(|line| line.split_once('=').unwrap()).map(|(p, v)| (p.to_owned(), v.to_owned())).collect();
    let manifest = load(&sheets, HostFiles::default())?;
    if sheets.machine.is_none() {
        foresee(&manifest)?;
    }
    let on = facts(&fs::read_to_string(path.with_extension("on")).unwrap_or_default());
    let machine = manifest.on(&on)?;
    Ok((machine, manifest.settled(&on)?.fields()))
}

/// A machine of Debian 12 without a GPU, or what `NAME.on` says of another: `ubuntu 22.04 jammy arm64 present`.
fn facts(words: &str) -> Facts {
    let words: Vec<&str> = words.split_whitespace().collect();
    let [id, version, codename, cpu, gpu] = words.try_into().unwrap_or(["debian", "12", "bookworm", "amd64", "absent"]);
    Facts {
        distribution: Distribution { id: id.into(), version: version.into(), codename: codename.into() },
        architecture: if cpu == "arm64" { Architecture::Arm64 } else { Architecture::Amd64 },
        gpu: if gpu == "present" { Gpu::Present } else { Gpu::Absent },
        driver: None,
    }
}

/// Whether a case is about what becomes of several texts, so that what was accepted is to be seen.
fn is_composed(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy();
    ["include_", "machine_", "set_", "when_", "requires_"].iter().any(|kind| name.starts_with(kind))
}

/// Whether a case is about keys, of which some are taken with a word of warning.
fn is_about_keys(path: &Path) -> bool {
    path.file_name().unwrap().to_string_lossy().starts_with("key_")
}

fn said(path: &Path) -> String {
    match load_file(path) {
        Ok(machine) => {
            let mut shown = format!("accepted: {} wants\n", machine.wants.len());
            for want in machine.wants.iter().filter(|_| is_composed(path)) {
                writeln!(shown, "{want:?}").unwrap();
            }
            for warning in machine.warnings.iter().filter(|_| is_about_keys(path)) {
                writeln!(shown, "warning: {}; {}", warning.message, warning.suggestion.as_deref().unwrap_or_default()).unwrap();
            }
            for asked in &machine.requires {
                writeln!(shown, "{:?} requires {}", asked.item, asked.id).unwrap();
            }
            shown
        }
        Err(rejected) => rejected.to_string().replace("tests/cases/manifest/", ""),
    }
}

#[test]
fn says_what_is_wrong() {
    let update = env::var_os("UPDATE_CASES").is_some();
    let mut differences = String::new();
    let cases = listed("tests/cases/manifest", ".yaml");
    let mut rejected = 0;
    for case in cases {
        let (said, expected) = (said(&case), case.with_extension("txt"));
        rejected += usize::from(!said.starts_with("accepted"));
        if update {
            fs::write(&expected, &said).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != said {
            writeln!(differences, "--- {} now says:\n{said}", case.display()).unwrap();
        }
    }
    assert!(differences.is_empty(), "{differences}");
    assert!(rejected >= 120, "only {rejected} manifests are rejected");
}

/// A machine, and those of its manifest's fields that are not simply enforced.
fn machine(path: &str) -> (Machine, Vec<Field>) {
    let (machine, mut fields) = load_on(Path::new(path)).unwrap_or_else(|rejected| panic!("{rejected}"));
    fields.retain(|field| field.disposition != Disposition::Enforced);
    (machine, fields)
}

#[test]
fn a_full_manifest_becomes_a_machine() {
    insta::assert_debug_snapshot!(machine("tests/cases/manifest/full.yaml"));
}

#[test]
fn every_field_of_azures_has_a_disposition() {
    let of = |name: &str| load_on(Path::new(name)).unwrap_or_else(|rejected| panic!("{rejected}")).1;
    let said = |field: &Field| format!("{:<8} {} — {}\n", field.disposition.as_str(), field.path, field.why);
    let fields = ["azure_cloud", "azure_schedule"].map(|name| of(&format!("tests/cases/manifest/{name}.yaml")));
    insta::assert_snapshot!(fields.iter().flatten().map(said).collect::<String>());
}

#[test]
fn a_compute_instance_has_what_azure_gives_it() {
    insta::assert_debug_snapshot!(machine("tests/cases/manifest/azure.yaml"));
}

#[test]
fn shipped_manifests_are_good() {
    let validator = jsonschema::validator_for(schema()).unwrap();
    for path in listed("manifests", ".yaml").into_iter().chain([PathBuf::from("tests/cases/manifest/full.yaml")]) {
        load_file(&path).unwrap_or_else(|rejected| panic!("{rejected}"));
        let instance: serde_json::Value = serde_yaml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let errors: Vec<String> = validator.iter_errors(&instance).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
    }
}

/// Editors see the schema only, which `the_schema_file_is_current` holds to the program's. Where it and the program disagree is written down: the schema cannot look into files, compare fields or
/// know calendars; and it proposes one spelling where Azure's tools take several.
#[test]
fn the_schema_and_the_program_agree() {
    let checked_in = schema();
    assert_eq!(checked_in["$schema"], "http://json-schema.org/draft-07/schema#");
    jsonschema::draft7::meta::validate(checked_in).unwrap_or_else(|error| panic!("{error}"));
    let validator = jsonschema::validator_for(checked_in).unwrap();
    let (mut lenient, mut strict, mut both) = (String::new(), String::new(), 0);
    for path in listed("tests/cases/manifest", ".yaml") {
        let Ok(instance) = serde_yaml::from_str::<serde_json::Value>(&fs::read_to_string(&path).unwrap()) else { continue };
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        match (load_file(&path), validator.iter_errors(&instance).next()) {
            (Err(rejected), None) => writeln!(lenient, "{name}: {}", rejected.problems[0].message).unwrap(),
            (Ok(_), Some(error)) => writeln!(strict, "{name}: {error}").unwrap(),
            (Err(_), Some(_)) => both += 1,
            (Ok(_), None) => {}
        }
    }
    assert!(both >= 50, "only {both} manifests are refused by both");
    pages::current("tests/cases/schema.txt", &format!("Refused by the program alone:\n{lenient}\nRefused by the schema alone:\n{strict}"));
}

#[test]
fn the_schema_file_is_current() {
    pages::current("schema/workstation.schema.json", &format!("{:#}\n", schema()));
}

#[test]
fn fields_are_explained() {
    let all: Vec<String> =
        ["manifest", "user.sudo", "shares.credential", "environments.from", "type", "shares.cache.limit", "gpu.driver", "nothing"]
            .iter()
            .map(|path| explain(path).unwrap_or_else(|| format!("{path}: no such field\n")))
            .collect();
    insta::assert_snapshot!(all.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Pieces of manifests in any order never bring the reader down, and every caret points into the text.
    #[test]
    fn any_text_is_answered(pieces in proptest::collection::vec(piece(), 0..40)) {
        let text: String = pieces.concat();
        let sheets = Sheets::new(Source { name: "any.yaml".into(), text: text.as_str().into() });
        if let Err(rejected) = load(&sheets, MemoryFiles::default()) {
            prop_assert!(!rejected.problems.is_empty());
            let lines = text.split('\n').count();
            for place in rejected.problems.iter().filter_map(|problem| problem.place.as_ref()) {
                prop_assert!(place.line as usize <= lines + 1 && place.line > 0 && place.column > 0 && place.width > 0, "{}", place);
            }
            prop_assert!(!rejected.to_string().is_empty());
        }
    }
}

fn piece() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "name: ",
        "user:\n",
        "  ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        ": ",
        "\n",
        "&a ",
        "*a",
        "!!str ",
        "\"",
        "'",
        "|\n",
        ">-\n",
        "# ",
        "lab",
        "12.4",
        "no",
        "~",
        "packages: ",
        "install",
        "files:\n  - path: ",
        "/etc/x",
        "shares:\n  - ",
        "credential: {account_key: ",
        "gpu: {cuda: {version: ",
        "---\n",
        "\t",
        "é",
        "environments:\n  - {name: a, from: {",
        "? ",
        "<<: ",
        "\r\n",
        "\u{feff}",
        "\0",
        "checks: [{name: x, kernel: y, runs: z}]\n",
    ];
    proptest::sample::select(PIECES).prop_map(str::to_owned)
}
