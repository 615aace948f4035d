//! Keys that every part of a manifest may have beside its own, as data: how files come together, and what is for which machine.
//!
//! They are taken out of the document before it is read into the types of `v1`, so the schema and `explain` learn of them here.

use super::node::{Entry, Node, Value, get_mut};
use super::path::{Document, Path};
use super::question::{QUESTIONS, Question};
use super::shape::type_name;
use crate::problem::{Code, Problem, nearest};
use crate::resource::KINDS;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;

/// The key that names further files.
pub const INCLUDE: &str = "include";

/// The key that says that a mapping, or a whole file, has the last word.
pub const OVERRIDE: &str = "override";

/// The key.
pub const WHEN: &str = "when";

/// The key.
pub const REQUIRES: &str = "requires";

/// The key of what is done about what people changed.
pub const ON_DRIFT: &str = "on_drift";

/// The key of what becomes of things whose lines are gone.
pub const ON_REMOVAL: &str = "on_removal";

/// The types of [`OWNED`], for the schema.
pub const OWNED_TYPES: [&str; 6] = ["FileEntry", "Jupyter", "Packages", "Share", "Unit", "User"];

/// Where a mapping stands, as far as the keys care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spot {
    /// The manifest.
    Root,
    /// A section of the manifest, such as `gpu`.
    Section,
    /// A part of a section, such as `gpu.cuda`.
    Part,
    /// An item of a list, such as one of `files`.
    Item,
    /// Further in.
    Deep,
}

impl Spot {
    /// Whether it may be for some machines only, and may wait for others: what a manifest may be without.
    pub const fn is_part(self) -> bool {
        matches!(self, Self::Section | Self::Part | Self::Item)
    }

    /// Where the values of its keys stand.
    pub const fn inside(self) -> Self {
        match self {
            Self::Root => Self::Section,
            Self::Section => Self::Part,
            Self::Part | Self::Item | Self::Deep => Self::Deep,
        }
    }
}

/// A list of texts whose items may be mappings of a `name` and of these keys: `{name: nvtop, when: {gpu: present}}`.
const PLAIN: (&str, &str, &str) = ("packages", "install", "Packages");

/// Makes texts of the items of [`PLAIN`] that have nothing but their name.
pub fn plain_items(root: &mut Node) {
    for item in plain(root) {
        if let Value::Map(entries) = &mut item.value
            && let [entry] = entries.as_mut_slice()
            && entry.key == "name"
        {
            *item = entry.value.clone();
        }
    }
}

/// Makes texts of the items of [`PLAIN`], and reports what they have beside their name, when all that they may have was taken out.
pub fn named_items(root: &mut Node, problems: &mut Vec<Problem>) {
    for item in plain(root) {
        if let Value::Map(entries) = &mut item.value
            && let Some(name) = entries.iter().find(|entry| entry.key == "name").map(|entry| entry.value.clone())
        {
            problems.extend(entries.iter().filter(|entry| entry.key != "name").map(of_no_item));
            *item = name;
        }
    }
}

/// The items of [`PLAIN`].
fn plain(root: &mut Node) -> &mut [Node] {
    match get_mut(root, PLAIN.0).and_then(|section| get_mut(section, PLAIN.1)).map(|list| &mut list.value) {
        Some(Value::List(items)) => items,
        _ => &mut [],
    }
}

fn of_no_item(entry: &Entry) -> Problem {
    let problem = Problem::at(Code::UnknownKey, &entry.mark.place(), format!("`{}.{}` has no `{}`", PLAIN.0, PLAIN.1, entry.key));
    match nearest(&entry.key, [WHEN, REQUIRES]) {
        Some(near) => problem.suggest(format!("did you mean `{near}`?")),
        None => problem.suggest(format!("beside `name`, an item may have `{WHEN}` and `{REQUIRES}`")),
    }
}

