//! `state: absent` after present on a real root: what Debian's own tools made and removed leaves no trace.

use super::support::{Fitout, Root, canonical};

const PRESENT: &str = r#"
user: {name: ada, sudo: true, groups: [users], authorized_keys: [tiny.pub]}
packages:
  repositories: [{name: tiny, uri: "file:/srv/repository", suite: ./, signed_by: tiny.asc}]
  install: [tiny-tool]
files:
  - {path: /srv/lab, state: directory}
  - {path: /srv/lab/a/b, content: "b\n"}
  - {path: /srv/lab/link, link: a/b}
units:
  - {name: lab.service, enabled: true, active: true, content: "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\nAlias=other.service\n", drop_ins: {a.conf: "[Service]\nNice=3\n"}}
  - {name: systemd-timesyncd.service, masked: true}
shares:
  - {name: code, driver: cifs, account: labstorage, share: code, mount: /mnt/code, credential: {account_key: {file: /etc/lab.key}}}
disk: {guards: [{mount: /, minimum_free: 1MB}]}
"#;

const ABSENT: &str = r"
users: [{name: ada, state: absent}]
packages: {repositories: [{name: tiny, state: absent}], remove: [tiny-tool, tiny-data, cifs-utils]}
files: [{path: /srv/lab, state: absent}]
units: [{name: lab.service, state: absent}, {name: systemd-timesyncd.service, state: absent}]
shares: [{name: code, state: absent, driver: cifs, mount: /mnt/code}]
disk: {guards: [{mount: /, state: absent}]}
";

/// What stays beside what [`canonical`] leaves out: homes; empty folders on the way to what went, as `mkdir -p` leaves them; files that
/// tools of Debian make once and keep.
const STAYS: [&str; 6] =
    ["/home/ada", "/etc/fitout", "/etc/.pwd.lock", "/etc/systemd/system/remote-fs.target.wants", "/var/lib/apt", "/var/lib/dpkg"];

#[test]
fn what_is_not_to_be_any_more_leaves_no_trace() {
    let root = Root::fresh();
    root.write("/etc/lab.key", "c2VjcmV0\n");
    let before = canonical(root.path());
    let fitout = Fitout::new(&root, PRESENT);
    std::fs::write(fitout.beside("tiny.pub"), include_str!("../../manifests/keys/quickstart.pub")).unwrap();
    fitout.apply();
    root.write("/home/ada/work", "hers\n");
    fitout.rewrite(ABSENT);
    fitout.apply();
    let left: Vec<String> =
        before.differences(&canonical(root.path())).into_iter().filter(|line| !STAYS.iter().any(|stays| line.starts_with(stays))).collect();
    assert!(left.is_empty(), "left out beside the usual: {STAYS:?}\n{}", left.join("\n"));
    assert_eq!(root.read("/home/ada/work"), "hers\n");
    assert_eq!(root.mode("/home/ada"), 0o700);
    assert_eq!(fitout.apply()["changed"], 0);
}
