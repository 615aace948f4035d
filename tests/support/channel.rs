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
    Text(String),
    /// The prefix between zero bytes.
    Binary,
    /// Bytes as they are, and whether they are a program.
    Plain(Vec<u8>, u32),
    /// A symbolic link.
    Link(String),
}

/// A package.
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it needs.
    pub depends: Vec<String>,
    /// Its files, by path.
    pub files: Vec<(String, Body)>,
    /// Entry points, where it is of Python and of no processor.
    pub entry_points: Option<Vec<String>>,
}

impl Package {
    fn subdir(&self) -> &'static str {
        if self.entry_points.is_some() { "noarch" } else { "linux-64" }
    }

    fn index(&self) -> Value {
        let (name, version) = (&self.name, &self.version);
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
                Body::Plain(bytes, _) => fs::write(&at, bytes).unwrap(),
                Body::Link(to) => {
                    symlink(to, &at).unwrap();
                    entry["path_type"] = json!("softlink");
                }
            }
            if !matches!(body, Body::Link(_)) {
                let program = if name.starts_with("bin/") { 0o755 } else { 0o644 };
                let mode = if let Body::Plain(_, mode) = body { *mode } else { program };
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
        if let Some(points) = &self.entry_points {
            info("link.json", &json!({"noarch": {"type": "python", "entry_points": points}, "package_metadata_version": 1}));
            all.push("info/link.json".into());
        }
        let stem = format!("{}-{}-0", self.name, self.version);
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

impl Package {
    /// A package for this processor.
    pub fn new(name: &str, version: &str, depends: &[&str], files: Vec<(&str, Body)>) -> Self {
        let depends = depends.iter().map(|text| (*text).to_owned()).collect();
        let files = files.into_iter().map(|(path, body)| (path.to_owned(), body)).collect();
        Self { name: name.into(), version: version.into(), depends, files, entry_points: None }
    }
}

/// Text of a file.
pub fn text(text: &str) -> Body {
    Body::Text(text.into())
}

/// A library in two releases, a program with a script of its own, and one that wants a GPU.
pub fn tiny() -> Vec<Package> {
    let library = |version| {
        let files = vec![
            ("etc/foo.conf", text("home = @/share\n")),
            ("lib/libfoo.so.1", Body::Binary),
            ("lib/libfoo.so", Body::Link("libfoo.so.1".into())),
        ];
        Package::new("libfoo", version, &["__glibc >=2.17"], files)
    };
    let hello = vec![
        ("bin/hello", text("#!@/bin/bash\necho hello\n")),
        ("etc/conda/activate.d/hello.sh", text("export ACTIVATED='by hello'\n")),
        ("bin/.hello-post-link.sh", text("echo \"$PREFIX $PKG_NAME $PKG_VERSION\" > \"$PREFIX/etc/linked\"\n")),
    ];
    let hello = Package::new("hello", "2.0", &["libfoo >=1.0", "__linux >=3"], hello);
    vec![library("1.0"), library("1.1"), hello, Package::new("gpu-only", "1.0", &["__cuda >=12.0"], Vec::new())]
}
