//! One function for each thing that Fitout parses and somebody else may have written: any bytes at all go in, and it must end without a
//! panic. What more must hold of an answer, the function asserts.
//!
//! `tests/fuzz.rs` replays `fuzz/corpus` and mutations of it with every `cargo test`; `make soak` does that for longer. With a nightly
//! compiler, `fuzz_target!(|data: &[u8]| targets::manifest(data))` makes a target of cargo-fuzz of each.

use fitout::agent::Page;
use fitout::apply::RunReport;
use fitout::datasource::read_volume;
use fitout::image::{RawDisk, writer};
use fitout::journal::Snapshot;
use fitout::manifest::{ImageFormat, MemoryFiles, Sheets, Source, Stand, from_azure, load, load_image};
use fitout::model::{ByteSize, TargetPath};
use fitout::resolve::{Foreign, read_foreign};
use fitout::session::{Approved, foresee};
use fitout::step::Visit;
use fitout::target::{CheckVerdict, Document, Packages, Records, Verdict, policy_gaps, read_ledger, seal, unseal};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs::File;
use std::io::Cursor;
use std::os::unix::fs::FileExt;

/// A target, by the name of its corpus.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 14] = [
    ("manifest", manifest),
    ("overlay", overlay),
    ("image", image),
    ("azure", azure),
    ("state", state),
    ("reports", reports),
    ("sshd", sshd),
    ("dpkg", dpkg),
    ("media", media),
    ("environment", environment),
    ("requirements", requirements),
    ("redistrib", redistrib),
    ("ledger", ledger),
    ("disk", disk),
];

fn source(text: &str) -> Source {
    Source { name: "any.yaml".into(), text: text.into() }
}

/// A manifest: good, or refused with problems that can be shown.
pub fn manifest(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    told(&Sheets::new(source(&text)));
}

fn told(sheets: &Sheets) {
    let files = MemoryFiles(BTreeMap::from([("part.yaml".to_owned(), sheets.manifest.text.clone().as_bytes().to_vec())]));
    match load(sheets, files).and_then(|manifest| foresee(&manifest).map(|()| manifest)) {
        Ok(manifest) => drop(manifest.fields()),
        Err(rejected) => assert!(!rejected.problems.is_empty() && !rejected.to_string().is_empty()),
    }
}

/// What differs on one machine, over a manifest that includes; parted by the first line `%`.
pub fn overlay(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (base, over) = text.split_once("\n%\n").unwrap_or((&text, "include: [part.yaml]\n"));
    let machine = Some(Source { name: "machine.yaml".into(), text: over.into() });
    let settings = over.lines().filter_map(|line| line.split_once('=')).map(|(path, value)| (path.to_owned(), value.to_owned()));
    told(&Sheets { settings: settings.take(4).collect(), machine, ..Sheets::new(source(base)) });
}

/// An image definition.
pub fn image(data: &[u8]) {
    load_image(&source(&String::from_utf8_lossy(data))).map(drop).unwrap_or_default();
}

/// What Azure's tools write, YAML or JSON: what is made of it is a manifest.
pub fn azure(data: &[u8]) {
    let files = MemoryFiles::default();
    if let Ok(draft) = from_azure(&source(&String::from_utf8_lossy(data)), Stand { name: "lab.yaml", home: None }, &files) {
        assert!(!format!("{draft:?}").is_empty());
    }
}

/// What Fitout keeps on a machine. What is read, is written and read again as the same.
pub fn state(data: &[u8]) {
    same::<Records>(data);
    same::<Verdict>(data);
    same::<CheckVerdict>(data);
}

fn same<D: Document + PartialEq + Debug>(data: &[u8]) {
    let Ok(path) = TargetPath::parse("/state.json") else { return };
    let Ok(read) = unseal::<D>(&path, data) else { return };
    let again = seal(&read).ok().and_then(|bytes| unseal::<D>(&path, &bytes).ok());
    assert_eq!(again.as_ref(), Some(&read));
}

/// Documents that verbs read: reports of runs, the agent's page, saved plans and states.
pub fn reports(data: &[u8]) {
    serde_json::from_slice::<RunReport>(data).map(drop).unwrap_or_default();
    serde_json::from_slice::<Page>(data).map(drop).unwrap_or_default();
    serde_json::from_slice::<Approved>(data).map(drop).unwrap_or_default();
    serde_json::from_slice::<Snapshot>(data).map(drop).unwrap_or_default();
}

/// The answer of `sshd -T`: a policy holds only where it says every word of it.
pub fn sshd(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let expect = BTreeMap::from([("passwordauthentication".to_owned(), "no".to_owned()), ("allowusers".to_owned(), "ada".to_owned())]);
    if policy_gaps(&text, &[Visit::of("ada")], &expect, &[]).is_empty() {
        assert!(text.contains("passwordauthentication no") && text.contains("allowusers ada"));
    }
}

/// dpkg's database.
pub fn dpkg(data: &[u8]) {
    let packages = Packages::parse(&String::from_utf8_lossy(data));
    assert!(packages.installed.keys().all(|name| !name.is_empty()));
}

