//! `fitout agent`: the service. It ends when it is asked to, within a second.

use super::output::complain;
use super::{Exit, Global};
use crate::agent::{Work, Workstation, run as serve};
use crate::store::Store;
use std::sync::Arc;

pub fn run(global: &Global) -> Exit {
    if !nix::unistd::geteuid().is_root() {
        complain("only root may run the agent", Some("`systemctl start fitout-agent` starts it as the service that it is"));
        return Exit::NotRoot;
    }
    let served = Workstation::open(Store::at(&global.cache)).and_then(|machine| {
        let work: Arc<dyn Work> = Arc::new(machine);
        serve(&work)
    });
    match served {
        Ok(()) => Exit::Done,
        Err(error) => {
            complain(&format!("cannot run the agent: {error}"), None);
            Exit::Failed
        }
    }
}
