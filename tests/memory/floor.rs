//! The floor of a disk, to the byte: what fits above it is done, what is one byte too much is refused before anything is done, and work that
//! makes room is never refused.

use crate::pipeline::{order, perform};
use fitout::model::ByteSize;
use fitout::plan::Plan;
use fitout::session::Work;
use fitout::step::Ability;
use fitout::store::Store;
use fitout::target::fake::{Behaviour, Fake};
use std::collections::BTreeMap;

/// A size as people write it, and its bytes.
const FLOORS: [(&str, u64); 4] = [("5GB", 5_000_000_000), ("5GiB", 5_368_709_120), ("4.5GB", 4_500_000_000), ("0.5GiB", 536_870_912)];

fn machine(free: u64) -> Fake {
    Fake::debian(&[Ability::Files, Ability::Exec], Behaviour { free: Some(ByteSize(free)), ..Behaviour::default() }).unwrap()
}

fn plan(manifest: &str, on: &Fake) -> (Work, Plan) {
    let work = order(manifest, &BTreeMap::new(), on).unwrap();
    let plan = work.plan(on, &Store::at("/nonexistent")).unwrap();
    (work, plan)
}

#[test]
fn one_byte_below_is_refused_and_the_floor_itself_is_not() {
    for (said, floor) in FLOORS {
        let manifest = format!(
            "disk: {{guards: [{{mount: /, minimum_free: {said}}}]}}\nfiles: [{{path: /srv/a, content: \"{}\"}}]\n",
            "x".repeat(10_000)
        );
        let takes = plan(&manifest, &machine(u64::MAX / 2)).1.disks[0].takes.0;
        assert!(takes > 10_000, "{takes}");
        for (free, refused) in [(floor + takes - 1, true), (floor + takes, false), (floor + takes + 1, false), (floor, true), (0, true)] {
            let on = machine(free);
            let before = on.sight();
            let (work, plan) = plan(&manifest, &on);
            assert_eq!(!plan.broken_floors().is_empty(), refused, "{said}: {free} free, {takes} taken");
            assert!(on.sight() == before, "looking changed the machine");
            if !refused {
                assert_eq!(perform(&work, &on).counts.failed, 0);
            }
        }
    }
}

#[test]
fn what_makes_room_is_done_on_a_disk_that_is_too_full() {
    let guard = "disk: {guards: [{mount: /, minimum_free: 5GB}]}\n";
    let on = machine(6_000_000_000);
    let (work, _) = plan(&format!("{guard}files: [{{path: /srv/a, content: x}}]\n"), &on);
    assert_eq!(perform(&work, &on).counts.failed, 0);
    let low = Fake::debian(&[Ability::Files], Behaviour { free: Some(ByteSize(1)), ..Behaviour::default() }).unwrap();
    low.arrange(|tree| {
        on.sight().0.nodes().iter().filter(|(path, _)| path.as_str() != "/").try_for_each(|(path, node)| tree.put(path, node.clone()))
    })
    .unwrap();
    let (work, plan) = plan(&format!("{guard}files: [{{path: /srv/a, state: absent}}]\n"), &low);
    assert_eq!((plan.disks[0].takes, plan.broken_floors().len()), (ByteSize(0), 0));
    assert_eq!(perform(&work, &low).counts.failed, 0);
    assert!(!low.sight().0.nodes().keys().any(|path| path.as_str() == "/srv/a"));
}

#[test]
fn a_disk_without_a_guard_that_is_too_small_is_told_and_no_reason_to_refuse() {
    let manifest = format!("files: [{{path: /srv/a, content: \"{}\"}}]\n", "x".repeat(10_000));
    let short = |free| plan(&manifest, &machine(free)).1;
    let told = short(5_000);
    assert!(told.disks.is_empty() && told.broken_floors().is_empty());
    assert!(told.short.len() == 1 && told.short[0].takes.0 >= 10_000 && told.short[0].space.free == ByteSize(5_000), "{:?}", told.short);
    assert!(short(1_000_000).short.is_empty());
}
