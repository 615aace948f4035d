//! Owners' scripts and checks: programs whose verdict is kept on the machine.

use super::background::spawn_aside;
use super::cgroup::{Cgroup, MARK, units};
use super::machine::{Machine, describe, last_words};
use super::run::Ended;
use super::script_log::{Log, is_mounted};
use super::{CheckVerdict, Ending, OpError, Process, Progress, Target, Verdict, boot, go_on, seal, stale_path};
use crate::model::{Owner, Span, TargetPath, UnitName};
use crate::step::{CheckRun, Cmd, Gate, OnEscape, OnFailure, ScriptRun, ScriptSource, Tool};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode as Bits;
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::time::{Duration, Instant};

/// How a run ended: in a word, by a status, and as a person would say it.
struct End {
    ending: Ending,
    status: i32,
    outcome: String,
}

/// What timeout(1) exits with, too.
const TIMED_OUT: i32 = 124;
/// The status of a run that has none of its own.
const NONE: i32 = 255;

impl End {
    fn new(ending: Ending, status: i32, outcome: impl Into<String>) -> Self {
        Self { ending, status, outcome: outcome.into() }
    }

    fn of(ended: &Ended, run: &ScriptRun, starved: bool) -> Self {
        match (ended.timed_out, ended.output.status) {
            // A script that ran into its deadline and then exited 0 did not do its job.
            (true, _) => Self::new(Ending::TimedOut, TIMED_OUT, format!("timed out after {}", run.timeout)),
            (false, 0) => Self::new(Ending::Succeeded, 0, "succeeded"),
            (false, 137) if starved => Self::new(Ending::OutOfMemory, 137, "killed by the kernel, for there was no memory left"),
            (false, status @ 129..=192) => Self::new(Ending::Killed, status, format!("killed by signal {}", signal(status - 128))),
            (false, status) => Self::new(Ending::Failed, status, format!("failed with exit status {status}")),
        }
    }

    /// Of a program that could not be started, or was ended with Fitout.
    fn of_error(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::Interrupted {
            return Self::new(Ending::Interrupted, NONE, format!("interrupted: {error}"));
        }
        Self::new(Ending::Failed, NONE, format!("could not be run: {error}"))
    }
}

/// How long the signal that ended a script may take to reach Fitout, too: a machine that stops sends it to one process after the other.
const TOGETHER: Duration = Duration::from_millis(500);

/// A run that a signal ended, unless the same signal ends Fitout: then it was interrupted.
fn unless_all_end(ended: Ended) -> io::Result<Ended> {
    const BY_SIGNAL: [i32; 3] = [130, 137, 143];
    let until = Instant::now() + TOGETHER;
    while !ended.timed_out && BY_SIGNAL.contains(&ended.output.status) && Instant::now() < until {
        go_on()?;
        std::thread::sleep(TOGETHER / 50);
    }
    Ok(ended)
}

/// A signal as people know it: `9 (SIGKILL)`.
fn signal(number: i32) -> String {
    Signal::try_from(number).map_or_else(|_| number.to_string(), |signal| format!("{number} ({signal})"))
}

/// A process by its number and its program, without the words that it was started with: one may be a secret.
fn process(pid: Pid) -> String {
    let program = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let program: String = program.chars().filter(|c| !c.is_control()).collect();
    format!("process {pid} ({program})")
}

/// How many processes the kernel has killed for want of memory since it started (`oom_kill` of /proc/vmstat).
fn killed_for_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/vmstat").unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok()).unwrap_or_default()
}

fn path(text: &str) -> Result<TargetPath, OpError> {
    TargetPath::parse(text).map_err(|e| OpError::new("use a path", e))
}

/// Stands for the script's path in the words of its command.
const PLACE: &str = "SCRIPT";

/// Logs of a script that are kept.
const LOGS: usize = 10;

/// How long the program of `unless` may take: it looks, and answers.
const LOOKING: Span = Span::minutes(1);

/// How long is waited for a share that a script lies on; its unit came before the script, and a mount takes seconds.
const MOUNTING: Duration = Duration::from_mins(2);

/// Where scripts keep what they did before the machine restarted: a folder a script, its owner's.
const CHECKPOINTS: &str = "/var/spool/fitout";

/// Names the folder of its checkpoints to a script.
const CHECKPOINT: &str = "FITOUT_CHECKPOINT";

/// Where Fitout keeps its state.
const STATE: &str = "/var/lib/fitout";

impl Machine {
    pub(super) fn run_script(&self, run: &ScriptRun, progress: &dyn Progress) -> Result<(), OpError> {
        if run.gate == Gate::Background && self.runs_here() {
            return spawn_aside(self, run);
        }
        self.run_to_its_end(run, progress, &|| ())
    }

