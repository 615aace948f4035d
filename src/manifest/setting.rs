//! `--set PATH=VALUE`: one value in place of another, whatever the manifest says.
//!
//! A path is names with dots between them; in a list, the name of an item or its place from 0. Names of items may have dots
//! themselves (`units.docker.service.enabled`): the longest name that fits is meant.

use super::composed::{INCLUDE, OVERRIDE};
use super::node::{Entry, Mark, Node, Scalar, Style, Value, name_of};
use super::parse::{Parsed, Tally, parse};
use crate::problem::{Code, Place, Problem, nearest};
use std::path::Path;

/// How the name begins under which the text of a setting is shown.
const OPTION: &str = "--set ";

/// The name under which the text of a setting is shown.
pub fn setting_file(path: &str) -> String {
    format!("{OPTION}{path}")
}

/// Whether a file is the text of a setting.
pub fn is_setting(file: &str) -> bool {
    file.starts_with(OPTION)
}

/// The folder that relative paths in a file are relative to. A setting is read as if it stood in the manifest.
pub fn folder<'f>(file: &'f str, manifest: &'f str) -> &'f Path {
    let file = if is_setting(file) { manifest } else { file };
    Path::new(file).parent().unwrap_or(Path::new(""))
}

/// Sets one value in a document. It is read as YAML reads it, so `--set user.sudo=true` is a truth value; no text at all is nothing.
///
/// # Errors
/// The path or the value is none.
pub fn set(root: &mut Node, path: &str, value: &str, tally: &mut Tally) -> Result<(), Vec<Problem>> {
    let file = setting_file(path);
    let place = Place {
        file: file.as_str().into(),
        line: 1,
        column: 1,
        width: u32::try_from(value.trim_end().chars().count()).unwrap_or(1).max(1),
    };
    let Parsed { root: value, problems } = parse(&file, value, tally);
    if !problems.is_empty() {
        return Err(problems);
    }
    let mark = Mark { file: file.into(), line: 1, column: 1, width: 1 };
    let nothing = || Value::Scalar(Scalar { text: String::new(), style: Style::Plain });
    let value = value.unwrap_or_else(|| Node { id: tally.id(), value: nothing(), mark });
    put(root, path, &value, tally).map_err(|wrong| vec![Problem::at(wrong.code, &place, wrong.message).suggest(wrong.help)])
}

/// Why a path leads nowhere.
struct Wrong {
    code: Code,
    message: String,
    help: String,
}

/// Puts a value where a path leads; mappings on the way are made where they are not there.
fn put(node: &mut Node, path: &str, value: &Node, tally: &mut Tally) -> Result<(), Wrong> {
    if path.is_empty() {
        *node = value.clone();
        return Ok(());
    }
    if let Value::List(items) = &mut node.value {
        let (chosen, rest) = choose(items, path)?;
        let mut all = items.iter_mut().enumerate().filter(|(n, _)| chosen.contains(n));
        return all.try_for_each(|(_, item)| put(item, rest, value, tally));
    }
    let (key, rest) = path.split_once('.').map_or((path, ""), |(key, rest)| (key, rest));
    if [INCLUDE, OVERRIDE].contains(&key) {
        let help = "write it in a file, and name that with -f";
        return Err(Wrong { code: Code::BadValue, message: format!("`{key}` cannot be set: it is about files"), help: help.into() });
    }
    if !is_word(key) || path.ends_with('.') {
        let help = "write names with dots between them, such as user.name or environments.quick.owner";
        return Err(Wrong { code: Code::BadValue, message: "this is no path of a field".into(), help: help.into() });
    }
    if !matches!(node.value, Value::Map(_)) {
        *node = Node { id: tally.id(), value: Value::Map(Vec::new()), mark: value.mark.clone() };
    }
    let Value::Map(entries) = &mut node.value else { return Ok(()) };
    if let Some(entry) = entries.iter_mut().find(|entry| entry.key == key) {
        if rest.is_empty() {
            entry.mark = value.mark.clone();
        }
        return put(&mut entry.value, rest, value, tally);
    }
    let mut made = Node { id: tally.id(), value: Value::Map(Vec::new()), mark: value.mark.clone() };
    put(&mut made, rest, value, tally)?;
    entries.push(Entry { key: key.to_owned(), mark: value.mark.clone(), value: made });
    Ok(())
}

/// The items of a list that a path begins with, and what follows.
fn choose<'p>(items: &[Node], path: &'p str) -> Result<(Vec<usize>, &'p str), Wrong> {
    let names: Vec<Option<&str>> = items.iter().map(|item| name_of(item).map(|(_, name)| name)).collect();
    let after = |name: &str| match path.strip_prefix(name)? {
        "" => Some(""),
        rest => rest.strip_prefix('.'),
    };
    let longest = names.iter().flatten().filter(|name| after(name).is_some()).max_by_key(|name| name.len());
    if let Some((name, rest)) = longest.and_then(|name| Some((*name, after(name)?))) {
        return Ok((names.iter().enumerate().filter(|(_, other)| **other == Some(name)).map(|(n, _)| n).collect(), rest));
    }
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    match first.parse::<usize>() {
        Ok(n) if n < items.len() => Ok((vec![n], rest)),
        Ok(_) => Err(unknown(format!("the list has no item {first}"), counted(items))),
        Err(_) => {
            let known: Vec<&str> = names.into_iter().flatten().collect();
            let help = match nearest(first, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => counted(items),
                None => format!("its items are {}", known.join(", ")),
            };
            Err(unknown(format!("the list has no item `{first}`"), help))
        }
    }
}

fn counted(items: &[Node]) -> String {
    items.len().checked_sub(1).map_or("the list is empty".into(), |last| format!("its items are counted from 0 to {last}"))
}

fn unknown(message: String, help: String) -> Wrong {
    Wrong { code: Code::UnknownReference, message, help }
}

fn is_word(part: &str) -> bool {
    !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
