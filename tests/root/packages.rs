//! apt and dpkg as they are on a bad day: a source that is gone, somebody else at work, a script that hangs, an edited configuration, a
//! database that was left in between.

use super::support::{Fitout, Root, Run, canonical, command, wait_until};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Stdio};

const TINY: &str = "{name: tiny, uri: \"file:/srv/repository\", suite: ./, signed_by: tiny.asc}";
const DEAD: &str = "{name: dead, uri: \"file:/srv/nowhere\", suite: ./, signed_by: tiny.asc}";

fn manifest(repositories: &[&str], rest: &str) -> String {
    format!("packages:\n  repositories: [{}]\n  {rest}\n", repositories.join(", "))
}

/// A process that holds a lock as apt and dpkg do: a whole file, by fcntl(2).
fn holder(root: &Root, lock: &str) -> Child {
    let hold = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.lockf(f, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()";
    let mut other = command("python3");
    let mut child = other.args(["-c", hold]).arg(root.at(lock)).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 4]).unwrap();
    child
}

#[test]
fn a_source_that_is_gone_takes_no_other_package_with_it() {
    let root = Root::fresh();
    let fitout = Fitout::new(&root, &manifest(&[DEAD, TINY], "install: [tiny-tool]"));
    fitout.apply();
    // What only the dead one could have fails by its name, and what the other has is there.
    fitout.rewrite(&manifest(&[DEAD, TINY], "install: [tiny-tool, tiny-slow, nowhere-tool]"));
    let run = fitout.run(&["apply"]);
    let said = run.ended(1).stdout.clone() + &run.stderr;
    assert!(said.contains("`dead` of packages.repositories") && said.contains("nowhere-tool"), "{said}");
    assert!(root.at("/usr/share/tiny-slow/data").exists());
    // Nothing but a source that is gone is a failure, and says which.
    let alone = Root::fresh();
    let fitout = Fitout::new(&alone, &manifest(&[DEAD], "install: [tiny-tool]"));
    assert!(fitout.run(&["apply"]).ended(1).stdout.contains("/srv/nowhere"));
}

/// A plan that somebody approved brings its manifest with it, as that was: what it installs is Fitout's, as after any other apply.
#[test]
fn an_approved_plan_makes_its_manifest_the_machines() {
    let root = Root::fresh();
    let (old, new) = (format!("on_removal: delete\n{}", manifest(&[TINY], "install: [tiny-data]")), "install: [tiny-data, tiny-tool]");
    let new = format!("on_removal: delete\n{}", manifest(&[TINY], new));
    let fitout = Fitout::new(&root, &old);
    fitout.run(&["apply", "--install"]).succeeded();
    fitout.rewrite(&new);
    let plan = fitout.beside("lab.plan").display().to_string();
    fitout.run(&["plan", "--install", "--out", &plan]).succeeded();
    let apply = || {
        let mut command = command(Path::new(env!("CARGO_BIN_EXE_fitout")));
        Run::of(command.args(["apply", &plan, "-o", "json", "--progress", "none", "--cache"]).arg(fitout.beside("cache")))
    };
    fitout.rewrite(&format!("{new}# another text\n"));
    assert!(apply().ended(76).stderr.contains("the manifest is not the text that was looked at"));
    fitout.rewrite(&new);
    apply().succeeded();
    let there = || root.read("/var/lib/dpkg/status").contains("Package: tiny-tool\nStatus: install ok");
    assert!(there() && root.read("/etc/fitout/manifest.yaml").contains("tiny-tool"));
    fitout.rewrite(&old);
    fitout.run(&["apply", "--install"]).succeeded();
    assert!(!there());
}

/// What is applied beside the machine's manifest has no say in what becomes of that which the machine's asks for, and goes with no line of it.
#[test]
fn what_is_applied_once_leaves_the_past_of_the_machine_alone() {
    let root = Root::fresh();
    let machines = |install: &str| format!("on_removal: delete\n{}", manifest(&[TINY], install));
    let fitout = Fitout::new(&root, &machines("install: [tiny-tool, tiny-data]"));
    fitout.run(&["apply", "--install"]).succeeded();
    let records = || root.read("/var/lib/fitout/state/resources.json");
    let known = records();
    fitout.rewrite(&manifest(&[TINY], "install: [tiny-slow]"));
    fitout.apply();
    assert_eq!(records(), known);
    Run::of(&mut fitout.question(&["apply"])).succeeded();
    assert!(root.at("/usr/share/tiny-slow/data").exists());
    fitout.rewrite(&machines("install: [tiny-data]"));
    fitout.run(&["apply", "--install"]).succeeded();
    let there = ["tiny-tool", "tiny-data", "tiny-slow"]
        .map(|name| root.read("/var/lib/dpkg/status").contains(&format!("Package: {name}\nStatus: install ok")));
    assert_eq!(there, [false, true, true]);
}

