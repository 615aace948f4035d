//! Fitout's part: the archives come into a store, verified, and become a tree of an offline root, whole or not at all: as `apply` does it.

use crate::job::Job;
use fitout::model::{Network, Sha256, TargetPath};
use fitout::session::supply_during;
use fitout::step::{Layer, Op, Strip, Unpack};
use fitout::store::Store;
use fitout::target::{Ground, Machine, Silent, Target};
use std::path::Path;

/// When archives are unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// While they come.
    Meanwhile,
    /// When all of them are there, to see what the other gains.
    Afterwards,
}

pub fn run(job: &Job, place: &Path, when: When) {
    let root = place.join("root");
    std::fs::create_dir(&root).unwrap();
    let store = Store::at(place.join("store"));
    let layers = job.archives.iter().map(|archive| Layer { archive: archive.clone(), strip: Strip::Folder(String::new()) });
    let unpack = Unpack {
        into: TargetPath::parse("/tree").unwrap(),
        layers: layers.collect(),
        executable: Vec::new(),
        links: Vec::new(),
        unversioned: Vec::new(),
        digest: Sha256::of(b"bench"),
    };
    let (op, machine) = (Op::Unpack(unpack), Machine::open(&Ground::Image(root), store.clone()).unwrap());
    if when == When::Afterwards {
        supply_during(&store, &op, &Network::default(), &Silent, &|| Ok(())).unwrap();
    }
    supply_during(&store, &op, &Network::default(), &Silent, &|| machine.perform(&op, &Silent)).unwrap();
}
