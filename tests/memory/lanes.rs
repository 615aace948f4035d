//! Work that goes on side by side: what must not overlap never does, and the end is that of one worker.

use crate::pipeline::{perform, perform_by};
use crate::properties::{World, differences, done_again, usual, worlds};
use fitout::apply::{Outcome, RunReport, Workers};
use fitout::model::TargetPath;
use fitout::step::{Ability, Content, Lane, Op, Output, Query, Space, Stat, Tool};
use fitout::target::fake::{Behaviour, Fake};
use fitout::target::{Accounts, OpError, Packages, Probe, ProbeError, Progress, Target, Written};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// A machine that sees to it that work overlaps, and remembers what did.
struct Watched {
    fake: Fake,
    busy: Mutex<Vec<Lane>>,
    overlaps: Mutex<Vec<String>>,
    most: AtomicUsize,
    transactions: AtomicUsize,
    must_end: Mutex<Option<String>>,
    /// Packages and trees wait for each other before they go on.
    company: bool,
    changed: Condvar,
}

/// No machine is so slow that a worker which is free does not begin within this.
const PATIENCE: Duration = Duration::from_mins(1);

fn lane(op: &Op) -> Lane {
    match op {
        Op::AptInstall { .. }
        | Op::AptRemove { .. }
        | Op::AptHold { .. }
        | Op::AptUnhold { .. }
        | Op::Answer { .. }
        | Op::RunTool(Tool::Modules { .. } | Tool::Initramfs { .. } | Tool::Alternative { .. }) => Lane::Packages,
        Op::SetUser { .. } | Op::SetLogin { .. } | Op::EndSessions { .. } | Op::TakeKeys { .. } | Op::RemoveUser { .. } => Lane::Users,
        Op::Unit { .. } | Op::ProveSshd { .. } | Op::RunTool(Tool::DockerRuntime | Tool::ContainerDevices) => Lane::Units,
        Op::Unpack(_) | Op::RefreshLibraries | Op::BuildPython(_) | Op::BuildConda(_) | Op::RemoveEnvironment { .. } => Lane::Own,
        Op::RunScript(_) => Lane::Machine,
        Op::RunCheck(_) => Lane::Checks,
        Op::MakeDirectory { .. }
        | Op::WriteFile { .. }
        | Op::SetMeta { .. }
        | Op::MakeSymlink { .. }
        | Op::SetAside { .. }
        | Op::Remove { .. }
        | Op::RemoveTree { .. }
        | Op::SetLocale { .. }
        | Op::SetHostname { .. } => Lane::Files,
    }
}

impl Watched {
    fn new(fake: Fake) -> Self {
        let (most, transactions) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self {
            fake,
            busy: Mutex::default(),
            overlaps: Mutex::default(),
            most,
            transactions,
            must_end: Mutex::default(),
            company: false,
            changed: Condvar::new(),
        }
    }
}

impl Target for Watched {
    fn perform(&self, op: &Op, progress: &dyn Progress) -> Result<(), OpError> {
        let mine = lane(op);
        {
            let mut busy = self.busy.lock().unwrap();
            let in_the_way = busy.iter().filter(|other| mine.keeps_off(**other));
            self.overlaps.lock().unwrap().extend(in_the_way.map(|other| format!("{} while {other:?} was busy", op.summary())));
            busy.push(mine);
            self.most.fetch_max(busy.len(), Ordering::Relaxed);
            self.changed.notify_all();
            if self.company && matches!(mine, Lane::Packages | Lane::Own) {
                drop(self.changed.wait_timeout_while(busy, PATIENCE, |_| self.most.load(Ordering::Relaxed) < 2).unwrap());
            }
        }
        *self.must_end.lock().unwrap() = progress.must_end();
        self.transactions.fetch_add(usize::from(mine == Lane::Packages), Ordering::Relaxed);
        std::thread::sleep(Duration::from_micros(300));
        let done = self.fake.perform(op, progress);
        let mut busy = self.busy.lock().unwrap();
        let at = busy.iter().position(|lane| *lane == mine).unwrap();
        busy.swap_remove(at);
        done
    }

    fn keep(&self, path: &TargetPath, bytes: &[u8]) -> Result<(), OpError> {
        self.fake.keep(path, bytes)
    }

    fn publish(&self, path: &TargetPath, bytes: &[u8]) -> Result<(), OpError> {
        self.fake.publish(path, bytes)
    }

    fn note(&self, path: &TargetPath, line: &str) -> Result<(), OpError> {
        self.fake.note(path, line)
    }

    fn discard(&self, path: &TargetPath) -> Result<(), OpError> {
        self.fake.discard(path)
    }
}

impl Probe for Watched {
    fn read(&self, path: &TargetPath) -> Result<Option<Vec<u8>>, ProbeError> {
        self.fake.read(path)
    }

    fn stat(&self, path: &TargetPath) -> Result<Option<Stat>, ProbeError> {
        self.fake.stat(path)
    }

