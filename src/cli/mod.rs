//! The command line: one file a verb, `output` the only place that prints.
//!
//! Data goes to standard output, everything else to standard error. Exit codes are public: [`exit::Exit`].

mod agent;
mod apply;
mod bake;
mod completions;
mod diff;
mod differences;
mod disk;
mod doctor;
mod ending;
mod exit;
mod explain;
mod fetch;
mod history;
mod init;
mod lock;
mod output;
mod outside;
mod plan;
mod progress;
mod rehearse;
mod reset;
mod saved;
mod schedule;
mod script;
mod source;
mod ssh;
mod status;
mod stop;
mod validate;
mod verify;
mod why;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

pub use exit::Exit;

/// Turns a bare Linux machine into an ML workstation, from one YAML manifest.
#[derive(Debug, Parser)]
#[command(name = "fitout", version, after_help = exit::table(), max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    global: Global,
}

/// Options of every verb.
#[derive(Debug, Args)]
struct Global {
    /// Form of what is printed to standard output
    #[arg(short, long, global = true, value_enum, default_value_t = Form::Human)]
    output: Form,
    /// Form of progress on standard error
    #[arg(long, global = true, value_enum, default_value_t = ProgressForm::Auto)]
    progress: ProgressForm,
    /// Folder of downloads and caches
    #[arg(long, global = true, env = "FITOUT_CACHE", default_value = crate::store::DEFAULT, value_name = "DIR",
        value_parser = OsStringValueParser::new().try_map(folder))]
    cache: PathBuf,
}

/// An empty variable of the environment is one that is not set. The folder is meant from where the command was given: the tools that are
/// handed it run elsewhere.
fn folder(text: OsString) -> Result<PathBuf, String> {
    let folder: PathBuf = if text.is_empty() { crate::store::DEFAULT.into() } else { text.into() };
    let folder = std::path::absolute(&folder).unwrap_or(folder);
    if folder.exists() && !folder.is_dir() { Err("it is a file, not a folder".into()) } else { Ok(folder) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Human,
    Json,
}

/// What can be done about what people changed.
const REPAIR: &str =
    "what people changed stays; `fitout apply --repair` brings back what it can, and `fitout plan --repair` shows that first";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProgressForm {
    /// Bars on a terminal, plain lines elsewhere
    Auto,
    /// A line a step
    Plain,
    /// An event a line, as JSON
    Json,
    /// Nothing
    None,
}

/// Which manifest, on which machine.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ground {
    /// The manifest: a file, or - for standard input; without it, the one installed on the machine
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    file: Option<String>,
    /// An offline root directory instead of this machine
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Another value for a field of the manifest, such as name=lab-b
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    set: Vec<String>,
    /// Bring back what people changed on the machine, this once; edits of files are kept aside
    #[arg(long)]
    repair: bool,
    /// Use what FILE.lock names and nothing else; refused where it does not cover the manifest
    #[arg(long)]
    #[serde(default)]
    locked: bool,
    /// Open no connection: what is needed is in FILE.lock and in the cache, or it is refused
    #[arg(long)]
    #[serde(default)]
    offline: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write a manifest to go on with: a commented one, or one made from what you have
    Init(init::Arguments),
    /// Check a manifest; every problem with its place
    Validate(validate::Arguments),
    /// Show what apply would do
    Plan(plan::Arguments),
    /// Make the machine what the manifest says
    Apply(apply::Arguments),
    /// Do it all on an overlay that is thrown away, and show what it really did
    Rehearse(rehearse::Arguments),
    /// Make an image that boots, in the formats of its definition
    Bake(bake::Arguments),
    /// Write down what a manifest comes to, file by file with its digest: FILE.lock
    Lock(lock::Arguments),
    /// Bring everything that a lock names into the cache, for machines without a network
    Fetch(fetch::Arguments),
    /// Look whether the machine is what the manifest says, and run its checks
    #[command(mut_arg("repair", |arg| arg.hide(true)))]
    Verify(verify::Arguments),
    /// Stop this machine: shares are let go, hooks run, and its cloud stops the bill where it can
    #[command(after_help = stop::STOP)]
    Stop(stop::Arguments),
    /// Restart this machine
    #[command(after_help = stop::RESTART)]
    Restart(stop::Arguments),
    /// Show how the machine is
    Status(status::Arguments),
    /// Look at a machine as it is: who else configures it, and what stands in the way
    Doctor(doctor::Arguments),
    /// Show the runs of a machine, or one of them
    History(history::Arguments),
    /// Compare what two machines hold, or one then and now
    Diff(diff::Arguments),
    /// Forget what Fitout remembers of a machine; what it made stays
    Reset(reset::Arguments),
    /// When the machine starts and stops
    Schedule(schedule::Arguments),
    /// The owner's scripts: what became of them, what they printed, and advice on new ones
    Script(script::Arguments),
    /// Show who comes in by SSH and how; confirm a change of it, or undo it
    Ssh(ssh::Arguments),
    /// Explain why the last run failed, or what became of one resource
    Why(why::Arguments),
    /// Explain a field of the manifest, or the code of a problem
    Explain(explain::Arguments),
    /// Print the JSON schema of manifests
    Schema,
    /// Show the room on guarded file systems
    Disk(disk::Arguments),
    /// Bring this machine up by its manifest, and watch its disks: what its service runs
    Agent,
    /// Print a completion script for a shell
    Completions(completions::Arguments),
}

