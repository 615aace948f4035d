//! Programs: the only place that starts any (with `enter`, which starts them inside a root).
//!
//! Every program gets a fixed, small environment, no standard input, and a process group of its own, killed whole at its deadline.
//! Output is streamed line by line, made harmless for terminals, and kept to a bound.

use super::busy::when_free;
use super::cgroup::Cgroup;
use super::enter::{Entry, FAILED, JOIN, PARENT, View, own_number, this_program};
use super::stop::{Group, asked_to_end, ended_by};
use super::tail::Tail;
use super::{Progress, Silent};
use crate::model::Span;
use crate::step::{Cmd, Output, PATH};
use nix::sys::signal::{Signal, killpg};
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// How programs of a target are run.
#[derive(Debug, Clone)]
pub enum Runner {
    /// They are this machine's.
    Direct,
    /// They are those of an offline root.
    Inside(PathBuf),
}

/// A run with all that is known about it.
#[derive(Debug)]
pub struct Job<'a> {
    /// What is run.
    pub cmd: &'a Cmd,
    /// Numbers of who runs it.
    pub ids: (u32, u32),
    /// Home of who runs it.
    pub home: &'a str,
    /// What it may do to the target.
    pub view: View,
    /// Killed when this has passed.
    pub timeout: Option<Span>,
    /// Where a program of this machine runs, which is root's; what it started is ended with it.
    pub cgroup: Option<&'a Cgroup>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// What it said; bounded.
    pub output: Output,
    /// Whether its deadline ended it.
    pub timed_out: bool,
}

/// Bytes of each stream that are kept, half of them first and half last: enough for any error message, bounded for any program.
const KEPT: usize = 2 << 20;
/// Lines that wait for whoever keeps them; a program that prints faster waits too.
const WAITING: usize = 64;
/// A line is cut here; what follows is a line of its own.
const LONGEST_LINE: u64 = 16 * 1024;
/// How long an ended program's children may hold its output open.
const GRACE: Duration = Duration::from_secs(2);
/// How long a program has between being asked to end and being made to.
const MERCY: Duration = Duration::from_secs(10);

enum Line {
    Out(String),
    Err(String),
}

impl Runner {
    #[expect(clippy::disallowed_methods, reason = "one of the two doors for programs")]
    fn command(&self, job: &Job<'_>) -> Command {
        let mut command = match (self, job.view) {
            (Self::Direct, View::Writable) if let Some(cgroup) = job.cgroup => {
                let mut command = this_program();
                command.arg(JOIN).arg(cgroup.path()).args(&job.cmd.argv).current_dir(job.cmd.directory.as_str());
                command
            }
            (Self::Direct, View::Writable) => {
                let mut command = Command::new(&job.cmd.argv[0]);
                command.args(&job.cmd.argv[1..]).current_dir(job.cmd.directory.as_str());
                if job.ids != (0, 0) {
                    command.uid(job.ids.0).gid(job.ids.1);
                }
                command
            }
            (runner, view) => {
                let root = match runner {
                    Self::Direct => PathBuf::from("/"),
                    Self::Inside(root) => root.clone(),
                };
                let entry = Entry { root, view, ids: job.ids, directory: job.cmd.directory.to_string() };
                let mut command = this_program();
                command.args(entry.arguments()).args(&job.cmd.argv);
                command
            }
        };
        command.env_clear().env("PATH", PATH).env("HOME", job.home).env("LC_ALL", "C.UTF-8").env("TERM", "dumb");
        if job.cgroup.is_some() || !matches!((self, job.view), (Self::Direct, View::Writable)) {
            command.env(PARENT, own_number());
        }
        if matches!(self, Self::Inside(_)) {
            // systemd's own tools then know that nothing runs, although a PID namespace hides the chroot from them.
            command.env("SYSTEMD_OFFLINE", "1");
        }
        command.envs(&job.cmd.env);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        command
    }

    /// Runs a program to its end or its deadline.
    ///
    /// # Errors
    /// It could not be started, or a signal asked Fitout to end and it was ended.
    pub fn run(&self, job: &Job<'_>, progress: &dyn Progress) -> io::Result<Ended> {
        follow(when_free(|| self.command(job).spawn())?, job.timeout, job.cgroup, progress)
    }
}

/// A tool of the host, for what is no machine: disk images, host-side resolvers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostTool {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Variables beside the fixed ones.
    pub env: Vec<(String, String)>,
    /// Where it runs.
    pub directory: PathBuf,
}

