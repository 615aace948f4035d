//! The forecast: what each resource would do on a target, found by looking only.

use crate::graph::{Graph, Node};
use crate::model::{ByteSize, ResourceId, TargetPath};
use crate::resource::{Guard, Spec};
use crate::step::{Ability, Blob, Change, DiskForecast, Op, Space, Step, Sure, UnitVerb};
use crate::store::Store;
use crate::target::{Moved, Probe, ProbeError, not_unpacked};
use serde::Serialize;
use std::collections::BTreeMap;

/// What one resource would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Planned {
    /// Which.
    pub id: ResourceId,
    /// Steps that can be performed now.
    pub steps: Vec<Step>,
    /// Steps that wait for an ability which this target lacks, or for a resource that waits.
    pub deferred: Vec<Deferred>,
    /// What people changed and is left alone.
    pub drift: Vec<String>,
    /// What is worth knowing, and as it should be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Why it could not be looked at.
    pub problem: Option<String>,
}

/// A step that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deferred {
    /// What is to be done.
    pub step: Step,
    /// What it waits for.
    pub reason: String,
}

/// The forecast of all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Format of this document.
    pub version: u32,
    /// What the manifest names no longer and what stays.
    pub released: Vec<String>,
    /// Every resource, in the order of work.
    pub resources: Vec<Planned>,
    /// Bytes to be downloaded, as far as their sources tell.
    pub download: ByteSize,
    /// File systems with a guard.
    pub disks: Vec<DiskPlan>,
    /// Others that have less room than the work takes, each by the first place there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub short: Vec<DiskPlan>,
}

/// What the plan does to one file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiskPlan {
    /// Where.
    pub mount: TargetPath,
    /// Now.
    pub space: Space,
    /// What must stay free.
    pub minimum_free: ByteSize,
    /// What the steps take, as far as they can tell.
    pub takes: ByteSize,
    /// How far they can.
    pub sure: Sure,
}

impl DiskPlan {
    /// Free bytes afterwards, as far as the steps can tell.
    #[must_use]
    pub const fn free_after(&self) -> ByteSize {
        ByteSize(self.space.free.0.saturating_sub(self.takes.0))
    }

    /// Whether the work would break the floor. Work that takes nothing may make room where there is too little.
    #[must_use]
    pub fn breaks_floor(&self) -> bool {
        let takes = self.takes.0 > 0 || self.sure == Sure::Unknown;
        takes && self.free_after() < self.minimum_free
    }
}

/// How many of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Tally {
    /// New things.
    pub add: usize,
    /// Things changed or made anew.
    pub change: usize,
    /// Things taken away.
    pub remove: usize,
    /// Things looked at by running them.
    pub check: usize,
    /// Steps that wait.
    pub deferred: usize,
}

impl Plan {
    /// Every step that can be made now, in the order of work.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.resources.iter().flat_map(|planned| &planned.steps)
    }

    /// Looks at everything.
    ///
    /// # Errors
    /// The room on a guarded file system cannot be told. A resource that cannot be looked at is a [`Planned::problem`].
    pub fn make(graph: &Graph, on: &dyn Probe, store: &Store) -> Result<Self, ProbeError> {
        let mut resources: Vec<Planned> = Vec::new();
        for (n, node) in graph.nodes.iter().enumerate() {
            let moved = Moved::new(on, graph.moves_before(n));
            let on: &dyn Probe = if graph.moves.is_empty() { on } else { &moved };
            let planned = planned(node, on, waits(node, &resources).map(|other| &other.id));
            resources.push(planned);
        }
        check_again(graph, on, &mut resources);
        let steps = || resources.iter().flat_map(|planned| &planned.steps);
        let missing: BTreeMap<String, &Blob> =
            steps().flat_map(|step| step.op.blobs()).map(|blob| (blob.sha256.to_string(), blob)).collect();
        let absent = missing.values().filter(|blob| !blob.is_own() && !store.path(&blob.sha256).exists());
        let download = ByteSize(absent.filter_map(|blob| blob.size).map(|size| size.0).sum());
        let mut disks = disks(graph, on, &resources)?;
        add_cache(&mut disks, &resources, download, store);
        let mut short = disks.split_off(graph.guards().count());
        short.retain(|disk| disk.takes > disk.space.free);
        Ok(Self { version: 1, released: Vec::new(), resources, download, disks, short })
    }

    /// Whether there is nothing that can be done now.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.resources.iter().all(|planned| planned.steps.is_empty() && planned.problem.is_none())
    }

    /// The guarded file systems that would be left with less room than they must have.
    #[must_use]
    pub fn broken_floors(&self) -> Vec<DiskPlan> {
        self.disks.iter().filter(|disk| disk.breaks_floor()).cloned().collect()
    }

    /// How many of each.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for step in self.steps() {
            match step.change {
                Change::Add => tally.add += 1,
                Change::Modify | Change::Replace => tally.change += 1,
                Change::Remove => tally.remove += 1,
                Change::Check => tally.check += 1,
            }
        }
        tally.deferred = self.resources.iter().map(|planned| planned.deferred.len()).sum();
        tally
    }
}

