//! The JSON Schema of manifests, for editors; it comes from the types of `v1`.

use super::composed;
use super::disposition;
use super::shape::DEFINITIONS;
use super::v1::Manifest;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};
use std::sync::LazyLock;

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
