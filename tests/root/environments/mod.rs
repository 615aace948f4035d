//! Conda environments on a real root: a real Python, real packages, a kernel that runs a notebook; what their owner adds to them.

#[path = "../../support/channel.rs"]
pub mod channel;
mod dead;
mod faults;
mod kept;
mod locked;
mod python;
mod r;
mod stable;
mod wheels;

use crate::support::{Fitout, Root, exact, must};
use channel::{Body, Package, text};
use fitout::store::Store;
use python::plain;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// What the channel has of `PyPI`; the first needs all that they come to but the others.
const WHEELS: [&str; 2] = ["ipykernel", "pip"];

const MANIFEST: &str = r#"
schema: 1
name: lab-one
user: {name: ada}
conda: {prefix: /anaconda}
environments:
  - name: lab
    from: {conda: environment.yml}
    kernel: {name: python-lab, display_name: "Python (lab)", aliases: [python3-azureml]}
  - {name: base, from: {conda: base.yml}, owner: system}
checks:
  - name: activated
    kernel: python3-azureml
    runs: "import os, shutil; print(os.environ['LAB'], os.environ['CONDA_DEFAULT_ENV'], os.environ['ACTIVATED'], shutil.which('hello'))"
    stdout_contains: "it's 1 lab by hello /anaconda/envs/lab/bin/hello"
  - {name: conda, command: [sh, -c, ". /anaconda/etc/profile.d/conda.sh; exec $CONDA_EXE"], stdout_contains: "conda of the tests"}
  - {name: kernel, kernel: python-lab, runs: "import sys; print(sys.prefix, 6 * 7)", stdout_contains: " 42"}
  - {name: notebook, command: [/anaconda/envs/lab/bin/python, /srv/notebook.py, python-lab], stdout_contains: " 42"}
"#;

const ENVIRONMENT: &str = "\
name: lab
channels: [CHANNEL]
dependencies:
  - python=3.11
  - ipykernel
  - hello
  - pip
  - pip: [nbclient]
variables: {LAB: \"it's 1\"}
";

/// Things of the test that are kept between runs.
fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("environments").join(name)
}

/// The channel, made on first use; its name is the digest of all that it is made from.
fn made_channel() -> &'static Path {
    static CHANNEL: OnceLock<PathBuf> = OnceLock::new();
    CHANNEL.get_or_init(|| {
        fs::create_dir_all(kept("")).unwrap();
        let lock = fs::File::create(kept("lock")).unwrap();
        lock.lock().unwrap();
        let parts = [python::DEFINITION, wheels::DEFINITION, include_str!("mod.rs"), include_str!("../../support/channel.rs")].join("\n");
        let channel = kept(&format!("channel-{}", &hex::encode(Sha256::digest(parts))[..12]));
        if !channel.exists() {
            let partial = kept("channel-partial");
            fs::remove_dir_all(&partial).ok();
            channel::write(&partial, &packages());
            fs::rename(partial, &channel).unwrap();
        }
        channel
    })
}

fn packages() -> Vec<Package> {
    let conda = vec![
        ("bin/conda", text("#!@/bin/python\nprint('conda of the tests')\n")),
        ("etc/profile.d/conda.sh", text("export CONDA_EXE='@/bin/conda'\n")),
    ];
    let mut packages = channel::tiny();
    packages.push(Package::new("conda", "24.1.0", &["python"], conda));
    packages.push(Package::new(
        "broken-link",
        "1.0",
        &[],
        vec![("bin/.broken-link-post-link.sh", text("echo no such thing >&2\nexit 3\n"))],
    ));
    packages.push(Package::new("extra", "1.0", &[], vec![("etc/extra.conf", text("home = @\n")), ("lib/extra", Body::Binary)]));
    packages.extend([python::package()]);
    packages.extend(wheels::packages(&WHEELS, &Store::at(kept("cache"))));
    packages
}

/// A root and the program for it, beside whose manifest lies an environment file.
fn lab<'a>(root: &'a Root, manifest: &str, environment: &str) -> Fitout<'a> {
    let fitout = Fitout::new(root, manifest).with_cache(&kept("cache"));
    describe(&fitout, environment);
    fs::write(fitout.beside("base.yml"), format!("channels: [{}]\ndependencies: [conda]\n", made_channel().display())).unwrap();
    root.write("/srv/notebook.py", include_str!("../../container/notebook.py"));
    fitout
}

fn describe(fitout: &Fitout<'_>, environment: &str) {
    let channel = made_channel().display().to_string();
    fs::write(fitout.beside("environment.yml"), environment.replace("CHANNEL", &channel)).unwrap();
}

#[test]
fn a_notebook_runs_in_an_environment_of_conda_and_pip() {
    let root = Root::fresh();
    let fitout = lab(&root, MANIFEST, ENVIRONMENT);
    let report = fitout.apply();
    assert_eq!(report["failed"], 0, "{report:#}");
    let prefix = "/anaconda/envs/lab";
    let link = fs::read_link(root.at(prefix)).unwrap();
    let generation = format!("/anaconda/envs/{}", link.display());
    // Link scripts run inside, with the prefix as it is there.
    assert_eq!(root.read(&format!("{prefix}/etc/linked")), format!("{generation} hello 2.0\n"));
    assert!(root.read(&format!("{prefix}/conda-meta/state")).contains("\"LAB\": \"it's 1\""));
    assert!(root.at(&format!("{prefix}/lib/python3.11/site-packages/ipykernel/__pycache__")).is_dir());
    let said = must(&mut root.program(&[
        &format!("{prefix}/bin/python"),
        "-c",
        "import sys, ssl, sqlite3, ctypes, nbclient, zmq; print(sys.version.split()[0], sys.prefix)",
    ]));
    assert_eq!(said, format!("3.11.2 {prefix}\n"));
    assert_nothing_of_the_host(&root, &generation);

    let before = exact(root.path());
    let again = fitout.apply();
    assert_eq!((&again["changed"], &again["failed"]), (&0.into(), &0.into()), "{again:#}");
    before.assert_same(&exact(root.path()), "the second apply wrote something");
    let verified = fitout.run(&["verify"]).ended(0).json();
    assert!(verified["checks"].as_array().unwrap().len() == 4, "{verified:#}");
}

/// No path of the host in it, and no file that the host's cache shares.
fn assert_nothing_of_the_host(root: &Root, generation: &str) {
    use std::os::unix::fs::MetadataExt;
    let hosts = [root.path().display().to_string(), kept("cache").display().to_string()];
    let mut folders = vec![root.at(generation)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let data = path.symlink_metadata().unwrap();
            if data.is_dir() {
                folders.push(path);
            } else if data.is_file() {
                assert_eq!(data.nlink(), 1, "{} has another name", path.display());
                let bytes = fs::read(&path).unwrap();
                for host in &hosts {
                    assert!(!bytes.windows(host.len()).any(|window| window == host.as_bytes()), "{} names {host}", path.display());
                }
            }
        }
    }
}
