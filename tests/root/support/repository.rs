//! A signed repository of tiny packages: quick to install, each with one thing that real packages do.

use super::{command, must};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Names what is made here: another text makes another root.
pub const DEFINITION: &str = include_str!("repository.rs");

/// A package: name, version, what it depends on, its files, its maintainer scripts.
struct Package {
    name: &'static str,
    version: &'static str,
    depends: &'static str,
    files: &'static [(&'static str, &'static str)],
    scripts: &'static [(&'static str, &'static str)],
}

const PACKAGES: [Package; 12] = [
    configured("1", &[("etc/tiny.conf", "answer = 1\n")]),
    configured("2", &[("etc/tiny.conf", "answer = 2\n")]),
    Package {
        name: "tiny-asks",
        version: "1",
        depends: "debconf",
        files: &[],
        scripts: &[
            ("templates", "Template: tiny-asks/colour\nType: string\nDefault: grey\nDescription: Colour?\n Which colour.\n"),
            ("config", "#!/bin/sh\nset -e\n. /usr/share/debconf/confmodule\ndb_input high tiny-asks/colour || true\ndb_go || true\n"),
            (
                "postinst",
                "#!/bin/sh\nset -e\n. /usr/share/debconf/confmodule\ndb_get tiny-asks/colour\necho \"$RET\" > /var/lib/tiny-colour\n",
            ),
        ],
    },
    Package {
        name: "tiny-hangs",
        version: "1",
        depends: "",
        files: &[],
        scripts: &[("postinst", "#!/bin/sh\nif [ ! -e /var/lib/tiny-goes-on ]; then sleep 1000; fi\n")],
    },
    Package {
        name: "tiny-tool",
        version: "1.2-3",
        depends: "tiny-data (>= 1)",
        files: &[("usr/bin/tiny-tool", "#!/bin/sh\necho \"tiny tool 1.2\"\n")],
        scripts: &[],
    },
    Package { name: "tiny-data", version: "1.0", depends: "", files: &[("usr/share/tiny/data", "data\n")], scripts: &[] },
    Package {
        name: "tiny-daemon",
        version: "2.0",
        depends: "",
        files: &[
            ("etc/tiny-daemon.conf", "answer = 42\n"),
            (
                "lib/systemd/system/tiny-daemon.service",
                "[Unit]\nDescription=Tiny daemon\n\n[Service]\nExecStart=/bin/sleep infinity\n\n[Install]\nWantedBy=multi-user.target\n",
            ),
        ],
        // What debhelper's snippets do, and what policy-rc.d must keep from happening in a root where nothing runs.
        scripts: &[(
            "postinst",
            "#!/bin/sh\nset -e\nif [ \"$1\" = configure ]; then code=0; invoke-rc.d --disclose-deny tiny-daemon start || code=$?; [ $code = 101 ] || touch /var/lib/tiny-started; fi\n",
        )],
    },
    Package {
        name: "tiny-slow",
        version: "0.1",
        depends: "",
        files: &[("usr/share/tiny-slow/data", "slow\n")],
        // Long enough to be killed in.
        scripts: &[(
            "postinst",
            "#!/bin/sh\nset -e\nmkdir -p /var/lib/tiny-slow\nfor n in 1 2 3 4 5; do echo $n > /var/lib/tiny-slow/$n; sleep 0.1; done\n",
        )],
    },
    // Names and programs of what shares need, so that their units can be judged; they mount nothing.
    stand_in("cifs-utils", &[("usr/sbin/mount.cifs", "#!/bin/sh\nexit 1\n")]),
    stand_in("blobfuse2", &[("usr/bin/blobfuse2", "#!/bin/sh\nexit 1\n")]),
    stand_in("fuse3", &[("usr/bin/fusermount3", "#!/bin/sh\nexit 1\n")]),
    Package {
        name: "tiny-broken",
        version: "0.1",
        depends: "",
        files: &[("usr/share/tiny-broken/data", "broken\n")],
        scripts: &[("postinst", "#!/bin/sh\necho 'tiny-broken: no configuration found' >&2\nexit 1\n")],
    },
];

