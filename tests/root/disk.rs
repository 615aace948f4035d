//! Disks that are full, of bytes or of files: an apply says so and loses nothing, and one with room again reaches the end. Real file systems.

use crate::faults::BEFORE;
use crate::support::{Fitout, Root, Run, assert_recovers, canonical, command, must};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::{NamedTempFile, TempDir};

/// A file system of its own, mounted while it is used.
struct Disk {
    at: TempDir,
    image: NamedTempFile,
}

impl Disk {
    /// ext4 of this size, with these further words for mkfs.ext4.
    fn ext4(size: u64, options: &[&str]) -> Self {
        let image = NamedTempFile::new().unwrap();
        image.as_file().set_len(size).unwrap();
        must(command("mkfs.ext4").args(["-q", "-F"]).args(options).arg(image.path()));
        let disk = Self { at: tempfile::tempdir().unwrap(), image };
        must(command("mount").args(["-o", "loop"]).arg(disk.image.path()).arg(disk.at.path()));
        disk
    }

    fn free(&self) -> u64 {
        let stat = nix::sys::statvfs::statvfs(self.at.path()).unwrap();
        stat.blocks_available() * stat.fragment_size()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        must(command("umount").arg(self.at.path()));
    }
}

const MEBIBYTE: u64 = 1 << 20;
/// What a disk can hold that is short of files.
const FILES: usize = 256;

const AFTER: &str = r#"
schema: 1
name: lab-two
files:
  - {path: /etc/motd, content: "after\n"}
  - {path: /etc/mode, content: "same\n", mode: "0644"}
  - {path: /opt/new/big, source: big}
  - {path: /opt/new/link, link: big}
  - {path: /srv/a/b/c/d, content: "deep\n"}
  - {path: ~/notes/first.txt, content: "first\n", owner: ada}
"#;

fn workstation<'a>(root: &'a Root, manifest: &str) -> Fitout<'a> {
    let fitout = Fitout::new(root, &manifest.replace("~/", "/home/ada/"));
    fs::write(fitout.beside("big"), vec![b'x'; 300_000]).unwrap();
    fitout
}

/// One try on a full disk, and one with room again, which `make_room` makes.
fn full(root: &Root, expected: &crate::support::Trace, make_room: impl FnOnce(), how: &str) -> bool {
    let fitout = workstation(root, AFTER);
    let run = fitout.run(&["apply"]);
    let said = format!("{}{}", run.stdout, run.stderr);
    assert!(matches!(run.code, Some(0 | 73)) && !said.contains("panicked"), "{how}: {run:?}");
    assert!(run.code == Some(0) || said.contains("No space left on device"), "{how}: {run:?}");
    // Whatever was cut short, it was the new that was, never the old.
    assert!(matches!(root.read("/etc/motd").as_str(), "before\n" | "after\n"), "{how}");
    assert!(matches!(fs::metadata(root.at("/opt/new/big")).map_or(300_000, |meta| meta.len()), 300_000), "{how}");
    assert!(root.read("/etc/passwd").contains("ada:x:1000"), "{how}");
    let status = Run::of(&mut fitout.question(&["status"]));
    assert!(matches!(status.code, Some(0 | 2)), "{how}: {status:?}");
    status.json();
    make_room();
    assert_recovers(root, &fitout, expected, how);
    run.code == Some(73)
}

/// A root on this disk that was applied to once, and what it holds after the next apply.
fn expected(on: &Path) -> (Root, crate::support::Trace) {
    let root = Root::bare_in(on);
    workstation(&root, BEFORE).apply();
    let other = root.copy();
    workstation(&other, AFTER).apply();
    (root, canonical(other.path()))
}

/// Takes all room but this much; the filler.
fn filled(disk: &Disk, left: u64) -> PathBuf {
    let path = disk.at.path().join("filler");
    let mut file = File::create(&path).unwrap();
    for piece in [65_536, 4096, 512] {
        while file.write_all(&vec![1; piece]).and_then(|()| file.sync_data()).is_ok() {}
    }
    file.sync_all().ok();
    file.set_len(file.metadata().unwrap().len().saturating_sub(left)).unwrap();
    file.sync_all().unwrap();
    path
}

