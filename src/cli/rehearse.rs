//! `fitout rehearse`: the whole apply on an overlay that is thrown away, and what it really did.

use super::output::{self, Paint, paint, say};
use super::source::{self, Becomes, Opened, Refusal};
use super::{Exit, Form, Global, Ground, apply, differences, outside, progress};
use crate::apply::{Observers, RunReport};
use crate::journal::{Difference, Journal, NOISE, OWN, Snapshot, files_of};
use crate::model::{ByteSize, TargetPath};
use crate::resource::Guard;
use crate::session::SessionError;
use crate::store::Store;
use crate::target::{Change, Ground as On, Lock, LockError, Machine, Probe, ProbeError, Rehearsal, Stillness, promote};
use clap::Args;
use serde::Serialize;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Arguments of `fitout rehearse`.
#[derive(Debug, Args)]
#[command(after_help = "\
Everything runs for real, scripts and checks included, on an overlay over the root that only this process sees. What they do over the \
network is real too. Downloads are kept in the cache.

Examples:
  fitout rehearse -f lab.yaml --root /srv/root
  fitout rehearse -f lab.yaml --root /srv/root --promote")]
pub struct Arguments {
    #[command(flatten)]
    ground: Ground,
    /// When nothing failed, make the rehearsal real: copy what changed onto the root
    #[arg(long)]
    promote: bool,
    /// List every file, those of packages, logs, caches and Fitout's own too
    #[arg(long)]
    all: bool,
    /// Room in memory for all that is written, such as 8GiB; half of the memory without it
    #[arg(long, value_name = "SIZE", value_parser = ByteSize::parse)]
    room: Option<ByteSize>,
}

/// What is said where the overlay can take no more.
const FULL: &str = "its room in memory is full";

/// What a rehearsal found.
#[derive(Debug, Serialize)]
struct Document<'a> {
    version: u32,
    report: &'a RunReport,
    differences: &'a [Difference],
    files: &'a [Change],
    /// Bytes that the root would hold more.
    growth: i64,
    /// What is mounted below the root and could only be read.
    read_only: Vec<String>,
    promoted: bool,
}

/// The real machine, held still where it is to be changed.
struct Real {
    machine: Machine,
    before: Snapshot,
    still: Option<(Lock, Stillness)>,
}

pub fn run(arguments: &Arguments, global: &Global) -> Exit {
    if !nix::unistd::geteuid().is_root() {
        output::complain("only root may rehearse: it mounts, and runs what the manifest names", Some("use sudo"));
        return Exit::NotRoot;
    }
    if arguments.promote && arguments.ground.root.is_none() {
        output::complain("a running machine is not promoted to: its services would not notice", Some("change it with `sudo fitout apply`"));
        return Exit::Usage;
    }
    rehearse(arguments, global).unwrap_or_else(|refusal| refusal.tell(global))
}

fn rehearse(arguments: &Arguments, global: &Global) -> Result<Exit, Refusal> {
    let root = source::root(arguments.ground.root.as_deref())?;
    if arguments.ground.root.is_some() {
        outside::begin(&root, &global.cache);
    }
    let stage = |e: io::Error| Refusal::Stage(e.to_string());
    let (machine, lock) = real(&root, arguments, global)?;
    let rehearsal = Rehearsal::begin(&root, arguments.room).map_err(stage)?;
    let still = lock.map(|lock| rehearsal.stillness().map(|still| (lock, still))).transpose().map_err(stage)?;
    let real = Real { before: Snapshot::read(&machine).map_err(SessionError::Probe)?, machine, still };
    let ground = On::Rehearsal { stage: rehearsal.root(), real: rehearsal.real().to_owned() };
    let target = Arc::new(Machine::open(&ground, Store::at(&global.cache)).map_err(stage)?);
    let (Opened { session, .. }, alone) = source::open_alone(Arc::clone(&target), &arguments.ground, global, Becomes::Nothing)?;
    let mut watching = progress::observers(global);
    watching.push(Box::new(Journal::new(Arc::<Machine>::clone(&target))));
    let (report, _) = match session.apply(&alone, &Observers::new(watching)) {
        Err(_) if rehearsal.is_full() => return Err(Refusal::Stage(FULL.into())),
        other => other?,
    };
    let found = Found {
        differences: real.before.differences(&Snapshot::read(&target).map_err(SessionError::Probe)?),
        files: rehearsal.changes().map_err(stage)?,
        report,
    };
    let (promoted, exit) = match (arguments.promote, found.report.is_whole()) {
        (true, true) => found.promote(&rehearsal, &real)?,
        (false, true) => (false, Exit::Done),
        (_, false) => (false, Exit::Failed),
    };
    match global.output {
        Form::Json => output::json(&found.document(&rehearsal, promoted)),
        Form::Human => {
            output::data(&found.show(arguments, &real, &target).map_err(SessionError::Probe)?);
            found.say(arguments, &rehearsal, promoted);
        }
    }
    Ok(exit)
}

/// The real machine: with nobody at work on it, and held where it is to be changed.
fn real(root: &Path, arguments: &Arguments, global: &Global) -> Result<(Machine, Option<Lock>), Refusal> {
    let stage = |e: io::Error| Refusal::Stage(e.to_string());
    let machine = Machine::open(&On::Root(root.to_owned()), Store::at(&global.cache)).map_err(stage)?;
    if let Some(holder) = machine.at_work().map_err(SessionError::Probe)? {
        return Err(SessionError::Lock(LockError::Held(holder)).into());
    }
    let lock = arguments.promote.then(|| machine.lock()).transpose().map_err(SessionError::Lock)?;
    Ok((machine, lock))
}

