//! Beside a running cloud-init and Azure's agent: who does what is told, what the manifest says holds, and what docs/beside.md advises
//! makes the warnings go away.

use crate::machine::Machine;
use serde_json::Value;

/// What another program brings: another name, a user and passwords for SSH.
const META: &str = "instance-id: i-9\n";
const USER_DATA: &str = "#cloud-config\nfqdn: named-by-the-cloud.example.org\nssh_pwauth: true\nusers: [default]\nlocale: false\n";

/// Findings about a program: how much they matter, and what is said.
fn about<'a>(found: &'a Value, program: &str) -> Vec<(&'a str, &'a str)> {
    let findings = found["findings"].as_array().unwrap().iter().filter(|one| one["about"] == program);
    findings.map(|one| (one["level"].as_str().unwrap(), one["found"].as_str().unwrap())).collect()
}

#[test]
fn beside_cloud_init_and_the_agent_of_azure() {
    let Some(mut machine) = Machine::fresh() else { return };
    machine.apply_offline("beside.yaml");
    machine.write("/var/lib/cloud/seed/nocloud/meta-data", META);
    machine.write("/var/lib/cloud/seed/nocloud/user-data", USER_DATA);
    machine.start(&[]);
    assert_eq!(machine.must(&["cloud-init", "status", "--wait"]).lines().last(), Some("status: done"));
    machine.must(&["systemctl", "is-active", "walinuxagent.service"]);
    // cloud-init had its way with what the manifest does not name.
    assert!(machine.read("/etc/ssh/sshd_config.d/50-cloud-init.conf").contains("PasswordAuthentication yes"));
    machine.must(&["id", "debian"]);
    let policy = machine.must(&["sshd", "-T", "-C", "user=alice"]);
    assert!(policy.contains("passwordauthentication no\n"), "{policy}");

    let (code, found) = machine.ask(&["doctor"]);
    let cloud = about(&found, "cloud-init");
    assert_eq!(code, 2, "{found:#}");
    assert!(cloud.iter().any(|(level, what)| *level == "warning" && what.contains("host name")), "{found:#}");
    assert!(cloud.iter().any(|(level, what)| *level == "note" && what.contains("50-cloud-init.conf")), "{found:#}");
    assert!(!about(&found, "waagent").is_empty() && !about(&found, "unattended-upgrades").is_empty(), "{found:#}");

    machine.write("/etc/cloud/cloud.cfg.d/90-fitout.cfg", "preserve_hostname: true\n");
    assert_eq!(machine.ask(&["doctor"]).0, 0);
    machine.must(&["/usr/local/bin/fitout", "apply"]);
    machine.stop();
    machine.start(&[]);
    machine.must(&["cloud-init", "status", "--wait"]);
    let (code, verified) = machine.ask(&["verify"]);
    assert_eq!((code, machine.must(&["hostname"]).trim()), (0, "lab-b"), "{verified:#}");
    machine.stop();
}
