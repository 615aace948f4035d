//! A Debian root that is booted in a container, with systemd as its process 1.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Packages of the base beside those that apt itself needs: what a Debian cloud image has.
const PACKAGES: &str = "systemd-sysv,dbus,libpam-systemd,openssh-server,sudo,ca-certificates,python3,python3-venv,iproute2,udev";

/// The longest that a container may take for anything: it tells a hang from a busy machine, and is no measure of speed.
const PATIENCE: Duration = Duration::from_mins(10);

/// A program of the host.
#[expect(clippy::disallowed_methods, reason = "tests start programs themselves")]
pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).env("LC_ALL", "C.UTF-8");
    command
}

/// What a program printed; it must succeed.
pub fn must(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {}\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    text
}

/// Waits until there is an answer.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn scratch() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// The base as an archive, made once and kept between runs of the tests. What it holds is its name.
static BASE: LazyLock<PathBuf> = LazyLock::new(|| {
    let tar = scratch().join(format!("container-{}.tar", PACKAGES.replace(',', "+")));
    if !tar.is_file() {
        let fresh = scratch().join(format!("container-{}.part.tar", std::process::id()));
        let include = format!("--include={PACKAGES}");
        must(command("mmdebstrap").args(["--quiet", "--variant=apt", "--dpkgopt=force-unsafe-io", &include, "bookworm"]).arg(&fresh));
        fs::rename(&fresh, &tar).unwrap();
    }
    tar
});

/// A machine: a root of its own, booted or not.
pub struct Machine {
    folder: TempDir,
    running: Option<Running>,
}

struct Running {
    nspawn: Child,
    leader: String,
}

impl Machine {
    /// A machine that was never started; `None`, said aloud, where nothing can be run in a container.
    pub fn fresh() -> Option<Self> {
        let machine = Self { folder: tempfile::tempdir_in(scratch()).unwrap(), running: None };
        fs::create_dir(machine.root()).unwrap();
        must(command("tar").args(["--numeric-owner", "-xf"]).arg(&*BASE).arg("-C").arg(machine.root()));
        let tried = machine.nspawn().args(["--pipe", "/bin/true"]).output();
        match tried {
            Ok(output) if output.status.success() => Some(machine),
            other => {
                let why = other.map_or_else(|e| e.to_string(), |output| String::from_utf8_lossy(&output.stderr).into_owned());
                #[expect(clippy::print_stderr, reason = "a test that does not run must be seen")]
                {
                    eprintln!("SKIPPED: this machine runs no containers: {why}");
                }
                None
            }
        }
    }

    /// The root directory.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// A file of the machine.
    pub fn read(&self, path: &str) -> String {
        let at = self.root().join(path.trim_start_matches('/'));
        fs::read_to_string(&at).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// Gives the machine a file.
    pub fn write(&self, path: &str, text: &str) {
        let at = self.root().join(path.trim_start_matches('/'));
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(at, text).unwrap();
    }

    /// What the console showed since the last start.
    pub fn console(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path().join("console")).unwrap()).into_owned()
    }

    /// Applies a manifest of the tests to the root while nothing runs there; returns the report.
    pub fn apply_offline(&self, manifest: &str) -> Value {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/container").join(manifest);
        let mut apply = command(env!("CARGO_BIN_EXE_fitout"));
        apply.args(["apply", "--install", "-o", "json", "--progress", "none", "--root"]).arg(self.root()).arg("-f").arg(manifest);
        serde_json::from_str(&must(apply.arg("--cache").arg(scratch().join("container-cache")))).unwrap()
    }

    fn nspawn(&self) -> Command {
        let mut nspawn = command("systemd-nspawn");
        // Without a service manager on the host, nobody makes a scope for the container.
        let unit: &[&str] = if Path::new("/run/systemd/system").is_dir() { &[] } else { &["--keep-unit"] };
        // What runs containers in it keeps their keys apart.
        nspawn
            .args(["--quiet", "--register=no", "--private-network", "--system-call-filter=add_key keyctl", "--directory"])
            .arg(self.root())
            .args(unit);
        nspawn
    }

    /// Boots, with these words on the kernel's command line, and waits until systemd has nothing left to start.
    pub fn start(&mut self, words: &[&str]) {
        let console = fs::File::create(self.folder.path().join("console")).unwrap();
        let mut nspawn = self.nspawn();
        nspawn.args(["--console=read-only", "--boot"]).args(words);
        let nspawn = nspawn.stdout(console.try_clone().unwrap()).stderr(console).spawn().unwrap();
        let leader = wait_for("the container's process 1", || leader(nspawn.id()));
        self.running = Some(Running { nspawn, leader });
        wait_for("the end of the boot", || {
            let state = self.inside(&["systemctl", "is-system-running"]);
            matches!(String::from_utf8_lossy(&state.stdout).trim(), "running" | "degraded").then_some(())
        });
    }

    /// Runs a program inside, however it ends.
    pub fn inside(&self, argv: &[&str]) -> Output {
        let running = self.running.as_ref().expect("the machine is not started");
        command("nsenter").args(["-m", "-p", "-u", "-i", "-n", "-t", &running.leader]).args(argv).output().unwrap()
    }

    /// The number of the machine's process 1.
    pub fn leader(&self) -> &str {
        &self.running.as_ref().expect("the machine is not started").leader
    }

    /// Runs a program inside that must succeed.
    pub fn must(&self, argv: &[&str]) -> String {
        let output = self.inside(argv);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{argv:?}: {}\n{}{}", output.status, text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    /// Asks Fitout inside, whatever its exit status; returns that too.
    pub fn ask(&self, verb: &[&str]) -> (i32, Value) {
        let output = self.inside(&[&["/usr/local/bin/fitout", "-o", "json", "--progress", "none"], verb].concat());
        let document =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{verb:?}: {e}\n{}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code().unwrap(), document)
    }

    /// Waits until the machine has shut itself down.
    pub fn ended(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        let status = wait_for("the machine's own end", || running.nspawn.try_wait().unwrap());
        assert!(status.success(), "the container ended with {status}");
    }

    /// Shuts down, as a power button does.
    pub fn stop(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        must(command("kill").args(["-s", "RTMIN+4", &running.leader]));
        let status = wait_for("the end of the shutdown", || running.nspawn.try_wait().unwrap());
        assert!(status.success(), "the container ended with {status}");
    }
}

/// The child that is process 1 of a namespace of its own; a helper that makes it is gone a moment later.
fn leader(nspawn: u32) -> Option<String> {
    let children = fs::read_to_string(format!("/proc/{nspawn}/task/{nspawn}/children")).ok()?;
    let first = |child: &&str| {
        let status = fs::read_to_string(format!("/proc/{child}/status")).unwrap_or_default();
        status.lines().any(|line| line.strip_prefix("NSpid:").is_some_and(|ids| ids.split_whitespace().skip(1).last() == Some("1")))
    };
    children.split_whitespace().find(first).map(str::to_owned)
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(running) = &mut self.running {
            // A test that failed has said why; all that is left to do is to leave nothing running. What nspawn started outlives it.
            command("kill").args(["-s", "KILL", &running.leader]).status().ok();
            running.nspawn.kill().and_then(|()| running.nspawn.wait()).ok();
        }
    }
}