#[test]
fn a_package_that_others_need_stays_when_its_line_goes() {
    let root = Root::fresh();
    let of = |install: &str| format!("on_removal: delete\n{}", manifest(&[TINY], install));
    let fitout = Fitout::new(&root, &of("install: [tiny-tool, tiny-data, tiny-slow]"));
    fitout.apply();
    fitout.rewrite(&of("install: [tiny-tool]"));
    let report = fitout.apply();
    let gone = report["resources"].as_array().unwrap().iter().find(|one| one["id"] == "released:apt:packages").unwrap();
    assert_eq!(gone["notes"][0], "package tiny-data is no longer in the manifest; it stays, for tiny-tool cannot be without it");
    let there = ["tiny-tool", "tiny-data", "tiny-slow"]
        .map(|name| root.read("/var/lib/dpkg/status").contains(&format!("Package: {name}\nStatus: install ok")));
    assert_eq!(there, [true, true, false]);
    fitout.run(&["plan", "--detailed-exitcode"]).ended(0);
}

#[test]
fn what_no_list_has_is_said_by_the_plan() {
    let root = Root::fresh();
    let fitout = Fitout::new(&root, &manifest(&[TINY], "install: [tiny-tool]"));
    fitout.apply();
    let why = |rest: &str| {
        fitout.rewrite(&manifest(&[TINY], rest));
        let plan = fitout.run(&["plan"]).succeeded();
        let apt = plan["resources"].as_array().unwrap().iter().find(|one| one["id"] == "apt:packages").cloned().unwrap();
        apt["steps"][0]["why"].as_str().unwrap().to_owned()
    };
    let lost = "apt's lists have no nowhere-tool, tiny-daemon=9: if the name is right";
    assert!(why("install: [tiny-tool, nowhere-tool, \"tiny-daemon=9\", tiny-slow]").contains(lost));
    assert_eq!(why("install: [tiny-slow]"), "not installed");
}

#[test]
fn who_holds_the_lock_is_named() {
    let root = Root::fresh();
    let fitout = Fitout::new(&root, &manifest(&[TINY], "install: [tiny-tool]"));
    for lock in ["/var/lib/dpkg/lock-frontend", "/var/lib/apt/lists/lock"] {
        let mut other = holder(&root, lock);
        let run = fitout.run(&["apply", "--lock-timeout", "0s"]);
        let said = run.ended(1).stdout.clone();
        assert!(said.contains(&format!("process {} (", other.id())) && said.contains("python3 -c") && said.contains(lock), "{said}");
        other.kill().unwrap();
        other.wait().unwrap();
    }
    fitout.apply();
}

#[test]
fn a_script_that_hangs_is_ended_and_gone_on_with() {
    let root = Root::fresh();
    let fitout = Fitout::new(&root, &manifest(&[TINY], "install: [tiny-hangs]"));
    let run = fitout.run(&["apply", "--install-timeout", "5s"]);
    let said = run.ended(1).stdout.clone();
    assert!(said.contains("was not done after 5s") && said.contains("Setting up tiny-hangs"), "{said}");
    wait_until("nothing runs in the root", || root.inhabitants().is_empty());
    root.write("/var/lib/tiny-goes-on", "");
    fitout.apply();
    assert!(root.run(&["dpkg", "--audit"]).is_empty());
}

#[test]
fn an_administrators_configuration_is_kept_and_nobody_is_asked() {
    let root = Root::fresh();
    root.write("/etc/tiny-daemon.conf", "answer = 43\n");
    let answers =
        "install: [tiny-daemon, tiny-asks]\n  debconf: [{package: tiny-asks, question: tiny-asks/colour, type: string, value: deep blue}]";
    let fitout = Fitout::new(&root, &manifest(&[TINY], answers));
    fitout.apply();
    assert_eq!((root.read("/etc/tiny-daemon.conf"), root.read("/var/lib/tiny-colour")), ("answer = 43\n".into(), "deep blue\n".into()));
    assert_eq!(fitout.apply()["changed"], 0);
}

#[test]
fn holds_and_versions() {
    let root = Root::fresh();
    let fitout = Fitout::new(&root, &manifest(&[TINY], "install: [\"tiny-tool=1.*-3\"]\n  hold: [tiny-tool]"));
    fitout.apply();
    assert_eq!(root.run(&["apt-mark", "showhold"]), "tiny-tool\n");
    assert_eq!(fitout.apply()["changed"], 0);
    root.run(&["apt-mark", "unhold", "tiny-tool"]);
    assert_eq!(fitout.apply()["changed"], 0);
    fitout.run(&["apply", "--repair"]).succeeded();
    assert_eq!(root.run(&["apt-mark", "showhold"]), "tiny-tool\n");
}