/// A medium that a hypervisor attaches.
pub fn media(data: &[u8]) {
    read_volume(&mut Cursor::new(data), &["meta-data", "user-data"]).map(drop).unwrap_or_default();
}

/// A manifest whose only environment is made from these files.
fn from(from: &str, files: &[(&str, &[u8])]) {
    let files = files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
    let text = format!("conda: {{prefix: /anaconda}}\nenvironments: [{{name: lab, from: {from}}}]\n");
    if let Err(rejected) = load(&Sheets::new(source(&text)), MemoryFiles(files)).and_then(|manifest| foresee(&manifest)) {
        assert!(!rejected.problems.is_empty() && !rejected.to_string().is_empty());
    }
}

/// An `environment.yml`, an explicit list, or a lock of conda's, as `validate` and as the resolution read it.
pub fn environment(data: &[u8]) {
    from("{conda: any.yml}", &[("any.yml", data)]);
    read_foreign(Foreign::Environment, &String::from_utf8_lossy(data)).map(drop).unwrap_or_default();
}

/// A `requirements.txt` or a `pylock.toml`, as either, and a lock as uv writes it.
pub fn requirements(data: &[u8]) {
    for name in ["any.txt", "pylock.toml"] {
        from(&format!("{{python: \"3.11\", requirements: {name}}}"), &[(name, data)]);
    }
    read_foreign(Foreign::PythonLock, &String::from_utf8_lossy(data)).map(drop).unwrap_or_default();
}

/// NVIDIA's list of a release: what is downloaded by it is below where the list is.
pub fn redistrib(data: &[u8]) {
    if let Ok(addresses) = read_foreign(Foreign::Redistrib, &String::from_utf8_lossy(data)) {
        assert!(addresses.iter().all(|address| address.starts_with("https://developer.download.nvidia.com/compute/cuda/redist/")));
    }
}

/// The ledger of what was written, which a crash may have torn: only whole lines count.
pub fn ledger(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    assert!(read_ledger(&text).len() <= text.lines().count());
}

/// A disk of these bytes, some way into it and at its end, in each format: what is read back of it is the disk.
pub fn disk(data: &[u8]) {
    const SIZE: u64 = 64 << 20;
    let data = &data[..data.len().min(2048)];
    let folder = tempfile::tempdir().unwrap();
    let raw = RawDisk { path: folder.path().join("disk"), size: ByteSize(SIZE), id: "disk".into() };
    let file = File::create(&raw.path).unwrap();
    file.set_len(SIZE).unwrap();
    let middle = data.iter().fold(0, |sum: u64, byte| (sum * 31 + u64::from(*byte)) % (SIZE / 2));
    for at in [middle, SIZE - data.len() as u64] {
        file.write_all_at(data, at).unwrap();
    }
    for (format, read) in [(ImageFormat::Vhd, vhd as fn(&File, u64, &mut [u8])), (ImageFormat::Qcow2, qcow2)] {
        let out = folder.path().join(writer(format).extension());
        writer(format).write(&raw, &out).unwrap();
        let out = File::open(out).unwrap();
        for at in [0, middle, SIZE - data.len() as u64] {
            let (mut read_back, mut there) = (vec![0; data.len()], vec![0; data.len()]);
            read(&out, at, &mut read_back);
            file_of(&raw).read_exact_at(&mut there, at).unwrap();
            assert_eq!(read_back, there, "{format:?} at {at}");
        }
    }
}

fn file_of(raw: &RawDisk) -> File {
    File::open(&raw.path).unwrap()
}

/// Reads a fixed VHD, whose footer must be whole.
fn vhd(file: &File, at: u64, bytes: &mut [u8]) {
    let mut footer = [0; 512];
    file.read_exact_at(&mut footer, file.metadata().unwrap().len() - 512).unwrap();
    assert!(footer.starts_with(b"conectix"));
    let sum: u32 = footer.iter().enumerate().filter(|(n, _)| !(64..68).contains(n)).map(|(_, byte)| u32::from(*byte)).sum();
    assert_eq!(footer[64..68], (!sum).to_be_bytes());
    file.read_exact_at(bytes, at).unwrap();
}

/// Reads a qcow2 by its two tables.
fn qcow2(file: &File, at: u64, bytes: &mut [u8]) {
    const CLUSTER: u64 = 1 << 16;
    let number = |at: u64| {
        let mut bytes = [0; 8];
        file.read_exact_at(&mut bytes, at).unwrap();
        u64::from_be_bytes(bytes)
    };
    let place = |entry: u64| entry & 0x00ff_ffff_ffff_fe00;
    let first = number(40);
    for (byte, at) in bytes.iter_mut().zip(at..) {
        let table = place(number(first + at / CLUSTER / (CLUSTER / 8) * 8));
        let cluster = if table == 0 { 0 } else { place(number(table + at / CLUSTER % (CLUSTER / 8) * 8)) };
        if cluster != 0 {
            file.read_exact_at(std::slice::from_mut(byte), cluster + at % CLUSTER).unwrap();
        }
    }
}
