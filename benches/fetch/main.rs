//! What a download costs, verified and unpacked: Fitout against what people write in shells, and against the least that any program could do,
//! side by side, in one run, from this machine to itself. `make bench` runs it and puts the tables into `docs/performance.md`.
//!
//! Fitout's part runs as a library in a process of its own: what `apply` does with an archive, without the rest of `apply`.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot be taken ends")]

mod job;
mod least;
#[path = "../shared/measure.rs"]
#[expect(dead_code, reason = "the other measurement uses all of it")]
mod measure;
mod ours;
mod peers;
#[path = "../shared/rows.rs"]
mod rows;
#[path = "../shared/section.rs"]
#[expect(dead_code, reason = "another measurement writes the beginning")]
mod section;
#[path = "../shared/serve.rs"]
mod serve;

use job::Job;
use least::Archives;
use measure::{Measured, say};
use ours::When;
use rows::{Row, middle, table};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Runs of each, of which the one in the middle by its wall time counts.
const RUNS: usize = 5;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--measure", argv @ ..] => measure::child(argv),
        ["--serve", folder] => serve::serve(Path::new(folder)),
        ["--least", job, folder] => least::run(&Job::read(job), Path::new(folder), Archives::Kept),
        ["--dropping", job, folder] => least::run(&Job::read(job), Path::new(folder), Archives::Dropped),
        ["--fitout", job, folder] => ours::run(&Job::read(job), Path::new(folder), When::Meanwhile),
        ["--afterwards", job, folder] => ours::run(&Job::read(job), Path::new(folder), When::Afterwards),
        ["--bench", ..] | [.., "--bench"] => outside(),
        // Begun by `cargo test --all-targets`: that is no place to measure.
        _ => {}
    }
}

fn outside() {
    peers::install();
    // In memory, so that it is programs that are compared and not disks.
    let folder = tempfile::Builder::new().prefix("fitout-bench-").tempdir_in("/dev/shm").unwrap();
    let served = folder.path().join("served");
    let jobs =
        [("one file of 1 GiB", job::make(&served, "one", 1, 1 << 30)), ("200 files of 1 MiB", job::make(&served, "many", 200, 1 << 20))];
    let running = serve::Server::start(&served);
    let mut text = String::from(
        "## Downloads\n\nArchives (tar) from this machine to itself, in memory: fetched, held against their sha256, kept, unpacked. Medians of 5 runs by wall time,\n\
         all in one run; CPU is that of the program and its children, not of the server.\n",
    );
    for (name, mut job) in jobs {
        job.at(&running.address);
        let rows = rows(&job, folder.path());
        write!(text, "\n### {}\n\n{}", name, table(&rows, rows.iter().find(|(name, _)| name == LEAST), "the least", 2)).unwrap();
    }
    section::put("downloads", &text);
    say(&text);
}

/// The arguments of a program that does the job in a folder.
type Command<'a> = Box<dyn Fn(&Path) -> Vec<String> + 'a>;

fn rows(job: &Job, folder: &Path) -> Vec<Row> {
    let own = env::current_exe().unwrap().to_str().unwrap().to_owned();
    let list = folder.join("job.json");
    job.write(&list);
    let mode = |mode: &str, place: &Path| vec![own.clone(), mode.to_owned(), list.display().to_string(), place.display().to_string()];
    let mut all: Vec<(String, Command)> = vec![
        ("Fitout".into(), Box::new(|place| mode("--fitout", place))),
        ("Fitout, if it unpacked afterwards".into(), Box::new(|place| mode("--afterwards", place))),
        (LEAST.into(), Box::new(|place| mode("--least", place))),
        ("the least, if it kept no archives".into(), Box::new(|place| mode("--dropping", place))),
    ];
    for (name, command) in peers::ALL {
        all.push((name.into(), Box::new(move |place| command(job, place))));
    }
    let mut found: Vec<(String, Vec<Result<Measured, String>>)> = all.iter().map(|(name, _)| (name.clone(), Vec::new())).collect();
    // In turns: what disturbs this machine disturbs all of them.
    for round in 0..RUNS {
        for ((name, command), (_, runs)) in all.iter().zip(&mut found) {
            say(&format!("run {} of {name}", round + 1));
            runs.push(one(job, folder, command.as_ref()));
        }
    }
    found.into_iter().map(|(name, runs)| (name, middle(runs))).collect()
}

/// The least that must be done.
const LEAST: &str = "the least: a socket read, hashed, kept as it is and unpacked as it comes";

fn one(job: &Job, folder: &Path, command: &dyn Fn(&Path) -> Vec<String>) -> Result<Measured, String> {
    let place: PathBuf = folder.join("place");
    fs::create_dir(&place).unwrap();
    let argv = command(&place);
    let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
    let measured = measure::median(&argv, 1);
    let unpacked = job.is_unpacked(&place);
    fs::remove_dir_all(&place).unwrap();
    measured.and_then(|measured| unpacked.then_some(measured).ok_or_else(|| "it did not unpack all of it".to_owned()))
}
