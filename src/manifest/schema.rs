//! The JSON Schema of manifests, for editors, and what `fitout explain` prints of it. Both come from the types of `v1`.

use super::composed;
use super::disposition::{self, Disposition};
use super::later;
use super::reference::reference;
use super::v1::Manifest;
use crate::problem::nearest;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::sync::LazyLock;

/// Where a type stands in the schema.
const DEFINITIONS: &str = "definitions";

/// The schema, draft 7: the one that editors know best.
#[must_use]
pub fn schema() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(made);
    &SCHEMA
}

fn made() -> Value {
    let generator = SchemaSettings::draft07().into_generator();
    let mut schema = generator.into_root_schema_for::<Manifest>().to_value();
    if let Some(definitions) = schema.get_mut(DEFINITIONS).and_then(Value::as_object_mut) {
        for (name, definition) in definitions {
            admit_recorded(name, definition);
        }
    }
    admit_recorded("Manifest", &mut schema);
    composed::admit(&mut schema, DEFINITIONS);
    schema
}

/// Fields that are recorded, whatever their value, are allowed.
fn admit_recorded(holder: &str, definition: &mut Value) {
    if let Some(properties) = definition.get_mut("properties").and_then(Value::as_object_mut) {
        for (field, why) in disposition::recorded(holder) {
            properties.entry(field).or_insert_with(|| json!({"description": format!("Recorded: {why}.")}));
        }
    }
}

/// The fields that a type of `v1` cannot do without.
#[must_use]
pub fn required(holder: &str) -> Vec<String> {
    required_in(schema(), "Manifest", holder)
}

/// The fields that a type cannot do without, in the schema of `top`.
pub fn required_in(schema: &Value, top: &str, holder: &str) -> Vec<String> {
    let definition = if holder == top { Some(schema) } else { schema.get(DEFINITIONS).and_then(|all| all.get(holder)) };
    let names = definition.and_then(|definition| definition.get("required")).and_then(Value::as_array);
    names.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

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
            return Some(format!("Not yet in this version:\n\n{}", to_come(root).into_iter().map(line).collect::<String>()));
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

/// Every field that is not yet in this version: the path of what would hold it, and the names.
pub fn to_come(root: &Value) -> Vec<(String, Vec<&'static str>)> {
    let mut paths = vec![("Manifest".to_owned(), String::new())];
    let mut next = 0;
    while let Some((_, path)) = paths.get(next).cloned() {
        let here = if path.is_empty() { Some(root) } else { at(root, &path) };
        for name in here.map(|here| names(root, here)).unwrap_or_default() {
            let below = if path.is_empty() { name } else { format!("{path}.{name}") };
            let found = at(root, &below).and_then(type_name).filter(|found| !paths.iter().any(|(known, _)| known == found));
            paths.extend(found.map(|found| (found, below)));
        }
        next += 1;
    }
    let fields = |(holder, path): (String, String)| {
        let here = at(root, &path).unwrap_or(root);
        let fields: Vec<&str> = later::names(&holder).filter(|name| property(root, here, name).is_none()).collect();
        (!fields.is_empty()).then_some((path, fields))
    };
    paths.into_iter().filter_map(fields).collect()
}

/// The schema of the field at a path.
pub fn at<'a>(root: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(root, |here, step| property(root, here, step))
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

/// The names of the fields below a schema, through references, lists and choices.
fn names(root: &Value, holder: &Value) -> Vec<String> {
    let holder = resolve(root, holder);
    let own = holder.get("properties").and_then(Value::as_object).into_iter().flat_map(|all| all.keys().cloned());
    own.chain(inside(holder).flat_map(|inner| names(root, inner))).collect()
}

/// What a schema is made of: the items of a list, the alternatives of a choice.
fn inside(holder: &Value) -> impl Iterator<Item = &Value> {
    let choices = ["oneOf", "anyOf"].into_iter().filter_map(|key| holder.get(key)?.as_array()).flatten();
    holder.get("items").into_iter().chain(choices)
}

/// The schema of a field, through references, lists and choices.
pub fn property<'a>(root: &'a Value, holder: &'a Value, name: &str) -> Option<&'a Value> {
    let holder = resolve(root, holder);
    if let Some(found) = holder.get("properties").and_then(|all| all.get(name)) {
        return Some(found);
    }
    inside(holder).find_map(|inner| property(root, inner, name))
}

/// The reference in a schema, followed.
pub fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    type_name(schema).and_then(|name| root.get(DEFINITIONS)?.get(&name)).unwrap_or(schema)
}

/// The type of `v1` that a schema refers to: itself, wrapped, or in its items.
pub fn type_name(schema: &Value) -> Option<String> {
    let own = schema.get("$ref").and_then(Value::as_str).and_then(|text| text.rsplit_once('/')).map(|(_, name)| name.to_owned());
    let wrapped = || ["allOf", "anyOf"].iter().filter_map(|key| schema.get(key)?.as_array()).flatten().find_map(type_name);
    own.or_else(wrapped).or_else(|| schema.get("items").and_then(type_name))
}

pub fn text<'a>(schema: &'a Value, key: &str) -> Option<&'a str> {
    schema.get(key).and_then(Value::as_str)
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

/// The first sentence of what is said of a field.
pub fn summary(root: &Value, field: &Value) -> String {
    let all = text(field, "description").or_else(|| text(resolve(root, field), "description")).unwrap_or_default().replace('\n', " ");
    all.split(". ").next().unwrap_or_default().trim_end_matches('.').to_owned()
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

/// The words of a choice, with what each means.
pub fn choices(schema: &Value) -> Vec<(String, String)> {
    let described = ["oneOf", "anyOf"].iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
    let word = |choice: &Value| {
        let name = text(choice, "const").map(str::to_owned);
        let key = || choice.get("required")?.as_array()?.first()?.as_str().map(|key| format!("{key}: …"));
        Some((name.or_else(key)?, text(choice, "description").unwrap_or_default().replace('\n', " ")))
    };
    described.filter_map(word).collect()
}

/// The type of a value, in words.
pub fn kind(root: &Value, schema: &Value) -> String {
    let target = resolve(root, schema);
    if text(schema, "type") == Some("array") || schema.get("items").is_some() {
        return schema.get("items").map_or_else(|| "list".into(), |items| format!("list of {}", kind(root, items)));
    }
    let named = match target.get("type") {
        Some(Value::String(name)) => Some(name.as_str()),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        _ => None,
    };
    match named {
        Some("object") => "mapping".into(),
        Some("string") => "text".into(),
        Some("boolean") => "true or false".into(),
        Some("integer") => "whole number".into(),
        Some("array") => target.get("items").map_or_else(|| "list".into(), |items| format!("list of {}", kind(root, items))),
        _ if !choices(target).is_empty() => "one of".into(),
        _ => "any".into(),
    }
}
