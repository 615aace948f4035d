//! What a run costs that finds nothing to do: Fitout against its peers and against the least that any program could do, side by side, in one
//! run. `make bench` runs it and writes `docs/performance.md`.
//!
//! Everything happens in a throw-away view of this machine: a mount namespace in which an overlay lies over `/`, so that tools which can only
//! work on the machine that they run on do so, and nothing stays. Absolute figures hold nowhere else; ratios do.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot be taken ends")]

mod job;
#[path = "../shared/measure.rs"]
mod measure;
mod page;
mod peers;
#[path = "../shared/section.rs"]
#[expect(dead_code, reason = "the other measurements write sections")]
mod section;

use measure::{Measured, must, program};
use std::path::{Path, PathBuf};
use std::{env, fs};

const TREE: &str = env!("CARGO_MANIFEST_DIR");
/// How many single files.
const MANY: [usize; 3] = [100, 1_000, 10_000];

/// One line of a table: who, and what it took; or why not.
type Row = (String, Result<Measured, String>);

/// All that was measured.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Results {
    job: Vec<Row>,
    many: Vec<(usize, Vec<Row>)>,
    validate: Vec<Row>,
    machine: String,
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--measure", argv @ ..] => measure::child(argv),
        ["--inside", folder] => print(&Inside { folder: Path::new(folder), fitout: &format!("{folder}/fitout") }.results()),
        ["--bench", ..] | [.., "--bench"] => outside(),
        // Begun by `cargo test --all-targets`: that is no place to measure.
        _ => {}
    }
}

#[expect(clippy::print_stdout, reason = "what the process outside reads")]
fn print(results: &Results) {
    println!("{}", serde_json::to_string(results).unwrap());
}

/// Prepares peers, measures in the view, and writes the page.
fn outside() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("noop");
    fs::create_dir_all(folder.join("view")).unwrap();
    peers::install(&folder);
    compile_floor(&folder);
    // Built as people get it, while this program need not be.
    let fitout = env::var("FITOUT").unwrap_or_else(|_| format!("{TREE}/target/release/fitout"));
    fs::copy(fitout, folder.join("fitout")).unwrap();
    let script = include_str!("view.sh");
    let own = env::current_exe().unwrap();
    let mut view = program("unshare");
    view.args(["--mount", "--propagation", "private", "--", "sh", "-euc", script, "view"]).arg(folder.join("view")).arg(TREE);
    let printed = must(view.arg(own).arg("--inside").arg(&folder));
    let results: Results = serde_json::from_str(printed.lines().last().unwrap_or_default()).unwrap();
    let text = page::text(&results);
    section::put_first(&text);
    measure::say(&text);
}

/// Compiles the minimal program.
fn compile_floor(folder: &Path) {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let source = Path::new(TREE).join("benches/noop/floor.rs");
    must(program(&rustc).args(["-O", "--edition", "2024", "-o"]).arg(folder.join("floor")).arg(source));
}

/// In the view.
struct Inside<'a> {
    /// Peers and the minimal program.
    folder: &'a Path,
    /// The program under test.
    fitout: &'a str,
}

impl Inside<'_> {
    fn results(&self) -> Results {
        let work = PathBuf::from("/tmp/noop");
        let job = self.rows(&job::Job::workstation(), &work.join("job"), &peers::ALL);
        // The others would take minutes.
        let salt: Vec<_> = peers::ALL.into_iter().filter(|peer| peer.name == "Salt").collect();
        let many = MANY.map(|count| (count, self.rows(&job::Job::files(count), &work.join(count.to_string()), &salt)));
        let (largest, name) = page::largest_manifest();
        let validate = vec![
            (format!("`fitout validate -f {name}`"), measure::median(&[self.fitout, "validate", "-f", &largest], 9)),
            ("`python3 -c pass`".into(), measure::median(&["/usr/bin/python3", "-c", "pass"], 9)),
        ];
        Results { job, many: many.into(), validate, machine: page::machine() }
    }

    /// One job by all: each makes it so first, and is measured where nothing is left to do.
    fn rows(&self, job: &job::Job, work: &Path, others: &[peers::Peer]) -> Vec<Row> {
        fs::create_dir_all(work.join("wanted")).unwrap();
        let write = |name: &str, text: &str| {
            let path = work.join(name);
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let manifest = write("job.yaml", &job.manifest());
        let apply = [self.fitout, "apply", "-f", &manifest, "--progress", "none", "--cache", "/tmp/noop/cache"];
        let mut rows = vec![("Fitout".to_owned(), measure::converged(&apply))];
        let copy = |(number, file): (usize, &job::Wanted)| {
            let copy = write(&format!("wanted/{number}"), &file.text);
            format!("{}\t{:o}\t{}\t{copy}\n", file.path, file.mode, file.text.len())
        };
        let list = write("wanted.txt", &job.files.iter().enumerate().map(copy).collect::<String>());
        rows.push((LEAST.into(), measure::median(&[self.folder.join("floor").to_str().unwrap(), &list], 9)));
        for peer in others {
            let text = write(peer.file, &(peer.text)(job));
            let command = (peer.command)(self.folder, &text);
            let argv: Vec<&str> = command.iter().map(String::as_str).collect();
            rows.push((format!("{} {}", peer.name, peer.version), measure::converged(&argv)));
        }
        rows
    }
}

/// The minimal program's row.
const LEAST: &str = "the least: each file opened, looked at, read, compared";
