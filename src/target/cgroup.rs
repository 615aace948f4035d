//! A control group of a script's own, by which all that it started is found again, whatever sessions and groups that went into.
//!
//! Version 2 of the kernel's interface (cgroups(7)), no controllers: nothing needs to be delegated. Where the kernel has none to give, or
//! nobody may make one, a script has its process group alone.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the kernel is given to take down what it was told to kill.
const EMPTY_WITHIN: Duration = Duration::from_secs(2);

/// A control group that was made, or one of an earlier run.
#[derive(Debug)]
pub struct Cgroup(PathBuf);

impl Cgroup {
    /// One below that of this process; `None` where there is none to be had.
    pub fn make(name: &str) -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?.to_owned();
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let above = mount_of(&mounts)?.join(own);
        tidy(&above, &format!("fitout-{name}-"));
        let path = above.join(format!("fitout-{name}-{}", std::process::id()));
        fs::create_dir(&path).ok()?;
        Some(Self(path))
    }

    /// One that was made earlier, if it is there still.
    pub fn again(path: &str) -> Option<Self> {
        let made = Path::new(path).file_name()?.to_str()?.starts_with("fitout-");
        let is_one = made && Path::new(path).join("cgroup.procs").exists();
        is_one.then(|| Self(path.into()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What runs in it.
    pub fn processes(&self) -> Vec<Pid> {
        let text = fs::read_to_string(self.0.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok().map(Pid::from_raw)).collect()
    }

    /// Asks all that runs in it to end.
    pub fn ask_to_end(&self) {
        for pid in self.processes() {
            // One that has just ended is as good as one that was asked.
            kill(pid, Signal::SIGTERM).unwrap_or_default();
        }
    }

    /// Ends all that runs in it, and what it started below.
    pub fn end(&self) {
        let began = Instant::now();
        while self.is_populated() && began.elapsed() < EMPTY_WITHIN {
            // Kernels before 5.14 have no such file: then each process is killed until none is left.
            if fs::write(self.0.join("cgroup.kill"), "1").is_err() {
                self.processes().into_iter().for_each(|pid| kill(pid, Signal::SIGKILL).unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn is_populated(&self) -> bool {
        fs::read_to_string(self.0.join("cgroup.events")).is_ok_and(|text| text.lines().any(|line| line == "populated 1"))
    }

    /// Takes it away where nothing runs in it; how many processes were left running.
    pub fn leave(self) -> usize {
        // A populated one is refused by the kernel, and stays until what runs in it ends.
        fs::remove_dir(&self.0).unwrap_or_default();
        self.processes().len()
    }
}

/// Takes away those of earlier runs whose last process has ended since; the kernel refuses the others.
fn tidy(above: &Path, start: &str) {
    for entry in fs::read_dir(above).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(start)) {
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
