//! A machine that somebody made by hand becomes one that a manifest describes, and loses nothing by it.

use crate::support::{Fitout, Root, Run, exact};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;

const UNIT: &str =
    "[Unit]\nDescription=Watches the lab\n\n[Service]\nExecStart=/bin/sleep infinity\n\n[Install]\nWantedBy=multi-user.target\n";
const SECRET: &str = "hf_CanaryCanaryCanary";

/// What people do by hand: packages, an account, units, the time zone, and things that no manifest states.
fn by_hand(root: &Root) {
    root.write("/etc/apt/sources.list.d/lab.list", "deb [signed-by=/srv/repository/key.asc] file:/srv/repository ./\n");
    root.run(&["apt-get", "-qq", "update"]);
    root.run(&["apt-get", "-qq", "-y", "install", "tiny-tool"]);
    root.run(&["useradd", "-m", "-s", "/bin/bash", "-G", "sudo,video", "ada"]);
    root.run(&["useradd", "-m", "-s", "/bin/sh", "bob"]);
    root.write("/etc/systemd/system/lab-watch.service", UNIT);
    root.write("/etc/systemd/system/lab-token.service", &format!("{UNIT}\n[Service]\nEnvironment=HF_TOKEN={SECRET}\n"));
    for unit in ["lab-watch", "lab-token"] {
        root.run(&["systemctl", "-q", "enable", &format!("{unit}.service")]);
    }
    root.run(&["systemctl", "-q", "disable", "e2scrub_all.timer"]);
    root.run(&["systemctl", "-q", "mask", "fstrim.timer"]);
    root.write("/etc/systemd/system/ssh.service.d/slow.conf", "[Service]\nNice=5\n");
    fs::remove_file(root.at("/etc/localtime")).unwrap();
    symlink("../usr/share/zoneinfo/Europe/Amsterdam", root.at("/etc/localtime")).unwrap();
    root.write("/etc/timezone", "Europe/Amsterdam\n");
    root.write("/etc/sysctl.d/70-lab.conf", "vm.swappiness = 10\n");
    root.write("/home/ada/.local/lib/python3.11/site-packages/rich-13.0.dist-info/METADATA", "Name: rich\n");
    root.write("/home/ada/.ssh/authorized_keys", "ssh-ed25519 AAAA ada@example.com\n");
    root.write("/home/ada/.ssh/id_ed25519", &format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n"));
    root.run(&["chown", "-R", "ada:ada", "/home/ada"]);
}

#[test]
fn a_machine_made_by_hand_is_adopted() {
    let root = Root::fresh();
    by_hand(&root);
    let before = exact(root.path());
    let fitout = Fitout::new(&root, "schema: 1\n");
    let proposed = Run::of(&mut fitout.question(&["init", "--from-machine"]));
    let text = proposed.ended(0).json()["manifest"].as_str().unwrap().to_owned();
    before.assert_same(&exact(root.path()), "looking changed the machine");
    for stated in [
        "\n  name: ada\n",
        "groups: [sudo, video]",
        "\n    - tiny-tool\n",
        "\n  - name: lab-watch.service\n    enabled: true\n    content: |\n      [Unit]\n",
        "\n  - name: lab-token.service\n    enabled: true\n  - name",
        "\n  - name: e2scrub_all.timer\n    enabled: false\n",
        "\n  - name: fstrim.timer\n    masked: true\n",
        "\ntimezone: Europe/Amsterdam\n",
        "\n#  vm.swappiness: ",
    ] {
        assert!(text.contains(stated), "{stated:?} is not in\n{text}");
    }
    assert!(!text.contains("tiny-data"), "what others needed was listed:\n{text}");
    for told in ["describes one): bob.", "the group sudo", "lab.list", "may hold a secret: lab-token.service."] {
        assert!(text.contains(told), "{told:?} is not in\n{text}");
    }
    assert!(!text.contains(SECRET) && !text.contains("AAAA"), "a secret was copied:\n{text}");

    fitout.rewrite(&text);
    let plan = fitout.run(&["plan", "--detailed-exitcode"]).ended(0).json();
    let quiet = |report: &serde_json::Value| {
        let resources = report["resources"].as_array().unwrap().iter();
        resources.filter(|one| ["steps", "deferred", "drift"].iter().any(|list| one[list] != json!([]))).count() == 0
    };
    assert!(quiet(&plan), "{plan:#}");

    fitout.rewrite(&text.replace("    - tiny-tool\n", "    - tiny-tool\n    - tiny-daemon\n"));
    let plan = fitout.run(&["plan", "--detailed-exitcode"]).ended(2).json();
    let changed: Vec<_> = plan["resources"].as_array().unwrap().iter().filter(|one| one["steps"] != json!([])).collect();
    assert_eq!(
        (changed.len(), &changed[0]["id"], changed[0]["steps"].as_array().unwrap().len()),
        (1, &json!("apt:packages"), 1),
        "{plan:#}"
    );

    assert_eq!(fitout.apply()["changed"], json!(1));
    assert_eq!(root.run(&["tiny-tool"]), "tiny tool 1.2\n");
    root.run(&["dpkg", "-s", "tiny-daemon"]);
    assert!(root.at("/home/ada/.local/lib/python3.11/site-packages/rich-13.0.dist-info/METADATA").exists());
    assert_eq!(root.read("/etc/systemd/system/lab-watch.service"), UNIT);
    assert!(root.read("/etc/systemd/system/lab-token.service").contains(SECRET));
    let after = exact(root.path());
    assert_eq!(fitout.apply()["changed"], json!(0));
    after.assert_same(&exact(root.path()), "the second apply wrote something");
}
