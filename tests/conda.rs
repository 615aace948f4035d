//! Conda environments, from a local channel into an offline root: solved, built, found converged, rebuilt, refused.

#![cfg(test)]

#[path = "support/channel.rs"]
mod channel;

use channel::{Body, Package, text};
use fitout::step::Output;
use fitout::target::{HostTool, Silent, run_host};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

/// The tiny packages, with an interpreter that tells what it is asked to do, and a module.
fn packages() -> Vec<Package> {
    let python =
        vec![("bin/python3.11", text("#!/bin/bash\necho \"$*\" >> @/compiled\n")), ("bin/python", Body::Link("python3.11".into()))];
    let module = vec![("site-packages/module/__init__.py", Body::Plain(b"def main(): pass\n".to_vec(), 0o644))];
    let module =
        Package { entry_points: Some(vec!["module = module:main".into()]), ..Package::new("module", "0.3", &["python >=3.11"], module) };
    channel::tiny().into_iter().chain([Package::new("python", "3.11.9", &[], python), module]).collect()
}

/// A folder with a channel, a manifest and a root in which nothing but a shell can be run.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new(environment: &str) -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        channel::write(&bench.path("channel"), &packages());
        bench.shell();
        bench.environment(environment);
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The environment, below its link.
    fn built(&self, name: &str) -> PathBuf {
        self.path("root/anaconda/envs/demo").join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.built(name)).unwrap()
    }

    fn environment(&self, text: &str) {
        self.describe("environment.yml", text);
    }

    fn describe(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        let manifest = format!("conda: {{prefix: /anaconda}}\nenvironments:\n  - {{name: demo, from: {{conda: {name}}}}}\n");
        fs::write(self.path("manifest.yaml"), manifest).unwrap();
    }

    /// A root with the host's shell, its libraries, and what says that this is Debian.
    fn shell(&self) {
        let root = self.path("root");
        let listed = host(&["ldd", "/bin/bash"]).stdout;
        let libraries = listed.split_whitespace().filter(|word| word.starts_with('/'));
        fs::create_dir_all(root.join("usr/bin")).unwrap();
        symlink("usr/bin", root.join("bin")).unwrap();
        for file in libraries.chain(["/usr/bin/bash"]) {
            let to = root.join(&file[1..]);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(file, to).unwrap();
        }
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(root.join("etc/os-release"), "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n").unwrap();
        fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/bash\n").unwrap();
    }

    fn apply(&self) -> Output {
        let path = |name: &str| self.path(name).display().to_string();
        let (manifest, root, cache) = (path("manifest.yaml"), path("root"), path("cache"));
        host(&[env!("CARGO_BIN_EXE_fitout"), "apply", "-f", &manifest, "--root", &root, "--cache", &cache, "--progress", "plain"])
    }

    fn applied(&self) {
        let done = self.apply();
        assert_eq!(done.status, 0, "{}\n{}", done.stdout, done.stderr);
    }

    fn generation(&self) -> String {
        fs::read_link(self.path("root/anaconda/envs/demo")).unwrap().display().to_string()
    }

    fn generations(&self) -> usize {
        fs::read_dir(self.path("root/anaconda/envs/.generations")).unwrap().count()
    }
}

fn host(argv: &[&str]) -> Output {
    let argv = argv.iter().map(|word| (*word).to_owned()).collect();
    run_host(&HostTool { argv, env: Vec::new(), directory: "/".into() }, &Silent).unwrap()
}

/// Every file and link below a folder: its time of change and what it holds.
fn tree(folder: &Path) -> BTreeMap<PathBuf, (i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let data = path.symlink_metadata().unwrap();
            if data.is_dir() {
                folders.push(path);
            } else {
                let content = if data.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
                found.insert(path, (data.ctime_nsec(), content));
            }
        }
    }
    found
}

const DEMO: &str = "name: demo\nchannels: [./channel]\ndependencies: [hello, module]\nvariables: {DEMO: \"1\"}\n";

