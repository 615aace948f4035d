//! The life of a machine, in a container with systemd as process 1: set up offline, first boot, later boots, trouble.

#![cfg(test)]

mod application;
mod beside;
mod hostile;
mod machine;
mod notice;
mod scripts;
mod ssh;
mod stops;

use machine::{Machine, wait_for};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Resources and what waits or was done for each, as `kind:name: summary`.
type Steps = BTreeSet<String>;

/// The steps that a report says wait.
fn deferred(report: &Value) -> Steps {
    let of = |resource: &Value| {
        let id = resource["id"].as_str().unwrap().to_owned();
        let steps = resource["deferred"].as_array().unwrap().clone();
        // Each ends with what it waits for.
        steps.into_iter().map(move |step| format!("{id}: {}", step.as_str().unwrap().rsplit_once(": ").unwrap().0))
    };
    report["resources"].as_array().unwrap().iter().flat_map(of).collect()
}

/// The steps that the machine's last run performed, by its journal.
fn performed(machine: &Machine) -> Steps {
    let runs = machine.root().join("var/lib/fitout/runs");
    let numbers = std::fs::read_dir(&runs).unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<u64>().ok());
    let journal = machine.read(&format!("/var/lib/fitout/runs/{}/journal.jsonl", numbers.max().unwrap()));
    let events = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let finished = events.filter(|event| event["event"] == "step_finished");
    finished.map(|event| format!("{}: {}", event["id"].as_str().unwrap(), event["summary"].as_str().unwrap())).collect()
}

fn steps(of: &[&str]) -> Steps {
    of.iter().map(|step| (*step).to_owned()).collect()
}

const NGINX: &str = "unit:nginx.service: start nginx.service";
const CHECK: &str = "check:nginx: check nginx: /usr/sbin/nginx -t";
const MARK: &str = "unit:lab-mark.service: start lab-mark.service";
const STARTUP: &str = "script:startup: run startup script (at most 5m)";

#[test]
fn the_life_of_a_machine() {
    let Some(mut machine) = Machine::fresh() else { return };
    let offline = machine.apply_offline("life.yaml");
    assert_eq!(deferred(&offline), steps(&[NGINX, MARK, STARTUP]));
    first_boot_does_what_was_deferred_and_nothing_else(&mut machine);
    later_boots_start_only_what_nothing_else_starts(&mut machine);
    a_full_disk_is_seen_and_said(&machine);
    the_agent_ends_within_a_second(&machine);
    setting_up_can_be_stopped_and_goes_on(&machine);
    the_kernel_goes_by_the_name_of_the_machine(&machine);
    who_leaves_is_out_at_once(&machine);
    a_needed_restart_is_shown_until_it_was(&mut machine);
    machine.stop();
    a_seed_brings_another_key(&mut machine);
    a_failing_script_is_named_and_its_words_are_not(&mut machine);
}

/// The states that the agent was in since the boot, by its log.
fn states(machine: &Machine) -> Vec<String> {
    machine.must(&["journalctl", "--sync"]);
    let log = machine.must(&["journalctl", "--boot", "--unit=fitout-agent", "--output=cat", "--no-pager"]);
    log.lines().filter_map(|line| line.split_once("state: ")).map(|(_, state)| state.trim().to_owned()).collect()
}

/// By hand, the agent held back: what `apply` does is what the offline run said it would leave.
fn first_boot_does_what_was_deferred_and_nothing_else(machine: &mut Machine) {
    machine.start(&["systemd.mask=fitout-agent.service"]);
    let (code, report) = machine.ask(&["apply"]);
    assert_eq!((code, deferred(&report)), (0, Steps::new()), "{report:#}");
    // systemd itself started nginx, which is enabled: the step became needless.
    assert_eq!(performed(machine), steps(&[MARK, STARTUP]));
    for unit in ["nginx.service", "lab-mark.service", "ssh.service"] {
        machine.must(&["systemctl", "is-active", unit]);
    }
    assert_eq!(machine.ask(&["apply"]).1["changed"], 0);
    assert_eq!(machine.read("/var/log/creation.log"), "once for alice\n");
    assert_eq!(machine.read("/var/log/startup.log"), "started\n");
    machine.stop();
}

