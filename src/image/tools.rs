//! Tools of the host that make file systems: which are needed, which are missing, and how they are run.

use crate::apply::{Event, Observers};
use crate::model::ResourceId;
use crate::step::PATH;
use crate::target::{HostTool, OpError, Progress, run_host};
use std::path::{Path, PathBuf};

/// Every tool, and the package of Debian and Ubuntu that holds it.
const TOOLS: [(&str, &str); 6] = [
    ("mmdebstrap", "mmdebstrap"),
    ("sgdisk", "gdisk"),
    ("mkfs.vfat", "dosfstools"),
    ("mcopy", "mtools"),
    ("mmd", "mtools"),
    ("mke2fs", "e2fsprogs"),
];

/// What stands before each tool: it dies with Fitout, and all that it started and mounted dies with it, so that a killed bake leaves
/// nothing at work in a folder that the next one sweeps.
const TIED: [&str; 8] = ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];

/// Refuses to begin what a missing tool would end.
///
/// # Errors
/// Tools are missing: all of them, and how to get them.
pub fn require() -> Result<(), OpError> {
    let there = |tool: &str| PATH.split(':').any(|folder| Path::new(folder).join(tool).exists());
    let missing: Vec<(&str, &str)> = TOOLS.into_iter().filter(|(tool, _)| !there(tool)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|(tool, _)| *tool).collect();
    let mut packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
    packages.dedup();
    Err(OpError::new("bake", format!("this machine lacks {}", names.join(", "))).hint(format!("apt-get install {}", packages.join(" "))))
}

/// Runs tools of the host and tells of them.
#[derive(Debug)]
pub struct Tools<'a> {
    /// Where they run, and may leave what only they need.
    pub folder: PathBuf,
    /// Who watches.
    pub observers: &'a Observers,
    /// For which stage.
    pub stage: ResourceId,
}

impl Tools<'_> {
    /// Runs one that must succeed.
    ///
    /// # Errors
    /// It could not be started, or failed; with its last words.
    pub fn run(&self, argv: &[String]) -> Result<(), OpError> {
        let act = || format!("run {}", argv.join(" "));
        let argv: Vec<String> = TIED.iter().map(|word| (*word).to_owned()).chain(argv.iter().cloned()).collect();
        let tool = HostTool { argv, env: Vec::new(), directory: self.folder.clone() };
        let output = run_host(&tool, self).map_err(|e| OpError::new(act(), e))?;
        if output.status == 0 {
            return Ok(());
        }
        Err(OpError::new(act(), format!("exit status {}\n{}", output.status, last_lines(&output.stderr))))
    }
}

/// Lines of a failed tool that are shown.
const LAST: usize = 15;

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST)..].join("\n")
}

impl Progress for Tools<'_> {
    fn line(&self, text: &str) {
        self.observers.tell(&Event::Line { id: self.stage.clone(), text: text.to_owned() });
    }

    fn advance(&self, done: u64, total: u64) {
        self.observers.tell(&Event::Advanced { id: self.stage.clone(), done, total });
    }
}
