//! `unmanaged`: paths that are never touched, whoever asks for them.

use crate::manifest::Machine;
use crate::model::TargetPath;
use crate::problem::{Code, Problem};
use crate::resource::Spec;
use glob::{MatchOptions, Pattern};

/// Whether nothing is asked for at a path that the manifest calls unmanaged.
pub(super) fn untouched(wanted: &Machine, specs: &[Spec]) -> Result<(), Vec<Problem>> {
    let options = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
    let patterns: Vec<Pattern> = wanted.unmanaged.iter().filter_map(|text| Pattern::new(text).ok()).collect();
    let hit = |path: &TargetPath| {
        let around = |pattern: &&Pattern| path.ancestors().chain([path.clone()]).any(|one| pattern.matches_with(one.as_str(), options));
        patterns.iter().find(around)
    };
    let problem = |spec: &Spec| {
        let (path, pattern) = spec.path().and_then(|path| Some((path, hit(path)?)))?;
        let message = format!("{} is asked for, and `{pattern}` of `unmanaged` says that {path} is never touched", spec.id());
        Some(Problem::general(Code::Conflict, message).suggest("remove one of the two"))
    };
    let problems: Vec<Problem> = specs.iter().filter_map(problem).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}
