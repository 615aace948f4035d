//! A kernel of R: Debian's own R and its `IRkernel` as conda packages, started over Jupyter's protocol.

use super::channel::{self, Body, Package};
use super::{kept, lab, plain};
use crate::support::{Root, command, mirror, must};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

const MANIFEST: &str = r#"
schema: 1
user: {name: ada}
conda: {prefix: /anaconda}
environments: [{name: statistics, from: {conda: environment.yml}, kernel: {name: ir, display_name: "R (statistics)"}}]
checks: [{name: r, kernel: ir, runs: "cat(R.version$language, 6 * 7, Sys.getenv('CONDA_DEFAULT_ENV'))", stdout_contains: "R 42 statistics"}]
"#;

/// Where Debian has libraries; those that a choice of the administrator leads to stand in folders of their own.
const LIBRARIES: [&str; 4] =
    ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/blas", "usr/lib/x86_64-linux-gnu/lapack"];
/// The C library, which is the root's.
const OF_THE_ROOT: [&str; 12] =
    ["ld-", "libc.", "libm.", "libmvec.", "libpthread.", "libdl.", "librt.", "libresolv.", "libnss_", "libutil.", "libanl.", "libnsl."];
/// R finds itself by its own path, and its libraries beside it.
const PROGRAM: &str = "#!/bin/sh\nhere=$(readlink -f \"$0\"); here=${here%/bin/R}\nLD_LIBRARY_PATH=$here/lib:$here/lib/R/lib exec \"$here/lib/R/bin/R\" \"$@\"\n";

type Files = Vec<(String, Body)>;

fn tree(folder: &Path, name: &str, without: &[&str], files: &mut Files) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let own = path.file_name().unwrap().to_str().unwrap();
        let at = format!("{name}/{own}");
        match (without.contains(&own), path.is_dir(), path.exists()) {
            (false, true, _) => tree(&path, &at, &[], files),
            (false, false, true) => files.push((at, plain(&path))),
            _ => {}
        }
    }
}

/// R and the kernel, from Debian's packages.
fn packages() -> Vec<Package> {
    let work = tempfile::tempdir().unwrap();
    let root = work.path().join("root");
    let mut extract = command("mmdebstrap");
    extract.args(["--quiet", "--mode=root", "--variant=extract", "--include=r-cran-irkernel", "bookworm"]);
    must(extract.arg(&root).arg(mirror()));
    let home = root.join("usr/lib/R");
    let (mut files, mut modules) = (vec![("bin/R".to_owned(), Body::Plain(PROGRAM.into(), 0o755))], Vec::new());
    tree(&home, "lib/R", &["etc", "site-library", "bin"], &mut files);
    tree(&home.join("bin"), "lib/R/bin", &["R"], &mut files);
    tree(&root.join("etc/R"), "lib/R/etc", &[], &mut files);
    tree(&root.join("usr/share/R"), "share/R", &[], &mut files);
    files.push(("lib/R/etc/Renviron".into(), plain(&home.join("etc/Renviron.ucf"))));
    let script = fs::read_to_string(home.join("bin/R")).unwrap();
    let script =
        script.replace("R_HOME_DIR=/usr/lib/R\n", "R_HOME_DIR=${0%/bin/R}\n").replace("/usr/share/R", "${R_HOME_DIR}/../../share/R");
    files.push(("lib/R/bin/R".into(), Body::Plain(script.into(), 0o755)));
    for folder in LIBRARIES {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name.contains(".so") && path.is_file() && !OF_THE_ROOT.iter().any(|own| name.starts_with(own)) {
                files.push((format!("lib/{name}"), plain(&path.canonicalize().unwrap())));
            }
        }
    }
    files.sort_by(|one, other| one.0.cmp(&other.0));
    files.dedup_by(|one, other| one.0 == other.0);
    tree(&home.join("site-library"), "lib/R/site-library", &[], &mut modules);
    let package =
        |name: &str, version: &str, depends: &[&str], files| Package { files, ..Package::new(name, version, depends, Vec::new()) };
    vec![package("r-base", "4.2.2", &["__glibc >=2.36"], files), package("r-irkernel", "1.3.2", &["r-base"], modules)]
}

/// The channel, made on first use.
fn channel() -> PathBuf {
    let parts = [include_str!("r.rs"), include_str!("../../support/channel.rs")].join("\n");
    let at = kept(&format!("channel-r-{}", &hex::encode(Sha256::digest(parts))[..12]));
    if !at.exists() {
        let partial = kept("channel-r-partial");
        fs::remove_dir_all(&partial).ok();
        channel::write(&partial, &packages());
        fs::rename(partial, &at).unwrap();
    }
    at
}

#[test]
fn a_real_r_runs_as_a_kernel() {
    let root = Root::fresh();
    let environment = "channels: [R, CHANNEL]\ndependencies: [python=3.11, r-base, r-irkernel, {pip: [jupyter_client]}]\n";
    let fitout = lab(&root, MANIFEST, &environment.replace("[R,", &format!("[{},", channel().display())));
    let report = fitout.apply();
    assert_eq!(report["failed"], 0, "{report:#}");
    assert!(root.read("/usr/local/share/jupyter/kernels/ir/kernel.json").contains("IRkernel::main()"));
    assert_eq!(fitout.apply()["changed"], 0);
}
