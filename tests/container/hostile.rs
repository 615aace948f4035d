//! Scripts that do what they should not: each has a verdict, holds nobody up, and leaves nothing running that ought to have ended.

use crate::machine::Machine;
use serde::Deserialize;
use serde_json::{Value, json};
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

/// Most memory that a run may take beyond that of a script which does nothing, in KiB: what is kept of its output, and room around it.
const GROWTH: u64 = 48 * 1024;

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
    let cases: Vec<Case> = serde_yaml::from_str(include_str!("hostile.yaml")).unwrap();
    let mut least = None;
    for case in &cases {
        let words: Vec<&str> = if case.each.is_empty() { vec![""] } else { case.each.iter().map(String::as_str).collect() };
        for word in words {
            judge(&machine, case, word, &mut least);
        }
    }
    machine.stop();
}

fn judge(machine: &Machine, case: &Case, word: &str, least: &mut Option<u64>) {
    let about = format!("{} {word}", case.about);
    let mut script = json!({"inline": case.script.replace("{}", word), "timeout": case.timeout.as_deref().unwrap_or("5m")});
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
