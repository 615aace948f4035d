//! What a datasource may say, as a fragment of a manifest: who this machine is and who may come in. A right is never among it: sudo,
//! groups, scripts and packages come from the installed manifest alone.

use super::cloud_config::{get, items, text};
use crate::manifest::{Node, Value};
use crate::model::{ComputeName, TargetPath, UserName};
use crate::problem::nearest;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Where the fragment is kept, beside the installed manifest.
pub const MACHINE: &str = "/etc/fitout/machine.yaml";

/// How a file begins that the agent wrote, and may write anew. Any other is somebody's own.
const OWN: &str = "# Written by `fitout agent`";

/// Keys of a fragment, and of its `user`. `network` passes as it is: its addresses are checked where the manifest is.
const KEYS: [&str; 4] = ["name", "user", "ssh_settings", "network"];
const USER_KEYS: [&str; 3] = ["name", "shell", "authorized_keys"];

/// Who can put something where a datasource looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Giver {
    /// Only root of this machine.
    Root,
    /// Whoever can reach the machine, its drives or its network.
    Anyone,
}

/// What a datasource said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    /// Which one, and where.
    pub source: String,
    /// Who may have said it.
    pub giver: Giver,
    /// The machine's identity, as the datasource has it.
    pub instance: Option<String>,
    /// What it said that was not taken, and why.
    pub warnings: Vec<String>,
    name: Option<String>,
    user: Option<String>,
    shell: Option<String>,
    keys: Vec<String>,
    network: Option<Json>,
}

impl Overlay {
    /// Nothing said yet.
    #[must_use]
    pub fn new(source: impl Into<String>, giver: Giver) -> Self {
        let (instance, warnings, keys) = (None, Vec::new(), Vec::new());
        Self { source: source.into(), giver, instance, warnings, name: None, user: None, shell: None, keys, network: None }
    }

    /// Something was not taken.
    pub fn warn(&mut self, why: impl Into<String>) {
        self.warnings.push(why.into());
    }

    /// The machine's name. Of a host name with a domain, the first part; a name against the rule is not taken.
    pub fn name(&mut self, name: &str) {
        match ComputeName::parse(name.split('.').next().unwrap_or_default()) {
            Ok(name) => self.name = Some(name.to_string()),
            Err(why) => self.warn(why.0),
        }
    }

    /// The owner's login name.
    pub fn user(&mut self, name: &str) {
        match UserName::parse(name) {
            // A key for root would let it in past every policy.
            Ok(name) if name.as_str() == "root" => self.warn("the owner cannot be root"),
            Ok(name) => self.user = Some(name.to_string()),
            Err(why) => self.warn(why.0),
        }
    }

    /// A public key of the owner. Only keys in full: a path would let a seed read files of this machine.
    pub fn key(&mut self, line: &str) {
        match ssh_key::PublicKey::from_openssh(line.trim()) {
            Ok(_) if self.keys.iter().any(|known| known == line.trim()) => {}
            Ok(_) => self.keys.push(line.trim().to_owned()),
            Err(why) => self.warn(format!("not a public key on one line ({why}): {:.40}", line.trim().escape_debug().to_string())),
        }
    }

    fn shell(&mut self, path: &str) {
        match TargetPath::parse(path) {
            Ok(path) => self.shell = Some(path.to_string()),
            Err(why) => self.warn(why.0),
        }
    }

    /// Takes a `#fitout` fragment: the keys that select, with a warning for each that does not.
    pub fn fragment(root: &Node, overlay: &mut Self) {
        overlay.refuse_others(root, "", &KEYS);
        if let Some(name) = get(root, "name").and_then(text) {
            overlay.name(name);
        }
        if let Some(user) = get(root, "user") {
            overlay.refuse_others(user, "user.", &USER_KEYS);
            get(user, "name").and_then(text).into_iter().for_each(|name| overlay.user(name));
            get(user, "shell").and_then(text).into_iter().for_each(|path| overlay.shell(path));
            get(user, "authorized_keys").into_iter().flat_map(items).filter_map(text).for_each(|key| overlay.key(key));
        }
        if let Some(settings) = get(root, "ssh_settings") {
            overlay.refuse_others(settings, "ssh_settings.", &["ssh_key_value"]);
            get(settings, "ssh_key_value").and_then(text).into_iter().for_each(|key| overlay.key(key));
        }
        overlay.network = get(root, "network").map(json_of);
    }

    fn refuse_others(&mut self, node: &Node, above: &str, known: &[&str]) {
        let Value::Map(entries) = &node.value else { return };
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let hint = match nearest(&entry.key, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "only the installed manifest may say that".to_owned(),
            };
            self.warn(format!("user-data:{}:{}: `{above}{}` is not taken: {hint}", entry.mark.line, entry.mark.column, entry.key));
        }
    }

    /// Whether anything was said that a manifest can hold.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sections().is_empty()
    }

    fn sections(&self) -> BTreeMap<&'static str, Json> {
        let mut user = BTreeMap::new();
        let single = [("name", &self.user), ("shell", &self.shell)];
        user.extend(single.into_iter().filter_map(|(key, value)| Some((key, json!(value.as_ref()?)))));
        if !self.keys.is_empty() {
            user.insert("authorized_keys", json!(self.keys));
        }
        let mut sections = BTreeMap::new();
        sections.extend(self.name.as_ref().map(|name| ("name", json!(name))));
        sections.extend((!user.is_empty()).then(|| ("user", json!(user))));
        sections.extend(self.network.as_ref().map(|network| ("network", network.clone())));
        sections
    }

    /// The text of [`MACHINE`]. Values are JSON, which is YAML too, so nothing in them can be read otherwise than it was meant.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut out = format!("{OWN} at each start, from {}. Edits are lost, unless this line is removed.\n", self.source);
        for (key, value) in self.sections() {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{key}: {value}");
        }
        out
    }
}

/// Whether [`MACHINE`] with this text is the agent's.
#[must_use]
pub fn is_own(text: &[u8]) -> bool {
    text.starts_with(OWN.as_bytes())
}

/// A node as JSON. Scalars stay text: the manifest's reader decides what they mean.
fn json_of(node: &Node) -> Json {
    match &node.value {
        Value::Scalar(scalar) => Json::String(scalar.text.clone()),
        Value::List(items) => items.iter().map(json_of).collect(),
        Value::Map(entries) => entries.iter().map(|entry| (entry.key.clone(), json_of(&entry.value))).collect(),
    }
}
