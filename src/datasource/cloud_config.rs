//! The few keys of cloud-init's formats that say who a machine is and who may come in. All others are left to cloud-init, where it is
//! installed, without a word: a seed is often made for both.

use super::Overlay;
use crate::manifest::{Node, Value};

/// The value of a key of a mapping.
pub fn get<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    match &node.value {
        Value::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
        Value::Scalar(_) | Value::List(_) => None,
    }
}

/// The text of a scalar.
pub fn text(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar(scalar) => Some(scalar.text.as_str()),
        Value::List(_) | Value::Map(_) => None,
    }
}

/// The items of a list; a scalar is a list of itself.
pub fn items(node: &Node) -> Vec<&Node> {
    match &node.value {
        Value::List(items) => items.iter().collect(),
        Value::Scalar(_) => vec![node],
        Value::Map(_) => Vec::new(),
    }
}

/// `meta-data`: `instance-id`, `local-hostname`, and keys in either of the forms that are in use.
pub fn meta_data(root: &Node, overlay: &mut Overlay) {
    overlay.instance = get(root, "instance-id").and_then(text).map(str::to_owned);
    if let Some(name) = get(root, "local-hostname").or_else(|| get(root, "hostname")).and_then(text) {
        overlay.name(name);
    }
    let keys = get(root, "public-keys");
    match keys.map(|node| &node.value) {
        // `{default: [key, …]}`, or `{default: key}`
        Some(Value::Map(entries)) => entries.iter().flat_map(|entry| items(&entry.value)).filter_map(text).for_each(|key| overlay.key(key)),
        _ => keys.into_iter().flat_map(items).filter_map(text).for_each(|key| overlay.key(key)),
    }
}

/// `#cloud-config`: `hostname`, `ssh_authorized_keys`, and the first user that is not `default`.
pub fn user_data(root: &Node, overlay: &mut Overlay) {
    if let Some(name) = get(root, "hostname").and_then(text) {
        overlay.name(name);
    }
    let keys = |node: &Node, overlay: &mut Overlay| {
        let keys = get(node, "ssh_authorized_keys").or_else(|| get(node, "ssh-authorized-keys"));
        keys.into_iter().flat_map(items).filter_map(text).for_each(|key| overlay.key(key));
    };
    keys(root, overlay);
    let users = get(root, "users").into_iter().flat_map(items);
    if let Some(user) = users.into_iter().find(|user| matches!(user.value, Value::Map(_))) {
        if let Some(name) = get(user, "name").and_then(text) {
            overlay.user(name);
        }
        keys(user, overlay);
    }
}
