//! `containers`: that container engines of the target can hand its GPUs to containers: Docker by NVIDIA's runtime, Podman and newer
//! Dockers by a list of devices (CDI), which is made where there is a GPU.
//!
//! Docker's configuration is its administrator's: nothing but the runtime is added to it, by NVIDIA's own program.

use super::written::text_of;
use super::{Resource, Written};
use crate::model::{Gpu, ResourceId, UnitName};
use crate::step::{Ability, CONTAINER_DEVICES, Change, Op, Query, Step, Tool, UnitVerb};
use crate::target::look::{path, stat, text};
use crate::target::{Probe, ProbeError, read_facts, stale_path};
use serde::Serialize;
use serde_json::Value;

/// NVIDIA's part in container engines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Containers {
    /// What must be there first.
    pub requires: Vec<ResourceId>,
}

/// Engines as they are.
#[derive(Debug, Serialize)]
pub struct State {
    docker: Docker,
    /// Whether the devices are listed, for the driver that runs; `None` where there is no GPU to list.
    listed: Option<bool>,
}

/// Docker as it is.
#[derive(Debug, PartialEq, Eq, Serialize)]
enum Docker {
    Absent,
    /// It knows the runtime, or will when it is restarted.
    Knows {
        restart: bool,
    },
    /// It does not know it; whether it runs.
    Ignorant {
        runs: bool,
    },
}

const ENGINES: [&str; 2] = ["/usr/bin/dockerd", "/usr/sbin/dockerd"];
const UNIT: &str = "docker.service";
const CONFIGURATION: &str = "/etc/docker/daemon.json";

fn unit() -> Result<UnitName, ProbeError> {
    UnitName::parse(UNIT).map_err(|e| ProbeError::new("use a unit", e.0))
}

fn docker(on: &dyn Probe) -> Result<Docker, ProbeError> {
    if ENGINES.into_iter().map(|at| stat(on, at)).collect::<Result<Vec<_>, _>>()?.iter().all(Option::is_none) {
        return Ok(Docker::Absent);
    }
    let runs = on.has(Ability::RunningSystem) && on.query(&Query::UnitActive(unit()?))?.status == 0;
    let Some(configured) = text(on, CONFIGURATION)?.filter(|text| !text.trim().is_empty()) else {
        return Ok(Docker::Ignorant { runs });
    };
    let knows = knows_runtime(&configured).map_err(|e| ProbeError::new(format!("read {CONFIGURATION}"), format!("it is no JSON: {e}")))?;
    Ok(if knows { Docker::Knows { restart: runs && on.stat(&stale_path(&unit()?)?)?.is_some() } } else { Docker::Ignorant { runs } })
}

/// Whether a configuration of Docker names NVIDIA's runtime.
fn knows_runtime(configuration: &str) -> Result<bool, serde_json::Error> {
    serde_json::from_str::<Value>(configuration).map(|value| value.pointer("/runtimes/nvidia/path").is_some())
}

/// Whether the list of devices is of the driver that runs: its libraries are named by its version.
fn listed(on: &dyn Probe) -> Result<Option<bool>, ProbeError> {
    let facts = read_facts(on)?;
    let Some(driver) = facts.driver.filter(|_| facts.gpu == Gpu::Present) else { return Ok(None) };
    let list = on.read(&path(CONTAINER_DEVICES)?)?.unwrap_or_default();
    Ok(Some(String::from_utf8_lossy(&list).contains(&format!("libcuda.so.{driver}"))))
}

impl Resource for Containers {
    type State = State;

    fn id(&self) -> ResourceId {
        ResourceId::new("containers", "nvidia")
    }

    fn requires(&self) -> Vec<ResourceId> {
        self.requires.clone()
    }

    fn writes(&self) -> Vec<Written> {
        let known = Written::unless(CONFIGURATION, |other| text_of(other).is_some_and(|text| knows_runtime(text).is_ok_and(|known| known)));
        vec![known, Written::alone(CONTAINER_DEVICES)]
    }

    fn observe(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        Ok(State { docker: docker(on)?, listed: listed(on)? })
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        let tool = |tool, why: &str| Step::new(Change::Modify, Op::RunTool(tool), why).needs(Ability::Exec);
        let restart = || {
            let verb = |unit| Op::Unit { verb: UnitVerb::Restart, unit };
            unit().ok().map(|unit| Step::new(Change::Modify, verb(unit), "it has not read its configuration").needs(Ability::RunningSystem))
        };
        let docker = match now.docker {
            Docker::Absent | Docker::Knows { restart: false } => vec![],
            Docker::Knows { restart: true } => vec![restart()],
            Docker::Ignorant { runs } => {
                vec![Some(tool(Tool::DockerRuntime, "it is not in its configuration")), restart().filter(|_| runs)]
            }
        };
        let devices = (now.listed == Some(false)).then(|| tool(Tool::ContainerDevices, "not listed for the driver that runs"));
        docker.into_iter().chain([devices]).flatten().collect()
    }
}
