//! What a root holds, so that two can be compared: canonically (without what differs between any two runs) or exactly.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Mutex;

/// Left out of every comparison: Fitout's own files.
const OWN: [&str; 4] = ["var/lib/fitout", "var/log/fitout", "var/cache/fitout", "run/fitout"];

/// Left out of canonical comparisons: logs, caches and backups of databases, which tell how often something was done; and where dpkg unpacks what
/// a package says of itself, which it clears when it next begins to.
const NOISE: [&str; 15] = [
    "var/lib/dpkg/tmp.ci",
    "var/log",
    "var/cache",
    "var/lib/apt/lists",
    "var/lib/dpkg/status-old",
    "var/lib/dpkg/available",
    "var/lib/dpkg/diversions-old",
    "var/lib/dpkg/statoverride-old",
    "var/lib/dpkg/triggers/Lock",
    "etc/passwd-",
    "etc/group-",
    "etc/shadow-",
    "etc/gshadow-",
    "etc/subuid-",
    "etc/subgid-",
];

/// What a root holds: path to what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace(BTreeMap<String, String>);

impl Trace {
    /// Where the other differs, as a list of lines; empty where it does not.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut paths: Vec<&String> = self.0.keys().chain(other.0.keys()).collect();
        paths.sort();
        paths.dedup();
        let said = |trace: &Self, path: &String| trace.0.get(path).map_or("absent", String::as_str).to_owned();
        let differs = paths.into_iter().filter(|path| self.0.get(*path) != other.0.get(*path));
        differs.map(|path| format!("/{path}: {} / {}", said(self, path), said(other, path))).collect()
    }

    /// Asserts that the other is the same, and says where it is not.
    pub fn assert_same(&self, other: &Self, what: &str) {
        let differences = self.differences(other);
        assert!(differences.is_empty(), "{what}; left out: {OWN:?}, {NOISE:?}\n{}", differences.join("\n"));
    }
}

/// Files below a directory that hold a text, Fitout's own included and programs of the distribution left out, relative to it.
pub fn holders(root: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    walk(root, &["usr"], |path, name, meta| {
        if meta.is_file() && String::from_utf8_lossy(&fs::read(path).unwrap()).contains(text) {
            found.push(name);
        }
    });
    found
}

/// Content, mode and owner of everything but logs, caches, backups and Fitout's own files; no times.
pub fn canonical(root: &Path) -> Trace {
    trace(root, &[OWN.as_slice(), NOISE.as_slice()].concat(), |_| String::new())
}

/// Names of Fitout's own files, sorted, those of single runs left out: what a cut leaves over shows.
pub fn own_names(root: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for own in OWN.iter().filter(|own| root.join(own).exists()) {
        walk(&root.join(own), &["runs"], |_, name, _| names.push(format!("{own}/{name}")));
    }
    names.sort();
    names
}

/// Mode, owner and path of everything in a folder of a root; digests and numbers in names, which differ from run to run, are `#`.
pub fn modes(root: &Path, folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    if root.join(folder).exists() {
        walk(&root.join(folder), &[], |_, name, meta| {
            let even = name.split_inclusive(['/', '.', '-']).map(even).collect::<String>();
            found.push(format!("{:o} {}:{} /{folder}/{even}", meta.mode() & 0o7777, meta.uid(), meta.gid()));
        });
    }
    found
}

fn even(part: &str) -> String {
    let (word, end) = part.split_at(part.trim_end_matches(['/', '.', '-']).len());
    let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let is_digest = word.len() >= 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_number || is_digest { format!("#{end}") } else { part.to_owned() }
}

/// What somebody may misuse: programs that run with their owner's rights, and files and folders that all may write to.
pub fn risks(root: &Path) -> Vec<String> {
    // setuid and setgid of a file; writable by all, in a folder without the sticky bit.
    let (rights, all, sticky) = (0o6000, 0o002, 0o1000);
    let mut found = Vec::new();
    walk(root, &["proc", "sys", "dev"], |_, name, meta| {
        let mode = meta.mode() & 0o7777;
        let has_rights = meta.is_file() && mode & rights != 0;
        let is_open = !meta.is_symlink() && mode & all != 0 && !(meta.is_dir() && mode & sticky != 0);
        if has_rights || is_open {
            found.push(format!("{mode:o} {}:{} /{name}", meta.uid(), meta.gid()));
        }
    });
    found.sort();
    found
}

/// Everything but Fitout's own files, with the times and the number of each file: any write shows.
pub fn exact(root: &Path) -> Trace {
    trace(root, &OWN, |meta| format!(" {}.{} {}.{} {}", meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec(), meta.ino()))
}

fn trace(root: &Path, without: &[&str], more: fn(&fs::Metadata) -> String) -> Trace {
    let mut found = BTreeMap::new();
    walk(root, without, |path, name, meta| {
        // A directory's times change when one of Fitout's own directories is made in it.
        let times = if meta.is_dir() { String::new() } else { more(meta) };
        found.insert(name, format!("{:o} {}:{} {}{times}", meta.mode(), meta.uid(), meta.gid(), holds(path, meta)));
    });
    Trace(found)
}

/// Calls for everything below a directory, links not followed: path, path relative to it, what is known of it.
fn walk(root: &Path, without: &[&str], mut call: impl FnMut(&Path, String, &fs::Metadata)) {
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            if without.contains(&name.as_str()) {
                continue;
            }
            let meta = fs::symlink_metadata(&path).unwrap();
            call(&path, name, &meta);
            if meta.is_dir() {
                folders.push(path);
            }
        }
    }
}

fn holds(path: &Path, meta: &fs::Metadata) -> String {
    if meta.is_symlink() {
        return format!("-> {}", fs::read_link(path).unwrap().display());
    }
    if meta.is_file() {
        return digest(path, meta);
    }
    String::from_utf8_lossy(path.file_name().unwrap().as_bytes()).into_owned()
}

/// The digest of a file's content; asked once of each state of a file, for most of a root never changes.
fn digest(path: &Path, meta: &fs::Metadata) -> String {
    /// Device, number, size, and the time of the last change of any kind.
    type State = (u64, u64, u64, i64, i64);
    static KNOWN: Mutex<BTreeMap<State, String>> = Mutex::new(BTreeMap::new());
    let state = (meta.dev(), meta.ino(), meta.size(), meta.ctime(), meta.ctime_nsec());
    if let Some(known) = KNOWN.lock().unwrap().get(&state) {
        return known.clone();
    }
    let digest = hex::encode(&Sha256::digest(fs::read(path).unwrap())[..8]);
    KNOWN.lock().unwrap().insert(state, digest.clone());
    digest
}
