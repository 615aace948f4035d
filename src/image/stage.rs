//! The stages of a bake, in order, as data: their names are those of the events that people see.

use super::boot::{EspFile, command_line, layout};
use super::disk::RawDisk;
use super::identities::Identities;
use super::parts::{parts, wants};
use super::tools::Tools;
use super::workshop::Workshop;
use super::{Artifact, BakeError, Recipe, base, disk, seal, writer};
use crate::apply::{Event, Observers, Outcome, RunReport, Supply, Workers, apply};
use crate::graph::Graph;
use crate::manifest::Machine as Wanted;
use crate::model::{ByteSize, Facts, ResourceId};
use crate::plan::Plan;
use crate::session::{Alone, Scope, Session, SessionError, Terms, own_program};
use crate::step::Op;
use crate::target::{Ground, Machine, OpError, Progress, Rooted, go_on};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Instant;

/// A part of the work.
#[derive(Debug, Clone, Copy)]
pub struct Stage {
    /// Its name.
    pub name: &'static str,
    /// What it does, in a few words.
    pub what: &'static str,
    work: fn(&mut Bake<'_>) -> Result<(), BakeError>,
}

/// All stages, in order.
pub const STAGES: [Stage; 7] = [
    Stage { name: "base", what: "make a minimal root", work: |bake| bake.base() },
    Stage { name: "parts", what: "add what every image has", work: |bake| bake.parts() },
    Stage { name: "apply", what: "apply the manifest", work: |bake| bake.apply() },
    Stage { name: "boot", what: "lay out the boot partition", work: |bake| bake.boot() },
    Stage { name: "seal", what: "remove what may not be in an image", work: |bake| bake.seal() },
    Stage { name: "disk", what: "make the disk", work: |bake| bake.disk() },
    Stage { name: "formats", what: "write the outputs", work: |bake| bake.formats() },
];

/// A bake in progress.
struct Bake<'a> {
    recipe: &'a Recipe<'a>,
    workshop: &'a Workshop,
    observers: &'a Observers,
    ids: Identities,
    esp: Vec<EspFile>,
    artifacts: Vec<Artifact>,
    tools: Tools<'a>,
}

fn id(stage: &str) -> ResourceId {
    ResourceId::new("image", stage)
}

/// Runs all stages.
pub(super) fn run_all(recipe: &Recipe<'_>, workshop: &Workshop, observers: &Observers) -> Result<Vec<Artifact>, BakeError> {
    let tools = Tools { folder: workshop.folder().to_owned(), observers, stage: id("base") };
    let ids = Identities::of(&recipe.definition.name);
    let mut bake = Bake { recipe, workshop, observers, ids, esp: Vec::new(), artifacts: Vec::new(), tools };
    for stage in STAGES {
        go_on().map_err(|e| OpError::new(format!("bake {}", recipe.definition.name), e))?;
        let (id, summary) = (id(stage.name), stage.what.to_owned());
        observers.tell(&Event::StepStarted { id: id.clone(), summary: summary.clone(), why: recipe.definition.name.clone() });
        bake.tools.stage = id.clone();
        let began = Instant::now();
        (stage.work)(&mut bake)?;
        let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        observers.tell(&Event::StepFinished { id, summary, milliseconds });
    }
    Ok(bake.artifacts)
}

impl Bake<'_> {
    fn base(&mut self) -> Result<(), BakeError> {
        let root = self.workshop.root();
        std::fs::create_dir(&root).map_err(|e| OpError::new(format!("make {}", root.display()), e))?;
        Ok(base::make(&self.recipe.definition.base, &root, &self.tools)?)
    }

    fn machine(&self) -> Result<Machine, OpError> {
        let root = self.workshop.root();
        let act = format!("open {}", root.display());
        Machine::open(&Ground::Image(root), self.recipe.store.clone()).map_err(|e| OpError::new(act, e))
    }

    fn parts(&mut self) -> Result<(), BakeError> {
        let specs = parts(self.recipe.definition, &self.ids).map_err(|e| OpError::new("name the parts of the image", e))?;
        let graph = Graph::order(specs).map_err(|problems| SessionError::Manifest(problems.into()))?;
        let machine = self.machine()?;
        let plan = Plan::make(&graph, &machine, self.recipe.store).map_err(SessionError::Probe)?;
        done(&apply(&graph, &plan, &machine, &Nothing, self.observers, Workers::usual()))
    }

    fn apply(&mut self) -> Result<(), BakeError> {
        let (machine, store) = (Arc::new(self.machine()?), self.recipe.store);
        let program = own_program().map_err(SessionError::Probe)?;
        let manifest = self.recipe.manifest;
        let wanted = |facts: &Facts| Ok((manifest.on(facts)?, manifest.sources().clone()));
        let amend = |wanted: &mut Wanted| wanted.wants.extend(wants(program));
        let alone = Alone::on(&machine, self.observers)?;
        let session =
            Session::prepare(wanted, amend, (Scope::Machine, Terms::default()), Arc::clone(&machine), store.clone(), self.observers)?;
        done(&session.apply(&alone, self.observers)?.0)?;
        Ok(self.recipe.bundle.install(machine.as_ref())?)
    }

    fn boot(&mut self) -> Result<(), BakeError> {
        let definition = self.recipe.definition;
        self.esp = layout(&self.machine()?, &definition.name, &command_line(&self.ids, &definition.console))?;
        Ok(())
    }

    fn seal(&mut self) -> Result<(), BakeError> {
        let root = self.workshop.root();
        let files = Rooted::open(&root).map_err(|e| OpError::new(format!("open {}", root.display()), e))?;
        Ok(seal::seal(&files)?)
    }

    fn raw(&self) -> RawDisk {
        RawDisk { path: self.workshop.folder().join("disk"), size: self.recipe.definition.size, id: self.ids.disk.clone() }
    }

    fn disk(&mut self) -> Result<(), BakeError> {
        Ok(disk::make(&self.workshop.root(), &self.esp, &self.ids, &self.raw(), &self.tools)?)
    }

    fn formats(&mut self) -> Result<(), BakeError> {
        let raw = self.raw();
        let mut names = Vec::new();
        for format in &self.recipe.definition.outputs {
            let format = writer(*format);
            let name = format!("{}.{}", self.recipe.definition.name, format.extension());
            let written = format.write(&raw, &self.workshop.folder().join(&name));
            written.map_err(|e| OpError::new(format!("write {name}"), e))?;
            names.push(name);
        }
        // All are whole before the first takes its place: results of one bake belong together.
        for name in names {
            let published = self.workshop.publish(&name).and_then(|path| Ok((path.metadata()?, path)));
            let (meta, path) = published.map_err(|e| OpError::new(format!("put {name} in its place"), e))?;
            self.artifacts.push(Artifact { path, stored: ByteSize(meta.blocks() * BLOCK) });
        }
        Ok(())
    }
}

/// What `stat` counts in.
const BLOCK: u64 = 512;

/// An image of which some part failed is none.
fn done(report: &RunReport) -> Result<(), BakeError> {
    let Some(failed) = report.resources.iter().find(|one| one.outcome == Outcome::Failed) else { return Ok(()) };
    let error = OpError::new(format!("bring {} into the image", failed.id), failed.reason.as_deref().unwrap_or("it failed"));
    Err(BakeError::Failed(OpError { hint: failed.hint.clone(), ..error }))
}

/// The parts of an image need no network beside apt's.
struct Nothing;

impl Supply for Nothing {
    fn supply(&self, _: &Op, _: &dyn Progress) -> Result<(), OpError> {
        Ok(())
    }
}