    /// Runs a script; `begun` is called when its beginning is on the disk.
    pub(super) fn run_to_its_end(&self, run: &ScriptRun, progress: &dyn Progress, begun: &dyn Fn()) -> Result<(), OpError> {
        let earlier = self.earlier(run);
        self.end_earlier(earlier.as_ref());
        let checkpoint = self.checkpoint(run, earlier.as_ref())?;
        let (log, number) = self.next_log(&run.name)?;
        let mark = format!("{}/{number}", run.name);
        let cgroup = self.runs_here().then(|| Cgroup::make(&run.name, &mark)).flatten();
        let mut verdict = Verdict {
            version: 1,
            digest: run.digest,
            boot: boot(self)?,
            status: NONE,
            outcome: Verdict::OPEN.into(),
            run: number,
            seconds: 0,
            ending: None,
            cgroup: cgroup.as_ref().map(|cgroup| cgroup.path().display().to_string()),
            process: Process::own().ok(),
        };
        self.keep_verdict(&run.name, &verdict)?;
        begun();
        let start = Instant::now();
        let env = [(CHECKPOINT.to_owned(), checkpoint.to_string()), (MARK.to_owned(), mark)];
        let run = &ScriptRun { env: run.env.clone().into_iter().chain(env).collect(), ..run.clone() };
        let tee = Log::new(self, log.clone(), progress);
        let (end, words) = self.attempt(run, cgroup, &tee).unwrap_or_else(|error| {
            (End::new(Ending::Failed, NONE, error.cause), error.hint.map(|hint| format!("hint: {hint}")).unwrap_or_default())
        });
        self.mend_state(&tee)?;
        tee.close()?;
        if end.status == 0 {
            self.discard(&checkpoint)?;
        }
        verdict.status = end.status;
        verdict.outcome.clone_from(&end.outcome);
        (verdict.ending, verdict.seconds) = (Some(end.ending), start.elapsed().as_secs());
        (verdict.cgroup, verdict.process) = (None, None);
        self.keep_verdict(&run.name, &verdict)?;
        if let Some(folder) = &run.logs {
            self.copy_log(&log, &run.name, folder, progress);
        }
        self.told(run, &end, &words, &log, progress)
    }

    /// Runs it, unless there is nothing to do; how it ended, and its last words.
    fn attempt(&self, run: &ScriptRun, cgroup: Option<Cgroup>, progress: &dyn Progress) -> Result<(End, String), OpError> {
        if let Some(unless) = &run.unless {
            let ended = self.run(&self.command(run, unless)?, Some(LOOKING), progress)?;
            if ended.output.status == 0 && !ended.timed_out {
                cgroup.map(Cgroup::leave);
                return Ok((End::new(Ending::Needless, 0, "nothing to do: `unless` succeeded"), String::new()));
            }
        }
        let file = self.text_for(run)?;
        let words: Vec<String> = run.argv.iter().map(|word| if word == PLACE { file.to_string() } else { word.clone() }).collect();
        let cmd = self.command(run, &words)?;
        let (starved, known) = (killed_for_memory(), units());
        let ended = self.run_apart(&cmd, run.timeout, cgroup.as_ref(), progress).and_then(unless_all_end);
        if run.user != Owner::Root {
            self.discard(&file)?;
        }
        let (mut end, said) = match &ended {
            Ok(ended) => (End::of(ended, run, killed_for_memory() > starved), last_words(&ended.output)),
            Err(error) => (End::of_error(error), String::new()),
        };
        if let Some(cgroup) = cgroup {
            self.escaped(run, &cgroup, &known, &mut end, progress)?;
            let left = cgroup.leave();
            if left > 0 && end.status == 0 {
                progress.line(&format!("it left {left} processes running"));
            }
        }
        Ok((end, said))
    }

    /// Looks for what a script left running where its control group does not hold it.
    fn escaped(
        &self,
        run: &ScriptRun,
        cgroup: &Cgroup,
        known: &BTreeSet<String>,
        end: &mut End,
        progress: &dyn Progress,
    ) -> Result<(), OpError> {
        let fresh: Vec<String> = units().difference(known).cloned().collect();
        let strays = cgroup.strays();
        let names = strays.into_iter().map(process).chain(fresh.iter().map(|unit| format!("unit {unit}")));
        let names: Vec<String> = names.collect();
        if names.is_empty() {
            return Ok(());
        }
        let names = names.join(", ");
        if run.on_escape == OnEscape::Report {
            progress.line(&format!("it left outside its control group: {names}"));
            end.outcome = format!("{}; left outside its control group: {names}", end.outcome);
            return Ok(());
        }
        cgroup.end();
        if !fresh.is_empty() {
            let stop = ["systemctl", "stop", "--"].into_iter().map(str::to_owned).chain(fresh);
            self.run(&Cmd::new(stop), Some(LOOKING), progress)?;
        }
        if end.status == 0 {
            *end = End::new(Ending::Escaped, NONE, format!("escaped its control group: {names}"));
        }
        Ok(())
    }

