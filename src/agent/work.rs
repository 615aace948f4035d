//! What the agent does to the machine it runs on: the same functions as the verbs of the command line.

use super::activity::{self, Processes};
use super::ending::{How, Stop};
use super::guard::Sample;
use super::idle::Seen;
use super::instance::Instance;
use super::owed::Owed;
use super::page::{self, Page};
use super::state::{Fault, Look, SetUp, Told};
use super::stops::Clocks;
use crate::apply::{Event, Observer, Observers, Outcome, RunReport};
use crate::datasource::{self, MACHINE, Overlay, is_own};
use crate::journal::Journal;
use crate::manifest::load;
use crate::model::{Facts, ResourceId, TargetPath};
use crate::problem::Problem;
use crate::resource::Guard;
use crate::schedule::{POWER, Power};
use crate::session::{Alone, Scope, Session, SessionError, TargetFiles, Terms, installed, installed_lock, is_installed};
use crate::store::Store;
use crate::target::{
    Ground, LockError, Machine, OpError, Probe, ProbeError, Target, Verdict, now, reboot_required, since_boot, tell_terminals,
};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What the loop asks for. Everything may take long, except what is told, owed and published.
pub trait Work: Send + Sync {
    /// Reads the datasources and keeps what they say.
    ///
    /// # Errors
    /// One is there and cannot be read, or what it says cannot be kept.
    fn read_datasource(&self) -> Result<Told, String>;

    /// Applies the installed manifest; tells which resource is worked on.
    fn set_up(&self, tell: Box<dyn Fn(ResourceId) + Send>) -> SetUp;

    /// Looks at the guarded file systems; for each that cannot be looked at, why.
    fn sample(&self) -> Vec<Result<Sample, String>>;

    /// Reads the clocks and what the manifest says of stops.
    fn look(&self) -> Look;

    /// Looks for signs of use; and the time since boot when that ended.
    fn watch(&self) -> (Seen, Duration);

    /// What the agent before this one owed.
    fn owed(&self) -> Option<Owed>;

    /// Keeps what this agent owes.
    fn owe(&self, owed: Option<&Owed>);

    /// Whether somebody may put a stop off.
    ///
    /// # Errors
    /// They may not, or it cannot be told; in words for them.
    fn may_ask(&self, uid: u32) -> Result<(), String>;

    /// Tells everyone on the machine.
    fn tell(&self, text: &str);

    /// Stops the machine.
    ///
    /// # Errors
    /// It goes on.
    fn stop(&self) -> Result<(), String>;

    /// Writes the status page.
    fn publish(&self, page: &Page);

    /// Takes the status page back.
    fn retract(&self);
}

/// The machine that the agent runs on.
#[derive(Debug)]
pub struct Workstation {
    machine: Arc<Machine>,
    store: Store,
    processes: Mutex<Processes>,
}

impl Workstation {
    /// This machine.
    ///
    /// # Errors
    /// Its root cannot be opened.
    pub fn open(store: Store) -> std::io::Result<Self> {
        Ok(Self { machine: Arc::new(Machine::open(&Ground::Live, store.clone())?), store, processes: Mutex::default() })
    }

    fn apply(&self, tell: Box<dyn Fn(ResourceId) + Send>) -> Result<SetUp, SetUp> {
        let refused = |error: &dyn std::fmt::Display| SetUp::Refused(error.to_string());
        if !is_installed(self.machine.as_ref()).map_err(|e| refused(&e))? {
            return Ok(SetUp::NoManifest);
        }
        let journal = Journal::new(Arc::clone(&self.machine) as Arc<dyn Target>);
        let observers = Observers::new(vec![Box::new(journal), Box::new(Watch(tell))]);
        let alone = Alone::on(&self.machine, &observers).map_err(|e| ended(&e))?;
        let sheets = installed(self.machine.as_ref()).map_err(|e| refused(&e))?;
        let manifest =
            load(&sheets, TargetFiles(Arc::clone(&self.machine))).map_err(|rejected| refused(&first_problem(&rejected.problems)))?;
        let wanted = |facts: &Facts| manifest.into_machine(facts);
        // What the manifest's author wrote down is taken as far as it fits.
        let lock = installed_lock(self.machine.as_ref()).map_err(|e| refused(&e))?.unwrap_or_default();
        let terms = Terms { lock, ..Terms::default() };
        let session = Session::prepare(wanted, |_| {}, (Scope::Machine, terms), Arc::clone(&self.machine), self.store.clone(), &observers)
            .map_err(|e| ended(&e))?;
        let (report, _) = session.apply(&alone, &observers).map_err(|e| ended(&e))?;
        let name = session.name.as_ref().map(ToString::to_string);
        Ok(SetUp::Done { name, counts: report.counts, faults: faults(report) })
    }
}

