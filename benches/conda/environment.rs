//! The environment that is installed: packages as people's are, of text and of libraries, some of which name their prefix.

use crate::channel::{Body, PLACEHOLDER, Package, write as write_channel};
use std::fmt::Write;
use std::path::Path;

const PACKAGES: u64 = 40;
/// Small files of each.
const FILES: u64 = 120;
/// The library of each: half of it compresses well.
const LIBRARY: usize = 3 << 20;

fn text(package: u64, file: u64) -> Body {
    let lines = 20 + (package * 7 + file * 13) % 200;
    let mut text = (0..lines).fold(String::new(), |mut text, line| {
        writeln!(text, "def f{line}(x): return x + {} # of {package}", line * file).unwrap();
        text
    });
    // One in ten says where it is, as scripts and configuration do.
    if file.is_multiple_of(10) {
        text.push_str("prefix = '@'\n");
    }
    Body::Text(text)
}

fn library(package: u64) -> Body {
    let mut state = package + 1;
    let mut bytes: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        u8::try_from(state >> 56).unwrap()
    })
    .take(LIBRARY / 2)
    .collect();
    bytes.resize(LIBRARY, b'0');
    Body::Plain(bytes, 0o644)
}

/// Writes the channel; the text of an environment file that asks for all of it.
pub fn write(channel: &Path) {
    let package = |number: u64| {
        let mut files: Vec<(String, Body)> =
            (0..FILES).map(|file| (format!("share/p{number}/{:02}/f{file}.py", file / 10), text(number, file))).collect();
        files.push((format!("lib/libp{number}.so"), library(number)));
        let needs: Vec<String> = (number > 0).then(|| format!("p{}", number - 1)).into_iter().collect();
        Package { files, depends: needs, ..Package::new(&format!("p{number}"), "1.0", &[], Vec::new()) }
    };
    assert!(PLACEHOLDER.len() > 100);
    write_channel(channel, &(0..PACKAGES).map(package).collect::<Vec<_>>());
}

/// What asks for all of it: the last package, which needs the others.
pub fn wanted() -> String {
    format!("p{}", PACKAGES - 1)
}