    /// What is run: as another than root, by a program that every Debian has, so that it is in all groups of that user.
    fn command(&self, run: &ScriptRun, words: &[String]) -> Result<Cmd, OpError> {
        let (mut argv, mut env) = (Vec::new(), run.env.clone());
        if let Owner::User(name) = &run.user {
            let ((uid, gid), home) = self.account(&run.user)?;
            argv = vec!["setpriv".into(), format!("--reuid={uid}"), format!("--regid={gid}"), "--init-groups".into(), "--".into()];
            env.extend([("HOME".into(), home), ("USER".into(), name.to_string()), ("LOGNAME".into(), name.to_string())]);
        }
        argv.extend(words.iter().cloned());
        Ok(Cmd { argv, env, user: Owner::Root, directory: run.directory.clone() })
    }

    /// The script's file: root's alone, where it stays; or where its owner can read it, while it runs.
    fn text_for(&self, run: &ScriptRun) -> Result<TargetPath, OpError> {
        let (ids, _) = self.account(&run.user)?;
        let text = self.text_of(&run.source)?;
        let own = path(&format!("{STATE}/scripts/{}.sh", run.name))?;
        self.keep(&own, &text)?;
        if run.user == Owner::Root {
            return Ok(own);
        }
        let readable = path(&format!("/var/tmp/fitout-{}.sh", run.name))?;
        self.files.write(&readable, &mut text.as_slice(), 0o500, ids)?;
        Ok(readable)
    }

    fn text_of(&self, source: &ScriptSource) -> Result<Vec<u8>, OpError> {
        match source {
            ScriptSource::Text(text) => Ok(text.clone().into_bytes()),
            ScriptSource::Download(blob) => {
                let act = || format!("read what was fetched from {}", blob.url);
                let mut bytes = Vec::new();
                self.store.take(&blob.sha256).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(|e| OpError::new(act(), e))?;
                Ok(bytes)
            }
            ScriptSource::Share { file, mount } => self.text_on_share(file, mount),
        }
    }

