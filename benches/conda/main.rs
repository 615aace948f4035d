//! What conda environments cost: Fitout against py-rattler, which drives the same libraries, side by side, in one run. The same lock becomes an
//! environment with an empty cache and with a full one, and is found converged; an index of conda-forge's size is solved. `make bench` runs it
//! and puts the tables into `docs/performance.md`.
//!
//! Both are whole programs, as people run them: Fitout with a manifest and a root directory, py-rattler with a script (`peer.py`).

#![expect(clippy::unwrap_used, reason = "a measurement that cannot be taken ends")]

#[path = "../../tests/support/channel.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod channel;
mod environment;
mod index;
#[path = "../shared/measure.rs"]
#[expect(dead_code, reason = "another measurement uses all of it")]
mod measure;
#[path = "../shared/rows.rs"]
mod rows;
#[path = "../shared/section.rs"]
#[expect(dead_code, reason = "another measurement writes the beginning")]
mod section;
#[path = "../shared/serve.rs"]
mod serve;

use measure::{Measured, must, program, say};
use rows::{Row, middle, table};
use serde_json::Value;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::{env, fs};

const TREE: &str = env!("CARGO_MANIFEST_DIR");
/// Runs of each, of which the one in the middle by its wall time counts.
const RUNS: usize = 5;
/// The peer, from PyPI.
const PEER: &str = "py-rattler==0.28.0";

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--measure", argv @ ..] => measure::child(argv),
        ["--serve", folder] => serve::serve(Path::new(folder)),
        ["--bench", ..] | [.., "--bench"] => outside(),
        // Begun by `cargo test --all-targets`: that is no place to measure.
        _ => {}
    }
}

/// Who, and the arguments of what it does with a cache in a place.
type Who<'w> = (&'w str, &'w dyn Fn(&str, &str) -> Vec<String>);

fn outside() {
    let python = install_peer();
    // In memory, so that it is programs that are compared and not disks.
    let folder = tempfile::Builder::new().prefix("fitout-bench-").tempdir_in("/dev/shm").unwrap();
    let bench = Bench::new(folder.path(), python);
    let mut text = String::from(
        "## Conda environments\n\nWhole programs, from this machine to itself, in memory. py-rattler drives the libraries that Fitout uses as \
         well. It links files of its cache into the environment; Fitout copies them, so that an edit in one environment reaches no other, writes down \
         the digest of each, and switches to the environment only when all of it is there and on the disk. Medians of 5 runs by wall time, all in one run.\n",
    );
    let mut add = |title: &str, rows: Vec<Row>| write!(text, "\n### {title}\n\n{}", table(&rows, rows.first(), "first row", 3)).unwrap();
    add("40 packages of a lock (4,840 files, 129 MB), empty cache", bench.turns(Cache::Empty));
    add("The same, full cache", bench.turns(Cache::Full));
    add("The same, nothing left to do", bench.turns(Cache::Done));
    add(&format!("A solve, {} records, empty cache", index::RECORDS), bench.solves(Cache::Empty));
    add("The same, the index in the cache", bench.solves(Cache::Full));
    section::put("conda", &text);
    say(&text);
}

/// Installs the peer in an environment of its own; its Python.
fn install_peer() -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conda/py-rattler");
    let python = place.join("bin/python");
    let quiet = |name: &Path, arguments: &[&str]| program(name.to_str().unwrap()).args(arguments).stdout(Stdio::null()).status();
    let is_there = |python: &Path| quiet(python, &["-c", "import rattler"]).is_ok_and(|status| status.success());
    if !is_there(&python) {
        say(&format!("installing {PEER}"));
        quiet(Path::new("python3"), &["-m", "venv", "--clear", place.to_str().unwrap()]).ok();
        quiet(&python, &["-m", "pip", "install", "--quiet", PEER]).ok();
    }
    python
}

/// What is there before a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cache {
    /// Nothing.
    Empty,
    /// What an earlier run fetched.
    Full,
    /// The environment itself.
    Done,
}

struct Bench<'a> {
    folder: &'a Path,
    python: PathBuf,
    fitout: String,
    server: serve::Server,
}

