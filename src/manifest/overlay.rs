//! What differs per machine, laid over the manifest's tree before anything is read from it: `machine.yaml`, a datasource's
//! fragment of the same form, and `--set`.

use super::node::{Entry, Mark, Node, NodeId, Value};
use super::parse::{Parsed, parse};
use crate::problem::{Code, Place, Problem};

/// What an overlay may hold: only what truly differs from machine to machine, so that a manifest says what it is.
const OVERLAID: [&str; 4] = ["name", "user", "ssh_settings", "network"];

/// Lays `over` over `base`: mappings key by key, anything else whole.
pub fn merge(base: &mut Node, over: Node) {
    match (&mut base.value, over.value) {
        (Value::Map(entries), Value::Map(over)) => {
            for new in over {
                match entries.iter_mut().find(|entry| entry.key == new.key) {
                    Some(entry) => {
                        entry.mark = new.mark;
                        merge(&mut entry.value, new.value);
                    }
                    None => entries.push(new),
                }
            }
        }
        (value, new) => {
            *value = new;
            base.mark = over.mark;
            base.id = over.id;
        }
    }
}

/// Checks that an overlay holds only what it may, and drops the rest.
pub fn restrict(overlay: &mut Node) -> Vec<Problem> {
    let Value::Map(entries) = &mut overlay.value else {
        let problem = Problem::at(Code::WrongType, &overlay.mark.place(), "an overlay is a mapping");
        return vec![problem.suggest(format!("give keys such as {}", OVERLAID.join(", ")))];
    };
    let problem = |entry: &Entry| {
        let problem = Problem::at(Code::UnknownKey, &entry.mark.place(), format!("`{}` cannot differ per machine", entry.key));
        problem.suggest(format!("move it to the manifest; an overlay may hold {}", OVERLAID.join(", ")))
    };
    let problems = entries.iter().filter(|entry| !OVERLAID.contains(&entry.key.as_str())).map(problem).collect();
    entries.retain(|entry| OVERLAID.contains(&entry.key.as_str()));
    problems
}

/// The tree of one `--set PATH=VALUE`. The value is read as YAML reads it, so `--set user.sudo=true` is a truth value.
pub fn setting(path: &str, value: &str, ids: &mut NodeId) -> Result<Node, Vec<Problem>> {
    let file = setting_file(path);
    let refuse = |message: &str, help: &str| {
        let place = Place { file: file.clone(), line: 1, column: 1, width: 1 };
        Err(vec![Problem::at(Code::BadValue, &place, message).suggest(help)])
    };
    let word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !path.split('.').all(word) {
        return refuse("this is no path of a field", "write names with dots between them, such as user.name");
    }
    let Parsed { root, problems } = parse(&file, value, ids);
    if !problems.is_empty() {
        return Err(problems);
    }
    match root {
        Some(leaf) if matches!(leaf.value, Value::Scalar(_)) => Ok(path.rsplit('.').fold(leaf, |value, key| wrap(key, value, ids))),
        _ => refuse("only single values can be set", "put lists and mappings into the manifest or machine.yaml"),
    }
}

/// The name under which the text of a setting is shown.
pub fn setting_file(path: &str) -> String {
    format!("--set {path}")
}

fn wrap(key: &str, value: Node, ids: &mut NodeId) -> Node {
    *ids += 1;
    let mark: Mark = value.mark.clone();
    Node { id: *ids, value: Value::Map(vec![Entry { key: key.to_owned(), mark: mark.clone(), value }]), mark }
}
