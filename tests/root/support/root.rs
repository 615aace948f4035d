//! A minimal Debian root: made once per machine, kept as an archive beside the build, unpacked afresh for each test.

use super::{command, must, repository};
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

/// What is in it beside Debian's essential packages.
const PACKAGES: &str = "systemd,systemd-sysv,openssh-server,sudo,ca-certificates";
/// What is in one that starts by itself and can build modules for its kernel.
const KERNEL: &str = "systemd,systemd-sysv,ca-certificates,initramfs-tools,linux-image-cloud-amd64,dkms";
/// What the local repository of such a one has beside the tiny packages: what modules are built with.
const HEADERS: &str = "linux-headers-cloud-amd64";
/// What is in one with a compiler, which nvcc calls.
const COMPILER: &str = "ca-certificates,g++";
/// Left out, so that a copy is quick: nothing that a test looks at.
const WITHOUT: [&str; 3] = ["/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/man/*"];
const SUITE: &str = "bookworm";
const MIRROR: &str = "http://deb.debian.org/debian";

/// Room that a copy takes, and a run in it.
const ROOM: u64 = 1 << 30;

/// A Debian root of one test, with the local package repository known to nobody yet at `/srv/repository`.
pub struct Root {
    directory: TempDir,
}

impl Root {
    /// A fresh copy.
    pub fn fresh() -> Self {
        static ARCHIVE: OnceLock<PathBuf> = OnceLock::new();
        Self::of(ARCHIVE.get_or_init(|| archive(PACKAGES, None)))
    }

    /// A fresh copy of one with a compiler for C++.
    pub fn with_compiler() -> Self {
        static ARCHIVE: OnceLock<PathBuf> = OnceLock::new();
        Self::of(ARCHIVE.get_or_init(|| archive(COMPILER, None)))
    }

    /// A fresh copy of one with a kernel, without what modules are built with.
    pub fn with_kernel() -> Self {
        static ARCHIVE: OnceLock<PathBuf> = OnceLock::new();
        Self::of(ARCHIVE.get_or_init(|| archive(KERNEL, Some(HEADERS))))
    }

    /// A fresh copy in a folder of the host.
    pub fn fresh_in(folder: &Path) -> Self {
        Self::unpacked(&archive(PACKAGES, None), folder)
    }

    fn of(archive: &Path) -> Self {
        Self::unpacked(archive, &scratch())
    }

    fn unpacked(archive: &Path, folder: &Path) -> Self {
        let directory = TempDir::with_prefix_in("fitout-root-", folder).unwrap();
        let root = Self { directory };
        must(command("tar").arg("-C").arg(root.path()).args(["--numeric-owner", "-xpf"]).arg(archive));
        root
    }

    /// A few files instead of Debian, for what needs none of its programs: quick to copy.
    pub fn bare() -> Self {
        Self::bare_in(&scratch())
    }

    /// The same, in a folder of the host.
    pub fn bare_in(folder: &Path) -> Self {
        let root = Self { directory: TempDir::with_prefix_in("fitout-bare-", folder).unwrap() };
        // Fitout reads the processor off the shell.
        fs::create_dir_all(root.at("/usr/bin")).unwrap();
        fs::copy("/usr/bin/dash", root.at("/usr/bin/dash")).unwrap();
        root.write("/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n");
        root.write("/etc/passwd", "root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/bash\n");
        root.write("/etc/group", "root:x:0:\nada:x:1000:\n");
        fs::create_dir_all(root.at("/home/ada")).unwrap();
        std::os::unix::fs::chown(root.at("/home/ada"), Some(1000), Some(1000)).unwrap();
        root
    }

    /// A copy of this one as it is now.
    pub fn copy(&self) -> Self {
        let copy = Self { directory: TempDir::with_prefix_in("fitout-copy-", scratch()).unwrap() };
        must(command("cp").arg("-a").arg(self.at("/.")).arg(copy.path()));
        copy
    }

    /// Where it lies on the host.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A path in it, as a path of the host.
    pub fn at(&self, path: &str) -> PathBuf {
        self.path().join(path.trim_start_matches('/'))
    }

