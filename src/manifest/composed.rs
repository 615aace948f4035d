//! Keys that every part of a manifest may have beside its own, as data: how files come together, and what is for which machine.
//!
//! They are taken out of the document before it is read into the types of `v1`, so the schema and `explain` learn of them here.

use super::include::INCLUDE;
use super::merge::OVERRIDE;
use super::reading::{Document, Path};
use serde_json::{Map, Value, json};

/// Adds the keys to the schema of manifests, whose types are in `definitions`.
pub fn admit(schema: &mut Value, definitions: &str) {
    let types = schema.get_mut(definitions).and_then(Value::as_object_mut);
    for definition in types.into_iter().flat_map(Map::values_mut) {
        insert(definition, OVERRIDE, overriding());
    }
    insert(schema, OVERRIDE, overriding());
    insert(schema, INCLUDE, include());
}

/// The names of the keys that any mapping may have.
pub fn names() -> [&'static str; 1] {
    [OVERRIDE]
}

/// The names of the keys that may be meant at a path.
pub fn known_at(path: &Path<'_>) -> Vec<&'static str> {
    match (path, path.document()) {
        (_, Document::Image) => Vec::new(),
        (Path::Root(_), Document::Manifest) => [INCLUDE].into_iter().chain(names()).collect(),
        (Path::Key(..) | Path::Item(..), Document::Manifest) => names().into(),
    }
}

fn insert(holder: &mut Value, key: &str, field: Value) {
    if holder.get("additionalProperties") == Some(&Value::Bool(false))
        && let Some(properties) = holder.get_mut("properties").and_then(Value::as_object_mut)
    {
        properties.insert(key.to_owned(), field);
    }
}

fn overriding() -> Value {
    json!({
        "type": "boolean",
        "default": false,
        "description": "Whether what stands here holds against files that came before. In a file that is included or includes others; it \
            holds for the mapping that it is in, with all below, and at the top for the whole file.",
    })
}

fn include() -> Value {
    json!({
        "type": "array",
        "items": {"type": "string", "pattern": "^[^~/\\s][^\\n]*$"},
        "description": "Further files that this one is laid over, relative to this one; `*` in a file name stands for any text. Mappings \
            merge, lists append, items of one name merge.",
    })
}
