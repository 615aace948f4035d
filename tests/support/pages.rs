//! Pages of `docs/` that are generated: what is in them is what the program says.

use fitout::manifest::{MemoryFiles, Sheets, Source, load, reference};
use fitout::problem::Code;
use std::fmt::Write;
use std::{env, fs};

/// Compares a generated file with what it should hold, or writes it where `UPDATE_CASES` is set.
pub fn current(path: &str, text: &str) {
    if env::var_os("UPDATE_CASES").is_some() {
        fs::write(path, text).unwrap();
    }
    assert!(fs::read_to_string(path).unwrap_or_default() == text, "{path} is old: run UPDATE_CASES=1 cargo test --test manifest");
}

/// What Fitout says of a code's example, which must have that problem and no other.
fn said(code: Code) -> String {
    let text = code.example().to_owned();
    let files = MemoryFiles([("manifest.yaml".to_owned(), text.clone().into_bytes())].into());
    let rejected = load(&Sheets::new(Source { name: "manifest.yaml".into(), text: text.into() }), files).map(|_| code).unwrap_err();
    let codes: Vec<Code> = rejected.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, [code], "{rejected}");
    rejected.to_string()
}

#[test]
fn every_code_has_its_page() {
    let mut page = "# Problems of manifests\n\nEvery problem has a code, which never changes its meaning; `fitout explain CODE` prints what stands here. \
        This page is generated from the program.\n"
        .to_owned();
    for code in Code::ALL {
        let (title, meaning, mend, example) = (code.title(), code.explanation(), code.mend(), code.example());
        write!(page, "\n## {code}: {title}\n\n{meaning}\n\n```yaml\n{example}```\n\n```text\n{}```\n\n{mend}\n", said(*code)).unwrap();
    }
    current("docs/errors.md", &page);
}

#[test]
fn every_field_has_its_line() {
    current("docs/manifest.md", &reference());
}
