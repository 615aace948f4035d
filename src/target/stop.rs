//! A wish to end: the first SIGINT or SIGTERM stops the work at the next place where nothing is half done, the second at once.
//!
//! Signals belong to a process, so there is one wish for all that it does. They are caught, not blocked: programs that are started would
//! inherit a block.

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// Signals that come closer together than this are one wish: what passes a signal on, as timeout(1) does, sends it to a program that had it
/// from the terminal already. Nobody presses Ctrl-C twice as fast.
const ONE_WISH: Duration = Duration::from_millis(200);

/// The signal that came first; 0 while none did.
static CAME: AtomicI32 = AtomicI32::new(0);
/// Process groups of the programs that are running.
static GROUPS: Mutex<BTreeSet<Pid>> = Mutex::new(BTreeSet::new());

/// The signal that asked to end, if one did.
#[must_use]
pub fn asked_to_end() -> Option<Signal> {
    Signal::try_from(CAME.load(Ordering::Relaxed)).ok()
}

/// Nothing, unless a signal asked to end: between two pieces of work that can be parted.
///
/// # Errors
/// A signal asked to end.
pub fn go_on() -> io::Result<()> {
    asked_to_end().map_or(Ok(()), |signal| Err(ended_by(signal)))
}

/// What is said of work that a signal ended.
pub(super) fn ended_by(signal: Signal) -> io::Error {
    io::Error::new(io::ErrorKind::Interrupted, format!("{signal} asked to end"))
}

/// Takes SIGINT and SIGTERM from now on; `tell` hears of the first.
///
/// # Errors
/// The signals cannot be caught, or no thread can be started.
pub fn listen(tell: impl Fn(Signal) + Send + 'static) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate) =
        runtime.block_on(async { Ok::<_, io::Error>((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)) })?;
    let mut first = None::<Instant>;
    let listen = move || loop {
        let came = runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => Signal::SIGINT,
                _ = terminate.recv() => Signal::SIGTERM,
            }
        });
        if CAME.compare_exchange(0, came as i32, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            first = Some(Instant::now());
            tell(came);
        } else if first.is_none_or(|first| first.elapsed() > ONE_WISH) {
            at_once(came);
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(listen).map(drop)
}

/// Ends everything, now. What runs in a root ends with this process; what runs on the machine itself is killed first.
fn at_once(signal: Signal) {
    for group in GROUPS.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        // One that has just ended is as good as one that was killed.
        killpg(*group, Signal::SIGKILL).unwrap_or_default();
    }
    std::process::exit(128 + signal as i32);
}

/// A running program's process group, known to [`at_once`] while this lives.
pub(super) struct Group(pub(super) Pid);

impl Group {
    pub(super) fn new(id: u32) -> io::Result<Self> {
        let group = Pid::from_raw(i32::try_from(id).map_err(io::Error::other)?);
        GROUPS.lock().unwrap_or_else(PoisonError::into_inner).insert(group);
        Ok(Self(group))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        GROUPS.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}
