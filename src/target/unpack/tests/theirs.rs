//! What people put into a tree, or changed in it, when it is made anew or removed.

use super::super::remove;
use super::{Bench, Format, What, file, folder, packed, raw};
use crate::model::TargetPath;
use crate::target::{Depth, Inventory, Silent};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

fn tree() -> TargetPath {
    TargetPath::parse("/opt/tree").unwrap()
}

impl Bench {
    /// What was moved aside, by its path below the tree.
    fn aside(&self, number: u32, name: &str) -> Option<String> {
        fs::read_to_string(self.folder.path().join(format!("root/var/lib/fitout/aside/{number}/opt/tree/{name}"))).ok()
    }

    fn damage(&self, depth: Depth) -> Vec<String> {
        Inventory::read(&tree(), &self.machine).unwrap().unwrap().damage(&tree(), depth, &self.machine).unwrap()
    }
}

/// Dates a file as people's own work is: the kernel's clock for files stands still for some milliseconds, and a test is faster.
fn later(file: &fs::File) {
    file.set_modified(file.metadata().unwrap().modified().unwrap() + Duration::from_secs(5)).unwrap();
}

#[test]
fn what_people_added_goes_along_and_what_they_changed_is_kept_aside() {
    let bench = Bench::new();
    let archive = [raw("n/cu/bin/tool", What::File(0o755, b"1".to_vec())), file("n/cu/lib/liba.so.1"), file("n/cu/README")];
    let one = bench.keep(&packed(&archive, Format::Xz).unwrap());
    let two = bench.keep(&packed(&[file("n/cu/include/theirs.h"), file("n/cu/bin/tool")], Format::Xz).unwrap());
    bench.unpack(vec![one.clone()], &folder()).unwrap();
    assert_eq!((bench.damage(Depth::Quick), bench.damage(Depth::Full)), (Vec::new(), Vec::new()));

    fs::create_dir_all(bench.path("tree/samples/deep")).unwrap();
    fs::set_permissions(bench.path("tree/samples/deep"), fs::Permissions::from_mode(0o750)).unwrap();
    fs::create_dir(bench.path("tree/include")).unwrap();
    for (name, text) in [("samples/deep/a.cu", "mine"), ("include/theirs.h", "mine too"), ("README", "edited"), ("bin/tool", "2")] {
        fs::write(bench.path("tree").join(name), text).unwrap();
    }
    later(&fs::File::open(bench.path("tree/bin/tool")).unwrap());
    fs::remove_file(bench.path("tree/lib/liba.so.1")).unwrap();
    assert_eq!(bench.damage(Depth::Quick), ["README", "bin/tool", "lib/liba.so.1"]);
    let foreign = Inventory::read(&tree(), &bench.machine).unwrap().unwrap().foreign(&tree(), &bench.machine).unwrap();
    assert_eq!(foreign, ["include/theirs.h", "samples/deep/a.cu"]);

    bench.unpack(vec![one, two], &folder()).unwrap();
    assert_eq!(bench.damage(Depth::Full), Vec::<String>::new());
    let read = |name: &str| fs::read_to_string(bench.path("tree").join(name)).unwrap();
    assert_eq!((read("samples/deep/a.cu"), read("include/theirs.h"), read("README")), ("mine".into(), "x".into(), "x".into()));
    assert_eq!(fs::metadata(bench.path("tree/samples/deep")).unwrap().permissions().mode() & 0o777, 0o750);
    let aside = ["README", "bin/tool", "include/theirs.h", "lib/liba.so.1"].map(|name| bench.aside(1, name));
    assert_eq!(aside, [Some("edited".into()), Some("2".into()), Some("mine too".into()), None]);

    remove(&bench.machine, &tree(), &Silent).unwrap();
    assert_eq!(bench.aside(2, "samples/deep/a.cu").as_deref(), Some("mine"));
    assert!(!bench.path("tree").exists());
}

/// The inventory takes the digests of what was written; a later archive may put a file, a link or another name in the place of one.
#[test]
fn what_is_replaced_by_a_later_archive_is_known_as_it_is_in_the_end() {
    let bench = Bench::new();
    let early = ["n/cu/lib/file", "n/cu/lib/link", "n/cu/lib/name"].map(|name| raw(name, What::File(0o644, b"early".to_vec())));
    let late = [file("n/cu/lib/file"), raw("n/cu/lib/link", What::Symlink("file")), raw("n/cu/lib/name", What::Hardlink("n/cu/lib/file"))];
    let archives = [&early, &late].map(|entries| bench.keep(&packed(entries, Format::Tar).unwrap()));
    bench.unpack(archives.into(), &folder()).unwrap();
    assert_eq!(fs::read_to_string(bench.path("tree/lib/name")).unwrap(), "x");
    assert_eq!(bench.damage(Depth::Full), Vec::<String>::new());
}

/// Content that nobody would see without reading it: of the same size, and dated back.
#[test]
fn what_a_quick_look_misses_a_full_one_finds() {
    let bench = Bench::new();
    bench.unpack(vec![bench.keep(&packed(&[file("n/cu/bin/tool")], Format::Tar).unwrap())], &folder()).unwrap();
    let tool = fs::File::options().write(true).open(bench.path("tree/bin/tool")).unwrap();
    std::io::Write::write_all(&mut &tool, b"y").unwrap();
    later(&tool);
    assert_eq!(bench.damage(Depth::Quick), ["bin/tool"]);
    tool.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!((bench.damage(Depth::Quick), bench.damage(Depth::Full)), (Vec::new(), vec!["bin/tool".to_owned()]));
}
