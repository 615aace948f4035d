//! Trees of archives: laid over each other beside the place where they belong, and moved there when they are whole.
//!
//! An archive is judged, not trusted: an entry that leaves the tree or is a link or a device is refused, and so is an archive that
//! unpacks to more than any real one does. Everything is written through the open root.

use super::machine::Machine;
use super::{OpError, Progress};
use crate::model::{ByteSize, TargetPath};
use crate::step::{Blob, FileKind, Unpack};
use std::fs::File;
use std::io::{self, Read, Write};
use zip::ZipArchive;
use zip::read::ZipFile;

/// More files than any wheel holds (torch: 12 000).
const MOST_ENTRIES: usize = 500_000;
/// What any archive may unpack to: compiled code grows threefold, this allows more, and stops bombs.
const GROWTH: u64 = 20;
/// Small archives may grow more.
const ALWAYS_ALLOWED: u64 = 512 << 20;

/// The name of the file that says from what a tree or a generation was made; written last.
pub(super) const MARKER: &str = ".fitout.json";

/// The path of a tree's marker.
pub(super) fn marker(tree: &TargetPath) -> Result<TargetPath, OpError> {
    below(tree, MARKER)
}

pub(super) fn below(tree: &TargetPath, name: &str) -> Result<TargetPath, OpError> {
    tree.join(name).map_err(|e| OpError::new(format!("use path {tree}/{name}"), e))
}

/// A path beside this one.
fn beside(path: &TargetPath, ending: &str) -> Result<TargetPath, OpError> {
    let above = path.parent().ok_or_else(|| OpError::new(format!("unpack into {path}"), "it is the root directory"))?;
    below(&above, &format!(".{}.fitout-{ending}", path.name()))
}

pub(super) fn perform(machine: &Machine, unpack: &Unpack, progress: &dyn Progress) -> Result<(), OpError> {
    let files = &machine.files;
    let (fresh, old) = (beside(&unpack.into, "new")?, beside(&unpack.into, "old")?);
    files.remove_tree(&fresh)?;
    if let Some(stat) = files.stat(&unpack.into)?
        && (stat.kind != FileKind::Directory || files.stat(&marker(&unpack.into)?)?.is_none())
    {
        return Err(OpError::new(format!("unpack into {}", unpack.into), "something that Fitout did not make is there")
            .hint("move it away, or name another path"));
    }
    let total = unpack.archives.iter().filter_map(|blob| blob.size).map(|size| size.0).sum();
    let mut done = 0;
    for blob in &unpack.archives {
        lay(machine, unpack, blob, &fresh).map_err(|e| OpError::new(format!("unpack {}", blob.url), e))?;
        done += blob.size.map_or(0, |size| size.0);
        progress.advance(done, total);
    }
    for (name, to) in &unpack.links {
        files.symlink(&below(&fresh, name)?, to)?;
    }
    let text = serde_json::json!({"version": 1, "digest": unpack.digest}).to_string();
    files.write(&marker(&fresh)?, &mut text.as_bytes(), 0o644, (0, 0))?;
    files.sync_tree(&fresh)?;
    // A kill between the two moves leaves the new tree whole beside the place; it is made again.
    files.remove_tree(&old)?;
    if files.stat(&unpack.into)?.is_some() {
        files.rename(&unpack.into, &old)?;
    }
    files.rename(&fresh, &unpack.into)?;
    Ok(files.remove_tree(&old)?)
}

/// Lays one archive into the tree.
fn lay(machine: &Machine, unpack: &Unpack, blob: &Blob, tree: &TargetPath) -> io::Result<()> {
    let file = machine.store.open(&blob.sha256)?.ok_or_else(|| io::Error::other("it is not in the store"))?;
    let packed = file.metadata()?.len();
    let mut archive = ZipArchive::new(file).map_err(io::Error::other)?;
    if archive.len() > MOST_ENTRIES {
        return Err(io::Error::other(format!("it holds more than {MOST_ENTRIES} entries")));
    }
    let mut left = ALWAYS_ALLOWED.max(packed.saturating_mul(GROWTH));
    for number in 0..archive.len() {
        let mut entry = archive.by_index(number).map_err(io::Error::other)?;
        let Some(name) = accepted(&entry, &unpack.strip)? else { continue };
        let path = tree.join(&name).map_err(io::Error::other)?;
        let executable =
            unpack.executable.iter().any(|folder| name.strip_prefix(folder.as_str()).is_some_and(|rest| rest.starts_with('/')));
        let mut source = Bounded { source: &mut entry, left: &mut left };
        machine.files.write_unsynced(&path, &mut source, if executable { 0o755 } else { 0o644 }, (0, 0)).map_err(io::Error::other)?;
    }
    Ok(())
}