struct Found {
    report: RunReport,
    differences: Vec<Difference>,
    files: Vec<Change>,
}

impl Found {
    fn growth(&self) -> i64 {
        self.files.iter().map(Change::growth).sum()
    }

    /// Makes it real, unless the root moved or has too little room.
    fn promote(&self, rehearsal: &Rehearsal, real: &Real) -> Result<(bool, Exit), Refusal> {
        let stage = |e: io::Error| Refusal::Stage(e.to_string());
        if let Some((_, before)) = &real.still
            && let Some(path) = before.moved(&rehearsal.stillness().map_err(stage)?)
        {
            output::complain(
                &format!("not promoted: {} changed on the root during the rehearsal", path.display()),
                Some("rehearse again while nobody else works on it"),
            );
            return Ok((false, Exit::Moved));
        }
        if let Some(too_little) = self.too_little(&real.machine).map_err(SessionError::Probe)? {
            output::complain(&too_little, Some("make room on the root's file system"));
            return Ok((false, Exit::DiskFloor));
        }
        match promote(rehearsal, &self.files) {
            Ok(()) => Ok((true, Exit::Done)),
            Err(error) => {
                output::complain(&format!("cannot promote {error}"), Some("`fitout apply` on the root reaches the same end from here"));
                Ok((false, Exit::Failed))
            }
        }
    }

    fn too_little(&self, on: &dyn Probe) -> Result<Option<String>, ProbeError> {
        // The old files go when all new ones are there.
        let takes = ByteSize(self.files.iter().map(Change::written).sum());
        let floor = Guard::all(on)?.iter().filter(|guard| guard.mount == TargetPath::root()).map(|guard| guard.minimum_free.0).max();
        let (free, floor) = (on.space(&TargetPath::root())?.free, ByteSize(floor.unwrap_or_default()));
        let fits = free.0 >= takes.0.saturating_add(floor.0);
        Ok((!fits).then(|| format!("not promoted: / has {free} free, promoting takes {takes}, and {floor} must stay free")))
    }

    fn document<'a>(&'a self, rehearsal: &Rehearsal, promoted: bool) -> Document<'a> {
        Document {
            version: 1,
            report: &self.report,
            differences: &self.differences,
            files: &self.files,
            growth: self.growth(),
            read_only: rehearsal.read_only().iter().map(|path| path.display().to_string()).collect(),
            promoted,
        }
    }

    fn show(&self, arguments: &Arguments, real: &Real, target: &Machine) -> Result<String, ProbeError> {
        let packages: BTreeSet<&str> = self.differences.iter().filter(|one| one.kind == "package").map(|one| one.name.as_str()).collect();
        let mut theirs = files_of(&real.machine, &packages)?;
        theirs.extend(files_of(target, &packages)?);
        let within = |path: &Path, folders: &[&str]| folders.iter().any(|folder| path.starts_with(folder));
        let is_aside = |change: &&Change| {
            let path = change.path.as_path();
            let compiled = path.iter().any(|part| part == "__pycache__");
            compiled || within(path, &OWN) || within(path, &NOISE) || theirs.contains(&*path.to_string_lossy())
        };
        let (aside, first): (Vec<&Change>, Vec<&Change>) = self.files.iter().partition(|change| !arguments.all && is_aside(change));
        // Files are told once, with all that differs.
        let things: Vec<Difference> = self.differences.iter().filter(|one| one.kind != "file").cloned().collect();
        let mut lines = differences::show(&things);
        if !first.is_empty() {
            lines.push(output::paint_data(Paint::Bold, "Files"));
        }
        lines.extend(if arguments.all { first.into_iter().map(differences::file).collect() } else { differences::files(&first) });
        if !aside.is_empty() {
            lines.push(format!("  and {} of packages, logs, caches and Fitout's own; --all lists them", aside.len()));
        }
        Ok(lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect())
    }

    /// The last words, beside the data.
    fn say(&self, arguments: &Arguments, rehearsal: &Rehearsal, promoted: bool) {
        say(&apply::recap(&self.report, None));
        let note = |text: &str| say(&format!("{} {text}", paint(Paint::Yellow, "note:")));
        let growth = self.growth();
        let size = ByteSize(growth.unsigned_abs());
        say(&format!("The root {} by {size}.", if growth < 0 { "shrinks" } else { "grows" }));
        for path in rehearsal.read_only() {
            note(&format!("{} could only be read in the rehearsal", path.display()));
        }
        if rehearsal.is_full() {
            note(&format!("{FULL}: what failed may not fail on the root; --room SIZE gives it more"));
        }
        if self.report.ended_by.is_some() {
            note("this is what was done until then; what would have come after it was not rehearsed");
        }
        note("what scripts, checks and packages did over the network was real");
        let real = rehearsal.real().display();
        match (promoted, arguments.promote) {
            (true, _) => say(&format!("Promoted: {real} is now as rehearsed.")),
            (false, true) => say(&format!("Nothing was promoted to {real}.")),
            (false, false) => say(&format!("Nothing was changed on {real}.")),
        }
    }
}
