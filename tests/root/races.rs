//! Whoever owns a directory may put a link in its place at any moment: what Fitout does there as root must not be done where the link leads.

use crate::support::{Root, exact};
use fitout::model::{Meta, Mode, Owner, TargetPath, UserName};
use fitout::step::{Content, Op};
use fitout::store::Store;
use fitout::target::{Ground, Machine, Progress, Target};
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use std::fs;
use std::os::unix::fs::{chown, lchown, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// How many things are done while directories are swapped for links.
const ROUNDS: usize = 10_000;
/// The person who does it.
const ADA: u32 = 1000;

/// Nobody listens.
struct Unheard;

impl Progress for Unheard {
    fn line(&self, _: &str) {}
    fn advance(&self, _: u64, _: u64) {}
    fn must_end(&self) -> Option<String> {
        None
    }
}

/// Everything that is done to a path, in a directory of a person's and further down in it.
fn ops(folder: &str, round: usize) -> Op {
    let meta = || Meta { mode: Mode::FILE, owner: Owner::User(UserName::parse("ada").unwrap()) };
    let at = |name: &str| TargetPath::parse(&format!("{folder}/{name}")).unwrap();
    let write = |path: TargetPath| Op::WriteFile {
        path,
        content: Content::Inline(format!("{round}\n").into()),
        meta: meta(),
        proof: None,
        read_by: Vec::new(),
    };
    match round % 8 {
        0 | 1 => write(at("first.txt")),
        2 => write(at("deep/er/second.txt")),
        3 => Op::MakeDirectory { path: at("made/deep"), meta: Meta { mode: Mode::PRIVATE_DIRECTORY, ..meta() } },
        4 => Op::SetMeta { path: at("passwd"), meta: meta() },
        5 => Op::MakeSymlink { path: at("link"), to: "anywhere".into() },
        6 => Op::Remove { path: at("shadow"), proof: None },
        _ => Op::RemoveTree { path: at("cron.d") },
    }
}

/// A folder of the person's, and beside it a link of the person's to where only root may write.
fn prepare(root: &Root, folder: &str, to: &str) {
    let real = root.at(folder);
    fs::create_dir_all(&real).unwrap();
    fs::write(real.join("passwd"), "theirs\n").unwrap();
    for theirs in [real.clone(), real.join("passwd")] {
        chown(theirs, Some(ADA), Some(ADA)).unwrap();
    }
    let link = real.with_extension("link");
    symlink(to, &link).unwrap();
    lchown(link, Some(ADA), Some(ADA)).unwrap();
}

fn swap(real: &Path) {
    renameat2(AT_FDCWD, real, AT_FDCWD, &real.with_extension("link"), RenameFlags::RENAME_EXCHANGE).unwrap();
}

#[test]
fn ten_thousand_swaps_lead_nowhere() {
    // In the home, in a cache, in a directory that something is mounted on; by absolute and by climbing links, into and out of the root.
    let outside = tempfile::tempdir().unwrap();
    let climbing = format!("../../../../../../../../../..{}", outside.path().display());
    let places = [
        ("/home/ada/notes", "/etc"),
        ("/home/ada/.ssh", "../../etc"),
        ("/var/cache/ada", "/etc"),
        ("/mnt/ada/data", climbing.as_str()),
        ("/srv/ada", outside.path().to_str().unwrap()),
    ];
    let root = Root::bare();
    for victim in ["shadow", "cron.d/job", "first.txt"] {
        root.write(&format!("/etc/{victim}"), "root's\n");
        fs::create_dir_all(outside.path().join("cron.d")).unwrap();
        fs::write(outside.path().join(victim), "the host's\n").unwrap();
    }
    for (folder, to) in places {
        prepare(&root, folder, to);
    }
    let victims = [root.at("/etc"), outside.path().to_owned()];
    let before = victims.each_ref().map(|victim| exact(victim));
    let machine = Machine::open(&Ground::Root(root.path().to_owned()), Store::at(outside.path().join("no-store"))).unwrap();
    let over = AtomicBool::new(false);
    let (mut done, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        for (folder, _) in places {
            let (real, over) = (root.at(folder), &over);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    swap(&real);
                    std::thread::yield_now();
                }
            });
        }
        for round in 0..ROUNDS {
            match machine.perform(&ops(places[round % places.len()].0, round / places.len()), &Unheard) {
                Ok(()) => done += 1,
                Err(_) => refused += 1,
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    for (was, victim) in before.iter().zip(&victims) {
        was.assert_same(&exact(victim), &format!("something was done in {}", victim.display()));
    }
    assert!(done > ROUNDS / 20 && refused > ROUNDS / 20, "{done} were done and {refused} refused: was anything swapped?");
}
