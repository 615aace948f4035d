//! Packages as a killed dpkg or a bad disk left them: what was left half done is ended before anything else is done, and where dpkg's database
//! is damaged nothing is, for dpkg would take what it no longer knows for absent.

use super::dpkg::STATUS;
use super::machine::Machine;
use super::packages::{path, quiet, words};
use super::{OpError, Packages, Probe, Progress};
use std::collections::BTreeSet;

/// Where dpkg writes down what is not in its database yet.
const UPDATES: &str = "/var/lib/dpkg/updates";
/// Where it has a file `NAME.list` or `NAME:ARCHITECTURE.list` for each package with files on the machine.
const INFO: &str = "/var/lib/dpkg/info";
/// What apt and dpkg say of a database that they cannot read.
const UNREADABLE: [&str; 2] = ["status file could not be parsed or opened", "parsing file '/var/lib/dpkg/"];
/// How many packages are named.
const SHOWN: usize = 5;

/// The same error, with what to do where dpkg's database is damaged.
pub(super) fn told(error: OpError) -> OpError {
    if UNREADABLE.iter().any(|words| error.cause.contains(words)) { error.hint(ADVICE) } else { error }
}

const ADVICE: &str = "nothing was changed. dpkg keeps older databases: put the newest one that is whole, of /var/lib/dpkg/status-old and \
    /var/backups/dpkg.status.*, in the place of /var/lib/dpkg/status, and apply again";

impl Machine {
    /// Ends what an earlier, killed run left half done.
    pub(super) fn finish_packages(&self, progress: &dyn Progress) -> Result<(), OpError> {
        self.refuse_damage()?;
        let pending = self.files.list(&path(UPDATES)?)?.unwrap_or_default();
        if pending.is_empty() && Packages::read(self)?.is_whole() {
            return Ok(());
        }
        self.await_others(progress)?;
        let configure = quiet(&["dpkg", "--configure", "-a", "--force-confdef", "--force-confold"]);
        // What it cannot do for lack of another package, apt does below.
        self.run(&configure, Some(self.patience().packages), progress)?;
        let torn = Packages::read(self)?.half_installed;
        self.work(&self.apt(&words(&["--fix-broken", "--reinstall", "install", "--"], &torn)), progress).map(drop)
    }

    /// Refuses a database that does not know packages whose files are there.
    fn refuse_damage(&self) -> Result<(), OpError> {
        let lists = self.files.list(&path(INFO)?)?.unwrap_or_default();
        let mut known = self.named_in(STATUS)?;
        for update in self.files.list(&path(UPDATES)?)?.unwrap_or_default() {
            known.append(&mut self.named_in(&format!("{UPDATES}/{update}"))?);
        }
        let names = lists.iter().filter_map(|file| file.strip_suffix(".list")?.split(':').next());
        let lost: BTreeSet<&str> = names.filter(|name| !known.contains(*name)).collect();
        if lost.is_empty() {
            return Ok(());
        }
        let some: Vec<&str> = lost.iter().take(SHOWN).copied().collect();
        let cause = format!("it is damaged: {} packages with files on this machine are not in it, such as {}", lost.len(), some.join(", "));
        Err(OpError::new(format!("work with dpkg's database {STATUS}"), cause).hint(ADVICE))
    }

    /// Packages that a file of dpkg's database names.
    fn named_in(&self, file: &str) -> Result<BTreeSet<String>, OpError> {
        let text = self.read(&path(file)?)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&text).lines().filter_map(|line| line.strip_prefix("Package: ")).map(str::to_owned).collect())
    }
}