/// Nobody but its owner writes to what is made.
const UMASK: u32 = 0o022;

/// Reads the command line and does what it says.
#[must_use]
pub fn main(arguments: &[String]) -> ExitCode {
    // What is made here and by the tools that are started has its usual mode, whoever starts Fitout from where.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(UMASK));
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let asked = !error.use_stderr();
            output::usage(&error, named_by_place(&error, arguments).as_deref());
            return if asked { Exit::Done.into() } else { output::finish(Exit::Usage, form(arguments)) };
        }
    };
    output::start_log();
    let global = &cli.global;
    let exit = match cli.verb {
        Verb::Init(arguments) => init::run(&arguments, global),
        Verb::Validate(arguments) => validate::run(&arguments, global),
        Verb::Plan(arguments) => plan::run(&arguments, global),
        Verb::Apply(arguments) => ending::cleanly(|| apply::run(&arguments, global)),
        Verb::Rehearse(arguments) => ending::cleanly(|| rehearse::run(&arguments, global)),
        Verb::Bake(arguments) => ending::cleanly(|| bake::run(&arguments, global)),
        Verb::Lock(arguments) => lock::run(&arguments, global),
        Verb::Fetch(arguments) => ending::cleanly(|| fetch::run(&arguments, global)),
        Verb::Verify(arguments) => verify::run(&arguments, global),
        Verb::Stop(arguments) => stop::stop(&arguments, global),
        Verb::Restart(arguments) => stop::restart(&arguments, global),
        Verb::Status(arguments) => status::run(&arguments, global),
        Verb::Doctor(arguments) => doctor::run(&arguments, global),
        Verb::History(arguments) => history::run(&arguments, global),
        Verb::Diff(arguments) => diff::run(&arguments, global),
        Verb::Reset(arguments) => reset::run(&arguments, global),
        Verb::Schedule(arguments) => schedule::run(&arguments, global),
        Verb::Script(arguments) => script::run(&arguments, global),
        Verb::Ssh(arguments) => ssh::run(&arguments, global),
        Verb::Why(arguments) => why::run(&arguments, global),
        Verb::Explain(arguments) => explain::run(&arguments, global),
        Verb::Schema => explain::schema(),
        Verb::Disk(arguments) => disk::run(&arguments, global),
        Verb::Agent => agent::run(global),
        Verb::Completions(arguments) => completions::run(&arguments),
    };
    output::finish(exit, global.output)
}

/// What was meant where a file stands where a verb takes none: manifests are named with -f everywhere, for other things have their place
/// on the line (a saved plan, a resource, a run).
fn named_by_place(error: &clap::Error, arguments: &[String]) -> Option<String> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else { return None };
    let is_file = [".yaml", ".yml"].iter().any(|ending| word.ends_with(ending)) && !word.starts_with('-');
    let cli = Cli::command();
    let verb = arguments.iter().skip(1).find_map(|word| cli.find_subcommand(word))?;
    let takes_one = verb.get_arguments().any(|argument| argument.get_id() == "file");
    (is_file && takes_one).then(|| format!("a manifest is named with -f: `fitout {} -f {word}`", verb.get_name()))
}

/// The form that is asked for by words that cannot be understood as a whole.
fn form(arguments: &[String]) -> Form {
    let joined = |word: &String| matches!(word.as_str(), "-ojson" | "-o=json" | "--output=json");
    let apart = |words: &[String]| matches!(words[0].as_str(), "-o" | "--output") && words[1] == "json";
    if arguments.iter().any(joined) || arguments.windows(2).any(apart) { Form::Json } else { Form::Human }
}
