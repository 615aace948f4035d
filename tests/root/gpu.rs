//! CUDA on a real Debian root, from a copy of NVIDIA's server with its real compilers: installed, side by side, switched, removed.

use crate::support::{Fitout, Root, Server, Shelf, exact, nvidia, nvidia_packages};
use std::fs;

/// A kernel, and a program that asks the runtime for its version.
const PROGRAM: &str = r#"
#include <cstdio>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
__global__ void halve(__half *x) { x[threadIdx.x] = __hmul(x[threadIdx.x], __float2half(0.5f)); }
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

    // What is damaged is seen and unpacked anew; what somebody put there stays.
    fs::remove_file(root.at("/usr/local/cuda-12.4/bin/nvcc")).unwrap();
    root.write("/usr/local/cuda-12.4/include/mine.h", "// mine\n");
    let said = fitout.run(&["verify"]).ended(2).stdout.clone();
    assert!(
        said.contains("1 file was changed or removed by hand (bin/nvcc), and edits go to /var/lib/fitout/aside; 1 file that Fitout did not put there stays (include/mine.h)"),
        "{said}"
    );
    fitout.apply();
    assert_compiles(&root, "/usr/local/cuda", "12.4");
    assert_eq!(fs::read_to_string(root.at("/usr/local/cuda-12.4/include/mine.h")).unwrap(), "// mine\n");
    fitout.run(&["plan", "--detailed-exitcode"]).ended(0);

    // A newer one, the older one beside it.
    let both = "{version: '13.2.1', source: redist, components: [cuobjdump], also: [{version: '12.4.1', source: redist, components: \
                [cuobjdump]}]}";
    fitout.rewrite(&manifest(&server, both, ""));
    fitout.apply();
    assert_eq!(link(&root), "cuda-13.2");
    assert_compiles(&root, "/usr/local/cuda", "13.2");
    assert_compiles(&root, "/usr/local/cuda-12.4", "12.4");
    assert!(!root.at("/usr/local/cuda-12.4/include/cudnn.h").exists(), "cuDNN left the manifest");
    assert!(root.at("/usr/local/cuda-12.4/include/mine.h").exists());
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

/// A repository of NVIDIA's packages on loopback, and the part of a manifest that names it.
fn shelf(kind: Shelf, fitout: &Fitout<'_>, gpu: &str) -> Server {
    let folder = nvidia_packages(kind);
    let server = Server::of(&folder);
    fs::copy(folder.join("key.asc"), fitout.beside("nvidia.asc")).unwrap();
    let repository = format!("repository: {{uri: '{}/debian12', signed_by: nvidia.asc}}", server.url);
    let tiny = "packages: {repositories: [{name: tiny, uri: 'file:/srv/repository', suite: ./, signed_by: tiny.asc}]}";
    fitout.rewrite(&format!("on_removal: delete\n{tiny}\ngpu:\n  {repository}\n{gpu}"));
    server
}

fn installed(root: &Root, name: &str) -> String {
    root.run(&["dpkg-query", "-W", "-f", "${Version}", name])
}

fn holds(root: &Root) -> Vec<String> {
    root.run(&["apt-mark", "showhold"]).lines().map(str::to_owned).collect()
}

