//! Values written into systemd units, by systemd.unit(5) and systemd-escape(1).

use super::TargetPath;

/// A path as the name of the unit that mounts it: `/` becomes `-`, and what a unit name may not hold its hexadecimal code.
#[must_use]
pub fn escape_path(path: &TargetPath) -> String {
    let inside = path.as_str().trim_start_matches('/');
    if inside.is_empty() {
        return "-".into();
    }
    let escape = |(at, byte): (usize, u8)| match byte {
        b'/' => "-".to_owned(),
        b'.' if at == 0 => r"\x2e".to_owned(),
        b':' | b'_' | b'.' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!(r"\x{byte:02x}"),
    };
    inside.bytes().enumerate().map(escape).collect()
}

/// Text where a setting takes one value to the end of its line.
#[must_use]
pub fn value(text: &str) -> String {
    text.replace('%', "%%")
}

/// Text as one word where a setting takes several.
#[must_use]
pub fn word(text: &str) -> String {
    format!("\"{}\"", value(text).replace('\\', r"\\").replace('"', "\\\""))
}

/// Text as one word of a command, where systemd would also replace variables.
#[must_use]
pub fn argument(text: &str) -> String {
    word(text).replace('$', "$$")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_systemd_escape() {
        let cases = [
            ("/", "-"),
            ("/mnt/datasets", "mnt-datasets"),
            ("/mnt/data-sets", r"mnt-data\x2dsets"),
            ("/mnt/a b", r"mnt-a\x20b"),
            ("/.hidden/.x", r"\x2ehidden-.x"),
            ("/srv/ä", r"srv-\xc3\xa4"),
            ("/home/ann_1/a:b", "home-ann_1-a:b"),
        ];
        for (path, name) in cases {
            assert_eq!(escape_path(&TargetPath::parse(path).unwrap()), name, "{path}");
        }
    }

    #[test]
    fn nothing_is_expanded() {
        assert_eq!(argument(r#"/a $b %c "d" \e"#), r#""/a $$b %%c \"d\" \\e""#);
    }
}
