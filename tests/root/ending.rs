//! A clean end: a signal ends a run early, which tidies up, says what it did and did not do, and leaves nothing behind.

use crate::support::{Fitout, Root, Run, command, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, Read};
use std::process::{Child, Stdio};

const MANIFEST: &str = r#"
schema: 1
name: lab-one
files:
  - {path: /etc/motd, content: "hello\n"}
setup_scripts:
  creation_script: {path: setup.sh}
checks:
  - {name: last, command: ["true"]}
"#;

/// Asks to be ended, or does not hear of it.
const LONG: &str = "touch /srv/began; sleep 300\n";
const DEAF: &str = "trap '' TERM INT; touch /srv/began; sleep 300; sleep 300\n";

fn begun<'a>(root: &'a Root, script: &str) -> (Fitout<'a>, Child) {
    let fitout = Fitout::new(root, MANIFEST);
    std::fs::write(fitout.beside("setup.sh"), script).unwrap();
    let child = fitout.command(&["apply"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the script runs", || root.at("/srv/began").exists());
    (fitout, child)
}

fn tell(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

fn ended(mut child: Child) -> Run {
    let (mut stdout, mut stderr) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    Run { code: child.wait().unwrap().code(), stdout, stderr }
}

#[test]
fn the_first_signal_ends_the_step_in_hand() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let root = Root::fresh();
        let (fitout, child) = begun(&root, LONG);
        tell(&child, signal);
        let run = ended(child);
        let report = run.ended(code).json();
        assert_eq!(report["ended_by"], signal.as_str(), "{report:#}");
        assert!(report["failed"] == 1 && report["skipped"].as_u64() > Some(0) && report["changed"].as_u64() > Some(0), "{report:#}");
        assert!(run.stderr.contains("ending the step in hand"), "{}", run.stderr);
        assert!(root.inhabitants().is_empty() && !root.at("/usr/sbin/policy-rc.d").exists(), "it left something behind");
        std::fs::write(fitout.beside("setup.sh"), "true\n").unwrap();
        fitout.apply();
    }
}

#[test]
fn the_second_signal_ends_at_once_what_does_not_listen() {
    let root = Root::fresh();
    let (fitout, mut child) = begun(&root, DEAF);
    tell(&child, Signal::SIGTERM);
    // The first was heard once it is answered.
    child.stderr.as_mut().unwrap().read_exact(&mut [0; 8]).unwrap();
    tell(&child, Signal::SIGTERM);
    ended(child).ended(143);
    wait_until("nothing runs in the root", || root.inhabitants().is_empty());
    std::fs::write(fitout.beside("setup.sh"), "true\n").unwrap();
    fitout.apply();
}

#[test]
fn a_killed_holder_holds_nothing_and_another_s_package_manager_is_waited_for() {
    let root = Root::fresh();
    let packages = "packages:\n  repositories:\n    - {name: tiny, uri: \"file:/srv/repository\", suite: ./, signed_by: tiny.asc}\n  install: [tiny-data]\n";
    let (_, mut child) = begun(&root, LONG);
    let busy = Fitout::new(&root, packages).run(&["apply", "--lock-timeout", "0s"]);
    assert!(busy.ended(75).stderr.contains(&format!("process {} (", child.id())), "{}", busy.stderr);
    child.kill().unwrap();
    child.wait().unwrap();
    // As apt and dpkg lock: whole files, by fcntl(2), by a process that then ends.
    let hold = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.lockf(f, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()";
    let mut other = command("python3");
    other.args(["-c", hold]).arg(root.at("/var/lib/dpkg/lock-frontend")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut other = other.spawn().unwrap();
    other.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
    let fitout = Fitout::new(&root, packages);
    let quiet = fitout.command(&["apply"]);
    let mut loud = command(quiet.get_program());
    loud.args(quiet.get_args().map(|word| if word == "none" { "json".as_ref() } else { word }));
    let mut waiting = loud.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = std::io::BufReader::new(waiting.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("waiting for process") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "it did not wait for the lock");
    }
    drop(other.stdin.take());
    other.wait().unwrap();
    said.read_to_string(&mut line).unwrap();
    assert!(waiting.wait().unwrap().success(), "{line}");
    assert!(root.at("/usr/share/tiny/data").exists());
}
