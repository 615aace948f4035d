//! The table of Azure ML's rules in `docs/from-azure-ml.md`: what it calls enforced or checked is proved by a case or a test that exists, and every case of
//! Azure's rules is in it.

#![cfg(test)]

use std::fs;
use std::path::Path;

/// A rule: its section, what becomes of it, its proofs.
struct Rule {
    section: String,
    what: String,
    proofs: Vec<String>,
    line: String,
}

fn tree() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rules() -> Vec<Rule> {
    let page = fs::read_to_string(tree().join("docs/from-azure-ml.md")).unwrap();
    let mut section = String::new();
    let mut rules = Vec::new();
    for line in page.lines() {
        if let Some(title) = line.strip_prefix("### ") {
            section = title.split(' ').next().unwrap().to_owned();
        }
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if let ([_, what, proof], false) = (cells.as_slice(), section.is_empty() || line.starts_with("|---") || line.starts_with("| rule "))
        {
            let proofs = proof.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            rules.push(Rule { section: section.clone(), what: (*what).to_owned(), proofs, line: line.to_owned() });
        }
    }
    rules
}

#[test]
fn every_rule_that_is_ours_has_a_proof_that_exists() {
    for rule in rules() {
        let is_ours = matches!(rule.what.as_str(), "enforced" | "checked");
        assert!(is_ours || matches!(rule.what.as_str(), "recorded" | "not ours"), "{}", rule.line);
        assert_eq!(is_ours, !rule.proofs.is_empty(), "{}", rule.line);
        for proof in &rule.proofs {
            let there = match proof.split_once(": ") {
                Some((file, test)) => fs::read_to_string(tree().join(file)).is_ok_and(|text| text.contains(&format!("fn {test}("))),
                None => tree().join(format!("tests/cases/{proof}.yaml")).is_file(),
            };
            assert!(there, "{proof} is not there: {}", rule.line);
        }
    }
}

#[test]
fn every_section_and_every_case_of_azures_is_in_the_table() {
    let rules = rules();
    for section in 1..=8 {
        assert!(rules.iter().filter(|rule| rule.section == format!("1.{section}")).count() >= 2, "1.{section}");
    }
    for entry in fs::read_dir(tree().join("tests/cases/manifest")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(case) = name.strip_suffix(".yaml").filter(|name| name.starts_with("azure")) {
            assert!(rules.iter().any(|rule| rule.proofs.contains(&format!("manifest/{case}"))), "{case} is in no row");
        }
    }
}
