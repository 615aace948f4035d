//! `fitout bake`: makes an image in all its formats.

use super::output;
use super::source::{self, Purpose, Refusal};
use super::{Exit, Form, Global, progress};
use crate::apply::Observers;
use crate::image::{BakeError, Recipe, bake};
use crate::manifest::load_image;
use crate::session::Installable;
use crate::store::Store;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `fitout bake`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The image definition
    #[arg(value_name = "FILE")]
    definition: String,
    /// Folder of the results, and of the work
    #[arg(long, value_name = "DIR", default_value = "out")]
    out: PathBuf,
    /// Another value for a field of the manifest, such as user.name=ada
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    set: Vec<String>,
}

pub fn run(arguments: &Arguments, global: &Global) -> Exit {
    if !nix::unistd::geteuid().is_root() {
        output::complain("only root may make a root file system", Some("run `sudo fitout bake`"));
        return Exit::NotRoot;
    }
    match try_run(arguments, global) {
        Ok(()) => Exit::Done,
        Err(refusal) => refusal.tell(global),
    }
}

fn try_run(arguments: &Arguments, global: &Global) -> Result<(), Refusal> {
    let source = Purpose::Act.read(&arguments.definition)?;
    let definition = load_image(&source).map_err(|e| Refusal::Rejected(Box::new(e)))?;
    let (manifest, sheets) = source::named(&definition.manifest.to_string_lossy(), &arguments.set, Purpose::Act)?;
    let bundle = Installable::new(&sheets, &manifest.files());
    let store = Store::at(&global.cache);
    let recipe = Recipe { definition: &definition, manifest: &manifest, bundle: &bundle, out: &arguments.out, store: &store };
    let artifacts = bake(&recipe, &Observers::new(progress::observers(global))).map_err(|error| match error {
        BakeError::Stage(error) | BakeError::Failed(error) => Refusal::Own(error),
        BakeError::Session(error) => Refusal::Session(error),
    })?;
    match global.output {
        Form::Json => output::json(&serde_json::json!({"version": 1, "artifacts": artifacts})),
        Form::Human => artifacts.iter().for_each(|made| output::data(&format!("{}  ({} stored)\n", made.path.display(), made.stored))),
    }
    Ok(())
}
