//! The ground of a rehearsal: an overlay over a root, seen by this process and what it starts, and by nobody else.
//!
//! The process takes a mount namespace of its own, puts a capped tmpfs on a folder of Fitout's, and lays an overlay over the root and each
//! disk that is mounted below it. All writes end in the tmpfs. The namespace ends with the process, however it ends, and every mount with
//! it: there is nothing to clean up and nothing to leak. The root itself is only ever read; what it became is [found](super::changes) by
//! comparing both.

use super::stop::go_on;
use crate::model::ByteSize;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

/// Covered by the tmpfs in the private namespace; an empty folder for everybody else.
const STAGE: &str = "/run/fitout/rehearsal";

/// What is not carried over: programs get their own of each, and nothing of the host's may be reached through them.
const PRIVATE: [&str; 3] = ["proc", "sys", "dev"];
/// File systems that belong to others, or are served by a process of the host: shown as they are, read-only.
const FOREIGN: [&str; 9] = ["nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs", "ceph", "fuse", "autofs"];

/// A root with an overlay over it.
#[derive(Debug)]
pub struct Rehearsal {
    real: PathBuf,
    layers: Vec<Layer>,
    read_only: Vec<PathBuf>,
}

/// One file system of the root.
#[derive(Debug)]
pub(super) struct Layer {
    /// Where it is mounted, relative to the root; empty for the root itself.
    pub at: PathBuf,
    /// As it is.
    pub lower: PathBuf,
    /// What was written over it.
    pub upper: PathBuf,
}

impl Rehearsal {
    /// Lays the overlay over `real`, with this much room in memory for all that is written. Comes before anything that starts a thread.
    ///
    /// # Errors
    /// The kernel does not allow it. Nothing was changed.
    pub fn begin(real: &Path, room: Option<ByteSize>) -> io::Result<Self> {
        let real = fs::canonicalize(real)?;
        let mounts = below(&real, &fs::read_to_string("/proc/self/mountinfo")?);
        fs::create_dir_all(STAGE)?;
        act("take a mount namespace", unshare(CloneFlags::CLONE_NEWNS))?;
        act(
            "part its mounts from the host's",
            mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>),
        )?;
        // Half of the memory is what the kernel gives a tmpfs that asks for nothing else.
        let size = room.map_or_else(|| "50%".to_owned(), |room| room.0.to_string());
        let options = format!("mode=0700,size={size}");
        act("mount a tmpfs", mount(Some("fitout"), STAGE, Some("tmpfs"), MsFlags::empty(), Some(options.as_str())))?;
        let mut this = Self { real, layers: Vec::new(), read_only: Vec::new() };
        fs::create_dir(this.root())?;
        this.lay(&Mounted { at: PathBuf::new(), overlay: true })?;
        for mounted in &mounts {
            go_on()?;
            this.lay(mounted)?;
        }
        Ok(this)
    }

    /// The root as the rehearsal makes it.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        Path::new(STAGE).join("root")
    }

    /// The root as it is.
    #[must_use]
    pub fn real(&self) -> &Path {
        &self.real
    }

    /// Whether what was written fills the room that there is for it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        /// Less than this is as good as nothing: the kernel gives a tmpfs its memory by the page.
        const NOTHING: u64 = 64 * 1024;
        nix::sys::statvfs::statvfs(STAGE).is_ok_and(|stat| stat.blocks_available() * stat.fragment_size() < NOTHING)
    }

    /// What is mounted below the root and can only be read in the rehearsal: shares, and what takes no overlay.
    #[must_use]
    pub fn read_only(&self) -> &[PathBuf] {
        &self.read_only
    }

    pub(super) fn layers(&self) -> &[Layer] {
        &self.layers
    }

    fn lay(&mut self, mounted: &Mounted) -> io::Result<()> {
        let (from, onto) = (self.real.join(&mounted.at), self.root().join(&mounted.at));
        let folder = Path::new(STAGE).join(self.layers.len().to_string());
        let layer = Layer { at: mounted.at.clone(), lower: folder.join("lower"), upper: folder.join("upper") };
        let meta = match fs::symlink_metadata(&from) {
            Ok(meta) => meta,
            // Hidden by a later mount, or a server that is gone: nothing can be read there on the real root either.
            Err(_) if self.layers.is_empty() => return Err(io::Error::other(format!("{} cannot be read", from.display()))),
            Err(_) => return Ok(()),
        };
        if mounted.overlay && meta.is_dir() {
            let work = folder.join("work");
            for made in [&folder, &layer.lower, &layer.upper, &work] {
                fs::create_dir_all(made)?;
            }
            act("bind the root", mount(Some(&from), &layer.lower, None::<&str>, MsFlags::MS_BIND, None::<&str>))?;
            fs::set_permissions(&layer.upper, fs::Permissions::from_mode(meta.mode()))?;
            std::os::unix::fs::chown(&layer.upper, Some(meta.uid()), Some(meta.gid()))?;
            match overlay(&layer, &work, &onto) {
                Ok(()) => {
                    self.layers.push(layer);
                    return Ok(());
                }
                Err(e) if self.layers.is_empty() => return act("mount an overlay", Err(e)),
                Err(_) => {}
            }
        }
        self.read_only.push(Path::new("/").join(&mounted.at));
        show(&from, &onto)
    }
}

