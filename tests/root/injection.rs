//! Words that a shell would take for more than words, in every text of a manifest: refused, or taken as they are, and never run.

use crate::support::{Fitout, Root, Run};
use fitout::manifest::{HostFiles, Sheets, Source, load};
use fitout::session::foresee;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// One text of every kind that reaches a program, a file or a path. What is a program by its meaning (a script's text, what a unit starts) is
/// left out: that is to be run.
const MANIFEST: &str = r#"{
    "schema": 1, "name": "lab-one", "description": "lab",
    "user": {"name": "ada", "shell": "/bin/bash", "groups": ["lab"], "sudo": true},
    "users": [{"name": "eve", "state": "locked"}],
    "packages": {
        "repositories": [{"name": "tiny", "uri": "file:/srv/repository", "suite": "./", "signed_by": "tiny.asc"}],
        "install": ["tiny-data=1.*"], "remove": ["tiny-slow"], "hold": ["tiny-data"],
        "debconf": [{"package": "tiny-asks", "question": "tiny-asks/colour", "type": "string", "value": "blue"}]
    },
    "files": [
        {"path": "/srv/lab/file", "content": "text", "mode": "0644", "owner": "ada", "validate": ["true", "%s"]},
        {"path": "/srv/lab/link", "link": "file"},
        {"path": "/srv/lab/copy", "source": "beside"}
    ],
    "units": [{"name": "lab.service", "enabled": true, "content": "[Unit]\nDescription=lab\n[Install]\nWantedBy=multi-user.target\n", "drop_ins": {"10-lab.conf": "[Unit]\nDescription=lab\n"}}],
    "sysctl": {"vm.swappiness": "10"},
    "timezone": "Etc/UTC",
    "shares": [{"name": "code", "driver": "cifs", "account": "labstorage", "share": "code", "mount": "/mnt/code", "credential": {"account_key": {"file": "/etc/lab.key"}}}],
    "setup_scripts": {"creation_script": {"inline": "true", "command": "sh creation.sh word", "creates": "/srv/made"}},
    "checks": [{"name": "lab", "command": ["echo", "word"], "stdout_contains": "word"}],
    "unmanaged": ["/opt/vendor/**"],
    "on_drift": "report"
}"#;

/// What is run where a word is taken for more than one; it has no `/`, which many fields refuse for its own sake.
const PROGRAM: &str = "fitout-injected";

/// Each runs the program where something takes it for more than a word.
const WORDS: [&str; 6] = [
    "$(fitout-injected)",
    "`fitout-injected`",
    ";fitout-injected|fitout-injected&&fitout-injected#",
    "x\nfitout-injected\n",
    "';fitout-injected;\";fitout-injected;'",
    "--option=$(fitout-injected)",
];

/// Paths of all texts of a document.
fn texts(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(at.to_owned()),
        Value::Array(items) => items.iter().enumerate().for_each(|(n, item)| texts(item, &format!("{at}/{n}"), found)),
        Value::Object(fields) => fields.iter().for_each(|(key, field)| texts(field, &format!("{at}/{key}"), found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The program, in the root and on the host; where it leaves a mark on each.
fn planted(root: &Root, host: &Path) -> [PathBuf; 2] {
    let marks = [root.at("/srv/injected"), host.join("injected")];
    let text = |mark: &str| format!("#!/bin/sh\n: > {mark}\n");
    root.write(&format!("/usr/local/bin/{PROGRAM}"), &text("/srv/injected"));
    fs::write(host.join(PROGRAM), text(marks[1].to_str().unwrap())).unwrap();
    for program in [root.at(&format!("/usr/local/bin/{PROGRAM}")), host.join(PROGRAM)] {
        fs::set_permissions(program, Permissions::from_mode(0o755)).unwrap();
    }
    marks
}

/// Whether a manifest is one; what it names lies in this folder.
fn is_valid(manifest: &Value, folder: &Path) -> bool {
    let source = Source { name: folder.join("workstation.yaml").display().to_string(), text: manifest.to_string().into() };
    load(&Sheets::new(source), HostFiles::default()).and_then(|manifest| foresee(&manifest)).is_ok()
}

/// The manifest with a word in, or behind, the text of a field, where that is one.
fn with(manifest: &Value, field: &str, word: &str, folder: &Path) -> Option<Value> {
    let text = manifest.pointer(field).unwrap().as_str().unwrap();
    let changed = |text: String| {
        let mut changed = manifest.clone();
        *changed.pointer_mut(field).unwrap() = Value::String(text);
        is_valid(&changed, folder).then_some(changed)
    };
    changed(word.to_owned()).or_else(|| changed(format!("{text}{word}")))
}

#[test]
fn nothing_in_a_text_is_run() {
    let root = Root::fresh();
    root.run(&["groupadd", "lab"]);
    root.write("/etc/lab.key", "c2VjcmV0\n");
    let host = tempfile::tempdir().unwrap();
    let marks = planted(&root, host.path());
    let manifest: Value = serde_json::from_str(MANIFEST).unwrap();
    let fitout = Fitout::new(&root, MANIFEST);
    fs::write(fitout.beside("beside"), "beside\n").unwrap();
    let folder = fitout.beside("");
    fitout.apply();
    let mut fields = Vec::new();
    texts(&manifest, "", &mut fields);
    fields.retain(|field| !field.ends_with("/inline"));
    assert!(fields.len() > 40, "{fields:?}");
    let (mut refused, mut taken) = (0, 0);
    for word in WORDS {
        // One field of each item at a time, so that none keeps another from being used; all items at once.
        let mut rounds: Vec<(Value, BTreeMap<String, String>)> = Vec::new();
        for field in &fields {
            let Some(changed) = with(&manifest, field, word, &folder) else {
                refused += 1;
                continue;
            };
            taken += 1;
            let item: String = field.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
            let text = changed.pointer(field).unwrap().clone();
            let fits = |(round, items): &(Value, BTreeMap<String, String>)| {
                let mut both = round.clone();
                *both.pointer_mut(field).unwrap() = text.clone();
                (!items.contains_key(&item) && is_valid(&both, &folder)).then_some(both)
            };
            match rounds.iter_mut().find_map(|round| Some((fits(round)?, round))) {
                Some((both, round)) => {
                    round.0 = both;
                    round.1.insert(item, field.clone());
                }
                None => rounds.push((changed, BTreeMap::from([(item, field.clone())]))),
            }
        }
        for (changed, items) in rounds {
            fitout.rewrite(&changed.to_string());
            let mut apply = fitout.command(&["apply", "--repair"]);
            let path = format!("{}:{}", host.path().display(), std::env::var("PATH").unwrap());
            let run = Run::of(apply.env("PATH", path));
            assert!(matches!(run.code, Some(0 | 1)), "{word:?} in {items:?}: {run:?}");
            assert!(!marks.iter().any(|mark| mark.exists()), "{word:?} was run in one of {items:?}: {run:?}");
        }
    }
    assert!(refused > 100 && taken > 80, "{refused} were refused and {taken} taken");
}
