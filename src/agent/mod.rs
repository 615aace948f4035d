//! The service that brings a machine up at each start and keeps an eye on it: reads the datasource, applies the installed manifest,
//! says how it went, and watches the guarded disks.
//!
//! `state` decides and is pure; [`Work`] is what it decides about; this file joins the two in one loop. Whatever takes long runs on
//! a thread of its own and reports back, so that the loop always answers: to the service manager's watchdog, and to SIGTERM.

mod activity;
mod asks;
mod ending;
mod guard;
mod idle;
mod instance;
mod owed;
mod page;
mod state;
mod stops;
mod work;

use crate::target::{SOCKET, notify, say};
use asks::Waiting;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::select;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::{MissedTickBehavior, interval};

pub use ending::{HOOKS, How, Stop};
pub use guard::{Disk, HOLD, MARGIN, Room, Sample};
pub use idle::{IdleLine, Idleness, Life, Seen, Sign};
pub use owed::Owed;
pub use page::{DiskLine, PAGE, Page};
pub use state::{Effect, Event, Fault, Look, Phase, SetUp, State, Told, next};
pub use stops::{Act, Answer, Ask, Cause, Clocks, Due, Stops, StopsLine};
pub use work::{Work, Workstation, read_power};

/// How often the disks are looked at: a disk that fills at 500 MB/s is seen before a floor of 5 GB is used up.
pub const SAMPLE: Duration = Duration::from_secs(10);

/// Whether the loop goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Wait,
    End,
}

/// Runs until someone asks for the end.
///
/// # Errors
/// The loop cannot be set up: no signals, no timers.
pub fn run(work: &Arc<dyn Work>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(work))
}

async fn serve(work: &Arc<dyn Work>) -> io::Result<()> {
    let (sender, mut events) = unbounded_channel();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut ticks = interval(SAMPLE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let agent = Agent { work: Arc::clone(work), sender, began: Instant::now(), waiting: Waiting::default() };
    if let Err(error) = asks::serve(Path::new(SOCKET), work, agent.sender.clone(), agent.waiting.clone()) {
        tracing::error!(%error, "nobody can ask the agent anything at {SOCKET}");
    }
    let (mut state, mut event) = (State::after(work.owed()), Event::Begun);
    tracing::info!("state: {}", state.phase);
    loop {
        let before = state.phase;
        let (after, effects) = next(state, event);
        state = after;
        if state.phase != before {
            tracing::info!("state: {}", state.phase);
        }
        for effect in effects {
            if agent.perform(effect, &state) == Then::End {
                return Ok(());
            }
        }
        event = select! {
            _ = terminate.recv() => Event::Stop,
            _ = interrupt.recv() => Event::Stop,
            Some(event) = events.recv() => event,
            _ = ticks.tick() => {
                told(notify("WATCHDOG=1"));
                Event::Tick
            }
        };
    }
}

struct Agent {
    work: Arc<dyn Work>,
    sender: UnboundedSender<Event>,
    began: Instant,
    waiting: Waiting,
}

impl Agent {
    fn perform(&self, effect: Effect, state: &State) -> Then {
        match effect {
            Effect::ReadDatasource => self.aside(|work, _| Event::Told(work.read_datasource())),
            Effect::SetUp => self.aside(|work, sender| {
                let working = sender.clone();
                // A loop that has ended needs no news.
                Event::SetUp(work.set_up(Box::new(move |id| working.send(Event::Working(id)).unwrap_or_default())))
            }),
            Effect::Sample => {
                let began = self.began;
                self.aside(move |work, _| Event::Sampled(work.sample(), began.elapsed()));
            }
            Effect::Look => self.aside(|work, _| Event::Looked(Box::new(work.look()))),
            Effect::Watch => self.aside(|work, _| {
                let (seen, boot) = work.watch();
                Event::Saw(seen, boot)
            }),
            Effect::Owe(owed) => self.work.owe(owed.as_ref()),
            Effect::Tell(text) => self.work.tell(&text),
            Effect::Answer(number, answer) => self.waiting.answer(number, answer),
            Effect::StopMachine(_) => self.aside(|work, _| Event::Ended(work.stop())),
            Effect::Publish => self.work.publish(&Page::of(state)),
            Effect::Say(line) => {
                tracing::info!("{line}");
                // Machines without a console have nobody to read it.
                say(&line).unwrap_or_else(|error| tracing::debug!(%error, "the console takes nothing"));
            }
            Effect::Ready(text) => told(notify(&format!("READY=1\nSTATUS={text}"))),
            Effect::Status(text) => told(notify(&format!("STATUS={text}"))),
            Effect::Warn(text) => tracing::warn!("{text}"),
            Effect::Exit => {
                told(notify("STOPPING=1"));
                self.work.retract();
                return Then::End;
            }
        }
        Then::Wait
    }

    /// Does what takes long, aside from the loop. A thread that cannot be had is as bad as no memory: the effect is lost, and said so.
    fn aside(&self, act: impl FnOnce(&dyn Work, &UnboundedSender<Event>) -> Event + Send + 'static) {
        let (work, sender) = (Arc::clone(&self.work), self.sender.clone());
        let begun = std::thread::Builder::new().spawn(move || {
            let event = act(work.as_ref(), &sender);
            // A loop that has ended needs no news.
            sender.send(event).unwrap_or_default();
        });
        if let Err(error) = begun {
            tracing::error!(%error, "no thread to work on");
        }
    }
}

fn told(result: io::Result<()>) {
    if let Err(error) = result {
        tracing::warn!(%error, "the service manager does not listen");
    }
}
