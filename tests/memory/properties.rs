//! Promises that hold for every manifest on every machine, tried on machines in memory.

use crate::pipeline::{forecast, order, perform, unplanned};
use fitout::apply::{Outcome, RunReport};
use fitout::session::Work;
use fitout::step::{Ability, Op};
use fitout::target::fake::{Behaviour, Fake, Node, Sight};
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use std::collections::{BTreeMap, BTreeSet};

/// What a manifest may ask for; any of these go together.
const WISHES: [&str; 12] = [
    "name: gpu-lab",
    "files: [{path: /etc/motd, content: \"hello\\n\"}, {path: /srv/a/b, content: x, mode: \"0600\"}, {path: ~/note, content: y}]",
    "packages: {repositories: [{name: lab, uri: \"https://apt.example.com\", suite: ./, signed_by: lab.asc}], install: [git, openssh-server, nginx]}",
    "units: [{name: nginx.service, enabled: true, active: true}]",
    SSH,
    "gpu: {cuda: {version: \"13.0\", source: pypi}}",
    "environments: [{name: quick, from: {python: \"3.11\", requirements: [numpy]}, kernel: {name: quick, display_name: Quick}}]",
    "jupyter: {root: ~/notebooks}",
    "shares: [{name: code, driver: cifs, account: labstorage, share: code, mount: ~/cloud/code, credential: {account_key: {file: /run/lab.key}}}]",
    "disk: {guards: [{mount: /, minimum_free: 5GB}]}",
    "setup_scripts: {creation_script: {inline: \"echo 1\\n\"}, startup_script: {inline: \"echo 2\\n\"}}",
    "checks: [{name: one, command: [\"true\"]}, {name: two, command: [uname], stdout_contains: Linux}]",
];

/// Refused where there is no sshd.
const SSH: &str = "ssh_public_access_enabled: true";

const OWNER: &str = "user: {name: ada, sudo: true, groups: [docker], authorized_keys: [ada.pub]}";

/// What may be on a machine before.
const PASTS: [&str; 7] = ["motd", "ada", "sshd", "lists", "cuda", "nginx", "shadowed"];

/// A manifest, a machine's abilities, and its past.
#[derive(Debug, Clone)]
pub struct World {
    pub manifest: String,
    pub abilities: &'static [Ability],
    pub past: BTreeSet<&'static str>,
}

const LIVE: &[Ability] = &[Ability::Files, Ability::Exec, Ability::Instance, Ability::RunningSystem];
const ROOT: &[Ability] = &[Ability::Files, Ability::Exec, Ability::Instance];
const IMAGE: &[Ability] = &[Ability::Files, Ability::Exec];

/// So many cases, or as many as `PROPTEST_CASES` says.
pub fn usual(cases: u32) -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { cases };
    ProptestConfig { cases, failure_persistence: None, ..asked }
}

pub fn worlds() -> impl Strategy<Value = World> {
    let wishes = subsequence(WISHES.to_vec(), 0..=WISHES.len()).prop_shuffle();
    let past = subsequence(PASTS.to_vec(), 0..=PASTS.len());
    (wishes, past, prop::sample::select(vec![LIVE, ROOT, IMAGE])).prop_map(|(wishes, past, abilities)| World {
        past: past.into_iter().chain(wishes.contains(&SSH).then_some("sshd")).collect(),
        manifest: std::iter::once(OWNER).chain(wishes).collect::<Vec<_>>().join("\n"),
        abilities,
    })
}

fn path(text: &str) -> fitout::model::TargetPath {
    fitout::model::TargetPath::parse(text).unwrap()
}

/// A unit that can start at boot.
const UNIT: &str = "[Install]\nWantedBy=multi-user.target\n";

/// Packages that bring more than themselves.
const ARCHIVE: &str = r#"{
    "openssh-server": {"files": {"/usr/sbin/sshd": "", "/usr/lib/systemd/system/ssh.service": "[Install]\nWantedBy=multi-user.target\n",
        "/etc/ssh/sshd_config": "Include /etc/ssh/sshd_config.d/*.conf\n"}, "starts": ["ssh.service"]},
    "nginx": {"files": {"/usr/lib/systemd/system/nginx.service": "[Install]\nWantedBy=multi-user.target\n"}, "starts": ["nginx.service"]}
}"#;

