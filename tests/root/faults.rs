//! A run that is cut short loses nothing: from every instant, a plain re-run reaches the same end as a run that nobody disturbed.
//!
//! Three ways to cut: at each event of the engine (`FITOUT_FAULT`), at each system call that changes a file (strace's injection, which
//! also makes such calls fail), and at random times while packages are installed.

use crate::support::{Fitout, Root, Run, Trace, assert_recovers, canonical, command};
use std::time::{Duration, Instant};

/// Something of every kind, with packages that take a while.
pub const WITH_PACKAGES: &str = r#"
schema: 1
name: lab-one
user: {name: ada, sudo: true}
packages:
  repositories:
    - {name: tiny, uri: "file:/srv/repository", suite: ./, signed_by: tiny.asc}
  install: [tiny-tool, tiny-daemon, tiny-slow]
files:
  - {path: /etc/motd, content: "hello\n"}
  - {path: ~/notes/first.txt, content: "first\n"}
units:
  - {name: tiny-daemon.service, enabled: true}
setup_scripts:
  creation_script: {path: setup.sh}
"#;

/// A workstation of files only, before and after a change of the manifest.
pub const BEFORE: &str = r#"
schema: 1
name: lab-one
files:
  - {path: /etc/motd, content: "before\n"}
  - {path: /etc/mode, content: "same\n", mode: "0600"}
"#;
const AFTER: &str = r#"
schema: 1
name: lab-two
user: {name: ada, sudo: false}
files:
  - {path: /etc/motd, content: "after\n"}
  - {path: /etc/mode, content: "same\n", mode: "0644"}
  - {path: /opt/new/file, content: "new\n"}
  - {path: ~/notes/first.txt, content: "first\n"}
disk:
  guards: [{mount: /, minimum_free: 1MB}]
"#;

/// The calls by which Fitout itself changes a file system.
const CALLS: [&str; 11] =
    ["renameat", "rename", "unlinkat", "mkdirat", "mkdir", "symlinkat", "fsync", "fdatasync", "fchmod", "fchown", "fchmodat"];

fn workstation<'a>(root: &'a Root, manifest: &str) -> Fitout<'a> {
    let fitout = Fitout::new(root, manifest);
    // It may run again when it was cut short, so it does the same each time.
    std::fs::write(fitout.beside("setup.sh"), "echo ran > /srv/setup-ran\n").unwrap();
    fitout
}

/// The end of a run that nobody disturbs, and how long it takes.
fn undisturbed(root: &Root, manifest: &str) -> (Trace, Duration) {
    let began = Instant::now();
    workstation(root, manifest).apply();
    (canonical(root.path()), began.elapsed())
}

#[test]
fn killed_at_every_event() {
    let base = Root::fresh();
    let (expected, _) = undisturbed(&base, WITH_PACKAGES);
    let mut events = 0;
    loop {
        let root = Root::fresh();
        let fitout = workstation(&root, WITH_PACKAGES);
        let cut = Run::of(fitout.command(&["apply"]).env("FITOUT_FAULT", format!("kill@{}", events + 1)));
        if cut.code.is_some() {
            cut.ended(0);
            break;
        }
        events += 1;
        assert_recovers(&root, &fitout, &expected, &format!("a kill at event {events}"));
    }
    assert!(events > 40, "only {events} events were killed at: is FITOUT_FAULT heard?");
}

/// Of each kind something that the other manifest wants otherwise or not at all.
const ONE: &str = r#"
schema: 1
name: lab-one
user: {name: ada, shell: /bin/bash}
files:
  - {path: /srv/gone, content: "gone\n"}
  - {path: /srv/link, link: one}
  - {path: /srv/empty, state: directory}
  - {path: /srv/mode, state: directory}
"#;
const OTHER: &str = r#"
schema: 1
name: lab-two
user: {name: ada, shell: /bin/sh}
files:
  - {path: /srv/gone, state: absent}
  - {path: /srv/link, link: two}
  - {path: /srv/empty, state: absent}
  - {path: /srv/mode, state: directory, mode: "0700"}
"#;

#[test]
fn killed_on_the_way_to_another_manifest_the_former_one_is_gone_back_to() {
    let base = Root::fresh();
    let fitout = Fitout::new(&base, ONE);
    fitout.apply();
    let expected = canonical(base.path());
    for event in 1.. {
        let root = base.copy();
        let fitout = Fitout::new(&root, OTHER);
        let cut = Run::of(fitout.command(&["apply"]).env("FITOUT_FAULT", format!("kill@{event}")));
        if cut.code.is_some() {
            assert!(event > 20, "only {event} events were killed at: is FITOUT_FAULT heard?");
            break;
        }
        fitout.rewrite(ONE);
        assert_recovers(&root, &fitout, &expected, &format!("a kill at event {event} and the former manifest"));
    }
}