fn later_boots_start_only_what_nothing_else_starts(machine: &mut Machine) {
    // An image carries no host keys; the machine makes its own before its sshd starts.
    for key in ["rsa", "ecdsa", "ed25519"] {
        std::fs::remove_file(machine.root().join(format!("etc/ssh/ssh_host_{key}_key"))).unwrap();
    }
    machine.start(&[]);
    assert_eq!(performed(machine), steps(&[MARK, STARTUP]));
    assert!(machine.console().contains("fitout: lab-b is Running"), "{}", machine.console());
    assert_eq!(machine.read("/var/log/creation.log"), "once for alice\n");
    assert_eq!(machine.read("/var/log/startup.log"), "started\n".repeat(2));
    for unit in ["nginx.service", "ssh.service", "fitout-agent.service"] {
        machine.must(&["systemctl", "is-active", unit]);
    }
    let (code, status) = machine.ask(&["status"]);
    assert_eq!((code, &status["agent"]["state"], &status["agent"]["name"]), (0, &"Running".into(), &"lab-b".into()), "{status:#}");
    assert_eq!(states(machine), ["Creating", "SettingUp", "UserSettingUp", "Running"]);
    let told = machine.must(&["systemctl", "show", "--property=StatusText", "fitout-agent.service"]);
    assert_eq!(told.trim(), "StatusText=fitout: lab-b is Running");
    assert_eq!(machine.ask(&["apply"]).1["changed"], 0);
    let modes = machine.must(&["stat", "--format=%a %U:%G %n", "/run/fitout", "/run/fitout/agent.sock", "/run/fitout/status.json"]);
    assert_eq!(modes, "755 root:root /run/fitout\n666 root:root /run/fitout/agent.sock\n644 root:root /run/fitout/status.json\n");
    // What is for everyone is for everyone.
    assert!(machine.must(&["runuser", "-u", "alice", "--", "/usr/local/bin/fitout", "status"]).contains("lab-b is Running"));
}

fn a_full_disk_is_seen_and_said(machine: &Machine) {
    machine.must(&["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", "/mnt"]);
    machine.must(&["fallocate", "--length", "20M", "/mnt/filler"]);
    let status = wait_for("the agent's complaint", || {
        let (code, status) = machine.ask(&["status"]);
        (code == 2 && status["agent"]["degraded"][0].is_string()).then_some(status)
    });
    let said = status["agent"]["degraded"][0].as_str().unwrap();
    assert!(said.starts_with("/mnt has ") && said.ends_with("free; 50.0 MB must stay free"), "{said}");
    assert!(machine.console().contains(said), "{}", machine.console());
    machine.must(&["umount", "/mnt"]);
}

fn the_agent_ends_within_a_second(machine: &Machine) {
    let began = Instant::now();
    machine.must(&["systemctl", "stop", "fitout-agent.service"]);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    let (code, status) = machine.ask(&["status"]);
    assert_eq!((code, &status["agent"]), (0, &Value::Null), "{status:#}");
}

fn setting_up_can_be_stopped_and_goes_on(machine: &Machine) {
    machine.write("/etc/slow-at-start", "");
    machine.must(&["rm", "/var/lib/fitout/state/scripts/startup.json"]);
    machine.must(&["systemctl", "start", "--no-block", "fitout-agent.service"]);
    wait_for("the owner's script", || {
        let (_, status) = machine.ask(&["status"]);
        (status["agent"]["state"] == "UserSettingUp").then_some(())
    });
    let began = Instant::now();
    machine.must(&["systemctl", "stop", "fitout-agent.service"]);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let programs = machine.must(&["/bin/sh", "-c", "cat /proc/[0-9]*/comm || true"]);
    assert!(programs.contains("systemd\n") && !programs.contains("sleep\n"), "the script lives on:\n{programs}");
    std::fs::remove_file(machine.root().join("etc/slow-at-start")).unwrap();
    machine.must(&["systemctl", "start", "fitout-agent.service"]);
    let (code, status) = machine.ask(&["status"]);
    assert_eq!((code, &status["agent"]["state"]), (0, &"Running".into()), "{status:#}");
}

