//! Which manifest, on which machine: what most verbs begin with, and how its failures are told.

use super::output::{self, complain};
use super::{Exit, Form, Global, Ground, outside, progress};
use crate::apply::{Observers, is_for_room};
use crate::manifest::{HostFiles, Machine as Wanted, Manifest, Origin, Rejected, Sheets, Source, TextError, load, load_and, origins, text};
use crate::model::{ResourceId, Sha256, counted};
use crate::problem::{Code, Problem, Sources, render, render_warnings};
use crate::recipe::{Service, Want};
use crate::resolve::{Cause, Permission};
use crate::session::{
    Alone, Bond, Installable, InstalledError, LOCK, Lock, MANIFEST, Recall, Scope, Session, SessionError, TargetFiles, Terms,
    contradictions, foresee, installed, installed_lock, is_installed, names, own_program,
};
use crate::store::Store;
use crate::target::{Ground as On, LockError, Machine, OpError, Trouble, Writers, read_facts};
use clap::Args;
use nix::errno::Errno;
use serde_json::json;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why nothing was done.
#[derive(Debug)]
pub enum Refusal {
    /// The manifest has problems.
    Rejected(Box<Rejected>),
    /// The manifest cannot be read.
    Unread(String, TextError),
    /// No manifest is installed.
    Installed(InstalledError),
    /// None is installed on the root that is named.
    Bare,
    /// The machine cannot be opened.
    Ground(String, io::Error),
    /// The root that was named is this machine's own.
    OwnRoot(String),
    /// No rehearsal can be held.
    Stage(String),
    /// No saved plan can be read.
    Plan(String, String),
    /// No state to compare with can be read.
    State(String, String),
    /// There is no lock.
    Lockless(String, &'static str),
    /// A lock is none that this Fitout can read.
    Lock(String, String),
    /// A `--set` is none.
    Set(String),
    /// The work did not begin.
    Session(SessionError),
    /// A file of Fitout's own was not written.
    Own(OpError),
}

impl From<SessionError> for Refusal {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

impl Refusal {
    /// Tells a person, and says how to exit.
    pub fn tell(self, global: &Global) -> Exit {
        match self {
            Self::Rejected(rejected) => problems(&rejected.problems, &rejected.sources, global),
            Self::Session(SessionError::Manifest(rejected)) => problems(&rejected.problems, &rejected.sources, global),
            Self::Unread(name, error @ TextError::Doubtful(_)) => {
                say(&format!("{name} is not trusted: {error}"), Some(error.hint()), Exit::Manifest)
            }
            Self::Unread(name, error) => say(&format!("cannot read {name}: {error}"), None, Exit::NoInput),
            Self::Installed(error) if is_denied(&error.to_string()) => failed(&error.to_string()),
            Self::Installed(error @ (InstalledError::Untrusted(..) | InstalledError::Lock(..))) => {
                say_of_machine(&error.to_string(), error.hint(), Exit::Manifest)
            }
            Self::Bare => say(
                &format!("no manifest is installed on this root (its own {MANIFEST})"),
                Some("name one with -f FILE, or install one with `fitout apply -f FILE --root DIR --install`"),
                Exit::NoInput,
            ),
            Self::Installed(error) => {
                let hint = error.hint().or(InstalledError::None.hint());
                say_of_machine(&error.to_string(), hint, Exit::NoInput)
            }
            Self::Ground(root, error) => say(&format!("cannot open the root {root}: {error}"), None, Exit::NoInput),
            Self::OwnRoot(root) => say(&format!("{root} is this machine; leave --root out"), None, Exit::Usage),
            Self::Stage(cause) => say(
                &format!("cannot rehearse: {cause}"),
                Some("it needs overlay and tmpfs of the kernel, and room in memory (--room)"),
                Exit::Failed,
            ),
            Self::Plan(name, cause) => say(
                &format!("cannot read the plan {name}: {cause}"),
                Some("`fitout plan --out FILE` writes one; a manifest is named with -f FILE"),
                Exit::NoInput,
            ),
            Self::State(name, cause) => say(
                &format!("cannot tell what {name} holds: {cause}"),
                Some("`fitout diff --save FILE DIR` keeps the state of a root"),
                Exit::NoInput,
            ),
            Self::Lockless(name, cause) => {
                say(&format!("cannot use the lock {name}: {cause}"), Some("`fitout lock -f FILE` writes one beside FILE"), Exit::NoInput)
            }
            Self::Lock(name, cause) => say(&format!("cannot use the lock {name}: {cause}"), Some(&relock(&name)), Exit::Manifest),
            Self::Set(text) => {
                say(&format!("`--set {text}` sets nothing"), Some("write FIELD=VALUE, such as --set name=lab-b"), Exit::Usage)
            }
            Self::Own(error) => say_of_machine(&error.to_string(), error.hint.as_deref(), Exit::Failed),
            Self::Session(error) => session(&error, global),
        }
    }
}

/// What to do about a file that is no lock: where it is a manifest, its own lock is beside it, or may be.
fn relock(name: &str) -> String {
    match name.strip_suffix(LOCK) {
        Some(manifest) => format!("`fitout lock -f {manifest}` writes it anew"),
        None if Path::new(&format!("{name}{LOCK}")).exists() => format!("the lock of a manifest lies beside it: name {name}{LOCK}"),
        None => format!("name the lock of a manifest; `fitout lock -f {name}` writes {name}{LOCK}"),
    }
}

/// How a command ends that failed with this message.
pub fn failing(message: &str, otherwise: Exit) -> Exit {
    if is_for_room(message) { Exit::DiskFloor } else { otherwise }
}

fn say(message: &str, hint: Option<&str>, exit: Exit) -> Exit {
    complain(message, hint);
    exit
}

/// The same, of the machine that the command is about.
fn say_of_machine(message: &str, hint: Option<&str>, exit: Exit) -> Exit {
    say(&outside::told(message), hint.map(outside::told).as_deref(), exit)
}

/// Whether this is what only root may do, and we are not root.
pub fn is_denied(message: &str) -> bool {
    !nix::unistd::geteuid().is_root() && [Errno::EACCES, Errno::EPERM].iter().any(|denied| message.contains(denied.desc()))
}

/// Tells what could not be looked at, and who may.
pub fn failed(message: &str) -> Exit {
    if is_denied(message) {
        return say_of_machine(message, Some("only root may look at all of a machine: use sudo"), Exit::NotRoot);
    }
    say_of_machine(message, None, Exit::Failed)
}

fn session(error: &SessionError, global: &Global) -> Exit {
    let message = error.to_string();
    match error {
        SessionError::Manifest(_) => Exit::Manifest,
        SessionError::Probe(error) => match error.trouble {
            Trouble::Else => failed(&message),
            Trouble::Damaged => say_of_machine(&message, error.trouble.hint(), Exit::Failed),
            Trouble::Newer => say_of_machine(&message, error.trouble.hint(), Exit::Newer),
            Trouble::Unlisted => say(&message, error.trouble.hint(), Exit::Manifest),
        },
        SessionError::Resolve(_) if is_denied(&message) => {
            let hint = format!("{} cannot be written; use sudo, or name another folder with --cache DIR", global.cache.display());
            say(&message, Some(&hint), Exit::NotRoot)
        }
        SessionError::Resolve(error) => {
            let work = || {
                format!(
                    "Fitout works in {} and {}: both must stay while it runs, and have room",
                    global.cache.display(),
                    std::env::temp_dir().display()
                )
            };
            let hint = matches!(error.cause, Cause::Host(_)).then(work);
            say(&message, hint.as_deref(), failing(&message, unresolved(&error.cause)))
        }
        SessionError::Own(cause) => say_of_machine(&message, cause.hint.as_deref(), failing(&message, Exit::Failed)),
        SessionError::Floor(_) => {
            say(&message, Some("make room (`fitout disk` shows the guards), or lower disk.guards in the manifest"), Exit::DiskFloor)
        }
        SessionError::Moved(_) => say(&message, Some("look at a new `fitout plan --out FILE`, and apply that"), Exit::Moved),
        SessionError::Uncovered(_) => {
            say(&message, Some("write a lock for what the manifest says now: `fitout lock -f FILE`"), Exit::Moved)
        }
        SessionError::Missing(_) => {
            say(&message, Some("`fitout fetch FILE.lock --cache DIR` fills a cache where there is a network"), Exit::Unavailable)
        }
        SessionError::Lock(LockError::Held(_)) => say(&message, Some("wait for it to end, and try again"), Exit::Locked),
        SessionError::Lock(LockError::Broken(_)) => {
            say_of_machine(&message, Some("no run begins without its lock; nothing was done"), Exit::Failed)
        }
    }
}

const fn unresolved(cause: &Cause) -> Exit {
    match cause {
        Cause::Fetch(_) | Cause::Unreachable(_) => Exit::Unavailable,
        Cause::Unsatisfiable(_) => Exit::Manifest,
        Cause::Host(_) => Exit::Failed,
    }
}

fn problems(found: &[Problem], sources: &Sources, global: &Global) -> Exit {
    // The last may be of all of them.
    let count = found.iter().filter(|problem| problem.place.is_some() || problem.code != Code::TooLarge).count().max(1);
    let words = counted(count, "problem");
    if global.output == Form::Json {
        let error = output::error(Exit::Manifest, &format!("the manifest has {words}"), None);
        output::json(&json!({"version": 1, "valid": false, "problems": found, "error": error}));
    } else {
        output::say(&format!("{}\n{words} found", render(found, sources)));
    }
    Exit::Manifest
}

fn settings(set: &[String]) -> Result<Vec<(String, String)>, Refusal> {
    let pair = |text: &String| {
        text.split_once('=').map(|(path, value)| (path.to_owned(), value.to_owned())).ok_or_else(|| Refusal::Set(text.clone()))
    };
    set.iter().map(pair).collect()
}

/// A lock or a saved plan is never longer.
pub const LONGEST: u64 = 64 << 20;

/// What a manifest is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To be looked at.
    Look,
    /// What it says is done, on the word of whoever may have written it.
    Act,
}

impl Purpose {
    /// The files that may be read for it.
    pub fn files(self) -> HostFiles {
        match self {
            Self::Look => HostFiles::default(),
            Self::Act => HostFiles::of(Writers::of_orders()),
        }
    }