#[test]
fn killed_at_random_times() {
    const TIMES: u32 = 20;
    let base = Root::fresh();
    let (expected, length) = undisturbed(&base, WITH_PACKAGES);
    let mut killed = 0;
    for number in 0..TIMES {
        let root = Root::fresh();
        let fitout = workstation(&root, WITH_PACKAGES);
        let mut run = fitout.command(&["apply"]).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
        // Spread evenly, a little past the end, with the machine's own noise for chance.
        let at = length.mul_f64(1.1 * (f64::from(number) + 0.5) / f64::from(TIMES));
        std::thread::sleep(at);
        run.kill().unwrap();
        killed += u32::from(run.wait().unwrap().code().is_none());
        assert_recovers(&root, &fitout, &expected, &format!("a kill after {at:?} of {length:?}"));
    }
    assert!(killed > 0, "no run was still running when it was killed");
}

/// An apply under strace, which does this at the N-th call of this name; `None` where there is no N-th.
fn injected(fitout: &Fitout<'_>, whom: &[&str], call: &str, fault: &str, when: &str) -> Option<Run> {
    let plain = fitout.command(&["apply"]);
    let log = fitout.beside("strace.log");
    let mut strace = command("strace");
    strace.env("FITOUT_FAULT", "strace");
    strace.args(whom).arg("-o").arg(&log).args(["-e", &format!("trace={call}"), "-e", &format!("inject={call}:{fault}:when={when}")]);
    let run = Run::of(strace.arg("--").arg(plain.get_program()).args(plain.get_args()));
    let log = std::fs::read_to_string(log).unwrap();
    (log.contains("INJECTED") || log.contains("killed by SIGKILL")).then_some(run)
}

/// Does this at the first, second, … of each call that changes a file, and perhaps ever after, until a run passes that makes no more of them.
fn at_every_call(faults: &[&str], ever_after: &str) {
    let base = Root::bare();
    undisturbed(&base, BEFORE);
    let after = base.copy();
    let (expected, _) = undisturbed(&after, AFTER);
    let mut met = 0;
    for call in CALLS {
        for (number, fault) in (1..).zip(faults.iter().cycle()) {
            let root = base.copy();
            let fitout = workstation(&root, AFTER);
            let Some(cut) = injected(&fitout, &[], call, fault, &format!("{number}{ever_after}")) else { break };
            let is_full = cut.code == Some(73) && *fault == "error=ENOSPC";
            assert!(is_full || matches!(cut.code, None | Some(0 | 1 | 137)), "{fault} at {call} {number}: {cut:?}");
            assert!(!cut.stderr.contains("panicked"), "{fault} at {call} {number}: {cut:?}");
            // Only the journal, a narrative that nothing reads again, may fail without failing the run.
            let only_journal = cut.stderr.contains("the journal is incomplete");
            assert!(cut.code != Some(0) || only_journal, "{fault} at {call} {number} went unnoticed: {cut:?}");
            met += 1;
            assert_recovers(&root, &fitout, &expected, &format!("{fault} at {call} {number}"));
        }
    }
    assert!(met > 30, "only {met} calls were met: does strace work here?");
}

#[test]
fn killed_at_every_call_that_changes_a_file() {
    at_every_call(&["signal=KILL"], "");
}

/// What a disk that is full, broken, rationed or gone says.
const ERRORS: [&str; 4] = ["error=ENOSPC", "error=EIO", "error=EDQUOT", "error=EROFS"];

#[test]
fn every_call_that_changes_a_file_fails_once() {
    at_every_call(&ERRORS, "");
}

#[test]
fn from_every_call_that_changes_a_file_on_all_fail() {
    at_every_call(&ERRORS, "+");
}

/// A workstation with an account to be made by the tools of the distribution.
const ACCOUNT: &str = "schema: 1\nuser: {name: ada, sudo: true}\nfiles:\n  - {path: ~/notes, content: \"n\\n\"}\n";

#[test]
fn tools_that_make_accounts_are_killed() {
    let base = Root::fresh();
    let (expected, _) = undisturbed(&base, ACCOUNT);
    let mut killed = 0;
    for call in ["rename", "link", "unlink"] {
        for number in 1.. {
            let root = Root::fresh();
            let fitout = workstation(&root, ACCOUNT);
            if injected(&fitout, &["-f"], call, "signal=KILL", &number.to_string()).is_none() {
                break;
            }
            killed += 1;
            assert_recovers(&root, &fitout, &expected, &format!("a kill of a tool at its {call} {number}"));
        }
    }
    assert!(killed > 5, "only {killed} tools were killed: does strace work here?");
}
