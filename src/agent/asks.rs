//! People who ask something of the agent, at its socket: the owner and root may, and nobody else.

use super::state::Event;
use super::stops::{Answer, Ask};
use super::work::Work;
use crate::target::{Caller, listen_at};
use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// How long the loop may take to answer: it never waits for anything itself.
const LOOP: Duration = Duration::from_secs(5);

/// Those who wait for an answer, by number.
#[derive(Debug, Clone, Default)]
pub struct Waiting(Arc<Mutex<BTreeMap<u64, SyncSender<Answer>>>>);

impl Waiting {
    /// Answers one of them.
    pub fn answer(&self, number: u64, answer: Answer) {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        // Somebody who went away needs no answer.
        waiting.map(|sender| sender.send(answer).unwrap_or_default()).unwrap_or_default();
    }

    fn wait(&self, number: u64, ask: impl FnOnce()) -> Answer {
        let (sender, answer) = sync_channel(1);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(number, sender);
        ask();
        let answer = answer.recv_timeout(LOOP);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        answer.unwrap_or_else(|_| Answer::Refused("the agent is busy; ask again".into()))
    }
}

/// Listens, on a thread of its own.
///
/// # Errors
/// The socket cannot be opened.
pub fn serve(at: &Path, work: &Arc<dyn Work>, events: UnboundedSender<Event>, waiting: Waiting) -> io::Result<()> {
    let (listener, work) = (listen_at(at)?, Arc::clone(work));
    std::thread::Builder::new().name("asks".into()).spawn(move || accept(&listener, work.as_ref(), &events, &waiting)).map(drop)
}

fn accept(listener: &UnixListener, work: &dyn Work, events: &UnboundedSender<Event>, waiting: &Waiting) {
    for (number, stream) in (0..).zip(listener.incoming()) {
        // One at a time: each has two seconds to ask, and who may not is not listened to, so that nobody keeps the owner waiting.
        let served = stream.and_then(Caller::of).and_then(|mut caller| {
            let answer = match work.may_ask(caller.uid) {
                Ok(()) => {
                    hear(&caller.question()?, |ask| waiting.wait(number, || events.send(Event::Asked(number, ask)).unwrap_or_default()))
                }
                Err(why) => Answer::Refused(why),
            };
            caller.answer(&serde_json::to_string(&answer).unwrap_or_default())
        });
        if let Err(error) = served {
            tracing::debug!(%error, "a question was not heard to its end");
        }
    }
}

fn hear(question: &str, ask: impl FnOnce(Ask) -> Answer) -> Answer {
    serde_json::from_str(question).map_or_else(|_| Answer::Refused("this is no question of this version".into()), ask)
}
