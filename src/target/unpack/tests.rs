//! Trees from good archives, and hostile archives in every format: all are refused, and nothing outside of the tree changes.

mod arriving;
mod theirs;

use super::*;
use crate::model::{ByteSize, Sha256};
use crate::step::{Blob, Layer, Strip};
use crate::store::Store;
use crate::target::{Ground, Silent};
use ::tar::{Builder, EntryType, Header};
use ::zip::ZipWriter;
use ::zip::write::SimpleFileOptions;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// How an archive is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Tar,
    Gzip,
    Xz,
    Zstd,
    Bzip2,
    Zip,
    Deb,
}

use Format::{Bzip2, Deb, Gzip, Tar, Xz, Zip, Zstd};

const FORMATS: [Format; 7] = [Tar, Gzip, Xz, Zstd, Bzip2, Zip, Deb];

/// A name, what it is (a mode, its type included), and its content or target.
#[derive(Debug, Clone)]
struct Raw {
    name: Vec<u8>,
    kind: What,
}

#[derive(Debug, Clone)]
enum What {
    File(u32, Vec<u8>),
    Directory,
    Symlink(&'static str),
    Hardlink(&'static str),
    Device(u32),
}

fn raw(name: impl AsRef<[u8]>, kind: What) -> Raw {
    Raw { name: name.as_ref().to_vec(), kind }
}

fn file(name: impl AsRef<[u8]>) -> Raw {
    raw(name, What::File(0o644, b"x".to_vec()))
}

/// What each entry becomes in a tar archive: its header says what it wants, whatever sense that makes.
fn tarred(entries: &[Raw]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for Raw { name, kind } in entries {
        let mut header = Header::new_gnu();
        let (kind, mode, content, to) = match kind {
            What::File(mode, content) => (EntryType::Regular, *mode, content.as_slice(), None),
            What::Directory => (EntryType::Directory, 0o755, &b""[..], None),
            What::Symlink(to) => (EntryType::Symlink, 0o777, &b""[..], Some(*to)),
            What::Hardlink(to) => (EntryType::Link, 0o644, &b""[..], Some(*to)),
            What::Device(mode) => (device(*mode), *mode, &b""[..], None),
        };
        header.set_entry_type(kind);
        header.set_mode(mode & 0o7777);
        header.set_size(content.len() as u64);
        header.set_uid(1234);
        if let Some(to) = to {
            long(&mut builder, b'K', to.as_bytes());
            put(&mut header.as_old_mut().linkname, to.as_bytes());
        }
        long(&mut builder, b'L', name);
        put(&mut header.as_old_mut().name, name);
        header.set_cksum();
        builder.append(&header, content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn put(field: &mut [u8; 100], bytes: &[u8]) {
    let n = bytes.len().min(field.len());
    field[..n].copy_from_slice(&bytes[..n]);
}

/// GNU's way to write a long name.
fn long(builder: &mut Builder<Vec<u8>>, kind: u8, name: &[u8]) {
    if name.len() <= 100 {
        return;
    }
    let mut header = Header::new_gnu();
    put(&mut header.as_old_mut().name, b"././@LongLink");
    header.set_entry_type(EntryType::new(kind));
    header.set_size(name.len() as u64 + 1);
    header.set_cksum();
    builder.append(&header, [name, &b"\0"[..]].concat().as_slice()).unwrap();
}

fn device(mode: u32) -> EntryType {
    match mode & 0o170_000 {
        0o020_000 => EntryType::Char,
        0o060_000 => EntryType::Block,
        0o010_000 => EntryType::Fifo,
        _ => EntryType::new(b'?'),
    }
}

/// The same as a zip archive; `None` where a zip cannot say it (hard links).
fn zipped(entries: &[Raw]) -> Option<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut modes = Vec::new();
    for (n, Raw { name, kind }) in entries.iter().enumerate() {
        let is_bare = matches!(kind, What::Directory) && !name.ends_with(b"/");
        let name = &[name.as_slice(), if is_bare { b"/" } else { b"" }].concat();
        // A name of the same length that the writer takes; the real one is put in its place below.
        let stand_in = format!("{n:_<width$}", width = name.len());
        let (mode, content) = match kind {
            What::File(mode, content) => (0o100_000 | *mode, content.clone()),
            What::Directory => (0o040_755, Vec::new()),
            What::Symlink(to) => (0o120_777, to.as_bytes().to_vec()),
            What::Device(mode) => (*mode, Vec::new()),
            What::Hardlink(_) => return None,
        };
        zip.start_file(stand_in.clone(), SimpleFileOptions::default()).ok()?;
        zip.write_all(&content).ok()?;
        modes.push((stand_in, name.clone(), mode));
    }
    let mut bytes = zip.finish().ok()?.into_inner();
    for (stand_in, name, mode) in modes {
        let at: Vec<usize> = (0..bytes.len() - stand_in.len()).filter(|at| bytes[*at..].starts_with(stand_in.as_bytes())).collect();
        for at in at {
            let central = at >= 46 && bytes[at - 46..].starts_with(b"PK\x01\x02");
            if central {
                bytes[at - 46 + 5] = 3; // made on Unix, so that the mode counts
                bytes[at - 46 + 40..at - 46 + 42].copy_from_slice(&u16::try_from(mode).unwrap().to_le_bytes());
            }
            if central || (at >= 30 && bytes[at - 30..].starts_with(b"PK\x03\x04")) {
                bytes[at..at + name.len()].copy_from_slice(&name);
            }
        }
    }
    Some(bytes)
}

fn packed(entries: &[Raw], format: Format) -> Option<Vec<u8>> {
    if format == Zip { zipped(entries) } else { Some(pack(tarred(entries), format)) }
}

fn pack(tar: Vec<u8>, format: Format) -> Vec<u8> {
    match format {
        Tar | Zip => tar,
        Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&tar).unwrap();
            encoder.finish().unwrap()
        }
        Xz => {
            let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(0)).unwrap();
            encoder.write_all(&tar).unwrap();
            encoder.finish().unwrap()
        }
        Zstd => zstd::encode_all(tar.as_slice(), 1).unwrap(),
        Bzip2 => {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            encoder.write_all(&tar).unwrap();
            encoder.finish().unwrap()
        }
        Deb => packaged(&pack(tar, Xz)),
    }
}

/// A package of Debian's (deb(5)) whose files are these; its control part has an odd length, after which a byte is left out.
fn packaged(data: &[u8]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in [("debian-binary", b"2.0\n".as_slice()), ("control.tar.gz", b"odd"), ("data.tar.xz", data)] {
        writeln!(bytes, "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`", 0, 0, 0, 100_644, content.len()).unwrap();
        bytes.extend_from_slice(content);
        bytes.extend((content.len() % 2 == 1).then_some(b'\n'));
    }
    bytes
}

struct Bench {
    folder: tempfile::TempDir,
    machine: Machine,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("opt")).unwrap();
        fs::create_dir(folder.path().join("outside")).unwrap();
        fs::write(folder.path().join("outside/file"), "theirs").unwrap();
        fs::create_dir(root.join("etc")).unwrap();
        fs::write(root.join("etc/passwd"), "theirs").unwrap();
        let machine = Machine::open(&Ground::Root(root), Store::at(folder.path().join("store"))).unwrap();
        Self { folder, machine }
    }

    fn keep(&self, bytes: &[u8]) -> Blob {
        let mut file = self.machine.store.incoming().unwrap();
        file.write_all(bytes).unwrap();
        let sha256 = Sha256::of(bytes);
        self.machine.store.publish(file, &sha256).unwrap();
        Blob { url: "https://example.org/a".into(), sha256, size: Some(ByteSize(bytes.len() as u64)) }
    }

    fn unpack(&self, archives: Vec<Blob>, strip: &Strip) -> Result<(), String> {
        let layers = archives.into_iter().map(|archive| Layer { archive, strip: strip.clone() }).collect();
        let unpack = Unpack {
            into: TargetPath::parse("/opt/tree").unwrap(),
            layers,
            executable: vec!["bin".into()],
            links: vec![("lib64".into(), "lib".into())],
            unversioned: vec!["lib".into()],
            digest: Sha256::of(b"x"),
        };
        perform(&self.machine, &unpack, &Silent).map_err(|e| e.to_string())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("root/opt").join(name)
    }

    /// Everything but the store: path to kind, mode and content.
    fn all(&self) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.folder.path().join("root"), self.folder.path().join("outside")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let meta = fs::symlink_metadata(&path).unwrap();
                let content = if meta.is_file() { format!("{:?}", fs::read(&path).unwrap()) } else { String::new() };
                found.insert(path.clone(), format!("{:o} {content}", meta.mode()));
                if meta.is_dir() {
                    folders.push(path);
                }
            }
        }
        found
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn folder() -> Strip {
    Strip::Folder("n/cu".into())
}

