//! One run at a time: who holds the lock when it is killed holds it no longer, who only looks never waits, and where no lock can be had nothing
//! is done.

use crate::support::{Fitout, Root, Run, canonical, command, must, wait_until};
use std::io::{self, BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const HOLDING: &str = "schema: 1\nsetup_scripts: {creation_script: {inline: \"touch /srv/began; sleep 300\\n\"}}\n";
const SMALL: &str = "schema: 1\nfiles: [{path: /etc/motd, content: \"hello\\n\"}]\n";

/// A run that holds the lock until it is killed.
fn holder(root: &Root) -> (Fitout<'_>, Child) {
    let fitout = Fitout::new(root, HOLDING);
    let child = fitout.command(&["apply"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("the script runs", || root.at("/srv/began").exists());
    (fitout, child)
}

/// A run that says that it waits, and what else it says.
fn waits(quiet: &Command) -> (Child, impl Iterator<Item = io::Result<String>> + use<>) {
    let mut loud = command(quiet.get_program());
    loud.args(quiet.get_args().map(|word| if word == "none" { "json".as_ref() } else { word }));
    let mut waiting = loud.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(waiting.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("\"waiting\"")), "it did not wait");
    (waiting, said)
}

#[test]
fn who_waits_goes_on_within_a_second_of_a_kill() {
    const SOON: Duration = Duration::from_secs(1);
    let root = Root::fresh();
    // The machine of the tests may be busy with something else, once.
    let quickest = (0..3).map(|_| {
        std::fs::remove_file(root.at("/srv/began")).ok();
        let (_fitout, mut holder) = holder(&root);
        let other = Fitout::new(&root, SMALL);
        let (mut waiting, said) = waits(&other.command(&["apply", "--lock-timeout", "60s"]));
        let began = Instant::now();
        holder.kill().unwrap();
        let mine = format!("process {} (", waiting.id());
        wait_until("the other has the lock", || root.read("/var/lib/fitout/lock").starts_with(&mine));
        let took = began.elapsed();
        holder.wait().unwrap();
        said.for_each(|line| drop(line.unwrap()));
        assert!(waiting.wait().unwrap().success());
        took
    });
    let quickest = quickest.min().unwrap();
    assert!(quickest < SOON, "{quickest:?}");
}

/// Until it has the lock, another run may change anything, the manifest too: all that a run works from is read afterwards.
#[test]
fn who_waited_goes_by_what_the_other_left() {
    let root = Root::fresh();
    let fitout = Fitout::new(&root, SMALL);
    fitout.run(&["apply", "--install"]).succeeded();
    let (_fitout, mut holder) = holder(&root);
    let (mut waiting, said) = waits(&fitout.question(&["apply", "--lock-timeout", "60s"]));
    let installed = root.at("/etc/fitout/manifest.yaml");
    std::fs::remove_file(&installed).unwrap();
    std::fs::write(&installed, SMALL.replace("hello", "later")).unwrap();
    holder.kill().unwrap();
    holder.wait().unwrap();
    said.for_each(|line| drop(line.unwrap()));
    assert!(waiting.wait().unwrap().success());
    assert_eq!(root.read("/etc/motd"), "later\n");
}

/// Many runs at once on a machine that has nothing of Fitout's yet, so that each makes the folder of the lock: none is refused for another's.
#[test]
fn fifty_first_runs_at_once_wait_for_each_other() {
    const RUNS: usize = 50;
    let root = Root::bare();
    let fitout = Fitout::new(&root, SMALL);
    let start = || fitout.command(&["apply", "--lock-timeout", "2m"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let runs: Vec<Child> = (0..RUNS).map(|_| start()).collect();
    for run in runs {
        let output = run.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn two_hundred_looks_during_a_run_wait_for_nothing() {
    const LOOKS: usize = 200;
    /// Far from any wait for a lock, and far from what a busy machine takes to start a program.
    const AT_ONCE: Duration = Duration::from_secs(1);
    let root = Root::fresh();
    let (fitout, mut holder) = holder(&root);
    let mut took: Vec<Duration> = (0..LOOKS)
        .map(|_| {
            let began = Instant::now();
            let run = Run::of(&mut fitout.question(&["status"]));
            assert!(matches!(run.code, Some(0 | 2)), "{run:?}");
            assert!(run.json()["running"].to_string().contains(&format!("process {} (", holder.id())), "{run:?}");
            began.elapsed()
        })
        .collect();
    took.sort();
    assert!(took[LOOKS * 99 / 100] < AT_ONCE, "{took:?}");
    assert!(holder.try_wait().unwrap().is_none(), "the run ended meanwhile");
    holder.kill().unwrap();
    holder.wait().unwrap();
}

#[test]
fn where_nothing_can_be_written_nothing_is_locked_or_done() {
    let root = Root::fresh();
    Fitout::new(&root, SMALL).apply();
    let before = canonical(root.path());
    must(command("mount").args(["--bind"]).args([root.path(), root.path()]));
    must(command("mount").args(["-o", "remount,bind,ro"]).arg(root.path()));
    let fitout = Fitout::new(&root, &SMALL.replace("hello", "other"));
    let runs = [vec!["apply"], vec!["plan", "--detailed-exitcode"]].map(|verb| fitout.run(&verb));
    let status = Run::of(&mut fitout.question(&["status"]));
    must(command("umount").arg(root.path()));
    let said = &runs[0].ended(1).stderr;
    assert!(said.contains("/var/lib/fitout/lock") && said.contains("Read-only file system") && said.contains("nothing was done"), "{said}");
    runs[1].ended(2);
    status.ended(0);
    before.assert_same(&canonical(root.path()), "something was done");
}
