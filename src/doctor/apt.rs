//! Packages: whether dpkg was interrupted, and sources that are not verified.

use super::{Finding, Level};
use crate::model::ResourceId;
use crate::target::look::{names, text};
use crate::target::{Probe, ProbeError};

const SOURCES: &str = "/etc/apt/sources.list.d";
/// Options of sources.list(5) that take a source without its signature.
const UNVERIFIED: [&str; 4] = ["trusted=yes", "trusted: yes", "allow-insecure=yes", "allow-insecure: yes"];

pub fn findings(on: &dyn Probe, _: &[ResourceId]) -> Result<Vec<Finding>, ProbeError> {
    let packages = on.packages()?;
    let broken: Vec<&str> = packages.half_installed.iter().chain(&packages.unconfigured).map(String::as_str).collect();
    let mut found = Vec::new();
    if broken.is_empty() {
        found.push(Finding::new("apt", Level::Fine, format!("{} packages, none half installed", names_without_architecture(on)?)));
    } else {
        let says = format!("dpkg was interrupted at {}", broken.join(", "));
        found
            .push(Finding::new("apt", Level::Warning, says).hint("the next `fitout apply` goes on with them before it does anything else"));
    }
    let files = names(on, SOURCES)?.into_iter().map(|name| format!("{SOURCES}/{name}")).chain(["/etc/apt/sources.list".to_owned()]);
    for file in files {
        let lower = text(on, &file)?.unwrap_or_default().to_lowercase();
        let says = lower.lines().find(|line| !line.trim_start().starts_with('#') && UNVERIFIED.iter().any(|word| line.contains(word)));
        if says.is_some() {
            let says = format!("{file} takes packages that nobody signed");
            found.push(Finding::new("apt", Level::Warning, says).hint("describe it in `packages.repositories`, with `signed_by`"));
        }
    }
    Ok(found)
}

/// How many packages are wholly installed; those of `name:architecture` are named twice.
fn names_without_architecture(on: &dyn Probe) -> Result<usize, ProbeError> {
    Ok(on.packages()?.installed.keys().filter(|name| !name.contains(':')).count())
}
