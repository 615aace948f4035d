//! CUDA on a real Debian root, from a copy of NVIDIA's server with its real compilers: installed, side by side, switched, removed.

use crate::support::{Fitout, Root, Server, exact, nvidia};
use std::fs;

/// A kernel, and a program that asks the runtime for its version.
const PROGRAM: &str = r#"
#include <cstdio>
#include <cuda_runtime.h>
__global__ void twice(int *x) { x[threadIdx.x] *= 2; }
int main() {
    int version = 0;
    cudaRuntimeGetVersion(&version);
    std::printf("runtime %d\n", version);
}
"#;

fn manifest(server: &Server, cuda: &str, more: &str) -> String {
    format!("on_removal: delete\nnetwork: {{mirrors: {{nvidia: '{}'}}}}\ngpu:\n  cuda: {cuda}\n{more}", server.url)
}

/// Compiles the program with the toolkit in this place, and looks at what it was compiled for.
fn assert_compiles(root: &Root, cuda: &str, version: &str) {
    let said = root.run(&[&format!("{cuda}/bin/nvcc"), "--version"]);
    assert!(said.contains(&format!("release {version}")), "{said}");
    root.write("/tmp/twice.cu", PROGRAM);
    root.run(&[&format!("{cuda}/bin/nvcc"), "-arch=sm_90", "-c", "/tmp/twice.cu", "-o", "/tmp/twice.o"]);
    let said = root.run(&[&format!("{cuda}/bin/cuobjdump"), "--list-elf", "/tmp/twice.o"]);
    assert!(said.contains("sm_90.cubin"), "{said}");
    // No -L and no LD_LIBRARY_PATH: the linker knows the libraries by its cache.
    root.run(&["g++", "/tmp/twice.o", "-o", "/tmp/twice", &format!("{cuda}/lib64/libcudart.so")]);
    let (major, minor) = version.split_once('.').unwrap();
    let number = major.parse::<u32>().unwrap() * 1000 + minor.parse::<u32>().unwrap() * 10;
    assert_eq!(root.run(&["/tmp/twice"]), format!("runtime {number}\n"));
}

fn link(root: &Root) -> String {
    fs::read_link(root.at("/usr/local/cuda")).map_or_else(|_| "none".into(), |to| to.display().to_string())
}

/// The libraries of CUDA that the linker knows.
fn found(root: &Root) -> String {
    root.run(&["ldconfig", "-p"]).lines().filter(|line| line.contains("cuda")).fold(String::new(), |all, line| all + line.trim() + "\n")
}

#[test]
fn toolkits_are_installed_side_by_side_switched_and_removed() {
    let (root, server) = (Root::with_compiler(), Server::of(&nvidia()));
    let old = "{version: '12.4.1', source: redist, components: [cuobjdump]}";
    let fitout = Fitout::new(&root, &manifest(&server, old, "  cudnn: {version: '9.1.1'}\n"));
    fitout.apply();
    assert_compiles(&root, "/usr/local/cuda", "12.4");
    assert_eq!(link(&root), "cuda-12.4");
    assert_eq!(fs::read_link(root.at("/usr/local/cuda/lib/libcudnn.so.9")).unwrap().to_str(), Some("libcudnn.so.9.1.1"));
    assert!(found(&root).contains("libcudnn.so.9 (libc6,x86-64) => /usr/local/cuda/lib64/libcudnn.so.9"), "{}", found(&root));
    assert_eq!(root.run(&["stat", "-c", "%U %a", "/usr/local/cuda-12.4/bin/nvcc", "/usr/local/cuda-12.4/LICENSE"]), "root 755\nroot 644\n");
    let path = root.run(&["bash", "-lc", "command -v nvcc; echo $CUDA_HOME"]);
    assert_eq!(path, "/usr/local/cuda/bin/nvcc\n/usr/local/cuda\n");

    // Nothing to do, and nobody is asked.
    server.asked();
    let before = exact(root.path());
    fitout.run(&["plan", "--detailed-exitcode"]).ended(0);
    fitout.apply();
    before.assert_same(&exact(root.path()), "a second apply changed the root");
    assert_eq!(server.asked(), Vec::<String>::new());

    // A newer one, the older one beside it.
    let both = "{version: '13.2.1', source: redist, components: [cuobjdump], also: [{version: '12.4.1', source: redist, components: \
                [cuobjdump]}]}";
    fitout.rewrite(&manifest(&server, both, ""));
    fitout.apply();
    assert_eq!(link(&root), "cuda-13.2");
    assert_compiles(&root, "/usr/local/cuda", "13.2");
    assert_compiles(&root, "/usr/local/cuda-12.4", "12.4");
    assert!(!root.at("/usr/local/cuda-12.4/include/cudnn.h").exists(), "cuDNN left the manifest");
    assert!(found(&root).contains("=> /usr/local/cuda/lib64/libcudart.so.13") && found(&root).contains("=> /usr/local/cuda-12.4/lib64/"));

    // The older one goes, with all that was made for it.
    let new = "{version: '13.2.1', source: redist, components: [cuobjdump]}";
    fitout.rewrite(&manifest(&server, new, ""));
    fitout.apply();
    assert!(!root.at("/usr/local/cuda-12.4").exists() && !root.at("/etc/ld.so.conf.d/fitout-cuda-12.4.conf").exists());
    assert_compiles(&root, "/usr/local/cuda", "13.2");
    assert!(!found(&root).contains("cuda-12.4"), "{}", found(&root));

    // And all of it.
    fitout.rewrite("on_removal: delete\n");
    fitout.apply();
    let left: Vec<String> = fs::read_dir(root.at("/usr/local")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!left.iter().any(|name| name.contains("cuda")), "{left:?}");
    assert!(!root.at("/etc/profile.d/fitout-cuda.sh").exists() && !found(&root).contains("cuda"));
    let plan = fitout.run(&["plan", "--detailed-exitcode"]);
    plan.ended(0);
}

#[test]
fn what_nvidia_does_not_have_is_named() {
    let (root, server) = (Root::bare(), Server::of(&nvidia()));
    let refused = |cuda: &str, more: &str, code| {
        let fitout = Fitout::new(&root, &manifest(&server, cuda, more));
        fitout.run(&["plan"]).ended(code).stdout.clone()
    };
    let said = refused("{version: '12.9.7', source: redist}", "", 69);
    assert!(said.contains("redistrib_12.9.7.json: the server answers 404"), "{said}");
    let said = refused("{version: '12.4.1', source: redist, components: [npp]}", "", 65);
    assert!(said.contains("it has no component libnpp; it has cuda_nvcc, cuda_cudart, cuda_cuobjdump"), "{said}");
    let said = refused("{version: '13.2.1', source: redist}", "  cudnn: {version: '9.1.1'}\n", 65);
    // Known before anything is asked of the server.
    assert!(said.contains("cuDNN 9.1.1 is not made for CUDA 13; the first release for it is 9.12.0"), "{said}");
}