impl World {
    pub fn machine(&self, odd: Behaviour) -> Fake {
        let behaviour = Behaviour { archive: serde_json::from_str(ARCHIVE).unwrap(), ..odd };
        let fake = Fake::debian(self.abilities, behaviour).unwrap();
        let file = |at: &str, text: &str| (path(at), Node::file(text, 0o644, (0, 0)));
        let mut nodes = vec![file("/usr/bin/python3.11", ""), file("/run/lab.key", "c2VjcmV0\n")];
        for past in &self.past {
            match *past {
                "motd" => nodes.push(file("/etc/motd", "The programs included\n")),
                "ada" => {
                    nodes.push(file("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nada:x:1234:1234::/data/ada:/bin/sh\n"));
                    nodes.push(file("/etc/group", "root:x:0:\nada:x:1234:\n"));
                    nodes.push((path("/data/ada"), Node::directory(0o700, (1234, 1234))));
                }
                "sshd" => nodes.extend([
                    file("/usr/sbin/sshd", ""),
                    file("/usr/lib/systemd/system/ssh.service", UNIT),
                    file("/etc/ssh/sshd_config", "Include /etc/ssh/sshd_config.d/*.conf\n"),
                ]),
                "cuda" => nodes.push((path("/usr/local/cuda"), Node::link("cuda-12.4"))),
                "nginx" => nodes.push(file("/usr/lib/systemd/system/nginx.service", UNIT)),
                // Something that apply must refuse to touch.
                "shadowed" => nodes.push(file("/opt/fitout/envs/quick/bin/python", "theirs")),
                _ => {}
            }
        }
        fake.arrange(|tree| nodes.into_iter().try_for_each(|(path, node)| tree.put(&path, node))).unwrap();
        if self.past.contains("lists") {
            fake.update().unwrap();
        }
        fake
    }