fn act(what: &str, result: nix::Result<()>) -> io::Result<()> {
    result.map_err(|e| io::Error::new(io::Error::from(e).kind(), format!("cannot {what}: {e}")))
}

fn overlay(layer: &Layer, work: &Path, onto: &Path) -> nix::Result<()> {
    // With `redirect_dir` a program may rename a folder of the root, as it may on any disk.
    let options = format!(
        "lowerdir={},upperdir={},workdir={},redirect_dir=on,metacopy=off",
        layer.lower.display(),
        layer.upper.display(),
        work.display()
    );
    mount(Some("fitout"), onto, Some("overlay"), MsFlags::empty(), Some(options.as_str()))
}

/// Shows what is mounted on the real root, read-only.
fn show(from: &Path, onto: &Path) -> io::Result<()> {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    match mount(Some(from), onto, None::<&str>, MsFlags::MS_BIND, None::<&str>) {
        Ok(()) => act("make a mount read-only", mount(None::<&str>, onto, None::<&str>, flags, None::<&str>)),
        // Its mount point is hidden by another mount, or not of its kind any more.
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(()),
        Err(e) => act("show what is mounted below the root", Err(e)),
    }
}

/// Something that is mounted below a root.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mounted {
    /// Relative to the root.
    at: PathBuf,
    /// Whether it may be laid over; else it is shown read-only.
    overlay: bool,
}

/// What is mounted below a root and carried over, in the order of mounting, by the text of proc(5)'s `mountinfo`.
fn below(root: &Path, table: &str) -> Vec<Mounted> {
    let mut found: Vec<Mounted> = Vec::new();
    for line in table.lines() {
        let Some((fields, rest)) = line.split_once(" - ") else { continue };
        let (Some(at), Some(kind)) = (fields.split(' ').nth(4), rest.split(' ').next()) else { continue };
        let Ok(at) = unescaped(at).strip_prefix(root).map(Path::to_owned) else { continue };
        let mut parts = at.components().filter_map(|part| if let Component::Normal(part) = part { Some(part.as_bytes()) } else { None });
        let (first, more) = (parts.next(), parts.next().is_some());
        let private = first.is_none_or(|first| PRIVATE.iter().any(|name| name.as_bytes() == first));
        // Below /run are credentials, namespaces and sessions of the host.
        if private || (first == Some(b"run") && more) {
            continue;
        }
        let overlay = !FOREIGN.iter().any(|foreign| kind == *foreign || kind.starts_with(&format!("{foreign}.")));
        found.retain(|earlier| earlier.at != at);
        found.push(Mounted { at, overlay });
    }
    found
}

/// A path of `mountinfo`, where blanks and backslashes are written as octal numbers.
fn unescaped(text: &str) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let octal = more.get(..3).and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        let escaped = octal.filter(|_| *first == b'\\');
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &more[3..] } else { more };
    }
    PathBuf::from(std::ffi::OsStr::from_bytes(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_below_a_root_are_carried_over() {
        let table = "\
22 1 254:0 / / rw - ext4 /dev/vda rw
23 22 0:5 / /proc rw - proc proc rw
24 22 0:6 / /run rw shared:3 - tmpfs tmpfs rw
25 24 0:7 / /run/user/1000 rw - tmpfs tmpfs rw
26 22 254:1 / /mnt/my\\040disk rw - ext4 /dev/vdb rw
27 22 0:8 / /mnt/share rw - cifs //a/b rw
28 22 0:9 / /mnt/blobs rw - fuse.rclone x rw
";
        let mounted = |at: &str, overlay| Mounted { at: at.into(), overlay };
        let expected = [mounted("run", true), mounted("mnt/my disk", true), mounted("mnt/share", false), mounted("mnt/blobs", false)];
        assert_eq!(below(Path::new("/"), table), expected);
        assert_eq!(below(Path::new("/mnt"), table), [mounted("my disk", true), mounted("share", false), mounted("blobs", false)]);
    }
}
