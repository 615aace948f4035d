//! The house rules that no compiler checks, read from the sources: which room may use which, what each outside thing's one door is,
//! how long a file may be, and what no file may hold.
//!
//! A new room is one line in [`ROOMS`], a new door one line in [`DOORS`].

#![cfg(test)]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms of `src/`, lowest first: a room uses only rooms before it.
const ROOMS: [&str; 24] = [
    "model",
    "lint",
    "problem",
    "schedule",
    "step",
    "store",
    "target",
    "resource",
    "recipe",
    "manifest",
    "fetch",
    "cloud",
    "resolve",
    "graph",
    "plan",
    "apply",
    "journal",
    "session",
    "adopt",
    "doctor",
    "datasource",
    "image",
    "agent",
    "cli",
];

/// What may appear behind one door only: the text, and the beginnings of the paths that may hold it.
const DOORS: [(&str, &[&str]); 8] = [
    ("Command::new", &["src/target/run.rs", "src/target/enter.rs"]),
    ("reqwest", &["src/fetch/"]),
    ("serde_yaml", &["src/manifest/"]),
    ("println!", &["src/cli/"]),
    ("eprintln!", &["src/cli/"]),
    ("SystemTime::now", &[]),
    ("Timestamp::now", &["src/target/clock.rs"]),
    ("nix::mount", &["src/target/"]),
];

/// Longest file of `src/`; the house aims at 400.
const LONGEST_FILE: usize = 600;

/// What no file of the tree may hold, in two parts so that this file does not hold it either: places and names of one machine.
const FOREIGN: [(&str, &str); 6] =
    [("/work", "/h/"), ("/work", "/main"), ("/work", "/shared"), ("/root/", ".cargo"), ("host.docker", ".internal"), ("192.168", ".")];

