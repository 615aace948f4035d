//! Scripts that do what they should not: each has a verdict, holds nobody up, and leaves nothing running that ought to have ended.

use crate::machine::{Machine, wait_for};
use serde::Deserialize;
use serde_json::{Value, json};
use std::process::Output;
use std::time::{Duration, Instant};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    about: String,
    /// Words that `{}` stands for, one run each.
    #[serde(default)]
    each: Vec<String>,
    script: String,
    timeout: Option<String>,
    /// More of what the manifest says of it.
    #[serde(default)]
    more: Value,
    /// Its verdict.
    ending: Option<String>,
    /// Where it stands, if it has none.
    standing: Option<String>,
    /// What the verdict says in words, in part.
    outcome: Option<String>,
    /// What its log holds.
    log: Option<String>,
    /// Seconds that it may take.
    within: Option<u64>,
    /// What is so afterwards.
    after: Option<After>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    command: Vec<String>,
    says: String,
}

/// Most memory that a run may take beyond that of a script which does nothing, in KiB.
const GROWTH: u64 = 16 * 1024;

/// What a script prints, in bytes, and how long it is given for that, in seconds: enough to overflow all that is kept; all of it with `FITOUT_HOSTILE=full`.
const SIZES: [(&str, &str, &str); 3] =
    [("FLOODING", "240", "7200"), ("FLOOD", "200000000", "10000000000"), ("LINE", "100000000", "1000000000")];

/// Runs a program, and writes the most memory that it took, in KiB.
const MEASURED: &str = "import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
open('/srv/memory', 'w').write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)";

#[test]
fn hostile_scripts_have_verdicts() {
    let Some(mut machine) = Machine::fresh() else { return };
    std::fs::copy(env!("CARGO_BIN_EXE_fitout"), machine.root().join("usr/local/bin/fitout")).unwrap();
    machine.start(&[]);
    let full = std::env::var("FITOUT_HOSTILE").is_ok_and(|size| size == "full");
    let text = SIZES
        .iter()
        .fold(include_str!("hostile.yaml").to_owned(), |text, (word, some, all)| text.replace(word, if full { all } else { some }));
    let cases: Vec<Case> = serde_yaml::from_str(&text).unwrap();
    let mut least = None;
    for case in &cases {
        let words: Vec<&str> = if case.each.is_empty() { vec![""] } else { case.each.iter().map(String::as_str).collect() };
        for word in words {
            judge(&machine, case, word, &mut least);
        }
    }
    an_agent_that_its_script_stops_comes_back(&machine);
    a_restart_in_the_middle_is_told(&mut machine);
    machine.stop();
}

fn run(machine: &Machine, script: &str) -> Output {
    let manifest = json!({"schema": 1, "setup_scripts": {"startup_script": {"inline": script}}});
    machine.write("/srv/hostile.yaml", &manifest.to_string());
    machine.inside(&["fitout", "script", "run", "startup", "-f", "/srv/hostile.yaml"])
}

/// A script that ends the agent, while it takes every processor: it is interrupted, and the agent runs it again when it is back.
fn an_agent_that_its_script_stops_comes_back(machine: &Machine) {
    let script = "[ -e /srv/once ] && exit 0\ntouch /srv/once\nfor i in 1 2 3 4; do while :; do :; done & done\n\
                  sleep 3; systemctl stop --no-block fitout-agent; sleep 4720";
    let manifest = json!({"schema": 1, "name": "lab-h", "setup_scripts": {"startup_script": {"inline": script}}});
    machine.write("/srv/hostile.yaml", &manifest.to_string());
    machine.write("/srv/install.yaml", &json!({"schema": 1, "name": "lab-h"}).to_string());
    assert_eq!(machine.ask(&["apply", "--install", "-f", "/srv/install.yaml"]).0, 0);
    machine.write("/etc/fitout/manifest.yaml", &manifest.to_string());
    let known = |what: &str| machine.ask(&["script", "list"]).1["scripts"][0][what].clone();
    machine.must(&["systemctl", "start", "--no-block", "fitout-agent"]);
    wait_for("the script to be interrupted", || (known("standing") == "interrupted").then_some(()));
    wait_for("the agent's end", || (!machine.inside(&["systemctl", "is-active", "fitout-agent"]).status.success()).then_some(()));
    machine.must(&["systemctl", "start", "fitout-agent"]);
    wait_for("the script's success", || (known("ending") == "succeeded").then_some(()));
    wait_for("the machine", || (machine.ask(&["status"]).1["agent"]["state"] == "Running").then_some(()));
    machine.must(&["systemctl", "disable", "--now", "fitout-agent"]);
}

