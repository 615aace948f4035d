//! Whether a requirement is one of pip (PEP 508), by the parser that uv's grew from, and what was probably meant where it is none.

use super::desk::Desk;
use crate::problem::{Code, Place};
use pep508_rs::{Requirement, VerbatimUrl};
use std::str::FromStr;

/// Finds a requirement that pip could not read, which would otherwise show when it is resolved.
pub fn malformed(text: &str, place: &Place, desk: &mut Desk<'_>) -> bool {
    let wrong = wrong(text);
    if let Some(reason) = &wrong {
        let help = meant(text).map_or_else(
            || "write a name, and what releases may be taken, such as `numpy`, `numpy==1.26` or `numpy>=1.26,<3`".to_owned(),
            |meant| format!("write `{meant}`"),
        );
        desk.say(Code::BadValue, place, format!("this is no requirement as pip takes it (PEP 508): {reason}"), help);
    }
    wrong.is_some()
}

/// What is wrong with a requirement; `None` where it is one.
fn wrong(text: &str) -> Option<String> {
    // Nothing that an index holds has another letter, and the parser trips over where one ends.
    if let Some(letter) = text.chars().find(|letter| !letter.is_ascii()) {
        return Some(format!("it has the letter `{letter}`, which no package, release or marker has"));
    }
    // The parser takes these for names, and then fails its own assertion that they are none.
    let head = text.split(['<', '>', '=', '!', '~', ';', '(', '@']).next().unwrap_or_default();
    if let Some(word) = head.split(|c| !in_name(c)).find(|word| word.ends_with(['-', '_', '.'])) {
        return Some(format!("`{word}` does not end with a letter or a digit"));
    }
    let error = Requirement::<VerbatimUrl>::from_str(text).err()?;
    let said = error.message.to_string();
    let mut said = said.lines().next().unwrap_or_default().trim_end_matches(':').chars();
    Some(said.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(said).collect())
}

/// Whether a letter may be in the name of a package, or of an extra.
fn in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.".contains(c)
}

/// The nearest text that is a requirement: what people write who know conda's form, another language's, or stopped half-way.
fn meant(text: &str) -> Option<String> {
    let (head, rest) = text.split_at(text.find(|c| !in_name(c)).unwrap_or(text.len()));
    let bare = head.trim_end_matches(['-', '_', '.']);
    let swapped = rest.replace("=>", ">=").replace("=<", "<=").replace("=!", "!=");
    let (rest, operators) = (rest.trim(), ['<', '>', '=', '!', '~']);
    // `numpy=1.26=py311_0`: the build is conda's alone.
    let release = rest.trim_start_matches('=').split('=').next().unwrap_or_default();
    let first = rest.get(..1).filter(|first| operators.iter().any(|operator| first.starts_with(*operator))).unwrap_or_default();
    let candidates = [
        format!("{bare}{swapped}"),
        format!("{bare}=={release}"),
        format!("{bare}{}", rest.replace(' ', ",")),
        format!("{bare}{}", rest.trim_end_matches([',', ';', '[', ' '])),
        format!("{bare}{rest}]"),
        format!("{bare}{}", rest.trim_end_matches(operators).trim_end_matches(',')),
        format!("{bare}{first}={}", rest.trim_start_matches(operators)),
    ];
    candidates.into_iter().find(|candidate| !text.contains("://") && wrong(candidate).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tells_requirements_from_what_was_meant_as_one() {
        let good = [
            "numpy",
            "numpy==1.26",
            "numpy >= 1.26, <3",
            "numpy==1.*",
            "torch==2.5.1+cu124",
            "jax[cuda12]>=0.4",
            "a.b_c-d (>=1)",
            "six; python_version < '3.12' and sys_platform == 'linux'",
            "importlib-metadata>=4 ; extra == 'x'",
            "pywin32 ; platform_system == \"Windows\"",
            "numpy===1.0",
            "numpy~=1.26",
        ];
        for text in good {
            assert_eq!(wrong(text), None, "{text}");
        }
        let bad = [
            ("numpy=1.26", Some("numpy==1.26")),
            ("numpy=1.26=py311_0", Some("numpy==1.26")),
            ("numpy[", Some("numpy")),
            ("jax[cuda12", Some("jax[cuda12]")),
            ("numpy>=", Some("numpy")),
            ("numpy>=1.26,<", Some("numpy>=1.26")),
            ("numpy 1.26", Some("numpy==1.26")),
            ("numpy=>1.26", Some("numpy>=1.26")),
            ("numpy >=1.26 <2", Some("numpy>=1.26,<2")),
            ("numpy-", Some("numpy")),
            ("numpy[a-]", None),
            ("numpy~1.26", Some("numpy~=1.26")),
            ("numpy; python_version", None),
            ("=1.26", None),
            ("n\u{fc}mpy", None),
        ];
        for (text, help) in bad {
            assert!(wrong(text).is_some(), "{text}");
            assert_eq!(meant(text).as_deref(), help, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "[a-c0-9äſ_.,;<>=!~@()\\[\\]'\" *+:/$#{}-]{0,30}", free in "\\PC{0,30}") {
            for text in [format!("six; extra == '{text}'"), text, free] {
                wrong(&text);
                meant(&text);
            }
        }
    }
}
