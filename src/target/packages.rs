//! apt and dpkg, run: lists fetched, packages installed and removed, holds, answers given beforehand.
//!
//! apt is waited for while somebody else uses it, and never for ever: not for its locks, and not for a script of a package that hangs.

use super::apt::{lists_are_current, refusal, sources_digest};
use super::machine::Machine;
use super::{OpError, PackageFiles, Probe, Progress, Silent, Target, go_on, torn};
use crate::model::{Proxy, Sha256, Span, TargetPath};
use crate::step::{Beside, Cmd, Output, SOURCES_RECORD};
use nix::fcntl::{FcntlArg, fcntl};
use std::time::{Duration, Instant};

/// How long is waited for others, and for programs.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For another run of Fitout.
    pub run: Span,
    /// For another's work on packages.
    pub lock: Span,
    /// For one transaction of packages.
    pub packages: Span,
}

impl Default for Patience {
    /// Unattended upgrades hold their lock for a minute or two; drivers that are compiled and downloads on slow lines take an hour at most.
    fn default() -> Self {
        Self { run: Span::seconds(0), lock: Span::minutes(2), packages: Span::minutes(120) }
    }
}

/// How packages come to a machine.
#[derive(Debug, Clone, Copy)]
pub enum Way<'a> {
    /// Over the network, through a proxy where there is one.
    Network(Option<&'a Proxy>),
    /// Over no network: from this machine's own files, or not at all.
    Own,
}

/// The methods of apt that open a connection.
const REMOTE: [&str; 3] = ["http", "https", "ftp"];

/// Options that make apt go this way. A proxy of the manifest's has no password, so it may be among arguments.
pub(super) fn way(way: Way<'_>) -> Vec<String> {
    match way {
        Way::Own => REMOTE.map(|method| format!("-oDir::Bin::Methods::{method}=false")).to_vec(),
        Way::Network(None) => Vec::new(),
        Way::Network(Some(proxy)) => {
            let named = [("http", &proxy.http), ("https", &proxy.https)];
            let set = named.into_iter().filter_map(|(scheme, at)| Some((scheme, at.as_ref()?)));
            set.flat_map(|(scheme, at)| {
                // apt knows whole hosts only, no domains or networks.
                let hosts = proxy.none.iter().filter(|host| !host.starts_with('.') && !host.contains('/'));
                let direct = hosts.map(move |host| format!("-oAcquire::{scheme}::Proxy::{host}=DIRECT"));
                std::iter::once(format!("-oAcquire::{scheme}::Proxy={at}")).chain(direct)
            })
            .collect()
        }
    }
}

/// Whether upgrades may change a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// They may not.
    Held,
    /// They may.
    Free,
}

/// A source of packages that could not be reached.
#[derive(Debug, Clone)]
pub(super) struct Broken {
    file: String,
    why: String,
}

/// What is known of sources that could not be reached.
#[derive(Debug)]
pub(super) struct Unreached {
    sources: Sha256,
    at: Instant,
    broken: Vec<Broken>,
}

/// For so long a source that could not be reached is not asked again, while others install.
const UNREACHED: Duration = Duration::from_mins(5);

/// Options that make apt-get ask nothing and keep configuration files that an administrator edited.
const APT: [&str; 8] = [
    "apt-get",
    "--yes",
    "--quiet",
    "--no-install-recommends",
    "-oDpkg::Options::=--force-confdef",
    "-oDpkg::Options::=--force-confold",
    "-oDpkg::Use-Pty=0",
    "-oAcquire::Retries=3",
];

/// Files that apt and dpkg lock while they work, by fcntl(2).
const LOCKS: [&str; 4] = ["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock", "/var/cache/apt/archives/lock"];

/// How long to wait between two looks at a lock.
const LOCK_PAUSE: Duration = Duration::from_millis(500);

/// Answers for debconf, while it reads them.
const ANSWERS: &str = "/var/lib/fitout/state/debconf-selections";

pub(super) fn path(text: &str) -> Result<TargetPath, OpError> {
    TargetPath::parse(text).map_err(|e| OpError::new(format!("use path {text}"), e))
}

pub(super) fn words<'w>(first: &[&'w str], more: &'w [String]) -> Vec<&'w str> {
    first.iter().copied().chain(more.iter().map(String::as_str)).collect()
}

/// A command of dpkg's or apt's, which asks nothing.
pub(super) fn quiet(argv: &[&str]) -> Cmd {
    Cmd::new(argv.iter().copied()).env("DEBIAN_FRONTEND", "noninteractive").env("NEEDRESTART_MODE", "l")
}

