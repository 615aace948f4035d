//! Names: of machines, users, units and resources.

use super::Invalid;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! checked_name {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Reads and checks a name.
            ///
            /// # Errors
            /// The name breaks the rule of its kind; the error says which.
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                $check(text).map(|()| Self(text.to_owned()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;
            fn try_from(text: String) -> Result<Self, Invalid> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

checked_name!(
    /// The name of a machine, by Azure ML's rule: 3 to 24 letters, digits and `-`, a letter first, a letter after the last `-`.
    ComputeName,
    check_compute_name
);
checked_name!(
    /// A login name, by the rule of `useradd` on Debian: a lower-case letter or `_` first, then also digits and `-`, at most 32.
    UserName,
    check_user_name
);
checked_name!(
    /// The full name of a systemd unit, with its type: `nginx.service`.
    UnitName,
    check_unit_name
);

fn check_compute_name(text: &str) -> Result<(), Invalid> {
    let wrong = |why: &str| Err(Invalid::new(format!("`{text}` is not a machine name: {why}")));
    if !(3..=24).contains(&text.len()) {
        return wrong("it must have 3 to 24 characters");
    }
    if let Some(odd) = text.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-') {
        return wrong(&format!("`{odd}` is not a letter, digit or `-`"));
    }
    if !text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return wrong("it must start with a letter");
    }
    match text.rsplit_once('-') {
        Some((head, tail)) if !tail.contains(|c: char| c.is_ascii_alphabetic()) => {
            wrong(&format!("a letter must follow the last `-`, as in `{head}-n{tail}` or `{head}{tail}`"))
        }
        _ => Ok(()),
    }
}

fn check_user_name(text: &str) -> Result<(), Invalid> {
    let head = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let tail = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'));
    if head && tail && text.len() <= 32 {
        Ok(())
    } else {
        Err(Invalid::new(format!(
            "`{text}` is not a user name: a lower-case letter or `_` first, then lower-case letters, digits, `_`, `-`; at most 32"
        )))
    }
}

/// Unit types that Fitout handles, of those in systemd.unit(5).
const UNIT_TYPES: [&str; 7] = ["service", "socket", "target", "timer", "mount", "automount", "path"];

fn check_unit_name(text: &str) -> Result<(), Invalid> {
    let wrong = |why: String| Err(Invalid::new(format!("`{text}` is not a unit name: {why}")));
    let Some((stem, kind)) = text.rsplit_once('.') else {
        return wrong(format!("name its type, such as `{text}.service`"));
    };
    if !UNIT_TYPES.contains(&kind) {
        return wrong(format!("`.{kind}` is none of {}", UNIT_TYPES.join(", ")));
    }
    if stem.is_empty() || !stem.chars().all(|c| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c)) || text.len() > 255 {
        return wrong("letters, digits and `:-_.\\@` only, at most 255".into());
    }
    Ok(())
}

/// Names one resource of a manifest: its kind and its name, written `kind:name`, as in `requires: [file:/etc/motd]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResourceId {
    /// The kind, such as `file`.
    pub kind: String,
    /// What distinguishes it among its kind, such as a path.
    pub name: String,
}

impl ResourceId {
    /// The resource `name` of `kind`.
    #[must_use]
    pub fn new(kind: &str, name: impl fmt::Display) -> Self {
        Self { kind: kind.to_owned(), name: name.to_string() }
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.name)
    }
}

impl TryFrom<String> for ResourceId {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        match text.split_once(':') {
            Some((kind, name)) if !kind.is_empty() && !name.is_empty() => Ok(Self::new(kind, name)),
            _ => Err(Invalid::new(format!("`{text}` names no resource; write `kind:name`, such as `file:/etc/motd`"))),
        }
    }
}

impl From<ResourceId> for String {
    fn from(id: ResourceId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_names_follow_azure() {
        for good in ["abc", "gpu-lab-b", "a-1b", "A1-b2", "abcdefghijklmnopqrstuvwx"] {
            assert!(ComputeName::parse(good).is_ok(), "{good}");
        }
        for bad in ["ab", "a-1", "1ab", "a_b", "abcdefghijklmnopqrstuvwxy", "abc-", "äbc"] {
            assert!(ComputeName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn unit_names_carry_their_type() {
        assert!(UnitName::parse("nginx.service").is_ok());
        assert!(UnitName::parse("getty@tty1.service").is_ok());
        assert!(UnitName::parse("nginx").unwrap_err().0.contains("nginx.service"));
        for bad in ["a b.service", "x.conf", ".service"] {
            assert!(UnitName::parse(bad).is_err(), "{bad}");
        }
    }
}
