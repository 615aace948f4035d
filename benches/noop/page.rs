//! `docs/performance.md`.

use crate::measure::Measured;
use crate::{Results, Row, TREE};
use std::fmt::Write;
use std::fs;

const INTRODUCTION: &str = "# Performance

What a run costs that finds nothing to do, which is what most runs are: at every boot, and whenever someone asks; then what downloads and
conda environments cost. `make bench` measures and writes this page; nothing here is timed in CI. Figures hold for the machine and the hour in
which they were taken, ratios for longer: all rows of a table are from one run, side by side. CPU is that of the process and its children, peak
the memory of the largest of them; medians of 9 runs (3 of what takes more than 3 s) after one that may do something, where nothing else is said.
";

/// The machine, in general terms.
pub fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let release = read("/etc/os-release");
    let system = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("Linux").trim_matches('"');
    let kernel = read("/proc/sys/kernel/osrelease");
    let kernel: Vec<&str> = kernel.trim().split(['.', '-']).take(2).collect();
    let memory: u64 = read("/proc/meminfo").split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or_default();
    format!(
        "{cpus} cores ({}), {} GiB of memory, {system}, Linux {}; files in memory (tmpfs under an overlay)",
        std::env::consts::ARCH,
        memory >> 20,
        kernel.join(".")
    )
}

/// The shipped manifest with the most text: its path, and its name in the tree.
pub fn largest_manifest() -> (String, String) {
    let entries = fs::read_dir(format!("{TREE}/manifests")).unwrap().map(|entry| entry.unwrap());
    let manifests = entries.filter(|entry| {
        let path = entry.path();
        path.extension() == Some("yaml".as_ref()) && !path.file_stem().unwrap().to_str().unwrap().starts_with("image-")
    });
    let largest = manifests.max_by_key(|entry| entry.metadata().unwrap().len()).unwrap();
    (largest.path().to_str().unwrap().to_owned(), format!("manifests/{}", largest.file_name().to_str().unwrap()))
}

fn cells(row: &Measured, own: f64) -> String {
    format!("{:.3} | {:.3} | {:.0} | {:.2}", row.wall, row.cpu, row.peak, row.cpu / own)
}

fn table(rows: &[Row]) -> String {
    let own = rows.first().and_then(|(_, row)| row.as_ref().ok()).map_or(f64::NAN, |row| row.cpu);
    let mut text = String::from("| | wall s | CPU s | peak MiB | CPU, first row = 1 |\n|---|---|---|---|---|\n");
    for (name, row) in rows {
        let cells = row.as_ref().map_or_else(|_| "not measured here | | |".to_owned(), |row| cells(row, own));
        writeln!(text, "| {name} | {cells} |").unwrap();
    }
    text
}

fn cpu(rows: &[Row], name: &str) -> Option<f64> {
    rows.iter().find(|(row, _)| row.starts_with(name)).and_then(|(_, row)| Some(row.as_ref().ok()?.cpu))
}

/// What was aimed at, and whether it was met; what was not measured is not said to be.
fn goals(results: &Results) -> String {
    let ratio = |rows: &[Row], more: &str, less: &str| Some(cpu(rows, more)? / cpu(rows, less)?);
    let most: &[Row] = results.many.last().map_or(&[], |(_, rows)| rows);
    let peak = most.first().and_then(|(_, row)| Some(row.as_ref().ok()?.peak));
    let mut text = String::from("| aim | here | |\n|---|---|---|\n");
    let mut line = |aim: &str, here: Option<f64>, unit: &str, met: fn(f64) -> bool| {
        let shown =
            here.map_or_else(|| "not measured | ".into(), |here| format!("{here:.1}{unit} | {}", if met(here) { "met" } else { "missed" }));
        writeln!(text, "| {aim} | {shown} |").unwrap();
    };
    line("the workstation: Salt takes at least 20 times the CPU", ratio(&results.job, "Salt", "Fitout"), " times", |x| x >= 20.0);
    line("the workstation: Ansible takes at least 400 times the CPU", ratio(&results.job, "Ansible", "Fitout"), " times", |x| x >= 400.0);
    line("10,000 files: at most 3 times the CPU of the least that must be done", ratio(most, "Fitout", "the least"), " times", |x| {
        x <= 3.0
    });
    line("10,000 files: at most 60 MiB of memory", peak, " MiB", |x| x <= 60.0);
    line("checking a manifest takes no more CPU than starting Python", ratio(&results.validate, "`fitout", "`python3"), " times", |x| {
        x <= 1.0
    });
    text
}

/// The page.
pub fn text(results: &Results) -> String {
    let mut text = format!("{INTRODUCTION}\nMeasured on {}.\n\n## Aims\n\n{}", results.machine, goals(results));
    let job = "10 directories, 16 files, 2 links, 2 groups, a user in both, 8 packages of the distribution";
    write!(text, "\n## A small workstation\n\n{job}: the same job for each tool.\n\n{}", table(&results.job)).unwrap();
    for (count, rows) in &results.many {
        write!(text, "\n## {count} files\n\nSmall files, a hundred to a directory.\n\n{}", table(rows)).unwrap();
    }
    write!(text, "\n## Checking the largest shipped manifest\n\n{}", table(&results.validate)).unwrap();
    text
}