impl<'a> Bench<'a> {
    fn new(folder: &'a Path, python: PathBuf) -> Self {
        say("making channels");
        let served = folder.join("served");
        environment::write(&served.join("small"));
        index::write(&served.join("large"));
        let fitout = env::var("FITOUT").unwrap_or_else(|_| format!("{TREE}/target/release/fitout"));
        let bench = Self { folder, python, fitout, server: serve::Server::start(&served) };
        fs::write(bench.path("peer.py"), include_str!("peer.py")).unwrap();
        let asks = |channel: &str, wanted: &[&str]| format!("channels: [{}]\ndependencies: {wanted:?}\n", bench.channel(channel));
        bench.describe("small", &asks("small", &[&environment::wanted()]));
        bench.describe("large", &asks("large", &index::WANTED));
        bench.lock();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn channel(&self, name: &str) -> String {
        format!("http://{}/{name}", self.server.address)
    }

    /// A manifest, and the environment file that it names.
    fn describe(&self, name: &str, file: &str) {
        fs::write(self.path(&format!("{name}.yml")), file).unwrap();
        let manifest =
            format!("schema: 1\nconda: {{prefix: /anaconda}}\nenvironments: [{{name: lab, from: {{conda: {name}.yml}}, owner: system}}]\n");
        fs::write(self.path(&format!("{name}.yaml")), manifest).unwrap();
    }

    /// A root directory as small as one can be: nothing runs in it, but its shell tells the processor.
    fn root(&self, name: &str) -> String {
        let root = self.path(name);
        for folder in ["etc", "usr/bin"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        if !root.join("usr/bin/bash").exists() {
            fs::copy("/usr/bin/bash", root.join("usr/bin/bash")).unwrap();
        }
        fs::write(root.join("etc/os-release"), "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n").unwrap();
        fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").unwrap();
        root.display().to_string()
    }

    /// Makes the lock that both install.
    fn lock(&self) {
        let manifest = self.text("small.yaml");
        let root = self.root("scratch");
        must(program(&self.fitout).args([
            "lock",
            "-f",
            &manifest,
            "--root",
            &root,
            "--cache",
            &self.text("scratch-cache"),
            "--progress",
            "none",
        ]));
        let lock: Value = serde_json::from_str(&fs::read_to_string(format!("{manifest}.lock")).unwrap()).unwrap();
        let lines = &lock["machines"]["debian-12-x86_64"]["answers"][0]["answer"]["lock"]["lines"];
        let text: Vec<&str> = lines.as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
        self.describe("small", &text.join("\n"));
        fs::remove_file(format!("{manifest}.lock")).unwrap();
    }

    /// Both install, in turns: what disturbs this machine disturbs both.
    fn turns(&self, before: Cache) -> Vec<Row> {
        let ours = |cache: &str, place: &str| {
            let root = self.root(place);
            vec![&*self.fitout, "apply", "-f", &self.text("small.yaml"), "--root", &root, "--cache", cache, "--progress", "none"]
                .into_iter()
                .map(str::to_owned)
                .collect()
        };
        let theirs = |cache: &str, place: &str| {
            let words =
                [&*self.python.to_string_lossy(), &self.text("peer.py"), "install", &self.text("small.yml"), &self.text(place), cache];
            words.map(str::to_owned).to_vec()
        };
        self.rows([("Fitout", &ours), ("py-rattler 0.28.0", &theirs)], before)
    }

    fn solves(&self, before: Cache) -> Vec<Row> {
        let ours = |cache: &str, place: &str| {
            let (root, manifest) = (self.root(place), self.text("large.yaml"));
            let words = [&*self.fitout, "lock", "--update", "-f", &manifest, "--root", &root, "--cache", cache, "--progress", "none"];
            words.map(str::to_owned).to_vec()
        };
        let theirs = |cache: &str, _: &str| {
            let words = [&*self.python.to_string_lossy(), &self.text("peer.py"), "solve", &self.channel("large"), cache];
            words.into_iter().chain(index::WANTED).map(str::to_owned).collect()
        };
        self.rows([("Fitout", &ours), ("py-rattler 0.28.0", &theirs)], before)
    }

    fn rows(&self, who: [Who<'_>; 2], before: Cache) -> Vec<Row> {
        let mut runs: Vec<Vec<Result<Measured, String>>> = vec![Vec::new(), Vec::new()];
        for round in 0..=RUNS {
            for (number, (name, command)) in who.iter().enumerate() {
                let (cache, place) = (format!("cache-{number}"), format!("place-{number}"));
                let clear = |name: &str| fs::remove_dir_all(self.path(name)).unwrap_or_default();
                if before == Cache::Empty {
                    clear(&cache);
                }
                if before != Cache::Done {
                    clear(&place);
                }
                say(&format!("run {round} of {name}"));
                let argv = command(&self.text(&cache), &self.text(&place));
                let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
                let measured = measure::median(&argv, 1);
                // The first makes what the others find.
                if round > 0 {
                    runs[number].push(measured);
                }
            }
        }
        who.iter().zip(runs).map(|((name, _), runs)| ((*name).to_owned(), middle(runs))).collect()
    }
}
