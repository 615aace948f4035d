//! A control group of a script's own, by which all that it started is found again, whatever sessions and groups that went into.
//!
//! Version 2 of the kernel's interface (cgroups(7)), no controllers: nothing needs to be delegated. Where the kernel has none to give, or
//! nobody may make one, a script has its process group alone.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the kernel is given to take down what it was told to kill.
const EMPTY_WITHIN: Duration = Duration::from_secs(2);

/// Marks what a script started, wherever that went: children inherit it.
pub const MARK: &str = "FITOUT_SCRIPT";

/// One that is younger may be about to be gone into: by a Fitout of another container, which sees the same groups.
const FRESH: Duration = Duration::from_mins(1);

/// A control group that was made, or one of an earlier run.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    /// How the kernel names it in /proc/PID/cgroup.
    name: String,
    /// What [`MARK`] says in what was started in it.
    mark: String,
}

impl Cgroup {
    /// One below that of this process; `None` where there is none to be had.
    pub fn make(name: &str, mark: &str) -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?.to_owned();
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let mount = mount_of(&mounts)?;
        let above = mount.join(own);
        tidy(&above, &format!("fitout-{name}-"));
        let path = above.join(format!("fitout-{name}-{}", std::process::id()));
        fs::create_dir(&path).ok()?;
        Some(Self { name: named(&path, &mount)?, path, mark: mark.to_owned() })
    }

    /// One that was made earlier, if it is there still.
    pub fn again(path: &str) -> Option<Self> {
        let made = Path::new(path).file_name()?.to_str()?.starts_with("fitout-");
        let is_one = made && Path::new(path).join("cgroup.procs").exists();
        let mount = mount_of(&fs::read_to_string("/proc/self/mountinfo").ok()?)?;
        let name = named(Path::new(path), &mount)?;
        // Of an earlier run only what is in it is known.
        is_one.then(|| Self { path: path.into(), name, mark: String::new() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What runs in it.
    pub fn processes(&self) -> Vec<Pid> {
        let text = fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok().map(Pid::from_raw)).collect()
    }

    /// What was started in it and is elsewhere now.
    pub fn strays(&self) -> Vec<Pid> {
        let marked = |pid: &Pid| {
            let mark = format!("{MARK}={}", self.mark);
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            !self.mark.is_empty() && environment.split(|byte| *byte == 0).any(|word| word == mark.as_bytes())
        };
        let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
        let all = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw));
        all.filter(|pid| marked(pid) && !self.holds(*pid)).collect()
    }

    /// Whether a process is in it, or in one below.
    fn holds(&self, pid: Pid) -> bool {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let at = text.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default();
        at.strip_prefix(&self.name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Asks all that runs in it, and what left it, to end.
    pub fn ask_to_end(&self) {
        for pid in self.processes().into_iter().chain(self.strays()) {
            // One that has just ended is as good as one that was asked.
            kill(pid, Signal::SIGTERM).unwrap_or_default();
        }
    }

    /// Ends all that runs in it, and below, and what left it.
    pub fn end(&self) {
        self.strays().into_iter().for_each(|pid| kill(pid, Signal::SIGKILL).unwrap_or_default());
        let began = Instant::now();
        while self.is_populated() && began.elapsed() < EMPTY_WITHIN {
            // Kernels before 5.14 have no such file: then each process is killed until none is left.
            if fs::write(self.path.join("cgroup.kill"), "1").is_err() {
                self.processes().into_iter().for_each(|pid| kill(pid, Signal::SIGKILL).unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn is_populated(&self) -> bool {
        fs::read_to_string(self.path.join("cgroup.events")).is_ok_and(|text| text.lines().any(|line| line == "populated 1"))
    }

    /// Takes it away where nothing runs in it; how many processes were left running.
    pub fn leave(self) -> usize {
        // A populated one is refused by the kernel, and stays until what runs in it ends.
        fs::remove_dir(&self.path).unwrap_or_default();
        self.processes().len()
    }
}

/// How the kernel names one of its groups.
fn named(path: &Path, mount: &Path) -> Option<String> {
    Some(format!("/{}", path.strip_prefix(mount).ok()?.to_str()?))
}

/// The units that were made while the machine runs, but those of people's sessions.
pub fn units() -> BTreeSet<String> {
    let entries = fs::read_dir("/run/systemd/transient").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let is_unit = |name: &String| [".service", ".scope", ".timer"].iter().any(|kind| name.ends_with(kind));
    names.filter(|name| !name.starts_with("session-") && is_unit(name)).collect()
}

/// Takes away those of earlier runs whose last process has ended since; the kernel refuses the others.
fn tidy(above: &Path, start: &str) {
    for entry in fs::read_dir(above).into_iter().flatten().flatten() {
        let made = entry.metadata().and_then(|data| data.modified()).ok().and_then(|made| made.elapsed().ok());
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(start)) && made.is_some_and(|age| age > FRESH) {
            fs::remove_dir(entry.path()).unwrap_or_default();
        }
    }
}

/// Where version 2 is mounted: alone, or beside version 1 (proc(5), mountinfo: the type stands after the dash).
fn mount_of(mounts: &str) -> Option<PathBuf> {
    let line = mounts.lines().find(|line| line.split(" - ").nth(1).is_some_and(|rest| rest.starts_with("cgroup2 ")))?;
    line.split(' ').nth(4).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::mount_of;

    #[test]
    fn finds_version_2_alone_and_beside_version_1() {
        let hybrid = "31 25 0:27 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n40 25 0:35 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        assert_eq!(mount_of(hybrid).unwrap().to_str(), Some("/sys/fs/cgroup/unified"));
        assert_eq!(
            mount_of("30 24 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n").unwrap().to_str(),
            Some("/sys/fs/cgroup")
        );
        assert_eq!(mount_of("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"), None);
    }
}
