//! A custom application that runs: a real container of a real engine, started by the unit that Fitout writes.

use crate::machine::{Machine, wait_for};

const UNIT: &str = "fitout-app-greeter.service";

/// This machine may not raise limits of its own, which docker's packages ask for.
const LIMITS: &str = "[Service]\nLimitNOFILE=20000\nLimitNPROC=30000\nLimitCORE=0\n";

/// What the container runs: it writes down what it was told, and serves what it was given.
const COMMAND: &str = r#"CMD ["/bin/sh", "-c", "echo \"$GREETING\" >/data/greeting; exec python3 -m http.server 8787 --directory /data"]"#;

/// An image of the machine's own programs: none need be fetched.
const IMAGE: &str = "cd / && tar -c bin lib lib64 usr/bin usr/lib/x86_64-linux-gnu usr/lib64 usr/lib/python3.11 | docker import --change \"$0\" - localhost/greeter:1";

/// By loopback, and by the container's own address: no other account.
fn the_owner_alone_comes_to_it(machine: &Machine) {
    let address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    let address = machine.must(&["docker", "inspect", "--format", address, UNIT.trim_end_matches(".service")]);
    for place in ["127.0.0.1:8790".to_owned(), format!("{}:8787", address.trim())] {
        let asks = format!("import urllib.request; urllib.request.urlopen('http://{place}/greeting', timeout=5)");
        let comes = |user: &str| machine.inside(&["runuser", "-u", user, "--", "python3", "-c", &asks]).status.success();
        assert_eq!(["alice", "root", "nobody"].map(comes), [true, true, false], "{place}");
    }
}

#[test]
fn a_custom_application_runs_in_its_container() {
    let Some(mut machine) = Machine::fresh() else { return };
    machine.apply_offline("application.yaml");
    for unit in ["docker", "containerd"] {
        machine.write(&format!("/etc/systemd/system/{unit}.service.d/limits.conf"), LIMITS);
    }
    machine.write("/srv/greetings/readme", "");
    machine.start(&["systemd.mask=fitout-agent.service"]);
    // The container's view of the kernel's groups is one that can only be read, where version 1 is in use.
    machine.must(&["sh", "-c", "for one in /sys/fs/cgroup/*/; do mount -o remount,bind,rw $one 2>/dev/null; done; true"]);
    machine.must(&["sh", "-c", IMAGE, COMMAND]);
    // It was tried at boot, when there was no image.
    machine.must(&["systemctl", "stop", UNIT]);
    let (code, report) = machine.ask(&["apply"]);
    assert_eq!((code, report["failed"].as_u64()), (0, Some(0)), "{report:#}");
    let ask = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8790/greeting').read().decode(), end='')";
    let said = wait_for("the application", || {
        let asked = machine.inside(&["python3", "-c", ask]);
        asked.status.success().then(|| String::from_utf8(asked.stdout).unwrap())
    });
    assert_eq!(said, "hello, 100 % \"you\"\n");
    let listens = machine.must(&["ss", "-Hltn", "sport = :8790"]);
    let at: Vec<&str> = listens.lines().filter_map(|line| line.split_whitespace().nth(3)).collect();
    assert_eq!(at, ["127.0.0.1:8790"]);
    the_owner_alone_comes_to_it(&machine);
    let programs = machine.must(&["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"]);
    assert!(programs.contains("docker run") && !programs.contains("hello, 100"), "{programs}");
    assert_eq!(machine.must(&["stat", "--format=%a %U", "/etc/fitout/applications/greeter.env"]), "600 root\n");
    assert_eq!(machine.ask(&["apply"]).1["changed"], 0);
    machine.must(&["systemctl", "stop", UNIT]);
    assert_eq!(machine.must(&["docker", "ps", "--all", "--quiet"]), "");
    assert!(!machine.must(&["nft", "list", "tables"]).contains("fitout-app-greeter"));
    // Groups of version 1 are the host's, and nobody else takes them away.
    machine.must(&["sh", "-c", "systemctl stop docker.socket docker containerd; rmdir /sys/fs/cgroup/*/docker 2>/dev/null; true"]);
    machine.stop();
}
