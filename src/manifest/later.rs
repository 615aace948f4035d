//! Fields of the format that this version does not handle, as data: each is refused by name.
//!
//! A field leaves this table when it gets a place in `v1`. What becomes of the fields of `v1` stands in `disposition`.

use super::shape::{at, names as fields_of, property, type_name};
use serde_json::Value;

/// The `v1` type that would hold the field; the field, or the word of a choice; a value that asks for nothing and passes, as nothing does.
type Row = (&'static str, &'static str, Option<&'static str>);

const ROWS: &[Row] = &[
    ("Manifest", "samples", None),
    ("Mirrors", "apt", None),
    ("Extras", "remove", None),
    ("JupyterInterface", "notebook", None),
    ("ShareDriver", "nfs", None),
    ("ShareDriver", "rclone", None),
    ("ShareDriver", "bind", None),
    ("Credential", "service_principal", None),
    ("Credential", "workload_identity", None),
    ("SecretRef", "env", None),
    ("SecretRef", "key_vault", None),
    ("Disk", "ballast", None),
    ("Disk", "reclaim", None),
];

/// A field that waits for a later version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Awaited {
    /// The value, if any, that asks for nothing and passes.
    pub harmless: Option<&'static str>,
}

/// What is known of a field of the type `holder` that `v1` has not; `None` where nobody knows it.
#[must_use]
pub fn awaited(holder: &str, field: &str) -> Option<Awaited> {
    ROWS.iter().find(|(of, name, _)| (*of, *name) == (holder, field)).map(|(_, _, harmless)| Awaited { harmless: *harmless })
}

/// Every field that waits for a later version: the type that would hold it, and its name.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    ROWS.iter().map(|(holder, name, _)| (*holder, *name))
}

/// Names that a slip of the hand may have meant.
pub fn names(holder: &str) -> impl Iterator<Item = &'static str> {
    all().filter(move |(of, _)| *of == holder).map(|(_, name)| name)
}

/// Every field that is not yet in this version: the path of what would hold it, and the names.
pub fn to_come(root: &Value) -> Vec<(String, Vec<&'static str>)> {
    let mut paths = vec![("Manifest".to_owned(), String::new())];
    let mut next = 0;
    while let Some((_, path)) = paths.get(next).cloned() {
        let here = if path.is_empty() { Some(root) } else { at(root, &path) };
        for name in here.map(|here| fields_of(root, here)).unwrap_or_default() {
            let below = if path.is_empty() { name } else { format!("{path}.{name}") };
            let found = at(root, &below).and_then(type_name).filter(|found| !paths.iter().any(|(known, _)| known == found));
            paths.extend(found.map(|found| (found, below)));
        }
        next += 1;
    }
    let fields = |(holder, path): (String, String)| {
        let here = at(root, &path).unwrap_or(root);
        let fields: Vec<&str> = names(&holder).filter(|name| property(root, here, name).is_none()).collect();
        (!fields.is_empty()).then_some((path, fields))
    };
    paths.into_iter().filter_map(fields).collect()
}
