//! Scripts on a machine that is up: who runs them, and what becomes of one that does not end, with all that it started.

use crate::machine::Machine;

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