#[test]
fn trees_are_whole_and_replaced() {
    for format in FORMATS {
        let bench = Bench::new();
        let one = [
            raw("n/cu/bin/tool", What::File(0o4644, b"1".to_vec())),
            raw("n/cu/lib/liba.so.1", What::File(0o6755, b"a".to_vec())),
            raw("n/cu/lib/b", What::Symlink("../bin/tool")),
            file("n/cux/no"),
            file("other"),
        ];
        let one = bench.keep(&packed(&one, format).unwrap());
        let two = bench.keep(&packed(&[file("n/cu/bin/tool"), raw("n/cu/bin/", What::Directory)], format).unwrap());
        fs::create_dir_all(bench.path(".tree.fitout-new/left")).unwrap();
        bench.unpack(vec![one, two.clone()], &folder()).unwrap();
        assert_eq!(fs::read(bench.path("tree/lib/b")).unwrap(), b"x", "{format:?}");
        assert_eq!((mode(&bench.path("tree/bin/tool")), mode(&bench.path("tree/lib64/liba.so.1"))), (0o755, 0o755));
        assert_eq!(fs::read_link(bench.path("tree/lib/liba.so")).unwrap(), Path::new("liba.so.1"));
        assert!(!bench.path("tree/no").exists() && !bench.path("tree/other").exists());
        bench.unpack(vec![two], &folder()).unwrap();
        assert!(!bench.path("tree/lib").exists());
        let names: Vec<_> = fs::read_dir(bench.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["tree"]);
    }
}

