//! What the owner of an environment adds to it stays, and goes along when the environment is made anew; damage is found and mended.

use super::{describe, lab};
use crate::support::{Fitout, Root, must};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

const MANIFEST: &str = "\
schema: 1
user: {name: ada}
conda: {prefix: /anaconda}
environments: [{name: lab, from: {conda: environment.yml}}]
";
const ENVIRONMENT: &str = "channels: [CHANNEL]\ndependencies: [python=3.11, pip, hello, libfoo=1.0, {pip: [six==1.16.0]}]\n";

const PREFIX: &str = "/anaconda/envs/lab";
const MODULES: &str = "/anaconda/envs/lab/lib/python3.11/site-packages";

/// A module with a program, built where it lies: what `pip install .` takes.
const MINE: [(&str, &str); 3] = [
    ("mine.py", "def main():\n    print('mine')\n"),
    ("mine-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n"),
    ("mine-1.0.dist-info/entry_points.txt", "[console_scripts]\nmine = mine:main\n"),
];

fn inside(root: &Root, argv: &[&str]) -> String {
    must(&mut root.program(argv))
}

/// Installs a wheel as ada would: with the environment's own pip, as ada.
fn pip_installs(root: &Root) {
    let wheel = root.at("/srv/mine-1.0-py3-none-any.whl");
    let mut zip = zip::ZipWriter::new(fs::File::create(&wheel).unwrap());
    let mut record = String::new();
    let tag = ("mine-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n");
    for (name, text) in MINE.iter().copied().chain([tag]) {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut zip, text.as_bytes()).unwrap();
        record.extend([name, ",,\n"]);
    }
    zip.start_file("mine-1.0.dist-info/RECORD", zip::write::SimpleFileOptions::default()).unwrap();
    std::io::Write::write_all(&mut zip, format!("{record}mine-1.0.dist-info/RECORD,,\n").as_bytes()).unwrap();
    zip.finish().unwrap();
    let pip = format!("{PREFIX}/bin/python -m pip install --quiet --no-index --no-cache-dir /srv/mine-1.0-py3-none-any.whl");
    inside(root, &["runuser", "-u", "ada", "--", "sh", "-c", &pip]);
}

fn generation(root: &Root) -> PathBuf {
    fs::read_link(root.at(PREFIX)).unwrap()
}

fn verified(fitout: &Fitout<'_>) -> String {
    let verified = fitout.run(&["verify"]).ended(2).json();
    let drift = |one: &Value| one["drift"].as_array().unwrap().clone();
    verified["plan"]["resources"].as_array().unwrap().iter().flat_map(drift).map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn added(fitout: &Fitout<'_>) -> Value {
    crate::support::Run::of(&mut fitout.question(&["status"])).succeeded()["added"].clone()
}

#[test]
fn what_the_owner_added_stays_and_goes_along() {
    let root = Root::fresh();
    let fitout = lab(&root, MANIFEST, ENVIRONMENT);
    fitout.apply();
    assert_eq!(added(&fitout), serde_json::json!({}));
    pip_installs(&root);
    root.write(&format!("{PREFIX}/etc/notes.txt"), "mine\n");
    assert_eq!(inside(&root, &[&format!("{PREFIX}/bin/mine")]), "mine\n");
    assert_eq!(added(&fitout), serde_json::json!({PREFIX: ["mine 1.0 (pip)"]}));

    let (first, again) = (generation(&root), fitout.apply());
    assert_eq!((&again["changed"], generation(&root)), (&0.into(), first.clone()), "{again:#}");
    fitout.run(&["verify"]).ended(0);

    // Another release of what the manifest asks for, with the owner's own copy of six, which gives way.
    fs::remove_dir_all(root.at(&format!("{MODULES}/six-1.16.0.dist-info"))).unwrap();
    root.write(&format!("{MODULES}/six-1.99.dist-info/RECORD"), "six.py,,\nsix_more.py,,\nsix-1.99.dist-info/RECORD,,\n");
    root.write(&format!("{MODULES}/six_more.py"), "");
    describe(&fitout, &ENVIRONMENT.replace("libfoo=1.0", "libfoo=1.1"));
    let rebuilt = fitout.apply();
    let note = format!("{PREFIX}: six 1.99 (pip) in place of 1.16.0, added by hand, gave way to that of the manifest");
    assert!(rebuilt["resources"].to_string().contains(&note), "{rebuilt:#}");
    assert!(rebuilt["resources"].to_string().contains("made from another resolution (libfoo 1.0 -> 1.1);"), "{rebuilt:#}");
    assert_ne!(generation(&root), first);
    assert!(root.at(&format!("{PREFIX}/conda-meta/libfoo-1.1-0.json")).exists());
    assert_eq!(inside(&root, &[&format!("{PREFIX}/bin/mine")]), "mine\n");
    assert_eq!(root.run(&["stat", "-c", "%U", &format!("{MODULES}/mine.py"), &format!("{PREFIX}/bin/mine")]), "ada\nada\n");
    assert!(!root.read(&format!("{PREFIX}/bin/mine")).contains(first.to_str().unwrap()), "a program still names the old generation");
    assert_eq!(root.read(&format!("{PREFIX}/etc/notes.txt")), "mine\n");
    assert!(!root.at(&format!("{MODULES}/six_more.py")).exists() && root.at(&format!("{MODULES}/six-1.16.0.dist-info")).exists());
    assert_eq!(added(&fitout), serde_json::json!({PREFIX: ["mine 1.0 (pip)"]}));
    fitout.run(&["verify"]).ended(0);
    assert_eq!(fitout.apply()["changed"], 0);
    let generations = || fs::read_dir(root.at("/anaconda/envs/.generations")).unwrap().count();
    assert_eq!(generations(), 2);

    fitout.rewrite(&MANIFEST.replace("environment.yml}}", "environment.yml}, extras: remove}"));
    let removed = fitout.apply();
    assert!(removed.to_string().contains("it holds what the manifest does not ask for (mine 1.0 (pip))"), "{removed:#}");
    assert!(!root.at(&format!("{MODULES}/mine.py")).exists());
    assert_eq!((fitout.apply()["changed"].clone(), generations()), (0.into(), 2));
}

#[test]
fn damage_is_found_and_mended() {
    let root = Root::fresh();
    let fitout = lab(&root, MANIFEST, ENVIRONMENT);
    fitout.apply();
    pip_installs(&root);
    root.write(&format!("{PREFIX}/bin/hello"), "#!/bin/sh\n");
    fs::remove_file(root.at(&format!("{PREFIX}/lib/libfoo.so"))).unwrap();
    root.write(&format!("{MODULES}/six.py"), "broken");
    let said = verified(&fitout);
    assert_eq!(
        said,
        format!("{PREFIX}: 3 files were changed or removed by hand (bin/hello, lib/libfoo.so, lib/python3.11/site-packages/six.py)")
    );
    assert_eq!(fitout.apply()["changed"], 0, "people's changes stay");
    let before = generation(&root);
    let mended = fitout.run(&["apply", "--repair"]).succeeded();
    assert!(mended.to_string().contains("3 files damaged"), "{mended:#}");
    assert_ne!(generation(&root), before);
    assert!(root.at(&format!("{PREFIX}/lib/libfoo.so")).is_symlink() && root.at(&format!("{MODULES}/mine.py")).exists());
    fitout.run(&["verify"]).ended(0);
    assert_eq!(fitout.apply()["changed"], 0);
}
