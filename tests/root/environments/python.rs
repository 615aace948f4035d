//! A real Python as a conda package: Debian's own, extracted from its packages and made to live in any prefix.

use super::channel::{Body, Package, text};
use crate::support::{command, mirror, must};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Names what is made here: another text makes another channel.
pub const DEFINITION: &str = include_str!("python.rs");

/// What the interpreter and its modules need beside the C library, which every root has.
const LIBRARIES: [&str; 14] = [
    "libbz2.so",
    "libcrypto.so",
    "libdb-",
    "libexpat.so",
    "libffi.so",
    "liblzma.so",
    "libncursesw.so",
    "libpanelw.so",
    "libreadline.so",
    "libsqlite3.so",
    "libssl.so",
    "libtinfo.so",
    "libuuid.so",
    "libz.so",
];
/// Modules that nothing here uses.
const WITHOUT: [&str; 9] =
    ["__pycache__", "ensurepip", "lib2to3", "idlelib", "test", "turtledemo", "tkinter", "EXTERNALLY-MANAGED", "sitecustomize.py"];

/// Debian's `site`, which is part of the program, looks for modules where Debian's packages put them.
const SITE: &str = "import site, sys\nsite.addsitedir(sys.prefix + '/lib/python3.11/site-packages')\n";

/// The package: `bin/python3.11`, its standard library, and the libraries that it needs, found relative to the program.
pub fn package() -> Package {
    let work = tempfile::tempdir().unwrap();
    let root = work.path().join("root");
    let mut extract = command("mmdebstrap");
    extract.args(["--quiet", "--mode=root", "--variant=extract", "--include=python3.11,libpython3.11-stdlib", "bookworm"]);
    must(extract.arg(&root).arg(mirror()));
    let python = root.join("usr/bin/python3.11");
    // The path of the program counts for the libraries of its libraries as well, unlike the path of a library.
    must(command("patchelf").args(["--force-rpath", "--set-rpath", "$ORIGIN/../lib"]).arg(&python));
    let mut files = vec![("bin/python3.11".to_owned(), plain(&python))];
    for name in ["bin/python", "bin/python3"] {
        files.push((name.into(), Body::Link("python3.11".into())));
    }
    for folder in ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if LIBRARIES.iter().any(|library| name.starts_with(library)) {
                files.push((format!("lib/{name}"), plain(&path.canonicalize().unwrap())));
            }
        }
    }
    modules(&root.join("usr/lib/python3.11"), "lib/python3.11", &mut files);
    files.push(("lib/python3.11/sitecustomize.py".into(), text(SITE)));
    Package { files, ..Package::new("python", "3.11.2", &["__glibc >=2.36"], Vec::new()) }
}

/// A file as it is.
pub fn plain(path: &Path) -> Body {
    Body::Plain(fs::read(path).unwrap(), fs::metadata(path).unwrap().permissions().mode() & 0o777)
}

fn modules(folder: &Path, name: &str, files: &mut Vec<(String, Body)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let own = path.file_name().unwrap().to_str().unwrap();
        let below = format!("{name}/{own}");
        if WITHOUT.contains(&own) {
            continue;
        }
        match (own, path.is_dir()) {
            (_, true) => modules(&path, &below, files),
            // Debian's Python installs where Debian's packages do not; that of a prefix has no such packages.
            ("sysconfig.py", false) => files
                .push((below, edited(&path, "            prefix_scheme = 'posix_local'", "            prefix_scheme = 'posix_prefix'"))),
            (_, false) => files.push((below, plain(&path))),
        }
    }
}

fn edited(path: &Path, from: &str, to: &str) -> Body {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{} has no `{from}`", path.display());
    Body::Plain(text.replace(from, to).into_bytes(), 0o644)
}