/// Adds the keys to the schema of manifests, whose types are in `definitions`.
pub fn admit(schema: &mut Json, definitions: &str) {
    let parts = parts(schema, definitions);
    insert(schema, OVERRIDE, overriding());
    insert(schema, INCLUDE, include());
    let further = [(OVERRIDE, overriding()), (WHEN, json!({"$ref": format!("#/{definitions}/When")})), (REQUIRES, requires())];
    admit_to_maps(schema, &further);
    let Some(types) = schema.get_mut(definitions).and_then(Json::as_object_mut) else { return };
    for (name, definition) in types.iter_mut() {
        insert(definition, OVERRIDE, overriding());
        admit_to_maps(definition, &further[..1]);
        if parts.contains(name) {
            insert(definition, WHEN, json!({"$ref": format!("#/{definitions}/When")}));
            insert(definition, REQUIRES, requires());
        }
        if OWNED_TYPES.contains(&name.as_str()) {
            insert(definition, ON_DRIFT, json!({"$ref": format!("#/{definitions}/OnDrift")}));
            insert(definition, ON_REMOVAL, json!({"$ref": format!("#/{definitions}/OnRemoval")}));
        }
    }
    types.insert("When".into(), conditions());
    if let Some(items) = types.get_mut(PLAIN.2).and_then(|of| of.pointer_mut(&format!("/properties/{}/items", PLAIN.1))) {
        let name = items.take();
        let conditional = json!({
            "type": "object",
            "required": ["name"],
            "additionalProperties": false,
            "properties": {"name": name, WHEN: {"$ref": format!("#/{definitions}/When")}, REQUIRES: requires()},
        });
        *items = json!({"anyOf": [name, conditional]});
    }
}

/// The types of what may be left out: sections, their parts, items of lists.
fn parts(schema: &Json, definitions: &str) -> BTreeSet<String> {
    let mut found: BTreeSet<(String, Spot)> = BTreeSet::new();
    let mut waiting = vec![(schema, Spot::Root)];
    while let Some((holder, spot)) = waiting.pop() {
        let fields = holder.get("properties").and_then(Json::as_object);
        for field in fields.into_iter().flat_map(Map::values) {
            let there = if field.get("items").is_some() { Spot::Item } else { spot.inside() };
            let Some(name) = type_name(field) else { continue };
            if let Some(definition) = schema.get(definitions).and_then(|all| all.get(&name))
                && found.insert((name, there))
            {
                waiting.push((definition, there));
            }
        }
    }
    found.into_iter().filter(|(_, spot)| spot.is_part()).map(|(name, _)| name).collect()
}

/// The names of the keys that any mapping may have.
pub const fn names() -> [&'static str; 3] {
    [OVERRIDE, REQUIRES, WHEN]
}

/// The names of the keys that may be meant at a path.
pub fn known_at(path: &Path<'_>) -> Vec<&'static str> {
    match (path, path.document()) {
        (_, Document::Image) => Vec::new(),
        (Path::Root(_), Document::Manifest) => vec![INCLUDE, OVERRIDE],
        (Path::Key(..) | Path::Item(..), Document::Manifest) => [names().as_slice(), &[ON_DRIFT, ON_REMOVAL]].concat(),
    }
}

/// Adds keys to the mappings of something that have no type, but a pattern of their keys.
fn admit_to_maps(holder: &mut Json, keys: &[(&str, Json)]) {
    let fields = holder.get_mut("properties").and_then(Json::as_object_mut).into_iter().flat_map(Map::values_mut);
    for field in fields.filter(|field| field.get("patternProperties").is_some()) {
        field["properties"] = json!({});
        for (key, schema) in keys {
            insert(field, key, schema.clone());
        }
    }
}

fn insert(holder: &mut Json, key: &str, field: Json) {
    if holder.get("additionalProperties") == Some(&Json::Bool(false))
        && let Some(properties) = holder.get_mut("properties").and_then(Json::as_object_mut)
    {
        properties.insert(key.to_owned(), field);
    }
}

fn overriding() -> Json {
    json!({
        "type": "boolean",
        "default": false,
        "description": "Whether what stands here holds against files that came before. In a file that is included or includes others; it \
            holds for the mapping that it is in, with all below, and at the top for the whole file.",
    })
}

fn include() -> Json {
    json!({
        "type": "array",
        "items": {"type": "string", "pattern": "^[^~/\\s][^\\n]*$"},
        "description": "Further files that this one is laid over, relative to this one; `*` in a file name stands for any text. Mappings \
            merge, lists append, items of one name merge.",
    })
}

fn requires() -> Json {
    json!({
        "type": "array",
        "items": {"type": "string", "pattern": format!("^({}):.+$", KINDS.join("|"))},
        "description": "Resources that must be there first, each as `fitout plan` names it, such as `file:/etc/motd`. If one fails or waits, so does this.",
    })
}

fn conditions() -> Json {
    let words = |words: Vec<&str>| json!({"type": "string", "enum": words});
    let list = |one: &Json| json!({"type": "array", "items": one, "minItems": 1});
    let field = |question: &Question| {
        let one = words((question.words)());
        (question.key.to_owned(), json!({"description": question.about, "anyOf": [one, list(&one)]}))
    };
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": QUESTIONS.iter().map(field).collect::<Map<_, _>>(),
        "description": "For which machines this is; absent, for all. Each key takes a word, or a list of which one is enough; all keys must hold. \
            On other machines it is left out, as if it were not written.",
    })
}
