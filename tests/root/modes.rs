//! Who may read and write what Fitout makes, whoever starts it from where; and whose files root takes orders from.

use crate::environments::channel;
use crate::support::{Fitout, Root, Run, Server, canonical, command, modes, risks};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

/// Something of every kind that writes files: secrets, downloads, logs, state, what the tools of the distribution make.
pub const MANIFEST: &str = r#"
schema: 1
name: lab-one
user: {name: ada, sudo: true}
packages:
  repositories: [{name: tiny, uri: "file:/srv/repository", suite: ./, signed_by: tiny.asc}]
  install: [tiny-tool]
conda: {prefix: /anaconda}
environments: [{name: lab, from: {conda: environment.yml}}]
files:
  - {path: /etc/motd, content: "hello\n"}
  - {path: ~/notes/first.txt, content: "first\n"}
  - {path: /srv/lab, state: directory}
  - {path: /srv/lab/link, link: a}
units: [{name: lab.service, content: "[Service]\nExecStart=/bin/true\n", drop_ins: {a.conf: "[Service]\nNice=3\n"}}]
sysctl: {vm.swappiness: "10"}
shares: [{name: code, driver: cifs, account: labstorage, share: code, mount: /mnt/code, credential: {account_key: {file: /etc/lab.key}}}]
disk: {guards: [{mount: /, minimum_free: 1MB}]}
setup_scripts: {creation_script: {inline: "echo made > /srv/made\n"}}
checks: [{name: motd, command: [cat, /etc/motd], stdout_contains: hello}]
"#;

/// What Fitout writes for itself, and for services that it sets up: mode, owner, path; with `UPDATE_CASES=1` it is written anew.
const OWN: &str = "tests/root/modes.txt";
/// Where that is.
const FOLDERS: [&str; 5] = ["etc/fitout", "run/fitout", "var/cache/fitout", "var/lib/fitout", "var/log/fitout"];

/// An apply under this umask, which leaves no program that runs with another's rights and nothing that all may write to.
fn applied(umask: &str, channel: &Server) -> (Root, String) {
    let root = Root::fresh();
    root.write("/etc/lab.key", "c2VjcmV0\n");
    let cache = root.at("/var/cache/fitout");
    let fitout = Fitout::new(&root, MANIFEST).with_cache(&cache);
    fs::write(fitout.beside("environment.yml"), format!("channels: [{}]\ndependencies: [hello]\n", channel.url)).unwrap();
    let before = risks(root.path());
    let apply = fitout.command(&["apply", "--install"]);
    let mut shell = command("sh");
    shell.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")]).arg(apply.get_program()).args(apply.get_args());
    Run::of(&mut shell).ended(0);
    assert_eq!(risks(root.path()), before, "umask {umask}");
    let mut modes: Vec<String> = FOLDERS.iter().flat_map(|folder| modes(root.path(), folder)).collect();
    modes.sort();
    modes.dedup();
    (root, modes.join("\n") + "\n")
}

#[test]
fn whatever_the_umask_modes_are_the_same() {
    let channel = tempfile::tempdir().unwrap();
    channel::write(channel.path(), &channel::tiny());
    let channel = Server::of(channel.path());
    let (open, listed) = applied("000", &channel);
    let (closed, other) = applied("077", &channel);
    canonical(open.path()).assert_same(&canonical(closed.path()), "the umask shows (000 / 077)");
    assert_eq!(listed, other, "the umask shows in Fitout's own files (000 / 077)");
    let known = Path::new(env!("CARGO_MANIFEST_DIR")).join(OWN);
    if std::env::var_os("UPDATE_CASES").is_some() {
        fs::write(&known, &listed).unwrap();
    }
    assert_eq!(listed, fs::read_to_string(known).unwrap_or_default(), "a file of Fitout's has another mode than it should");
}

const SMALL: &str = "schema: 1\ninclude: [part.yaml]\nfiles: [{path: /etc/motd, source: motd}]\n";
const SHARE: &str = "packages: {repositories: [{name: tiny, uri: \"file:/srv/repository\", suite: ./, signed_by: tiny.asc}]}\nshares: [{name: code, driver: cifs, account: labstorage, share: code, mount: /mnt/code, credential: {account_key: {file: /etc/lab.key}}}]\n";