    /// The text of a file of the host.
    pub fn read(self, name: &str) -> Result<Source, Refusal> {
        Source::read(&self.files(), name).map_err(|e| Refusal::Unread(name.into(), e))
    }
}

/// Reads the named manifest of the host; `-` is standard input.
pub fn named(name: &str, set: &[String], purpose: Purpose) -> Result<(Manifest, Sheets), Refusal> {
    let source = if name == "-" {
        let text = io::read_to_string(io::stdin()).map_err(|e| Refusal::Unread("standard input".into(), TextError::Unreadable(e)))?;
        Source { name: "-".into(), text: text.into() }
    } else {
        purpose.read(name)?
    };
    let sheets = Sheets { settings: settings(set)?, ..Sheets::new(Source { name: real(name), ..source }) };
    let manifest = load_and(&sheets, purpose.files(), &contradictions).map_err(|e| Refusal::Rejected(Box::new(e)))?;
    Ok((manifest, sheets))
}

/// A file by its real name: what it names lies beside it, not beside a link to it. Whoever reads it by a link has judged both.
pub fn real(name: &str) -> String {
    let is_link = Path::new(name).is_symlink();
    let path = is_link.then(|| Path::new(name).canonicalize().ok()).flatten();
    path.and_then(|path| path.to_str().map(str::to_owned)).unwrap_or_else(|| name.to_owned())
}

/// Tells a person what is worth saying of a manifest.
pub fn warn(manifest: &Manifest, global: &Global) {
    if global.output == Form::Human && !manifest.warnings.is_empty() {
        output::say(&render_warnings(&manifest.warnings, manifest.sources()));
    }
}

/// Which manifest, where nothing is done on a machine.
#[derive(Debug, Args)]
pub struct Which {
    /// The manifest: a file, or - for standard input; without it, the one installed on the machine
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub file: Option<String>,
    /// An offline root directory instead of this machine
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Another value for a field of the manifest, such as name=lab-b
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    pub set: Vec<String>,
}

/// The manifest alone, for `validate`, and what it was read from.
pub fn manifest(which: &Which, global: &Global) -> Result<(Manifest, Sheets), Refusal> {
    let rejected = |e| Refusal::Rejected(Box::new(e));
    if let Some(name) = &which.file {
        let (manifest, sheets) = named(name, &which.set, Purpose::Look)?;
        foresee(&manifest).map_err(rejected)?;
        return Ok((manifest, sheets));
    }
    let machine = machine(which.root.as_deref(), global)?;
    let sheets = Sheets { settings: settings(&which.set)?, ..own_sheets(&machine)? };
    let manifest = load(&sheets, TargetFiles(Arc::clone(&machine))).map_err(rejected)?;
    let facts = read_facts(machine.as_ref()).map_err(SessionError::Probe)?;
    Ok((manifest.settled(&facts).map_err(rejected)?, sheets))
}

/// Where the values of this manifest come from, on the machine that it is for.
pub fn value_origins(which: &Which, sheets: &Sheets, global: &Global) -> Result<Vec<Origin>, Refusal> {
    let machine = machine(which.root.as_deref(), global)?;
    let facts = read_facts(machine.as_ref()).map_err(SessionError::Probe)?;
    let found = match which.file {
        Some(_) => origins(sheets, &Purpose::Look.files(), &facts),
        None => origins(sheets, &TargetFiles(machine), &facts),
    };
    found.map_err(|e| Refusal::Rejected(Box::new(e)))
}

fn own(on: &Arc<Machine>, set: &[String]) -> Result<Manifest, Refusal> {
    let sheets = own_sheets(on)?;
    load(&Sheets { settings: settings(set)?, ..sheets }, TargetFiles(Arc::clone(on)))
        .map_err(|e| Refusal::Rejected(Box::new(outside::rejected(e))))
}

fn own_sheets(on: &Machine) -> Result<Sheets, Refusal> {
    let refused = |error| if on.is_offline() && matches!(error, InstalledError::None) { Refusal::Bare } else { Refusal::Installed(error) };
    installed(on).map_err(refused)
}

/// The manifest that is named, or the machine's own.
pub fn wanted(on: &Arc<Machine>, file: Option<&str>, set: &[String], purpose: Purpose) -> Result<Manifest, Refusal> {
    match file {
        Some(name) => Ok(named(name, set, purpose)?.0),
        None => own(on, set),
    }
}

/// The resources that the manifest comes to on a machine, with nothing asked of a network; none where no manifest is named or installed.
pub fn named_by(on: &Arc<Machine>, file: Option<&str>, set: &[String]) -> Result<Vec<ResourceId>, Refusal> {
    let manifest = match file {
        Some(name) => named(name, set, Purpose::Look)?.0,
        None if is_installed(on.as_ref()).map_err(SessionError::Probe)? => own(on, set)?,
        None => return Ok(Vec::new()),
    };
    Ok(names(&manifest, on.as_ref())?)
}

/// A manifest that may be installed; the machine's own already is.
#[derive(Debug)]
pub struct Held(Option<Installable>);

impl Held {
    /// Of what is to be installed.
    pub fn digest(&self) -> Option<Sha256> {
        self.0.as_ref().map(Installable::digest)
    }

