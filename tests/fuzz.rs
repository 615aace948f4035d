//! Parsers survive anything: the corpus of each, and mutations of it, the same ones each time. `FITOUT_FUZZ_ROUNDS` asks for more than the
//! usual number, `FITOUT_FUZZ_SEED` for others. What is found is added to `fuzz/corpus`.

#![cfg(test)]

#[path = "../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

/// Mutations of each target: a few seconds in all, without optimisation.
const ROUNDS: usize = 400;
/// Longer inputs only take longer.
const LONGEST: usize = 32 * 1024;
/// Pieces that parsers of these formats turn at.
const WORDS: [&str; 28] = [
    "\n",
    "  ",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "|",
    ">",
    "&a ",
    "*a",
    "!x ",
    "<<: ",
    "---\n",
    "~",
    "0",
    "\u{feff}",
    "\0",
    "é",
    ",",
    "%\n",
    "when: {gpu: present}",
    "include: [part.yaml]",
    "override: true",
    "\"version\":2",
];

/// A small generator of numbers (xorshift64*): the same seed gives the same inputs on every machine.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % end.max(1)
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Files of a folder, sorted.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// The corpus of a target; that of manifests is every case there is of one as well.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = files(&tree.join("fuzz/corpus").join(name));
    if matches!(name, "manifest" | "overlay") {
        found.extend(files(&tree.join("manifests")));
        found.extend(files(&tree.join("tests/cases/manifest")).into_iter().filter(|bytes| bytes.len() < LONGEST));
    }
    assert!(!found.is_empty(), "{name} has no corpus");
    found
}

/// Something like the input, but not quite.
fn mutated(mut input: Vec<u8>, other: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    for _ in 0..=numbers.below(6) {
        let (at, length) = (numbers.below(input.len() + 1), 1 + numbers.below(24));
        let end = (at + length).min(input.len());
        match numbers.below(6) {
            0 if at < input.len() => input[at] ^= 1 << numbers.below(8),
            1 => drop(input.drain(at..end)),
            2 => drop(input.splice(at..at, WORDS[numbers.below(WORDS.len())].bytes())),
            3 => drop(input.splice(at..at, input[at..end].to_vec().repeat(1 + numbers.below(40)))),
            4 => {
                let from = numbers.below(other.len());
                let piece = other[from..(from + 8 * length).min(other.len())].to_vec();
                drop(input.splice(at..end, piece));
            }
            _ => input.truncate(input.len() - numbers.below(input.len() / 4 + 1)),
        }
    }
    input.truncate(LONGEST);
    input
}

#[test]
fn parsers_survive_anything() {
    let rounds = number("FITOUT_FUZZ_ROUNDS").map_or(ROUNDS, |rounds| usize::try_from(rounds).unwrap());
    let mut numbers = Numbers(number("FITOUT_FUZZ_SEED").unwrap_or(0x5EED).max(1));
    for (name, target) in targets::TARGETS {
        let corpus = corpus(name);
        let survives = |input: &[u8]| {
            assert!(catch_unwind(|| target(input)).is_ok(), "{name} did not survive:\n{}\n{input:?}", String::from_utf8_lossy(input));
        };
        for input in &corpus {
            survives(input);
        }
        for _ in 0..rounds {
            let (one, other) = (numbers.below(corpus.len()), numbers.below(corpus.len()));
            survives(&mutated(corpus[one].clone(), &corpus[other], &mut numbers));
        }
    }
}
