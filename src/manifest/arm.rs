//! Azure Resource Manager's form of a compute instance: the fields of `az ml` in another spelling, and a few in another shape.

use super::node::{Entry, Mark, Node, Scalar, Style, Value, at, text};
use super::{disposition, later};
use crate::recipe::SCRIPT;

/// Names of Azure Resource Manager that are not ours in another spelling, and ours.
const RENAMED: [(&str, &str); 9] = [
    ("vmSize", "size"),
    ("computeType", "type"),
    ("computeLocation", "location"),
    ("customServices", "custom_applications"),
    ("personalComputeInstanceSettings", "create_on_behalf_of"),
    ("adminPublicKey", "ssh_key_value"),
    ("sshPublicAccess", "ssh_public_access_enabled"),
    ("computeStartStop", "compute_start_stop"),
    ("scriptData", "path"),
];

/// Our name for a key of Azure Resource Manager, which writes `camelCase`.
pub fn renamed(key: &str, holder: &str, fields: &[&'static str]) -> Option<String> {
    if let Some((_, ours)) = RENAMED.iter().find(|(theirs, _)| *theirs == key) {
        return Some((*ours).to_owned());
    }
    let snake = snake_case(key);
    let known = fields.contains(&snake.as_str()) || disposition::is_recorded(holder, &snake) || later::awaited(holder, &snake).is_some();
    (snake != key && known).then_some(snake)
}

/// `idleTimeBeforeShutdown` as `idle_time_before_shutdown`, `enableOSPatching` as `enable_os_patching`.
pub fn snake_case(key: &str) -> String {
    let chars: Vec<char> = key.chars().collect();
    let mut out = String::new();
    for (index, c) in chars.iter().enumerate() {
        let above = index.checked_sub(1).and_then(|above| chars.get(above)).copied().unwrap_or('_');
        let starts = above.is_ascii_lowercase() || above.is_ascii_uppercase() && chars.get(index + 1).is_some_and(char::is_ascii_lowercase);
        if c.is_ascii_uppercase() && starts {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// The type of a compute in templates of Azure Resource Manager.
const COMPUTE: &str = "Microsoft.MachineLearningServices/workspaces/computes";

/// A document of Azure Resource Manager (a resource, or a template that holds one) with the fields of `az ml`; `None` for any other text.
pub fn converted(root: &Node) -> Option<Node> {
    let resource = match at(root, "resources").map(|node| &node.value) {
        Some(Value::List(resources)) => resources.iter().find(|resource| at(resource, "type").and_then(text) == Some(COMPUTE))?,
        _ => root,
    };
    let outer = at(resource, "properties").filter(|outer| at(outer, "computeType").is_some())?;
    let mut out = Vec::new();
    // `workspace/name` in templates.
    let name = at(resource, "name").and_then(text).and_then(|name| if is_expression(name) { Some(name) } else { name.rsplit('/').next() });
    out.extend(name.map(|name| entry("name", quoted(name))));
    out.extend(at(outer, "computeType").map(|kind| entry("type", quoted(&text(kind).unwrap_or_default().to_lowercase()))));
    for (from, key) in [(outer, "description"), (resource, "location"), (outer, "resourceId"), (outer, "disableLocalAuth")] {
        out.extend(at(from, key).map(|value| entry(&snake_case(key), plain(value))));
    }
    out.extend(at(resource, "tags").map(|tags| entry("tags", tags.clone())));
    out.extend(at(resource, "identity").map(|value| entry("identity", identity(value))));
    if let Some(Value::Map(entries)) = at(outer, "properties").map(|inner| &inner.value) {
        out.extend(entries.iter().flat_map(property));
    }
    Some(map(out))
}

/// Whether a text is an expression of the template language, which only a deployment works out.
pub fn is_expression(text: &str) -> bool {
    text.starts_with('[') && text.ends_with(']') && !text.starts_with("[[")
}

/// Where a line that was made of a document says what a field of that document said.
pub fn origin<'n>(root: &'n Node, key: &str, value: &str) -> Option<&'n Mark> {
    // Only the name of `workspace/name` is taken.
    let is = |text: &str| text.eq_ignore_ascii_case(value) || text.rsplit('/').next() == Some(value);
    let same = |node: &Node| text(node).is_some_and(is);
    match &root.value {
        Value::Scalar(_) => None,
        Value::List(items) => items.iter().find_map(|item| origin(item, key, value)),
        Value::Map(entries) => {
            let named = |entry: &&Entry| renamed_to(&entry.key) == key && (value.is_empty() || same(&entry.value));
            let below = || entries.iter().find_map(|entry| origin(&entry.value, key, value));
            entries.iter().find(named).map(|entry| if value.is_empty() { &entry.mark } else { &entry.value.mark }).or_else(below)
        }
    }
}

/// Our name for a key of Azure Resource Manager, whoever holds it.
fn renamed_to(key: &str) -> String {
    RENAMED.iter().find(|(theirs, _)| *theirs == key).map_or_else(|| snake_case(key), |(_, ours)| (*ours).to_owned())
}

/// A field of the compute instance itself: most differ in spelling only.
fn property(written: &Entry) -> Vec<Entry> {
    let value = &written.value;
    match written.key.as_str() {
        "vmSize" => vec![entry("size", plain(value))],
        "subnet" => at(value, "id").map(|id| entry("network_settings", map(vec![entry("subnet", plain(id))]))).into_iter().collect(),
        "sshSettings" => {
            let open = at(value, "sshPublicAccess").and_then(text).filter(|said| *said != "NotSpecified");
            let open = open.map(|said| entry("ssh_public_access_enabled", truth(said == "Enabled")));
            let key = at(value, "adminPublicKey")
                .filter(|key| text(key).is_some_and(|key| !key.is_empty()))
                .map(|key| entry("ssh_settings", map(vec![entry("ssh_key_value", plain(key))])));
            open.into_iter().chain(key).collect()
        }
        "personalComputeInstanceSettings" => {
            let id = |theirs: &str, ours: &str| at(value, &format!("assignedUser.{theirs}")).map(|id| entry(ours, plain(id)));
            let ids = id("tenantId", "user_tenant_id").into_iter().chain(id("objectId", "user_object_id"));
            vec![entry("create_on_behalf_of", map(ids.collect()))]
        }
        "setupScripts" => {
            let one = |theirs: &str, ours: &str| at(value, &format!("scripts.{theirs}")).map(|script| entry(ours, setup_script(script)));
            let both = one("creationScript", "creation_script").into_iter().chain(one("startupScript", "startup_script"));
            vec![entry("setup_scripts", map(both.collect()))]
        }
        "schedules" => {
            let each = |item: &Node| map(schedule(item));
            vec![entry("schedules", map(vec![entry("compute_start_stop", list(at(value, "computeStartStop"), each))]))]
        }
        "customServices" => vec![entry("custom_applications", list(Some(value), |service| map(application(service))))],
        // What only the service says of itself, and this table does not know, is nothing to wish for.
        key => Some(snake_case(key))
            .filter(|ours| disposition::row("Manifest", ours).is_some())
            .map(|ours| entry(&ours, plain(value)))
            .into_iter()
            .collect(),
    }
}

fn identity(value: &Node) -> Node {
    let kind = at(value, "type").and_then(text).unwrap_or("None").replace(' ', "").replace(',', "_");
    let mut out = vec![entry("type", quoted(&snake_case(&kind).replace("__", "_")))];
    if let Some(Value::Map(given)) = at(value, "userAssignedIdentities").map(|given| &given.value) {
        let ids = given.iter().map(|given| map(vec![entry("resource_id", quoted(&given.key))])).collect();
        out.push(entry("user_assigned_identities", node(Value::List(ids))));
    }
    map(out)
}

fn setup_script(script: &Node) -> Node {
    let data = at(script, "scriptData").and_then(text).unwrap_or_default();
    let arguments = at(script, "scriptArguments").and_then(text).filter(|arguments| !arguments.is_empty());
    let (source, file) = match (at(script, "scriptSource").and_then(text), base64(data)) {
        (Some("inline"), Some(inline)) => (entry("inline", quoted(&inline)), SCRIPT),
        _ => (entry("path", quoted(data)), data.rsplit('/').next().unwrap_or(data)),
    };
    let command = arguments.map(|arguments| entry("command", quoted(&format!("bash {file} {arguments}"))));
    let timeout = at(script, "timeout").map(|timeout| entry("timeout", quoted(text(timeout).unwrap_or_default())));
    map([source].into_iter().chain(command).chain(timeout).collect())
}

fn schedule(item: &Node) -> Vec<Entry> {
    let take = |key: &str, ours: &str| at(item, key).map(|value| entry(ours, lower(value)));
    let kind = at(item, "triggerType").and_then(text).unwrap_or("Cron").to_lowercase();
    let mut trigger = vec![entry("type", quoted(&kind))];
    if let Some(Value::Map(parts)) = at(item, &kind).map(|parts| &parts.value) {
        trigger.extend(
            parts
                .iter()
                .map(|part| entry(&snake_case(&part.key), if part.key == "frequency" { lower(&part.value) } else { plain(&part.value) })),
        );
    }
    let state = take("status", "state").or_else(|| take("state", "state"));
    take("action", "action").into_iter().chain(state).chain([entry("trigger", map(trigger))]).collect()
}

fn application(service: &Node) -> Vec<Entry> {
    let variables = match at(service, "environmentVariables").map(|variables| &variables.value) {
        Some(Value::Map(all)) => {
            all.iter().map(|one| entry(&one.key, at(&one.value, "value").map_or_else(|| quoted(""), Node::clone))).collect()
        }
        _ => Vec::new(),
    };
    let only = |value: &Node, keys: [&str; 2]| map(keys.iter().filter_map(|key| Some(entry(key, at(value, key)?.clone()))).collect());
    let mut out: Vec<Entry> = at(service, "name").map(|name| entry("name", name.clone())).into_iter().collect();
    let image = at(service, "image.reference").map(|image| map(vec![entry("reference", image.clone())]));
    out.extend(image.map(|image| entry("image", image)));
    out.push(entry("endpoints", list(at(service, "endpoints"), |endpoint| only(endpoint, ["target", "published"]))));
    if !variables.is_empty() {
        out.push(entry("environment_variables", map(variables)));
    }
    out.extend(
        at(service, "volumes").map(|volumes| entry("bind_mounts", list(Some(volumes), |volume| only(volume, ["source", "target"])))),
    );
    out.extend(at(service, "kernel").map(|kernel| entry("kernel", plain(kernel))));
    out
}

fn node(value: Value) -> Node {
    Node { id: 0, value, mark: Mark { file: "".into(), line: 1, column: 1, width: 1 } }
}

fn map(entries: Vec<Entry>) -> Node {
    node(Value::Map(entries))
}

fn entry(key: &str, value: Node) -> Entry {
    Entry { key: key.to_owned(), mark: value.mark.clone(), value }
}

fn quoted(text: &str) -> Node {
    node(Value::Scalar(Scalar { text: text.to_owned(), style: Style::Quoted }))
}

fn truth(value: bool) -> Node {
    node(Value::Scalar(Scalar { text: value.to_string(), style: Style::Plain }))
}

fn lower(value: &Node) -> Node {
    quoted(&text(value).unwrap_or_default().to_lowercase())
}

fn list(items: Option<&Node>, each: impl Fn(&Node) -> Node) -> Node {
    let items = match items.map(|items| &items.value) {
        Some(Value::List(items)) => items.iter().map(each).collect(),
        _ => Vec::new(),
    };
    node(Value::List(items))
}

/// A value as it is, its keys in our spelling.
fn plain(value: &Node) -> Node {
    match &value.value {
        Value::Scalar(_) => value.clone(),
        Value::List(items) => node(Value::List(items.iter().map(plain).collect())),
        Value::Map(entries) => map(entries.iter().map(|inner| entry(&snake_case(&inner.key), plain(&inner.value))).collect()),
    }
}

/// The text that a base64 text stands for, if it is one.
fn base64(text: &str) -> Option<String> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::new());
    for byte in text.trim_end_matches('=').bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let digit = DIGITS.iter().position(|digit| *digit == byte)?;
        bits = bits << 6 | u32::try_from(digit).ok()?;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.extend(u8::try_from(bits >> held & 0xff));
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::snake_case;

    #[test]
    fn camels_become_snakes() {
        for (camel, snake) in [
            ("idleTimeBeforeShutdown", "idle_time_before_shutdown"),
            ("enableSSO", "enable_sso"),
            ("name", "name"),
            ("enableOSPatching", "enable_os_patching"),
        ] {
            assert_eq!(snake_case(camel), snake);
        }
    }
}