    /// A text on a share that is being mounted.
    fn text_on_share(&self, file: &TargetPath, mount: &TargetPath) -> Result<Vec<u8>, OpError> {
        let (act, began) = (format!("read {file}"), Instant::now());
        while !is_mounted(mount) {
            super::go_on().map_err(|e| OpError::new(&act, e))?;
            if began.elapsed() > MOUNTING || !self.runs_here() {
                return Err(
                    OpError::new(act, format!("the share at {mount} is not mounted")).hint("`fitout why` tells what became of its mount")
                );
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        // Azure ML's words, which people look for.
        let absent =
            || OpError::new(&act, format!("User specified setup script file not found. Details - SetupScriptsError: no file {file}"));
        self.files.read(file)?.ok_or_else(absent)
    }

    /// The last verdict. One that is damaged says nothing, and is written anew.
    fn earlier(&self, run: &ScriptRun) -> Option<Verdict> {
        Verdict::read(self, &run.name).ok().flatten()
    }

    /// Ends what a run that was cut short left running: two of a script are never at work side by side.
    fn end_earlier(&self, earlier: Option<&Verdict>) {
        let cgroup = earlier.filter(|verdict| verdict.is_open()).and_then(|verdict| verdict.cgroup.as_deref()).and_then(Cgroup::again);
        if let Some(cgroup) = cgroup.filter(|_| self.runs_here()) {
            cgroup.end();
            cgroup.leave();
        }
    }

    /// The folder of a script's checkpoints: as the run before left it, where that was of the same script and did not succeed.
    fn checkpoint(&self, run: &ScriptRun, earlier: Option<&Verdict>) -> Result<TargetPath, OpError> {
        let folder = path(&format!("{CHECKPOINTS}/{}", run.name))?;
        if earlier.is_none_or(|earlier| earlier.digest != run.digest || earlier.status == 0) {
            self.discard(&folder)?;
        }
        let (ids, _) = self.account(&run.user)?;
        self.files.make_directories(&path(CHECKPOINTS)?, Bits::from_bits_truncate(0o755))?;
        self.files.make_directories(&folder, Bits::from_bits_truncate(0o700))?;
        self.files.set_meta(&folder, 0o700, ids)?;
        Ok(folder)
    }

    /// A script of root's may do anything to Fitout's own files: what it opened to others is closed again.
    fn mend_state(&self, progress: &dyn Progress) -> Result<(), OpError> {
        for folder in [STATE.to_owned(), format!("{STATE}/state")] {
            let folder = path(&folder)?;
            if let Some(stat) = self.files.stat(&folder)?
                && stat.mode & 0o022 != 0
            {
                self.files.set_meta(&folder, 0o700, (0, 0))?;
                progress.line(&format!("it opened {folder} to others; it is root's alone again"));
            }
        }
        Ok(())
    }

    fn keep_verdict(&self, name: &str, verdict: &Verdict) -> Result<(), OpError> {
        let bytes = seal(verdict).map_err(|e| OpError::new("write a verdict", e))?;
        self.keep(&Verdict::path(name)?, &bytes)
    }

    /// Where the next run of a script is logged, and its number; the oldest logs go.
    fn next_log(&self, name: &str) -> Result<(TargetPath, u64), OpError> {
        let numbers = Verdict::runs(self, name)?;
        for old in numbers.iter().take((numbers.len() + 1).saturating_sub(LOGS)) {
            self.discard(&Verdict::log(name, *old)?)?;
        }
        let next = numbers.last().map_or(1, |last| last + 1);
        let log = Verdict::log(name, next)?;
        self.keep(&log, b"")?;
        Ok((log, next))
    }

    /// What a run means for the rest.
    fn told(&self, run: &ScriptRun, end: &End, words: &str, log: &TargetPath, progress: &dyn Progress) -> Result<(), OpError> {
        match (end.status, run.on_failure) {
            (0, _) => Ok(()),
            // Whoever asked Fitout to end wants nothing more to be done.
            (_, OnFailure::Continue) if end.ending != Ending::Interrupted => {
                progress.line(&format!("the {} script {}; its manifest says to go on", run.name, end.outcome));
                Ok(())
            }
            (_, OnFailure::Continue | OnFailure::Fail) => {
                let words = if words.is_empty() { String::new() } else { format!("\n{words}") };
                let hint = if self.passing {
                    "its log goes with the rehearsal; with `--progress plain` all that it prints is shown".to_owned()
                } else {
                    format!("all that it printed is in {log} on the machine: `fitout script logs {}`", run.name)
                };
                Err(OpError::new(format!("run the {} script", run.name), format!("{}{words}", end.outcome)).hint(hint))
            }
        }
    }

    pub(super) fn run_tool(&self, tool: &Tool, progress: &dyn Progress) -> Result<(), OpError> {
        if let Some(unit) = tool.read_by() {
            let unit = UnitName::parse(unit).map_err(|e| OpError::new("use a unit", e.0))?;
            self.keep(&stale_path(&unit)?, b"")?;
        }
        let cmd = Cmd::new(tool.argv()).env("DEBIAN_FRONTEND", "noninteractive");
        self.must(&cmd, progress)?;
        let Some((name, digest)) = tool.remembered() else { return Ok(()) };
        let bytes = seal(&CheckVerdict { version: 1, digest }).map_err(|e| OpError::new("write a verdict", e))?;
        self.keep(&CheckVerdict::of_tool(&name)?, &bytes)
    }

    pub(super) fn run_check(&self, run: &CheckRun, progress: &dyn Progress) -> Result<(), OpError> {
        let act = || format!("pass the check {}", run.name);
        let verdict = CheckVerdict::path(&run.name)?;
        self.discard(&verdict)?;
        let ended = self.run(&run.cmd, Some(run.timeout), progress)?;
        if ended.timed_out {
            return Err(OpError::new(act(), format!("`{}` took longer than {}", run.cmd.first_line(), run.timeout)));
        }
        if ended.output.status != 0 {
            return Err(OpError::new(act(), format!("`{}`: {}", run.cmd.first_line(), describe(&ended.output))));
        }
        if let Some(wanted) = &run.stdout_contains
            && !ended.output.stdout.contains(wanted)
        {
            let said = ended.output.stdout.trim();
            return Err(OpError::new(act(), format!("`{}` printed no `{wanted}`; it printed: {said}", run.cmd.first_line())));
        }
        let passed = CheckVerdict { version: 1, digest: run.digest };
        let bytes = seal(&passed).map_err(|e| OpError::new("write a verdict", e))?;
        self.keep(&verdict, &bytes)
    }
}