#[test]
fn the_one_folder_of_an_archive_is_stripped() {
    for format in FORMATS {
        let bench = Bench::new();
        let good = [raw("./a-1-archive/", What::Directory), raw("./a-1-archive/bin/tool", What::File(0o755, b"1".to_vec()))];
        bench.unpack(vec![bench.keep(&packed(&good, format).unwrap())], &Strip::Wrapper).unwrap();
        assert_eq!(fs::read(bench.path("tree/bin/tool")).unwrap(), b"1");
        let two = bench.keep(&packed(&[file("a/x"), file("b/x")], format).unwrap());
        assert!(bench.unpack(vec![two], &Strip::Wrapper).unwrap_err().contains("is not below a"));
    }
}

#[test]
fn hard_links_stay_one_file() {
    let bench = Bench::new();
    let archive = bench.keep(&tarred(&[file("n/cu/a"), raw("n/cu/b", What::Hardlink("n/cu/a"))]));
    bench.unpack(vec![archive], &folder()).unwrap();
    assert_eq!(fs::metadata(bench.path("tree/a")).unwrap().ino(), fs::metadata(bench.path("tree/b")).unwrap().ino());
}

#[test]
fn what_is_not_ours_stays() {
    let bench = Bench::new();
    fs::create_dir_all(bench.path("tree")).unwrap();
    fs::write(bench.path("tree/mine"), "mine").unwrap();
    let archive = bench.keep(&tarred(&[file("n/cu/a")]));
    let no = "something that Fitout did not make is there";
    assert!(bench.unpack(vec![archive.clone()], &folder()).unwrap_err().contains(no));
    let place = TargetPath::parse("/opt/tree").unwrap();
    assert!(remove(&bench.machine, &place, &Silent).unwrap_err().to_string().contains(no));
    assert_eq!(fs::read(bench.path("tree/mine")).unwrap(), b"mine");
    fs::remove_dir_all(bench.path("tree")).unwrap();
    bench.unpack(vec![archive], &folder()).unwrap();
    remove(&bench.machine, &place, &Silent).unwrap();
    assert!(fs::read_dir(bench.path("")).unwrap().next().is_none());
}

