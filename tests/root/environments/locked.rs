//! A lock names all that a manifest comes to; under it nothing else is used, and with a filled cache no socket is opened.

use super::{describe, kept, lab};
use crate::support::{Fitout, Root, Run, Server, command};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

const MANIFEST: &str = r#"
schema: 1
user: {name: ada}
packages:
  repositories: [{name: tiny, uri: "file:/srv/repository", suite: ./, signed_by: tiny.asc}]
  install: [tiny-tool]
conda: {prefix: /anaconda}
environments: [{name: lab, from: {conda: environment.yml}, owner: system}]
setup_scripts: {creation_script: {path: setup.sh}}
"#;
const ENVIRONMENT: &str = "channels: [CHANNEL]\ndependencies: [python=3.11, libfoo, {pip: [six==1.16.0]}]\n";

fn locked_lab(root: &Root) -> Fitout<'_> {
    let fitout = lab(root, MANIFEST, ENVIRONMENT);
    fs::write(fitout.beside("setup.sh"), "true\n").unwrap();
    fitout
}

fn lock_file(fitout: &Fitout<'_>) -> PathBuf {
    fitout.manifest().with_extension("yaml.lock")
}

fn moved(fitout: &Fitout<'_>, code: i32) -> String {
    let checked = fitout.run(&["lock", "--check"]).ended(code).json();
    checked["moved"].as_array().unwrap().iter().flat_map(|line| [line.as_str().unwrap(), "\n"]).collect()
}