fn tree() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files below a folder with one of these endings, as paths relative to the tree.
fn files(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![tree().join(folder)];
    while let Some(next) = folders.pop() {
        let Ok(entries) = fs::read_dir(&next) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)) {
                found.push(path.strip_prefix(tree()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<PathBuf> {
    files("src", &[".rs"])
}

fn read(path: &Path) -> String {
    // Some cases are files that are no text.
    let bytes = fs::read(tree().join(path)).unwrap_or_else(|e| panic!("read {}: {e}", path.display()));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The text without comments (documentation may point anywhere).
fn code(text: &str) -> String {
    text.lines().map(|line| line.split_once("//").map_or(line, |(code, _)| code)).fold(String::new(), |all, line| all + line + "\n")
}

/// The text without its unit tests, which stand last.
fn without_tests(text: &str) -> &str {
    text.split_once("#[cfg(test)]\nmod ").map_or(text, |(code, _)| code)
}

/// The room that a file of `src/` belongs to; `None` for `lib.rs` and `main.rs`, which stand above all.
fn room_of(path: &Path) -> Option<&'static str> {
    let first = path.strip_prefix("src").unwrap().components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    let name = first.trim_end_matches(".rs");
    if matches!(name, "lib" | "main") {
        return None;
    }
    Some(ROOMS.into_iter().find(|room| *room == name).unwrap_or_else(|| panic!("src/{first} is no room; add it to ROOMS and lib.rs")))
}

/// The first names after `crate::`, those of a braced list included.
fn uses(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        let name = |text: &str| -> String { text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
        match after.strip_prefix('{') {
            None => drop(found.insert(name(after))),
            Some(list) => found.extend(top_level(list).iter().map(|part| name(part))),
        }
    }
    found
}

/// The parts of a braced list up to its closing brace, split at commas of the first level.
fn top_level(list: &str) -> Vec<String> {
    let mut depth = 0_u32;
    let mut parts = vec![String::new()];
    for c in list.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => parts.push(String::new()),
            _ => {
                depth = match c {
                    '{' => depth + 1,
                    '}' => depth - 1,
                    _ => depth,
                };
                parts.last_mut().unwrap().push(c);
            }
        }
    }
    parts
}

fn assert_none(what: &str, faults: &[String]) {
    let list = faults.iter().fold(String::new(), |mut all, fault| {
        writeln!(all, "  {fault}").unwrap();
        all
    });
    assert!(faults.is_empty(), "{what}:\n{list}");
}

#[test]
fn a_room_uses_earlier_rooms_only() {
    let rank = |room: &str| ROOMS.iter().position(|known| *known == room);
    let mut faults = Vec::new();
    for path in sources() {
        let Some(room) = room_of(&path) else { continue };
        let text = code(&read(&path));
        for used in uses(&text) {
            if rank(&used) > rank(room) {
                faults.push(format!("{}: {room} uses {used}, a later room", path.display()));
            }
        }
        // `super` may not lead out of a room past the check above.
        let top = path.ends_with("mod.rs") || path.components().count() == 2;
        let escapes = ROOMS.iter().any(|other| top && text.contains(&format!("super::{other}::"))) || text.contains("super::super::super");
        if escapes {
            faults.push(format!("{}: name other rooms by `crate::`", path.display()));
        }
    }
    assert_none("rooms out of order", &faults);
}

#[test]
fn the_map_lists_every_room() {
    let map = read(Path::new("src/lib.rs"));
    let listed: Vec<&str> = map.lines().filter_map(|line| line.strip_prefix("//! | [`")?.split_once('`')).map(|(room, _)| room).collect();
    let expected: Vec<&str> = ROOMS.into_iter().filter(|room| map.contains(&format!("\npub mod {room};"))).collect();
    assert_eq!(listed, expected, "the table of src/lib.rs lists the rooms in their order");
}

#[test]
fn outside_things_have_one_door() {
    let mut faults = Vec::new();
    for path in sources() {
        let text = code(without_tests(&read(&path)));
        for (what, doors) in DOORS {
            let open = doors.iter().any(|door| path.to_string_lossy().starts_with(door));
            if !open && contains_word(&text, what) {
                faults.push(format!("{}: {what} (its door: {})", path.display(), doors.join(", ")));
            }
        }
    }
    assert_none("used outside its door", &faults);
}

/// Whether the text holds this, not as the end of a longer word (`eprintln!` holds `println!`).
fn contains_word(text: &str, what: &str) -> bool {
    text.match_indices(what).any(|(at, _)| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let mut faults = Vec::new();
    for path in sources() {
        let text = read(&path);
        let lines = text.lines().count();
        if lines > LONGEST_FILE {
            faults.push(format!("{}: {lines} lines, more than {LONGEST_FILE}", path.display()));
        }
    }
    for path in sources().into_iter().chain(files("tests", &[".rs"])).chain(files("benches", &[".rs"])) {
        if !read(&path).starts_with("//! ") {
            faults.push(format!("{}: the first line says no `//!` what the file is for", path.display()));
        }
    }
    assert_none("unreadable files", &faults);
}

#[test]
fn nothing_is_silenced() {
    let silencers = [concat!("#[", "allow("), concat!("#![", "allow(")];
    let all = sources().into_iter().chain(files("tests", &[".rs"])).chain(files("benches", &[".rs"]));
    let faults: Vec<String> = all
        .filter(|path| silencers.iter().any(|silencer| read(path).contains(silencer)))
        .map(|path| format!("{}: use `#[expect(.., reason = \"..\")]`", path.display()))
        .collect();
    assert_none("silenced lints", &faults);
}

#[test]
fn the_program_is_thin() {
    let lines = read(Path::new("src/main.rs")).lines().count();
    assert!(lines < 40, "src/main.rs has {lines} lines; what it does belongs to cli/");
}

#[test]
fn no_file_names_one_machine() {
    let endings = [".rs", ".toml", ".md", ".yaml", ".yml", ".sh", ".json", ".snap", "Makefile", ".ci/run"];
    let folders = ["src", "tests", "benches", "docs", "manifests", "images", "setup-scripts", "scripts", "packaging", ".ci"];
    let top = ["Cargo.toml", "README.md", "Makefile", "clippy.toml", "deny.toml", "CONTRIBUTING.md"].map(PathBuf::from);
    let all = folders.iter().flat_map(|folder| files(folder, &endings)).chain(top.into_iter().filter(|path| tree().join(path).exists()));
    let mut faults = Vec::new();
    for path in all {
        let text = read(&path);
        for (head, tail) in FOREIGN {
            if text.contains(&format!("{head}{tail}")) {
                faults.push(format!("{}: {head}{tail}", path.display()));
            }
        }
    }
    assert_none("private places", &faults);
}

#[test]
fn dependencies_come_from_one_registry() {
    let lock = read(Path::new("Cargo.lock"));
    let odd: Vec<String> = lock
        .lines()
        .filter(|line| line.starts_with("source = ") && *line != "source = \"registry+https://github.com/rust-lang/crates.io-index\"")
        .map(str::to_owned)
        .collect();
    assert_none("dependencies from elsewhere than crates.io", &odd);
}

#[test]
fn lists_of_uses_are_understood() {
    let text = "use crate::{model::{A, B}, step::Op};\nuse crate::target;\nfn f() { crate::plan::x() }\n";
    assert_eq!(uses(text).into_iter().collect::<Vec<_>>(), ["model", "plan", "step", "target"]);
}