/// Runs a tool of the host.
///
/// # Errors
/// It could not be started, or a signal asked Fitout to end and it was ended.
#[expect(clippy::disallowed_methods, reason = "one of the two doors for programs")]
pub fn run_host(tool: &HostTool, progress: &dyn Progress) -> io::Result<Output> {
    let mut command = Command::new(&tool.argv[0]);
    command.args(&tool.argv[1..]).current_dir(&tool.directory).env_clear();
    command.env("PATH", PATH).env("HOME", "/root").env("LC_ALL", "C.UTF-8").envs(tool.env.iter().map(|(k, v)| (k, v)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    follow(when_free(|| command.spawn())?, None, None, progress).map(|ended| ended.output)
}

/// Starts this program beside everything else; what it says first. It goes on when this process has ended.
///
/// # Errors
/// It could not be started.
pub(super) fn start_aside(arguments: &[&OsStr]) -> io::Result<String> {
    let mut command = this_program();
    command.args(arguments).current_dir("/").env_clear().env("PATH", PATH).env("HOME", "/root").env("LC_ALL", "C.UTF-8");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut said = String::new();
    if let Some(out) = child.stdout.take() {
        BufReader::new(out.take(LONGEST_LINE)).read_line(&mut said)?;
    }
    // Somebody must take note of its end, where this process lives that long.
    std::thread::spawn(move || child.wait());
    Ok(said)
}

/// Runs a quick tool of the host and waits for it, without following its output.
///
/// # Errors
/// It could not be started.
pub fn quick_host(argv: &[&str]) -> io::Result<Output> {
    let argv = argv.iter().map(|word| (*word).to_owned()).collect();
    run_host(&HostTool { argv, env: Vec::new(), directory: "/".into() }, &Silent)
}

fn follow(mut child: Child, timeout: Option<Span>, cgroup: Option<&Cgroup>, progress: &dyn Progress) -> io::Result<Ended> {
    let (sender, lines) = sync_channel(WAITING);
    let (out, err) = (child.stdout.take(), child.stderr.take());
    if let (Some(out), Some(err)) = (out, err) {
        let for_errors = sender.clone();
        std::thread::spawn(move || read_lines(out, &sender, Line::Out));
        std::thread::spawn(move || read_lines(err, &for_errors, Line::Err));
    }
    let mut kept = Kept::default();
    let deadline = timeout.map(|span| Instant::now() + span.as_duration());
    let all = All { group: Group::new(child.id())?, cgroup };
    let (status, cut) = wait(&mut child, &all, deadline, &lines, &mut kept, progress)?;
    let end = Instant::now() + GRACE;
    while let Ok(line) = lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
        kept.take(line, progress);
    }
    match cut {
        Some(Cut::Asked(signal)) => return Err(ended_by(signal)),
        Some(Cut::Must(why)) => return Err(io::Error::new(io::ErrorKind::Interrupted, format!("it was ended: {why}"))),
        Some(Cut::Deadline) | None => {}
    }
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(i32::from(FAILED));
    Ok(Ended { output: Output { status: code, stdout: kept.out.text(), stderr: kept.err.text() }, timed_out: cut.is_some() })
}

/// All that a program started, as far as it can be found.
struct All<'a> {
    group: Group,
    cgroup: Option<&'a Cgroup>,
}

impl All<'_> {
    /// What has just ended is as good as what was asked to.
    fn ask_to_end(&self) {
        killpg(self.group.0, Signal::SIGTERM).unwrap_or_default();
        self.cgroup.into_iter().for_each(Cgroup::ask_to_end);
    }

    fn end(&self) {
        killpg(self.group.0, Signal::SIGKILL).unwrap_or_default();
        self.cgroup.into_iter().for_each(Cgroup::end);
    }
}

/// Why a program was ended before its own end.
#[derive(Debug)]
enum Cut {
    Deadline,
    Asked(Signal),
    Must(String),
}

