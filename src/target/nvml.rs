//! What NVIDIA's driver says of its devices, by its management library. The library is loaded when it is asked, for it comes with the driver: a
//! machine without one is told so, and nothing of Fitout needs it.

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::sync::mpsc::channel;
use std::time::Duration;

/// By this name the driver's library is known to the dynamic linker.
pub const LIBRARY: &str = "libnvidia-ml.so.1";

/// How long a driver may take to answer: a GPU that fell off the bus can keep it for ever.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the driver says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverSays {
    /// Its version.
    pub driver: String,
    /// The newest CUDA that it knows.
    pub cuda: Option<(u32, u32)>,
    /// Its devices.
    pub devices: Vec<GpuDevice>,
}

/// A GPU. What it does not know of itself is absent: older and smaller ones have neither ECC nor MIG.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuDevice {
    /// Such as `NVIDIA H100 80GB HBM3`.
    pub name: String,
    /// `90` of `sm_90`.
    pub architecture: Option<u32>,
    /// All of its memory, in bytes.
    pub memory: Option<u64>,
    /// Whether it stays initialised while nobody uses it.
    pub persistence: Option<bool>,
    /// Whether its memory corrects errors.
    pub ecc: Option<bool>,
    /// Whether it is divided.
    pub mig: Option<bool>,
    /// Of the last moment, the share in which something was computed, in hundredths.
    pub used: Option<u32>,
}

/// Asks the driver through the library of this name or path; `None` where there is no such library.
///
/// # Errors
/// The library is there, and the driver does not answer, or not so.
pub fn ask_driver(library: &OsStr) -> Result<Option<DriverSays>, String> {
    let (answer, answered) = channel();
    let library = library.to_owned();
    // A thread that a driver keeps ends with the program.
    std::thread::spawn(move || answer.send(asked(&library)).ok());
    let late = |_| format!("it did not answer within {} s", PATIENCE.as_secs());
    match answered.recv_timeout(PATIENCE).map_err(late)? {
        Ok(says) => Ok(Some(says)),
        Err(NvmlError::LibloadingError(_)) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

fn asked(library: &OsStr) -> Result<DriverSays, NvmlError> {
    let nvml = Nvml::builder().lib_path(library).init()?;
    let cuda = nvml.sys_cuda_driver_version().ok();
    let number = |part: i32| u32::try_from(part).unwrap_or_default();
    Ok(DriverSays {
        driver: nvml.sys_driver_version()?,
        cuda: cuda.map(|version| (number(version / 1000), number(version % 1000 / 10))),
        devices: (0..nvml.device_count()?).map(|index| nvml.device_by_index(index).map(|one| device(&one))).collect::<Result<_, _>>()?,
    })
}

/// `NVML_DEVICE_MIG_ENABLE`.
const DIVIDED: u32 = 1;

fn device(device: &Device<'_>) -> GpuDevice {
    let architecture = device.cuda_compute_capability().ok();
    GpuDevice {
        name: device.name().unwrap_or_else(|_| "a GPU without a name".into()),
        architecture: architecture.and_then(|of| u32::try_from(of.major * 10 + of.minor).ok()),
        memory: device.memory_info().ok().map(|memory| memory.total),
        persistence: device.is_in_persistent_mode().ok(),
        ecc: device.is_ecc_enabled().ok().map(|ecc| ecc.currently_enabled),
        mig: device.mig_mode().ok().map(|mode| mode.current == DIVIDED),
        used: device.utilization_rates().ok().map(|rates| rates.gpu),
    }
}
