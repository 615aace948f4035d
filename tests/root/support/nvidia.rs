//! A copy of NVIDIA's server, as far as tests ask for it: its lists of releases, and archives in its layout that hold its real
//! compilers. The programs come from NVIDIA's wheels on PyPI and from Debian's non-free package, fetched on first use and kept beside
//! the build; none of them is part of this project.

use super::{command, must};
use fitout::fetch::Http;
use fitout::model::{ByteSize, Sha256};
use fitout::step::Blob;
use fitout::store::Store;
use fitout::target::Silent;
use serde_json::{Map, Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Names what is made here: another text makes another mirror.
const DEFINITION: &str = include_str!("nvidia.rs");

/// Debian's package of CUDA 12.4.1: the same release as NVIDIA's, cut in another way.
const DEBIAN: (&str, &str, u64) = (
    "http://deb.debian.org/debian/pool/non-free/n/nvidia-cuda-toolkit/nvidia-cuda-toolkit_12.4.131~12.4.1-2_amd64.deb",
    "cd5fe85aee38d108b315f408a688641478f2402622a10c677478eb7a6c4e5319",
    87_240_108,
);

/// NVIDIA's own, where the compiler finds what belongs to it: the top is the directory above its own.
const PROFILE: &str = "TOP = $(_HERE_)/..\nNVVMIR_LIBRARY_DIR = $(TOP)/nvvm/libdevice\nPATH += $(TOP)/nvvm/bin:$(_HERE_):\n\
                       INCLUDES =+ \"-I$(TOP)/include\" $(_SPACE_)\nLIBRARIES =+ $(_SPACE_) \"-L$(TOP)/lib64\"\n";

/// The folder of the mirror, made on first use.
pub fn mirror() -> PathBuf {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nvidia");
    fs::create_dir_all(&cache).unwrap();
    let lock = fs::File::create(cache.join("lock")).unwrap();
    lock.lock().unwrap();
    let mirror = cache.join(format!("mirror-{}", Sha256::of(DEFINITION.as_bytes()).short()));
    if !mirror.exists() {
        let work = cache.join("making");
        fs::remove_dir_all(&work).ok();
        let maker = Maker { store: Store::at(&cache), work };
        let cuda = [maker.cuda_13(), maker.cuda_12()];
        let redist = maker.work.join("mirror/compute/cuda/redist");
        for (label, components) in [("13.2.1", &cuda[0]), ("12.4.1", &cuda[1])] {
            publish(&redist, "cuda", label, components, None);
        }
        publish(&maker.work.join("mirror/compute/cudnn/redist"), "cudnn", "9.1.1", &[maker.cudnn()], Some("cuda12"));
        fs::rename(maker.work.join("mirror"), &mirror).unwrap();
        fs::remove_dir_all(&maker.work).ok();
    }
    mirror
}

/// A component: its name, its version, its tree.
type Component = (&'static str, &'static str, PathBuf);

fn fetch(store: &Store, url: &str, sha256: &str, size: Option<u64>) -> PathBuf {
    let blob = Blob { url: url.into(), sha256: Sha256::parse(sha256).unwrap(), size: size.map(ByteSize) };
    Http::new().unwrap().download(store, &blob, &Silent).unwrap_or_else(|e| panic!("{e}"));
    store.path(&blob.sha256)
}

/// A wheel of PyPI, unpacked below a folder: where its files are.
pub fn wheel(store: &Store, below: &Path, project: &str, version: &str) -> PathBuf {
    let page = Http::new().unwrap().page(&format!("https://pypi.org/simple/{project}/"), &Silent).unwrap_or_else(|e| panic!("{e}"));
    let stem = format!("{}-{version}-", project.replace('-', "_"));
    let links = page.text.split("href=\"").skip(1).filter_map(|rest| rest.split_once('"')).map(|(link, _)| link);
    let link = links.filter(|link| link.contains(&stem)).find(|link| link.contains("linux") && link.contains("x86_64.whl#sha256="));
    let (url, sha256) = link.and_then(|link| link.split_once("#sha256=")).unwrap_or_else(|| panic!("{project} {version}"));
    let wheel = fetch(store, page.url.join(url).unwrap().as_str(), sha256, None);
    let into = below.join(format!("{project}-{version}"));
    fs::create_dir_all(&into).unwrap();
    let unzip = "import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])";
    must(command("python3").args(["-c", unzip]).args([&wheel, &into]));
    into
}

struct Maker {
    store: Store,
    work: PathBuf,
}

impl Maker {
    fn fetch(&self, url: &str, sha256: &str, size: Option<u64>) -> PathBuf {
        fetch(&self.store, url, sha256, size)
    }

    fn wheel(&self, project: &str, version: &str, inside: &str) -> PathBuf {
        wheel(&self.store, &self.work, project, version).join(inside)
    }

    fn folder(&self, name: &str) -> PathBuf {
        let folder = self.work.join(name);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// CUDA 13.2, whose wheels hold all of it.
    fn cuda_13(&self) -> Vec<Component> {
        let wheels = [
            ("cuda_nvcc", "nvidia-cuda-nvcc"),
            ("libnvvm", "nvidia-nvvm"),
            ("cuda_crt", "nvidia-cuda-crt"),
            ("cuda_cudart", "nvidia-cuda-runtime"),
            ("cuda_cuobjdump", "nvidia-cuda-cuobjdump"),
            ("cuda_cccl", "nvidia-cuda-cccl"),
        ];
        let one = |(name, project): (&'static str, &str)| {
            let tree = self.wheel(project, "13.2.86", "nvidia/cu13");
            dress(&tree);
            (name, "13.2.86", tree)
        };
        wheels.into_iter().map(one).collect()
    }

    /// CUDA 12.4.1: the compiler of Debian's package, headers and runtime of the wheels.
    fn cuda_12(&self) -> Vec<Component> {
        let debian = self.folder("debian");
        let package = self.fetch(DEBIAN.0, DEBIAN.1, Some(DEBIAN.2));
        must(command("dpkg-deb").arg("-x").args([&package, &debian]));
        let (nvcc, cuobjdump) = (self.folder("nvcc-12"), self.folder("cuobjdump-12"));
        let own = debian.join("usr/lib/nvidia-cuda-toolkit");
        for folder in [nvcc.join("bin"), nvcc.join("nvvm/bin"), cuobjdump.join("bin")] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::rename(own.join("bin/nvcc"), nvcc.join("bin/nvcc")).unwrap();
        fs::rename(own.join("bin/cicc"), nvcc.join("nvvm/bin/cicc")).unwrap();
        fs::rename(own.join("libdevice"), nvcc.join("nvvm/libdevice")).unwrap();
        for program in ["ptxas", "nvlink", "fatbinary", "cudafe++", "bin2c"] {
            fs::rename(debian.join("usr/bin").join(program), nvcc.join("bin").join(program)).unwrap();
        }
        fs::write(nvcc.join("bin/nvcc.profile"), PROFILE).unwrap();
        fs::rename(debian.join("usr/bin/cuobjdump"), cuobjdump.join("bin/cuobjdump")).unwrap();
        let headers = self.wheel("nvidia-cuda-nvcc-cu12", "12.4.131", "nvidia/cuda_nvcc/include");
        fs::rename(headers, nvcc.join("include")).unwrap();
        let cudart = self.wheel("nvidia-cuda-runtime-cu12", "12.4.127", "nvidia/cuda_runtime");
        dress(&cudart);
        let cccl = self.wheel("nvidia-cuda-cccl-cu12", "12.4.127.post1", "nvidia/cuda_cccl");
        vec![
            ("cuda_nvcc", "12.4.131", nvcc),
            ("cuda_cudart", "12.4.127", cudart),
            ("cuda_cuobjdump", "12.4.127", cuobjdump),
            ("cuda_cccl", "12.4.127", cccl),
        ]
    }

    /// cuDNN takes most of a gigabyte: a library with its name, built here, stands in for it.
    fn cudnn(&self) -> Component {
        let tree = self.folder("cudnn");
        fs::create_dir_all(tree.join("include")).unwrap();
        fs::create_dir_all(tree.join("lib")).unwrap();
        fs::write(tree.join("include/cudnn.h"), "size_t cudnnGetVersion(void);\n").unwrap();
        let source = self.work.join("cudnn.c");
        fs::write(&source, "unsigned long cudnnGetVersion(void) { return 90101; }\n").unwrap();
        let mut compiler = command("cc");
        compiler.args(["-shared", "-fPIC", "-Wl,-soname,libcudnn.so.9", "-o"]).arg(tree.join("lib/libcudnn.so.9.1.1")).arg(&source);
        must(&mut compiler);
        symlink("libcudnn.so.9.1.1", tree.join("lib/libcudnn.so.9")).unwrap();
        symlink("libcudnn.so.9", tree.join("lib/libcudnn.so")).unwrap();
        ("cudnn", "9.1.1.17", tree)
    }
}

/// Wheels carry neither modes nor links: gives programs theirs, and libraries the name that linkers look for.
fn dress(tree: &Path) {
    for folder in ["bin", "nvvm/bin"].map(|folder| tree.join(folder)).iter().filter(|folder| folder.exists()) {
        must(command("chmod").args(["-R", "a+rx"]).arg(folder));
    }
    for entry in fs::read_dir(tree.join("lib")).into_iter().flatten() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some((stem, _)) = name.split_once(".so.") {
            symlink(&name, tree.join(format!("lib/{stem}.so"))).unwrap();
        }
    }
}

/// Packs components as NVIDIA does, one folder around each, and lists them.
/// The least that a toolkit of CUDA 12.4.1 has, in a few bytes.
pub fn tiny(mirror: &Path) {
    let tree = |name: &str, files: &[(&str, &str)]| {
        let tree = mirror.join("trees").join(name);
        for (path, text) in files {
            fs::create_dir_all(tree.join(path).parent().unwrap()).unwrap();
            fs::write(tree.join(path), text).unwrap();
        }
        tree
    };
    let compiler = tree("nvcc", &[("bin/nvcc", "#!/bin/sh\n"), ("nvvm/libdevice/libdevice.10.bc", "bitcode\n")]);
    let runtime = tree("cudart", &[("lib/libcudart_static.a", "!<arch>\n"), ("include/cuda.h", "#define CUDA_VERSION 12040\n")]);
    symlink("cuda.h", runtime.join("include/cuda_runtime.h")).unwrap();
    let headers = tree("cccl", &[("include/nv/target", "// nv/target\n")]);
    let components = [("cuda_nvcc", "12.4.131", compiler), ("cuda_cudart", "12.4.127", runtime), ("cuda_cccl", "12.4.127", headers)];
    publish(&mirror.join("compute/cuda/redist"), "cuda", "12.4.1", &components, None);
}

fn publish(redist: &Path, product: &str, label: &str, components: &[Component], variant: Option<&str>) {
    let mut list = Map::new();
    for (key, value) in [("release_date", "2026-01-01"), ("release_label", label), ("release_product", product)] {
        list.insert(key.into(), value.into());
    }
    for (name, version, tree) in components {
        let suffix = variant.map(|variant| format!("_{variant}")).unwrap_or_default();
        let wrapper = format!("{name}-linux-x86_64-{version}{suffix}-archive");
        let relative = format!("{name}/linux-x86_64/{wrapper}.tar.xz");
        let archive = redist.join(&relative);
        fs::create_dir_all(archive.parent().unwrap()).unwrap();
        fs::write(tree.join("LICENSE"), "as NVIDIA has it\n").unwrap();
        let mut tar = command("tar");
        tar.arg("-C").arg(tree).args(["--owner=1000", "--group=1000", "--use-compress-program=xz -0 -T0"]);
        must(tar.arg(format!("--transform=flags=rSH;s,^\\.,{wrapper},")).arg("-cf").arg(&archive).arg("."));
        let bytes = fs::read(&archive).unwrap();
        let size = bytes.len().to_string();
        let found = json!({"relative_path": relative, "sha256": Sha256::of(&bytes), "md5": "", "size": size});
        let platform = variant.map_or_else(|| found.clone(), |variant| json!({variant: found}));
        let component = json!({"name": name, "license": "CUDA Toolkit", "version": version, "linux-x86_64": platform});
        list.insert((*name).into(), component);
    }
    fs::write(redist.join(format!("redistrib_{label}.json")), Value::Object(list).to_string()).unwrap();
}