/// Of a user, and of their group.
const ADA: u32 = 1000;
const EVE: u32 = 1001;

/// An apply as somebody becomes root by sudo.
fn asked_by(fitout: &Fitout<'_>, user: Option<u32>, verb: &[&str]) -> Run {
    let mut command = fitout.command(verb);
    command.env_remove("SUDO_UID").env_remove("PKEXEC_UID");
    Run::of(command.envs(user.map(|user| ("SUDO_UID", user.to_string()))))
}

#[test]
fn orders_are_taken_from_nobody_else() {
    let root = Root::bare();
    let fitout = Fitout::new(&root, SMALL);
    fs::write(fitout.beside("part.yaml"), "name: lab-one\n").unwrap();
    fs::write(fitout.beside("motd"), "hello\n").unwrap();
    fs::write(fitout.beside("workstation.yaml.lock"), "{\"version\": 1, \"machines\": {}}\n").unwrap();
    for name in ["workstation.yaml", "part.yaml", "motd", "workstation.yaml.lock", ""] {
        let path = fitout.beside(name);
        let set = |owner: u32, group: u32, more: u32| {
            chown(&path, Some(owner), Some(group)).unwrap();
            let mode = if name.is_empty() { 0o755 } else { 0o644 };
            fs::set_permissions(&path, Permissions::from_mode(mode | more)).unwrap();
        };
        let refused = |why: &str| {
            for verb in ["apply", "verify", "rehearse"] {
                let run = asked_by(&fitout, Some(ADA), &[verb]);
                let told = run.stderr.clone() + &run.stdout;
                assert_eq!(run.code, Some(65), "{verb} {name}: {told}");
                assert!([why, "done as root", "chown root:root"].iter().all(|words| told.contains(words)), "{verb} {name}: {told}");
            }
            // Whoever looks does nothing, and may look at what anybody wrote.
            asked_by(&fitout, None, &["plan"]).ended(0);
        };
        set(EVE, EVE, 0);
        refused("belongs to user 1001");
        set(0, EVE, 0o020);
        refused("others than its owner may write to it");
        set(ADA, ADA, 0o002);
        refused("others than its owner may write to it");
        // What somebody who becomes root by sudo wrote alone is theirs to have done.
        set(ADA, ADA, 0o020);
        asked_by(&fitout, Some(ADA), &["apply"]).ended(0);
        asked_by(&fitout, None, &["apply"]).ended(65);
        set(0, 0, 0);
        asked_by(&fitout, None, &["apply"]).ended(0);
    }
    // Standard input is whose it is: somebody typed it, or piped it on purpose.
    chown(fitout.manifest(), Some(EVE), None).unwrap();
    let mut piped = fitout.question(&["apply", "-f", "-"]);
    piped.stdin(fs::File::open(fitout.manifest()).unwrap()).current_dir(fitout.beside(""));
    Run::of(&mut piped).ended(0);
}

#[test]
fn a_secret_that_others_may_write_is_none() {
    let root = Root::fresh();
    root.write("/etc/lab.key", "c2VjcmV0\n");
    let fitout = Fitout::new(&root, SHARE);
    fs::set_permissions(root.at("/etc/lab.key"), Permissions::from_mode(0o622)).unwrap();
    let failed = asked_by(&fitout, None, &["apply"]);
    assert!(failed.ended(1).stdout.contains("others than its owner may write to it (mode 0622)"), "{failed:?}");
    fs::set_permissions(root.at("/etc/lab.key"), Permissions::from_mode(0o600)).unwrap();
    asked_by(&fitout, None, &["apply"]).ended(0);
}

/// How exposed systemd finds the units that are shipped, at most: that of the agent, which administers the machine, is argued in docs/decisions.md.
#[test]
fn the_unit_that_makes_host_keys_is_confined() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd/fitout-host-keys.service");
    let judged = command("systemd-analyze").args(["security", "--offline=yes", "--no-pager", "--threshold=60"]).arg(unit).output().unwrap();
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stdout));
}