/// The machine goes down at once, as at a power cut, and starts again: that is the verdict, and the script runs anew.
fn a_restart_in_the_middle_is_told(machine: &mut Machine) {
    run(machine, "[ -e /srv/gone ] && exit 0\ntouch /srv/gone\npoweroff --force; sleep 4720");
    machine.ended();
    machine.start(&[]);
    let (_, known) = machine.ask(&["script", "list"]);
    let run_of = &known["scripts"][0];
    assert_eq!((&run_of["standing"], &run_of["ending"]), (&"rebooted".into(), &Value::Null), "{known:#}");
    let told = String::from_utf8(machine.inside(&["fitout", "script", "list"]).stdout).unwrap();
    assert!(told.contains("interrupted: the machine restarted while it ran"), "{told}");
    let (code, planned) = machine.ask(&["plan", "--detailed-exitcode", "-f", "/srv/hostile.yaml"]);
    assert!(code == 2 && planned.to_string().contains("the machine restarted while it ran"), "{planned:#}");
    assert_eq!(machine.ask(&["apply", "-f", "/srv/hostile.yaml"]).0, 0);
    assert_eq!(machine.ask(&["script", "list"]).1["scripts"][0]["ending"], "succeeded");
}

fn judge(machine: &Machine, case: &Case, word: &str, least: &mut Option<u64>) {
    let about = format!("{} {word}", case.about);
    let mut script = json!({"inline": case.script.replace("{}", word), "timeout": case.timeout.as_deref().unwrap_or("2h")});
    for (key, value) in case.more.as_object().into_iter().flatten() {
        script[key] = value.clone();
    }
    machine.write("/srv/hostile.yaml", &json!({"schema": 1, "setup_scripts": {"startup_script": script}}).to_string());
    let began = Instant::now();
    let run = ["python3", "-c", MEASURED, "/usr/local/bin/fitout", "script", "run", "startup", "-f", "/srv/hostile.yaml"];
    let status = machine.inside(&run).status;
    let took = began.elapsed();
    let (_, known) = machine.ask(&["script", "list"]);
    let verdict = &known["scripts"][0];
    if let Some(standing) = &case.standing {
        assert_eq!(verdict["standing"], standing.as_str(), "{about}: {known:#}");
        return;
    }
    let ending = case.ending.as_deref();
    let log = machine.inside(&["fitout", "script", "logs", "startup"]).stdout;
    let text = String::from_utf8_lossy(&log);
    let beginning: String = text.chars().take(2000).collect();
    assert_eq!(verdict["ending"].as_str(), ending, "{about}: {known:#}\n{beginning}");
    assert_eq!(status.success(), matches!(ending, Some("succeeded" | "needless")), "{about}: {status}");
    let outcome = case.outcome.as_deref().unwrap_or_default().replace("{}", word);
    assert!(verdict["outcome"].as_str().unwrap().contains(&outcome), "{about}: {known:#}");
    assert!(text.contains(case.log.as_deref().unwrap_or_default()), "{about}: {beginning:?}");
    assert!(log.len() <= 17 << 20, "{about}: its log has {} bytes", log.len());
    assert!(took <= Duration::from_secs(case.within.unwrap_or(60)), "{about}: took {took:?}");
    let memory: u64 = machine.read("/srv/memory").parse().unwrap();
    assert!(memory < *least.get_or_insert(memory) + GROWTH, "{about}: took {memory} KiB");
    if ending == Some("timed_out") {
        let running = machine.must(&["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"]);
        assert!(!running.contains("sleep 471"), "{about}: {running}");
    }
    if let Some(After { command, says }) = &case.after {
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        assert_eq!(&machine.must(&command), says, "{about}");
    }
}
