//! How this machine stops or restarts: room is made, hooks run, shares are let go, and then its cloud deallocates it, or it powers off.
//!
//! Everything that can be found out is found out first, so that a stop that cannot be is refused while the machine is still whole. A machine of Azure's that
//! powers off by itself stays on the bill: where Azure cannot be asked, that is an error, and the machine goes on, so that somebody sees it.

use crate::cloud::{Azure, CloudError, Leave, is_azure};
use crate::resource::{Guard, HEADER};
use crate::schedule::Ending;
use crate::step::FileKind;
use crate::target::look::{names, stat, text};
use crate::target::{Probe, ProbeError, quick_host};

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The cloud takes the machine, and the bill ends.
    Deallocate,
    /// It powers off.
    PowerOff,
    /// It starts again.
    Restart,
}

impl How {
    /// How a machine stops.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub fn to_stop(on: &dyn Probe, ending: Ending) -> Result<Self, ProbeError> {
        Ok(match ending {
            Ending::Auto if is_azure(on)? => Self::Deallocate,
            Ending::Deallocate => Self::Deallocate,
            Ending::Auto | Ending::PowerOff => Self::PowerOff,
        })
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Deallocate => "have Azure deallocate this machine",
            Self::PowerOff => "power off",
            Self::Restart => "restart",
        }
    }
}

/// Where people put programs that run before a stop.
pub const HOOKS: &str = "/etc/fitout/stop.d";
/// How long each of them may take, and each share, in seconds (timeout(1)).
const HOOK: &str = "60";
const SHARE: &str = "30";
/// How long one that was told to end may take to do so, before it is ended: what heeds no signal holds up no stop.
const MERCY: &str = "--kill-after=10";
/// What journals may keep when room is made.
const JOURNAL: &str = "--vacuum-size=200M";

/// Fitout's downloads: each is fetched anew, and held against its digest, where it is wanted again.
const CACHE: &str = "/var/cache/fitout";

/// One thing that is done, in words and as a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// In words.
    pub what: String,
    argv: Vec<String>,
}

impl Step {
    fn new(what: impl Into<String>, argv: &[&str]) -> Self {
        Self { what: what.into(), argv: argv.iter().map(|word| (*word).to_owned()).collect() }
    }

    /// Does it; what went wrong, in a line.
    fn perform(&self) -> Result<(), String> {
        let argv: Vec<&str> = self.argv.iter().map(String::as_str).collect();
        let output = quick_host(&argv).map_err(|error| format!("{}: {error}", self.what))?;
        let last = output.stderr.lines().chain(output.stdout.lines()).last().unwrap_or_default();
        if output.status == 0 { Ok(()) } else { Err(format!("{}: exit status {}: {last}", self.what, output.status)) }
    }
}

/// The stop of a machine, as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    how: How,
    /// Guarded file systems without the room that they must have, or of which that cannot be told.
    pub too_full: Vec<String>,
    before: Vec<Step>,
    shares: Vec<(Step, Step)>,
}

impl Stop {
    /// What stopping comes to.
    ///
    /// # Errors
    /// The machine cannot be looked at.
    pub fn plan(on: &dyn Probe, how: How) -> Result<Self, ProbeError> {
        let mut too_full = Vec::new();
        for guard in Guard::all(on)? {
            match on.space(&guard.mount).map(|space| space.free) {
                Ok(free) if free >= guard.minimum_free => {}
                Ok(free) => too_full.push(format!("{} has {free} free; {} must stay free", guard.mount, guard.minimum_free)),
                // Nobody can tell whether it is full; that costs no more than a stop by hand.
                Err(error) => too_full.push(format!("a disk guard cannot be checked: {error}")),
            }
        }
        let mut before = Vec::new();
        if !too_full.is_empty() {
            before.push(Step::new("remove downloaded packages", &["apt-get", "clean"]));
            before.push(Step::new("shorten the journal", &["journalctl", JOURNAL]));
            before.push(Step::new("remove Fitout's downloads", &["find", CACHE, "-xdev", "-type", "f", "-delete"]));
        }
        before.extend(hooks(on)?);
        let of = |unit: &String| {
            let step = |what: &str, verb: &str| Step::new(format!("{what} {unit}"), &["timeout", MERCY, SHARE, "systemctl", verb, unit]);
            (step("unmount", "stop"), step("mount", "start"))
        };
        Ok(Self { how, too_full, before, shares: shares(on)?.iter().map(of).collect() })
    }

    /// What will be done, in words.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let steps = self.before.iter().chain(self.shares.iter().map(|(unmount, _)| unmount)).map(|step| step.what.clone());
        steps.chain([self.how.words().to_owned()]).collect()
    }

    /// Does it. What went wrong on the way and does not matter to the end is told.
    ///
    /// # Errors
    /// The machine does not stop.
    pub fn perform(&self, tell: &dyn Fn(&str)) -> Result<(), String> {
        self.perform_with(tell, Azure::new)
    }

    /// The same, with Azure elsewhere.
    ///
    /// # Errors
    /// The machine does not stop.
    pub fn perform_with(&self, tell: &dyn Fn(&str), azure: impl FnOnce() -> Result<Azure, CloudError>) -> Result<(), String> {
        let leave = match self.how {
            How::Deallocate => Some(azure().and_then(|azure| Ok((azure.leave()?, azure))).map_err(|e| e.to_string())?),
            How::PowerOff | How::Restart => None,
        };
        let unmounts = self.shares.iter().map(|(unmount, _)| unmount);
        for step in self.before.iter().chain(unmounts) {
            step.perform().unwrap_or_else(|why| tell(&why));
        }
        let ended = match leave {
            Some((leave, azure)) => deallocate(&azure, &leave),
            None if self.how == How::Restart => Step::new("restart", &["systemctl", "reboot"]).perform(),
            None => Step::new("power off", &["systemctl", "poweroff"]).perform(),
        };
        if ended.is_err() {
            // It goes on: what was let go is had again.
            self.shares.iter().for_each(|(_, mount)| mount.perform().unwrap_or_else(|why| tell(&why)));
        }
        ended
    }
}

