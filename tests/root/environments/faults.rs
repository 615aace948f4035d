//! What goes wrong while environments are built: kills, packages that are not what the channel says, long and odd places, many at once.

use super::{describe, lab, made_channel};
use crate::support::{Fitout, Root, command, must, wait_until};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const MANIFEST: &str = "\
schema: 1
conda: {prefix: /anaconda}
environments: [{name: lab, from: {conda: environment.yml}}]
";
const ENVIRONMENT: &str = "channels: [CHANNEL]\ndependencies: [python=3.11, hello, libfoo=1.0]\n";

/// Kills of one test.
const KILLS: u32 = 20;
/// How often the environment in use is used meanwhile.
const USE: Duration = Duration::from_millis(100);

#[test]
fn killed_at_any_time_the_old_environment_works_on() {
    let root = Root::fresh();
    let fitout = lab(&root, MANIFEST, ENVIRONMENT);
    fitout.apply();
    let old = fs::read_link(root.at("/anaconda/envs/lab")).unwrap();
    let began = Instant::now();
    let other = Root::fresh();
    lab(&other, MANIFEST, &ENVIRONMENT.replace("1.0", "1.1")).apply();
    let whole = began.elapsed();
    describe(&fitout, &ENVIRONMENT.replace("1.0", "1.1"));
    let (over, times, failures) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let python = || {
        while !over.load(Ordering::Relaxed) {
            let began = Instant::now();
            let used = root.program(&["/anaconda/envs/lab/bin/python", "-c", "import ssl, json, ctypes"]).output().unwrap();
            times.fetch_add(1, Ordering::Relaxed);
            failures.fetch_add(usize::from(!used.status.success()), Ordering::Relaxed);
            std::thread::sleep(USE.saturating_sub(began.elapsed()));
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(python);
        for kill in 1..=KILLS {
            let mut run = fitout.command(&["apply"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(whole * kill / (KILLS + 2));
            run.kill().unwrap();
            run.wait().unwrap();
            let marked = root.at("/anaconda/envs/lab/.fitout.json").exists();
            assert!(marked, "after kill {kill} the environment in use is half made");
        }
        fitout.apply();
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(failures.load(Ordering::Relaxed), 0, "of {} uses", times.load(Ordering::Relaxed));
    assert_ne!(fs::read_link(root.at("/anaconda/envs/lab")).unwrap(), old);
    assert!(root.at("/anaconda/envs/lab/conda-meta/libfoo-1.1-0.json").exists());
    assert_eq!(fitout.apply()["changed"], 0);
    fitout.run(&["verify"]).ended(0);
    wait_until("nothing runs in the root", || root.inhabitants().is_empty());
}

/// A channel of its own, which may be damaged.
fn copied(to: &Path) -> String {
    must(command("cp").args(["-r", "--"]).arg(made_channel()).arg(to));
    to.display().to_string()
}

#[test]
fn a_package_that_is_not_what_the_channel_says_is_refused() {
    let root = Root::fresh();
    let fitout = Fitout::new(&root, MANIFEST);
    let channel = copied(&fitout.beside("channel"));
    fs::write(fitout.beside("environment.yml"), ENVIRONMENT.replace("CHANNEL", &channel)).unwrap();
    fitout.apply();
    let old = fs::read_link(root.at("/anaconda/envs/lab")).unwrap();
    let package = Path::new(&channel).join("linux-64/libfoo-1.1-0.conda");
    let whole = fs::read(&package).unwrap();
    fs::write(fitout.beside("environment.yml"), ENVIRONMENT.replace("CHANNEL", &channel).replace("1.0", "1.1")).unwrap();
    let flipped = |at: usize| whole.iter().enumerate().map(|(n, byte)| if n == at { byte ^ 1 } else { *byte }).collect::<Vec<u8>>();
    for damaged in [flipped(0), flipped(whole.len() / 2), flipped(whole.len() - 1), whole[..whole.len() / 2].to_vec(), Vec::new()] {
        fs::write(&package, damaged).unwrap();
        let failed = fitout.run(&["apply"]);
        assert!(failed.ended(1).stdout.contains("libfoo-1.1-0.conda"), "{failed:?}");
        assert_eq!(fs::read_link(root.at("/anaconda/envs/lab")).unwrap(), old);
    }
    fs::write(&package, whole).unwrap();
    fitout.apply();
    assert_ne!(fs::read_link(root.at("/anaconda/envs/lab")).unwrap(), old);
    // What the channel's index says must be readable as well.
    fs::write(Path::new(&channel).join("noarch/repodata.json"), "{\"packages\": ").unwrap();
    fs::write(fitout.beside("environment.yml"), ENVIRONMENT.replace("CHANNEL", &channel).replace("libfoo=1.0", "libfoo>=1")).unwrap();
    assert!(fitout.run(&["apply"]).ended(69).stderr.contains("index"));
}

#[test]
fn a_script_of_a_package_that_fails_leaves_the_old_environment() {
    let root = Root::fresh();
    let fitout = lab(&root, MANIFEST, ENVIRONMENT);
    fitout.apply();
    let old = fs::read_link(root.at("/anaconda/envs/lab")).unwrap();
    describe(&fitout, &ENVIRONMENT.replace("libfoo=1.0", "broken-link"));
    let failed = fitout.run(&["apply"]);
    assert!(failed.ended(1).stdout.contains("no such thing"), "{failed:?}");
    assert_eq!(fs::read_link(root.at("/anaconda/envs/lab")).unwrap(), old);
}

#[test]
fn odd_places_and_many_at_once() {
    let root = Root::fresh();
    let long = format!("/opt/{}", "long-".repeat(12).trim_end_matches('-'));
    for prefix in ["/opt/with a space", long.as_str()] {
        let manifest = format!(
            "schema: 1\nconda: {{prefix: \"{prefix}\"}}\nenvironments:\n  - {{name: one, from: {{conda: environment.yml}}}}\n  - {{name: two, from: {{conda: environment.yml}}}}\n"
        );
        let fitout = lab(&root, &manifest, "channels: [CHANNEL]\ndependencies: [python=3.11, hello, pip]\n");
        fitout.apply();
        for name in ["one", "two"] {
            let program = |program: &str| format!("{prefix}/envs/{name}/bin/{program}");
            let said = must(&mut root.program(&[&program("python"), "-c", "import sys; print(sys.prefix)"]));
            assert_eq!(said, format!("{prefix}/envs/{name}\n"));
            assert!(must(&mut root.program(&[&program("pip"), "--version"])).starts_with("pip "));
        }
        assert_eq!(fitout.apply()["changed"], 0);
    }
    // Longer than what the packages leave room for in their programs.
    let too_long = format!("/opt{}", "/far-too-long".repeat(12));
    let manifest = MANIFEST.replace("/anaconda", &too_long);
    let failed = lab(&root, &manifest, ENVIRONMENT).run(&["apply"]);
    assert!(failed.ended(1).stdout.contains("prefix"), "{failed:?}");
}

/// A small file system of its own in a root.
struct Small<'a>(&'a Root, &'static str);

impl<'a> Small<'a> {
    fn on(root: &'a Root, at: &'static str) -> Self {
        fs::create_dir_all(root.at(at)).unwrap();
        must(command("mount").args(["-t", "tmpfs", "-o", "size=12m", "tmpfs"]).arg(root.at(at)));
        Self(root, at)
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        command("umount").arg(self.0.at(self.1)).status().ok();
    }
}

#[test]
fn a_full_disk_is_no_failure_like_others_and_leaves_no_half() {
    let root = Root::fresh();
    let _small = Small::on(&root, "/anaconda");
    let fitout = lab(&root, MANIFEST, ENVIRONMENT);
    let said = fitout.run(&["apply"]).ended(73).stdout.clone();
    assert!(said.contains("No space left on device"), "{said}");
    assert_eq!(fs::read_dir(root.at("/anaconda/envs/.generations")).unwrap().count(), 0);
    // A guard knows before anything is done.
    fitout.rewrite(&format!("{MANIFEST}disk: {{guards: [{{mount: /anaconda, minimum_free: 1MB}}]}}\n"));
    let refused = fitout.run(&["apply"]).ended(73).stderr.clone();
    assert!(refused.contains("/anaconda has 1") && refused.contains("1.0 MB must stay free"), "{refused}");
}

#[test]
fn what_lies_unpacked_in_the_cache_is_held_against_what_was_verified() {
    let (root, cache) = (Root::fresh(), tempfile::tempdir_in(super::kept("")).unwrap());
    let environment = ENVIRONMENT.replace("libfoo=1.0", "libfoo=1.0, {pip: [six==1.16.0]}");
    let fitout = lab(&root, MANIFEST, &environment).with_cache(cache.path());
    fitout.apply();
    let programs = |folder: &Path| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let tools = [programs(&cache.path().join("tools")), programs(&root.at("/var/cache/fitout/tools"))].concat();
    assert_eq!(tools.len(), 2, "{tools:?}");
    let sound = tools.iter().map(|tool| fs::read(tool).unwrap()).collect::<Vec<_>>();
    for tool in &tools {
        fs::write(tool, "#!/bin/sh\nexit 0\n").unwrap();
    }
    fs::write(cache.path().join("conda-packages/libfoo-1.0-0/lib/libfoo.so.1"), "damaged").unwrap();
    // Side by side, all of them find the damage.
    let others = ["other", "third", "fourth"];
    let more = others.map(|name| format!(", {{name: {name}, from: {{conda: environment.yml}}}}")).concat();
    fitout.rewrite(&MANIFEST.replace("}}]", &format!("}}}}{more}]")));
    describe(&fitout, &environment.replace("hello", "hello, extra"));
    fitout.apply();
    let library = |name: &str| fs::read(root.at(&format!("/anaconda/envs/{name}/lib/libfoo.so.1"))).unwrap();
    for name in others {
        assert_ne!(library(name), b"damaged");
        assert_eq!(library(name).len(), library("lab").len());
        must(&mut root.program(&[&format!("/anaconda/envs/{name}/bin/python"), "-c", "import six"]));
    }
    assert_eq!(tools.iter().map(|tool| fs::read(tool).unwrap()).collect::<Vec<_>>(), sound);
}