    fn list(&self, path: &TargetPath) -> Result<Option<Vec<String>>, ProbeError> {
        self.fake.list(path)
    }

    fn holds(&self, path: &TargetPath, content: &Content) -> Result<bool, ProbeError> {
        self.fake.holds(path, content)
    }

    fn space(&self, path: &TargetPath) -> Result<Space, ProbeError> {
        self.fake.space(path)
    }

    fn query(&self, query: &Query) -> Result<Output, ProbeError> {
        self.fake.query(query)
    }

    fn written(&self, path: &TargetPath) -> Result<Option<Written>, ProbeError> {
        self.fake.written(path)
    }

    fn accounts(&self) -> Result<Arc<Accounts>, ProbeError> {
        self.fake.accounts()
    }

    fn packages(&self) -> Result<Arc<Packages>, ProbeError> {
        self.fake.packages()
    }

    fn has(&self, ability: Ability) -> bool {
        self.fake.has(ability)
    }
}

/// All but how long it took.
fn told(report: &RunReport) -> Vec<String> {
    let one = |one: &fitout::apply::Report| format!("{} {:?} {:?} {:?} {:?}", one.id, one.outcome, one.steps, one.deferred, one.reason);
    report.resources.iter().map(one).collect()
}

fn lab(manifest: &str) -> World {
    World { manifest: manifest.to_owned(), abilities: &[Ability::Files, Ability::Exec, Ability::Instance], past: BTreeSet::new() }
}

proptest! {
    #![proptest_config(usual(24))]

    /// Four workers never get into each other's way, and leave and tell what one does.
    #[test]
    fn side_by_side_is_as_one_by_one(world in worlds()) {
        let (one, four) = (world.machine(Behaviour::default()), Watched::new(world.machine(Behaviour::default())));
        let by_one = perform(&world.work(&one), &one);
        let by_four = perform_by(&world.work(&four.fake), &four, Workers::USUAL);
        prop_assert_eq!(four.overlaps.into_inner().unwrap(), Vec::<String>::new());
        prop_assert_eq!(told(&by_four), told(&by_one));
        prop_assert_eq!(differences(&four.fake.sight(), &one.sight()), Vec::<String>::new());
        let again = perform_by(&world.work(&four.fake), &four.fake, Workers::USUAL);
        prop_assert_eq!(done_again(&again), vec![]);
    }
}

const PACKAGES: &str = "packages: {install: [git, nginx]}\nssh_public_access_enabled: false\nuser: {name: ada, authorized_keys: [ada.pub]}\n\
    shares: [{name: code, driver: cifs, account: labstorage, share: code, mount: ~/code, credential: {account_key: {file: /run/lab.key}}}]\n";

#[test]
fn packages_that_are_ready_are_one_transaction() {
    let world = lab(PACKAGES);
    let on = Watched::new(world.machine(Behaviour::default()));
    let work = world.work(&on.fake);
    assert!(work.graph.nodes.iter().filter(|node| node.spec.lane() == Lane::Packages).count() >= 2);
    perform_by(&work, &on, Workers::USUAL);
    assert_eq!(on.transactions.into_inner(), 1);
}

#[test]
fn a_bad_name_takes_no_other_request_with_it() {
    let world = lab(PACKAGES);
    let on = Watched::new(world.machine(Behaviour { unknown: BTreeSet::from(["git".to_owned()]), ..Behaviour::default() }));
    let report = perform_by(&world.work(&on.fake), &on, Workers::USUAL);
    let failed: Vec<String> = report.resources.iter().filter(|one| one.outcome == Outcome::Failed).map(|one| one.id.to_string()).collect();
    assert_eq!(failed, ["apt:packages"]);
    assert!(on.packages().unwrap().installed.contains_key("cifs-utils"));
}

#[test]
fn a_step_hears_that_a_floor_breaks() {
    let world = lab("disk: {guards: [{mount: /srv, minimum_free: 5GB}]}\nfiles: [{path: /etc/motd, content: x}]\n");
    let mounts = [(TargetPath::parse("/srv").unwrap(), fitout::model::ByteSize(1_000_000_000))];
    let on = Watched::new(world.machine(Behaviour { mounts: mounts.into(), ..Behaviour::default() }));
    perform_by(&world.work(&on.fake), &on, Workers::USUAL);
    let heard = on.must_end.into_inner().unwrap();
    assert_eq!(heard.as_deref(), Some("/srv has 1.0 GB free, and 5.0 GB must stay free (disk.guards)"));
}

#[test]
fn an_environment_is_built_while_packages_are_installed() {
    let world = lab(
        "packages: {install: [git]}\ngpu: {cuda: {version: \"13.0\", source: pypi}}\nenvironments: [{name: one, from: {conda: one.yml}, owner: system}]\n",
    );
    let on = Watched { company: true, ..Watched::new(world.machine(Behaviour::default())) };
    perform_by(&world.work(&on.fake), &on, Workers::USUAL);
    assert!(on.most.into_inner() >= 2);
}
