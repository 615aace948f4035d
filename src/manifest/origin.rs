//! Where each value comes from: a manifest of several texts, laid over each other as on one machine, value by value.

use super::files::Files;
use super::include::assemble;
use super::node::{Node, Scalar, Style, Value, name_of};
use super::source::{Rejected, Sheets};
use crate::model::Facts;
use crate::problem::{Place, Sources};
use serde::Serialize;

/// A value of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// Its path, as `--set` takes it: `files./etc/motd.mode`.
    pub path: String,
    /// The value, as YAML and JSON have it on one line.
    pub value: String,
    /// Where it stands.
    pub place: Place,
}

/// Every value that the texts of a manifest come to on a machine, in the order of the document.
///
/// # Errors
/// The texts cannot be laid over each other.
pub fn origins(sheets: &Sheets, files: &dyn Files, facts: &Facts) -> Result<Vec<Origin>, Rejected> {
    let mut sources = Sources::default();
    let assembled = assemble(sheets, files, &mut sources).map_err(|problem| vec![problem]);
    let document = assembled.and_then(|(texts, problems)| if problems.is_empty() { Ok(texts.document(facts)) } else { Err(problems) });
    let document = document.and_then(|document| if document.problems.is_empty() { Ok(document.root) } else { Err(document.problems) });
    let mut found = Vec::new();
    match document {
        Ok(root) => root.iter().for_each(|root| walk(root, "", &mut found)),
        Err(problems) => return Err(Rejected { problems, sources }),
    }
    Ok(found)
}

fn walk(node: &Node, path: &str, found: &mut Vec<Origin>) {
    let inside = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let mut leaf = |value: String| found.push(Origin { path: path.to_owned(), value, place: node.mark.place() });
    match &node.value {
        Value::Scalar(scalar) => leaf(text(scalar)),
        Value::List(items) if items.is_empty() => leaf("[]".into()),
        Value::Map(entries) if entries.is_empty() => leaf("{}".into()),
        Value::List(items) => {
            for (n, item) in items.iter().enumerate() {
                walk(item, &inside(&name_of(item).map_or_else(|| n.to_string(), |(_, name)| name.to_owned())), found);
            }
        }
        Value::Map(entries) => entries.iter().for_each(|entry| walk(&entry.value, &inside(&entry.key), found)),
    }
}

/// A scalar on one line: what was written without quotes as it was.
fn text(scalar: &Scalar) -> String {
    let plain = scalar.style == Style::Plain && !scalar.text.contains('\n');
    if plain { scalar.text.clone() } else { serde_json::Value::from(scalar.text.as_str()).to_string() }
}