    /// Makes it the machine's manifest.
    ///
    /// # Errors
    /// It was not.
    pub fn install(&self, on: &Machine) -> Result<(), OpError> {
        self.0.as_ref().map_or(Ok(()), |bundle| bundle.install(on))
    }
}

/// A machine and the work on it.
#[derive(Debug)]
pub struct Opened {
    /// The work.
    pub session: Session,
    /// Its manifest.
    pub manifest: Held,
}

/// The folder of the machine that a verb is about.
pub fn root(root: Option<&Path>) -> Result<PathBuf, Refusal> {
    let named = || root.map_or_else(String::new, |root| root.display().to_string());
    let real = root.unwrap_or_else(|| Path::new("/")).canonicalize().map_err(|e| Refusal::Ground(named(), e))?;
    if root.is_some() && real == Path::new("/") { Err(Refusal::OwnRoot(named())) } else { Ok(real) }
}

/// The machine that a verb is about.
pub fn machine(root: Option<&Path>, global: &Global) -> Result<Arc<Machine>, Refusal> {
    let named = root.map_or_else(|| "/".to_owned(), |root| root.display().to_string());
    let ground = if root.is_some() { On::Root(self::root(root)?) } else { On::Live };
    if let On::Root(root) = &ground {
        outside::begin(root, &global.cache);
    }
    let machine = Machine::open(&ground, Store::at(&global.cache)).map_err(|e| Refusal::Ground(named, e))?;
    if root.is_some() {
        // Of a folder that is no root of a system nothing that is told would be true.
        read_facts(&machine).map_err(SessionError::Probe)?;
    }
    Ok(Arc::new(machine))
}

/// What the manifest that is named becomes on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Becomes {
    /// It is applied, and that is all.
    Nothing,
    /// The machine's own.
    Installed,
}

