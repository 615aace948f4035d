//! A kernel that dies, before it speaks or while it works, is not waited for.

use super::{ENVIRONMENT, MANIFEST, lab};
use crate::support::Root;
use std::fs;

/// What was said is with whoever listens before the kernel is gone.
const DIES: &str = "import os, sys, time; print('last words', file=sys.stderr, flush=True); time.sleep(2); os._exit(7)";

#[test]
fn a_kernel_that_dies_is_told_with_its_last_words() {
    let root = Root::fresh();
    // Longer than anybody waits: whoever waits for the dead is found out.
    let check = |name: &str, runs: &str| format!("  - {{name: {name}, kernel: python-lab, timeout: 10h, runs: \"{runs}\"}}\n");
    let manifest = format!("{}checks:\n{}", &MANIFEST[..MANIFEST.find("checks:").unwrap()], check("works", "print(1)"));
    let fitout = lab(&root, &manifest, ENVIRONMENT);
    fitout.apply();
    fitout.rewrite(&format!("{manifest}{}", check("dies", DIES)));
    let failed = fitout.run(&["apply"]).ended(1).stdout.clone();
    assert!(failed.contains("last words") && failed.contains("the kernel python-lab died"), "{failed}");

    fitout.rewrite(&manifest);
    fs::remove_file(root.at("/anaconda/envs/lab/lib/python3.11/site-packages/ipykernel_launcher.py")).unwrap();
    let failed = fitout.run(&["verify"]).ended(2).stdout.clone();
    assert!(failed.contains("No module named ipykernel_launcher") && failed.contains("Kernel died"), "{failed}");
}
