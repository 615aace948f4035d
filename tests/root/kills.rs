//! Interrupted at random, hundreds of times: a root goes to and fro between two manifests, each way is cut short somewhere, and a plain
//! apply then reaches what a run that nobody disturbed reaches, with nothing left over.

use crate::support::{Fitout, Numbers, Root, Run, Trace, assert_recovers, canonical, own_names, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often a way is cut short by a signal to Fitout.
const CUTS: usize = 200;
/// In so many of a hundred the signal cannot be heard; in the others it asks.
const FORCED: usize = 85;
/// How often dpkg is killed.
const DPKG_KILLS: usize = 20;

/// Files, an account and a unit, in one state and in another.
const WAYS: [&str; 2] = [
    r#"
schema: 1
name: lab-one
user: {name: ada, sudo: true}
files:
  - {path: /etc/motd, content: "one\n"}
  - {path: /etc/only-one, content: "one\n"}
  - {path: /opt/lab/deep/conf, content: "one\n", mode: "0640"}
  - {path: ~/notes/first.txt, content: "one\n"}
  - {path: /srv/data, state: directory, mode: "0750"}
  - {path: /srv/link, link: /srv/data}
units:
  - {name: lab.service, content: "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n", enabled: true}
"#,
    r#"
schema: 1
name: lab-two
user: {name: ada, sudo: false}
files:
  - {path: /etc/motd, content: "two\n"}
  - {path: /etc/only-one, state: absent}
  - {path: /opt/lab/deep/conf, content: "two\n", mode: "0600"}
  - {path: ~/notes/first.txt, content: "two\n"}
  - {path: /srv/data, state: directory, mode: "0700"}
  - {path: /srv/link, link: /srv}
units:
  - {name: lab.service, content: "[Service]\nExecStart=/bin/false\n[Install]\nWantedBy=multi-user.target\n", enabled: false}
"#,
];

/// Tiny packages, there and gone.
const PACKAGES: [&str; 2] = [
    "packages:\n  repositories: [{name: tiny, uri: \"file:/srv/repository\", suite: ./, signed_by: tiny.asc}]\n  install: [tiny-tool, tiny-daemon]\n",
    "packages:\n  repositories: [{name: tiny, uri: \"file:/srv/repository\", suite: ./, signed_by: tiny.asc}]\n  remove: [tiny-tool, tiny-data, tiny-daemon]\n",
];

/// One of two states of a root, as a run that nobody disturbs leaves it.
#[derive(Clone)]
struct End {
    trace: Trace,
    own: Vec<String>,
    took: Duration,
}

/// Both states, reached from each other in peace; the root ends in the second.
fn ends(root: &Root, fitout: &Fitout<'_>, ways: [&str; 2]) -> [End; 2] {
    let reach = |way: &str| {
        fitout.rewrite(way);
        let began = Instant::now();
        fitout.apply();
        End { took: began.elapsed(), trace: canonical(root.path()), own: own_names(root.path()) }
    };
    // What a first run makes for good, such as a home, is there before what counts; the quicker of two says how long one takes.
    let [_, before, ends] = [ways, ways, ways].map(|ways| ways.map(reach));
    std::array::from_fn(|n| End { took: before[n].took.min(ends[n].took), ..ends[n].clone() })
}

fn begin(fitout: &Fitout<'_>) -> Child {
    fitout.command(&["apply"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// A plain re-run reaches what a run in peace reaches, without a trace of the cut.
fn assert_reached(root: &Root, fitout: &Fitout<'_>, end: &End, cut: &str) {
    assert_recovers(root, fitout, &end.trace, cut);
    assert_eq!(own_names(root.path()), end.own, "Fitout's own files after {cut} and a re-run");
}

#[test]
fn two_hundred_interruptions() {
    let root = Root::fresh();
    let fitout = Fitout::new(&root, WAYS[0]);
    let ends = ends(&root, &fitout, WAYS);
    let mut numbers = Numbers::new();
    let mut cut_short = 0;
    for round in 0..CUTS {
        let end = &ends[round % 2];
        fitout.rewrite(WAYS[round % 2]);
        let mut run = begin(&fitout);
        let at = end.took.mul_f64(1.1 * numbers.share());
        sleep(at);
        let signal = if numbers.below(100) < FORCED { Signal::SIGKILL } else { Signal::SIGTERM };
        kill(Pid::from_raw(i32::try_from(run.id()).unwrap()), signal).unwrap();
        let code = run.wait().unwrap().code();
        assert!(matches!(code, None | Some(0 | 143)), "{signal} ended it with {code:?}");
        cut_short += usize::from(code != Some(0));
        assert_reached(&root, &fitout, end, &format!("{signal} at {at:?} of {:?} ({round})", end.took));
    }
    assert!(cut_short > CUTS / 4, "only {cut_short} of {CUTS} runs were cut short");
}

/// The dpkg that changes packages in a root now; apt asks others, which change nothing.
fn dpkg_in(root: &Root) -> Option<Pid> {
    let at_work = |process: &std::path::PathBuf| {
        let words = std::fs::read(process.join("cmdline")).unwrap_or_default();
        let mut words = words.split(|byte| *byte == 0);
        words.next().is_some_and(|program| program.ends_with(b"dpkg")) && words.any(|word| word == b"--status-fd")
    };
    let process = root.inhabitants().into_iter().find(at_work)?;
    process.file_name()?.to_str()?.parse().ok().map(Pid::from_raw)
}

/// The next dpkg of this run after so many others; `None` where there is none.
fn dpkg_number(spared: usize, root: &Root, run: &mut Child) -> Option<Pid> {
    let mut met = Vec::new();
    while run.try_wait().unwrap().is_none() {
        if let Some(dpkg) = dpkg_in(root).filter(|dpkg| !met.contains(dpkg)) {
            met.push(dpkg);
            if met.len() > spared {
                return Some(dpkg);
            }
        }
        sleep(Duration::from_micros(200));
    }
    None
}

/// What a killed dpkg was writing and never reads: its next run writes both anew, and where there is nothing left to do there is none.
const SCRATCH: [&str; 2] = ["/var/lib/dpkg/status-new", "/var/lib/dpkg/updates/tmp.i"];

/// Has dpkg forget packages of which it was killed between taking their files away and forgetting them: they count as removed with their
/// configuration kept, though they have none.
fn forget_removed(root: &Root) {
    let known = root.run(&["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\\n"]);
    let removed = known.lines().filter_map(|line| line.strip_prefix("config-files "));
    for name in removed.filter(|name| root.read(&format!("/var/lib/dpkg/info/{name}.list")).is_empty()) {
        root.run(&["dpkg", "--purge", name]);
    }
}

#[test]
fn dpkg_is_killed_at_random() {
    let root = Root::fresh();
    let fitout = Fitout::new(&root, PACKAGES[0]);
    let ends = ends(&root, &fitout, PACKAGES);
    let mut numbers = Numbers::new();
    let (mut killed, mut failed) = (0, 0);
    for round in 0.. {
        if killed == DPKG_KILLS {
            break;
        }
        assert!(round < 10 * DPKG_KILLS, "dpkg was met only {killed} times in {round} runs");
        fitout.rewrite(PACKAGES[round % 2]);
        let mut run = begin(&fitout);
        // apt asks dpkg a few things before it lets it work.
        let (spared, after) = (numbers.below(3), Duration::from_micros(numbers.below(20_000) as u64));
        let met = dpkg_number(spared, &root, &mut run).is_some_and(|dpkg| {
            sleep(after);
            kill(dpkg, Signal::SIGKILL).is_ok()
        });
        let code = run.wait().unwrap().code();
        if !met {
            continue;
        }
        killed += 1;
        failed += usize::from(code == Some(1));
        assert!(matches!(code, Some(0 | 1)), "{code:?}");
        for scratch in SCRATCH {
            std::fs::remove_file(root.at(scratch)).unwrap_or_default();
        }
        forget_removed(&root);
        assert_reached(&root, &fitout, &ends[round % 2], &format!("kill {killed} of dpkg ({round})"));
    }
    assert!(failed > DPKG_KILLS / 4, "only {failed} of {killed} kills were felt");
}

/// What is killed here is not Fitout, so it can say what became of it.
#[test]
fn a_dpkg_that_was_killed_is_told() {
    let root = Root::fresh();
    let fitout = Fitout::new(&root, &PACKAGES[0].replace("tiny-daemon", "tiny-slow"));
    let run = fitout.command(&["apply"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the slow package is being set up", || root.at("/var/lib/tiny-slow/1").exists());
    kill(dpkg_in(&root).unwrap(), Signal::SIGKILL).unwrap();
    let output = run.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let run = Run { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) };
    let report = run.ended(1).json();
    let said = report["resources"].to_string();
    assert!(said.contains("apt-get") && said.contains("dpkg"), "{said}");
    fitout.apply();
}