/// Where the lock of a manifest is.
pub fn lock_of(manifest: &str) -> PathBuf {
    PathBuf::from(format!("{}{LOCK}", real(manifest)))
}

/// A lock; `None` where there is none.
pub fn read_lock(path: &Path, purpose: Purpose) -> Result<Option<Lock>, Refusal> {
    let parse = |text: String| Lock::parse(&text).map_err(|e| Refusal::Lock(path.display().to_string(), e.to_string()));
    lock_text(path, purpose)?.map(parse).transpose()
}

fn lock_text(path: &Path, purpose: Purpose) -> Result<Option<String>, Refusal> {
    let name = || path.display().to_string();
    match text(&purpose.files(), path, LONGEST) {
        Ok(text) => Ok(Some(text)),
        Err(TextError::Absent) => Ok(None),
        Err(error @ (TextError::Doubtful(_) | TextError::Unreadable(_))) => Err(Refusal::Unread(name(), error)),
        Err(error @ TextError::NotText(_)) => Err(Refusal::Lock(name(), error.to_string())),
    }
}

/// What the command line lets a session use: the lock beside the manifest that is named, or the one that was installed with the machine's own.
fn terms(ground: &Ground, on: &Machine, purpose: Purpose) -> Result<Terms, Refusal> {
    let (name, lock) = match ground.file.as_deref() {
        Some("-") => ("FILE.lock".into(), None),
        Some(file) => (lock_of(file), read_lock(&lock_of(file), purpose)?),
        None => (lock_of(MANIFEST), installed_lock(on).map_err(Refusal::Installed)?),
    };
    if lock.is_none() && ground.locked {
        let cause = if ground.file.is_some() { "it does not exist" } else { "the installed manifest had no lock beside it" };
        return Err(Refusal::Lockless(name.display().to_string(), cause));
    }
    let bond = if ground.locked { Bond::Strict } else { Bond::Loose };
    let network = if ground.offline { Permission::Forbidden } else { Permission::Allowed };
    Ok(Terms { lock: lock.unwrap_or_default(), bond, network, recall: Recall::Earlier })
}

