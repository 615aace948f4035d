//! The way into an offline root: Fitout starts itself again, takes namespaces of its own, mounts what programs expect, changes root
//! and runs the command as the child of a small init. Nothing that it mounts is seen outside; all of it ends with the command.
//!
//! Two stages, because a PID namespace begins with the next child: [`enter_main`] unshares and starts the second stage, which is
//! process 1 of the namespace. Each asks the kernel to be killed with its parent, so a killed Fitout leaves nothing running.
//! Mount points are resolved inside the root, so a hostile link in it leads nowhere.

mod apart;

use super::background::{FOLLOW, follow};
use super::busy::when_free;
use super::policy::ServicePolicy;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::{Mode as Bits, mkdirat};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use std::convert::Infallible;
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

/// First argument of the first stage.
pub const ENTER: &str = "__enter";
/// First argument of the second stage.
const INIT: &str = "__enter-init";

/// First argument of the stage that goes into a control group.
pub const JOIN: &str = "__join";

/// Exit status where the way in itself failed; programs rarely use it (env(1), timeout(1) do the same).
pub const FAILED: u8 = 125;

/// How a root is entered: the arguments of both stages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The root, as a path of the host.
    pub root: PathBuf,
    /// What the command may do to the root.
    pub view: View,
    /// Numbers of who runs the command.
    pub ids: (u32, u32),
    /// Where it runs, inside the root.
    pub directory: String,
}

/// What a command may do to the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Change it.
    Writable,
    /// Look at it.
    ReadOnly,
    /// Look at it, and write in a few of its folders what ends with the command; with a network of its own, where nobody else is.
    Trial,
}

impl View {
    /// Each view, and its word on the command line of a stage.
    const WORDS: [(Self, &'static str); 3] = [(Self::Writable, "rw"), (Self::ReadOnly, "ro"), (Self::Trial, "trial")];

    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(view, _)| *view == self).map_or("ro", |(_, word)| word)
    }

    fn parse(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, known)| *known == word).map(|(view, _)| *view)
    }
}

impl Entry {
    /// Arguments for `fitout`, before the command's own.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        vec![
            ENTER.into(),
            self.root.display().to_string(),
            self.view.word().into(),
            self.ids.0.to_string(),
            self.ids.1.to_string(),
            self.directory.clone(),
        ]
    }

    fn parse(arguments: &[String]) -> Option<(Self, &[String])> {
        let [root, view, uid, gid, directory, command @ ..] = arguments else { return None };
        let view = View::parse(view)?;
        let entry = Self { root: root.into(), view, ids: (uid.parse().ok()?, gid.parse().ok()?), directory: directory.clone() };
        (!command.is_empty()).then_some((entry, command))
    }
}

/// Runs a stage if these are the arguments of one; `None` for every ordinary command line.
#[must_use]
pub fn enter_main(arguments: &[String]) -> Option<ExitCode> {
    let word = arguments.get(1).map(String::as_str);
    if word.is_some_and(|word| [JOIN, FOLLOW, ENTER, INIT].contains(&word)) {
        // Lists of processes name it as they name the one that started it, not by the link in /proc that it came from.
        nix::sys::prctl::set_name(NAME_OF_PROCESS).unwrap_or_default();
    }
    let stage = match word {
        Some(JOIN) => return Some(ExitCode::from(join(&arguments[2..]))),
        Some(FOLLOW) => return Some(follow(&arguments[2..]).map_or(ExitCode::from(FAILED), |()| ExitCode::SUCCESS)),
        Some(ENTER) => outer,
        Some(INIT) => init,
        _ => return None,
    };
    let code = match Entry::parse(&arguments[2..]) {
        Some((entry, command)) => stage(&entry, command, &arguments[2..]).unwrap_or_else(|error| {
            // The last words of a process that has nobody else to tell.
            drop(writeln!(io::stderr(), "fitout: in {}: {error}", entry.root.display()));
            FAILED
        }),
        None => FAILED,
    };
    Some(ExitCode::from(code))
}

/// This very program, whatever became of the file that it was started from: another release may stand there by now.
#[expect(clippy::disallowed_methods, reason = "one of the two doors for programs")]
pub(super) fn this_program() -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0(NAME);
    command
}

/// What lists of processes call a stage.
const NAME: &str = "fitout";
const NAME_OF_PROCESS: &std::ffi::CStr = c"fitout";

/// Names the process that started a stage, as `/proc` numbers it.
pub(super) const PARENT: &str = "FITOUT_PARENT";

/// Numbers of this process and of its parent, by `/proc`: the same for both stages, whatever namespace they are in.
fn numbers() -> io::Result<(String, String)> {
    let text = fs::read_to_string("/proc/self/stat")?;
    // proc(5): number, name in parentheses, state, parent.
    let own = text.split(' ').next().unwrap_or_default();
    let parent = text.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)).unwrap_or_default();
    Ok((own.to_owned(), parent.to_owned()))
}

/// The number of this process, for the stage that it starts.
pub(super) fn own_number() -> String {
    numbers().map(|(own, _)| own).unwrap_or_default()
}

