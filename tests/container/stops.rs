//! A machine that stops by itself: its timer, who may put a stop off, the notice on terminals, and an idle machine's end.

use crate::machine::{Machine, wait_for};
use serde_json::Value;

/// Seconds without use after which the machine of this test stops; a manifest takes 15 minutes at least.
const SHORT: u64 = 20;

#[test]
fn a_machine_stops_itself() {
    let Some(mut machine) = Machine::fresh() else { return };
    machine.apply_offline("stops.yaml");
    machine.write("/etc/fitout/stop.d/10-mark", "#!/bin/sh\ndate > /var/log/hook-ran\n");
    machine.write("/etc/fitout/stop.d/20-not-roots", "#!/bin/sh\ntouch /var/log/never\n");
    machine.start(&[]);
    machine.must(&["chmod", "0755", "/etc/fitout/stop.d/10-mark"]);
    machine.must(&["chmod", "0777", "/etc/fitout/stop.d/20-not-roots"]);
    assert_eq!(machine.ask(&["apply"]).1["changed"], 0);
    the_timer_fires_when_the_schedule_says(&machine);
    the_owner_may_put_a_stop_off_and_nobody_else(&machine);
    a_stop_by_hand_says_what_it_does(&machine);
    an_idle_machine_ends(&mut machine);
    assert!(machine.root().join("var/log/hook-ran").exists() && !machine.root().join("var/log/never").exists());
}

fn the_timer_fires_when_the_schedule_says(machine: &Machine) {
    machine.must(&["systemctl", "is-active", "fitout-stop.timer"]);
    let (code, next) = machine.ask(&["schedule", "next", "-n", "20"]);
    let stops = next["firings"].as_array().unwrap().iter().filter(|one| one["action"] == "stop");
    let first = stops.map(|one| one["time"].as_str().unwrap()).next().unwrap();
    let by_systemd = machine.must(&["systemctl", "show", "--value", "--property=NextElapseUSecRealtime", "fitout-stop.timer"]);
    let ours: jiff::Timestamp = first.parse().unwrap();
    assert_eq!((code, by_systemd.trim()), (0, ours.strftime("%a %Y-%m-%d %H:%M:%S UTC").to_string().as_str()), "{next:#}");
    // The fortnight too: systemd asks every week.
    let timer = machine.read("/etc/systemd/system/fitout-stop.timer");
    assert_eq!(timer.matches("OnCalendar=").count(), 2, "{timer}");
    // Fired by hand, now: nothing is scheduled for now, and the agent is there.
    machine.must(&["systemctl", "start", "fitout-stop.service"]);
    machine.must(&["systemctl", "is-active", "fitout-agent.service"]);
}

fn the_owner_may_put_a_stop_off_and_nobody_else(machine: &Machine) {
    let asked = |user: &str, words: &[&str]| {
        let output = machine.inside(&[&["runuser", "-u", user, "--", "/usr/local/bin/fitout", "schedule"], words].concat());
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    wait_for("the agent's first look", || (asked("alice", &["postpone", "2h"]).0 == 0).then_some(()));
    let until = wait_for("the page", || machine.ask(&["status"]).1["agent"]["stops"]["put_off_until"].as_str().map(str::to_owned));
    assert!(until.ends_with('Z'), "{until}");
    // The agent after this one keeps the promise.
    machine.must(&["systemctl", "restart", "fitout-agent"]);
    let again = wait_for("the next page", || machine.ask(&["status"]).1["agent"]["stops"]["put_off_until"].as_str().map(str::to_owned));
    let apart = again.parse::<jiff::Timestamp>().unwrap().duration_since(until.parse().unwrap());
    assert!(apart.abs() < jiff::SignedDuration::from_secs(5), "{until} {again}");
    let (code, said) = asked("alice", &["postpone", "5h"]);
    assert!(code == 1 && said.contains("put off by 4h at most"), "{said}");
    let (code, said) = asked("nobody", &["postpone", "1h"]);
    assert!(code == 1 && said.contains("only alice, whose machine this is, and root may put a stop off"), "{said}");
    assert_eq!(asked("alice", &["cancel"]).0, 0);
    assert_eq!(asked("alice", &["cancel"]), (1, "error: no stop is put off\n".into()));
}

fn a_stop_by_hand_says_what_it_does(machine: &Machine) {
    let (code, said) = machine.ask(&["stop", "--dry-run"]);
    assert_eq!((code, &said["steps"]), (0, &Value::from(vec!["run /etc/fitout/stop.d/10-mark", "power off"])), "{said:#}");
    let refused = machine.inside(&["/usr/local/bin/fitout", "restart"]);
    assert_eq!(refused.status.code(), Some(64), "{}", String::from_utf8_lossy(&refused.stderr));
}

fn an_idle_machine_ends(machine: &mut Machine) {
    // A terminal that no list of logins knows, as Jupyter's are, and somebody's work.
    let keep = "import os, pty\npid, fd = pty.fork()\nif pid == 0:\n    os.execvp('sleep', ['sleep', '900'])\nout = open('/home/alice/terminal', 'wb', 0)\nwhile True:\n    out.write(os.read(fd, 100))\n";
    machine.write("/srv/terminal.py", keep);
    machine.must(&["runuser", "-l", "alice", "-c", "nohup setsid python3 /srv/terminal.py >/dev/null 2>&1 &"]);
    machine.must(&["runuser", "-l", "alice", "-c", "nohup setsid sh -c 'while :; do :; done' >/dev/null 2>&1 & echo $! > /home/alice/job"]);
    let power: Value = serde_json::from_str(&machine.read("/etc/fitout/power.json")).unwrap();
    let mut power = power.clone();
    power["idle_seconds"] = SHORT.into();
    machine.write("/etc/fitout/power.json", &power.to_string());
    let used = wait_for("the job to be seen", || {
        let used = machine.ask(&["schedule", "list"]).1["stops"]["idle"]["in_use"].clone();
        used.as_array().is_some_and(|used| !used.is_empty()).then_some(used)
    });
    assert_eq!(used, Value::from(vec!["sh of alice at work"]));
    // Where a disk is full, a person is refused, and the stop that saves money makes room and goes on.
    machine.must(&["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", "/mnt"]);
    machine.must(&["fallocate", "--length", "20M", "/mnt/filler"]);
    let losable = ["var/cache/apt/archives/lab_1_all.deb", "var/cache/fitout/sha256/lab"];
    for file in losable {
        machine.write(file, "lab");
    }
    let (code, said) = machine.ask(&["stop", "--dry-run"]);
    let steps =
        ["remove downloaded packages", "shorten the journal", "remove Fitout's downloads", "run /etc/fitout/stop.d/10-mark", "power off"];
    assert_eq!((code, &said["steps"]), (73, &Value::from(steps.to_vec())), "{said:#}");
    assert_eq!(machine.inside(&["/usr/local/bin/fitout", "stop", "--yes"]).status.code(), Some(73));
    machine.must(&["sh", "-c", "kill $(cat /home/alice/job)"]);
    machine.ended();
    assert!(losable.iter().all(|file| !machine.root().join(file).exists()));
    let terminal = machine.read("/home/alice/terminal");
    assert!(terminal.contains("*** This machine stops in 1m, because nobody uses it."), "{terminal}");
    assert!(machine.console().contains("fitout: lab-b is Stopping: because nobody uses it"), "{}", machine.console());
}
