//! Other tools for the same job, from PyPI, in versions that stay the same.

use crate::job::Job;
use crate::measure::{program, say};
use std::path::Path;
use std::process::Stdio;

/// Another tool.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    pub name: &'static str,
    /// Its name on PyPI.
    pub package: &'static str,
    pub version: &'static str,
    /// What the job is written to.
    pub file: &'static str,
    pub text: fn(&Job) -> String,
    /// What runs it: its folder of programs, the job's file.
    pub command: fn(&Path, &str) -> Vec<String>,
}

pub const ALL: [Peer; 3] = [
    Peer { name: "Salt", package: "salt", version: "3008.3", file: "job.sls", text: Job::salt, command: salt },
    Peer { name: "pyinfra", package: "pyinfra", version: "3.10.0", file: "job.py", text: Job::pyinfra, command: pyinfra },
    Peer { name: "Ansible", package: "ansible-core", version: "2.19.14", file: "job.yml", text: Job::ansible, command: ansible },
];

fn words(program: &Path, rest: &[&str]) -> Vec<String> {
    std::iter::once(program.to_str().unwrap()).chain(rest.iter().copied()).map(str::to_owned).collect()
}

fn salt(peers: &Path, job: &str) -> Vec<String> {
    let (folder, name) = job.rsplit_once('/').unwrap();
    let rest =
        ["--local", "--retcode-passthrough", "--config-dir=/tmp/noop/salt", "--log-level=quiet", "--file-root", folder, "state.sls", name];
    let rest: Vec<&str> = rest.iter().map(|word| word.strip_suffix(".sls").filter(|_| *word == name).unwrap_or(word)).collect();
    words(&peers.join("salt/bin/salt-call"), &rest)
}

fn pyinfra(peers: &Path, job: &str) -> Vec<String> {
    words(&peers.join("pyinfra/bin/pyinfra"), &["--yes", "@local", job])
}

fn ansible(peers: &Path, job: &str) -> Vec<String> {
    words(&peers.join("ansible-core/bin/ansible-playbook"), &["--inventory", "localhost,", job])
}

/// Installs all that can be had, each in an environment of its own; what cannot be is told when it is to run.
pub fn install(folder: &Path) {
    for peer in ALL {
        let (place, wanted) = (folder.join(peer.package), format!("{}=={}", peer.package, peer.version));
        let mark = place.join(format!("{wanted}.whole"));
        if mark.exists() {
            continue;
        }
        say(&format!("installing {wanted}"));
        let quiet = |name: &str, arguments: &[&str]| {
            program(name).args(arguments).stdout(Stdio::null()).status().is_ok_and(|status| status.success())
        };
        let (at, pip) = (place.to_str().unwrap(), place.join("bin/pip"));
        let there = quiet("python3", &["-m", "venv", "--clear", at]) && quiet(pip.to_str().unwrap(), &["install", "--quiet", &wanted]);
        match std::fs::write(&mark, "") {
            Ok(()) if there => {}
            _ => {
                std::fs::remove_file(&mark).ok();
                say(&format!("{wanted} cannot be installed here: it is left out"));
            }
        }
    }
}
