//! `files`: files with given content, directories, links, and paths where nothing is to be.

use super::{Context, Item, Recipe};
use crate::model::{HomePath, Meta, Mode, Owner, TargetPath};
use crate::problem::{Code, Problem};
use crate::resource::{Absent, Directory, File, Policy, Spec, Symlink};
use crate::step::{Content, Proof};
use std::collections::{BTreeMap, BTreeSet};

/// One item of `files`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedFile {
    /// Where.
    pub path: HomePath,
    /// What is to be there.
    pub form: Form,
    /// Permission bits; `None` for the usual ones.
    pub mode: Option<Mode>,
    /// Whose; by default the owner's below `~`, else root's.
    pub owner: Option<Owner>,
    /// Program and arguments that must accept new content, `%s` for the file that holds it.
    pub validate: Option<Vec<String>>,
}

/// What is to be at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// A file that holds this, and whether it is kept up to date or only made once.
    File(Content, Policy),
    /// A directory.
    Directory,
    /// A directory with files in it, by their paths from there, and whether they are kept up to date or only made once.
    Tree(BTreeMap<String, Content>, Policy),
    /// A link with this text.
    Link(String),
    /// Nothing.
    Absent,
}

impl Recipe for ManagedFile {
    fn item(&self) -> Item {
        Item::of("files", &self.path)
    }

    fn lower(&self, context: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        let natural = match (self.path.is_home(), context.owner) {
            (true, Some(name)) => Owner::User(name.clone()),
            _ => Owner::Root,
        };
        let owner = self.owner.clone().unwrap_or(natural);
        let path = self.path.within(context.home);
        let meta = |usual: Mode| Meta::of(owner, self.mode.unwrap_or(usual));
        Ok(vec![match &self.form {
            Form::File(text, policy) => {
                let proof = self.validate.clone().map(|argv| Proof::Accepted { argv });
                Spec::File(File { policy: *policy, proof, ..File::new(path, text.clone(), meta(Mode::FILE)) })
            }
            Form::Directory => Spec::Directory(Directory::new(path, meta(Mode::OPEN), Vec::new())),
            Form::Tree(files, policy) => return tree(&path, files, *policy, &meta(Mode::OPEN)),
            Form::Link(to) => Spec::Symlink(Symlink::new(path, to.as_str(), Vec::new())),
            Form::Absent => Spec::Absent(Absent::whoever_wrote_it(path)),
        }])
    }
}

/// A directory, and what is in it.
fn tree(top: &TargetPath, files: &BTreeMap<String, Content>, policy: Policy, meta: &Meta) -> Result<Vec<Spec>, Vec<Problem>> {
    let at = |name: &str| top.join(name).map_err(|error| vec![Problem::general(Code::BadValue, error.0)]);
    let of = |mode: Mode| Meta::of(meta.owner.clone(), mode);
    let mut specs = vec![Spec::Directory(Directory::new(top.clone(), meta.clone(), Vec::new()))];
    let folders: BTreeSet<&str> = files.keys().flat_map(|name| name.match_indices('/').map(|(end, _)| &name[..end])).collect();
    for folder in folders {
        specs.push(Spec::Directory(Directory::new(at(folder)?, of(Mode::OPEN), Vec::new())));
    }
    for (name, content) in files {
        let mode = if is_program(content) { Mode::OPEN } else { Mode::FILE };
        specs.push(Spec::File(File { policy, ..File::new(at(name)?, content.clone(), of(mode)) }));
    }
    Ok(specs)
}

/// Whether a text names what runs it. Permission bits of the sources are not asked: they differ from checkout to checkout.
fn is_program(content: &Content) -> bool {
    matches!(content, Content::Inline(text) if text.starts_with("#!"))
}