/// The name of an entry inside the tree; `None` for directories and for what lies outside the folder that is wanted.
fn accepted<R: Read + ?Sized>(entry: &ZipFile<'_, R>, strip: &str) -> io::Result<Option<String>> {
    let name = entry.name().map_err(io::Error::other)?;
    let refused = |why: &str| Err(io::Error::other(format!("the archive is refused: entry {name:?} {why}")));
    if name.starts_with('/')
        || name.contains(['\\', '\0'])
        || name.trim_end_matches('/').split('/').any(|part| matches!(part, "" | "." | ".."))
    {
        return refused("leaves the tree");
    }
    // Of the mode only the kind counts: permissions are given here, so special bits never come along.
    if !matches!(entry.unix_mode().unwrap_or_default() & 0o170_000, 0 | 0o100_000 | 0o040_000) {
        return refused("is neither a file nor a directory");
    }
    if entry.is_dir() {
        return Ok(None);
    }
    Ok(name.strip_prefix(strip).and_then(|rest| if strip.is_empty() { Some(rest) } else { rest.strip_prefix('/') }).map(Into::into))
}

/// Reads no more than is left.
struct Bounded<'a> {
    source: &'a mut dyn Read,
    left: &'a mut u64,
}

impl Read for Bounded<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(into)?;
        *self.left = self.left.checked_sub(n as u64).ok_or_else(|| {
            io::Error::other(format!(
                "the archive is refused: it unpacks to more than {GROWTH} times its size and {}",
                ByteSize(ALWAYS_ALLOWED)
            ))
        })?;
        Ok(n)
    }
}

