//! Owners' scripts and checks: programs whose verdict is kept on the machine.

use super::cgroup::Cgroup;
use super::machine::{Machine, describe};
use super::run::Ended;
use super::tail::Tail;
use super::{CheckVerdict, OpError, Progress, Target, Verdict, boot, seal, unseal};
use crate::model::{Owner, TargetPath, redacted};
use crate::step::{CheckRun, Cmd, ScriptRun};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of a script's log, half of them first and half last: all of it for nearly every script, and a disk that does not fill.
const LOG: usize = 16 << 20;

/// How a run ended, as a person would say it.
fn outcome(ended: &Ended, run: &ScriptRun, starved: bool) -> String {
    match (ended.timed_out, ended.output.status) {
        (true, _) => format!("timed out after {}", run.timeout),
        (false, 0) => "succeeded".to_owned(),
        (false, 137) if starved => "killed by the kernel, for there was no memory left".to_owned(),
        (false, status @ 129..=192) => format!("killed by signal {}", status - 128),
        (false, status) => format!("failed with exit status {status}"),
    }
}

/// How many processes the kernel has killed for want of memory since it started (`oom_kill` of /proc/vmstat).
fn killed_for_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/vmstat").unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok()).unwrap_or_default()
}

fn path(text: &str) -> Result<TargetPath, OpError> {
    TargetPath::parse(text).map_err(|e| OpError::new("use a path", e))
}

/// Writes down what a script prints while it does, and passes it on.
struct Log<'a> {
    machine: &'a Machine,
    at: TargetPath,
    to: &'a dyn Progress,
    kept: Mutex<Kept>,
}

/// How long a line waits before it is written down: what is read is at most this old, and a flood is written in pieces.
const LATE: Duration = Duration::from_millis(200);

/// What was written, and what waits: for its turn, or for the end.
struct Kept {
    written: usize,
    pending: String,
    since: Instant,
    tail: Tail,
    trouble: Option<OpError>,
}

impl<'a> Log<'a> {
    fn new(machine: &'a Machine, at: TargetPath, to: &'a dyn Progress) -> Self {
        let kept = Kept { written: 0, pending: String::new(), since: Instant::now(), tail: Tail::default(), trouble: None };
        Self { machine, at, to, kept: Mutex::new(kept) }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what waits for its turn, if that is due.
    fn write(&self, kept: &mut Kept, due: Duration) {
        if kept.pending.is_empty() || kept.since.elapsed() < due {
            return;
        }
        if let Err(error) = self.machine.note(&self.at, &std::mem::take(&mut kept.pending)) {
            kept.trouble.get_or_insert(error);
        }
        kept.since = Instant::now();
    }

    /// Writes all that waits.
    fn close(self) -> Result<(), OpError> {
        let mut kept = self.kept();
        let tail = kept.tail.text();
        kept.pending += &tail;
        self.write(&mut kept, Duration::ZERO);
        kept.trouble.take().map_or(Ok(()), Err)
    }
}

impl Progress for Log<'_> {
    fn line(&self, text: &str) {
        let text = &*redacted(text);
        self.to.line(text);
        let mut kept = self.kept();
        if !kept.tail.is_empty() || kept.written + text.len() >= LOG / 2 {
            return kept.tail.push(text.to_owned(), LOG / 2);
        }
        kept.written += text.len() + 1;
        kept.pending.extend([text, "\n"]);
        self.write(&mut kept, LATE);
    }

    fn advance(&self, done: u64, total: u64) {
        self.to.advance(done, total);
    }

    /// Asked all the time: a line that nothing follows is written too.
    fn must_end(&self) -> Option<String> {
        self.write(&mut self.kept(), LATE);
        self.to.must_end()
    }
}

/// Stands for the script's path in the words of its command.
const PLACE: &str = "SCRIPT";

/// Logs of a script that are kept.
const LOGS: usize = 10;