fn deallocate(azure: &Azure, leave: &Leave) -> Result<(), String> {
    // What was written is on the disk before the disk is taken away.
    Step::new("write everything to the disks", &["timeout", MERCY, HOOK, "sync"]).perform().unwrap_or_default();
    azure.deallocate(leave).map_err(|e| e.to_string())
}

/// Programs of root's that others cannot change, in the order of their names.
fn hooks(on: &dyn Probe) -> Result<Vec<Step>, ProbeError> {
    let mut steps = Vec::new();
    let mut found = names(on, HOOKS)?;
    found.sort();
    for name in found {
        let at = format!("{HOOKS}/{name}");
        let is_roots = stat(on, &at)?
            .is_some_and(|stat| stat.kind == FileKind::File && stat.uid == 0 && stat.mode & 0o022 == 0 && stat.mode & 0o100 != 0);
        if is_roots {
            steps.push(Step::new(format!("run {at}"), &["timeout", MERCY, HOOK, &at]));
        }
    }
    Ok(steps)
}

/// The units that Fitout made for shares.
fn shares(on: &dyn Probe) -> Result<Vec<String>, ProbeError> {
    const UNITS: &str = "/etc/systemd/system";
    let mut found = Vec::new();
    for name in names(on, UNITS)? {
        let is_share = match name.rsplit_once('.') {
            Some((name, "service")) => name.starts_with("fitout-share-"),
            Some((_, "mount")) => true,
            _ => false,
        };
        if is_share && text(on, &format!("{UNITS}/{name}"))?.is_some_and(|unit| unit.contains(HEADER)) {
            found.push(name);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ByteSize, TargetPath};
    use crate::step::Ability;
    use crate::target::fake::{Behaviour, Fake, Node};

    fn machine(free: u64, hook: (u32, u32)) -> Fake {
        let behaviour = Behaviour { free: Some(ByteSize(free)), ..Behaviour::default() };
        let fake = Fake::debian(&[Ability::Files, Ability::RunningSystem], behaviour).unwrap();
        let files = [
            ("/etc/fitout/guards/root.json", r#"{"mount": "/", "minimum_free": 5000000000}"#.to_owned(), (0o644, 0)),
            ("/etc/fitout/stop.d/10-save", "#!/bin/sh\n".to_owned(), hook),
            ("/etc/systemd/system/fitout-share-data.service", format!("# {HEADER}\n"), (0o644, 0)),
            ("/etc/systemd/system/other.mount", "[Mount]\n".to_owned(), (0o644, 0)),
        ];
        for (at, text, (mode, uid)) in files {
            let path = TargetPath::parse(at).unwrap();
            let put = |tree: &mut crate::target::fake::Tree| {
                tree.make_directories(&path.parent().unwrap(), 0o755)?;
                tree.put(&path, Node::file(text.clone(), mode, (uid, uid)))
            };
            fake.arrange(put).unwrap();
        }
        fake
    }

    #[test]
    fn a_full_disk_is_told() {
        let stop = Stop::plan(&machine(4_000_000_000, (0o755, 0)), How::PowerOff).unwrap();
        assert_eq!(stop.too_full, ["/ has 4.0 GB free; 5.0 GB must stay free"]);
        assert_eq!(stop.words()[..3], ["remove downloaded packages", "shorten the journal", "remove Fitout's downloads"]);
        assert_eq!(stop.before[3].argv, ["timeout", "--kill-after=10", "60", "/etc/fitout/stop.d/10-save"]);
    }

    #[test]
    fn hooks_are_roots_and_only_own_shares_are_let_go() {
        let words = |hook| Stop::plan(&machine(9_000_000_000, hook), How::Deallocate).unwrap().words();
        let rest = ["unmount fitout-share-data.service", "have Azure deallocate this machine"];
        assert_eq!(words((0o755, 0))[0], "run /etc/fitout/stop.d/10-save");
        for foreign in [(0o777, 0), (0o755, 1000), (0o644, 0)] {
            assert_eq!(words(foreign), rest);
        }
    }

    #[test]
    fn where_azure_cannot_be_asked_nothing_is_stopped() {
        let stop = Stop { how: How::Deallocate, too_full: vec![], before: vec![Step::new("x", &["false"])], shares: vec![] };
        let told = std::cell::RefCell::new(Vec::new());
        let nobody = || Azure::at(url::Url::parse("http://127.0.0.1:9/").unwrap(), None);
        let error = stop.perform_with(&|why| told.borrow_mut().push(why.to_owned()), nobody).unwrap_err();
        assert!(error.contains("metadata service (IMDS"), "{error}");
        assert_eq!(told.into_inner(), Vec::<String>::new());
    }
}
