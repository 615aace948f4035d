//! A clean end on Ctrl-C and SIGTERM, for the verbs that change a machine.

use super::Exit;
use super::output::{complain, say};
use crate::target::{asked_to_end, listen};
use nix::sys::signal::Signal;

/// Does this, and ends early and cleanly when a signal asks to. Comes before anything that starts a thread.
pub fn cleanly(verb: impl FnOnce() -> Exit) -> Exit {
    if let Err(error) = listen(announce) {
        complain(&format!("cannot wait for signals: {error}"), None);
        return Exit::Failed;
    }
    match (verb(), asked_to_end()) {
        // What was done in spite of the signal is done.
        (Exit::Done, _) => Exit::Done,
        (_, Some(Signal::SIGINT)) => Exit::Interrupted,
        (_, Some(_)) => Exit::Terminated,
        (exit, None) => exit,
    }
}

fn announce(signal: Signal) {
    let again = if signal == Signal::SIGINT { "Ctrl-C again" } else { "a second one" };
    say(&format!("{signal}: ending the step in hand; {again} ends it at once, which loses nothing either"));
}
