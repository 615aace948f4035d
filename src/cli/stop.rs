//! `fitout stop` and `fitout restart`: by hand, and by the timer of scheduled stops where no agent runs.

use super::output::{self, complain, say};
use super::source;
use super::{Exit, Form, Global};
use crate::agent::{How, Owed, Page, Stop, read_power};
use crate::schedule::{Action, Power};
use crate::target::{Machine, ProbeError, now, since_boot, tell_terminals};
use clap::Args;
use std::io::{self, BufRead, IsTerminal};
use std::time::Duration;

/// Arguments of `fitout stop` and `fitout restart`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// For the timer: stop if a stop is scheduled for now and the agent does not run
    #[arg(long, hide = true)]
    scheduled: bool,
}

/// What stands below the help of both.
macro_rules! help {
    ($verb:literal) => {
        concat!(
            "Refused, with exit status 73, while a guarded file system is too full: the machine may not come up again.\n\n",
            "Examples:\n  fitout ",
            $verb,
            " --dry-run\n  fitout ",
            $verb,
            " --yes"
        )
    };
}
/// Below the help of `fitout stop`.
pub const STOP: &str = help!("stop");
/// Below that of `fitout restart`.
pub const RESTART: &str = help!("restart");

/// Stops the machine.
pub fn stop(arguments: &Arguments, global: &Global) -> Exit {
    run(arguments, global, Verb::Stop)
}

/// Restarts it.
pub fn restart(arguments: &Arguments, global: &Global) -> Exit {
    run(arguments, global, Verb::Restart)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Stop,
    Restart,
}

impl Verb {
    const fn word(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Restart => "restart",
        }
    }
}

fn run(arguments: &Arguments, global: &Global, verb: Verb) -> Exit {
    let machine = match source::machine(None, global) {
        Ok(machine) => machine,
        Err(refusal) => return refusal.tell(global),
    };
    if !nix::unistd::geteuid().is_root() && !arguments.dry_run {
        let hint = match verb {
            Verb::Stop => "use sudo; `fitout stop --dry-run` shows what would be done",
            Verb::Restart => "use sudo; `fitout restart --dry-run` shows what would be done",
        };
        complain(&format!("only root may {} this machine", verb.word()), Some(hint));
        return Exit::NotRoot;
    }
    let power = match read_power(machine.as_ref()) {
        Ok(power) => power.unwrap_or_default(),
        Err(why) => return source::failed(&format!("cannot read how this machine stops: {why}")),
    };
    let plan = match plan(&machine, &power, verb) {
        Ok(plan) => plan,
        Err(error) => return source::failed(&error.to_string()),
    };
    match arguments {
        Arguments { dry_run: true, .. } => show(&plan, verb, global),
        Arguments { scheduled: true, .. } => scheduled(&machine, &power, &plan),
        Arguments { yes, .. } => by_hand(&plan, verb, if *yes { Leave::Given } else { Leave::Asked }),
    }
}

fn plan(machine: &Machine, power: &Power, verb: Verb) -> Result<Stop, ProbeError> {
    let how = match verb {
        Verb::Stop => How::to_stop(machine, power.stop)?,
        Verb::Restart => How::Restart,
    };
    Stop::plan(machine, how)
}

fn show(plan: &Stop, verb: Verb, global: &Global) -> Exit {
    match global.output {
        Form::Json => output::json(&serde_json::json!({"version": 1, "steps": plan.words(), "refused": plan.too_full})),
        Form::Human => output::data(&plan.words().iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>()),
    }
    if plan.too_full.is_empty() { Exit::Done } else { refuse(plan, verb) }
}

fn refuse(plan: &Stop, verb: Verb) -> Exit {
    let word = verb.word();
    complain(
        &format!("{word} is not allowed while the disk is full: {}", plan.too_full.join("; ")),
        Some("make room first: `fitout disk` shows the guards, `apt-get clean` and `conda clean --all` make some"),
    );
    Exit::DiskFloor
}

/// Whether somebody said yes already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leave {
    Given,
    Asked,
}

fn by_hand(plan: &Stop, verb: Verb, leave: Leave) -> Exit {
    if !plan.too_full.is_empty() {
        return refuse(plan, verb);
    }
    if leave == Leave::Asked {
        if !io::stdin().is_terminal() {
            complain(&format!("nobody is there to say yes to a {}", verb.word()), Some("say it with --yes"));
            return Exit::Usage;
        }
        say(&format!("This is about to be done:\n  {}\nGo on? [y/N] ", plan.words().join("\n  ")));
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).unwrap_or_default();
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            say("Nothing was done.");
            return Exit::Done;
        }
    }
    perform(plan, &format!("This machine {}s now.", verb.word()))
}

fn perform(plan: &Stop, notice: &str) -> Exit {
    tell_terminals(notice).map_or_else(|error| say(&format!("nobody could be told: {error}")), drop);
    match plan.perform(&|why| say(why)) {
        Ok(()) => Exit::Done,
        Err(why) => {
            complain(&format!("this machine goes on, and so does its bill: {why}"), None);
            Exit::Failed
        }
    }
}

/// How old a firing may be: the timer fires within a second, on a machine that is not overloaded.
const RECENT: jiff::SignedDuration = jiff::SignedDuration::from_mins(10);
/// How long people have to save their work where no agent told them before.
const NOTICE: Duration = Duration::from_mins(1);

fn scheduled(machine: &Machine, power: &Power, plan: &Stop) -> Exit {
    let agent = match Page::read(machine) {
        Ok(page) => page,
        Err(error) => return source::failed(&error.to_string()),
    };
    if agent.is_some() {
        say("The agent stops this machine when it is time.");
        return Exit::Done;
    }
    // What came before this start was missed: nobody wants a machine that stops as soon as it is started.
    let since = now().saturating_sub(RECENT.min(since_boot().try_into().unwrap_or(RECENT))).unwrap_or_default();
    let stops = power.rules.iter().filter(|rule| rule.action == Action::Stop);
    if !stops.filter_map(|rule| rule.next(since)).any(|time| time <= now()) {
        say("No stop is scheduled for now.");
        return Exit::Done;
    }
    if wait_as_promised(machine) == Then::Leave {
        say("The agent stops this machine when it is time.");
        return Exit::Done;
    }
    tell_terminals("This machine stops in 1m, as scheduled.").map(drop).unwrap_or_default();
    std::thread::sleep(NOTICE);
    perform(plan, "This machine stops now, as scheduled.")
}

/// Who makes a scheduled stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Make,
    Leave,
}

/// How often is looked whether an agent has come.
const LOOK: Duration = Duration::from_secs(10);

/// Waits as long as an agent that ended had promised that no stop comes; one that has come meanwhile keeps that itself. What cannot be read was promised by
/// nobody.
fn wait_as_promised(machine: &Machine) -> Then {
    let owed = Owed::read(machine).ok().flatten();
    while let Some(left) = owed.as_ref().and_then(|owed| owed.left(since_boot())) {
        std::thread::sleep(left.min(LOOK));
        if Page::read(machine).is_ok_and(|page| page.is_some()) {
            return Then::Leave;
        }
    }
    Then::Make
}