/// Ends with the parent, even with one that was killed before this could be asked for: it would run on beside the next try.
fn die_with_parent() -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    let (_, parent) = numbers()?;
    if std::env::var(PARENT).is_ok_and(|expected| expected == parent) {
        return Ok(());
    }
    Err(io::Error::other("who asked for this has ended"))
}

/// What the group of a command is asked to end with. It is for the command: the first stage waits for the second, which as process 1 of
/// its namespace is not reached by it, and tidies up.
fn for_the_command() -> SigSet {
    [Signal::SIGINT, Signal::SIGTERM].into_iter().collect()
}

/// Goes into a control group and becomes the command. The arguments: the group, the command.
fn join(arguments: &[String]) -> u8 {
    let error = match arguments {
        [cgroup, command @ ..] if !command.is_empty() => {
            let joined = die_with_parent().and_then(|()| fs::write(Path::new(cgroup).join("cgroup.procs"), "0"));
            joined.map_or_else(|error| error, |()| replaced_by(command))
        }
        _ => io::Error::from(io::ErrorKind::InvalidInput),
    };
    // The last words of a process that has nobody else to tell.
    drop(writeln!(io::stderr(), "fitout: cannot start the program: {error}"));
    FAILED
}

#[expect(clippy::disallowed_methods, reason = "one of the two doors for programs")]
fn replaced_by(command: &[String]) -> io::Error {
    let Err(error) = when_free(|| Err::<Infallible, _>(Command::new(&command[0]).args(&command[1..]).env_remove(PARENT).exec()));
    error
}

fn outer(entry: &Entry, _: &[String], arguments: &[String]) -> io::Result<u8> {
    die_with_parent()?;
    for_the_command().thread_block()?;
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC)?;
    if entry.view == View::Trial {
        apart::own_network()?;
    }
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    let status = this_program().arg(INIT).args(arguments).env(PARENT, own_number()).status()?;
    Ok(status_code(status))
}

fn status_code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(FAILED)
}

#[expect(clippy::disallowed_methods, reason = "one of the two doors for programs")]
fn init(entry: &Entry, command: &[String], _: &[String]) -> io::Result<u8> {
    die_with_parent()?;
    for_the_command().thread_unblock()?;
    let policy = furnish(entry)?;
    nix::unistd::chroot(".")?;
    std::env::set_current_dir(&entry.directory).map_err(|e| io::Error::other(format!("{}: {e}", entry.directory)))?;
    let mut child = Command::new(&command[0]);
    child.args(&command[1..]).env_remove(PARENT);
    if entry.ids != (0, 0) {
        child.uid(entry.ids.0).gid(entry.ids.1);
    }
    let spawned = when_free(|| child.spawn()).map_err(|e| io::Error::other(format!("cannot start {}: {e}", command[0])))?;
    let code = reap(Pid::from_raw(i32::try_from(spawned.id()).map_err(io::Error::other)?));
    policy.withdraw();
    code
}

/// Waits for every child, as process 1 must, until the one that matters has ended; the kernel then ends the others.
fn reap(main: Pid) -> io::Result<u8> {
    loop {
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, code)) if pid == main => return Ok(u8::try_from(code & 0xff).unwrap_or(FAILED)),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == main => return Ok(u8::try_from(128 + signal as i32).unwrap_or(FAILED)),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// A mount point inside the root, resolved there.
struct Inside {
    root: OwnedFd,
}

impl Inside {
    fn open(&self, path: &str, flags: OFlag) -> nix::Result<OwnedFd> {
        openat2(&self.root, path, OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_IN_ROOT))
    }

    fn directory(&self, path: &str) -> nix::Result<OwnedFd> {
        match self.open(path, OFlag::O_PATH | OFlag::O_DIRECTORY) {
            Err(Errno::ENOENT) => {
                // The directory above is resolved inside the root first: `mkdirat` would follow its links out of it.
                let (above, name) = path.rsplit_once('/').unwrap_or((".", path));
                mkdirat(&self.open(above, OFlag::O_PATH | OFlag::O_DIRECTORY)?, name, Bits::from_bits_truncate(0o755))?;
                self.open(path, OFlag::O_PATH | OFlag::O_DIRECTORY)
            }
            other => other,
        }
    }

    fn mount(&self, source: &str, path: &str, kind: &str, flags: MsFlags, options: &str) -> io::Result<()> {
        let at = self.directory(path).map_err(|e| io::Error::other(format!("/{path}: {e}")))?;
        match mount(Some(source), &through(&at), Some(kind), flags, Some(options)) {
            // The very same file system is there already: the sysfs of a live machine, which the view has made read-only.
            Ok(()) | Err(Errno::EBUSY) => Ok(()),
            Err(e) => Err(io::Error::other(format!("mount {kind} on /{path}: {e}"))),
        }
    }

    fn bind(&self, source: &Path, path: &str) -> io::Result<()> {
        let at = self.open(path, OFlag::O_PATH)?;
        mount(Some(source), &through(&at), None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
        Ok(())
    }

    /// Makes an empty file to mount something on, in a file system of the namespace's own.
    fn touch(&self, path: &str) -> io::Result<()> {
        openat2(
            &self.root,
            path,
            OpenHow::new()
                .flags(OFlag::O_CREAT | OFlag::O_WRONLY | OFlag::O_CLOEXEC)
                .mode(Bits::from_bits_truncate(0o644))
                .resolve(ResolveFlag::RESOLVE_IN_ROOT),
        )?;
        Ok(())
    }
}

