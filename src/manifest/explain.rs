//! What `fitout explain` prints of the schema.

use super::composed;
use super::disposition::{self, Disposition};
use super::later;
use super::reference::reference;
use super::schema::schema;
use super::shape::{choices, kind, names, property, resolve, summary, text, type_name};
use crate::problem::nearest;
use serde_json::{Map, Value};
use std::fmt::Write;

/// What a field is, as `fitout explain user.sudo` prints it: its comment, its type, its default, its fields. `manifest`, or an empty
/// path, stands for the whole, `later` for what is not yet in this version, `reference` for a page of all. `None` where no such field exists.
#[must_use]
pub fn explain(path: &str) -> Option<String> {
    let root = schema();
    match path {
        "manifest" | "" => {
            return Some(format!(
                "{}\n  `fitout explain later` lists what is not yet in this version.\n",
                describe(root, root, "manifest")
            ));
        }
        "later" => {
            let line = |(path, fields): (String, Vec<&str>)| {
                let path = if path.is_empty() { "(top)".to_owned() } else { path };
                format!("  {path:<NARROWEST$} {}\n", fields.join(", "))
            };
            return Some(format!("Not yet in this version:\n\n{}", later::to_come(root).into_iter().map(line).collect::<String>()));
        }
        "reference" => return Some(reference()),
        _ => {}
    }
    let (mut here, mut holder, mut fate) = (root, "Manifest".to_owned(), None);
    for step in path.split('.').filter(|step| !step.is_empty()) {
        let name = step.split('[').next().unwrap_or(step);
        fate = disposition::row(&holder, name).or(fate);
        let Some(found) = property(root, here, name) else {
            return later::awaited(&holder, name).map(|_| format!("{path}\n\n  Not yet in this version.\n"));
        };
        here = found;
        holder = type_name(here).unwrap_or_default();
    }
    let said = fate.map(|(disposition, why)| format!("  {}: {why}\n", disposition.as_str())).unwrap_or_default();
    Some(describe(root, here, path) + &said)
}

/// The field that may have been meant by a path that names none.
#[must_use]
pub fn meant(path: &str) -> Option<String> {
    let root = schema();
    let (mut here, mut known) = (root, Vec::<String>::new());
    for step in path.split('.') {
        let Some(found) = property(root, here, step) else {
            let names = names(root, here);
            known.push(nearest(step, names.iter().map(String::as_str))?.to_owned());
            return Some(known.join("."));
        };
        here = found;
        known.push(step.to_owned());
    }
    None
}

fn describe(root: &Value, schema: &Value, path: &str) -> String {
    let target = resolve(root, schema);
    let mut out = format!("{path}\n\n");
    // Writing to a String cannot fail.
    if let Some(description) = text(schema, "description").or_else(|| text(target, "description")) {
        let _ = writeln!(out, "  {}\n", description.replace('\n', " "));
    }
    let _ = writeln!(out, "  type: {}", kind(root, schema));
    if let Some(default) = schema.get("default") {
        let _ = writeln!(out, "  default: {default}");
    }
    for (word, meaning) in choices(target) {
        let _ = writeln!(out, "  {word:<20} {meaning}");
    }
    if let Some(properties) = target.get("properties").and_then(Value::as_object) {
        let _ = writeln!(out, "\n{}", fields(root, target, properties));
    }
    out
}

/// Least width of a column of names: lists of different sections then look alike.
const NARROWEST: usize = 28;

fn fields(root: &Value, holder: &Value, properties: &Map<String, Value>) -> String {
    let needed: Vec<&str> = holder.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let width = properties.keys().map(String::len).max().unwrap_or_default().max(NARROWEST);
    let line = |(name, field): (&String, &Value)| {
        let first = summary(root, field);
        let mark = if needed.contains(&name.as_str()) { " (required)" } else { "" };
        format!("  {name:<width$} {first}{mark}")
    };
    let outside = |name: &String| {
        std::ptr::eq(root, holder) && disposition::row("Manifest", name).is_some_and(|(fate, _)| fate == Disposition::Recorded)
    };
    let own = properties.iter().filter(|(name, _)| !composed::names().contains(&name.as_str()));
    let (recorded, handled): (Vec<_>, Vec<_>) = own.partition(|(name, _)| outside(name));
    let mut lines: Vec<String> = handled.into_iter().map(line).collect();
    if !recorded.is_empty() {
        let names: Vec<&str> = recorded.iter().map(|(name, _)| name.as_str()).collect();
        lines.push(format!("\n  Recorded for reports, with nothing done about them: {}", names.join(", ")));
    }
    let everywhere: Vec<&str> = composed::names().into_iter().filter(|name| properties.contains_key(*name)).collect();
    if !everywhere.is_empty() {
        lines.push(format!("\n  As in every part: {}", everywhere.join(", ")));
    }
    lines.join("\n")
}
