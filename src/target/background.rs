//! Scripts that go on beside everything else: a process of Fitout's own, in a session of its own, runs such a script to its end and keeps
//! its verdict. It outlives the apply that began it.

use super::machine::{Ground, Machine};
use super::run::start_aside;
use super::stop::listen;
use super::{Floors, OpError, Probe, ProbeError, Progress, Target};
use crate::model::TargetPath;
use crate::step::{Gate, ScriptRun};
use crate::store::Store;
use std::io::{self, Write};
use std::path::PathBuf;

/// The word by which Fitout starts itself to follow a script.
pub const FOLLOW: &str = "__follow";

/// What the follower says when the beginning of the run is on the disk.
const BEGUN: &str = "begun";

fn order(name: &str) -> Result<TargetPath, ProbeError> {
    TargetPath::parse(&format!("/var/lib/fitout/scripts/{name}.json")).map_err(|e| ProbeError::new("use a path", e))
}

/// Has a script run by a process of its own; comes back when it has begun.
pub(super) fn spawn_aside(on: &Machine, run: &ScriptRun) -> Result<(), OpError> {
    let failed = |cause: String| OpError::new(format!("begin the {} script in the background", run.name), cause);
    let bytes = serde_json::to_vec(run).map_err(|e| failed(e.to_string()))?;
    on.keep(&order(&run.name)?, &bytes)?;
    let said = start_aside(&[FOLLOW.as_ref(), run.name.as_ref(), on.store.folder().as_os_str()]).map_err(|e| failed(e.to_string()))?;
    match said.trim() {
        BEGUN => Ok(()),
        "" => Err(failed("its process ended before it began".into())),
        other => Err(failed(other.to_owned())),
    }
}

/// What a follower does. The arguments: the script's name, the store's folder.
pub(super) fn follow(arguments: &[String]) -> Result<(), String> {
    let [name, store] = arguments else { return Err("it needs a script and a store".into()) };
    let tell = |line: &str| {
        // Whoever began this may have ended since.
        writeln!(io::stdout(), "{line}").unwrap_or_default();
    };
    let followed = prepare(name, store).and_then(|(machine, run)| {
        let floors = Floors::now(&machine).map_err(|e| e.to_string())?;
        machine.run_to_its_end(&run, &Aside { machine: &machine, floors }, &|| tell(BEGUN)).map_err(|e| e.to_string())
    });
    followed.inspect_err(|error| tell(error))
}

/// Nobody hears what such a script prints; that room stays free holds for it as for all else.
struct Aside<'a> {
    machine: &'a Machine,
    floors: Floors,
}

impl Progress for Aside<'_> {
    fn line(&self, _: &str) {}

    fn advance(&self, _: u64, _: u64) {}

    fn must_end(&self) -> Option<String> {
        self.floors.broken(self.machine)
    }
}

fn prepare(name: &str, store: &str) -> Result<(Machine, ScriptRun), String> {
    nix::unistd::setsid().map_err(|e| e.to_string())?;
    listen(|_| ()).map_err(|e| e.to_string())?;
    let machine = Machine::open(&Ground::Live, Store::at(PathBuf::from(store))).map_err(|e| e.to_string())?;
    let bytes = order(name).and_then(|path| machine.read(&path)).map_err(|e| e.to_string())?.ok_or("nobody ordered it")?;
    let run: ScriptRun = serde_json::from_slice(&bytes).map_err(|e| e.to_string())?;
    Ok((machine, ScriptRun { gate: Gate::Ready, ..run }))
}