#[test]
fn what_dpkg_left_in_between_is_ended_first() {
    let root = Root::fresh();
    let fitout = Fitout::new(&root, &manifest(&[TINY], "install: [tiny-data]"));
    fitout.apply();
    // As a kill leaves it: one package unpacked, said in a file of updates that is not yet part of the database; another half configured.
    let status = root.read("/var/lib/dpkg/status");
    let stanza = status.split("\n\n").find(|stanza| stanza.starts_with("Package: tiny-data\n")).unwrap().trim();
    root.write("/var/lib/dpkg/updates/0000", &format!("{}\n", stanza.replace("ok installed", "ok unpacked")));
    let sudo = status.split("\n\n").find(|stanza| stanza.starts_with("Package: sudo\n")).unwrap();
    root.write("/var/lib/dpkg/status", &status.replace(sudo, &sudo.replace("ok installed", "ok half-configured")));
    fitout.rewrite(&manifest(&[TINY], "install: [tiny-data, tiny-tool]"));
    fitout.apply();
    assert!(root.run(&["dpkg", "--audit"]).is_empty());
    assert_eq!(std::fs::read_dir(root.at("/var/lib/dpkg/updates")).unwrap().count(), 0);
}

/// Each damage of dpkg's database, from what it was.
fn damages(whole: &str) -> Vec<(&'static str, String)> {
    let middle = whole.len() / 2;
    let cut = whole.get(..middle).unwrap();
    vec![
        ("empty", String::new()),
        ("truncated", cut.to_owned()),
        ("zeroes", "\0".repeat(whole.len())),
        ("garbage", "no database at all\n".repeat(100)),
        ("garbage inside", format!("{cut}\n\nPackage: x y z\nStatus: no such words\n\n{}", &whole[middle..])),
    ]
}

#[test]
fn a_damaged_database_is_told_and_nothing_is_done() {
    let root = Root::fresh();
    let fitout = Fitout::new(&root, &manifest(&[TINY], "install: [tiny-tool]"));
    fitout.apply();
    let whole = root.read("/var/lib/dpkg/status");
    for (how, damage) in damages(&whole) {
        for rest in ["install: [tiny-tool, tiny-slow]", "install: [tiny-tool]\n  remove: [tiny-data]"] {
            fitout.rewrite(&manifest(&[TINY], rest));
            root.write("/var/lib/dpkg/status", &damage);
            let before = canonical(root.path());
            let run = fitout.run(&["apply"]);
            let said = run.stdout.clone() + &run.stderr;
            before.assert_same(&canonical(root.path()), how);
            // A package that is to go and is not known is gone, as far as anybody can tell.
            if run.code == Some(0) && rest.contains("remove") {
                continue;
            }
            assert!(run.code == Some(1) && said.contains("dpkg.status.*"), "{how}: {run:?}");
        }
    }
    // As the advice says.
    root.write("/var/lib/dpkg/status", &whole);
    fitout.rewrite(&manifest(&[TINY], "install: [tiny-tool, tiny-slow]"));
    fitout.apply();
    assert!(root.run(&["dpkg", "--audit"]).is_empty());
}

/// A new release of a package brings another configuration than the one that an administrator edited: dpkg would ask which to keep.
#[test]
fn nobody_is_asked_which_configuration_to_keep() {
    let root = Root::fresh();
    let fitout = Fitout::new(&root, &manifest(&[TINY], "install: [\"tiny-conf=1\"]"));
    fitout.apply();
    root.write("/etc/tiny.conf", "answer = mine\n");
    fitout.rewrite(&manifest(&[TINY], "install: [\"tiny-conf=2\"]"));
    fitout.apply();
    assert_eq!(root.run(&["dpkg-query", "-W", "-f", "${Version}", "tiny-conf"]), "2");
    assert_eq!(root.read("/etc/tiny.conf"), "answer = mine\n");
    assert_eq!(root.read("/etc/tiny.conf.dpkg-dist"), "answer = 2\n");
}

#[test]
fn a_script_that_fails_stops_its_package_and_nothing_else() {
    let root = Root::fresh();
    let fitout = Fitout::new(&root, &manifest(&[TINY], "install: [tiny-broken, tiny-tool]"));
    let run = fitout.run(&["apply"]);
    assert!(run.ended(1).stdout.contains("tiny-broken: no configuration found"), "{run:?}");
    // What was left half configured is in the way of nothing that follows once it need not be there.
    root.write("/var/lib/dpkg/info/tiny-broken.postinst", "#!/bin/sh\nexit 0\n");
    fitout.apply();
    assert!(root.run(&["dpkg", "--audit"]).is_empty());
    assert_eq!(root.run(&["tiny-tool"]), "tiny tool 1.2\n");
}