#[test]
fn an_environment_is_built_and_found_converged() {
    let bench = Bench::new(DEMO);
    bench.applied();
    let prefix = format!("/anaconda/envs/{}", bench.generation());
    assert_eq!(bench.text("etc/foo.conf"), format!("home = {prefix}/share\n"));
    // Programs name the path that stays.
    assert_eq!(bench.text("bin/hello"), "#!/anaconda/envs/demo/bin/bash\necho hello\n");
    assert!(bench.text("lib/libfoo.so").contains(&format!("\0{prefix}\0")));
    assert_eq!(fs::read_link(bench.built("lib/libfoo.so")).unwrap(), Path::new("libfoo.so.1"));
    assert_eq!(bench.text("etc/linked"), format!("{prefix} hello 2.0\n"));
    assert!(bench.text("compiled").contains(&format!("compileall -q -j 0 {prefix}/lib/python3.11/site-packages")));
    assert!(bench.text("bin/module").starts_with("#!/anaconda/envs/demo/bin/python3.11\n"));
    assert!(bench.built("lib/python3.11/site-packages/module/__init__.py").exists());
    assert_eq!(bench.text("conda-meta/state").replace([' ', '\n'], ""), "{\"version\":1,\"env_vars\":{\"DEMO\":\"1\"}}");

    let before = tree(&bench.path("root/anaconda"));
    for (path, (_, content)) in &before {
        let content = String::from_utf8_lossy(content);
        for place in ["root", "cache"] {
            assert!(!content.contains(&bench.path(place).display().to_string()), "{} names the host's {place}", path.display());
        }
    }
    bench.applied();
    let after = tree(&bench.path("root/anaconda"));
    let changed: Vec<&PathBuf> = after.iter().filter(|(path, now)| before.get(*path) != Some(now)).map(|(path, _)| path).collect();
    assert!(changed.is_empty() && before.len() == after.len(), "{changed:?}");
}

#[test]
fn another_solution_is_another_generation() {
    let bench = Bench::new(DEMO);
    bench.applied();
    let first = bench.generation();
    bench.environment(&DEMO.replace("hello,", "hello, libfoo=1.0,"));
    bench.applied();
    let second = bench.generation();
    assert_ne!(first, second);
    assert!(bench.built("conda-meta/libfoo-1.0-0.json").exists());
    assert_eq!(bench.generations(), 2);
    bench.environment(&DEMO.replace("hello, module", "hello"));
    bench.applied();
    assert_eq!(bench.generations(), 2);
    assert!(!bench.path("root/anaconda/envs").join(first).exists());
    assert!(bench.path("root/anaconda/envs").join(second).exists());
}

#[test]
fn a_generation_that_was_not_finished_is_made_again() {
    let bench = Bench::new(DEMO);
    bench.applied();
    for last in [".fitout.json", ".fitout-files"] {
        fs::remove_file(bench.built(last)).unwrap();
    }
    fs::write(bench.built("half"), "half").unwrap();
    bench.applied();
    assert!(bench.built(".fitout.json").exists() && !bench.built("half").exists());
}

#[test]
fn what_people_made_is_not_replaced() {
    let bench = Bench::new(DEMO);
    fs::create_dir_all(bench.built("mine")).unwrap();
    let refused = bench.apply();
    assert_eq!(refused.status, 1);
    assert!(format!("{}{}", refused.stdout, refused.stderr).contains("something that Fitout did not make is there"));
    assert!(bench.built("mine").exists());
}

