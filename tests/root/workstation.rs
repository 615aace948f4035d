//! Fitout on a real Debian root: what it makes, that it makes it once, that nothing leaves the root, and how it refuses.

use crate::support::{Fitout, Root, Run, canonical, command, exact};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

/// One of every kind that needs no network.
const MANIFEST: &str = r#"
schema: 1
name: lab-one
user: {name: ada, sudo: true, authorized_keys: [ada.pub]}
ssh_public_access_enabled: true
packages:
  repositories:
    - {name: tiny, uri: "file:/srv/repository", suite: ./, signed_by: tiny.asc}
  install: [tiny-tool, "tiny-daemon=2.*"]
files:
  - {path: /etc/motd, content: "hello\n"}
  - {path: /opt/deep/er/secret.conf, content: "x = 1\n", mode: "0640"}
  - {path: ~/notes/first.txt, content: "first\n"}
  - {path: /etc/default/tiny, content: "once\n", create_only: true}
units:
  - {name: tiny-daemon.service, enabled: true, active: true}
  - {name: ssh.service, enabled: true, active: true}
setup_scripts:
  creation_script: {path: setup.sh, command: bash setup.sh one "two three"}
disk:
  guards: [{mount: /, minimum_free: 1MB}]
checks:
  - {name: tool, command: [tiny-tool], stdout_contains: "tool 1.2"}
"#;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ada@example.com\n";

/// The manifest of this test with the files that it names.
fn workstation<'a>(root: &'a Root, manifest: &str) -> Fitout<'a> {
    let fitout = Fitout::new(root, manifest);
    fs::write(fitout.beside("ada.pub"), KEY).unwrap();
    fs::write(fitout.beside("setup.sh"), "printf '%s|' \"$CI_NAME\" \"$@\" > /srv/setup-ran\n").unwrap();
    fitout
}

fn steps<'a>(report: &'a Value, kind: &str) -> Vec<(&'a Value, &'a Value)> {
    let resources = report["resources"].as_array().unwrap().iter();
    resources.flat_map(|one| one[kind].as_array().unwrap().iter().map(move |step| (&one["id"], step))).collect()
}

fn resource<'a>(report: &'a Value, id: &str) -> &'a Value {
    report["resources"].as_array().unwrap().iter().find(|one| one["id"] == id).unwrap_or_else(|| panic!("no {id} in {report:#}"))
}

/// Nothing is mounted in a root, and nothing runs in it.
fn assert_left_alone(root: &Root) {
    let place = root.path().to_str().unwrap();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(place), "mounts left behind:\n{mounts}");
    assert_eq!(root.inhabitants(), Vec::<PathBuf>::new(), "processes left behind");
    assert!(!root.at("/usr/sbin/policy-rc.d").exists(), "the policy on services was left behind");
}

#[test]
fn a_root_becomes_a_workstation_once() {
    let root = Root::fresh();
    let fitout = workstation(&root, MANIFEST);
    let before = exact(root.path());
    let plan = fitout.run(&["plan", "--detailed-exitcode"]).ended(2).json();
    before.assert_same(&exact(root.path()), "planning changed the root");
    let report = fitout.apply();

    assert_eq!(root.read("/etc/motd"), "hello\n");
    assert_eq!((root.read("/opt/deep/er/secret.conf").as_str(), root.mode("/opt/deep/er/secret.conf")), ("x = 1\n", 0o640));
    assert_eq!(root.read("/etc/hostname"), "lab-one\n");
    assert_eq!(root.run(&["stat", "-c", "%U %a", "/home/ada/notes/first.txt", "/home/ada/.ssh/authorized_keys"]), "ada 644\nada 600\n");
    assert_eq!(root.read("/home/ada/.ssh/authorized_keys"), KEY);
    assert_eq!(root.run(&["tiny-tool"]), "tiny tool 1.2\n");
    assert_eq!(root.run(&["dpkg-query", "-W", "-f", "${Version}", "tiny-data"]), "1.0");
    assert!(!root.at("/var/lib/tiny-started").exists(), "a package started a service in a root where nothing runs");
    assert!(root.at("/etc/systemd/system/multi-user.target.wants/tiny-daemon.service").is_symlink());
    assert_eq!(root.read("/srv/setup-ran"), "lab-one|one|two three|");
    assert!(root.run(&["sudo", "-l", "-U", "ada"]).contains("NOPASSWD: ALL"));
    assert_left_alone(&root);

    let planned = steps(&plan, "steps");
    let surplus: Vec<_> = steps(&report, "steps").into_iter().filter(|step| !planned.contains(step)).collect();
    assert!(surplus.is_empty(), "performed and not planned: {surplus:#?}");
    let waits = resource(&report, "unit:tiny-daemon.service");
    assert!(waits["deferred"].to_string().contains("waits for a running system"), "{waits:#}");

    let after = exact(root.path());
    let again = fitout.apply();
    assert_eq!((&again["changed"], &again["failed"], steps(&again, "steps")), (&json!(0), &json!(0), Vec::new()), "{again:#}");
    after.assert_same(&exact(root.path()), "the second apply wrote something");
    fitout.run(&["plan", "--detailed-exitcode"]).ended(0);
    after.assert_same(&exact(root.path()), "planning wrote something");
}

