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
    a_script_on_a_share_leaves_its_log_there(&machine);
    machine.stop();
}

/// The share is there as any other would be: mounted. Who mounted it is no matter here.
fn a_script_on_a_share_leaves_its_log_there(machine: &Machine) {
    machine.must(&["mount", "--mkdir", "-t", "tmpfs", "tmpfs", "/srv/code"]);
    machine.must(&["sh", "-c", "mkdir -p /srv/code/Users/ada && echo 'echo \"from the share: $1\"' >/srv/code/Users/ada/setup.sh"]);
    machine.write("/srv/share.yaml", include_str!("share.yaml"));
    let (code, run) = machine.ask(&["script", "run", "startup", "-f", "/srv/share.yaml"]);
    assert_eq!(code, 0, "{run:#}");
    let log = format!("/srv/code/Logs/lab-b/startup-{}.log", run["script"]["run"]);
    assert_eq!(machine.must(&["cat", &log]), "from the share: once\n");
    machine.must(&["umount", "/srv/code"]);
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
    what_nobody_waits_for_is_on_the_page(&machine);
    what_nobody_waits_for_leaves_the_floor(&machine);
    machine.stop();
}

fn what_nobody_waits_for_is_on_the_page(machine: &Machine) {
    machine.must(&["systemd-run", "--quiet", "--unit=lab-agent", "/usr/local/bin/fitout", "agent"]);
    let page = wait_for("the page", || {
        let page = machine.ask(&["status"]).1["agent"].clone();
        (page["state"] == "Running").then_some(page)
    });
    assert_eq!(page["scripts"], serde_json::json!({"creation": "failed with exit status 3"}), "{page:#}");
    machine.must(&["systemctl", "stop", "lab-agent"]);
}

fn what_nobody_waits_for_leaves_the_floor(machine: &Machine) {
    machine.must(&["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", "/mnt"]);
    machine.write("/srv/greedy.yaml", include_str!("greedy.yaml"));
    assert_eq!(machine.ask(&["apply", "-f", "/srv/greedy.yaml"]).0, 0);
    let outcome = wait_for("the script's end", || {
        let startup = machine.ask(&["script", "list"]).1["scripts"][1].clone();
        (startup["ending"] == "interrupted").then(|| startup["outcome"].as_str().unwrap().to_owned())
    });
    assert!(outcome.contains("/mnt has ") && outcome.contains("30.0 MB must stay free"), "{outcome}");
    let running = machine.must(&["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"]);
    assert!(!running.contains("sleep 4721"), "{running}");
    machine.must(&["umount", "/mnt"]);
}