fn every_fill(size: u64) {
    let mut failed = 0;
    for left in [0, 1, 2, 3, 5, 8, 12, 20, 40, 80, 200, 600].map(|blocks| blocks * 4096) {
        let disk = Disk::ext4(size, &["-m", "0"]);
        let (root, expected) = expected(disk.at.path());
        let filler = filled(&disk, left);
        let how = format!("{left} bytes left of {size}");
        failed += u32::from(full(&root, &expected, || fs::remove_file(filler).unwrap(), &how));
    }
    assert!(failed >= 6, "only {failed} applies met a full disk");
}

#[test]
fn a_full_disk_of_20_mebibytes() {
    every_fill(20 * MEBIBYTE);
}

#[test]
fn a_full_disk_of_64_mebibytes() {
    every_fill(64 * MEBIBYTE);
}

#[test]
fn a_disk_that_can_hold_no_more_files() {
    let mut failed = 0;
    for left in 0..24 {
        let disk = Disk::ext4(20 * MEBIBYTE, &["-m", "0", "-N", &FILES.to_string()]);
        let (root, expected) = expected(disk.at.path());
        let fillers = disk.at.path().join("fillers");
        fs::create_dir(&fillers).unwrap();
        let made = (0..FILES).take_while(|n| File::create(fillers.join(n.to_string())).is_ok()).count();
        assert!(made < FILES, "it can hold more files");
        (0..left).for_each(|n| fs::remove_file(fillers.join(n.to_string())).unwrap());
        let how = format!("{left} of {made} files left");
        failed += u32::from(full(&root, &expected, || fs::remove_dir_all(fillers).unwrap(), &how));
    }
    assert!(failed >= 8, "only {failed} applies met a disk without room for a file");
}

/// What root alone may still write to is not free: the floor is what everybody has.
#[test]
fn what_is_kept_for_root_is_not_free() {
    let disk = Disk::ext4(64 * MEBIBYTE, &["-m", "50"]);
    let root = Root::bare_in(disk.at.path());
    let stat = nix::sys::statvfs::statvfs(disk.at.path()).unwrap();
    assert!(stat.blocks_free() > stat.blocks_available() + 5000, "nothing is kept for root");
    workstation(&root, BEFORE).apply();
    let before = canonical(root.path());
    for (floor, code) in [(disk.free() + 1, 73), (disk.free() + 20 * MEBIBYTE, 73), (disk.free() - MEBIBYTE, 0)] {
        let text = format!("disk: {{guards: [{{mount: /, minimum_free: {floor}B}}]}}\nfiles: [{{path: /etc/motd, content: x}}]\n");
        let run = Fitout::new(&root, &text).run(&["apply"]);
        assert_eq!(run.code, Some(code), "{floor}: {run:?}");
        if code == 73 {
            before.assert_same(&canonical(root.path()), "a refusal wrote something");
        }
    }
}

#[test]
fn a_cache_on_a_full_disk_is_told_as_one() {
    let disk = Disk::ext4(2 * MEBIBYTE, &["-m", "0"]);
    let beside = tempfile::tempdir().unwrap();
    let (big, lock) = (beside.path().join("big"), beside.path().join("m.yaml.lock"));
    fs::write(&big, vec![b'x'; 4 << 20]).unwrap();
    let sha256 = fitout::model::Sha256::of(&fs::read(&big).unwrap());
    let download = format!(r#"{{"url": "file://{}", "sha256": "{sha256}", "size": null}}"#, big.display());
    let machine = format!(r#"{{"answers": [], "downloads": [{download}], "packages": {{}}, "scripts": {{}}}}"#);
    fs::write(&lock, format!(r#"{{"version": 1, "machines": {{"debian-12-x86_64": {machine}}}}}"#)).unwrap();
    let mut fetch = command(env!("CARGO_BIN_EXE_fitout"));
    let fetched = Run::of(fetch.arg("fetch").arg(lock).arg("--cache").arg(disk.at.path()));
    assert!(fetched.ended(73).stderr.contains("No space left on device"), "{fetched:?}");
}