#[test]
fn a_driver_is_built_for_the_kernel_of_the_root_and_kept_at_its_branch() {
    let root = Root::with_kernel();
    let kernel = fs::read_dir(root.at("/lib/modules")).unwrap().next().unwrap().unwrap().file_name().into_string().unwrap();
    assert!(!root.at(&format!("/usr/src/linux-headers-{kernel}")).exists());
    fs::create_dir_all(root.at("/etc/docker")).unwrap();
    root.write("/usr/bin/dockerd", "#!/bin/sh\n");
    root.write("/etc/docker/daemon.json", "{\"log-driver\": \"journald\"}\n");
    let fitout = Fitout::new(&root, "{}");
    let driver = "  presence: required\n  driver: {branch: '580', flavour: open, source: nvidia}\n  container_toolkit: true\n";
    let _server = shelf(Shelf::Driver, &fitout, driver);
    fitout.apply();

    assert_eq!(installed(&root, "nvidia-driver-cuda"), "580.82.07-1", "the newest of the branch, not of all");
    let module = root.run(&["find", &format!("/lib/modules/{kernel}/updates/dkms"), "-name", "nvidia.ko*"]);
    let said = root.run(&["modinfo", module.trim()]);
    assert!(said.contains("580.82.07") && said.contains(&format!("vermagic:       {kernel} ")), "{said}");
    assert!(root.at(&format!("/usr/src/linux-headers-{kernel}")).exists());
    // A new kernel gets its headers by itself.
    assert!(!installed(&root, "linux-headers-cloud-amd64").is_empty());
    let list = root.run(&["lsinitramfs", &format!("/boot/initrd.img-{kernel}")]);
    assert!(list.contains("etc/modprobe.d/fitout-nvidia.conf"), "{list}");
    assert_eq!(holds(&root), ["nvidia-driver-cuda", "nvidia-kernel-open-dkms"]);
    assert!(root.at("/etc/systemd/system/multi-user.target.wants/nvidia-persistenced.service").is_symlink());
    let docker: serde_json::Value = serde_json::from_str(&root.read("/etc/docker/daemon.json")).unwrap();
    assert_eq!(docker["runtimes"]["nvidia"]["path"], "nvidia-container-runtime");
    assert_eq!(docker["log-driver"], "journald", "what the administrator said stays");

    // Nothing more to do; who frees a hold by hand does not get another driver by an upgrade.
    let before = exact(root.path());
    fitout.run(&["plan", "--detailed-exitcode"]).ended(0);
    fitout.apply();
    before.assert_same(&exact(root.path()), "a second apply changed the root");
    root.run(&["apt-get", "-y", "upgrade"]);
    assert_eq!(installed(&root, "nvidia-driver-cuda"), "580.82.07-1");
    root.run(&["apt-mark", "unhold", "nvidia-driver-cuda"]);
    fitout.apply();
    assert_eq!(holds(&root), ["nvidia-driver-cuda", "nvidia-kernel-open-dkms"]);

    // Another kernel, as an upgrade brings it: its modules are missing, and are built.
    let next = kernel.replacen("6.1.0-", "6.1.0-9", 1);
    for (from, to) in [
        (format!("/lib/modules/{kernel}"), format!("/lib/modules/{next}")),
        (format!("/boot/vmlinuz-{kernel}"), format!("/boot/vmlinuz-{next}")),
    ] {
        root.run(&["cp", "-a", &from, &to]);
    }
    let plan = fitout.run(&["plan", "--detailed-exitcode"]).ended(2).stdout.clone();
    assert!(plan.contains(&format!("linux-headers-{next}")) && plan.contains(&format!("\"kernel\": \"{next}\"")), "{plan}");
}

#[test]
fn cuda_by_apt_is_pinned_chosen_and_held() {
    let root = Root::with_compiler();
    let fitout = Fitout::new(&root, "{}");
    let cuda =
        "  cuda: {version: '12.4.1', source: apt, components: [cuobjdump]}\n  cudnn: {version: '9.1.1'}\n  nccl: {version: '2.21.5'}\n";
    let _server = shelf(Shelf::Cuda, &fitout, cuda);
    fitout.apply();
    assert_compiles(&root, "/usr/local/cuda", "12.4");
    let versions = ["cuda-minimal-build-12-4", "libcudnn9-dev-cuda-12", "libnccl-dev"].map(|name| installed(&root, name));
    assert_eq!(versions, ["12.4.1-1", "9.1.1.17-1", "2.21.5-1+cuda12.4"]);
    // cuDNN brought the settings of CUDA 12.2, and they are not what people find.
    assert!(root.at("/usr/local/cuda-12.2").exists());
    assert_eq!(fs::read_link(root.at("/etc/alternatives/cuda")).unwrap().to_str(), Some("/usr/local/cuda-12.4"));
    assert!(holds(&root).contains(&"cuda-minimal-build-12-4".to_owned()), "{:?}", holds(&root));
    let before = exact(root.path());
    fitout.run(&["plan", "--detailed-exitcode"]).ended(0);
    fitout.apply();
    before.assert_same(&exact(root.path()), "a second apply changed the root");
}

#[test]
fn a_keyring_that_is_not_nvidias_is_refused() {
    let root = Root::bare();
    let mirror = tempfile::tempdir().unwrap();
    let at = mirror.path().join("compute/cuda/repos/debian12/x86_64");
    fs::create_dir_all(&at).unwrap();
    fs::write(at.join("cuda-keyring_1.1-1_all.deb"), "not the package").unwrap();
    let server = Server::of(mirror.path());
    let manifest = format!("network: {{mirrors: {{nvidia: '{}'}}}}\ngpu: {{container_toolkit: true}}\n", server.url);
    let fitout = Fitout::new(&root, &manifest);
    let said = fitout.run(&["apply"]);
    assert!(
        said.code != Some(0) && said.stdout.contains("cuda-keyring_1.1-1_all.deb") && !root.at("/etc/apt/keyrings/fitout-nvidia").exists(),
        "{said:?}"
    );
}