/// What passed says nothing of what is about to change. Startup scripts run and units start at each boot, which must not wait for every check
/// each time.
fn check_again(graph: &Graph, on: &dyn Probe, resources: &mut [Planned]) {
    let of_a_boot = |op: &Op| matches!(op, Op::RunCheck(_) | Op::RunScript(_) | Op::Unit { verb: UnitVerb::Start, .. });
    let changes = |step: &Step| !of_a_boot(&step.op);
    if !resources.iter().flat_map(|planned| &planned.steps).any(changes) {
        return;
    }
    for (n, node) in graph.nodes.iter().enumerate() {
        let is_idle = resources[n].steps.is_empty() && resources[n].deferred.is_empty() && resources[n].problem.is_none();
        if let (Spec::Check(check), true) = (&node.spec, is_idle) {
            let waits = waits(node, resources).map(|other| other.id.clone());
            (resources[n].steps, resources[n].deferred) = split(vec![check.again()], on, waits.as_ref());
        }
    }
}

/// What a resource needs and what waits itself.
fn waits<'a>(node: &Node, resources: &'a [Planned]) -> Option<&'a Planned> {
    node.requires.iter().map(|n| &resources[*n]).find(|other| !other.deferred.is_empty())
}

fn planned(node: &Node, on: &dyn Probe, waits_for: Option<&ResourceId>) -> Planned {
    let id = node.id.clone();
    let look = match node.spec.look(on) {
        Ok(look) => look,
        Err(error) => {
            let (steps, deferred, drift, notes) = Default::default();
            return Planned { id, steps, deferred, drift, notes, problem: Some(error.to_string()) };
        }
    };
    let (steps, deferred) = split(look.steps, on, waits_for);
    Planned { id, steps, deferred, drift: look.drift, notes: look.notes, problem: None }
}

/// Parts steps into those that can be performed on this target and those that wait: the first that lacks its ability, and the rest.
#[must_use]
pub fn split(steps: Vec<Step>, on: &dyn Probe, waits_for: Option<&ResourceId>) -> (Vec<Step>, Vec<Deferred>) {
    let mut reason = waits_for.map(|id| format!("waits for {id}"));
    let (mut now, mut later) = (Vec::new(), Vec::new());
    for step in steps {
        if reason.is_none() && !on.has(step.needs) {
            reason = Some(Ability::reason(step.needs).to_owned());
        }
        match &reason {
            None => now.push(step),
            Some(reason) => later.push(Deferred { step, reason: reason.clone() }),
        }
    }
    (now, later)
}

/// Packages of channels lie unpacked in the cache, in about three times their size: what compiled code is packed to.
const GROWTH: u64 = 3;

/// Adds what the cache takes to the file system that it is on.
fn add_cache(disks: &mut [DiskPlan], resources: &[Planned], download: ByteSize, store: &Store) {
    let steps = resources.iter().flat_map(|planned| &planned.steps);
    let conda = |step: &'_ Step| if let Op::BuildConda(build) = &step.op { Some(build.packages.clone()) } else { None };
    let packages: Vec<Blob> = steps.filter_map(conda).flatten().collect();
    let unpacked: BTreeMap<&str, u64> =
        not_unpacked(store, &packages).into_iter().filter_map(|blob| Some((blob.url.as_str(), blob.size?.0 * GROWTH))).collect();
    let (device, unpacked) = (store.device(), unpacked.values().sum::<u64>());
    for disk in disks.iter_mut().filter(|disk| Some(disk.space.device) == device) {
        disk.takes.0 += download.0 + unpacked;
        disk.sure = disk.sure.max(if unpacked > 0 { Sure::AtMost } else { Sure::Exactly });
    }
}

/// Guarded file systems, then the others that the steps take room of, and what they take of each.
fn disks(graph: &Graph, on: &dyn Probe, resources: &[Planned]) -> Result<Vec<DiskPlan>, ProbeError> {
    let disk = |guard: &Guard| {
        let space = on.space(&guard.mount)?;
        Ok(DiskPlan { space, mount: guard.mount.clone(), minimum_free: guard.minimum_free, takes: ByteSize(0), sure: Sure::Exactly })
    };
    let mut disks: Vec<DiskPlan> = graph.guards().map(disk).collect::<Result<_, ProbeError>>()?;
    let steps = resources.iter().flat_map(|planned| &planned.steps);
    for step in steps.filter(|step| step.disk != DiskForecast::NONE) {
        let (mount, minimum_free) = (step.op.place(), ByteSize(0));
        let space = on.space(&mount)?;
        if !disks.iter().any(|disk| disk.space.device == space.device) {
            disks.push(DiskPlan { mount, space, minimum_free, takes: ByteSize(0), sure: Sure::Exactly });
        }
        for disk in disks.iter_mut().filter(|disk| disk.space.device == space.device) {
            disk.takes.0 += step.disk.bytes();
            disk.sure = disk.sure.max(step.disk.sure());
        }
    }
    Ok(disks)
}
