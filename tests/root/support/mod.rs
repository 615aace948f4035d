//! What the tests on a real Debian root share: the root itself, a local package repository, the program, and digests of roots.
//!
//! Everything here needs root, Linux namespaces and the packages of `scripts/test-packages.sh`; what is missing fails a test, it never
//! skips one.

mod digest;
mod fitout;
mod numbers;
mod nvidia;
mod nvidia_apt;
mod repository;
mod root;
mod server;

pub use digest::{Trace, canonical, exact, holders, modes, own_names, risks};
pub use fitout::{Fitout, Run, assert_recovers};
pub use numbers::Numbers;
pub use nvidia::{mirror as nvidia, tiny as tiny_nvidia};
pub use nvidia_apt::{Shelf, repository as nvidia_packages};
pub use root::{Root, mirror};
pub use server::Server;

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// A program of the host, started.
#[expect(clippy::disallowed_methods, reason = "tests start programs themselves")]
pub fn command(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    command.stdin(std::process::Stdio::null()).env("LC_ALL", "C.UTF-8");
    command
}

/// Runs a program of the host that must succeed.
pub fn must(command: &mut Command) -> String {
    let output: Output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}; `make packages` installs what the tests run"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}{err}", output.status);
    out.into_owned()
}

/// How long anything may take that a test waits for.
const PATIENCE: Duration = Duration::from_mins(1);

/// Waits for something that happens elsewhere.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
