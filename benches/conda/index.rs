//! An index of the size of conda-forge's: as many packages, releases and builds, with dependencies as people write them.
//!
//! Releases go in generations: the release `k` of a package wants others at `k - 2` or newer and older than `k + 4`, so that there is an answer,
//! and many that are none. Libraries come first; what comes later needs what came before, the first hundred most.

use fitout::model::Sha256;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

/// Packages for this processor, each in so many releases, each built for so many Pythons.
const BUILT: (u64, u64) = (15_000, 5);
const PYTHONS: [u64; 4] = [10, 11, 12, 13];
/// Packages for every processor, and their releases.
const PLAIN: (u64, u64) = (10_000, 12);
/// Dependencies of each.
const NEEDS: u64 = 6;

/// How many records there are.
pub const RECORDS: u64 = BUILT.0 * BUILT.1 * PYTHONS.len() as u64 + PLAIN.0 * PLAIN.1 + PYTHONS.len() as u64;

/// What is asked of it.
pub const WANTED: [&str; 8] = ["python=3.12", "n9991", "n9750", "n8888", "b14999", "b14000", "b12345", "b11111"];

/// The same for the same input, and evenly spread.
fn draw(seed: u64, number: u64) -> u64 {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// What the release of a package needs: one of the packages before it, in a range.
fn needs(package: u64, release: u64, releases: u64) -> Vec<String> {
    let need = |number| {
        let drawn = draw(package, number);
        let among = if drawn.is_multiple_of(2) { 100 } else { package };
        let other = (drawn >> 8) % package.min(among).max(1);
        // The newest release of one fits the newest of another, however many there are of each.
        let generation = BUILT.1.saturating_sub(releases - release);
        let oldest = generation.saturating_sub(2);
        if drawn.is_multiple_of(3) { format!("b{other} >=1.{oldest},<1.{}", generation + 4) } else { format!("b{other} >=1.{oldest}") }
    };
    if package == 0 { Vec::new() } else { (0..NEEDS.min(package)).map(need).collect() }
}

fn record(name: &str, release: &str, build: &str, depends: &[String], subdir: &str) -> (String, Value) {
    let file = format!("{name}-{release}-{build}.conda");
    let noarch = (subdir == "noarch").then_some("python");
    let record = json!({
        "build": build, "build_number": 0, "depends": depends, "license": "BSD-3-Clause", "name": name, "noarch": noarch,
        "sha256": Sha256::of(file.as_bytes()), "size": 123_456, "subdir": subdir, "timestamp": 1_700_000_000_000_u64, "version": release,
    });
    (file, record)
}

fn built() -> impl Iterator<Item = (String, Value)> {
    let python = |minor: &u64| record("python", &format!("3.{minor}.0"), "0", &[], "linux-64");
    let of = |package: u64| {
        (0..BUILT.1).flat_map(move |release| {
            PYTHONS.iter().map(move |minor| {
                let mut depends = needs(package, release, BUILT.1);
                depends.extend([format!("python >=3.{minor},<3.{}.0a0", minor + 1), "__glibc >=2.17".into()]);
                record(&format!("b{package}"), &format!("1.{release}"), &format!("py3{minor}_0"), &depends, "linux-64")
            })
        })
    };
    PYTHONS.iter().map(python).chain((0..BUILT.0).flat_map(of))
}

fn plain() -> impl Iterator<Item = (String, Value)> {
    let of = |package: u64| {
        (0..PLAIN.1).map(move |release| {
            let mut depends = needs(package + 100, release, PLAIN.1);
            depends.push("python >=3.9".into());
            record(&format!("n{package}"), &format!("1.{release}"), "pyhd8ed1ab_0", &depends, "noarch")
        })
    };
    (0..PLAIN.0).flat_map(of)
}

/// Writes the channel.
pub fn write(channel: &Path) {
    part(channel, "linux-64", built());
    part(channel, "noarch", plain());
}

fn part(channel: &Path, subdir: &str, records: impl Iterator<Item = (String, Value)>) {
    fs::create_dir_all(channel.join(subdir)).unwrap();
    let file = File::create(channel.join(subdir).join("repodata.json.zst")).unwrap();
    let mut text = BufWriter::new(zstd::Encoder::new(file, 3).unwrap().auto_finish());
    write!(text, "{{\"info\":{{\"subdir\":\"{subdir}\"}},\"packages\":{{}},\"packages.conda\":{{").unwrap();
    for (number, (name, record)) in records.enumerate() {
        let comma = if number > 0 { "," } else { "" };
        write!(text, "{comma}\n\"{name}\":{record}").unwrap();
    }
    write!(text, "}},\"repodata_version\":1}}").unwrap();
    text.flush().unwrap();
}