impl Workstation {
    /// Reads the datasources, and keeps what the machine takes of what they say.
    fn listen(&self) -> Result<Told, OpError> {
        let machine = self.machine.as_ref();
        let known = Instance::read(machine)?;
        let overlay = datasource::fetch(machine)?;
        let taken = overlay.as_ref().filter(|overlay| Instance::takes(known.as_ref(), overlay));
        let mut told = Told { instance: known.as_ref().and_then(|known| known.id.clone()), warnings: Vec::new() };
        match (&overlay, taken) {
            (_, Some(taken)) => {
                told = Told { instance: taken.instance.clone(), warnings: taken.warnings.clone() };
                told.warnings.extend(self.keep(taken)?);
            }
            (Some(strange), None) => {
                told.warnings.push(format!("{} is not this machine's; what it says is not taken", strange.source));
            }
            (None, None) => {}
        }
        let now = Instance::new(told.instance.clone());
        if known.as_ref() != Some(&now) {
            now.keep(machine)?;
        }
        Ok(told)
    }

    /// Keeps what was said, unless somebody wrote the file; a warning says so.
    fn keep(&self, overlay: &Overlay) -> Result<Option<String>, OpError> {
        let path = TargetPath::parse(MACHINE).map_err(|e| OpError::new("use a path", e))?;
        let text = overlay.to_yaml();
        let now = self.machine.read(&path)?;
        if overlay.is_empty() || now.as_deref() == Some(text.as_bytes()) {
            return Ok(None);
        }
        if now.is_some_and(|now| !is_own(&now)) {
            return Ok(Some(format!("{MACHINE} is somebody's own; what {} says is not taken", overlay.source)));
        }
        self.machine.publish(&path, text.as_bytes()).map(|()| None)
    }
}

/// What the manifest says of stops, as it was applied.
///
/// # Errors
/// It is there and cannot be read.
pub fn read_power(on: &dyn Probe) -> Result<Option<Power>, String> {
    let path = TargetPath::parse(POWER).map_err(|e| e.to_string())?;
    let bytes = on.read(&path).map_err(|e| e.to_string())?;
    bytes.map(|bytes| Power::parse(&bytes).map_err(|why| format!("{POWER}: {why}"))).transpose()
}

/// The first of a manifest's problems; `fitout validate` shows all.
fn first_problem(problems: &[Problem]) -> String {
    problems.first().map_or_else(|| "the manifest does not fit this machine".into(), ToString::to_string)
}

fn ended(error: &SessionError) -> SetUp {
    match error {
        SessionError::Lock(LockError::Held(_)) => SetUp::Busy(error.to_string()),
        SessionError::Floor(_) => SetUp::NoRoom(error.to_string()),
        SessionError::Manifest(rejected) => SetUp::Refused(first_problem(&rejected.problems)),
        SessionError::Resolve(_) | SessionError::Missing(_) => SetUp::Unanswered(error.to_string()),
        SessionError::Probe(_)
        | SessionError::Own(_)
        | SessionError::Moved(_)
        | SessionError::Uncovered(_)
        | SessionError::Lock(LockError::Broken(_)) => SetUp::Refused(error.to_string()),
    }
}

fn faults(report: RunReport) -> Vec<Fault> {
    let failed = report.resources.into_iter().filter(|report| report.outcome == Outcome::Failed);
    failed.map(|report| Fault { id: Some(report.id), reason: report.reason.unwrap_or_default() }).collect()
}

/// Tells which resource is worked on: one that has a step, for looking is not worth a word.
struct Watch(Box<dyn Fn(ResourceId) + Send>);

impl Observer for Watch {
    fn on(&mut self, event: &Event) {
        if let Event::StepStarted { id, .. } = event {
            (self.0)(id.clone());
        }
    }
}

impl Work for Workstation {
    fn read_datasource(&self) -> Result<Told, String> {
        self.listen().map_err(|e| e.to_string())
    }

