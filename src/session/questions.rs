//! What a manifest asks of a network, in the words in which it was answered before where that answer still holds; and the answers that the
//! machine keeps.

use super::work::Scope;
use crate::manifest::Machine as Wanted;
use crate::model::{Facts, TargetPath};
use crate::recipe::{Answers, Item, Question, Recipe, Want, under_other_drivers};
use crate::target::{OpError, Probe, ProbeError, Target};
use std::borrow::Cow;

/// What is asked, and by which parts of the manifest.
#[derive(Debug, Default)]
pub(super) struct Questions {
    /// As it was answered, or is to be.
    pub asked: Vec<(Item, Question)>,
    /// What the machine of now would ask, and as what it was answered before.
    renamed: Vec<(Question, Question)>,
}

impl Questions {
    /// Those of a manifest on this machine. Its driver may be newer than it was, or not run at the moment: what was chosen for it before stays.
    pub(super) fn of(wanted: &Wanted, facts: &Facts, known: &Answers) -> Self {
        let mut questions = Self::default();
        for want in &wanted.wants {
            for (n, now) in want.questions(facts).into_iter().enumerate() {
                let before = || earlier(want, n, facts, known);
                match if known.get(&now).is_some() { None } else { before() } {
                    Some(before) => {
                        questions.asked.push((want.item(), before.clone()));
                        questions.renamed.push((now, before));
                    }
                    None => questions.asked.push((want.item(), now)),
                }
            }
        }
        questions
    }

    /// The answers, as the machine of now asks.
    pub(super) fn as_asked_now<'a>(&self, answers: &'a Answers) -> Cow<'a, Answers> {
        let mut all = Cow::Borrowed(answers);
        for (now, before) in &self.renamed {
            let answer = answers.get(before).cloned();
            all.to_mut().0.extend(answer.map(|answer| (now.digest(), answer)));
        }
        all
    }
}

/// Answers that an earlier apply brought to the machine, so that it needs no network to know that it is as it should be.
const ANSWERS: &str = "/var/lib/fitout/state/resolved.json";

fn answers_path() -> Result<TargetPath, ProbeError> {
    TargetPath::parse(ANSWERS).map_err(|e| ProbeError::new("use a path", e))
}

/// Those that the machine keeps.
pub(super) fn known_answers(on: &dyn Probe) -> Result<Answers, ProbeError> {
    let bytes = on.read(&answers_path()?)?;
    // Answers of another version are no answers: they are asked for again.
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
}

/// Keeps the answers of a manifest; beside those of the machine's own, where this is another.
pub(super) fn keep_answers(answers: &Answers, scope: Scope, on: &dyn Target) -> Result<(), OpError> {
    let known = known_answers(on)?;
    let mut all = Cow::Borrowed(answers);
    if scope == Scope::Beside {
        all.to_mut().0.extend(known.0.clone());
    }
    if *all == known {
        return Ok(());
    }
    let bytes = serde_json::to_vec(&*all).map_err(|e| OpError::new("write what was resolved", e))?;
    on.keep(&answers_path()?, &bytes)
}

/// The question in this place that was answered under another driver.
fn earlier(want: &Want, n: usize, facts: &Facts, known: &Answers) -> Option<Question> {
    if known.0.is_empty() {
        return None;
    }
    let asked = |facts: Facts| want.questions(&facts).into_iter().nth(n);
    under_other_drivers(facts).into_iter().filter_map(asked).find(|question| known.get(question).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{MemoryFiles, Sheets, Source, load};
    use crate::step::Ability;
    use crate::target::fake::{Behaviour, Fake};

    fn facts(driver: Option<&str>) -> Facts {
        Facts { driver: driver.map(Into::into), ..Facts::kinds().next().unwrap() }
    }

    /// What a manifest asks under a driver, where this is known.
    fn asked(said: &str, driver: Option<&str>, known: &Answers) -> Questions {
        let text = format!("schema: 1\nconda: {{prefix: /opt/conda, {said}}}\nenvironments: [{{name: a, from: {{conda: a.yml}}}}]\n");
        let files = MemoryFiles([("a.yml".into(), "dependencies: [python]\n".into())].into());
        let manifest = load(&Sheets::new(Source { name: "lab.yaml".into(), text: text.into() }), files).unwrap();
        let facts = facts(driver);
        Questions::of(&manifest.on(&facts).unwrap(), &facts, known)
    }

    #[test]
    fn what_is_asked_beside_the_machines_manifest_takes_no_answer_from_it() {
        let on = Fake::debian(&[Ability::Files], Behaviour::default()).unwrap();
        let answers = |driver| asked("", driver, &Answers::default()).asked.iter().map(|(_, one)| (one.digest(), one.made_up())).collect();
        let (own, other) = (Answers(answers(None)), Answers(answers(Some("550.54.14"))));
        keep_answers(&own, Scope::Machine, &on).unwrap();
        keep_answers(&other, Scope::Beside, &on).unwrap();
        let both = known_answers(&on).unwrap();
        assert_eq!((both.0.len(), both.0.contains_key(own.0.keys().next().unwrap())), (2, true));
        keep_answers(&own, Scope::Machine, &on).unwrap();
        assert_eq!(known_answers(&on).unwrap(), own);
    }

    #[test]
    fn what_was_chosen_for_a_driver_stays_while_it_runs() {
        let fresh = |driver| asked("", driver, &Answers::default()).asked.remove(0).1;
        let old = fresh(Some("550.54.14"));
        let known = Answers([(old.digest(), old.made_up())].into());
        let asks = |said: &str, driver| {
            let questions = asked(said, driver, &known);
            let all = questions.as_asked_now(&known);
            let now = asked(said, driver, &Answers::default()).asked.remove(0).1;
            assert_eq!(all.get(&now).is_some(), questions.asked[0].1 == old, "what is asked now has the answer of then");
            questions.asked[0].1 == old
        };
        // A newer one, and none: it may be built anew for the kernel that runs.
        assert!(asks("", Some("550.54.14")) && asks("", Some("580.65.6")) && asks("", None));
        // An older one, and what the manifest says of it.
        assert!(!asks("", Some("535.54.3")) && !asks("virtual_packages: {cuda: \"12.8\"}", Some("580.65.6")));
        let without = fresh(None);
        let known = Answers([(without.digest(), without.made_up())].into());
        assert_ne!(asked("", Some("550.54.14"), &known).asked[0].1, without, "there was none, and now there is one");
    }
}
