//! The only place that prints. A reader that goes away (`fitout plan | head`) ends nothing with an error.

use super::{Exit, Form};
use serde::Serialize;
use serde_json::json;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use tracing_subscriber::EnvFilter;

/// What was told so far: whoever reads JSON gets one document, an error if nothing else.
struct Told {
    document: bool,
    complaint: Option<(String, Option<String>)>,
    /// Why data did not reach standard output.
    lost: Option<io::Error>,
}

static TOLD: Mutex<Told> = Mutex::new(Told { document: false, complaint: None, lost: None });

fn told<T>(with: impl FnOnce(&mut Told) -> T) -> T {
    with(&mut TOLD.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The end of a verb: where JSON is asked for and none was printed, what went wrong is.
pub fn finish(exit: Exit, form: Form) -> ExitCode {
    let complaint = told(|told| if told.document { None } else { told.complaint.take() });
    if let (Form::Json, Some((message, hint))) = (form, complaint) {
        json(&json!({"version": 1, "error": error(exit, &message, hint.as_deref())}));
    }
    match told(|told| told.lost.take()) {
        Some(error) if exit == Exit::Done => {
            say(&format!("{} cannot write to standard output: {error}", paint(Paint::Red, "error:")));
            Exit::Failed.into()
        }
        Some(_) | None => exit.into(),
    }
}

/// What went wrong, as every document says it.
pub fn error(exit: Exit, message: &str, hint: Option<&str>) -> serde_json::Value {
    json!({"exit": exit.code(), "message": message, "hint": hint})
}

/// Prints data.
pub fn data(text: &str) {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    // A reader that went away has what it wanted; a disk that is full has not.
    if let Some(error) = written.err().filter(|error| error.kind() != io::ErrorKind::BrokenPipe) {
        told(|told| told.lost = Some(error));
    }
}

/// Prints a document as JSON.
pub fn json(document: &impl Serialize) {
    told(|told| told.document = true);
    let text = serde_json::to_string_pretty(document).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"));
    data(&format!("{text}\n"));
}

/// Tells a person something.
pub fn say(text: &str) {
    let mut err = io::stderr().lock();
    writeln!(err, "{text}").unwrap_or_default();
}

/// Tells a person what went wrong, and what to do about it.
pub fn complain(message: &str, hint: Option<&str>) {
    told(|told| told.complaint = Some((message.to_owned(), hint.map(str::to_owned))));
    say(&format!("{} {message}", paint(Paint::Red, "error:")));
    if let Some(hint) = hint {
        say(&format!("  {} {hint}", paint(Paint::Bold, "hint:")));
    }
}

/// Shows clap's own words, and what may have been meant.
pub fn usage(error: &clap::Error, hint: Option<&str>) {
    let text = error.to_string();
    let message = text.lines().next().unwrap_or_default();
    told(|told| told.complaint = Some((message.trim_start_matches("error: ").to_owned(), hint.map(str::to_owned))));
    error.print().unwrap_or_default();
    if let Some(hint) = hint {
        say(&format!("  {} {hint}", paint(Paint::Bold, "hint:")));
    }
}

/// What is logged where nobody asks for more. Of a damaged cache rattler warns at each of its layers, and then does what is to be done: unpacks
/// the package again, of which nobody need know.
const LOGGED: &str = "warn,rattler=error";

/// Starts the log of developers, on standard error, by `FITOUT_LOG` (as `RUST_LOG` elsewhere).
pub fn start_log() {
    let filter = EnvFilter::try_from_env("FITOUT_LOG").unwrap_or_else(|_| EnvFilter::new(LOGGED));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colours(&io::stderr())).without_time();
    // A second call in one process changes nothing.
    log.try_init().unwrap_or_default();
}

/// A way to set words off.
#[derive(Debug, Clone, Copy)]
pub enum Paint {
    Green,
    Yellow,
    Red,
    Dim,
    Bold,
}

/// Whether colours reach a person: a terminal, and `NO_COLOR` unset (no-color.org).
fn colours(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Words for standard error, set off where colours reach a person.
pub fn paint(paint: Paint, text: &str) -> String {
    wrap(colours(&io::stderr()), paint, text)
}

/// Words for standard output, set off where colours reach a person.
pub fn paint_data(paint: Paint, text: &str) -> String {
    wrap(colours(&io::stdout()), paint, text)
}

fn wrap(colours: bool, paint: Paint, text: &str) -> String {
    let code = match paint {
        Paint::Green => 32,
        Paint::Yellow => 33,
        Paint::Red => 31,
        Paint::Dim => 2,
        Paint::Bold => 1,
    };
    if colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}