    /// The text of a file in it.
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_else(|e| panic!("read {path} of the root: {e}"))
    }

    /// Writes a file in it, with the directories above.
    pub fn write(&self, path: &str, text: &str) {
        let at = self.at(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(at, text).unwrap_or_else(|e| panic!("write {path} of the root: {e}"));
    }

    /// Permission bits of what is there.
    pub fn mode(&self, path: &str) -> u32 {
        fs::symlink_metadata(self.at(path)).unwrap_or_else(|e| panic!("look at {path} of the root: {e}")).permissions().mode() & 0o7777
    }

    /// Processes that live in it.
    pub fn inhabitants(&self) -> Vec<PathBuf> {
        let inside = |process: &PathBuf| fs::read_link(process.join("root")).is_ok_and(|link| link.starts_with(self.path()));
        fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path()).filter(inside).collect()
    }

    /// A program of the root that sees its own processes, as programs that ask where they are need to.
    pub fn program(&self, argv: &[&str]) -> Command {
        let mut unshare = command("unshare");
        unshare.args(["--mount", "--pid", "--fork", "--kill-child"]).arg(format!("--mount-proc={}", self.at("/proc").display()));
        unshare.arg("chroot").arg(self.path()).args(argv);
        unshare
    }

    /// Runs a program of the root, which must succeed.
    pub fn run(&self, argv: &[&str]) -> String {
        must(command("chroot").arg(self.path()).args(argv))
    }
}

/// Where copies go: into memory where there is room, for dpkg writes every file through to the disk.
fn scratch() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let free = nix::sys::statvfs::statvfs(memory).map_or(0, |stat| stat.blocks_available() * stat.fragment_size());
    if free > 4 * ROOM {
        return memory.to_owned();
    }
    let disk = Path::new(env!("CARGO_TARGET_TMPDIR")).join("roots");
    fs::create_dir_all(&disk).unwrap();
    disk
}

/// The archive of a root with these packages, made on first use; its name is the digest of all that it is made from.
fn archive(packages: &str, later: Option<&str>) -> PathBuf {
    assert!(nix::unistd::geteuid().is_root(), "the tests on a Debian root need root: run `make test`");
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("debian");
    fs::create_dir_all(&cache).unwrap();
    // Other test programs may be at it: one makes it, the others wait.
    let lock = fs::File::create(cache.join("lock")).unwrap();
    lock.lock().unwrap();
    let parts = [packages, later.unwrap_or_default(), SUITE, MIRROR, WITHOUT.concat().as_str(), repository::DEFINITION].join("\n");
    let archive = cache.join(format!("{}.tar", &hex::encode(Sha256::digest(parts))[..16]));
    if !archive.exists() {
        make(&archive, packages, later);
    }
    archive
}

fn make(archive: &Path, packages: &str, later: Option<&str>) {
    let work = TempDir::with_prefix_in("fitout-make-", scratch()).unwrap();
    let root = work.path().join("root");
    let mut bootstrap = command("mmdebstrap");
    bootstrap.args(["--mode=root", "--variant=minbase", "--skip=check/empty", "--dpkgopt=force-unsafe-io"]).env("TMPDIR", work.path());
    bootstrap.args(WITHOUT.map(|path| format!("--dpkgopt=path-exclude={path}"))).arg(format!("--include={packages}"));
    if let Some(later) = later {
        let kept = "$1/srv/repository";
        let fetch = format!("--option=Dir::Cache::Archives=/srv/repository --yes --no-install-recommends --download-only install {later}");
        bootstrap
            .arg(format!("--customize-hook=mkdir -p {kept}/partial && chroot \"$1\" apt-get {fetch} && rm -r {kept}/partial {kept}/lock"));
    }
    must(bootstrap.arg(SUITE).arg(&root).arg(mirror()));
    // Only the local repository is asked for packages, so that no test needs a network; dpkg need not survive a power cut.
    for gone in ["etc/apt/sources.list", "etc/dpkg/dpkg.cfg.d/99mmdebstrap", "etc/apt/apt.conf.d/99mmdebstrap"] {
        fs::remove_file(root.join(gone)).ok();
    }
    fs::write(root.join("etc/dpkg/dpkg.cfg.d/tests"), "force-unsafe-io\n").unwrap();
    repository::make(&root.join("srv/repository"));
    let partial = archive.with_extension("partial");
    must(command("tar").arg("-C").arg(&root).args(["--numeric-owner", "-cpf"]).arg(&partial).arg("."));
    fs::rename(partial, archive).unwrap();
}

/// Where packages come from: this machine's own mirror of Debian, if it uses one.
pub fn mirror() -> String {
    let sources = fs::read_to_string("/etc/apt/sources.list.d/debian.sources").unwrap_or_default();
    let own = sources.lines().find_map(|line| line.strip_prefix("URIs: ")).map(str::trim);
    own.filter(|uri| uri.ends_with("/debian")).unwrap_or(MIRROR).to_owned()
}
