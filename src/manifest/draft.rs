//! Manifests that Fitout writes for people to go on with. Each draft is valid as it is.
//!
//! To start from something else: a function here that makes a [`Node`] tree, and [`draft`] makes it a text with its comments.

mod named;

use super::arm;
use super::disposition::{self, Disposition};
use super::files::Files;
use super::load::load;
use super::node::{Mark, Node, Value};
use super::parse::{Parsed, Tally, parse};
use super::schema::schema;
use super::source::{Rejected, Sheets, Source};
use super::write::{Remarks, write};
use crate::problem::{Code, Place, Problem, Sources};
use std::path::Path;

/// A small manifest with suggestions as comments.
pub const STARTER: &str = include_str!("starter.yaml");

/// Where a draft will stand.
#[derive(Debug, Clone, Copy)]
pub struct Stand<'a> {
    /// The name by which it will be read.
    pub name: &'a str,
    /// The home of whoever asks for it, whose `~` a path may begin with.
    pub home: Option<&'a Path>,
}

/// The manifest of an Azure ML compute instance: of the YAML that `az ml compute create` takes, or of Azure Resource Manager's JSON.
/// Scripts and keys are named from where it will stand; those that are not there stand in it as comments.
///
/// # Errors
/// Everything that is wrong with it.
pub fn from_azure(source: &Source, stand: Stand<'_>, files: &(impl Files + Clone + 'static)) -> Result<String, Rejected> {
    let Parsed { root, problems } = parse(&source.name, &source.text, &mut Tally::default());
    let Some(root) = root.filter(|_| problems.is_empty()) else {
        valid(source, files)?;
        return Ok(String::new());
    };
    let converted = arm::converted(&root);
    if converted.is_none() {
        // What is wrong with it is told where it stands.
        valid(source, files)?;
    }
    let was_converted = converted.is_some();
    let mut tree = converted.unwrap_or_else(|| root.clone());
    let lost = named::place(&mut tree, &source.name, stand, files);
    let text = draft(tree, &source.name, lost);
    match valid(&Source { name: stand.name.to_owned(), text: text.as_str().into() }, files) {
        Err(rejected) if was_converted => Err(placed(rejected, &text, &root, source)),
        other => other.map(|()| text),
    }
}

/// What is wrong with a manifest that was made of a document, where that document says it: nobody sees the manifest.
fn placed(rejected: Rejected, made: &str, root: &Node, source: &Source) -> Rejected {
    let line = |place: &Place| made.lines().nth(usize::try_from(place.line).unwrap_or_default().saturating_sub(1));
    let origin = |place: &Place| {
        let (key, value) = line(place)?.trim_start_matches([' ', '-']).split_once(':')?;
        let value = value.trim();
        let plain = serde_json::from_str::<String>(value).unwrap_or_else(|_| value.to_owned());
        arm::origin(root, key, &plain).map(Mark::place)
    };
    let moved = |problem: Problem| Problem { place: problem.place.as_ref().and_then(&origin), earlier: None, ..problem };
    let mut sources = Sources::default();
    sources.add(&source.name, source.text.clone());
    Rejected { problems: rejected.problems.into_iter().map(moved).collect(), sources }
}

fn folder(name: &str) -> &Path {
    Path::new(name).parent().unwrap_or(Path::new(""))
}

/// Whether a text is a manifest, files that it names apart.
fn valid(source: &Source, files: &(impl Files + Clone + 'static)) -> Result<(), Rejected> {
    let Err(mut rejected) = load(&Sheets::new(source.clone()), files.clone()) else { return Ok(()) };
    rejected.problems.retain(|problem| problem.code != Code::MissingFile);
    if rejected.problems.is_empty() { Ok(()) } else { Err(rejected) }
}

/// A tree as a text with comments: what has no effect here, and why; and what names a file that is not there.
fn draft(mut root: Node, origin: &str, lost: Vec<(String, String)>) -> String {
    let Value::Map(entries) = &mut root.value else { return String::new() };
    entries.retain(|entry| entry.key != "schema" && entry.key != "$schema");
    let mut remarks = Remarks::default();
    let mut above: Vec<(String, Disposition)> = Vec::new();
    for field in disposition::fields(&root, schema()) {
        above.retain(|(outer, _)| field.path.starts_with(outer.as_str()));
        let said = above.last().is_some_and(|(_, fate)| *fate == field.disposition);
        if field.disposition != Disposition::Enforced && !said {
            remarks.above.insert(field.path.clone(), format!("{}, with no effect here: {}", field.disposition.as_str(), field.why));
        }
        above.push((field.path, field.disposition));
    }
    for path in expressions(&root, "") {
        remarks
            .disabled
            .insert(path, "an expression of the template, which a deployment works out: write its value, then remove the `#`".into());
    }
    remarks.disabled.extend(lost);
    let file = Path::new(origin).file_name().map_or_else(|| "standard input".into(), |name| name.to_string_lossy());
    format!("# Made from {file} by `fitout init --from-azure`.\nschema: 1\n{}", write(&root, &remarks))
}

/// The paths of values that only a deployment knows.
fn expressions(node: &Node, path: &str) -> Vec<String> {
    match &node.value {
        Value::Scalar(scalar) => Some(path.to_owned()).filter(|_| arm::is_expression(&scalar.text)).into_iter().collect(),
        Value::List(_) => Vec::new(),
        Value::Map(entries) => {
            let path = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            entries.iter().flat_map(|entry| expressions(&entry.value, &path(&entry.key))).collect()
        }
    }
}
