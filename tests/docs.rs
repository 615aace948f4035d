//! The examples in README and `docs/` are true: every manifest in them is valid, every verb exists, every link leads somewhere.

#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[expect(clippy::disallowed_methods, reason = "tests start the program themselves")]
fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_fitout"))
}

fn tree() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(tree().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    docs.chain([tree().join("README.md")]).filter(|path| path.extension().is_some_and(|end| end == "md")).collect()
}

/// Fenced blocks of a language in a page.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line == format!("```{language}") {
            found.push(lines.by_ref().take_while(|line| *line != "```").flat_map(|line| [line, "\n"]).collect());
        }
    }
    found
}

fn fitout(arguments: &[&str], folder: &Path) -> (i32, String) {
    let done = program().args(arguments).current_dir(folder).output().unwrap();
    (done.status.code().unwrap_or(-1), String::from_utf8_lossy(&done.stderr).into_owned())
}

/// The file that a block says it is, in its first line; else one that nothing includes.
fn file_of(block: &str) -> String {
    let name = block.lines().next().and_then(|line| line.strip_prefix("# "));
    let name = name.and_then(|name| name.strip_suffix(".yaml")).filter(|name| !name.contains(' '));
    format!("{}.yaml", name.unwrap_or("example"))
}

#[test]
fn every_manifest_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("keys")).unwrap();
    fs::copy(tree().join("manifests/keys/quickstart.pub"), folder.path().join("keys/ada.pub")).unwrap();
    fs::write(
        folder.path().join("keys/microsoft.asc"),
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n",
    )
    .unwrap();
    fs::create_dir(folder.path().join("certs")).unwrap();
    fs::write(folder.path().join("certs/corp.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let mut count = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        // A block that begins with the name of a file is that file: others of its page may include it.
        let all: Vec<(String, String)> = blocks(&text, "yaml").into_iter().map(|block| (file_of(&block), block)).collect();
        for (file, block) in &all {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, block).unwrap();
        }
        for (file, block) in all.iter().filter(|(_, block)| block.contains("schema: 1") && !block.contains("base:")) {
            fs::write(folder.path().join(file), block).unwrap();
            let (code, said) = fitout(&["validate", "-f", file], folder.path());
            assert_eq!(code, 0, "{}:\n{block}\n{said}", page.display());
            count += 1;
        }
    }
    assert!(count >= 2, "only {count} manifests were found in the pages");
}

#[test]
fn every_command_exists() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let commands = blocks(&text, "console").into_iter().flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>());
        for line in commands.filter(|line| line.starts_with("$ ")) {
            let words: Vec<&str> =
                line[2..].split(" #").next().unwrap_or_default().split_whitespace().filter(|word| *word != "sudo").collect();
            if let ["fitout", verb, rest @ ..] = words.as_slice() {
                let flags: Vec<&str> = rest.iter().copied().filter(|word| word.starts_with("--")).collect();
                // Of a verb of verbs, the help of the one that is meant.
                let plain = rest.iter().copied().take_while(|word| !word.starts_with('-'));
                let asked: Vec<&str> = [*verb].into_iter().chain(plain).chain(["--help"]).collect();
                let (code, _) = fitout(&asked, tree());
                assert_eq!(code, 0, "{}: `{line}` names no verb", page.display());
                let help = program().args(&asked).output().unwrap();
                let help = String::from_utf8_lossy(&help.stdout).into_owned();
                for flag in flags {
                    let name = flag.split('=').next().unwrap_or(flag);
                    assert!(help.contains(name), "{}: `{line}`: there is no {name}", page.display());
                }
            }
        }
    }
}

#[test]
fn every_link_leads_somewhere() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let folder = page.parent().unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !target.contains("://") && !target.starts_with('#') {
                let file = target.split('#').next().unwrap_or(target);
                assert!(folder.join(file).exists(), "{}: {target} is not there", page.display());
            }
        }
    }
}
