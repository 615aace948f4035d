//! What a process and its children take.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::process::Command;
use std::time::Instant;

/// What a run took.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Measured {
    /// Seconds on the wall.
    pub wall: f64,
    /// Seconds of processors, of the process and its children.
    pub cpu: f64,
    /// MiB of the largest of them.
    pub peak: f64,
}

#[expect(clippy::disallowed_methods, reason = "a measurement runs programs of this machine")]
pub fn program(name: &str) -> Command {
    Command::new(name)
}

#[expect(clippy::print_stderr, reason = "for the person who waits")]
pub fn say(text: &str) {
    eprintln!("{text}");
}

/// Runs a program that must succeed; what it printed.
pub fn must(command: &mut Command) -> String {
    let output = command.stderr(std::process::Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// Measures one program, and prints what it took; a process of its own, for what children take is counted for all of them together.
#[expect(clippy::print_stdout, reason = "what the process above reads")]
pub fn child(argv: &[&str]) {
    let began = Instant::now();
    let output = program(argv[0]).args(&argv[1..]).stdin(std::process::Stdio::null()).output().unwrap();
    let wall = began.elapsed().as_secs_f64();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let (cpu, peak) = ((usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e6, usage.max_rss() as f64 / 1024.0);
    let last = String::from_utf8_lossy(if output.status.success() { &output.stdout } else { &output.stderr }).into_owned();
    let measured = output.status.success().then_some(Measured { wall, cpu, peak });
    println!("{}", serde_json::to_string(&(measured, last.lines().last())).unwrap());
}

fn once(argv: &[&str]) -> Result<Measured, String> {
    let own = std::env::current_exe().unwrap();
    let output = program(own.to_str().unwrap()).arg("--measure").args(argv).output().unwrap();
    let (measured, last): (Option<Measured>, Option<String>) = serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
    measured.ok_or_else(|| last.unwrap_or_default())
}

/// The run in the middle of so many, by its CPU time.
pub fn median(argv: &[&str], runs: usize) -> Result<Measured, String> {
    let mut all = (0..runs).map(|_| once(argv)).collect::<Result<Vec<_>, _>>()?;
    all.sort_by(|a, b| a.cpu.total_cmp(&b.cpu));
    Ok(all.swap_remove(runs / 2))
}

/// What it takes where nothing is left to do: after a run that may do something; more runs of what is quick.
pub fn converged(argv: &[&str]) -> Result<Measured, String> {
    let shown = argv[0].rsplit('/').next().unwrap_or_default();
    say(&format!("{shown}: makes it so"));
    let first = once(argv).inspect_err(|error| say(error))?;
    let runs = if first.wall < 3.0 { 9 } else { 3 };
    say(&format!("{shown}: {runs} runs that find it so"));
    median(argv, runs)
}
