//! `state: absent` after present leaves no trace, whatever things a manifest names, on every kind of machine.

use crate::pipeline::{order, perform};
use crate::properties::{World, usual, worlds};
use fitout::target::fake::{Behaviour, Fake, Kind, Node};
use proptest::prelude::*;
use proptest::sample::subsequence;
use std::collections::BTreeMap;

/// Sections, each with a thing that is to be, and the same when it is not to be.
const THINGS: [(&str, &str); 9] = [
    ("user: {name: bob, sudo: true, authorized_keys: [ada.pub]}", "users: [{name: bob, state: absent}]"),
    ("files: [{path: /srv/lab, state: directory}, {path: /srv/lab/a/b, content: x}]", "files: [{path: /srv/lab, state: absent}]"),
    (
        "files: [{path: /etc/lab.conf, content: x}, {path: /etc/lab, link: lab.conf}]",
        "files: [{path: /etc/lab.conf, state: absent}, {path: /etc/lab, state: absent}]",
    ),
    (
        "units: [{name: lab.service, enabled: true, active: true, content: \"[Install]\\nWantedBy=multi-user.target\\n\", drop_ins: {a.conf: \"[Service]\\n\"}}, {name: old.service, masked: true}]",
        "units: [{name: lab.service, state: absent}, {name: old.service, state: absent}]",
    ),
    (
        "packages: {repositories: [{name: lab, uri: \"http://apt.example.com\", suite: ./, signed_by: lab.asc}], install: [git]}",
        "packages: {repositories: [{name: lab, state: absent}], remove: [git]}",
    ),
    (
        "environments: [{name: quick, from: {python: \"3.11\", requirements: [numpy]}, kernel: {display_name: Quick}}]",
        "environments: [{name: quick, state: absent}]",
    ),
    (
        "conda: {prefix: /data/conda}\nenvironments: [{name: one, from: {conda: one.yml}, kernel: {name: uno}}]",
        "conda: {prefix: /data/conda}\nenvironments: [{name: one, state: absent, kernel: {name: uno}}]",
    ),
    (
        "shares: [{name: code, driver: cifs, account: labstorage, share: code, mount: /mnt/code, credential: {account_key: {file: /run/lab.key}}}]",
        "shares: [{name: code, state: absent, driver: cifs, mount: /mnt/code}]\npackages: {remove: [cifs-utils]}",
    ),
    ("disk: {guards: [{mount: /mnt, minimum_free: 1GB}]}", "disk: {guards: [{mount: /mnt, state: absent}]}"),
];

/// What may stay: Fitout's memory, apt's and dpkg's, and folders on the way to what went.
fn stays(path: &str, node: &Node) -> bool {
    let memory = ["/var/lib/fitout", "/run/fitout", "/var/lib/apt/lists", "/var/lib/dpkg"].iter().any(|folder| path.starts_with(folder));
    memory || matches!(node.kind, Kind::Directory)
}

fn sight(on: &Fake) -> (BTreeMap<String, Node>, Vec<String>) {
    let (tree, active) = on.sight();
    let all = tree.nodes().iter().filter(|(path, node)| !stays(path.as_str(), node));
    let kept = all.map(|(path, node)| (path.to_string(), node.clone())).collect();
    (kept, active.iter().map(ToString::to_string).collect())
}

fn apply(world: &World, manifest: String, on: &Fake) {
    let work = World { manifest, ..world.clone() }.work(on);
    let report = perform(&work, on);
    let failed: Vec<_> = report.resources.iter().filter_map(|one| Some((&one.id, one.reason.as_ref()?))).collect();
    assert!(report.counts.failed == 0, "{failed:?}");
    work.keep(&report.resources, on).unwrap();
}

proptest! {
    #![proptest_config(usual(64))]

    #[test]
    fn what_was_there_and_is_not_to_be_leaves_no_trace(mut world in worlds(), things in subsequence(THINGS.to_vec(), 1..=THINGS.len())) {
        world.past.clear();
        // One after the other: a section of a manifest is written once.
        for (present, absent) in things {
            let on = world.machine(Behaviour::default());
            on.arrange(|tree| tree.put(&"/usr/lib/systemd/system/old.service".to_owned().try_into().unwrap(), Node::file("", 0o644, (0, 0)))).unwrap();
            let before = sight(&on);
            apply(&world, present.to_owned(), &on);
            apply(&world, absent.to_owned(), &on);
            prop_assert_eq!(sight(&on), before, "{}", absent);
        }
    }
}

#[test]
fn two_states_of_one_thing_are_a_contradiction() {
    let on = Fake::debian(&[], Behaviour::default()).unwrap();
    let manifest = "jupyter: {}\nuser: {name: ada}\nunits: [{name: fitout-jupyter.service, state: absent}]";
    let problems = order(manifest, &BTreeMap::new(), &on).unwrap_err();
    assert!(problems.iter().any(|problem| problem.contains("is asked for twice")), "{problems:?}");
}
