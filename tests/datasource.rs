//! Seeds as hypervisors' tools make them, read from real media; and media that were made to hurt.

#![cfg(test)]
#![expect(clippy::disallowed_methods, clippy::print_stderr, reason = "tests run tools of the host, and say what they skip")]

use fitout::datasource::{self, NoCloud, read_volume};
use fitout::model::TargetPath;
use fitout::store::Store;
use fitout::target::{Ground, Machine, Target};
use proptest::prelude::*;
use std::fs;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::Command;

const WANTED: [&str; 2] = ["meta-data", "user-data"];
const META: &str = "instance-id: i-42\nlocal-hostname: lab-b.example.org\n";
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAID3/67h+KBwjPYocN9oUXVSz+aBd+xkSQxzYP3GmPg4Q alice@example.org";

fn user_data() -> String {
    format!("#cloud-config\nusers:\n  - default\n  - name: alice\n    ssh_authorized_keys:\n      - {KEY}\n# {}\n", "x".repeat(5000))
}

fn seed_folder(at: &Path) {
    fs::write(at.join("meta-data"), META).unwrap();
    fs::write(at.join("user-data"), user_data()).unwrap();
}

/// Runs a tool of the host; `false`, said aloud, where it is not installed.
fn tool(argv: &[&str]) -> bool {
    match Command::new(argv[0]).args(&argv[1..]).output() {
        Ok(output) if output.status.success() => true,
        Ok(output) => panic!("{argv:?}: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => {
            eprintln!("SKIPPED: {} cannot be run here: {error}", argv[0]);
            false
        }
    }
}

/// Makes a medium from a seed folder with the tool that is asked for; `None` where that tool is not installed.
fn medium(folder: &Path, kind: &str) -> Option<Vec<u8>> {
    let image = folder.join("seed.img");
    let (image_text, meta, user) = (image.to_str().unwrap(), folder.join("meta-data"), folder.join("user-data"));
    let (meta, user) = (meta.to_str().unwrap(), user.to_str().unwrap());
    let made = match kind {
        "rock ridge" => tool(&["genisoimage", "-quiet", "-output", image_text, "-volid", "cidata", "-rock", user, meta]),
        "joliet" => tool(&["genisoimage", "-quiet", "-output", image_text, "-volid", "CIDATA", "-joliet", user, meta]),
        "xorriso" => tool(&["xorriso", "-as", "mkisofs", "-o", image_text, "-V", "cidata", "-J", "-r", user, meta]),
        fat => {
            let blocks = if fat == "32" {
                "40000"
            } else if fat == "16" {
                "16384"
            } else {
                "1024"
            };
            tool(&["mkfs.vfat", "-F", fat, "-n", "CIDATA", "-C", image_text, blocks])
                && tool(&["mcopy", "-i", image_text, user, meta, "::"])
        }
    };
    made.then(|| fs::read(&image).unwrap())
}

#[test]
fn reads_media_of_every_kind() {
    for kind in ["rock ridge", "joliet", "xorriso", "12", "16", "32"] {
        let folder = tempfile::tempdir().unwrap();
        seed_folder(folder.path());
        let Some(bytes) = medium(folder.path(), kind) else { continue };
        let volume = read_volume(&mut Cursor::new(bytes), &WANTED).unwrap().unwrap_or_else(|| panic!("{kind}: not recognised"));
        assert!(volume.label.eq_ignore_ascii_case("cidata"), "{kind}: {}", volume.label);
        assert_eq!(volume.files["meta-data"], META.as_bytes(), "{kind}");
        assert_eq!(volume.files["user-data"], user_data().as_bytes(), "{kind}");
    }
}

/// What comes of a seed in the folder that stands for a volume.
fn said(meta: &str, user: &str) -> datasource::Overlay {
    use datasource::Datasource;
    let root = tempfile::tempdir().unwrap();
    let machine = Machine::open(&Ground::Root(root.path().to_owned()), Store::at(root.path().join("store"))).unwrap();
    for (name, text) in [("meta-data", meta), ("user-data", user)] {
        let path = TargetPath::parse(&format!("/var/lib/cloud/seed/nocloud/{name}")).unwrap();
        machine.keep(&path, text.as_bytes()).unwrap();
    }
    NoCloud::default().fetch(&machine).unwrap().unwrap()
}

