//! A rehearsal shows the truth, touches nothing, reaches nothing of the host, and can be made real.

use crate::faults::WITH_PACKAGES;
use crate::support::{Fitout, Root, Run, canonical, command, exact, wait_until};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;

const CHECK: &str = r"
checks:
  - {name: tool, command: [tiny-tool], stdout_contains: tiny}
";

/// All that a program may do to a tree. It may be cut short and run again.
const SCRIPT: &str = "\
set -e
rm -rf /usr/share/bug
if [ -d /etc/skel ]; then mv /etc/skel /etc/kept; fi
ln -sfn /nowhere /etc/link
rm -rf /etc/issue.net && mkdir /etc/issue.net && touch /etc/issue.net/inside
rm -rf /etc/cron.d && touch /etc/cron.d
chmod 600 /etc/issue
touch -m /etc/shells
mkdir -p /srv/made && echo a > /srv/made/a && ln -f /srv/made/a /srv/made/b
";

fn workstation<'a>(root: &'a Root, script: &str) -> Fitout<'a> {
    let fitout = Fitout::new(root, &format!("{WITH_PACKAGES}{CHECK}"));
    fs::write(fitout.beside("setup.sh"), script).unwrap();
    fitout
}

/// What a rehearsal says is not as it was; without what differs between any two runs.
fn told(document: &Value) -> BTreeSet<String> {
    let paths = document["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().to_owned());
    paths.collect()
}

fn mounts() -> String {
    fs::read_to_string("/proc/self/mountinfo").unwrap()
}

#[test]
fn the_truth_and_no_trace() {
    let root = Root::fresh();
    let (before, mounted) = (exact(root.path()), mounts());
    let rehearsed = workstation(&root, SCRIPT).run(&["rehearse"]).succeeded();
    before.assert_same(&exact(root.path()), "a rehearsal changed its root");
    assert!(!root.at("/var/lib/fitout").exists() && !root.at("/usr/sbin/policy-rc.d").exists());
    assert_eq!(mounted, mounts(), "a mount is left behind");
    assert!(root.inhabitants().is_empty());

    let applied = Root::fresh();
    workstation(&applied, SCRIPT).apply();
    let differs = canonical(root.path()).differences(&canonical(applied.path()));
    let truth: BTreeSet<String> = differs.iter().map(|line| line.split(": ").next().unwrap().to_owned()).collect();
    let told = told(&rehearsed);
    let missed: Vec<&String> = truth.difference(&told).collect();
    assert!(missed.is_empty() && truth.len() > 40, "not told: {missed:?} of {}", truth.len());
    let quiet = ["/var/log", "/var/cache", "/var/lib/apt", "/var/lib/dpkg", "/var/lib/fitout", "/run"];
    let invented: Vec<&String> =
        told.difference(&truth).filter(|path| !quiet.iter().any(|folder| path.starts_with(folder)) && !path.ends_with('-')).collect();
    assert!(invented.is_empty(), "told, and not so: {invented:?}");
    let differences = rehearsed["differences"].as_array().unwrap();
    let named = |kind: &str, name: &str| differences.iter().find(|one| one["kind"] == kind && one["name"] == name);
    assert_eq!(named("package", "tiny-tool").unwrap()["after"], "1.2-3");
    assert_eq!(named("unit", "tiny-daemon.service").unwrap()["after"], "enabled");
    assert!(named("user", "ada").unwrap()["before"].is_null());
}

#[test]
fn made_real_it_is_what_apply_makes() {
    let (root, applied) = (Root::fresh(), Root::fresh());
    let fitout = workstation(&root, SCRIPT);
    assert_eq!(fitout.run(&["rehearse", "--promote"]).succeeded()["promoted"], true);
    workstation(&applied, SCRIPT).apply();
    canonical(applied.path()).assert_same(&canonical(root.path()), "applied / promoted");
    fitout.run(&["plan", "--detailed-exitcode"]).ended(0);
    let nothing = fitout.run(&["rehearse"]).succeeded();
    assert_eq!(
        (nothing["report"]["changed"].as_u64(), told(&nothing).iter().filter(|path| !path.contains("fitout")).count()),
        (Some(0), 0)
    );
}

#[test]
fn attributes_and_holes_are_made_real() {
    const HOLE: u64 = 1 << 33;
    let root = Root::fresh();
    for (path, value) in [("/srv/model", "new"), ("/srv/file", "old"), ("/srv/folder", "old")] {
        match path {
            "/srv/folder" => fs::create_dir(root.at(path)).unwrap(),
            _ => root.write(path, "text"),
        }
        xattr::set(root.at(path), "user.note", value.as_bytes()).unwrap();
    }
    let script = "\
cp --attributes-only --preserve=xattr /srv/model /srv/file
mv /srv/folder /srv/theirs && mkdir /srv/folder
truncate --size 8G /srv/hole && printf x >> /srv/hole
printf x > \"$(printf '/srv/two\\nlines')\"
";
    let fitout = Fitout::new(&root, "setup_scripts: {creation_script: {path: setup.sh}}\n");
    fs::write(fitout.beside("setup.sh"), script).unwrap();
    let mut shown = command(env!("CARGO_BIN_EXE_fitout"));
    shown.args(["rehearse", "--root"]).arg(root.path()).arg("-f").arg(fitout.manifest()).arg("--cache").arg(fitout.beside("cache"));
    let shown = Run::of(&mut shown);
    assert!(shown.ended(0).stdout.contains("/srv/file  other access control lists, capabilities or attributes"), "{shown:?}");
    assert!(shown.stdout.contains("/srv/two\u{fffd}lines"), "{shown:?}");
    let growth = fitout.run(&["rehearse", "--promote"]).succeeded()["growth"].as_u64().unwrap();
    let notes = ["/srv/file", "/srv/theirs", "/srv/folder"].map(|path| xattr::get(root.at(path), "user.note").unwrap());
    assert_eq!(notes, [Some(b"new".to_vec()), Some(b"old".to_vec()), None]);
    let hole = fs::metadata(root.at("/srv/hole")).unwrap();
    assert!(hole.len() == HOLE + 1 && hole.blocks() * 512 < HOLE / 8 && growth < HOLE / 8, "{hole:?} {growth}");
}

#[test]
fn killed_while_it_is_made_real() {
    /// Changes between two kills: a prime, so that every phase is met.
    const STEP: usize = 7;
    let applied = Root::fresh();
    workstation(&applied, SCRIPT).apply();
    let expected = canonical(applied.path());
    let mut kills = 0;
    for number in (1..).step_by(STEP) {
        let root = Root::fresh();
        let fitout = workstation(&root, SCRIPT);
        let plain = fitout.command(&["rehearse", "--promote"]);
        let mut strace = command("strace");
        // Of all that a rehearsal does, only its promotion makes these calls.
        strace.args(["-o", "/dev/null", "-e", "trace=rename,mkdir", "-e", &format!("inject=rename,mkdir:signal=KILL:when={number}")]);
        let cut = Run::of(strace.arg("--").arg(plain.get_program()).args(plain.get_args()));
        if cut.code.is_some_and(|code| code != 137) {
            cut.ended(0);
            break;
        }
        kills += 1;
        wait_until("nothing runs in the root", || root.inhabitants().is_empty());
        let again = fitout.run(&["apply"]);
        assert_eq!(again.code, Some(0), "apply after a kill at rename {number}: {again:?}");
        expected.assert_same(&canonical(root.path()), &format!("after a kill at rename {number} of a promotion and an apply"));
    }
    assert!(kills > 5, "only {kills} promotions were killed");
}

#[test]
fn a_root_that_moves_is_not_promoted_to_and_the_network_is_real() {
    let root = Root::fresh();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let fitout = workstation(&root, &format!("bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port} && read -r word <&3 && [ $word = go ]'\n"));
    let child = fitout
        .command(&["rehearse", "--promote"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let (mut caller, _) = listener.accept().unwrap();
    root.write("/srv/by-hand", "mine\n");
    caller.write_all(b"go\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), said.contains("not promoted: /srv")), (Some(76), true), "{said}");
    assert!(!root.at("/usr/bin/tiny-tool").exists());
}

#[test]
fn a_failure_is_shown_and_not_promoted() {
    let root = Root::fresh();
    let before = canonical(root.path());
    let fitout = workstation(&root, "touch /srv/got-so-far; exit 3\n");
    let run = fitout.run(&["rehearse", "--promote"]);
    let document = run.ended(1).json();
    assert_eq!((&document["promoted"], &document["report"]["failed"]), (&Value::from(false), &Value::from(1)));
    assert!(told(&document).contains("/srv/got-so-far"));
    before.assert_same(&canonical(root.path()), "a rehearsal that failed changed its root");
}

#[test]
fn no_socket_of_the_host_is_reached() {
    let root = Root::fresh();
    let listener = UnixListener::bind(root.at("/srv/host.sock")).unwrap();
    listener.set_nonblocking(true).unwrap();
    let connect = "perl -MSocket -e 'socket(S,PF_UNIX,SOCK_STREAM,0); connect(S,sockaddr_un($ARGV[0])) or die qq($!\\n)' /srv/host.sock";
    let script = format!("[ -S /srv/host.sock ] && ! {connect} && [ ! -e /run/dbus ] && [ ! -e /run/systemd ]\n");
    workstation(&root, &script).run(&["rehearse"]).succeeded();
    assert!(listener.accept().is_err(), "the host's socket was reached");
}

#[test]
fn killed_it_leaves_nothing() {
    let root = Root::fresh();
    let (before, mounted) = (exact(root.path()), mounts());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let fitout = workstation(&root, &format!("bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port} && read -r word <&3'\n"));
    let mut child = fitout.command(&["rehearse"]).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let (mut caller, _) = listener.accept().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // The script has ended when its end of the connection is closed.
    caller.read_to_end(&mut Vec::new()).unwrap();
    before.assert_same(&exact(root.path()), "a rehearsal that was killed changed its root");
    assert_eq!(mounted, mounts(), "a mount is left behind");
}

#[test]
fn this_very_machine() {
    let folder = tempfile::tempdir().unwrap();
    let marker = "/etc/fitout-rehearsal-test";
    let manifest = format!(
        "files: [{{path: {marker}, content: x}}]\nsetup_scripts: {{creation_script: {{inline: \"touch /usr/bin/fitout-rehearsal-test\\n\"}}}}\n"
    );
    fs::write(folder.path().join("m.yaml"), manifest).unwrap();
    let mounted = mounts();
    let mut fitout = command(env!("CARGO_BIN_EXE_fitout"));
    fitout.args(["rehearse", "-f", "m.yaml", "-o", "json", "--progress", "none", "--cache", "cache"]).current_dir(folder.path());
    let told = told(&Run::of(&mut fitout).succeeded());
    for path in [marker, "/usr/bin/fitout-rehearsal-test"] {
        assert!(told.contains(path) && !std::path::Path::new(path).exists(), "{path}: {told:?}");
    }
    assert_eq!(mounted, mounts(), "a mount is left behind");
    let promote = Run::of(command(env!("CARGO_BIN_EXE_fitout")).args(["rehearse", "-f", "m.yaml", "--promote"]).current_dir(folder.path()));
    assert!(promote.ended(64).stderr.contains("a running machine is not promoted to"));
}