/// Writes the program `name` of a wheel (`NAME-VERSION.data/scripts/NAME`).
///
/// # Errors
/// The wheel cannot be read or holds no such program.
pub fn program_in_wheel(wheel: File, name: &str, into: &mut impl Write) -> io::Result<()> {
    let mut archive = ZipArchive::new(wheel).map_err(io::Error::other)?;
    let ending = format!(".data/scripts/{name}");
    for number in 0..archive.len() {
        let mut entry = archive.by_index(number).map_err(io::Error::other)?;
        if entry.name().is_ok_and(|path| path.ends_with(&ending)) {
            io::copy(&mut entry, into)?;
            return Ok(());
        }
    }
    Err(io::Error::other(format!("the wheel holds no program {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Sha256;
    use crate::store::Store;
    use crate::target::{Ground, Silent};
    use std::fs;
    use std::path::PathBuf;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    struct Bench {
        folder: tempfile::TempDir,
        machine: Machine,
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("root")).unwrap();
            let ground = Ground::Root(folder.path().join("root"));
            let machine = Machine::open(&ground, Store::at(folder.path().join("store"))).unwrap();
            Self { folder, machine }
        }

        fn archive(&self, entries: &[(&str, u32, &[u8])]) -> Blob {
            let mut file = self.machine.store.incoming().unwrap();
            let mut zip = ZipWriter::new(&mut file);
            for (name, mode, content) in entries {
                zip.start_file(*name, SimpleFileOptions::default().unix_permissions(*mode)).unwrap();
                zip.write_all(content).unwrap();
            }
            zip.finish().unwrap();
            // Modes as they are, which the writer would tame: the upper half of each central header's external attributes.
            let mut bytes = fs::read(file.path()).unwrap();
            let headers: Vec<usize> = (0..bytes.len() - 46).filter(|at| bytes[*at..].starts_with(b"PK\x01\x02")).collect();
            for (at, (_, mode, _)) in headers.iter().zip(entries) {
                bytes[at + 5] = 3; // made on Unix, so that the mode counts
                bytes[at + 40..at + 42].copy_from_slice(&u16::try_from(*mode).unwrap().to_le_bytes());
            }
            fs::write(file.path(), &bytes).unwrap();
            let sha256 = Sha256::of(&bytes);
            self.machine.store.publish(file, &sha256).unwrap();
            Blob { url: "https://example.org/a.whl".into(), sha256, size: None }
        }

        fn unpack(&self, archives: Vec<Blob>) -> Result<(), String> {
            let digest = Sha256::of_parts(archives.iter().map(|_| "x"));
            let links = vec![("lib64".into(), "lib".into())];
            let into = TargetPath::parse("/opt/tree").unwrap();
            let unpack = Unpack { into, archives, strip: "n/cu".into(), executable: vec!["bin".into()], links, digest };
            perform(&self.machine, &unpack, &Silent).map_err(|e| e.to_string())
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join("root/opt").join(name)
        }

        /// Everything beside the tree: nothing, unless something was left behind.
        fn names(&self) -> Vec<String> {
            let mut names: Vec<String> =
                fs::read_dir(self.path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    #[test]
    fn trees_are_whole_and_replaced() {
        use std::os::unix::fs::PermissionsExt;
        let bench = Bench::new();
        let one = bench.archive(&[
            ("n/cu/bin/tool", 0o104_644, b"1"),
            ("n/cu/lib/a", 0o106_755, b"a"),
            ("n/cux/no", 0o644, b""),
            ("other", 0o644, b""),
        ]);
        let two = bench.archive(&[("n/cu/bin/tool", 0o644, b"2")]);
        fs::create_dir_all(bench.path(".tree.fitout-new/left")).unwrap();
        bench.unpack(vec![one, two.clone()]).unwrap();
        assert_eq!(fs::read(bench.path("tree/bin/tool")).unwrap(), b"2");
        assert_eq!(fs::metadata(bench.path("tree/bin/tool")).unwrap().permissions().mode() & 0o7777, 0o755);
        assert_eq!(fs::metadata(bench.path("tree/lib64/a")).unwrap().permissions().mode() & 0o7777, 0o644);
        assert!(!bench.path("tree/no").exists() && !bench.path("tree/other").exists());
        bench.unpack(vec![two]).unwrap();
        assert!(!bench.path("tree/lib/a").exists());
        assert_eq!(bench.names(), ["tree"]);
    }

    #[test]
    fn what_is_not_ours_stays() {
        let bench = Bench::new();
        fs::create_dir_all(bench.path("tree")).unwrap();
        fs::write(bench.path("tree/mine"), "mine").unwrap();
        let archive = bench.archive(&[("n/cu/a", 0o644, b"a")]);
        assert!(bench.unpack(vec![archive]).unwrap_err().contains("something that Fitout did not make is there"));
        assert_eq!(fs::read(bench.path("tree/mine")).unwrap(), b"mine");
    }

    #[test]
    fn hostile_entries_are_refused() {
        let bench = Bench::new();
        let cases: [(&str, u32, &str); 8] = [
            ("/etc/x", 0o644, "leaves the tree"),
            ("../x", 0o644, "leaves the tree"),
            ("n/cu/../../../x", 0o644, "leaves the tree"),
            ("n/cu/./x", 0o644, "leaves the tree"),
            ("n\\cu\\x", 0o644, "leaves the tree"),
            ("n/cu/x\ny", 0o644, "control character"),
            ("n/cu/x", 0o120_777, "neither a file nor a directory"),
            ("n/cu/x", 0o020_644, "neither a file nor a directory"),
        ];
        for (name, mode, why) in cases {
            let error = bench.unpack(vec![bench.archive(&[(name, mode, b"x")])]).expect_err(name);
            assert!(error.contains(why), "{name:?}: {error}");
            assert!(!bench.path("tree").exists());
        }
    }

    #[test]
    fn bombs_are_stopped() {
        let mut left = 10;
        let mut bomb = Bounded { source: &mut io::repeat(0), left: &mut left };
        assert!(io::copy(&mut bomb, &mut io::sink()).unwrap_err().to_string().contains("unpacks to more than"));
    }
}