fn wait(
    child: &mut Child,
    all: &All<'_>,
    deadline: Option<Instant>,
    lines: &Receiver<Line>,
    kept: &mut Kept,
    progress: &dyn Progress,
) -> io::Result<(ExitStatus, Option<Cut>)> {
    let mut cut = None;
    let mut open = true;
    loop {
        if let Some(status) = child.try_wait()? {
            if cut.is_some() {
                all.end();
            }
            return Ok((status, cut.map(|(why, _)| why)));
        }
        match &cut {
            None => {
                let late = deadline.filter(|at| Instant::now() >= *at).map(|_| Cut::Deadline);
                let why = late.or_else(|| asked_to_end().map(Cut::Asked)).or_else(|| progress.must_end().map(Cut::Must));
                if let Some(why) = why {
                    all.ask_to_end();
                    cut = Some((why, Instant::now()));
                }
            }
            Some((_, since)) if since.elapsed() >= MERCY => all.end(),
            Some(_) => {}
        }
        let pause = Duration::from_millis(20);
        if !open {
            std::thread::sleep(pause);
            continue;
        }
        match lines.recv_timeout(pause) {
            Ok(line) => kept.take(line, progress),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => open = false,
        }
    }
}

fn read_lines(source: impl Read, sender: &SyncSender<Line>, wrap: fn(String) -> Line) {
    let mut reader = BufReader::new(source);
    loop {
        let mut bytes = Vec::new();
        match reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if sender.send(wrap(harmless(&bytes))).is_err() {
            return;
        }
    }
}

/// A line without its end, control characters replaced, so that no program can move the cursor of whoever reads a log.
fn harmless(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim_end_matches(['\n', '\r']).chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// First and last lines of a stream.
#[derive(Default)]
struct Stream {
    head: String,
    tail: Tail,
}

impl Stream {
    fn push(&mut self, line: String) {
        if self.tail.is_empty() && self.head.len() + line.len() < KEPT / 2 {
            self.head += &line;
            self.head.push('\n');
            return;
        }
        self.tail.push(line, KEPT / 2);
    }

    fn text(self) -> String {
        self.head + &self.tail.text()
    }
}

#[derive(Default)]
struct Kept {
    out: Stream,
    err: Stream,
}

impl Kept {
    fn take(&mut self, line: Line, progress: &dyn Progress) {
        match line {
            Line::Out(text) => {
                progress.line(&text);
                self.out.push(text);
            }
            Line::Err(text) => {
                progress.line(&text);
                self.err.push(text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(argv: &[&str], timeout: Option<Span>) -> Ended {
        let cmd = Cmd::new(argv.iter().copied());
        let job = Job { cmd: &cmd, ids: (0, 0), home: "/", view: View::Writable, timeout, cgroup: None };
        Runner::Direct.run(&job, &Silent).unwrap()
    }

    #[test]
    fn keeps_both_streams_and_the_status() {
        let ended = run(&["sh", "-c", "echo out; printf '\\033[2Jerr\\n' >&2; exit 3"], None);
        assert_eq!(ended.output, Output { status: 3, stdout: "out\n".into(), stderr: "\u{fffd}[2Jerr\n".into() });
    }

    #[test]
    fn why_a_program_failed_is_told_without_its_warnings() {
        use crate::target::beside_warnings;
        let said = "warning: Failed to hardlink files\n         If the file systems differ, it is expected\nerror: Failed to install\n  Caused by: full";
        assert_eq!(beside_warnings(said), ["error: Failed to install", "  Caused by: full"]);
        assert_eq!(beside_warnings("WARNING: all there is\n"), ["WARNING: all there is"]);
    }

    #[test]
    fn a_deadline_ends_the_whole_group() {
        let ended = run(&["sh", "-c", "sleep 60 & sleep 60"], Some(Span::parse("0.2s").unwrap()));
        assert!(ended.timed_out);
        assert_eq!(ended.output.status, 143);
    }

    /// A step that must not go on.
    struct Full;

    impl Progress for Full {
        fn line(&self, _: &str) {}
        fn advance(&self, _: u64, _: u64) {}
        fn must_end(&self) -> Option<String> {
            Some("the disk is full".into())
        }
    }

    #[test]
    fn what_must_end_is_ended() {
        let cmd = Cmd::new(["sleep", "60"]);
        let job = Job { cmd: &cmd, ids: (0, 0), home: "/", view: View::Writable, timeout: None, cgroup: None };
        let error = Runner::Direct.run(&job, &Full).unwrap_err();
        assert_eq!(error.to_string(), "it was ended: the disk is full");
    }

    #[test]
    fn a_flood_is_bounded() {
        let said = run(&["seq", "1", "500000"], None).output.stdout;
        assert!(said.starts_with("1\n2\n") && said.ends_with("499999\n500000\n") && said.contains(" lines left out ...]\n"));
        assert!((KEPT / 2..KEPT + 100).contains(&said.len()), "{}", said.len());
    }
}