impl Broken {
    /// As its manifest names it, where one does.
    fn name(&self) -> String {
        let own = self.file.strip_prefix("/etc/apt/sources.list.d/fitout-").and_then(|name| name.strip_suffix(".sources"));
        own.map_or_else(|| self.file.clone(), |name| format!("`{name}` of packages.repositories ({})", self.file))
    }
}

/// Packages that apt says it cannot find, in the words of apt-get 2.
#[must_use]
pub fn not_found(said: &str) -> Vec<String> {
    let quoted = |text: &str| text.split('\'').nth(1).map(str::to_owned);
    let one = |line: &str| {
        let line = line.strip_prefix("E: ")?;
        if let Some(name) = line.strip_prefix("Unable to locate package ") {
            return Some(name.trim().to_owned());
        }
        match line {
            _ if line.ends_with("has no installation candidate") => quoted(line),
            _ if line.starts_with("Version '") && line.ends_with("was not found") => line.split(" for ").nth(1).and_then(quoted),
            _ => None,
        }
    };
    said.lines().filter_map(one).collect()
}

impl Machine {
    pub(super) fn apt(&self, arguments: &[&str]) -> Cmd {
        let wait = format!("-oDPkg::Lock::Timeout={}", self.patience().lock.as_duration().as_secs());
        let way: Vec<&str> = self.way().iter().map(String::as_str).collect();
        quiet(&[&APT, [wait.as_str()].as_slice(), &way, arguments].concat())
    }

    /// Runs a program of dpkg's or apt's, once nobody else works on the packages, and ends one that does not end.
    pub(super) fn work(&self, cmd: &Cmd, progress: &dyn Progress) -> Result<Output, OpError> {
        let limit = self.patience().packages;
        self.await_others(progress)?;
        let ended = self.run(cmd, Some(limit), progress)?;
        let act = || format!("run `{}`", cmd.display());
        if ended.timed_out {
            let last = ended.output.stdout.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned();
            return Err(OpError::new(act(), format!("it was not done after {limit}, and was ended; the last that it said: {last}"))
                .hint("a script of that package may wait for something; --install-timeout gives it more time"));
        }
        if ended.output.status == 0 { Ok(ended.output) } else { Err(torn::told(OpError::new(act(), refusal(&ended.output)))) }
    }

    /// Waits until nobody else works on the packages.
    pub(super) fn await_others(&self, progress: &dyn Progress) -> Result<(), OpError> {
        let (began, limit) = (Instant::now(), self.patience().lock);
        let mut told = false;
        while let Some((lock, holder)) = self.packages_held()? {
            if began.elapsed() >= limit.as_duration() {
                return Err(OpError::new("work on packages", format!("{holder} holds {lock}; waited for {limit}"))
                    .hint("let it end and apply again, or give --lock-timeout more time"));
            }
            if !std::mem::replace(&mut told, true) {
                progress.line(&format!("waiting for {holder}, which holds {lock}"));
            }
            go_on().map_err(|ended| OpError::new("wait for packages", ended))?;
            std::thread::sleep(LOCK_PAUSE);
        }
        Ok(())
    }

    /// A lock that somebody holds, and who: `process 7 (apt-get upgrade)`.
    fn packages_held(&self) -> Result<Option<(&'static str, String)>, OpError> {
        for lock in LOCKS {
            let Some(file) = self.files.open_file(&path(lock)?)? else { continue };
            let mut found = super::lock::whole();
            match fcntl(&file, FcntlArg::F_OFD_GETLK(&mut found)) {
                Ok(_) if i32::from(found.l_type) != nix::libc::F_UNLCK => return Ok(Some((lock, super::lock::process(found.l_pid)))),
                Ok(_) => {}
                Err(e) => return Err(OpError::new(format!("look at {lock}"), e)),
            }
        }
        Ok(None)
    }