    fn set_up(&self, tell: Box<dyn Fn(ResourceId) + Send>) -> SetUp {
        self.apply(tell).unwrap_or_else(|end| end)
    }

    fn sample(&self) -> Vec<Result<Sample, String>> {
        let machine = self.machine.as_ref();
        let sample = |guard: Guard| -> Result<Sample, ProbeError> {
            Ok(Sample { free: machine.space(&guard.mount)?.free, mount: guard.mount, minimum_free: guard.minimum_free })
        };
        match Guard::all(machine) {
            Ok(guards) => guards.into_iter().map(|guard| sample(guard).map_err(|e| e.to_string())).collect(),
            Err(error) => vec![Err(error.to_string())],
        }
    }

    fn look(&self) -> Look {
        Look { clocks: Clocks { wall: now(), boot: since_boot() }, power: read_power(self.machine.as_ref()) }
    }

    fn watch(&self) -> (Seen, Duration) {
        let look = |power: Power| {
            let mut processes = self.processes.lock().unwrap_or_else(PoisonError::into_inner);
            activity::look(self.machine.as_ref(), &power, &mut processes, since_boot()).map_err(|e| e.to_string())
        };
        let unknown = |why| Seen { signs: Vec::new(), unknown: vec![why] };
        let seen = read_power(self.machine.as_ref()).and_then(|power| look(power.unwrap_or_default()));
        let mut seen = seen.unwrap_or_else(unknown);
        match activity::setting_up(&self.machine) {
            Ok(signs) => seen.signs.extend(signs),
            Err(error) => seen.unknown.push(error.to_string()),
        }
        (seen, since_boot())
    }

    fn owed(&self) -> Option<Owed> {
        Owed::read(self.machine.as_ref()).unwrap_or_else(|error| {
            tracing::warn!(%error, "a stop that was put off may come all the same");
            None
        })
    }

    fn owe(&self, owed: Option<&Owed>) {
        let kept = Owed::keep(owed, self.machine.as_ref());
        kept.unwrap_or_else(|error| tracing::warn!(%error, "an agent that is restarted will not know that a stop is put off"));
    }

    fn may_ask(&self, uid: u32) -> Result<(), String> {
        let owner = read_power(self.machine.as_ref())?.and_then(|power| power.owner);
        let accounts = self.machine.accounts().map_err(|e| e.to_string())?;
        let number = owner.as_deref().and_then(|owner| accounts.user(owner)).map(|account| account.uid);
        if uid == 0 || number == Some(uid) {
            return Ok(());
        }
        let owner = owner.map_or_else(|| "root".to_owned(), |owner| format!("{owner}, whose machine this is, and root"));
        Err(format!("only {owner} may put a stop off"))
    }

    fn tell(&self, text: &str) {
        match tell_terminals(text) {
            Ok(told) => tracing::info!("told on {told} terminals: {text}"),
            Err(error) => tracing::warn!(%error, "nobody could be told: {text}"),
        }
    }

    fn stop(&self) -> Result<(), String> {
        let machine = self.machine.as_ref();
        let power = read_power(machine)?.unwrap_or_default();
        let how = How::to_stop(machine, power.stop).map_err(|e| e.to_string())?;
        let stop = Stop::plan(machine, how).map_err(|e| e.to_string())?;
        if !stop.too_full.is_empty() {
            tracing::warn!("{}: makes room, and stops: {}", stop.too_full.join("; "), stop.words().join(", "));
        }
        stop.perform(&|why| tracing::warn!("{why}"))
    }

    fn publish(&self, page: &Page) {
        let written = page::path().map_err(Into::into).and_then(|path| {
            let on = self.machine.as_ref();
            // A verdict that is damaged says nothing here; `fitout script list` says so.
            let scripts = Verdict::worth_a_word(on).unwrap_or_default();
            let page = Page { reboot_required: reboot_required(on)?, scripts, ..page.clone() };
            let text = serde_json::to_string_pretty(&page).unwrap_or_default();
            self.machine.publish(&path, format!("{text}\n").as_bytes())
        });
        written.unwrap_or_else(|error| tracing::warn!(%error, "the status page is out of date"));
    }

    fn retract(&self) {
        // A page left behind names a process that is gone, and is not believed.
        let retracted = page::path().map_err(Into::into).and_then(|path| self.machine.discard(&path));
        retracted.unwrap_or_else(|error| tracing::debug!(%error, "the status page stays"));
    }
}
