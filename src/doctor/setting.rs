//! Settings of other programs, read line by line: `key: value`, `Key=Value` and `Key "value";` alike.
//!
//! Enough for a single switch, wherever it stands; what a whole file means, only its program knows.

use crate::target::Probe;
use crate::target::ProbeError;
use crate::target::look::{names, text};

/// A switch of another program.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Files, the last one wins; one that ends in `/` is a folder of them.
    pub files: &'static [&'static str],
    /// Its name.
    pub key: &'static str,
    /// The values that are meant.
    pub values: &'static [&'static str],
}

/// Words for yes, of YAML, of waagent.conf and of apt.
pub const YES: &[&str] = &["true", "yes", "on", "y", "1"];

impl Setting {
    /// Its value, where one is set.
    pub fn value(&self, on: &dyn Probe) -> Result<Option<String>, ProbeError> {
        let mut value = None;
        for file in self.files {
            for path in spread(on, file)? {
                value = last(&text(on, &path)?.unwrap_or_default(), self.key).or(value);
            }
        }
        Ok(value)
    }

    /// Whether it is set to one of its values.
    pub fn holds(&self, on: &dyn Probe) -> Result<bool, ProbeError> {
        Ok(self.value(on)?.is_some_and(|value| self.values.iter().any(|one| value.eq_ignore_ascii_case(one))))
    }
}

/// The files of a folder by name, or the file itself.
fn spread(on: &dyn Probe, file: &str) -> Result<Vec<String>, ProbeError> {
    if !file.ends_with('/') {
        return Ok(vec![file.to_owned()]);
    }
    let mut names = names(on, file.trim_end_matches('/'))?;
    names.sort();
    Ok(names.into_iter().filter(|name| !name.starts_with('.') && name != "README").map(|name| format!("{file}{name}")).collect())
}

/// The last value that a text gives to a key; lines of comments do not count.
fn last(text: &str, key: &str) -> Option<String> {
    let value = |line: &str| {
        let rest = line.trim_start().strip_prefix(key)?;
        let separated = rest.starts_with([':', '=', ' ', '\t']) && !rest.starts_with("::");
        separated.then(|| rest.trim_matches([':', '=', ' ', '\t', '"', '\'', ';']).to_owned())
    };
    text.lines().filter_map(value).next_back()
}

#[cfg(test)]
mod tests {
    use super::last;

    #[test]
    fn reads_three_grammars() {
        let cases = [
            ("preserve_hostname: false\n# preserve_hostname: no\npreserve_hostname: true\n", "preserve_hostname", Some("true")),
            ("apt:\n   preserve_sources_list: true\n", "preserve_sources_list", Some("true")),
            ("ResourceDisk.Format=y\nResourceDisk.FormatX=n\n", "ResourceDisk.Format", Some("y")),
            ("APT::Periodic::Unattended-Upgrade \"1\";\n", "APT::Periodic::Unattended-Upgrade", Some("1")),
            ("// APT::Periodic::Unattended-Upgrade \"1\";\n", "APT::Periodic::Unattended-Upgrade", None),
            ("APT::Periodic::Unattended-Upgrade::Debug \"1\";\n", "APT::Periodic::Unattended-Upgrade", None),
        ];
        for (text, key, value) in cases {
            assert_eq!(last(text, key).as_deref(), value, "{text}");
        }
    }
}
