//! What `doctor` finds on machines of all sorts; looking changes nothing.

use fitout::doctor::{Level, examine};
use fitout::model::{ResourceId, TargetPath};
use fitout::step::Ability;
use fitout::target::fake::{Behaviour, Fake, Node};
use std::fmt::Write;

const UP: [Ability; 4] = [Ability::Files, Ability::Exec, Ability::Instance, Ability::RunningSystem];
const DRIVER: &str = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\n";
const GPU: [(&str, &str); 2] =
    [("/sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de\n"), ("/sys/bus/pci/devices/0000:01:00.0/class", "0x030200\n")];

/// A machine that is up, with these files; one that begins with `-> ` is a link.
fn machine(files: &[(&str, &str)]) -> Fake {
    let fake = Fake::debian(&UP, Behaviour::default()).unwrap();
    fake.arrange(|tree| {
        // As it is where nobody asked systemd for a unit of the moment.
        tree.make_directories(&TargetPath::parse("/run/systemd/system").unwrap(), 0o755)?;
        files.iter().try_for_each(|(path, text)| {
            let path = TargetPath::parse(path).unwrap();
            tree.make_directories(&path.parent().unwrap(), 0o755)?;
            tree.put(&path, text.strip_prefix("-> ").map_or_else(|| Node::file(*text, 0o644, (0, 0)), Node::link))
        })
    })
    .unwrap();
    fake
}

/// All that is not well, a line each, with what of the manifest is concerned.
fn found(files: &[(&str, &str)], named: &[&str]) -> String {
    let on = machine(files);
    let named: Vec<ResourceId> = named.iter().map(|id| ResourceId::try_from((*id).to_owned()).unwrap()).collect();
    let before = on.sight();
    let found = examine(&on, &named);
    assert!(on.sight() == before, "looking changed the machine");
    found.iter().filter(|one| one.level > Level::Fine).fold(String::new(), |mut text, one| {
        let ids: Vec<String> = one.concerns.iter().map(ToString::to_string).collect();
        writeln!(text, "{:?} {}: {} [{}]", one.level, one.about, one.found, ids.join(" ")).unwrap();
        text
    })
}

const CLOUD_INIT: (&str, &str) =
    ("/etc/systemd/system/cloud-init.target.wants/cloud-init.service", "-> /lib/systemd/system/cloud-init.service");

#[test]
fn a_machine_of_its_own() {
    assert_eq!(found(&[], &["hostname:lab-b", "file:/etc/hosts"]), "");
}

#[test]
fn a_machine_whose_systemd_does_not_run() {
    let says = |abilities: &[Ability]| {
        let found = examine(&Fake::debian(abilities, Behaviour::default()).unwrap(), &[]);
        found.iter().any(|one| one.found.contains("systemd does not run here"))
    };
    let down = [Ability::Files, Ability::Exec, Ability::Instance];
    assert!(says(&down), "a container without systemd");
    assert!(!says(&UP), "a machine that is up");
    assert!(!says(&[&down[..], &[Ability::Creation]].concat()), "an offline root");
}

#[test]
fn others_are_told_by_what_they_do() {
    let azure = [
        CLOUD_INIT,
        ("/etc/cloud/cloud.cfg", "preserve_hostname: false\napt:\n   preserve_sources_list: true\n"),
        ("/etc/cloud/cloud.cfg.d/README", "manage_etc_hosts: true\n"),
        ("/etc/ssh/sshd_config.d/50-cloud-init.conf", "PasswordAuthentication yes\n"),
        ("/etc/systemd/system/multi-user.target.wants/walinuxagent.service", "-> /lib/systemd/system/walinuxagent.service"),
        ("/etc/waagent.conf", "Provisioning.Agent=auto\nResourceDisk.Format=y\nResourceDisk.MountPoint=/mnt/resource\n"),
        ("/etc/systemd/system/timers.target.wants/apt-daily-upgrade.timer", "-> /lib/systemd/system/apt-daily-upgrade.timer"),
        ("/etc/apt/apt.conf.d/20auto-upgrades", "APT::Periodic::Unattended-Upgrade \"1\";\n"),
    ];
    insta::assert_snapshot!("azure", found(&azure, &["hostname:lab-b", "file:/mnt/resource/cache.conf", "file:/etc/hosts"]));
}