    /// Fetches apt's lists. A source that cannot be reached takes no other with it: those that could not be are given.
    fn apt_update(&self, progress: &dyn Progress) -> Result<Vec<Broken>, OpError> {
        // Before: a source that is written meanwhile is not among those that were fetched.
        let digest = sources_digest(self)?;
        if let Some(known) = self.unreached(&digest) {
            return Ok(known);
        }
        // Without this apt-get exits 0 although it could not reach a repository.
        let Err(error) = self.patiently(&self.apt(&["-oAPT::Update::Error-Mode=any", "update"]), progress) else {
            self.keep(&path(SOURCES_RECORD)?, format!("{digest}\n").as_bytes())?;
            return Ok(Vec::new());
        };
        let sources = super::apt::sources(self)?;
        let mut broken = Vec::new();
        for file in sources.iter().filter(|_| sources.len() > 1) {
            if let Err(error) = self.patiently(&self.apt_update_of(file), progress) {
                let last = error.cause.lines().rfind(|line| line.starts_with("E: ") || line.starts_with("Err:")).map(str::to_owned);
                broken.push(Broken { file: file.to_string(), why: last.unwrap_or(error.cause) });
            }
        }
        if broken.len() == sources.len() || broken.is_empty() {
            return Err(error);
        }
        for one in &broken {
            progress.line(&format!("cannot reach {}; going on without it: {}", one.name(), one.why));
        }
        self.keep_unreached(Unreached { sources: digest, at: Instant::now(), broken: broken.clone() });
        Ok(broken)
    }

    /// The fetch of the lists of one file of sources.
    fn apt_update_of(&self, file: &TargetPath) -> Cmd {
        let only = format!("-oDir::Etc::SourceList={file}");
        // The lists of the others stay.
        self.apt(&[&only, "-oDir::Etc::SourceParts=/dev/null", "-oAPT::Get::List-Cleanup=0", "-oAPT::Update::Error-Mode=any", "update"])
    }

    fn unreached(&self, sources: &Sha256) -> Option<Vec<Broken>> {
        let known = self.unreached.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.as_ref().filter(|known| known.sources == *sources && known.at.elapsed() < UNREACHED).map(|known| known.broken.clone())
    }

    fn keep_unreached(&self, unreached: Unreached) {
        *self.unreached.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(unreached);
    }

    /// Runs apt-get, waiting for another's lock on the lists, for which it has no option of its own as it has for dpkg's.
    fn patiently(&self, cmd: &Cmd, progress: &dyn Progress) -> Result<(), OpError> {
        let began = Instant::now();
        loop {
            match self.work(cmd, progress) {
                Err(error) if error.cause.contains("Could not get lock") && began.elapsed() < self.patience().lock.as_duration() => {
                    std::thread::sleep(LOCK_PAUSE);
                }
                other => return other.map(drop),
            }
        }
    }

    pub(super) fn apt_install(&self, packages: &[String], progress: &dyn Progress) -> Result<(), OpError> {
        let is_known = PackageFiles::are_shelved(self)? || lists_are_current(self)?;
        let broken = if is_known { Vec::new() } else { self.apt_update(progress)? };
        self.finish_packages(progress)?;
        let error = match self.apt_install_now(packages, progress) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let lost = not_found(&error.cause);
        if broken.is_empty() || lost.is_empty() {
            let advice = "`apt-cache policy NAME` on the target shows what its repositories offer";
            return Err(if lost.is_empty() { error } else { error.hint(advice) });
        }
        self.install_others(packages, lost, &broken, progress)
    }

    /// Installs what can be found without the sources that could not be reached, and then fails for the rest.
    fn install_others(
        &self,
        packages: &[String],
        mut lost: Vec<String>,
        broken: &[Broken],
        progress: &dyn Progress,
    ) -> Result<(), OpError> {
        let is_lost = |lost: &[String], request: &String| lost.iter().any(|name| *name == crate::step::package_name(request));
        loop {
            let others: Vec<String> = packages.iter().filter(|request| !is_lost(&lost, request)).cloned().collect();
            if others.is_empty() {
                break;
            }
            match self.apt_install_now(&others, progress) {
                Ok(()) => break,
                Err(error) => match not_found(&error.cause) {
                    more if more.iter().any(|name| !lost.contains(name)) => lost.extend(more),
                    _ => return Err(error),
                },
            }
        }
        let named: Vec<String> = broken.iter().map(|one| format!("{} cannot be reached: {}", one.name(), one.why)).collect();
        Err(OpError::new(format!("install {}", lost.join(" ")), format!("no source that can be reached has that; {}", named.join("; ")))
            .hint("the others were installed; mend or remove that source, and apply again"))
    }

    /// What makes apt keep to the lock that a run is bound to, if it is; refuses where apt would take something else all the same.
    fn held_to_lock(&self, packages: &[String]) -> Result<Vec<String>, OpError> {
        let Some(locked) = PackageFiles::bound(self)? else { return Ok(Vec::new()) };
        let lacks = locked.lacks(&PackageFiles::ask(packages, Beside::Installed, self)?);
        if lacks.is_empty() {
            return Ok(PackageFiles::options(self)?);
        }
        Err(OpError::new(format!("keep to the lock with {}", packages.join(" ")), lacks.join("; "))
            .hint("the repositories moved: name a snapshot of them, or write a new lock (`fitout lock --update`)"))
    }