/// The path of an open file, for calls that take paths only.
fn through(fd: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

pub(super) use apart::COVERED;

const NOT_EXECUTABLE: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV).union(MsFlags::MS_NOEXEC);

/// Devices that programs may expect anywhere.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Mounts what programs expect, and makes the root the current directory.
fn furnish(entry: &Entry) -> io::Result<ServicePolicy> {
    let resolver = fs::read("/etc/resolv.conf").unwrap_or_default();
    // A mount of the root itself, so that it can be made read-only and its submounts are the namespace's own.
    mount(Some(&entry.root), &entry.root, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)?;
    let root = openat(AT_FDCWD, &entry.root, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Bits::empty())?;
    nix::unistd::fchdir(&root)?;
    let inside = Inside { root };
    let policy = match entry.view {
        View::Writable => match inside.open("usr/sbin", OFlag::O_RDONLY | OFlag::O_DIRECTORY) {
            Ok(folder) => ServicePolicy::impose(folder)?,
            Err(_) => ServicePolicy::None,
        },
        View::ReadOnly | View::Trial => {
            read_only(&entry.root)?;
            ServicePolicy::None
        }
    };
    inside.mount("proc", "proc", "proc", NOT_EXECUTABLE, "")?;
    inside.mount("sysfs", "sys", "sysfs", NOT_EXECUTABLE | MsFlags::MS_RDONLY, "")?;
    inside.mount("tmpfs", "run", "tmpfs", MsFlags::MS_NOSUID | MsFlags::MS_NODEV, "mode=0755")?;
    inside.mount("tmpfs", "tmp", "tmpfs", MsFlags::MS_NOSUID | MsFlags::MS_NODEV, "mode=1777")?;
    devices(&inside)?;
    resolve_names(&inside, &resolver)?;
    if entry.view == View::Trial {
        apart::cover(&inside, &std::env::var(apart::COVERED).unwrap_or_default())?;
    }
    Ok(policy)
}

fn devices(inside: &Inside) -> io::Result<()> {
    inside.mount("tmpfs", "dev", "tmpfs", MsFlags::MS_NOSUID, "mode=0755")?;
    for name in DEVICES {
        inside.touch(&format!("dev/{name}"))?;
        inside.bind(&Path::new("/dev").join(name), &format!("dev/{name}"))?;
    }
    inside.mount("devpts", "dev/pts", "devpts", MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5")?;
    inside.mount("tmpfs", "dev/shm", "tmpfs", MsFlags::MS_NOSUID | MsFlags::MS_NODEV, "mode=1777")?;
    let dev = inside.directory("dev")?;
    for (name, to) in [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        nix::unistd::symlinkat(to, &dev, name)?;
    }
    Ok(())
}

/// Names resolve as on the host. The file of the root is covered, not changed; a link into `/run` gets its target in the private `/run`.
fn resolve_names(inside: &Inside, text: &[u8]) -> io::Result<()> {
    inside.touch("run/fitout-resolv.conf")?;
    let mine = fs::File::from(inside.open("run/fitout-resolv.conf", OFlag::O_WRONLY)?);
    (&mine).write_all(text)?;
    let etc = inside.open("etc", OFlag::O_PATH | OFlag::O_DIRECTORY);
    let link = etc.and_then(|etc| nix::fcntl::readlinkat(&etc, "resolv.conf")).map(|to| to.to_string_lossy().into_owned());
    if let Ok(to) = link
        && let Some(below) = to.trim_start_matches("..").trim_start_matches('/').strip_prefix("run/")
    {
        let mut made = String::from("run");
        for part in below.split('/').collect::<Vec<_>>().split_last().map_or(&[][..], |(_, above)| above) {
            made = format!("{made}/{part}");
            inside.directory(&made)?;
        }
        inside.touch(&format!("run/{below}"))?;
    }
    match inside.bind(Path::new("run/fitout-resolv.conf"), "etc/resolv.conf") {
        // A root without the file has no name service; what needs one will say so.
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Makes every mount at and below the root read-only, in this namespace.
fn read_only(root: &Path) -> io::Result<()> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    let root = fs::canonicalize(root)?;
    for line in table.lines() {
        let Some(at) = line.split(' ').nth(4).map(|at| PathBuf::from(at.replace("\\040", " "))) else { continue };
        if !at.starts_with(&root) {
            continue;
        }
        let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        match mount(None::<&str>, &at, None::<&str>, flags, None::<&str>) {
            // Covered by a later mount, or of a kind that cannot be remounted (proc's own files): not reachable by writing.
            Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
            Err(e) => return Err(io::Error::other(format!("make {} read-only: {e}", at.display()))),
        }
    }
    Ok(())
}
