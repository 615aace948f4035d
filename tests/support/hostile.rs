//! Texts that mean harm: each meets the limit that is there for it, before it costs memory or time.

use fitout::manifest::{HostFiles, MemoryFiles, Rejected, Sheets, Source, load};
use fitout::problem::Code;
use fitout::session::foresee;
use std::fs;

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

fn refused(text: String) -> Rejected {
    let source = Source { name: "hostile.yaml".into(), text: text.into() };
    load(&Sheets::new(source), HostFiles::default()).and_then(|manifest| foresee(&manifest)).unwrap_err()
}

/// A text, its name, and what ends its reading.
type Case = (&'static str, String, Code, &'static str);

fn cases() -> Vec<Case> {
    let laughs: String = (1..10).fold("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".into(), |all: String, n| {
        format!("{all}a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", "))
    });
    let doubling: String = (1..60).fold("a0: &a0 [x]\n".into(), |all: String, n| format!("{all}a{n}: &a{n} [*a{0}, *a{0}]\n", n - 1));
    let quadratic = format!("a: &a [{}]\nb: [{}]\n", "x, ".repeat(10_000), "*a, ".repeat(60));
    let deep_alias = format!("a: &a {}x{}\nb: {}*a{}\n", "[".repeat(40), "]".repeat(40), "[".repeat(40), "]".repeat(40));
    let inner = format!("{}[{}]{}\n", lines(50, |n| format!("&a{n} [")), "x, ".repeat(20_000), "]".repeat(50));
    let nested = lines(2_000, |depth| format!("{}a:\n", " ".repeat(depth)));
    let waiting = |n| format!("  - {{path: /a/{n}, content: x, requires: [file:/b/{n}]}}\n");
    let requirements = format!("files:\n{}", lines(20_000, waiting));
    let wrong = format!("packages: {{install: [{}{}]}}\n", "git, ".repeat(100_000), "-x, ".repeat(100));
    vec![
        ("billion laughs", laughs, Code::TooLarge, "more than 250000 values and keys"),
        ("doubling", doubling, Code::TooLarge, "more than 250000 values and keys"),
        ("one long list many times", quadratic, Code::TooLarge, "more than 250000 values and keys"),
        ("a deep alias in the deep", deep_alias, Code::TooLarge, "nested deeper than 64 levels"),
        ("brackets", "[".repeat(100_000), Code::TooLarge, "nested deeper than 64 levels"),
        ("braces", "{a: ".repeat(100_000), Code::TooLarge, "nested deeper than 64 levels"),
        ("dashes", "- ".repeat(100_000), Code::TooLarge, "nested deeper than 64 levels"),
        ("question marks", "? ".repeat(100_000), Code::TooLarge, "nested deeper than 64 levels"),
        ("nested keys", nested, Code::TooLarge, "nested deeper than 64 levels"),
        ("long text", format!("a: {}", "x".repeat(10 * 1024 * 1024)), Code::TooLarge, "a manifest may have 8388608"),
        ("long key", format!("{}: a", "x".repeat(1024 * 1024)), Code::Syntax, "a `:` stands where no key may"),
        ("documents", "---\na\n".repeat(10_000), Code::Syntax, "a second document starts here"),
        ("many keys", lines(300_000, |n| format!("k{n}: 1\n")), Code::TooLarge, "more than 4096 keys in one mapping"),
        ("one key many times", "k: 1\n".repeat(100_000), Code::TooLarge, "more than 4096 keys in one mapping"),
        ("one key often", "k: 1\n".repeat(1_000), Code::TooLarge, "more problems"),
        ("merge keys", "a: {<<: x}\n".repeat(60_000), Code::TooLarge, "more problems"),
        ("tags", format!("a: [{}]\n", "!x y, ".repeat(100_000)), Code::TooLarge, "more problems"),
        ("wrong items", wrong, Code::TooLarge, "more problems"),
        ("unknown keys", lines(100_000, |n| format!("k{n}: 1\n")), Code::TooLarge, "more than 4096 keys in one mapping"),
        ("fewer unknown keys", lines(4_000, |n| format!("k{n}: 1\n")), Code::TooLarge, "more problems"),
        ("open quote", format!("a: \"{}", "\n".repeat(1_000_000)), Code::Syntax, "not closed"),
        ("anchors", lines(100_000, |n| format!("- &a{n} x\n")), Code::TooLarge, "more than 1024 anchors"),
        ("large anchors", format!("{}x{}\n", lines(60, |n| format!("&a{n} [")), "]".repeat(60)), Code::WrongType, "a mapping was expected"),
        ("anchors in anchors", inner, Code::TooLarge, "more than 250000 values and keys"),
        ("wrong items of files", format!("files: [{}]\n", "{path: x}, ".repeat(60_000)), Code::TooLarge, "more problems"),
        ("a long name", format!("files: [{{path: {}}}]\n", "x".repeat(3_000_000)), Code::BadValue, "is not an absolute path"),
        ("includes", format!("include: [{}]\n", lines(100_000, |n| format!("f{n}.yaml, "))), Code::TooLarge, "more problems"),
        ("requirements", requirements, Code::UnknownReference, "is nowhere in the manifest"),
        ("NUL", format!("name: {}", "\0".repeat(100_000)), Code::Syntax, "a NUL character"),
        ("tabs", format!("a:\n{}b: c\n", "\t".repeat(1_000_000)), Code::Syntax, "a tab"),
    ]
}

#[test]
fn hostile_texts_meet_their_limits() {
    for (name, text, code, message) in cases() {
        let rejected = refused(text);
        let met = rejected.problems.iter().any(|problem| problem.code == code && problem.message.contains(message));
        let shown = rejected.to_string();
        assert!(met, "{name}:\n{}", shown.chars().take(600).collect::<String>());
        // A hundred problems of a few lines each, however long the lines of the text are.
        assert!(rejected.problems.len() <= 101 && shown.len() < 100_000, "{name}: {} bytes of problems", shown.len());
    }
}

/// What cannot be read as text never reaches the parser, and a file is not read beyond the limit.
#[test]
fn hostile_files_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("hostile.yaml").to_string_lossy().into_owned();
    let wide: Vec<u8> = "name: lab\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let bytes: [(&str, Vec<u8>, &str); 4] = [
        ("UTF-16", [vec![0xff, 0xfe], wide].concat(), "it is UTF-16; save it as UTF-8"),
        ("UTF-8", b"name: caf\xe9\n".to_vec(), "it is not UTF-8 text"),
        ("bits", (0..=255).cycle().take(1024 * 1024).collect(), "it is not UTF-8 text"),
        ("length", vec![b'x'; 9 * 1024 * 1024], "it is longer than 8388608 bytes"),
    ];
    for (what, bytes, message) in bytes {
        fs::write(&name, bytes).unwrap();
        assert_eq!(Source::read(&HostFiles::default(), &name).unwrap_err().to_string(), message, "{what}");
    }
    // A file of no length that never ends.
    assert_eq!(Source::read(&HostFiles::default(), "/dev/zero").unwrap_err().to_string(), "it is longer than 8388608 bytes");
}