#[test]
fn the_ssh_policy_is_that_of_the_real_sshd() {
    let root = Root::fresh();
    root.write("/etc/ssh/sshd_config.d/50-cloud-init.conf", "PasswordAuthentication yes\n");
    let fitout = workstation(&root, MANIFEST);
    fitout.apply();
    fs::create_dir_all(root.at("/run/sshd")).unwrap();
    let policy = root.run(&["/usr/sbin/sshd", "-T", "-C", "user=ada,host=localhost,addr=127.0.0.1"]);
    for line in ["passwordauthentication no", "permitrootlogin no", "allowusers ada", "authenticationmethods publickey"] {
        assert!(policy.lines().any(|said| said == line), "{line} is not in\n{policy}");
    }
    fitout.run(&["plan", "--detailed-exitcode"]).ended(0);
    root.write("/etc/ssh/sshd_config.d/10-x.conf", "# ours\nDenyUsers ada\n");
    let verified = fitout.run(&["verify"]).ended(2).json().to_string();
    assert!(verified.contains("not allowed because listed in DenyUsers (/etc/ssh/sshd_config.d/10-x.conf:2)"), "{verified}");
}

#[test]
fn an_ssh_policy_that_does_not_hold_is_taken_back() {
    let root = Root::fresh();
    let config = format!("PermitRootLogin yes\n{}", root.read("/etc/ssh/sshd_config"));
    root.write("/etc/ssh/sshd_config", &config);
    let fitout = workstation(&root, MANIFEST);
    let report = fitout.run(&["apply"]).ended(1).json();
    let failed = resource(&report, "sshd-policy:ada");
    assert!(failed["reason"].as_str().unwrap().contains("permitrootlogin is `yes`, not `no`"), "{failed:#}");
    assert!(!root.at("/etc/ssh/sshd_config.d/00-fitout.conf").exists(), "a policy that failed its proof was kept");
    assert_eq!(root.read("/etc/ssh/sshd_config"), config);
    assert_eq!(root.read("/etc/motd"), "hello\n", "one failure took other work with it");
}

#[test]
fn a_package_that_fails_is_named_with_its_own_words() {
    let root = Root::fresh();
    let fitout = workstation(&root, &MANIFEST.replace("tiny-tool,", "tiny-broken,").replace("[tiny-tool]", "[\"true\"]"));
    let report = fitout.run(&["apply"]).ended(1).json();
    let failed = resource(&report, "apt:packages");
    assert!(failed["reason"].as_str().unwrap().contains("tiny-broken: no configuration found"), "{failed:#}");
    assert_eq!(root.read("/etc/motd"), "hello\n");
    let why = Run::of(&mut fitout.question(&["why"]));
    assert!(why.stdout.contains("tiny-broken"), "{why:?}");
    assert_left_alone(&root);
}

#[test]
fn what_people_edit_is_theirs() {
    let root = Root::fresh();
    let text = |motd: &str| {
        format!("schema: 1\nfiles:\n  - {{path: /etc/motd, content: \"{motd}\\n\"}}\n  - {{path: /etc/other, content: \"o\\n\"}}\n")
    };
    let fitout = workstation(&root, &text("one"));
    fitout.apply();
    root.write("/etc/motd", "mine\n");
    let report = fitout.apply();
    assert_eq!((root.read("/etc/motd").as_str(), &report["changed"]), ("mine\n", &json!(0)));
    assert!(resource(&report, "file:/etc/motd")["drift"].to_string().contains("was edited"), "{report:#}");
    fitout.run(&["verify"]).ended(2);

    fitout.rewrite(&text("two"));
    fs::remove_file(root.at("/etc/other")).unwrap();
    let report = fitout.run(&["apply"]).ended(1).json();
    assert_eq!(root.read("/etc/motd"), "mine\n");
    assert!(resource(&report, "file:/etc/motd")["reason"].to_string().contains("edited on this machine"), "{report:#}");
    assert!(!root.at("/etc/other").exists(), "what somebody removed came back unasked");

    fitout.run(&["apply", "--repair"]).ended(0);
    assert_eq!((root.read("/etc/motd").as_str(), root.read("/etc/other").as_str()), ("two\n", "o\n"));
    assert_eq!(root.read("/var/lib/fitout/edited/etc/motd"), "mine\n");
    fitout.run(&["verify"]).ended(0);
}

