//! What the driver says, through a library with the names, structures and calling convention of NVIDIA's: compiled here, loaded as the real one is.

#![cfg(test)]

use fitout::doctor::told;
use fitout::target::{DRIVER_LIBRARY, DriverSays, HostTool, Silent, ask_driver, run_host};
use std::fs;
use std::path::{Path, PathBuf};

/// By NVIDIA's `nvml.h`: version 2 of the structure of memory, versioned names of functions.
const SOURCE: &str = r#"
#include <string.h>
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } memory_v2;
int nvmlInit_v2(void) { return INIT; }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *text, unsigned length) { strncpy(text, DRIVER, length); return 0; }
int nvmlSystemGetCudaDriverVersion_v2(int *version) { *version = CUDA; return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) { *device = (void *)(long)(index + 1); return 0; }
int nvmlDeviceGetName(void *device, char *text, unsigned length) { strncpy(text, device == (void *)1 ? "NVIDIA H100 80GB HBM3" : "Tesla T4", length); return 0; }
int nvmlDeviceGetCudaComputeCapability(void *device, int *major, int *minor) { *major = device == (void *)1 ? 9 : 7; *minor = device == (void *)1 ? 0 : 5; return 0; }
int nvmlDeviceGetMemoryInfo_v2(void *device, memory_v2 *memory) {
    if (memory->version != (sizeof(memory_v2) | 2u << 24)) return 25;
    memory->total = device == (void *)1 ? 85520809984ull : 16106127360ull;
    return 0;
}
int nvmlDeviceGetPersistenceMode(void *device, int *mode) { *mode = device == (void *)1; return 0; }
int nvmlDeviceGetEccMode(void *device, int *now, int *pending) { *now = *pending = 1; return 0; }
typedef struct { unsigned gpu, memory; } utilization;
int nvmlDeviceGetUtilizationRates(void *device, utilization *rates) { rates->gpu = device == (void *)1 ? 63 : 0; rates->memory = 5; return 0; }
/* A T4 cannot be divided: NVML_ERROR_NOT_SUPPORTED. */
int nvmlDeviceGetMigMode(void *device, unsigned *now, unsigned *pending) { *now = *pending = 0; return device == (void *)1 ? 0 : 3; }
"#;

fn library(folder: &Path, init: &str, driver: &str, cuda: &str) -> PathBuf {
    let (source, library) = (folder.join("nvml.c"), folder.join(format!("{driver}.so")));
    fs::write(&source, SOURCE).unwrap();
    let defined = [format!("-DINIT={init}"), format!("-DDRIVER=\"{driver}\""), format!("-DCUDA={cuda}")];
    let argv = ["cc", "-shared", "-fPIC", "-o"].map(str::to_owned).into_iter();
    let argv = argv.chain([library.display().to_string(), source.display().to_string()]).chain(defined).collect();
    let built = run_host(&HostTool { argv, env: Vec::new(), directory: "/".into() }, &Silent).unwrap();
    assert_eq!(built.status, 0, "{}", built.stderr);
    library
}

fn lines(says: &DriverSays) -> String {
    let line = |finding: &fitout::doctor::Finding| format!("{:?} {}\n", finding.level, finding.found);
    told(says).iter().map(line).collect()
}

#[test]
fn devices_and_what_they_can_run_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let says = ask_driver(library(folder.path(), "0", "550.54.15", "12040").as_os_str()).unwrap().unwrap();
    let told = "Fine NVIDIA H100 80GB HBM3, sm_90, 85.5 GB, persistence on, ECC on, MIG off\n\
                Fine Tesla T4, sm_75, 16.1 GB, persistence off, ECC on\n\
                Fine it runs CUDA 12.4 and earlier with all of their features, and of CUDA 11 and 12 every release that knows these devices; \
                wheels to PyTorch 2.9 and TensorFlow 2.18\n\
                Note the driver lets go of a GPU that nobody uses, and the next use waits for it\n";
    assert_eq!(lines(&says), told);
    assert_eq!(says.devices.iter().map(|device| device.used).collect::<Vec<_>>(), [Some(63), Some(0)]);
    let newer = ask_driver(library(folder.path(), "0", "580.65.06", "13000").as_os_str()).unwrap().unwrap();
    assert!(lines(&newer).contains("CUDA 13.0 and earlier") && lines(&newer).contains("CUDA 11 and 12 and 13"), "{}", lines(&newer));
    // Neither memory nor architecture is known of what does not tell it.
    let silent = DriverSays { devices: Vec::new(), ..newer };
    assert!(lines(&silent).contains("CUDA 13.0"));
}

#[test]
fn a_library_that_is_not_there_is_no_error_and_a_driver_that_fails_is_one() {
    assert_eq!(ask_driver("libnvidia-ml-of-nobody.so.1".as_ref()), Ok(None));
    let folder = tempfile::tempdir().unwrap();
    // NVML_ERROR_DRIVER_NOT_LOADED.
    let error = ask_driver(library(folder.path(), "9", "550.54.15", "12040").as_os_str()).unwrap_err();
    assert!(error.contains("driver"), "{error}");
    assert_eq!(DRIVER_LIBRARY, "libnvidia-ml.so.1");
}