/// All files of a manifest share its limits.
#[test]
fn includes_share_the_limits() {
    let list = format!("packages: {{install: [{}]}}\n", "git, ".repeat(50_000));
    let files = (0..6).map(|n| (format!("{n}.yaml"), list.clone().into_bytes())).collect();
    let text = "include: [0.yaml, 1.yaml, 2.yaml, 3.yaml, 4.yaml, 5.yaml]\n".to_owned();
    let rejected = load(&Sheets::new(Source { name: "m.yaml".into(), text: text.into() }), MemoryFiles(files)).map(|_| ()).unwrap_err();
    assert!(rejected.to_string().contains("more than 250000 values and keys"), "{rejected}");
}

/// What a program that validates hostile texts may cost: the build of the tests is tens of times slower than a release.
#[test]
fn hostile_texts_cost_a_process_little() {
    /// Seconds of processor time, and kilobytes of address space (most of it the program itself, with what tells its lines).
    const LIMITS: &str = "ulimit -t 20 && ulimit -v 1000000 && exec \"$@\"";
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("hostile.yaml");
    for (what, text, _, _) in cases() {
        fs::write(&name, text).unwrap();
        #[expect(clippy::disallowed_methods, reason = "starts the program that it tests")]
        let mut limited = std::process::Command::new("/bin/sh");
        limited.args(["-c", LIMITS, "sh", env!("CARGO_BIN_EXE_fitout"), "validate", "-f"]).arg(&name);
        let output = limited.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        // What is too long is not even read.
        let refused = matches!(output.status.code(), Some(65 | 66));
        assert!(refused, "{what}: {}: {}", output.status, said.chars().take(600).collect::<String>());
    }
}
