//! What is wrong with a manifest on the kinds of machine that it tells apart, said once.

use super::setting::is_setting;
use super::when::Conditions;
use crate::model::Facts;
use crate::problem::{Code, Problem};
use std::collections::HashMap;

/// One problem, on how many kinds of machine, and one of these.
struct Finding<'f> {
    problem: Problem,
    times: usize,
    on: &'f Facts,
}

/// The problems so far.
#[derive(Default)]
pub struct Findings<'f> {
    all: Vec<Finding<'f>>,
    known: HashMap<String, usize>,
}

impl<'f> Findings<'f> {
    /// Adds what is wrong on one kind of machine.
    pub fn add(&mut self, problems: Vec<Problem>, on: &'f Facts) {
        for problem in problems {
            let index = *self.known.entry(identity(&problem)).or_insert(self.all.len());
            match self.all.get_mut(index) {
                Some(finding) => {
                    finding.times += 1;
                    // Where there is more to choose from, there is more to suggest.
                    if problem.suggestion.as_ref().is_some_and(|help| help.starts_with("did you mean")) {
                        finding.problem = problem;
                    }
                }
                None => self.all.push(Finding { problem, times: 1, on }),
            }
        }
    }

    /// All of it. What is wrong on some of the `kinds` only, and does not stand under a condition itself, says where.
    pub fn told(self, conditions: &Conditions, kinds: usize) -> Vec<Problem> {
        let one = |Finding { problem, times, on }: Finding<'_>| {
            if times >= kinds || problem.place.as_ref().is_some_and(|place| conditions.covers(place)) {
                return Some(problem);
            }
            let message = format!("{} (on a machine with {})", problem.message, conditions.describe(on));
            (!is_setting_of_nothing(&problem)).then_some(Problem { message, ..problem })
        };
        self.all.into_iter().filter_map(one).collect()
    }
}

/// Whether a setting names an item that is not there.
pub fn is_setting_of_nothing(problem: &Problem) -> bool {
    problem.code == Code::UnknownReference && problem.place.as_ref().is_some_and(|place| is_setting(&place.file))
}

/// What makes a problem the same on another machine, where lists may be shorter.
fn identity(problem: &Problem) -> String {
    if is_setting_of_nothing(problem) {
        return format!("{:?}", problem.place);
    }
    let mut message = String::new();
    for (n, piece) in problem.message.split('[').enumerate() {
        let rest = piece.trim_start_matches(|c: char| c.is_ascii_digit());
        message.push_str(if n > 0 && rest.starts_with(']') { rest } else { piece });
    }
    format!("{:?} {:?} {} {message}", problem.place, problem.earlier, problem.code)
}