/// What a hostile archive holds, and what is said of it.
fn hostile() -> Vec<(Vec<Raw>, &'static str)> {
    let leaves = "leaves the tree";
    let link = "is a link that leaves the tree";
    let name = |name: &[u8], why| (vec![raw(name, What::File(0o644, b"x".to_vec()))], why);
    let to = |at: &'static str, to: &'static str, why| (vec![raw(at, What::Symlink(to))], why);
    let through = |to: &'static str, why| (vec![raw("n/cu/d", What::Symlink(to)), file("n/cu/d/x")], why);
    let deep = format!("n/cu/{}x", "d/".repeat(1000));
    let mut all = vec![
        name(b"/etc/x", leaves),
        name(b"//etc/x", leaves),
        name(b"../x", leaves),
        name(b"..", leaves),
        name(b"n/cu/../../../x", leaves),
        name(b"n/cu/..", leaves),
        name(b"n/cu/./x", leaves),
        name(b"n/cu//x", leaves),
        name(b"./../x", leaves),
        name(b".//etc/x", leaves),
        name(b"n\\cu\\x", leaves),
        name(b"..\\x", leaves),
        name(b"C:\\x", leaves),
        name(b"n/cu/x\ny", "control character"),
        name(b"n/cu/\x1b[2Jx", "control character"),
        name(b"n/cu/x\x7f", "control character"),
        name(b"n/cu/\xff\xfe", "not UTF-8"),
        name(b"n/cu/\xed\xa0\x80", "not UTF-8"),
        name(deep.as_bytes(), "too deep"),
        name(format!("n/cu/{}", "a".repeat(256)).as_bytes(), "too long"),
        name(format!("n/cu/{}", "a/".repeat(2000)).as_bytes(), "too long"),
        name(b"n/cu/.fitout.json", "Fitout's own mark"),
        to("n/cu/x", "/etc/passwd", link),
        to("n/cu/x", "../x", link),
        to("n/cu/d/x", "../../x", link),
        to("n/cu/d/x", "../d/../../x", link),
        to("n/cu/x", "a/../../x", link),
        to("n/cu/x", "./..", link),
        to("n/cu/x", "a\nb", "no usable target"),
        to("n/cu/x", "", "no usable target"),
        through(".", "below something that is no directory"),
        through("d", "below something that is no directory"),
        through("/etc", link),
        through("../../outside", link),
        (vec![raw("n/cu/d", What::Symlink(".")), raw("n/cu/d/d", What::Directory)], "below something that is no directory"),
        (vec![raw("n/cu/a", What::Symlink("b")), raw("n/cu/b", What::Symlink("a")), file("n/cu/a/x")], "no directory"),
        (vec![file("n/cu/x"), file("n/cu/x")], "is there twice"),
        (vec![file("n/cu/x"), file("n/cu/x/y")], "below something that is no directory"),
        (vec![file("n/cu/x"), raw("n/cu/x", What::Symlink("y"))], "is there twice"),
        (vec![raw("n/cu/x", What::Symlink("y")), file("n/cu/x")], "is there twice"),
        (vec![raw("n/cu/d/", What::Directory), raw("n/cu/d", What::Symlink("y"))], "takes the place of a directory"),
        (vec![file("n/cu/d/x"), file("n/cu/d")], "takes the place of a directory"),
        (vec![raw("n/cu/d", What::Symlink("y")), raw("n/cu/d/", What::Directory)], "takes the place of a file or a link"),
    ];
    for kind in [0o020_644, 0o060_644, 0o010_644, 0o140_644] {
        all.push((vec![raw("n/cu/x", What::Device(kind))], "neither a file, a directory nor a link"));
    }
    all
}

