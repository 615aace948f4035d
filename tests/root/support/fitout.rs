//! The program under test, run as a person would.

use super::{Root, Trace, canonical, command, wait_until};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The program, with a manifest of its own and a root.
pub struct Fitout<'a> {
    root: &'a Root,
    folder: TempDir,
    /// Downloads, where they are shared with other tests.
    cache: Option<PathBuf>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Run {
    /// Exit status; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl<'a> Fitout<'a> {
    /// With this manifest, for this root. Beside the manifest lies `tiny.asc`, the key of the local repository.
    pub fn new(root: &'a Root, manifest: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = root.at("/srv/repository/key.asc");
        if key.exists() {
            std::fs::copy(key, folder.path().join("tiny.asc")).unwrap();
        }
        let fitout = Self { root, folder, cache: None };
        fitout.rewrite(manifest);
        fitout
    }

    /// With downloads that outlive the test.
    pub fn with_cache(self, cache: &Path) -> Self {
        Self { cache: Some(cache.to_owned()), ..self }
    }

    /// Another manifest in the place of the first.
    pub fn rewrite(&self, manifest: &str) {
        std::fs::write(self.manifest(), manifest).unwrap();
    }

    /// Where the manifest lies.
    pub fn manifest(&self) -> PathBuf {
        self.folder.path().join("workstation.yaml")
    }

    /// A file beside the manifest.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The command line of a verb about the machine, to be run or spawned.
    pub fn question(&self, verb: &[&str]) -> Command {
        let mut command = command(Path::new(env!("CARGO_BIN_EXE_fitout")));
        command.args(verb).arg("--root").arg(self.root.path()).args(["-o", "json", "--progress", "none"]);
        command.arg("--cache").arg(self.cache.clone().unwrap_or_else(|| self.beside("cache"))).env_remove("FITOUT_FAULT");
        command
    }

    /// The command line of a verb about the manifest and the machine, to be run or spawned.
    pub fn command(&self, verb: &[&str]) -> Command {
        let mut command = self.question(verb);
        command.arg("-f").arg(self.manifest());
        command
    }

    /// Runs a verb.
    pub fn run(&self, verb: &[&str]) -> Run {
        Run::of(&mut self.command(verb))
    }

    /// Applies; it must succeed.
    pub fn apply(&self) -> Value {
        self.run(&["apply"]).succeeded()
    }
}

impl Run {
    /// Of this command.
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Asserts the exit status.
    pub fn ended(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "exit status\n{}{}", self.stderr, self.stdout);
        self
    }

    /// Asserts success, and reads the document on standard output.
    pub fn succeeded(&self) -> Value {
        self.ended(0).json()
    }

    /// The document on standard output.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("standard output is no JSON: {e}\n{}{}", self.stdout, self.stderr))
    }
}

/// After a cut: whatever ran in the root has ended, a plain re-run succeeds, there is nothing left to do, and all is as it should be.
pub fn assert_recovers(root: &Root, fitout: &Fitout<'_>, expected: &Trace, cut: &str) {
    wait_until("nothing runs in the root", || root.inhabitants().is_empty());
    let again = fitout.run(&["apply"]);
    assert_eq!(again.code, Some(0), "re-run after {cut}: {again:?}");
    let plan = fitout.run(&["plan", "--detailed-exitcode"]);
    assert_eq!(plan.code, Some(0), "plan after {cut} and a re-run: {plan:?}");
    expected.assert_same(&canonical(root.path()), &format!("after {cut} and a re-run (undisturbed / recovered)"));
}
