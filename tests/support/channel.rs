//! A conda channel in a folder, made of tiny packages: every kind of thing that installing has to get right, in a few kB.

use rattler_conda_types::compression_level::CompressionLevel;
use rattler_package_streaming::write::write_conda_package;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Stands in packages for the prefix into which they are installed; long, for it is replaced in place in binaries.
pub const PLACEHOLDER: &str = "/placehold_placehold_placehold_placehold_placehold_placehold_placehold_placehold_placehold_placehold_placehold_placehold_placehold_placehold_placehold";

/// What a file of a package is.
pub enum Body {
    /// Text; where it holds `@`, the prefix.
    Text(&'static str),
    /// The prefix between zero bytes.
    Binary,
    /// A symbolic link.
    Link(&'static str),
}

/// A package.
pub struct Package {
    /// Name, version.
    pub name: (&'static str, &'static str),
    /// What it needs.
    pub depends: &'static [&'static str],
    /// Its files, by path.
    pub files: Vec<(&'static str, Body)>,
    /// Entry points, where it is of Python and of no processor.
    pub entry_points: Option<&'static [&'static str]>,
}

impl Package {
    fn subdir(&self) -> &'static str {
        if self.entry_points.is_some() { "noarch" } else { "linux-64" }
    }

    fn index(&self) -> Value {
        let (name, version) = self.name;
        let mut index =
            json!({"name": name, "version": version, "build": "0", "build_number": 0, "depends": self.depends, "subdir": self.subdir()});
        if self.entry_points.is_some() {
            index["noarch"] = json!("python");
        }
        index
    }

    /// Lays the files out and tells of each what `paths.json` says.
    fn lay(&self, folder: &Path) -> Vec<Value> {
        let mut paths = Vec::new();
        for (name, body) in &self.files {
            let at = folder.join(name);
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            let mut entry = json!({"_path": name, "path_type": "hardlink"});
            match body {
                Body::Text(text) => {
                    fs::write(&at, text.replace('@', PLACEHOLDER)).unwrap();
                    if text.contains('@') {
                        entry["prefix_placeholder"] = json!(PLACEHOLDER);
                        entry["file_mode"] = json!("text");
                    }
                }
                Body::Binary => {
                    fs::write(&at, format!("\0{PLACEHOLDER}\0end")).unwrap();
                    entry["prefix_placeholder"] = json!(PLACEHOLDER);
                    entry["file_mode"] = json!("binary");
                }
                Body::Link(to) => {
                    symlink(to, &at).unwrap();
                    entry["path_type"] = json!("softlink");
                }
            }
            if !matches!(body, Body::Link(_)) {
                let mode = if name.starts_with("bin/") { 0o755 } else { 0o644 };
                fs::set_permissions(&at, fs::Permissions::from_mode(mode)).unwrap();
                let bytes = fs::read(&at).unwrap();
                entry["sha256"] = json!(fitout::model::Sha256::of(&bytes));
                entry["size_in_bytes"] = json!(bytes.len());
            }
            paths.push(entry);
        }
        paths
    }

    /// Writes the package into the channel; its file name, and its line in the channel's index.
    fn write(&self, channel: &Path) -> (String, Value) {
        let folder = tempfile::tempdir().unwrap();
        let paths = self.lay(folder.path());
        fs::create_dir(folder.path().join("info")).unwrap();
        let info = |name: &str, value: &Value| fs::write(folder.path().join("info").join(name), value.to_string()).unwrap();
        info("index.json", &self.index());
        info("paths.json", &json!({"paths": paths, "paths_version": 1}));
        let mut all: Vec<PathBuf> = self.files.iter().map(|(name, _)| name.into()).collect();
        all.extend(["info/index.json".into(), "info/paths.json".into()]);
        if let Some(points) = self.entry_points {
            info("link.json", &json!({"noarch": {"type": "python", "entry_points": points}, "package_metadata_version": 1}));
            all.push("info/link.json".into());
        }
        let stem = format!("{}-{}-0", self.name.0, self.name.1);
        let at = channel.join(self.subdir()).join(format!("{stem}.conda"));
        let file = File::create(&at).unwrap();
        let all: Vec<PathBuf> = all.iter().map(|path| folder.path().join(path)).collect();
        write_conda_package(file, folder.path(), &all, CompressionLevel::Lowest, Some(1), &stem, None, None).unwrap();
        let bytes = fs::read(&at).unwrap();
        let mut line = self.index();
        line["sha256"] = json!(fitout::model::Sha256::of(&bytes));
        line["size"] = json!(bytes.len());
        (format!("{stem}.conda"), line)
    }
}

/// Writes a channel.
pub fn write(channel: &Path, packages: &[Package]) {
    for subdir in ["linux-64", "noarch"] {
        fs::create_dir_all(channel.join(subdir)).unwrap();
        let mine = packages.iter().filter(|package| package.subdir() == subdir);
        let lines: serde_json::Map<String, Value> = mine.map(|package| package.write(channel)).collect();
        let index = json!({"info": {"subdir": subdir}, "packages": {}, "packages.conda": lines, "repodata_version": 1});
        fs::write(channel.join(subdir).join("repodata.json"), index.to_string()).unwrap();
    }
}

/// The packages of the tests: a library in two releases, a program with a script of its own, an interpreter, a module, and one that
/// wants a GPU.
pub fn packages() -> Vec<Package> {
    let library = |version| Package {
        name: ("libfoo", version),
        depends: &["__glibc >=2.17"],
        files: vec![
            ("etc/foo.conf", Body::Text("home = @/share\n")),
            ("lib/libfoo.so.1", Body::Binary),
            ("lib/libfoo.so", Body::Link("libfoo.so.1")),
        ],
        entry_points: None,
    };
    vec![
        library("1.0"),
        library("1.1"),
        Package {
            name: ("hello", "2.0"),
            depends: &["libfoo >=1.0", "__linux >=3"],
            files: vec![
                ("bin/hello", Body::Text("#!@/bin/bash\necho hello\n")),
                ("bin/.hello-post-link.sh", Body::Text("echo \"$PREFIX $PKG_NAME $PKG_VERSION\" > \"$PREFIX/etc/linked\"\n")),
            ],
            entry_points: None,
        },
        Package {
            name: ("python", "3.11.9"),
            depends: &[],
            files: vec![
                ("bin/python3.11", Body::Text("#!/bin/bash\necho \"$*\" >> @/compiled\n")),
                ("bin/python", Body::Link("python3.11")),
            ],
            entry_points: None,
        },
        Package {
            name: ("module", "0.3"),
            depends: &["python >=3.11"],
            files: vec![("site-packages/module/__init__.py", Body::Text("def main(): pass\n"))],
            entry_points: Some(&["module = module:main"]),
        },
        Package { name: ("gpu-only", "1.0"), depends: &["__cuda >=12.0"], files: Vec::new(), entry_points: None },
    ]
}