#[test]
fn a_lock_binds() {
    let root = Root::fresh();
    let fitout = locked_lab(&root);
    assert!(fitout.run(&["apply", "--locked"]).ended(66).stderr.contains("does not exist"));
    // Packages are named by apt's lists, which an apply brings.
    fitout.apply();
    fitout.run(&["lock"]).ended(0);
    let text = fs::read_to_string(lock_file(&fitout)).unwrap();
    let lock: Value = serde_json::from_str(&text).unwrap();
    let machine = &lock["machines"]["debian-12-x86_64"];
    assert_eq!(machine["packages"]["tiny-tool"]["version"], "1.2-3", "{machine:#}");
    assert_eq!(machine["packages"]["tiny-tool"]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(machine["packages"]["tiny-data"]["version"], "1.0", "what it needs is there already");
    let urls: Vec<&str> = machine["downloads"].as_array().unwrap().iter().map(|blob| blob["url"].as_str().unwrap()).collect();
    for name in ["python-3.11.2-0.conda", "libfoo-1.1-0.conda", "six-1.16.0-py2.py3-none-any.whl"] {
        assert!(urls.iter().any(|url| url.ends_with(name)), "{name} is not in {urls:#?}");
    }
    assert!(machine["scripts"]["creation"].is_string());
    fitout.run(&["lock"]).ended(0);
    assert_eq!(fs::read_to_string(lock_file(&fitout)).unwrap(), text, "the same manifest has another lock");
    assert_eq!(moved(&fitout, 0), "");
    fitout.run(&["apply", "--locked"]).ended(0);

    describe(&fitout, &ENVIRONMENT.replace("libfoo", "libfoo=1.0"));
    fs::write(fitout.beside("setup.sh"), "false\n").unwrap();
    let refused = fitout.run(&["apply", "--locked"]);
    assert!(refused.ended(76).stderr.contains("environments lab asks to solve conda environment"), "{refused:?}");
    let said = moved(&fitout, 2);
    assert!(said.contains("libfoo-1.1-0.conda\n") && said.contains("+ download") && said.contains("~ script creation\n"), "{said}");
    describe(&fitout, ENVIRONMENT);
    assert!(fitout.run(&["apply", "--locked"]).ended(76).stderr.contains("script creation is another"));
    fs::write(fitout.beside("setup.sh"), "true\n").unwrap();

    // A release that the repository does not have any more.
    fs::write(lock_file(&fitout), text.replace("1.2-3", "1.2-2")).unwrap();
    root.run(&["dpkg", "--purge", "tiny-tool"]);
    let failed = fitout.run(&["apply", "--locked", "--repair"]);
    assert!(failed.ended(1).stdout.contains("Version '1.2-2' for 'tiny-tool' was not found"), "{failed:?}");
    // One that is there by name and version, and is another file.
    let sha256 = machine["packages"]["tiny-tool"]["sha256"].as_str().unwrap();
    fs::write(lock_file(&fitout), text.replace(sha256, &"0".repeat(64))).unwrap();
    let failed = fitout.run(&["apply", "--locked", "--repair"]);
    assert!(failed.ended(1).stdout.contains("is another file"), "{failed:?}");
    fs::write(lock_file(&fitout), text).unwrap();
    fitout.run(&["apply", "--locked", "--repair"]).ended(0);
    assert_eq!(root.run(&["tiny-tool"]), "tiny tool 1.2\n");
    assert!(!root.at("/var/lib/fitout/state/locked-packages.json").exists());

    // The machine's own manifest keeps to the lock that was installed with it; without a network no socket is opened, by apt neither.
    assert!(fitout.question(&["apply", "--locked"]).output().unwrap().status.code() == Some(66), "nothing is installed");
    fitout.run(&["apply", "--install"]).ended(0);
    root.run(&["dpkg", "--purge", "tiny-tool"]);
    let own = ["apply", "--locked", "--offline", "--repair", "--root", root.path().to_str().unwrap()];
    Run::of(&mut traced(&own, &fitout.beside("sockets"), &kept("cache"))).succeeded();
    assert_eq!(root.run(&["tiny-tool"]), "tiny tool 1.2\n");
    let sockets = fs::read_to_string(fitout.beside("sockets")).unwrap();
    assert!(!sockets.contains("AF_INET"), "{sockets}");
}

/// A root with a package of a server's, and the lock of both.
fn locked_packages(root: &Root) -> (Server, Fitout<'_>) {
    let server = Server::of(&root.at("/srv/repository"));
    let repository = format!("{{name: tiny, uri: {}, suite: ./, signed_by: tiny.asc}}", server.url);
    let fitout = Fitout::new(root, &format!("schema: 1\npackages:\n  repositories: [{repository}]\n  install: [tiny-tool]\n"));
    fitout.apply();
    fitout.run(&["lock"]).ended(0);
    (server, fitout)
}

/// Packages that the lock names come out of the cache: on a machine that apt knows nothing of, without a network.
#[test]
fn a_filled_cache_installs_packages_where_apt_has_no_lists() {
    let root = Root::fresh();
    let (server, fitout) = locked_packages(&root);
    let after = fs::read_to_string(lock_file(&fitout)).unwrap();
    root.run(&["dpkg", "--purge", "tiny-tool", "tiny-data"]);
    fitout.run(&["lock"]).ended(0);
    assert_eq!(fs::read_to_string(lock_file(&fitout)).unwrap(), after, "what is installed changes the lock");
    let manifest = fs::read_to_string(fitout.manifest()).unwrap();
    fs::write(fitout.manifest(), manifest.replace("[tiny-tool]", "[tiny-tool, tiny-nothing]")).unwrap();
    let unlisted = fitout.run(&["lock"]);
    assert!(unlisted.ended(65).stderr.contains("Unable to locate package tiny-nothing"), "{unlisted:?}");
    fs::write(fitout.manifest(), manifest).unwrap();
    let cache = tempfile::tempdir_in(kept("")).unwrap();
    let sockets = cache.path().join("sockets");
    let lock = lock_file(&fitout);
    let fetched = Run::of(&mut traced(&["fetch", lock.to_str().unwrap()], &sockets, cache.path())).succeeded();
    assert_eq!(fetched["fetched"], 2, "{fetched:#}");
    drop(server);
    root.run(&["sh", "-c", "rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb"]);
    let file = fitout.manifest();
    let apply = ["apply", "--locked", "--offline", "--repair", "--root", root.path().to_str().unwrap(), "-f", file.to_str().unwrap()];
    // Neither the cache nor apt has them.
    let empty = tempfile::tempdir_in(kept("")).unwrap();
    let refused = Run::of(&mut traced(&apply, &sockets, empty.path()));
    assert!(refused.ended(69).stderr.contains("the cache lacks"), "{refused:?}");
    Run::of(&mut traced(&apply, &sockets, cache.path())).succeeded();
    assert_eq!(root.run(&["tiny-tool"]), "tiny tool 1.2\n");
    assert!(root.run(&["apt-mark", "showauto"]).contains("tiny-data\n"), "what it needs came as if it had been asked for");
    assert!(!fs::read_to_string(&sockets).unwrap().contains("AF_INET"));
    assert!(!root.at("/var/lib/fitout/state/locked-packages").exists());
}

/// What a package needs is as much a part of a locked run as the package: where the cache has it damaged, or not, nothing begins.
#[test]
fn a_package_that_the_cache_has_in_part_is_refused_before_anything_is_done() {
    let root = Root::fresh();
    let (server, fitout) = locked_packages(&root);
    root.run(&["dpkg", "--purge", "tiny-tool", "tiny-data"]);
    let cache = tempfile::tempdir_in(kept("")).unwrap();
    let run = |verb: &[&str]| Run::of(command(env!("CARGO_BIN_EXE_fitout")).args(verb).arg("--cache").arg(cache.path()));
    let lock = lock_file(&fitout);
    run(&["fetch", lock.to_str().unwrap()]).ended(0);
    drop(server);
    let data = package(cache.path(), "tiny-data");
    let digest = data.file_name().unwrap().to_str().unwrap().to_owned();
    let (whole, file) = (fs::read(&data).unwrap(), fitout.manifest());
    let apply = ["apply", "--locked", "--offline", "--repair", "--root", root.path().to_str().unwrap(), "-f", file.to_str().unwrap()];
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let is_untouched = || !root.at("/usr/bin/tiny-tool").exists() && !root.at("/usr/share/tiny/data").exists();
    for (content, says) in [(Some(damaged), digest.as_str()), (None, "tiny-data")] {
        fs::remove_file(&data).unwrap();
        content.map_or(Ok(()), |content| fs::write(&data, content)).unwrap();
        let refused = run(&apply);
        assert!(refused.ended(69).stderr.contains(says), "{refused:?}");
        assert!(is_untouched());
        // A damaged one may have been moved out of the way: the next round begins with what the first did.
        fs::write(&data, &whole).unwrap();
    }
    run(&apply).ended(0);
    assert_eq!(root.run(&["tiny-tool"]), "tiny tool 1.2\n");
}

/// Where the cache has this package.
fn package(cache: &Path, name: &str) -> PathBuf {
    let named = |file: &Path| {
        command("dpkg-deb").arg("-f").arg(file).arg("Package").output().is_ok_and(|said| said.stdout.trim_ascii() == name.as_bytes())
    };
    let mut folders = vec![cache.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if named(&entry) {
                return entry;
            }
        }
    }
    panic!("the cache has no {name}");
}