#[test]
fn links_of_a_root_lead_nowhere() {
    let root = Root::fresh();
    // Not below /tmp, which becomes a link here.
    let outside = tempfile::tempdir_in("/var/tmp").unwrap();
    for name in ["proc", "dev", "run", "tmp", "etc-link", "var"] {
        fs::create_dir(outside.path().join(name)).unwrap();
    }
    fs::write(outside.path().join("policy"), "#!/bin/sh\nexit 0\n").unwrap();
    let place = |name: &str| outside.path().join(name);
    let climbing = Path::new("../../../../../../../../..").join(outside.path().strip_prefix("/").unwrap());
    // Where links may be followed, they are followed inside: the same path below the root.
    for name in ["proc", "dev", "run", "tmp"] {
        fs::remove_dir_all(root.at(name)).unwrap();
        symlink(place(name), root.at(name)).unwrap();
    }
    for name in ["dev", "proc", "run", "tmp", "etc-link", "var"] {
        fs::create_dir_all(root.at(place(name).to_str().unwrap())).unwrap();
    }
    symlink(place("policy"), root.at("/usr/sbin/policy-rc.d")).unwrap();
    symlink(place("etc-link"), root.at("/opt/absolute")).unwrap();
    symlink(climbing.join("etc-link"), root.at("/opt/climbing")).unwrap();
    fs::create_dir_all(root.at("/var/lib/fitout")).unwrap();
    symlink(place("var"), root.at("/var/lib/fitout/state")).unwrap();
    let more = "\n  - {path: /opt/absolute/a, content: \"a\\n\"}\n  - {path: /opt/climbing/b, content: \"b\\n\"}\nunits:";
    let fitout = workstation(&root, &MANIFEST.replace("\nunits:", more));
    let before = exact(outside.path());
    // Whether all of it can be had in such a root is not the point.
    let ended = fitout.run(&["apply"]);
    assert!(matches!(ended.code, Some(0 | 1)), "{ended:?}");
    before.assert_same(&exact(outside.path()), "something was written outside the root");
    let inside = root.at(place("etc-link").to_str().unwrap());
    assert!(inside.join("a").exists(), "{ended:?}");
    assert!(inside.join("b").exists(), "{ended:?}");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(root.path().to_str().unwrap()) && !mounts.contains(outside.path().to_str().unwrap()), "{mounts}");
}

#[test]
fn refusals_change_nothing() {
    let root = Root::fresh();
    let fitout = workstation(&root, &MANIFEST.replace("minimum_free: 1MB", "minimum_free: 900TB"));
    let before = exact(root.path());
    let floor = fitout.run(&["apply"]);
    floor.ended(73);
    assert!(floor.stderr.contains("900.0 TB must stay free"), "{floor:?}");
    fitout.rewrite("schema: 1\npakages: {}\nname: 7\n");
    let problems = fitout.run(&["apply"]);
    problems.ended(65);
    assert!(problems.stderr.contains("packages") || problems.stdout.contains("packages"), "every problem has its suggestion: {problems:?}");
    fs::remove_file(fitout.manifest()).unwrap();
    fitout.run(&["apply"]).ended(66);
    fitout.run(&["apply", "--no-such-option"]).ended(64);
    before.assert_same(&exact(root.path()), "a refusal changed the root");
    assert!(!root.at("/var/lib/fitout/runs").exists() && !root.at("/var/lib/fitout/state").exists(), "a refusal left a trace");
}

#[test]
fn only_root_changes_machines() {
    let folder = tempfile::Builder::new().prefix("fitout-nobody-").permissions(permissions(0o755)).tempdir().unwrap();
    let program = folder.path().join("fitout");
    fs::copy(env!("CARGO_BIN_EXE_fitout"), &program).unwrap();
    let manifest = folder.path().join("m.yaml");
    fs::write(&manifest, "schema: 1\n").unwrap();
    let run = Run::of(command(&program).arg("apply").arg("-f").arg(manifest).uid(65534).gid(65534).current_dir("/"));
    run.ended(77);
}

fn permissions(mode: u32) -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(mode)
}

#[test]
fn one_run_at_a_time() {
    let root = Root::fresh();
    let fitout = workstation(&root, &MANIFEST.replace("tiny-tool,", "tiny-tool, tiny-slow,"));
    let mut first = fitout.command(&["apply"]);
    let mut first = first.stdout(std::process::Stdio::null()).spawn().unwrap();
    crate::support::wait_until("the slow package is being set up", || root.at("/var/lib/tiny-slow/1").exists());
    let second = fitout.run(&["apply", "--lock-timeout", "0s"]);
    second.ended(75);
    assert!(second.stderr.contains(&first.id().to_string()), "the holder is named: {second:?}");
    fitout.run(&["plan"]).ended(0);
    assert!(first.wait().unwrap().success());
    assert_eq!(fitout.apply()["changed"], json!(0));
}

