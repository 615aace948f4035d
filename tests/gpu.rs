//! Combinations of driver, CUDA, cuDNN, NCCL, compilers, architectures and frameworks of which it is known whether they work, judged by
//! the program: `tests/gpu.yaml` holds them, `UPDATE_CASES=1` writes what is said of each.

#![cfg(test)]

use serde::Deserialize;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What is known of it, in a line.
    about: String,
    /// Who says so.
    source: String,
    /// What is known: whether it works.
    known: Known,
    /// The manifest.
    manifest: String,
    /// What is said of it.
    #[serde(default)]
    said: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Known {
    /// It works.
    Good,
    /// It works, with less than was meant.
    Limited,
    /// It does not work.
    Bad,
}

#[expect(clippy::disallowed_methods, reason = "tests start the program themselves")]
fn validate(manifest: &str) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("m.yaml"), manifest).unwrap();
    fs::write(folder.path().join("torch.yml"), "dependencies:\n  - python=3.11\n  - pytorch-cuda=12.1\n").unwrap();
    fs::write(folder.path().join("flow.yml"), "dependencies: [python=3.11, conda-forge::cuda-version=12.4]\n").unwrap();
    fs::write(folder.path().join("pip.yml"), "dependencies: [python=3.11, pip, {pip: ['torch==2.5.1']}]\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fitout"));
    let done = command.args(["validate", "-f", "m.yaml"]).current_dir(folder.path()).env("NO_COLOR", "1").output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    let told: Vec<&str> = said.lines().filter(|line| line.contains("[E0") || line.trim_start().starts_with("help:")).collect();
    (done.status.code().unwrap_or(-1), told.iter().fold(String::new(), |all, line| all + line.trim_start() + "\n"))
}

#[test]
fn what_is_known_of_combinations_is_said_of_them() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gpu.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let cases: Vec<Case> = serde_yaml::from_str(&text).unwrap();
    assert!(cases.len() >= 40, "{} cases", cases.len());
    let (mut wrong, mut fresh) = (String::new(), String::new());
    let indented = |text: &str| text.lines().fold(String::new(), |all, line| all + "    " + line + "\n");
    for case in &cases {
        let (code, said) = validate(&case.manifest);
        let known = match code {
            0 if said.is_empty() => Some(Known::Good),
            0 => Some(Known::Limited),
            65 if said.contains("[E0114]") => Some(Known::Bad),
            _ => None,
        };
        if known != Some(case.known) || said != case.said {
            writeln!(wrong, "{}: known as {:?}, judged {known:?} ({code}):\n{said}", case.about, case.known).unwrap();
        }
        let known = format!("{:?}", case.known).to_lowercase();
        write!(fresh, "- about: {:?}\n  source: {:?}\n  known: {known}\n", case.about, case.source).unwrap();
        write!(fresh, "  manifest: |\n{}", indented(&case.manifest)).unwrap();
        if !said.is_empty() {
            write!(fresh, "  said: |\n{}", indented(&said)).unwrap();
        }
    }
    if std::env::var_os("UPDATE_CASES").is_some() {
        fs::write(&path, fresh).unwrap();
    }
    assert!(wrong.is_empty(), "{wrong}");
}
