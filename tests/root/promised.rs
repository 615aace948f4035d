//! The machine that `--install` promises: Fitout itself is planned, kept and looked after like the rest.

use crate::support::{Fitout, Root, Run, command, wait_until};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Stdio;

const MANIFEST: &str = "schema: 1\nfiles: [{path: /etc/lab, content: x}]\n";
const AGENT: &str = "/etc/systemd/system/fitout-agent.service";
const HOST_KEYS: &str = "/etc/systemd/system/fitout-host-keys.service";
const PROGRAM: &str = "/usr/local/bin/fitout";
const AT_BOOT: &str = "/etc/systemd/system/multi-user.target.wants/fitout-agent.service";

/// What somebody does to a machine.
type Harm<'a> = &'a dyn Fn();

/// What a plan or a report does, as `kind:name` of each resource with a step.
fn changed(document: &Value) -> BTreeSet<String> {
    let resources = document["resources"].as_array().unwrap().iter();
    resources
        .filter(|one| one["steps"].as_array().is_some_and(|steps| !steps.is_empty()))
        .map(|one| one["id"].as_str().unwrap().into())
        .collect()
}

/// A verb about the machine's own manifest.
fn own(fitout: &Fitout<'_>, verb: &[&str]) -> Run {
    Run::of(&mut fitout.question(verb))
}

#[test]
fn fitout_itself_is_planned_and_kept() {
    let root = Root::fresh();
    let fitout = Fitout::new(&root, MANIFEST);
    let planned = fitout.run(&["plan", "--install"]).succeeded();
    assert!(!fitout.beside("cache/blobs").exists(), "a plan wrote to the cache");
    let installed = fitout.run(&["apply", "--install"]).succeeded();
    assert_eq!(changed(&planned), changed(&installed));
    assert_eq!(planned["download"], 0, "this program is no download");
    for path in [PROGRAM, AGENT, HOST_KEYS] {
        assert!(changed(&planned).contains(&format!("file:{path}")), "{planned:#}");
    }
    own(&fitout, &["verify"]).ended(0);
    assert!(changed(&own(&fitout, &["apply"]).succeeded()).is_empty());

    let breaks: [(&str, Harm<'_>, &[&str]); 5] = [
        ("the program was deleted", &|| fs::remove_file(root.at(PROGRAM)).unwrap(), &["file:/usr/local/bin/fitout"]),
        ("a unit was deleted", &|| fs::remove_file(root.at(AGENT)).unwrap(), &["file:/etc/systemd/system/fitout-agent.service"]),
        ("a unit was disabled", &|| fs::remove_file(root.at(AT_BOOT)).unwrap(), &["unit:fitout-agent.service"]),
        (
            "a unit was masked",
            &|| {
                fs::remove_file(root.at(AGENT)).unwrap();
                symlink("/dev/null", root.at(AGENT)).unwrap();
            },
            &["file:/etc/systemd/system/fitout-agent.service"],
        ),
        ("nothing", &|| {}, &[]),
    ];
    for (what, harm, expected) in breaks {
        harm();
        own(&fitout, &["verify"]).ended(if expected.is_empty() { 0 } else { 2 });
        let repaired = changed(&own(&fitout, &["apply"]).succeeded());
        assert_eq!(repaired, expected.iter().map(|id| (*id).to_owned()).collect(), "after {what}");
        own(&fitout, &["verify"]).ended(0);
    }
}

#[test]
fn what_people_edit_of_fitout_is_theirs() {
    let root = Root::fresh();
    let fitout = Fitout::new(&root, MANIFEST);
    fitout.run(&["apply", "--install"]).succeeded();
    let edited = root.read(AGENT).replace("WatchdogSec=60", "WatchdogSec=120");
    root.write(AGENT, &edited);
    let found = own(&fitout, &["verify"]).ended(2).json();
    assert!(found.to_string().contains("was edited since Fitout wrote it"), "{found:#}");
    assert!(changed(&own(&fitout, &["apply"]).succeeded()).is_empty());
    assert_eq!(root.read(AGENT), edited, "the edit is gone");
    own(&fitout, &["apply", "--repair"]).succeeded();
    assert!(root.read(AGENT).contains("WatchdogSec=60"));
    own(&fitout, &["verify"]).ended(0);
}

/// Without `--install`, what an earlier Fitout wrote fits the program that it put there.
#[test]
fn another_release_changes_nothing_of_it_unasked() {
    let root = Root::fresh();
    let fitout = Fitout::new(&root, MANIFEST);
    fitout.run(&["apply", "--install"]).succeeded();
    // As an earlier release would have written it.
    let ledger = root.read("/var/lib/fitout/state/ledger.jsonl");
    let older = root.read(HOST_KEYS).replace("make the SSH host keys that are missing", "make missing SSH host keys");
    let digest = |text: &str| hex::encode(<sha2::Sha256 as sha2::Digest>::digest(text));
    root.write("/var/lib/fitout/state/ledger.jsonl", &ledger.replace(&digest(&root.read(HOST_KEYS)), &digest(&older)));
    root.write(HOST_KEYS, &older);
    root.write(PROGRAM, "an earlier program\n");
    own(&fitout, &["verify"]).ended(0);
    assert!(changed(&own(&fitout, &["apply"]).succeeded()).is_empty());
    let newer = changed(&own(&fitout, &["apply", "--install"]).succeeded());
    assert_eq!(newer, [format!("file:{HOST_KEYS}"), format!("file:{PROGRAM}")].into());
}

#[test]
fn a_run_goes_on_as_what_it_is_when_another_release_takes_its_place() {
    let root = Root::fresh();
    let slow = "setup_scripts: {creation_script: {inline: \"touch /srv/began; while [ ! -e /srv/go ]; do sleep 0.1; done\"}}\n";
    let fitout = Fitout::new(&root, &format!("{MANIFEST}{slow}checks: [{{name: last, command: [\"true\"]}}]\n"));
    // A name of its own for the program: no copy, which the kernel would not start while another test holds it open.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let program = folder.path().join("fitout");
    fs::hard_link(env!("CARGO_BIN_EXE_fitout"), &program).unwrap();
    let arguments = fitout.command(&["apply"]);
    let mut run = command(&program);
    let child = run.args(arguments.get_args()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the script runs", || root.at("/srv/began").exists());
    let newer = folder.path().join("newer");
    fs::write(&newer, "another release").unwrap();
    fs::rename(newer, program).unwrap();
    root.write("/srv/go", "");
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
}
