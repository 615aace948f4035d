//! Files that a document of Azure's names: found where it means them, and named from where the draft will stand.

use super::{Stand, folder};
use crate::manifest::files::Files;
use crate::manifest::node::{Node, Value, at, text};
use std::path::{Component, Path, PathBuf};

/// Fields that name files, which may have stayed in a workspace.
const FILES: [&str; 3] = ["setup_scripts.creation_script", "setup_scripts.startup_script", "ssh_settings.ssh_key_value"];

/// Longest file that a manifest's own fields of text may name.
const LONGEST: u64 = 1024 * 1024;

/// Names each file from where the draft will stand, and takes in a key of the home; what is not there is returned, with what to do about it.
pub(super) fn place(root: &mut Node, origin: &str, stand: Stand<'_>, files: &impl Files) -> Vec<(String, String)> {
    let mut lost = Vec::new();
    for field in FILES {
        let path = format!("{field}.path");
        let path = if at(root, &path).is_some() { &path } else { field };
        let Some(named) = at(root, path).and_then(text).filter(|text| !text.contains(char::is_whitespace)).map(str::to_owned) else {
            continue;
        };
        match found(&named, origin, stand, files) {
            Found::Here => {}
            Found::Instead(value) => set(root, path, value),
            Found::Nowhere(hint) => {
                // A script without its file is none.
                lost.push((field.to_owned(), format!("{named} is not here: {hint}, then remove the `#`")));
            }
        }
    }
    lost
}

enum Found {
    /// As it is named.
    Here,
    /// To be written so.
    Instead(String),
    /// Not at all; what to do.
    Nowhere(&'static str),
}

fn found(named: &str, origin: &str, stand: Stand<'_>, files: &impl Files) -> Found {
    let read = |path: &Path| files.read(path, LONGEST).ok().flatten();
    if let Some(rest) = named.strip_prefix("~/") {
        // A manifest is another machine's, too, where that home is not: the key itself stands in it.
        let key = stand.home.and_then(|home| read(&home.join(rest))).and_then(|bytes| String::from_utf8(bytes).ok());
        let key = key.map(|key| key.trim().to_owned()).filter(|key| !key.contains('\n') && !key.contains("PRIVATE KEY"));
        return key.map_or(Found::Nowhere("paste the public key that it holds in its place"), Found::Instead);
    }
    let (there, meant) = (folder(stand.name), folder(origin).join(named));
    match () {
        () if read(&there.join(named)).is_some() => Found::Here,
        () if read(&meant).is_some() => Found::Instead(relative(there, &meant).to_string_lossy().into_owned()),
        () => Found::Nowhere("copy it here from the workspace"),
    }
}

/// The path of a file as it is named from a folder.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let whole = |path: &Path| std::path::absolute(if path.as_os_str().is_empty() { Path::new(".") } else { path }).unwrap_or_default();
    let (from, to) = (whole(from), whole(to));
    let common = from.components().zip(to.components()).take_while(|(one, other)| one == other).count();
    let up: Vec<Component<'_>> = from.components().skip(common).collect();
    if up.contains(&Component::ParentDir) {
        return to;
    }
    up.iter().map(|_| Component::ParentDir).chain(to.components().skip(common)).collect()
}

/// Writes another text into a field that holds one.
fn set(root: &mut Node, path: &str, value: String) {
    let field = path.split('.').try_fold(root, |node, key| match &mut node.value {
        Value::Map(entries) => entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value),
        Value::Scalar(_) | Value::List(_) => None,
    });
    if let Some(Value::Scalar(scalar)) = field.map(|node| &mut node.value) {
        scalar.text = value;
    }
}

#[cfg(test)]
mod tests {
    use super::relative;
    use std::path::Path;

    #[test]
    fn a_file_is_named_from_another_folder() {
        for (from, to, is) in [
            ("/a/b", "/a/c/x.sh", "../c/x.sh"),
            ("/a", "/a/c/x.sh", "c/x.sh"),
            ("out", "x.sh", "../x.sh"),
            ("", "azure/x.sh", "azure/x.sh"),
            ("../b", "/a/x.sh", "/a/x.sh"),
        ] {
            assert_eq!(relative(Path::new(from), Path::new(to)), Path::new(is), "{from} {to}");
        }
    }
}