impl Machine {
    pub(super) fn run_script(&self, run: &ScriptRun, progress: &dyn Progress) -> Result<(), OpError> {
        let file = self.text_for(run)?;
        let cmd = self.command(run, &file)?;
        self.end_earlier(run)?;
        let (log, number) = self.next_log(&run.name)?;
        let boot = boot(self)?;
        let cgroup = self.runs_here().then(|| Cgroup::make(&run.name)).flatten();
        let open = Verdict {
            version: 1,
            digest: run.digest,
            boot,
            status: i32::from(u8::MAX),
            outcome: Verdict::OPEN.into(),
            run: number,
            seconds: 0,
            cgroup: cgroup.as_ref().map(|cgroup| cgroup.path().display().to_string()),
        };
        self.keep_verdict(&run.name, &open)?;
        let (began, starved) = (Instant::now(), killed_for_memory());
        let tee = Log::new(self, log.clone(), progress);
        let ended = self.run_apart(&cmd, run.timeout, cgroup.as_ref(), &tee);
        tee.close()?;
        let left = cgroup.map_or(0, Cgroup::leave);
        if run.user != Owner::Root {
            self.discard(&file)?;
        }
        let ended = ended?;
        let outcome = outcome(&ended, run, killed_for_memory() > starved);
        // A script that ran into its deadline and then exited 0 did not do its job.
        let status = if ended.timed_out { 124 } else { ended.output.status };
        let seconds = began.elapsed().as_secs();
        self.keep_verdict(&run.name, &Verdict { status, outcome: outcome.clone(), seconds, cgroup: None, ..open })?;
        if left > 0 && status == 0 {
            progress.line(&format!("it left {left} processes running"));
        }
        if status == 0 {
            return Ok(());
        }
        Err(OpError::new(format!("run the {} script", run.name), format!("{outcome}: {}", describe(&ended.output)))
            .hint(format!("all that it printed is in {log} on the machine: `fitout script logs {}`", run.name)))
    }

    /// What is run: as another than root, by a program that every Debian has, so that it is in all groups of that user.
    fn command(&self, run: &ScriptRun, file: &TargetPath) -> Result<Cmd, OpError> {
        let words = run.argv.iter().map(|word| if word == PLACE { file.to_string() } else { word.clone() });
        let (mut argv, mut env) = (Vec::new(), run.env.clone());
        if let Owner::User(name) = &run.user {
            let ((uid, gid), home) = self.account(&run.user)?;
            argv = vec!["setpriv".into(), format!("--reuid={uid}"), format!("--regid={gid}"), "--init-groups".into(), "--".into()];
            env.extend([("HOME".into(), home), ("USER".into(), name.to_string()), ("LOGNAME".into(), name.to_string())]);
        }
        argv.extend(words);
        Ok(Cmd { argv, env, user: Owner::Root, directory: run.directory.clone() })
    }

    /// The script's file: root's alone, where it stays; or where its owner can read it, while it runs.
    fn text_for(&self, run: &ScriptRun) -> Result<TargetPath, OpError> {
        let (ids, _) = self.account(&run.user)?;
        let own = path(&format!("/var/lib/fitout/scripts/{}.sh", run.name))?;
        self.keep(&own, run.text.as_bytes())?;
        if run.user == Owner::Root {
            return Ok(own);
        }
        let readable = path(&format!("/var/tmp/fitout-{}.sh", run.name))?;
        self.files.write(&readable, &mut run.text.as_bytes(), 0o500, ids)?;
        Ok(readable)
    }

    /// Ends what a run that was cut short left running: two of a script are never at work side by side.
    fn end_earlier(&self, run: &ScriptRun) -> Result<(), OpError> {
        let at = Verdict::path(&run.name)?;
        let earlier = self.files.read(&at)?.and_then(|bytes| unseal::<Verdict>(&at, &bytes).ok());
        let cgroup = earlier.filter(Verdict::is_open).and_then(|verdict| verdict.cgroup).and_then(|path| Cgroup::again(&path));
        if let Some(cgroup) = cgroup.filter(|_| self.runs_here()) {
            cgroup.end();
            cgroup.leave();
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

    pub(super) fn run_check(&self, run: &CheckRun, progress: &dyn Progress) -> Result<(), OpError> {
        let act = || format!("pass the check {}", run.name);
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
        let verdict = CheckVerdict { version: 1, digest: run.digest };
        let bytes = seal(&verdict).map_err(|e| OpError::new("write a verdict", e))?;
        self.keep(&CheckVerdict::path(&run.name)?, &bytes)
    }
}