#[test]
fn what_is_switched_off_does_nothing() {
    let off = ("/etc/cloud/cloud-init.disabled", "");
    let masked = ("/etc/systemd/system/cloud-init.service", "-> /dev/null");
    for switch in [off, masked] {
        assert_eq!(found(&[CLOUD_INIT, switch], &["hostname:lab-b"]), "", "{switch:?}");
    }
    let kept = found(&[CLOUD_INIT, ("/etc/cloud/cloud.cfg.d/90-fitout.cfg", "preserve_hostname: true\n")], &["hostname:lab-b"]);
    assert!(!kept.contains("host name"), "{kept}");
}

#[test]
fn two_masters_are_a_warning() {
    let salt = ("/etc/systemd/system/multi-user.target.wants/salt-minion.service", "-> /lib/systemd/system/salt-minion.service");
    let told = found(&[salt], &["file:/etc/motd", "unit:nginx.service", "check:nginx"]);
    assert!(told.starts_with("Warning salt-minion: ") && told.ends_with("[file:/etc/motd unit:nginx.service]\n"), "{told}");
    assert!(found(&[salt], &[]).starts_with("Note salt-minion: "));
}

#[test]
fn gpu_and_driver_are_held_against_each_other() {
    let library = ("/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.550.54.15", "");
    let newer = ("/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.560.35.03", "");
    let link = ("/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1", "-> libnvidia-ml.so.550.54.15");
    let running = ("/proc/driver/nvidia/version", DRIVER);
    let secure = ("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", "\u{6}\0\0\0\u{1}");
    let cases: [(&[(&str, &str)], &str); 6] = [
        (&[], "there is an NVIDIA GPU and no driver"),
        (&[library], "the kernel has no driver loaded"),
        (&[link, library, running], ""),
        (&[newer, running], "the kernel runs the driver 550.54.15, and the libraries are of 560.35.03"),
        (&[library, running, ("/sys/module/nouveau/refcnt", "0\n")], "nouveau"),
        (&[library, running, secure], "Secure Boot is on"),
    ];
    for (files, expected) in cases {
        let told = found(&[&GPU, files].concat(), &[]);
        assert!(told.contains(expected) && told.lines().count() == usize::from(!expected.is_empty()), "{expected}: {told}");
    }
}

#[test]
fn what_stands_in_the_way_of_packages_ssh_and_room() {
    let files = [
        ("/var/lib/dpkg/status", "Package: nginx\nStatus: install ok half-configured\nArchitecture: amd64\nVersion: 1\n"),
        ("/etc/apt/sources.list.d/lab.list", "# trusted=yes\ndeb [trusted=yes] http://lab.example.org/debian ./\n"),
        ("/usr/sbin/sshd", ""),
        (
            "/etc/ssh/sshd_config",
            "# Include /etc/ssh/sshd_config.d/*.conf\nPasswordAuthentication yes\nAuthorizedKeysCommand /usr/sbin/aad_certhandler %u\n",
        ),
        ("/run/reboot-required", ""),
        ("/etc/fstab", "/dev/disk/cloud/azure_resource-part1 /mnt auto defaults,nofail,comment=cloudconfig 0 2\n"),
    ];
    insta::assert_snapshot!("in_the_way", found(&files, &["sshd-policy:ada", "directory:/mnt/datasets"]));
    let full = Fake::debian(&UP, Behaviour { free: Some(fitout::model::ByteSize(4_999_999_999)), ..Behaviour::default() }).unwrap();
    assert!(examine(&full, &[]).iter().any(|one| one.level == Level::Warning && one.about == "disk"));
}
