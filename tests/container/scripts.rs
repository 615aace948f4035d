//! Scripts on a machine that is up: who runs them, and what becomes of one that does not end, with all that it started.

use crate::machine::{Machine, wait_for};

#[test]
fn a_script_ends_with_all_that_it_started() {
    let Some(mut machine) = Machine::fresh() else { return };
    machine.apply_offline("scripts.yaml");
    machine.start(&["systemd.mask=fitout-agent.service"]);
    assert_eq!(machine.must(&["/usr/local/bin/fitout", "script", "logs", "creation"]), "alice video\n/home/alice\nlab-b\n");
    let (code, report) = machine.ask(&["apply"]);
    assert_eq!((code, &report["failed"]), (1, &1.into()), "{report:#}");
    let running = machine.must(&["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"]);
    assert!(!running.contains("sleep 471"), "{running}");
    let (_, scripts) = machine.ask(&["script", "list"]);
    let startup = &scripts["scripts"][1];
    assert_eq!((&startup["name"], &startup["outcome"]), (&"startup".into(), &"timed out after 2s".into()), "{scripts:#}");
    assert_eq!(machine.must(&["/usr/local/bin/fitout", "script", "logs", "startup"]), "begun\n");
    machine.stop();
}

#[test]
fn a_script_in_the_background_holds_nobody_up_and_goes_on_after_a_restart() {
    let Some(mut machine) = Machine::fresh() else { return };
    assert_eq!(machine.apply_offline("background.yaml")["failed"], 0);
    machine.start(&["systemd.mask=fitout-agent.service"]);
    let (code, report) = machine.ask(&["apply"]);
    assert_eq!((code, &report["changed"]), (0, &2.into()), "{report:#}");
    assert_eq!(machine.ask(&["apply"]).1["changed"], 0);
    let (code, status) = machine.ask(&["status"]);
    let told = serde_json::json!({"creation": "failed with exit status 3", "startup": "at work"});
    assert_eq!((code, &status["scripts"]), (0, &told), "{status:#}");
    let (code, refusal) = machine.ask(&["script", "run", "startup"]);
    assert_eq!(code, 75, "{refusal:#}");
    machine.stop();
    machine.start(&["systemd.mask=fitout-agent.service"]);
    let (_, known) = machine.ask(&["script", "list"]);
    assert!(known["scripts"][1]["told"].as_str().unwrap().starts_with("interrupted: "), "{known:#}");
    assert_eq!(machine.ask(&["apply"]).0, 0);
    wait_for("the script's end", || {
        let (_, known) = machine.ask(&["script", "list"]);
        (known["scripts"][1]["ending"] == "succeeded").then_some(())
    });
    assert_eq!(machine.must(&["/usr/local/bin/fitout", "script", "logs", "startup"]), "the other half\n");
    machine.stop();
}
