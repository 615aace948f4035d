//! A manifest that is proposed of a machine is valid, and planning it finds nothing to do, whatever the machine is like.

use super::pipeline::{forecast, order};
use fitout::adopt::propose;
use fitout::model::TargetPath;
use fitout::step::Ability;
use fitout::store::Store;
use fitout::target::fake::{Behaviour, Fake, Node};
use std::collections::BTreeMap;

const ABILITIES: [Ability; 3] = [Ability::Files, Ability::Exec, Ability::Instance];
const UNIT: &str = "[Service]\nExecStart=/bin/true\n\n[Install]\nWantedBy=multi-user.target\n";

fn package(name: &str, more: &str) -> String {
    format!("Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n{more}\n")
}

/// A machine with these files, and links that begin with `-> `.
fn machine(files: &[(&str, &str)]) -> Fake {
    let fake = Fake::debian(&ABILITIES, Behaviour::default()).unwrap();
    fake.arrange(|tree| {
        files.iter().try_for_each(|(path, text)| {
            let path = TargetPath::parse(path).unwrap();
            tree.make_directories(&path.parent().unwrap(), 0o755)?;
            let node = text.strip_prefix("-> ").map_or_else(|| Node::file(*text, 0o644, (0, 0)), Node::link);
            tree.put(&path, node)
        })
    })
    .unwrap();
    fake
}

/// What is proposed; its plan has nothing to do, and looking changed nothing.
fn proposed(on: &Fake) -> String {
    let before = on.sight();
    let text = propose(on, &Store::at("/nonexistent")).unwrap();
    assert!(on.sight() == before, "looking changed the machine");
    let work = order(&text, &BTreeMap::new(), on).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
    let plan = forecast(&work, on);
    let says = |one: &&fitout::plan::Planned| !(one.steps.is_empty() && one.deferred.is_empty() && one.drift.is_empty());
    assert!(plan.is_clean() && plan.resources.iter().filter(says).count() == 0, "{plan:#?}\n{text}");
    text
}

#[test]
fn a_bare_machine_states_nothing() {
    insta::assert_snapshot!("bare", proposed(&machine(&[])));
}

#[test]
fn a_machine_made_by_hand() {
    let status =
        package("dpkg", "Essential: yes\n") + &package("git", "") + &package("tzdata", "") + &package("less", "Priority: important\n");
    let on = machine(&[
        ("/var/lib/dpkg/status", &status),
        ("/var/lib/apt/extended_states", "Package: tzdata\nArchitecture: amd64\nAuto-Installed: 1\n"),
        (
            "/etc/passwd",
            "root:x:0:0:root:/root:/bin/bash\nbo:x:1001:1001::/home/bo:/bin/sh\nada:x:1000:1000::/home/ada:/bin/bash\nd:x:1002:1002::/:/bin/false\n",
        ),
        ("/etc/group", "root:x:0:\nsudo:x:27:ada\nada:x:1000:\nbo:x:1001:\n"),
        ("/etc/sudoers.d/lab", "ada ALL=(ALL) NOPASSWD: ALL\n"),
        ("/home/ada/.ssh/authorized_keys", "# mine\nssh-ed25519 AAAA ada\n"),
        ("/home/ada/project/.venv/pyvenv.cfg", ""),
        ("/home/ada/miniforge3/envs/torch/x", ""),
        ("/home/ada/.local/share/jupyter/kernels/torch/kernel.json", "{}"),
        ("/etc/localtime", "-> /usr/share/zoneinfo/Europe/Amsterdam"),
        ("/etc/timezone", "Europe/Amsterdam\n"),
        ("/etc/sysctl.d/70-lab.conf", "# why\nvm.swappiness = 10\nnet.ipv4.tcp_fastopen_key = 1-2-3-4\n"),
        ("/etc/systemd/system/lab.service", UNIT),
        ("/etc/systemd/system/multi-user.target.wants/lab.service", "-> ../lab.service"),
        ("/etc/systemd/system/token.service", "[Service]\nEnvironment=HF_TOKEN=canary\n"),
        ("/etc/systemd/system/lab.service.d/nice.conf", "[Service]\nNice=5\n"),
        ("/etc/systemd/system/apt-daily.timer", "-> /dev/null"),
        ("/etc/systemd/system/timers.target.wants/gone.timer", "-> /usr/lib/systemd/system/gone.timer"),
        ("/usr/lib/systemd/system/ssh.service", UNIT),
        ("/usr/lib/systemd/system/cron.service", UNIT),
        ("/etc/systemd/system/multi-user.target.wants/ssh.service", "-> /usr/lib/systemd/system/ssh.service"),
        ("/var/lib/systemd/deb-systemd-helper-enabled/multi-user.target.wants/ssh.service", ""),
        ("/var/lib/systemd/deb-systemd-helper-enabled/multi-user.target.wants/cron.service", ""),
        ("/etc/fstab", "//lab.example.org/share /mnt/lab cifs credentials=/root/smb 0 0\n"),
    ]);
    let text = proposed(&on);
    assert!(!text.contains("canary") && !text.contains("1-2-3-4"), "{text}");
    insta::assert_snapshot!("by_hand", text);
}

#[test]
fn what_would_change_something_or_cannot_be_told_is_a_comment() {
    let on = machine(&[
        ("/etc/hostname/in-the-way", ""),
        ("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nada:x:1000:1000::/home/ada:/bin/bash\n"),
        ("/etc/localtime", "-> ../usr/share/zoneinfo/Europe/Amsterdam"),
        ("/etc/systemd/system/odd.service", UNIT),
        ("/etc/systemd/system/tabs.service", "[Service]\nExecStart=/bin/true\t\\\n\tx\n"),
    ]);
    on.arrange(|tree| tree.put(&TargetPath::parse("/etc/systemd/system/odd.service").unwrap(), Node::file(UNIT, 0o600, (0, 0)))).unwrap();
    insta::assert_snapshot!("refused", proposed(&on));
}
