//! Answers that were given before, one file each.

use crate::recipe::{Answer, Question};
use crate::store::Store;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::path::PathBuf;

/// The version of the files' format: raised when an answer's meaning changes, so that older ones are asked for again.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    question: Question,
    answer: Answer,
}

fn path(store: &Store, question: &Question) -> PathBuf {
    store.folder().join("answers").join(format!("{}.json", question.digest()))
}

/// The answer to this question, if it was given before and can be read. One that cannot is asked for again.
pub(super) fn recall(store: &Store, question: &Question) -> Option<Answer> {
    let text = std::fs::read(path(store, question)).ok()?;
    let kept: Kept = serde_json::from_slice(&text).ok()?;
    (kept.version == VERSION && kept.question == *question).then_some(kept.answer)
}

/// Keeps an answer, whole or not at all.
pub(super) fn keep(store: &Store, question: &Question, answer: &Answer) -> io::Result<()> {
    let path = path(store, question);
    std::fs::create_dir_all(store.folder().join("answers"))?;
    let mut file = store.incoming()?;
    let kept = Kept { version: VERSION, question: question.clone(), answer: answer.clone() };
    serde_json::to_writer_pretty(&mut file, &kept)?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::WheelAnswer;

    #[test]
    fn an_answer_holds_for_its_question_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path());
        let ask = |name: &str| Question::Wheels { requirements: vec![name.into()], machine: "x86_64".into(), index: None };
        let answer = Answer::Wheels(WheelAnswer { wheels: Vec::new() });
        assert_eq!(recall(&store, &ask("a")), None);
        keep(&store, &ask("a"), &answer).unwrap();
        assert_eq!(recall(&store, &ask("a")), Some(answer));
        assert_eq!(recall(&store, &ask("b")), None);
        std::fs::write(path(&store, &ask("a")), "{\"version\": 0}").unwrap();
        assert_eq!(recall(&store, &ask("a")), None);
    }
}