#[test]
fn locks_and_explicit_lists_are_taken_as_they_are() {
    let bench = Bench::new(DEMO);
    bench.applied();
    let kept: serde_json::Value =
        serde_json::from_slice(&fs::read(bench.path("root/var/lib/fitout/state/resolved.json")).unwrap()).unwrap();
    let answer = kept.as_object().unwrap().values().next().unwrap();
    bench.describe("pixi.lock", answer["lock"].as_str().unwrap());
    bench.applied();
    assert!(bench.built("etc/linked").exists() && !bench.built("conda-meta/state").exists());

    let channel = bench.path("channel/linux-64").display().to_string();
    let digest = fitout::model::Sha256::of(&fs::read(bench.path("channel/linux-64/libfoo-1.0-0.conda")).unwrap());
    bench.describe("list.txt", &format!("# platform: linux-64\n@EXPLICIT\nfile://{channel}/libfoo-1.0-0.conda#sha256:{digest}\n"));
    bench.applied();
    assert!(bench.built("conda-meta/libfoo-1.0-0.json").exists() && !bench.built("bin/hello").exists());

    let digest = fitout::model::Sha256::of(&fs::read(bench.path("channel/linux-64/libfoo-1.1-0.conda")).unwrap());
    let package = format!(
        "- {{name: libfoo, version: \"1.1\", manager: conda, platform: linux-64, dependencies: {{}}, category: main, optional: false, \
         url: \"file://{channel}/libfoo-1.1-0.conda\", hash: {{md5: {}, sha256: {digest}}}}}\n",
        "0".repeat(32)
    );
    let channels = format!("[{{url: \"file://{}\", used_env_vars: []}}]", bench.path("channel").display());
    bench
        .describe("conda-lock.yml", &format!("version: 1\nmetadata: {{channels: {channels}, platforms: [linux-64]}}\npackage:\n{package}"));
    bench.applied();
    assert!(bench.built("conda-meta/libfoo-1.1-0.json").exists() && !bench.built("conda-meta/libfoo-1.0-0.json").exists());

    bench.describe("list.txt", &format!("@EXPLICIT\nfile://{channel}/libfoo-1.0-0.conda#{}\n", "0".repeat(32)));
    let refused = bench.apply();
    assert_eq!(refused.status, 65, "{}", refused.stderr);
    assert!(refused.stderr.contains("is not its digest in the channel"), "{}", refused.stderr);
}

#[test]
fn what_cannot_be_is_explained() {
    let bench = Bench::new(&DEMO.replace("hello", "gpu-only"));
    let refused = bench.apply();
    assert_eq!(refused.status, 65, "{}", refused.stderr);
    for part in ["no set of packages satisfies all of it", "gpu-only 1.0 would require", "__cuda >=12.0"] {
        assert!(refused.stderr.contains(part), "{}", refused.stderr);
    }
    assert!(!bench.path("root/anaconda").exists());
}

#[test]
fn a_package_that_wants_a_gpu_is_had_where_the_manifest_says_a_driver() {
    let bench = Bench::new("name: demo\nchannels: [./channel]\ndependencies: [gpu-only]\n");
    let refused = bench.apply();
    assert!(refused.status != 0 && refused.stderr.contains("__cuda"), "{}", refused.stderr);
    let manifest = fs::read_to_string(bench.path("manifest.yaml")).unwrap();
    let with =
        |driver: &str| fs::write(bench.path("manifest.yaml"), format!("{manifest}gpu: {{driver: {{branch: \"{driver}\"}}}}\n")).unwrap();
    // CUDA 11.4 came with it.
    with("470");
    assert!(bench.apply().stderr.contains("__cuda"));
    with("550");
    bench.applied();
    assert!(bench.built("conda-meta/gpu-only-1.0-0.json").exists());
    // What is said to conda itself goes before what is known otherwise.
    let said = |version: &str| manifest.replace("/anaconda}", &format!("/anaconda, virtual_packages: {{cuda: \"{version}\"}}}}"));
    fs::write(bench.path("manifest.yaml"), format!("{}gpu: {{driver: {{branch: \"550\"}}}}\n", said("11.4"))).unwrap();
    assert!(bench.apply().stderr.contains("__cuda"));
    fs::write(bench.path("manifest.yaml"), said("12.4")).unwrap();
    bench.applied();
}