/// One with a file of configuration that differs from release to release.
const fn configured(version: &'static str, files: &'static [(&'static str, &'static str)]) -> Package {
    Package { name: "tiny-conf", version, depends: "", files, scripts: &[] }
}

const fn stand_in(name: &'static str, files: &'static [(&'static str, &'static str)]) -> Package {
    Package { name, version: "0", depends: "", files, scripts: &[] }
}

/// Makes the repository, signed by a key that is made with it and lies beside it as `key.asc`.
pub fn make(at: &Path) {
    fs::create_dir_all(at).unwrap();
    for package in &PACKAGES {
        package.build(at);
    }
    publish(at, "Tiny");
}

/// Lists the packages that lie there, as a flat repository under this label, and signs the list.
pub fn publish(at: &Path, label: &str) {
    let index = must(command("apt-ftparchive").current_dir(at).args(["packages", "."]));
    fs::write(at.join("Packages"), index).unwrap();
    let said = |field: &str, value: &str| format!("-oAPT::FTPArchive::Release::{field}={value}");
    let mut release = command("apt-ftparchive");
    release.current_dir(at).args([said("Suite", "./"), said("Label", label), said("Origin", label)]).args(["release", "."]);
    let release = must(&mut release);
    fs::write(at.join("Release"), release).unwrap();
    sign(at);
}

/// Packs a tree with these fields of its control file and these scripts.
pub fn pack(tree: &Path, control: &str, scripts: &[(&str, &str)], into: &Path) {
    write(&tree.join("DEBIAN/control"), &format!("{control}Maintainer: Tests <tests@example.com>\nDescription: tiny package\n"));
    for (name, text) in scripts {
        write(&tree.join("DEBIAN").join(name), text);
    }
    must(command("dpkg-deb").args(["--root-owner-group", "-Zgzip", "--build"]).arg(tree).arg(into));
}

fn sign(at: &Path) {
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let gpg = |arguments: &[&str]| {
        must(
            command("gpg")
                .env("GNUPGHOME", home.path())
                .current_dir(at)
                .args(["--batch", "--yes", "--quiet", "--passphrase", ""])
                .args(arguments),
        )
    };
    gpg(&["--quick-generate-key", "Tiny repository", "ed25519", "sign", "never"]);
    gpg(&["--armor", "--output", "key.asc", "--export"]);
    gpg(&["--clearsign", "--output", "InRelease", "Release"]);
    must(command("gpgconf").env("GNUPGHOME", home.path()).args(["--kill", "all"]));
    fs::remove_file(at.join("Release")).unwrap();
}

impl Package {
    fn build(&self, into: &Path) {
        let tree = tempfile::tempdir().unwrap();
        fs::set_permissions(tree.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for (path, text) in self.files {
            write(&tree.path().join(path), text);
        }
        let depends = if self.depends.is_empty() { String::new() } else { format!("Depends: {}\n", self.depends) };
        let control = format!(
            "Package: {}\nVersion: {}\nArchitecture: all\nMaintainer: Tests <tests@example.com>\n{depends}Description: tiny package\n",
            self.name, self.version
        );
        write(&tree.path().join("DEBIAN/control"), &control);
        let conffiles: String =
            self.files.iter().filter(|(path, _)| path.starts_with("etc/")).flat_map(|(path, _)| ["/", path, "\n"]).collect();
        if !conffiles.is_empty() {
            write(&tree.path().join("DEBIAN/conffiles"), &conffiles);
        }
        for (name, text) in self.scripts {
            write(&tree.path().join("DEBIAN").join(name), text);
        }
        must(command("dpkg-deb").args(["--root-owner-group", "-Zgzip", "--build"]).arg(tree.path()).arg(into));
    }
}

/// Writes a file of a package; scripts are executable.
fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