#[test]
fn a_cloud_config_names_the_owner_and_the_keys() {
    let overlay = said(META, &user_data());
    assert_eq!(overlay.warnings, Vec::<String>::new());
    assert_eq!(overlay.instance.as_deref(), Some("i-42"));
    insta::assert_snapshot!(overlay.to_yaml().replace(KEY, "KEY"), @r##"
    # Written by `fitout agent` at each start, from NoCloud at /var/lib/cloud/seed/nocloud. Edits are lost, unless this line is removed.
    name: "lab-b"
    user: {"authorized_keys":["KEY"],"name":"alice"}
    "##);
}

#[test]
fn a_fragment_selects_and_never_elevates() {
    let user = format!(
        "#fitout\nname: lab-c\nuser:\n  name: bob\n  sudo: true\n  authorized_keys: [\"{KEY}\", /etc/shadow]\n\
         setup_scripts: {{startup_script: {{inline: \"id\"}}}}\nnetwork: {{mirrors: {{pypi: \"https://pypi.example.org/simple\"}}}}\n"
    );
    let overlay = said("", &user);
    insta::assert_snapshot!(overlay.to_yaml().replace(KEY, "KEY") + &overlay.warnings.join("\n"), @r##"
    # Written by `fitout agent` at each start, from NoCloud at /var/lib/cloud/seed/nocloud. Edits are lost, unless this line is removed.
    name: "lab-c"
    network: {"mirrors":{"pypi":"https://pypi.example.org/simple"}}
    user: {"authorized_keys":["KEY"],"name":"bob"}
    user-data:7:1: `setup_scripts` is not taken: only the installed manifest may say that
    user-data:5:3: `user.sudo` is not taken: only the installed manifest may say that
    not a public key on one line (length invalid): /etc/shadow
    "##);
}

#[test]
fn odd_user_data_is_left_alone_with_a_word() {
    for user in ["#!/bin/sh\nid\n", "#fitout\n{", "#fitout\nname: [a]\nuser: {name: root}\n"] {
        let overlay = said("instance-id: i-1\n", user);
        assert!(overlay.is_empty() && !overlay.warnings.is_empty(), "{user}: {overlay:?}");
    }
}

proptest! {
    /// Whatever a medium holds, reading it ends, with an answer or an error.
    #[test]
    fn damaged_media_are_survived(kind in 0..4_usize, damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40)) {
        let bytes = &*SMALL[kind];
        if !bytes.is_empty() {
            let mut bytes = bytes.clone();
            // What matters of a seed stands in its first sectors; the rest is mostly zero.
            let end = bytes.len().min(80_000);
            for (at, value) in damage {
                bytes[at.index(end)] = value;
            }
            read_volume(&mut Cursor::new(bytes), &WANTED).ok();
        }
    }
}

/// One small medium of each layout; empty where its tool is not installed.
static SMALL: [std::sync::LazyLock<Vec<u8>>; 4] = [
    std::sync::LazyLock::new(|| small("rock ridge")),
    std::sync::LazyLock::new(|| small("joliet")),
    std::sync::LazyLock::new(|| small("12")),
    std::sync::LazyLock::new(|| small("16")),
];

fn small(kind: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    seed_folder(folder.path());
    medium(folder.path(), kind).unwrap_or_default()
}

/// A medium that counts what is read from it.
struct Counted(Cursor<Vec<u8>>, usize);

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(into)?;
        self.1 += read;
        Ok(read)
    }
}

impl Seek for Counted {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn a_file_that_is_there_many_times_is_read_once() {
    const CLUSTERS: u16 = 20;
    let mut disk = vec![0; 2880 * 512];
    let mut put = |at: usize, bytes: &[u8]| disk[at..at + bytes.len()].copy_from_slice(bytes);
    // Sectors of 512 bytes, one to a cluster and one before the only table, 512 entries in the root, 2880 sectors in all, 9 of them the table.
    put(11, &[0, 2, 1, 1, 0, 1, 0, 2, 0x40, 0x0b, 0xf0, 9, 0]);
    put(510, &[0x55, 0xaa]);
    for cluster in (2..2 + CLUSTERS).step_by(2) {
        // Two entries of twelve bits in three bytes: each leads to the next.
        let pair = u32::from(cluster + 1) | u32::from(cluster + 2) << 12;
        put(512 + usize::from(cluster) * 3 / 2, &pair.to_le_bytes()[..3]);
    }
    let mut entry = [0; 32];
    entry[..11].copy_from_slice(b"A          ");
    entry[26..28].copy_from_slice(&2_u16.to_le_bytes());
    entry[28..32].copy_from_slice(&(u32::from(CLUSTERS) * 512).to_le_bytes());
    (0..512).for_each(|number| put(10 * 512 + number * 32, &entry));
    let mut medium = Counted(Cursor::new(disk), 0);
    let volume = read_volume(&mut medium, &["a"]).unwrap().unwrap();
    assert_eq!(volume.files["a"].len(), usize::from(CLUSTERS) * 512);
    assert!(medium.1 < 100_000, "{} bytes were read", medium.1);
}
