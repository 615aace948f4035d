//! Cases: a machine in memory, a manifest, and the story of what planning and applying it does. One file a case.
//!
//! To add a case, write a file without `expect:` into a folder here, run `UPDATE_CASES=1 cargo test --test cases`, and read what was
//! written before you believe it.

#![cfg(test)]

#[path = "../memory/pipeline.rs"]
mod pipeline;
mod story;
mod world;

use libtest_mimic::{Arguments, Failed, Trial};
use std::fs;
use std::path::{Path, PathBuf};

/// Cases of another form, with a harness of their own.
const OTHERS: [&str; 2] = ["azure", "manifest"];

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let trials =
        folders(&root).into_iter().flat_map(|folder| entries(&folder)).filter(|path| path.extension().is_some_and(|end| end == "yaml"));
    let trial = |path: PathBuf| {
        let name = path.strip_prefix(&root).unwrap().with_extension("").display().to_string();
        Trial::test(name, move || check(&path))
    };
    libtest_mimic::run(&Arguments::from_args(), trials.map(trial).collect()).exit();
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn folders(root: &Path) -> Vec<PathBuf> {
    entries(root).into_iter().filter(|path| path.is_dir() && OTHERS.iter().all(|other| !path.ends_with(other))).collect()
}

/// Where the story begins in a file.
const EXPECT: &str = "\nexpect: |\n";

fn check(path: &Path) -> Result<(), Failed> {
    let text = fs::read_to_string(path)?;
    let case: world::Case = serde_yaml::from_str(&text)?;
    let told = story::tell(&case)?;
    if told == case.expect {
        return Ok(());
    }
    if std::env::var_os("UPDATE_CASES").is_some() {
        let head = text.split_once(EXPECT).map_or_else(|| text.trim_end(), |(head, _)| head);
        let body: String = told.lines().map(|line| if line.is_empty() { "\n".into() } else { format!("  {line}\n") }).collect();
        return Ok(fs::write(path, format!("{head}{EXPECT}{body}"))?);
    }
    Err(Failed::from(format!("{}: the story is another one\n{}", path.display(), difference(&case.expect, &told))))
}

/// What is told otherwise, a line each.
fn difference(expected: &str, told: &str) -> String {
    let only = |one: &str, other: &str, sign: &str| -> String {
        one.lines().filter(|line| !other.lines().any(|same| same == *line)).flat_map(|line| [sign, " ", line, "\n"]).collect()
    };
    format!("{}{}--- told:\n{told}", only(expected, told, "-"), only(told, expected, "+"))
}
