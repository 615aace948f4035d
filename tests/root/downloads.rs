//! Disks that fail while something is downloaded or unpacked: each call that writes fails, for a moment or from then on, with each error that a disk
//! has; the run says so, and a plain one afterwards reaches the same end with nothing left over.

use crate::environments::channel;
use crate::support::{Fitout, Root, Run, Server, Trace, canonical, command, tiny_nvidia};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What downloads packages of a channel, which a library unpacks, and what downloads archives, which Fitout unpacks.
const CONDA: &str = "schema: 1\nconda: {prefix: /anaconda}\nenvironments: [{name: lab, from: {conda: environment.yml}}]\n";
const ARCHIVES: &str = "schema: 1\nnetwork: {mirrors: {nvidia: SERVER}}\ngpu: {cuda: {version: '12.4.1', source: redist}}\n";

/// What a disk that is full, broken, rationed or gone says.
const ERRORS: [&str; 4] = ["ENOSPC", "EIO", "EDQUOT", "EROFS"];

/// The calls by which files come to be; each is met at every place.
const CALLS: [&str; 5] = [
    "mkdir,mkdirat",
    "rename,renameat,renameat2",
    "link,linkat,symlink,symlinkat,unlink,unlinkat",
    "fsync,fdatasync,syncfs",
    "ftruncate,fallocate,copy_file_range,fchmod,fchown",
];
/// The calls by which they are filled. Programs wake their own threads with the same ones, so these are met file by file.
const WRITES: &str = "write,pwrite64,writev";

/// What fails: these calls, on one file or on any, with this error, at these times of their coming, in each thread.
struct Fault<'a> {
    calls: &'a str,
    file: Option<&'a str>,
    error: &'a str,
    when: &'a str,
}

/// A machine that has nothing yet, and what one has on which nothing failed.
struct Bench {
    manifest: &'static str,
    server: Server,
    expected: Trace,
}

impl Bench {
    /// For a manifest whose downloads are in this folder.
    fn new(manifest: &'static str, folder: &Path) -> Self {
        let root = Self::root();
        let bench = Self { manifest, server: Server::of(folder), expected: canonical(root.path()) };
        bench.fitout(&root).apply();
        Self { expected: canonical(root.path()), ..bench }
    }

    /// A machine that has nothing yet but the linker's own program.
    fn root() -> Root {
        let root = Root::bare();
        root.write("/etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n");
        fs::create_dir_all(root.at("/usr/sbin")).unwrap();
        fs::copy("/usr/sbin/ldconfig", root.at("/usr/sbin/ldconfig")).unwrap();
        root
    }