/// Secrets of one run, each where it comes from.
const SECRETS: [(&str, &str); 3] = [
    ("/run-secrets/key", "Q2FuYXJ5QWNjb3VudEtleUNhbmFyeUFjY291bnRLZXlDYW5hcnk9PQ=="),
    ("/run-secrets/smb", "Q2FuYXJ5U21iS2V5Q2FuYXJ5U21iS2V5Q2FuYXJ5U21iS2V5QQ=="),
    ("/run-secrets/sas", "sv=2024-01-01&ss=b&srt=co&sp=r&se=2027-01-01&sig=Y2FuYXJ5c2ln%3D"),
];

const SHARES: &str = r"
shares:
  - {name: data, driver: blobfuse2, account: labstorage, container: data, mount: /mnt/data-sets, access: read_only,
     credential: {account_key: {file: /run-secrets/key}}, cache: {path: /mnt/resource/data, limit: 5GB}}
  - {name: more, driver: blobfuse2, account: labstorage, container: more, mount: /mnt/more,
     credential: {sas: {file: /run-secrets/sas}}, cache: {path: /mnt/resource/more, limit: 5GB}}
  - {name: code, driver: cifs, account: labstorage, share: code-391f, mount: ~/cloudfiles/code,
     credential: {account_key: {file: /run-secrets/smb}}}
";

#[test]
fn shares_are_units_that_systemd_accepts_and_secrets_stay_where_they_belong() {
    let root = Root::fresh();
    for (path, secret) in &SECRETS[..2] {
        root.write(path, &format!("{secret}\n"));
    }
    let fitout = workstation(&root, &format!("{MANIFEST}{SHARES}"));
    let loud = |verb: &[&str]| Run::of(fitout.command(verb).env("RUST_LOG", "trace"));
    // First without one of the secrets, so that failures are heard as well.
    let mut said = vec![loud(&["plan"]), loud(&["apply"])];
    said[1].ended(1);
    root.write(SECRETS[2].0, SECRETS[2].1);
    said.extend([loud(&["plan"]), loud(&["apply"]), loud(&["verify"])]);
    said.extend(["status", "why"].map(|verb| Run::of(fitout.question(&[verb]).env("RUST_LOG", "trace"))));
    said[3].ended(0);
    root.run(&[
        "systemd-analyze",
        "verify",
        "/etc/systemd/system/fitout-share-data.service",
        "/etc/systemd/system/fitout-share-more.service",
    ]);
    root.run(&["systemd-analyze", "verify", "/etc/systemd/system/home-ada-cloudfiles-code.mount"]);
    let wants = root.at("/etc/systemd/system/multi-user.target.wants/fitout-share-data.service");
    assert!(wants.is_symlink() && root.at("/etc/systemd/system/remote-fs.target.wants/home-ada-cloudfiles-code.mount").is_symlink());

    let places = ["/etc/fitout/shares/data.yaml", "/etc/fitout/shares/code.credentials", "/etc/fitout/shares/more.yaml"];
    for ((source, secret), place) in SECRETS.iter().zip(places) {
        let heard: Vec<_> = said.iter().filter(|run| run.stdout.contains(secret) || run.stderr.contains(secret)).collect();
        assert!(heard.is_empty(), "a secret was printed: {heard:#?}");
        let mut holders = crate::support::holders(root.path(), secret);
        holders.sort();
        assert_eq!(holders, [place[1..].to_owned(), source[1..].to_owned()]);
        assert_eq!(root.mode(place), 0o600);
    }
    let after = canonical(root.path());
    assert_eq!(fitout.apply()["changed"], json!(0));
    after.assert_same(&canonical(root.path()), "the second apply changed the root");
}

/// What `--install` adds is Fitout's own: no manifest names it, so no line that is gone takes it along.
#[test]
fn an_installed_fitout_stays_whatever_leaves_the_manifest() {
    let root = Root::fresh();
    let fitout = workstation(&root, "schema: 1\non_removal: delete\nfiles: [{path: /etc/lab, content: x}]\n");
    // Its units cannot be switched on where there is no systemd.
    let installed = fitout.run(&["apply", "--install"]).json();
    assert_eq!(resource(&installed, "file:/usr/local/bin/fitout")["outcome"], "changed", "{installed:#}");
    let known = root.read("/var/lib/fitout/state/resources.json");
    assert!(known.contains("/etc/lab") && !known.contains("fitout-agent") && !known.contains("/usr/local/bin/fitout"), "{known}");
}