    fn apt_install_now(&self, packages: &[String], progress: &dyn Progress) -> Result<(), OpError> {
        let mut first = vec!["install"];
        // A version that is asked for may be an older one, and of a package that the manifest holds.
        if packages.iter().any(|request| request.contains('=')) {
            first.push("--allow-downgrades");
            let held = &self.packages()?.held;
            if packages.iter().any(|request| held.contains(crate::step::package_name(request))) {
                first.push("--allow-change-held-packages");
            }
        }
        first.push("--");
        let locked = self.held_to_lock(packages)?;
        let all: Vec<&str> = locked.iter().map(String::as_str).chain(words(&first, packages)).collect();
        self.work(&self.apt(&all), progress).map(drop)
    }

    pub(super) fn apt_remove(&self, packages: &[String], progress: &dyn Progress) -> Result<(), OpError> {
        self.finish_packages(progress)?;
        let rehearsed = self.must(&self.apt(&words(&["--simulate", "remove", "--"], packages)), &Silent)?;
        let more = taken_along(&rehearsed.stdout, packages);
        if !more.is_empty() {
            return Err(OpError::new(format!("remove {}", packages.join(" ")), format!("{} cannot be without that", more.join(" ")))
                .hint("name these under packages.remove as well, if they are to go"));
        }
        self.work(&self.apt(&words(&["remove", "--"], packages)), progress).map(drop)
    }

    /// Keeps packages as they are, whatever is upgraded, or no longer.
    pub(super) fn hold(&self, packages: &[String], hold: Hold) -> Result<(), OpError> {
        let installed = &self.packages()?.installed;
        let absent: Vec<&str> = packages.iter().map(String::as_str).filter(|name| !installed.contains_key(*name)).collect();
        if !absent.is_empty() && hold == Hold::Held {
            return Err(OpError::new(format!("hold {}", packages.join(" ")), format!("{} is not installed", absent.join(" ")))
                .hint("name it under packages.install as well"));
        }
        let verb = if hold == Hold::Held { "hold" } else { "unhold" };
        self.await_others(&Silent)?;
        self.must(&Cmd::new(words(&["apt-mark", verb, "--"], packages)), &Silent).map(drop)
    }

    /// Gives debconf answers before their packages ask.
    pub(super) fn answer(&self, lines: &[String]) -> Result<(), OpError> {
        let file = path(ANSWERS)?;
        self.keep(&file, format!("{}\n", lines.join("\n")).as_bytes())?;
        let done = self.must(&quiet(&["debconf-set-selections", ANSWERS]), &Silent);
        self.discard(&file)?;
        done.map(drop)
    }
}

/// What apt says goes with these packages, beside them.
#[must_use]
pub fn taken_along<'s>(said: &'s str, packages: &[String]) -> Vec<&'s str> {
    let gone = said.lines().filter_map(|line| line.strip_prefix("Remv ")?.split(' ').next());
    gone.filter(|name| !packages.iter().any(|package| package == name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apt_cannot_find_is_read_from_its_words() {
        let said = "exit status 100\nE: Unable to locate package blobfuse2\nE: Package 'x' has no installation candidate\n\
            E: Version '2.5*' for 'fuse3' was not found\nE: Some other trouble";
        assert_eq!(not_found(said), ["blobfuse2", "x", "fuse3"]);
    }

    #[test]
    fn apt_is_told_of_the_proxy_or_that_there_is_no_network() {
        let proxy = Proxy {
            http: Some("http://proxy:3128".into()),
            https: None,
            none: vec!["deb.inside".into(), ".inside".into(), "10.0.0.0/8".into()],
        };
        let told = ["-oAcquire::http::Proxy=http://proxy:3128", "-oAcquire::http::Proxy::deb.inside=DIRECT"];
        assert_eq!(way(Way::Network(Some(&proxy))), told);
        assert_eq!(way(Way::Network(None)), [""; 0]);
        assert!(way(Way::Own).contains(&"-oDir::Bin::Methods::https=false".to_owned()));
    }

    #[test]
    fn a_source_is_named_as_its_manifest_does() {
        let name = |file: &str| Broken { file: file.into(), why: String::new() }.name();
        assert_eq!(
            name("/etc/apt/sources.list.d/fitout-lab.sources"),
            "`lab` of packages.repositories (/etc/apt/sources.list.d/fitout-lab.sources)"
        );
        assert_eq!(name("/etc/apt/sources.list"), "/etc/apt/sources.list");
    }
}