/// Opens the machine, reads the manifest, resolves and orders the work.
pub fn open(ground: &Ground, global: &Global, becomes: Becomes, purpose: Purpose) -> Result<Opened, Refusal> {
    let target = machine(ground.root.as_deref(), global)?;
    let named = handed_over(ground, becomes, purpose)?;
    open_on(target, named, ground, global, becomes, purpose)
}

/// The same, for a machine that is open and is to be changed: alone on it before anything is read of it.
pub fn open_alone(target: Arc<Machine>, ground: &Ground, global: &Global, becomes: Becomes) -> Result<(Opened, Alone), Refusal> {
    let named = handed_over(ground, becomes, Purpose::Act)?;
    if named.is_none() {
        // Where none is installed, nothing is waited for, or written.
        own_sheets(&target)?;
    }
    let alone = Alone::on(&target, &Observers::new(progress::observers(global)))?;
    Ok((open_on(target, named, ground, global, becomes, Purpose::Act)?, alone))
}

/// The manifest that is named, and what is installed of it, if it is to be.
type HandedOver = (Manifest, Option<Installable>);

fn handed_over(ground: &Ground, becomes: Becomes, purpose: Purpose) -> Result<Option<HandedOver>, Refusal> {
    let Some(name) = &ground.file else { return Ok(None) };
    let (manifest, sheets) = named(name, &ground.set, purpose)?;
    let bundle = || {
        let lock = if name == "-" { None } else { lock_text(&lock_of(name), purpose)? };
        Ok::<_, Refusal>(Installable::new(&sheets, &manifest.files()).with_lock(lock))
    };
    let bundle = (becomes == Becomes::Installed).then(bundle).transpose()?;
    Ok(Some((manifest, bundle)))
}

fn open_on(
    target: Arc<Machine>,
    handed_over: Option<HandedOver>,
    ground: &Ground,
    global: &Global,
    becomes: Becomes,
    purpose: Purpose,
) -> Result<Opened, Refusal> {
    let (manifest, bundle, unfit): (_, _, fn(SessionError) -> SessionError) = match handed_over {
        Some((manifest, bundle)) => (manifest, bundle, |error| error),
        None => (own(&target, &ground.set)?, None, outside::session),
    };
    warn(&manifest, global);
    let service = (becomes == Becomes::Installed).then(own_program).transpose().map_err(SessionError::Probe)?;
    let amend = |wanted: &mut Wanted| {
        wanted.wants.extend(service.map(|program| Want::Service(Service::new(program))));
        if ground.repair {
            wanted.repair();
        }
    };
    let observers = Observers::new(progress::observers(global));
    let beside = ground.file.is_some() && becomes == Becomes::Nothing && is_installed(target.as_ref()).map_err(SessionError::Probe)?;
    let scope = if beside { Scope::Beside } else { Scope::Machine };
    let terms = terms(ground, &target, purpose)?;
    let session =
        Session::prepare(|facts| manifest.into_machine(facts), amend, (scope, terms), target, Store::at(&global.cache), &observers)
            .map_err(unfit)?;
    Ok(Opened { session, manifest: Held(bundle) })
}
