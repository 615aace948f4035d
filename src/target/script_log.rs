//! What a script prints: written down while it comes, within bounds, and copied to a share where one is mounted.

use super::machine::Machine;
use super::run::Job;
use super::tail::Tail;
use super::{OpError, Progress, Silent, Target};
use crate::model::{Span, TargetPath, redacted};
use crate::step::{Cmd, ShareFolder};
use crate::target::enter::View;
use std::sync::mpsc::channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of a script's log, half of them first and half last: all of it for nearly every script, and a disk that does not fill.
const LOG: usize = 16 << 20;

/// Bytes of the last half that are written down at a time: few calls, and no second copy of it in memory.
const PIECE: usize = 256 << 10;

/// Writes down what a script prints while it does, and passes it on.
pub(super) struct Log<'a> {
    machine: &'a Machine,
    at: TargetPath,
    to: &'a dyn Progress,
    kept: Mutex<Kept>,
}

/// How long a line waits before it is written down: what is read is at most this old, and a flood is written in pieces.
const LATE: Duration = Duration::from_millis(200);

/// What was written, and what waits: for its turn, or for the end.
struct Kept {
    written: usize,
    pending: String,
    since: Instant,
    tail: Tail,
    trouble: Option<OpError>,
}

impl<'a> Log<'a> {
    pub(super) fn new(machine: &'a Machine, at: TargetPath, to: &'a dyn Progress) -> Self {
        let kept = Kept { written: 0, pending: String::new(), since: Instant::now(), tail: Tail::default(), trouble: None };
        Self { machine, at, to, kept: Mutex::new(kept) }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what waits for its turn, if that is due.
    fn write(&self, kept: &mut Kept, due: Duration) {
        if kept.pending.is_empty() || kept.since.elapsed() < due {
            return;
        }
        if let Err(error) = self.machine.note(&self.at, &std::mem::take(&mut kept.pending)) {
            kept.trouble.get_or_insert(error);
        }
        kept.since = Instant::now();
    }

    /// Writes all that waits.
    pub(super) fn close(self) -> Result<(), OpError> {
        let mut kept = self.kept();
        self.write(&mut kept, Duration::ZERO);
        while let Some(piece) = kept.tail.take(PIECE) {
            kept.pending = piece;
            self.write(&mut kept, Duration::ZERO);
        }
        kept.trouble.take().map_or(Ok(()), Err)
    }
}

impl Progress for Log<'_> {
    fn line(&self, text: &str) {
        let text = &*redacted(text);
        self.to.line(text);
        let mut kept = self.kept();
        if !kept.tail.is_empty() || kept.written + text.len() >= LOG / 2 {
            return kept.tail.push(text.to_owned(), LOG / 2);
        }
        kept.written += text.len() + 1;
        kept.pending.extend([text, "\n"]);
        self.write(&mut kept, LATE);
    }

    fn advance(&self, done: u64, total: u64) {
        self.to.advance(done, total);
    }

    /// Asked all the time: a line that nothing follows is written too.
    fn must_end(&self) -> Option<String> {
        self.write(&mut self.kept(), LATE);
        self.to.must_end()
    }
}

/// How long the copy of a log may take. A share that does not answer holds nobody up: what copies is left to itself.
const COPYING: Span = Span::seconds(10);

impl Machine {
    /// Copies a log to a share, if that is mounted; what comes of it is told in a line.
    pub(super) fn copy_log(&self, log: &TargetPath, name: &str, to: &ShareFolder, progress: &dyn Progress) {
        if !self.runs_here() || !is_mounted(&to.mount) {
            return;
        }
        let file = format!("{}/{name}-{}", to.path, log.name());
        let cmd = Cmd::new(["install", "-D", "--mode=0600", "--", log.as_str(), file.as_str()]);
        let (runner, (sender, done)) = (self.runner.clone(), channel());
        std::thread::spawn(move || {
            let job = Job { cmd: &cmd, ids: (0, 0), home: "/root", view: View::Writable, timeout: Some(COPYING), cgroup: None };
            let copied = runner.run(&job, &Silent).is_ok_and(|ended| ended.output.status == 0);
            // Nobody waits any more where this came late.
            sender.send(copied).unwrap_or_default();
        });
        if !done.recv_timeout(COPYING.as_duration()).unwrap_or_default() {
            progress.line(&format!("its output could not be copied to {file}"));
        }
    }
}

/// Whether something is mounted there, on this machine.
pub(super) fn is_mounted(at: &TargetPath) -> bool {
    // proc(5): spaces in paths are written as octal numbers.
    let written = at.as_str().replace(' ', "\\040");
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mounts.lines().any(|line| line.split(' ').nth(4) == Some(written.as_str()))
}
