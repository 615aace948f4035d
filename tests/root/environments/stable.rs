//! The path of an environment stays good over its generations: programs name it, shells that were activated go on with it, and what somebody
//! puts into a generation that was replaced is kept and told.

use super::lab;
use crate::support::{Root, must};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

const LAB: &str = "schema: 1\nconda: {prefix: /anaconda}\nenvironments:\n  - {name: lab, from: {conda: environment.yml}}\n";
const ENVIRONMENT: &str = "channels: [CHANNEL]\ndependencies: [python=3.11, conda, hello]\n";
const QUICK: &str = "/opt/fitout/envs/quick";

fn first_line(root: &Root, path: &str) -> String {
    root.read(path).lines().next().unwrap_or_default().to_owned()
}

fn quick(release: &str) -> String {
    format!("{LAB}  - {{name: quick, from: {{python: '3.11', requirements: [cowsay=={release}]}}}}\n")
}

fn notes(report: &Value) -> String {
    report["resources"].as_array().unwrap().iter().filter_map(|one| one.get("notes")).map(Value::to_string).collect()
}

#[test]
fn programs_and_shells_keep_to_the_path_that_stays() {
    let root = Root::fresh();
    let fitout = lab(&root, LAB, ENVIRONMENT);
    fitout.apply();
    let (conda, hello) = ("/anaconda/envs/lab/bin/conda", "/anaconda/envs/lab/bin/hello");
    assert_eq!(first_line(&root, conda), "#!/anaconda/envs/lab/bin/python");
    assert_eq!(first_line(&root, hello), "#!/anaconda/envs/lab/bin/bash");
    assert_eq!(must(&mut root.program(&[conda])), "conda of the tests\n");
    let record: Value = serde_json::from_str(&root.read("/anaconda/envs/lab/conda-meta/conda-24.1.0-0.json")).unwrap();
    let entry = record["paths_data"]["paths"].as_array().unwrap().iter().find(|entry| entry["_path"] == "bin/conda").unwrap();
    assert_eq!(entry["sha256_in_prefix"], fitout::model::Sha256::of(root.read(conda).as_bytes()).to_string());
    fitout.run(&["verify"]).ended(0);

    // Its Python as the machine's own.
    root.run(&[
        "sh",
        "-c",
        "cp -a /anaconda/envs/lab/ /opt/python && ln -s /opt/python/bin/python3.11 /usr/bin/ && ln -s /opt/python/lib/python3.11 /usr/lib/",
    ]);
    fitout.rewrite(&quick("6.0"));
    fitout.apply();
    assert_eq!(first_line(&root, &format!("{QUICK}/bin/cowsay")), format!("#!{QUICK}/bin/python"));
    assert!(!root.at(&format!("{QUICK}/.lock")).exists(), "uv's lock, which all may write");
    let old = fs::read_link(root.at(QUICK)).unwrap();
    let told = "import importlib.metadata, sys; print(importlib.metadata.version('cowsay'), sys.prefix)";
    let shell = format!(". {QUICK}/bin/activate; read go; python -c \"{told}\"; cowsay -t hi | grep -c hi; echo $VIRTUAL_ENV");
    let mut open = root.program(&["bash", "-c", &shell]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    fitout.rewrite(&quick("6.1"));
    assert_eq!(notes(&fitout.apply()), "");
    open.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let said = String::from_utf8(open.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(said, format!("6.1 {QUICK}\n1\n{QUICK}\n"));

    // What somebody put into the old one meanwhile stays, and is told until it is gone.
    let old = format!("/opt/fitout/envs/{}", old.display());
    root.write(&format!("{old}/results.csv"), "1,2\n");
    // As a copy that keeps times has it, and a machine whose clock was ahead when it made the environment.
    for (name, at) in [("results.csv", Duration::from_hours(1)), (".fitout.json", Duration::from_hours(24 * 365 * 80))] {
        let file = fs::File::options().write(true).open(root.at(&format!("{old}/{name}"))).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + at).unwrap();
    }
    fitout.rewrite(&quick("6.1, six==1.16.0"));
    let kept = format!("{old} was replaced and got files since, so it stays: take what you need, and remove it");
    assert!(notes(&fitout.apply()).contains(&kept));
    assert_eq!(root.read(&format!("{old}/results.csv")), "1,2\n");
    let plan = fitout.run(&["plan", "--detailed-exitcode"]).ended(0).stdout.clone();
    assert!(plan.contains(&kept), "{plan}");
    fitout.run(&["verify"]).ended(0);

    // What a killed run left of builds goes with the next run, whatever is wanted by then.
    let left = ["/var/cache/fitout/build/quick-0123456789ab/six.whl", "/opt/fitout/envs/.generations/quick-0123456789ab/bin/python"];
    for path in left {
        root.write(path, "");
    }
    fitout.apply();
    assert_eq!(left.map(|path| root.at(path).exists()), [false; 2]);
    assert_eq!(root.read(&format!("{old}/results.csv")), "1,2\n");

    // Where its name is wanted again, it is moved aside with what they put there.
    fitout.rewrite(&quick("6.0"));
    assert_eq!(notes(&fitout.apply()), "");
    assert_eq!(root.read(&format!("/var/lib/fitout/aside/1{old}/results.csv")), "1,2\n");
    assert!(!root.at(&format!("{old}/results.csv")).exists());
    // One whose link was taken away is made again with what people added.
    root.write(&format!("{QUICK}/mine.txt"), "mine\n");
    root.run(&["rm", QUICK]);
    fitout.apply();
    assert_eq!(root.read(&format!("{QUICK}/mine.txt")), "mine\n");
    assert_eq!(root.read(&format!("/var/lib/fitout/aside/2{old}/mine.txt")), "mine\n");
}