    fn fitout<'a>(&self, root: &'a Root) -> Fitout<'a> {
        let fitout = Fitout::new(root, &self.manifest.replace("SERVER", &self.server.url));
        let text = format!("channels: [\"{}\"]\ndependencies: [libfoo=1.0]\n", self.server.url);
        fs::write(fitout.beside("environment.yml"), text).unwrap();
        fitout
    }

    /// The command line of an apply under strace.
    fn traced(fitout: &Fitout<'_>, calls: &str, more: &[&str]) -> std::process::Command {
        let (plain, log) = (fitout.command(&["apply"]), fitout.beside("strace.log"));
        let mut strace = command("strace");
        strace.args(["-f", "-q", "-y", "--seccomp-bpf", "-e", "signal=none", "-e", &format!("trace={calls}"), "-o"]).arg(log).args(more);
        strace.arg("--").arg(plain.get_program()).args(plain.get_args());
        strace
    }

    /// The files that an apply writes to, whose names are the same each time; `ROOT` and `HOST` stand for its folders.
    fn written(&self) -> BTreeSet<String> {
        let root = Self::root();
        let fitout = self.fitout(&root);
        Run::of(&mut Self::traced(&fitout, WRITES, &[])).ended(0);
        let log = fs::read_to_string(fitout.beside("strace.log")).unwrap();
        let named = log.lines().filter_map(|line| line.split_once('<')?.1.split_once('>')).map(|(path, _)| path);
        let (host, inside) = (fitout.beside("cache").display().to_string(), root.path().display().to_string());
        let ours = named.filter(|path| path.starts_with(&host) || path.starts_with(&inside));
        ours.map(|path| path.replace(&host, "HOST").replace(&inside, "ROOT")).collect()
    }

    /// An apply with a fault, and a plain one afterwards; false where the fault is not met.
    fn survives(&self, fault: &Fault<'_>) -> bool {
        let root = Self::root();
        let fitout = self.fitout(&root);
        let inject = format!("inject={}:error={}:when={}", fault.calls, fault.error, fault.when);
        let (host, inside) = (fitout.beside("cache").display().to_string(), root.path().display().to_string());
        let file = fault.file.map(|file| file.replace("HOST", &host).replace("ROOT", &inside));
        let more = file.iter().flat_map(|file| ["-P", file]).chain(["-e", &inject]);
        let failed = Run::of(&mut Self::traced(&fitout, fault.calls, &more.collect::<Vec<_>>()));
        if !fs::read_to_string(fitout.beside("strace.log")).unwrap().contains("INJECTED") {
            failed.ended(0);
            return false;
        }
        self.is_made_good(&root, &fitout, &failed, &format!("{inject} {:?}", fault.file));
        true
    }

    /// Asserts that a run failed as one does, or lost nothing, and that a plain one afterwards reaches the end.
    fn is_made_good(&self, root: &Root, fitout: &Fitout<'_>, failed: &Run, what: &str) {
        assert!(matches!(failed.code, Some(0 | 1 | 69 | 73)) && !failed.stderr.contains("panicked"), "{what}: {failed:?}");
        if failed.code == Some(0) {
            // What only saves time, such as a cache, may fail.
            self.expected.assert_same(&canonical(root.path()), &format!("{what} went unnoticed: {failed:?}"));
        }
        let again = fitout.run(&["apply"]);
        assert_eq!(again.code, Some(0), "a plain run after {what}, which ended so: {failed:?}\n{again:?}");
        self.expected.assert_same(&canonical(root.path()), &format!("{what} and a plain run"));
        let incoming = fs::read_dir(fitout.beside("cache/incoming")).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(incoming.collect::<Vec<_>>(), Vec::<std::ffi::OsString>::new(), "left over after {what} and a plain run");
    }

    /// At each place once; from there on at fewer, for that a run ends at the first is soon seen. How many places there are.
    fn met(&self, calls: &str) -> usize {
        let error = |number: usize| ERRORS[number % ERRORS.len()];
        for number in 1_usize.. {
            let (once, always) = (number.to_string(), format!("{number}+"));
            if !self.survives(&Fault { calls, file: None, error: error(number), when: &once }) {
                return number - 1;
            }
            if number.is_power_of_two() {
                self.survives(&Fault { calls, file: None, error: error(number / 2), when: &always });
            }
        }
        0
    }
}

/// Every call of an apply fails once, and at fewer places from there on.
fn assert_is_made_good(bench: &Bench) {
    let files = bench.written();
    let met: Vec<usize> = std::thread::scope(|scope| {
        let threads = CALLS.map(|calls| scope.spawn(move || bench.met(calls)));
        let filled = files.iter().enumerate().filter(|(number, file)| {
            let (error, when) = (ERRORS[number % ERRORS.len()], if (number / ERRORS.len()).is_multiple_of(2) { "1" } else { "1+" });
            bench.survives(&Fault { calls: WRITES, file: Some(file), error, when })
        });
        let filled = filled.count();
        threads.into_iter().map(|thread| thread.join().unwrap()).chain([filled]).collect()
    });
    assert!(met.iter().all(|met| *met > 4) && met.iter().sum::<usize>() > 50, "{met:?} calls were met: does strace work here?");
    // Files may grow to this and no further, whichever they are: what has no name of its own is met as well.
    for blocks in [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32] {
        let root = Bench::root();
        let fitout = bench.fitout(&root);
        let plain = fitout.command(&["apply"]);
        let mut shell = command("sh");
        shell
            .args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"")])
            .arg(plain.get_program())
            .args(plain.get_args());
        bench.is_made_good(&root, &fitout, &Run::of(&mut shell), &format!("a limit of {blocks} blocks"));
    }
}

#[test]
fn whatever_a_disk_says_packages_of_conda_are_made_good() {
    let folder = tempfile::tempdir().unwrap();
    channel::write(folder.path(), &channel::tiny());
    assert_is_made_good(&Bench::new(CONDA, folder.path()));
}

#[test]
fn whatever_a_disk_says_archives_are_made_good() {
    let folder = tempfile::tempdir().unwrap();
    tiny_nvidia(folder.path());
    assert_is_made_good(&Bench::new(ARCHIVES, folder.path()));
}
