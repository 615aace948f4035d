//! A JSON Schema read: fields by their names, references followed, types in words.

use serde_json::Value;

/// Where a type stands in the schema.
pub const DEFINITIONS: &str = "definitions";

/// The schema of the field at a path.
pub fn at<'a>(root: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(root, |here, step| property(root, here, step))
}

/// The names of the fields below a schema, through references, lists and choices.
pub fn names(root: &Value, holder: &Value) -> Vec<String> {
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

/// A text of a schema.
pub fn text<'a>(schema: &'a Value, key: &str) -> Option<&'a str> {
    schema.get(key).and_then(Value::as_str)
}

/// The first sentence of what is said of a field.
pub fn summary(root: &Value, field: &Value) -> String {
    let all = text(field, "description").or_else(|| text(resolve(root, field), "description")).unwrap_or_default().replace('\n', " ");
    all.split(". ").next().unwrap_or_default().trim_end_matches('.').to_owned()
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