/// Sessions, timers, units, keys and rights of an account that is locked end while it is logged in; its home stays.
fn who_leaves_is_out_at_once(machine: &Machine) {
    machine.must(&["useradd", "--create-home", "--groups", "sudo", "--shell", "/bin/bash", "bob"]);
    machine.write("/home/bob/.ssh/authorized_keys", "ssh-ed25519 AAAA bob\n");
    machine.write("/home/bob/work.txt", "bob's\n");
    machine.write("/var/spool/cron/crontabs/bob", "* * * * * touch /tmp/cron\n");
    machine.write("/etc/sudoers.d/bob", "bob ALL=(ALL) NOPASSWD: ALL\n");
    machine.write(
        "/etc/systemd/system/bob.service",
        "[Service]\nUser=bob\nExecStart=/bin/sleep 1000\n[Install]\nWantedBy=multi-user.target\n",
    );
    machine.must(&["chown", "-R", "bob:bob", "/home/bob"]);
    machine.must(&["systemctl", "daemon-reload"]);
    machine.must(&["systemctl", "enable", "--now", "bob.service"]);
    machine.must(&[
        "systemd-run",
        "--uid=bob",
        "--unit=bob-session",
        "--scope",
        "--quiet",
        "/bin/sh",
        "-c",
        "setsid sleep 1000 >/dev/null 2>&1 &",
    ]);
    let processes = || machine.must(&["find", "/proc", "-maxdepth", "1", "-name", "[0-9]*", "-user", "bob"]);
    assert!(processes().lines().count() >= 2, "{}", processes());
    machine.write("/root/leave.yaml", "users: [{name: bob, state: locked}]\n");
    let (code, report) = machine.ask(&["apply", "-f", "/root/leave.yaml"]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(processes(), "");
    assert!(machine.must(&["passwd", "--status", "bob"]).starts_with("bob L "));
    assert!(!machine.inside(&["systemctl", "is-active", "--quiet", "bob.service"]).status.success());
    for gone in ["home/bob/.ssh/authorized_keys", "var/spool/cron/crontabs/bob", "etc/sudoers.d/bob"] {
        assert!(!machine.root().join(gone).exists(), "{gone} is still there");
    }
    assert_eq!(machine.read("/home/bob/work.txt"), "bob's\n");
    let (code, again) = machine.ask(&["apply", "-f", "/root/leave.yaml"]);
    assert_eq!((code, &again["changed"]), (0, &0.into()), "{again:#}");
}

/// The kernel goes by another name than the file has: a plan sees it, and an apply tells the kernel.
fn the_kernel_goes_by_the_name_of_the_machine(machine: &Machine) {
    assert_eq!(machine.must(&["hostname"]), "lab-b\n");
    machine.must(&["hostname", "other"]);
    let plan = machine.inside(&["/usr/local/bin/fitout", "plan", "--detailed-exitcode"]);
    let said = String::from_utf8_lossy(&plan.stdout);
    assert!(plan.status.code() == Some(2) && said.contains("this machine calls itself other until it is set"), "{said}");
    // The name, and a check of what may have changed with it.
    assert_eq!(machine.ask(&["apply"]).1["changed"], 2);
    assert_eq!(machine.must(&["hostname"]), "lab-b\n");
    assert_eq!(machine.ask(&["apply"]).1["changed"], 0);
}

/// A package asks for a restart: the report and the page say so until there was one, and then what waits for a start goes on.
fn a_needed_restart_is_shown_until_it_was(machine: &mut Machine) {
    machine.must(&["/bin/sh", "-c", "touch /run/reboot-required && echo linux-image-amd64 > /run/reboot-required.pkgs"]);
    machine.must(&["systemctl", "restart", "fitout-agent.service"]);
    let page = |machine: &Machine| -> Value { serde_json::from_str(&machine.must(&["cat", "/run/fitout/status.json"])).unwrap() };
    assert_eq!(page(machine)["reboot_required"], serde_json::json!(["linux-image-amd64"]));
    assert_eq!(machine.ask(&["status"]).1["reboot_required"], serde_json::json!(["linux-image-amd64"]));
    machine.stop();
    machine.start(&[]);
    assert_eq!(performed(machine), steps(&[MARK, STARTUP]));
    assert_eq!(
        (page(machine)["reboot_required"].clone(), machine.ask(&["status"]).1["reboot_required"].clone()),
        (Value::Null, Value::Null)
    );
}

fn a_seed_brings_another_key(machine: &mut Machine) {
    let seed = include_str!("seed-user-data");
    machine.write("/var/lib/cloud/seed/nocloud/meta-data", "instance-id: i-7\n");
    machine.write("/var/lib/cloud/seed/nocloud/user-data", seed);
    machine.start(&[]);
    let keys = "file:/home/alice/.ssh/authorized_keys: write /home/alice/.ssh/authorized_keys (97 B)";
    assert_eq!(performed(machine), steps(&[keys, MARK, STARTUP, CHECK]));
    let key = machine.read("/home/alice/.ssh/authorized_keys");
    assert!(seed.contains(key.trim()), "{key}");
    assert_eq!(machine.ask(&["status"]).1["agent"]["instance"], "i-7");
    machine.stop();
}

fn a_failing_script_is_named_and_its_words_are_not(machine: &mut Machine) {
    machine.write("/etc/fail-at-start", "");
    machine.start(&[]);
    let (code, status) = machine.ask(&["status"]);
    assert_eq!((code, &status["agent"]["state"]), (2, &"UserSetupFailed".into()), "{status:#}");
    let reason = status["agent"]["reason"].as_str().unwrap();
    assert!(reason.contains("script:startup") && reason.contains("exit status 3"), "{reason}");
    assert!(machine.console().contains("fitout: lab-b is UserSetupFailed"), "{}", machine.console());
    let page = machine.must(&["cat", "/run/fitout/status.json"]) + &machine.console();
    assert!(!page.contains("CANARY"), "{page}");
    let error = &status["agent"]["error"];
    assert!(error["code"] == "SetupScriptsError" && error["message"].as_str().unwrap().contains("user script setup failed"), "{error:#}");
    assert_eq!(states(machine), ["Creating", "SettingUp", "UserSettingUp", "UserSetupFailed"]);
    std::fs::remove_file(machine.root().join("etc/fail-at-start")).unwrap();
    assert_eq!(restarted(machine), (0, "Running".to_owned(), String::new()));
    every_other_state_is_told(machine);
    machine.stop();
}

/// How the machine is once its agent has begun anew: the exit status of `fitout status`, the state, and why.
fn restarted(machine: &Machine) -> (i32, String, String) {
    machine.must(&["systemctl", "restart", "fitout-agent.service"]);
    let (code, status) = machine.ask(&["status"]);
    let said = |field: &str| status["agent"][field].as_str().unwrap_or_default().to_owned();
    (code, said("state"), said("reason"))
}

fn every_other_state_is_told(machine: &Machine) {
    // What is said of this machine alone makes no manifest.
    machine.write("/etc/fitout/machine.yaml", "name: 1-lab\n");
    let (code, state, reason) = restarted(machine);
    assert!((code, state.as_str()) == (2, "SetupFailed") && reason.contains("1-lab"), "{state}: {reason}");
    // It takes room that must stay free.
    machine.must(&["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", "/mnt"]);
    machine.must(&["fallocate", "--length", "20M", "/mnt/filler"]);
    machine.write("/etc/fitout/machine.yaml", "name: lab-b\nfiles: [{path: /mnt/more, content: more}]\n");
    let (code, state, reason) = restarted(machine);
    assert!((code, state.as_str()) == (2, "Unusable") && reason.contains("must stay free"), "{state}: {reason}");
    machine.must(&["umount", "/mnt"]);
    machine.write("/etc/fitout/machine.yaml", "name: lab-b\n");
    assert_eq!(restarted(machine), (0, "Running".to_owned(), String::new()));
    let entered = states(machine).join(" ");
    let since = "Creating SettingUp SetupFailed Creating SettingUp Unusable Creating SettingUp Running";
    assert!(entered.ends_with(since), "{entered}");
}

/// An environment, its kernel and JupyterLab, made offline: nothing is fetched once the machine runs, which has no network at all.
#[test]
fn notebooks_run_in_a_registered_kernel() {
    let Some(mut machine) = Machine::fresh() else { return };
    let offline = machine.apply_offline("notebook.yaml");
    assert_eq!(deferred(&offline), steps(&["unit:fitout-jupyter.service: start fitout-jupyter.service"]));
    machine.write("/srv/notebook.py", include_str!("notebook.py"));
    machine.write("/srv/jupyter.py", include_str!("jupyter.py"));
    machine.start(&[]);
    assert_eq!(machine.ask(&["status"]).1["agent"]["state"], "Running");
    assert_eq!(machine.ask(&["apply"]).1["changed"], 0);
    let as_alice = |argv: &[&str]| machine.inside(&[&["runuser", "-l", "alice", "-c"], argv].concat());
    let answer = wait_for("JupyterLab", || {
        let asked = as_alice(&["python3 /srv/jupyter.py"]);
        asked.status.success().then(|| serde_json::from_slice::<Value>(&asked.stdout).unwrap())
    });
    assert_eq!((&answer["lab"], &answer["stranger"]), (&true.into(), &403.into()), "{answer:#}");
    // The extension that tells of stops is loaded, and is served the page that the agent writes.
    assert_eq!((&answer["notice"], &answer["page"]), (&"static/notice.js".into(), &"lab-n".into()), "{answer:#}");
    assert!(answer["kernels"].as_array().unwrap().contains(&"quick".into()), "{answer:#}");
    let ran = as_alice(&["/opt/fitout/envs/quick/bin/python /srv/notebook.py quick"]);
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(said.contains("/quick") && said.contains(" 42"), "{said}");
    let (code, verified) = machine.ask(&["verify"]);
    assert_eq!(code, 0, "{verified:#}");
    only_the_owner_comes_in(&machine);
    notebooks_that_compute_are_use(&machine);
    machine.stop();
}

fn only_the_owner_comes_in(machine: &Machine) {
    let unit = machine.must(&["systemctl", "show", "--property=User", "fitout-jupyter.service"]);
    let token = machine.must(&["stat", "--format=%a %U", "/home/alice/.jupyter/token"]);
    let listens = machine.must(&["ss", "-Hltn", "sport = :8888"]);
    let at: Vec<&str> = listens.lines().filter_map(|line| line.split_whitespace().nth(3)).collect();
    assert_eq!((unit.trim(), token.trim(), at), ("User=alice", "600 alice", vec!["127.0.0.1:8888"]));
}

/// A kernel that computes keeps the machine up, without taking a processor; one that waits, and a terminal where nobody types, do not.
fn notebooks_that_compute_are_use(machine: &Machine) {
    machine.write("/srv/use.py", include_str!("use.py"));
    let used =
        |what: &str| machine.must(&["runuser", "-l", "alice", "-c", &format!("/opt/fitout/envs/quick/bin/python /srv/use.py {what}")]);
    wait_for("the agent's first look", || {
        machine.inside(&["/usr/local/bin/fitout", "schedule", "postpone", "2h"]).status.success().then_some(())
    });
    let mut power: Value = serde_json::from_str(&machine.read("/etc/fitout/power.json")).unwrap();
    power["idle_seconds"] = 20.into();
    machine.write("/etc/fitout/power.json", &power.to_string());
    let kernel = format!("notebook kernel quick {} of alice", used("begin").trim());
    let in_use = || {
        let idle = machine.ask(&["schedule", "list"]).1["stops"]["idle"].clone();
        assert_eq!(idle["unknown"].as_array().map_or(0, Vec::len), 0, "{idle:#}");
        let used = idle["in_use"].as_array()?.iter().map(|what| what.as_str().unwrap().to_owned());
        Some(used.collect::<Vec<_>>())
    };
    let seen = wait_for("the kernel to be seen", || in_use().filter(|seen| seen.contains(&kernel)));
    assert!(seen.iter().any(|sign| sign.starts_with("Jupyter terminal 1 on port ") && sign.ends_with(" of alice")), "{seen:?}");
    wait_for("the terminal to be quiet", || in_use().filter(|seen| *seen == [kernel.clone()]));
    used("interrupt");
    wait_for("quiet", || in_use().filter(Vec::is_empty));
    assert_eq!(used("count").trim(), "1 1");
}
