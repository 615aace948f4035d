//! Azure: who this machine is, by its metadata service (IMDS), a token of its managed identity, and the call that deallocates it.
//!
//! IMDS is asked by a client without proxies and redirects, with the header that no browser sends. A token is kept in memory and goes to one
//! of Azure's own managers, by https, and nowhere else.

use crate::fetch::{Near, Question, Reply, Verb};
use crate::target::look::text;
use crate::target::{Probe, ProbeError};
use serde::Deserialize;
use url::Url;

/// The chassis of every machine of Azure (Azure's documentation of IMDS; cloud-init asks it too).
const CHASSIS: &str = "7783-7084-3265-9085-8269-3286-77";
/// Where a kernel says what the chassis is.
const ASSET: &str = "/sys/class/dmi/id/chassis_asset_tag";
/// Versions of the interfaces.
const INSTANCE: &str = "2021-02-01";
const IDENTITY: &str = "2018-02-01";
const COMPUTE: &str = "2024-07-01";
/// The managers of Azure's clouds, by their names in IMDS.
const MANAGERS: [(&str, &str); 3] = [
    ("AzurePublicCloud", "https://management.azure.com/"),
    ("AzureUSGovernmentCloud", "https://management.usgovcloudapi.net/"),
    ("AzureChinaCloud", "https://management.chinacloudapi.cn/"),
];

/// Whether a machine is one of Azure's.
///
/// # Errors
/// It cannot be looked at.
pub fn is_azure(on: &dyn Probe) -> Result<bool, ProbeError> {
    Ok(text(on, ASSET)?.is_some_and(|tag| tag.trim() == CHASSIS))
}

/// Why a cloud did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {act}: {cause}")]
pub struct CloudError {
    act: &'static str,
    cause: String,
}

/// A virtual machine of Azure's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Vm {
    /// Its id in Azure.
    pub resource_id: String,
    /// Which of Azure's clouds it is in.
    pub az_environment: String,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

/// Azure's two interfaces.
#[derive(Debug)]
pub struct Azure {
    near: Near,
    cloud: Near,
    metadata: Url,
    manager: Option<Url>,
}

/// This machine, and leave to stop it: everything that can be found out before anything is stopped.
pub struct Leave {
    deallocate: Url,
    token: String,
}

/// Without the token.
impl std::fmt::Debug for Leave {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leave").field("deallocate", &self.deallocate.as_str()).finish_non_exhaustive()
    }
}

fn failed<E: std::fmt::Display>(act: &'static str) -> impl FnOnce(E) -> CloudError {
    move |error| CloudError { act, cause: error.to_string() }
}

/// Finding out who this machine is.
const WHO: &str = "ask Azure's metadata service (IMDS, 169.254.169.254) who this machine is";
/// Asking for leave.
const MAY: &str = "get a token of this machine's managed identity";
/// Stopping it.
const STOP: &str = "have Azure deallocate this machine";

impl Azure {
    /// Azure, as every machine of it sees it.
    ///
    /// # Errors
    /// No client can be made.
    pub fn new() -> Result<Self, CloudError> {
        let metadata = Url::parse("http://169.254.169.254/").map_err(failed(WHO))?;
        Self::at(metadata, None)
    }

    /// With interfaces at other addresses.
    ///
    /// # Errors
    /// No client can be made.
    pub fn at(metadata: Url, manager: Option<Url>) -> Result<Self, CloudError> {
        Ok(Self { near: Near::new().map_err(failed(WHO))?, cloud: Near::cloud().map_err(failed(STOP))?, metadata, manager })
    }

    fn metadata(&self, act: &'static str, path: &str, query: &[(&str, &str)]) -> Result<Vec<u8>, CloudError> {
        let mut url = self.metadata.join(path).map_err(failed(act))?;
        url.query_pairs_mut().extend_pairs(query);
        let reply = self.near.ask(&Question { url, headers: &[("Metadata", "true")], verb: Verb::Get }).map_err(failed(act))?;
        if reply.status == 200 { Ok(reply.body) } else { Err(CloudError { act, cause: refusal(&reply) }) }
    }

    /// Who this machine is.
    ///
    /// # Errors
    /// The metadata service does not say.
    pub fn vm(&self) -> Result<Vm, CloudError> {
        let body = self.metadata(WHO, "metadata/instance/compute", &[("api-version", INSTANCE), ("format", "json")])?;
        let vm: Vm = serde_json::from_slice(&body).map_err(failed(WHO))?;
        let shape = |c: char| c.is_ascii_alphanumeric() || "/._-()".contains(c);
        if vm.resource_id.starts_with("/subscriptions/") && vm.resource_id.chars().all(shape) && !vm.resource_id.contains("..") {
            return Ok(vm);
        }
        Err(CloudError { act: WHO, cause: "what it names is no resource of Azure's".into() })
    }

    /// Finds out all that stopping this machine takes, and stops nothing.
    ///
    /// # Errors
    /// It cannot be told who this machine is, or it has no identity.
    pub fn leave(&self) -> Result<Leave, CloudError> {
        let vm = self.vm()?;
        let known = MANAGERS.iter().find(|(name, _)| *name == vm.az_environment).map(|(_, url)| *url);
        let unknown = || CloudError { act: STOP, cause: format!("its cloud `{}` is not known", vm.az_environment) };
        let own = known.ok_or_else(unknown)?;
        let manager = match &self.manager {
            Some(url) => url.clone(),
            None => Url::parse(own).map_err(failed(STOP))?,
        };
        let body = self.metadata(MAY, "metadata/identity/oauth2/token", &[("api-version", IDENTITY), ("resource", own)])?;
        let token: Token = serde_json::from_slice(&body).map_err(|_| CloudError { act: MAY, cause: "what came is no token".into() })?;
        let mut deallocate = manager.join(&format!("{}/deallocate", vm.resource_id.trim_start_matches('/'))).map_err(failed(STOP))?;
        deallocate.query_pairs_mut().append_pair("api-version", COMPUTE);
        Ok(Leave { deallocate, token: token.access_token })
    }

    /// Has the machine deallocated. Azure then shuts it down, as its power button does, and stops the bill for it.
    ///
    /// # Errors
    /// Azure cannot be reached, or refuses.
    pub fn deallocate(&self, leave: &Leave) -> Result<(), CloudError> {
        let bearer = format!("Bearer {}", leave.token);
        let question = Question { url: leave.deallocate.clone(), headers: &[("Authorization", &bearer)], verb: Verb::Post };
        let reply = self.cloud.ask(&question).map_err(failed(STOP))?;
        match reply.status {
            200 | 202 => Ok(()),
            _ => Err(CloudError { act: STOP, cause: refusal(&reply) }),
        }
    }
}

/// A refusal in a line, by the code and message that both interfaces give.
fn refusal(reply: &Reply) -> String {
    let said: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let error = &said["error"];
    let code = error.as_str().or_else(|| error["code"].as_str()).unwrap_or_default();
    let message = said["error_description"].as_str().or_else(|| error["message"].as_str()).unwrap_or_default();
    let line: String = format!("{code} {message}").chars().filter(|c| !c.is_control()).take(300).collect();
    let help = match reply.status {
        400 | 404 if code.contains("invalid_request") || message.contains("Identity not found") => {
            "; give the machine a managed identity: `az vm identity assign`"
        }
        403 => "; give its identity a role that may deallocate it, such as `Virtual Machine Contributor` on itself",
        _ => "",
    };
    format!("it answers {}{}{}{help}", reply.status, if line.trim().is_empty() { "" } else { ": " }, line.trim())
}