/// The program, its sockets written down.
fn traced(verb: &[&str], sockets: &Path, cache: &Path) -> std::process::Command {
    let mut strace = command("strace");
    strace.args(["-f", "-qq", "-e", "trace=socket", "-o"]).arg(sockets).arg(env!("CARGO_BIN_EXE_fitout")).args(verb);
    strace.arg("--cache").arg(cache).args(["-o", "json", "--progress", "none"]);
    strace
}

#[test]
fn a_filled_cache_needs_no_network() {
    let manifest = MANIFEST.lines().filter(|line| !line.contains("tiny") && !line.contains("packages:")).collect::<Vec<_>>().join("\n");
    let root = Root::fresh();
    let fitout = lab(&root, &manifest, ENVIRONMENT);
    fs::write(fitout.beside("setup.sh"), "true\n").unwrap();
    fitout.run(&["lock"]).ended(0);
    let cache = tempfile::tempdir_in(kept("")).unwrap();
    let apart = |verb: &[&str]| traced(verb, &cache.path().join("sockets"), cache.path());
    let root_path = root.path().to_str().unwrap();
    let file = fitout.manifest();
    let apply = ["apply", "--locked", "--offline", "--root", root_path, "-f", file.to_str().unwrap()];
    let refused = Run::of(&mut apart(&apply));
    assert!(refused.ended(69).stderr.contains("the cache lacks"), "{refused:?}");
    let fetched = Run::of(&mut apart(&["fetch", lock_file(&fitout).to_str().unwrap()])).succeeded();
    assert_eq!(fetched["named"], fetched["fetched"], "{fetched:#}");
    Run::of(&mut apart(&apply)).succeeded();
    let sockets = fs::read_to_string(cache.path().join("sockets")).unwrap();
    assert!(!sockets.contains("AF_INET"), "{sockets}");
    assert!(root.at("/anaconda/envs/lab/conda-meta/libfoo-1.1-0.json").exists());
}