/// What only tar can say.
fn hostile_tar() -> Vec<(Vec<Raw>, &'static str)> {
    let no = "is a hard link to something that is no file of the archive";
    let to = |to: &'static str, why| (vec![file("n/cu/a"), raw("n/cu/x", What::Hardlink(to))], why);
    vec![
        to("/etc/passwd", "leaves the tree"),
        to("../etc/passwd", "leaves the tree"),
        to("n/cu/absent", no),
        to("etc/passwd", no),
        to("n/cu/x", no),
        (vec![raw("n/cu/s", What::Symlink("a")), raw("n/cu/x", What::Hardlink("n/cu/s"))], no),
        (vec![raw("n/cu/d", What::Directory), raw("n/cu/x", What::Hardlink("n/cu/d"))], no),
    ]
}

#[test]
fn hostile_archives_are_refused_in_every_format() {
    let mut refused = 0;
    let mut check = |entries: &[Raw], why: &str, format: Format| {
        let Some(bytes) = packed(entries, format) else { return };
        let bench = Bench::new();
        let archive = bench.keep(&bytes);
        let before = bench.all();
        let error = bench.unpack(vec![archive], &folder()).expect_err(why);
        assert!(error.contains(why), "{format:?}: {error}\nwanted: {why}");
        fs::remove_dir_all(bench.path(".tree.fitout-new")).ok();
        assert_eq!(before, bench.all(), "{format:?} {why}");
        refused += 1;
    };
    let (all, tar) = (hostile(), hostile_tar());
    assert!(all.len() >= 40);
    for format in FORMATS {
        for (entries, why) in &all {
            check(entries, why, format);
        }
    }
    for format in FORMATS.into_iter().filter(|format| *format != Zip) {
        for (entries, why) in &tar {
            check(entries, why, format);
        }
    }
    assert_eq!(refused, all.len() * 7 + tar.len() * 6);
}

#[test]
fn bombs_are_refused() {
    for format in FORMATS.into_iter().filter(|format| *format != Tar) {
        for entry in ["n/cu/x", "elsewhere"] {
            let bench = Bench::new();
            let bomb = bench.keep(&packed(&[raw(entry, What::File(0o644, vec![0; 100 << 20]))], format).unwrap());
            let error = bench.unpack(vec![bomb], &folder()).unwrap_err();
            assert!(error.contains("unpacks to more than"), "{format:?}: {error}");
        }
    }
}

#[test]
fn broken_streams_are_refused() {
    let good = tarred(&[file("n/cu/a"), raw("n/cu/b", What::File(0o644, vec![7; 5000]))]);
    let said = |bytes: &[u8]| {
        let bench = Bench::new();
        let archive = bench.keep(bytes);
        let said = bench.unpack(vec![archive], &folder()).expect_err("refused");
        assert!(!bench.path("tree").exists());
        said
    };
    for format in FORMATS.into_iter().filter(|format| *format != Zip) {
        let whole = pack(good.clone(), format);
        said(&whole[..whole.len() / 2]);
        said(&pack(good[..1024].to_vec(), format));
        said(&pack(good[..good.len() - 5120].to_vec(), format));
        let junk = said(&pack([good.as_slice(), b"junk"].concat(), format));
        assert!(junk.contains("something follows its end"), "{junk}");
    }
    let zip = zipped(&[file("n/cu/a")]).unwrap();
    said(&zip[..zip.len() - 4]);
    assert!(said(b"#!/bin/sh\nexit 0\n").contains("no archive that Fitout knows"));
    assert!(said(b"").contains("no archive that Fitout knows"));
    let mut sum = good.clone();
    sum[0] ^= 1;
    said(&sum);
}