    pub fn work(&self, on: &Fake) -> Work {
        let key = include_str!("../../manifests/keys/quickstart.pub");
        let beside =
            [("ada.pub", key), ("lab.asc", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"), ("one.yml", "dependencies: [python=3.11]\n")];
        let beside: BTreeMap<String, String> = beside.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect();
        order(&self.manifest, &beside, on).unwrap_or_else(|problems| panic!("{}\n{}", self.manifest, problems.join("\n")))
    }

    fn apply(&self, on: &Fake) -> RunReport {
        let work = self.work(on);
        let report = perform(&work, on);
        // A machine that was killed remembers nothing of it.
        let _ = work.keep(&report.resources, on);
        report
    }
}

/// Where two machines differ; empty where they are the same.
pub fn differences((mine, active): &Sight, (theirs, others): &Sight) -> Vec<String> {
    let paths: BTreeSet<_> = mine.nodes().keys().chain(theirs.nodes().keys()).collect();
    let differ = paths.into_iter().filter(|path| mine.nodes().get(path) != theirs.nodes().get(path));
    let paths = differ.map(|path| format!("{path}: {:?} / {:?}", mine.nodes().get(path), theirs.nodes().get(path)));
    paths.chain((active != others).then(|| format!("running: {active:?} / {others:?}"))).collect()
}

/// Every op that a first apply performs, in order, with the resource whose it is.
fn ops(report: &RunReport) -> Vec<(String, Op)> {
    report.resources.iter().flat_map(|one| one.steps.iter().map(|step| (one.id.to_string(), step.op.clone()))).collect()
}

/// The same of a run that should have found nothing to do: where something fails and is tried each time, what was checked is checked again.
pub fn done_again(report: &RunReport) -> Vec<(String, Op)> {
    ops(report).into_iter().filter(|(_, op)| report.counts.failed == 0 || !matches!(op, Op::RunCheck(_))).collect()
}

proptest! {
    #![proptest_config(usual(96))]

    /// Steps performed are among those planned, and a second apply finds nothing to do and does nothing.
    #[test]
    fn what_is_done_was_planned_and_is_done_once(world in worlds()) {
        let on = world.machine(Behaviour::default());
        let work = world.work(&on);
        let plan = forecast(&work, &on);
        let report = perform(&work, &on);
        prop_assert_eq!(unplanned(&plan, &report), Vec::<String>::new());
        work.keep(&report.resources, &on).unwrap();
        let (before, effects) = (on.sight(), on.effects());
        let again = world.apply(&on);
        prop_assert_eq!(done_again(&again), vec![]);
        prop_assert!(again.counts.failed > 0 || on.effects() == effects);
        prop_assert_eq!(differences(&before, &on.sight()), Vec::<String>::new());
        let failed = |report: &RunReport| report.resources.iter().filter(|one| one.outcome == Outcome::Failed).map(|one| one.id.clone()).collect::<Vec<_>>();
        prop_assert_eq!(failed(&again), failed(&report));
    }

    /// Any tool that reports success and does nothing makes its resource a failure.
    #[test]
    fn success_is_seen_not_believed(world in worlds(), which in any::<Index>()) {
        let done = ops(&world.apply(&world.machine(Behaviour::default())));
        if done.is_empty() {
            return Ok(());
        }
        let (id, op) = which.get(&done);
        let on = world.machine(Behaviour { idle: BTreeSet::from([op.summary()]), ..Behaviour::default() });
        let report = world.apply(&on);
        let one = report.resources.iter().find(|one| one.id.to_string() == *id).unwrap();
        prop_assert_eq!(one.outcome, Outcome::Failed, "{} was believed: {:?}", op.summary(), one);
        prop_assert!(one.reason.as_ref().is_some_and(|reason| reason.contains("still to do")), "{:?}", one.reason);
    }

    /// What requires a failed resource is skipped with its cause; everything else ends as it would have.
    #[test]
    fn a_failure_reaches_what_requires_it_and_no_more(mut world in worlds(), which in any::<Index>()) {
        // Units whose package could not be installed fail by themselves.
        world.past.extend(["nginx", "sshd"]);
        let calm = world.machine(Behaviour::default());
        let before = world.apply(&calm);
        let done = ops(&before);
        if done.is_empty() {
            return Ok(());
        }
        let (id, op) = which.get(&done);
        let on = world.machine(Behaviour { fails: BTreeMap::from([(op.summary(), "no".to_owned())]), ..Behaviour::default() });
        let work = world.work(&on);
        let after = perform(&work, &on);
        let mut fallen: BTreeSet<usize> = BTreeSet::new();
        for (n, node) in work.graph.nodes.iter().enumerate() {
            let (then, now) = (&before.resources[n], &after.resources[n]);
            if now.id.to_string() == *id {
                prop_assert_eq!(now.outcome, Outcome::Failed);
                fallen.insert(n);
            } else if node.requires.iter().any(|other| fallen.contains(other)) {
                prop_assert!(matches!(now.outcome, Outcome::Skipped), "{} was {:?}", now.id, now.outcome);
                prop_assert!(now.steps.is_empty() && now.reason.is_some());
                fallen.insert(n);
            } else if now.reason.as_ref().is_some_and(|reason| reason.contains("ada has no key")) {
                // The policy needs a key to be there, whoever put it there, and says so itself.
                prop_assert!(id.contains("/.ssh"), "{} lost the key", id);
                fallen.insert(n);
            } else if matches!(then.outcome, Outcome::Failed | Outcome::Skipped) {
                fallen.insert(n);
                prop_assert!(matches!(now.outcome, Outcome::Failed | Outcome::Skipped));
            } else if now.outcome == Outcome::Skipped {
                let packages = now.reason.as_deref().and_then(|reason| reason.split_once(" failed, and this may need it: "));
                let failed = packages.is_some_and(|(packages, _)| packages.starts_with("apt:") && packages == id);
                prop_assert!(failed && node.spec.leans_on_packages(), "{} was skipped without a cause: {:?}", now.id, now.reason);
                fallen.insert(n);
            } else {
                prop_assert!(now.outcome != Outcome::Failed, "{} fell without a cause: {:?}", now.id, now.reason);
            }
        }
    }

    /// What requires something that waits, waits itself.
    #[test]
    fn a_deferral_defers_what_requires_it(world in worlds()) {
        let on = world.machine(Behaviour::default());
        let work = world.work(&on);
        let report = perform(&work, &on);
        for (n, node) in work.graph.nodes.iter().enumerate() {
            let waits = node.requires.iter().any(|other| !report.resources[*other].deferred.is_empty());
            if waits {
                prop_assert!(report.resources[n].steps.is_empty(), "{} did not wait", report.resources[n].id);
            }
        }
        // What waited is done by the same apply on a machine that can, and nothing waits there.
        if world.abilities == LIVE {
            prop_assert!(report.resources.iter().all(|one| one.deferred.is_empty()));
        }
    }
}

#[test]
fn a_plan_of_everything_is_the_same_a_hundred_times() {
    let manifest = std::iter::once(OWNER).chain(WISHES).collect::<Vec<_>>().join("\n");
    let world = World { manifest, abilities: LIVE, past: PASTS.into_iter().collect() };
    let on = world.machine(Behaviour::default());
    // Twenty plans each.
    let plans: BTreeSet<String> = (0..5).map(|_| serde_json::to_string(&forecast(&world.work(&on), &on)).unwrap()).collect();
    assert_eq!(plans.len(), 1);
}

proptest! {
    // Each of these lives through every stop of a run.
    #![proptest_config(usual(12))]

    /// A kill after any effect whatsoever loses nothing: the next apply reaches the machine that an apply in peace reaches.
    #[test]
    fn a_stop_anywhere_loses_nothing(world in worlds()) {
        let calm = world.machine(Behaviour::default());
        let start = calm.effects();
        world.apply(&calm);
        for stop in start..calm.effects() {
            let on = world.machine(Behaviour::default());
            on.set_fuse(Some(stop));
            world.apply(&on);
            on.set_fuse(None);
            let after = world.apply(&on);
            prop_assert_eq!(differences(&calm.sight(), &on.sight()), Vec::<String>::new(), "stopped after {} effects: {:?}", stop, after.counts);
            prop_assert_eq!(done_again(&world.apply(&on)), vec![]);
        }
    }
}
