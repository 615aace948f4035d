//! The reference of all fields as Markdown, `docs/manifest.md`: the types of `v1`, their comments, and what becomes of each field.

use super::composed::OVERRIDE;
use super::disposition::{self, Disposition};
use super::later::to_come;
use super::schema::schema;
use super::shape::{at, choices, kind, resolve, text, type_name};
use serde_json::{Map, Value};
use std::fmt::Write;

/// What precedes the sections.
const HEAD: &str = "# The fields of a manifest

This page is generated from the program: `fitout explain reference` prints it, `fitout explain FIELD` prints a part of it. What is not
mentioned in a manifest is not managed. Lengths of time are written `90s`, `15m`, `1h30m` or `PT15M`, sizes `5GB` or `1GiB`; versions and modes
stand in quotes. Relative paths are relative to the file that names them; `~` is the owner's home on the machine.

Fields are **enforced** unless the table says that they are only checked or recorded: `fitout validate -o json` says it for each field of a manifest.
";

/// The reference.
#[must_use]
pub fn reference() -> String {
    let root = schema();
    let mut page = Page { root, text: HEAD.to_owned(), known: Vec::new() };
    page.section("", root, "Manifest", None);
    // Writing to a String cannot fail.
    let _ = writeln!(page.text, "\n## Not yet in this version\n\nThese are refused by name (E0108).\n\n| Section | Fields |\n|---|---|");
    for (path, fields) in to_come(root) {
        let path = if path.is_empty() { "the top".into() } else { format!("`{path}`") };
        let fields: Vec<String> = fields.iter().map(|field| format!("`{field}`")).collect();
        let _ = writeln!(page.text, "| {path} | {} |", fields.join(", "));
    }
    page.text
}

/// A fate that a section hands down to its fields.
type Fate = Option<(Disposition, &'static str)>;

struct Page<'a> {
    root: &'a Value,
    text: String,
    /// Types that have their section, and its path.
    known: Vec<(String, String)>,
}

impl Page<'_> {
    fn section(&mut self, path: &str, schema: &Value, holder: &str, fate: Fate) {
        let target = resolve(self.root, schema);
        let title = if path.is_empty() { "The top".into() } else { format!("`{path}`") };
        let about = text(target, "description").unwrap_or_default().replace('\n', " ");
        let _ = writeln!(self.text, "\n## {title}\n\n{about}\n\n| Field | Type | Meaning |\n|---|---|---|");
        let mut below = Vec::new();
        for (properties, required, alternative) in shapes(target) {
            // Every mapping may have `override`; the top says what it is.
            for (name, field) in properties.iter().filter(|(name, _)| path.is_empty() || *name != OVERRIDE) {
                let own = disposition::row(holder, name);
                let below_path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let needed = required.contains(&name.as_str());
                let mut field_said = field.clone();
                if let (Some(about), Some(said)) = (alternative, field_said.as_object_mut()) {
                    said.entry("description").or_insert_with(|| about.into());
                }
                self.row(name, &field_said, if needed { " (required)" } else { "" }, own);
                below.extend(type_name(field).map(|of| (of, below_path, own.or(fate))));
            }
        }
        for (of, path, fate) in below {
            let Some(field) = at(self.root, &path).filter(|field| shapes(resolve(self.root, field)).next().is_some()) else { continue };
            if !self.known.iter().any(|(known, _)| *known == of) {
                self.known.push((of.clone(), path.clone()));
                self.section(&path, field, &of, fate);
            }
        }
    }

    fn row(&mut self, name: &str, field: &Value, needed: &str, fate: Fate) {
        let target = resolve(self.root, field);
        let mut meaning = text(field, "description").or_else(|| text(target, "description")).unwrap_or_default().replace('\n', " ");
        if let Some(default) = field.get("default") {
            let _ = write!(meaning, " Default: `{}`.", default.as_str().map_or_else(|| default.to_string(), str::to_owned));
        }
        if let Some((fate, why)) = fate.filter(|(fate, _)| *fate != Disposition::Enforced) {
            let recorded = meaning.starts_with("Recorded: ");
            let said = format!(" **{}**, with no effect here: {why}.", if fate == Disposition::Checked { "Checked" } else { "Recorded" });
            meaning = if recorded { said.trim_start().to_owned() } else { meaning + &said };
        }
        let words: Vec<String> = choices(target).into_iter().map(|(word, _)| format!("`{word}`")).collect();
        let kind = if words.is_empty() { kind(self.root, field) } else { words.join(", ") };
        let cell = |text: &str| text.replace('|', "\\|");
        let _ = writeln!(self.text, "| `{name}` | {}{needed} | {} |", cell(&kind), cell(meaning.trim()));
    }
}

/// The mappings that a schema may be: itself, or the alternatives of a choice; each with the fields that it needs, and what is said of it
/// as an alternative.
fn shapes(schema: &Value) -> impl Iterator<Item = (&Map<String, Value>, Vec<&str>, Option<&str>)> {
    let alternatives = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    let whole = schema.get("properties").and_then(Value::as_object).map(|properties| {
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        (properties, required.collect(), None)
    });
    // Of the alternatives of a choice each needs its own key: that says nothing.
    let alternative = |shape| Some((Value::as_object(Value::get(shape, "properties")?)?, Vec::new(), text(shape, "description")));
    whole.into_iter().chain(alternatives.filter_map(alternative))
}