#[test]
fn sparse_files_and_decoders_that_take_much_memory_are_refused() {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNUSparse);
    put(&mut header.as_old_mut().name, b"n/cu/x");
    header.set_size(0);
    header.as_gnu_mut().unwrap().realsize[..11].copy_from_slice(b"77777777777");
    header.set_cksum();
    let mut builder = Builder::new(Vec::new());
    builder.append(&header, &b""[..]).unwrap();
    let bench = Bench::new();
    let error = bench.unpack(vec![bench.keep(&builder.into_inner().unwrap())], &folder()).unwrap_err();
    assert!(error.contains("sparse"), "{error}");
    for (key, value, why) in [("GNU.sparse.major", "1", "sparse"), ("size", "7", "second size"), ("path", "../x", "leaves the tree")] {
        let mut builder = Builder::new(Vec::new());
        builder.append_pax_extensions([(key, value.as_bytes())]).unwrap();
        let mut header = Header::new_gnu();
        put(&mut header.as_old_mut().name, b"n/cu/x");
        header.set_size(0);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, &b""[..]).unwrap();
        let error = bench.unpack(vec![bench.keep(&builder.into_inner().unwrap())], &folder()).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    let mut builder = Builder::new(Vec::new());
    let name = vec![b'a'; 100_000];
    long(&mut builder, b'L', &name);
    let error = bench.unpack(vec![bench.keep(&builder.into_inner().unwrap())], &folder()).unwrap_err();
    assert!(error.contains("extension of a header\" is too long"), "{error}");

    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(31).unwrap();
    encoder.long_distance_matching(true).unwrap();
    encoder.write_all(&vec![1; 1 << 20]).unwrap();
    let error = bench.unpack(vec![bench.keep(&encoder.finish().unwrap())], &folder()).unwrap_err();
    assert!(error.contains("memory"), "{error}");
    let mut options = lzma_rust2::XzOptions::with_preset(0);
    options.lzma_options.dict_size = 512 << 20;
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    encoder.write_all(&tarred(&[file("n/cu/a")])).unwrap();
    let error = bench.unpack(vec![bench.keep(&encoder.finish().unwrap())], &folder()).unwrap_err();
    assert!(error.contains("memory"), "{error}");
}

/// How often somebody swaps a directory of the tree for a link while it is unpacked.
const SWAPS: usize = 10_000;

#[test]
fn nobody_leads_the_work_out_of_the_tree() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let bench = Bench::new();
    let before = fs::read(bench.folder.path().join("outside/file")).unwrap();
    let entries: Vec<Raw> = (0..300).map(|n| file(format!("n/cu/d/{n}"))).collect();
    let archive = bench.keep(&tarred(&entries));
    let (fresh, outside) = (bench.path(".tree.fitout-new"), bench.folder.path().join("outside"));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..SWAPS {
                if fs::rename(fresh.join("d"), fresh.join("e")).is_ok() {
                    symlink(&outside, fresh.join("d")).ok();
                    fs::remove_file(fresh.join("d")).ok();
                    fs::rename(fresh.join("e"), fresh.join("d")).ok();
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        while !done.load(Ordering::Relaxed) {
            // Whether it works is a matter of luck; where it writes is not.
            bench.unpack(vec![archive.clone()], &folder()).ok();
        }
    });
    let there: Vec<_> = fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(there, ["file"]);
    assert_eq!(fs::read(outside.join("file")).unwrap(), before);
}
