//! `custom_applications`: containers as services, whose ports are open on loopback only.
//!
//! By podman's quadlets where the distribution's podman has them (4.4), by docker elsewhere. What a container's environment holds is in a file that root alone
//! reads, never in a unit, which everyone may read.

use super::{Context, Item, Recipe};
use crate::model::{Facts, Meta, Mode, ResourceId, TargetPath, UnitName};
use crate::problem::{Code, Problem};
use crate::resource::{Apt, File, HEADER, Policy, Spec, Switch, Unit};
use crate::step::Content;

/// One of `custom_applications`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// Ports: of the machine, on loopback, and in the container.
    pub ports: Vec<(u16, u16)>,
    /// Directories: of the machine, and in the container.
    pub mounts: Vec<(String, String)>,
    /// Variables of its environment.
    pub environment: Vec<(String, String)>,
}

/// What begins the names of the units of applications.
pub const APPLICATION: &str = "fitout-app-";

/// Releases whose podman knows quadlets: it has 4.4 or newer.
const QUADLETS: [(&str, &str); 3] = [("debian", "13"), ("ubuntu", "24.04"), ("ubuntu", "26.04")];

/// What runs containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    Podman,
    Docker,
}

impl Engine {
    fn of(facts: &Facts) -> Self {
        let release = (facts.distribution.id.as_str(), facts.distribution.version.as_str());
        if QUADLETS.contains(&release) { Self::Podman } else { Self::Docker }
    }

    const fn package(self) -> &'static str {
        match self {
            Self::Podman => "podman",
            Self::Docker => "docker.io",
        }
    }
}

/// A name as a part of names of files and units.
#[must_use]
pub fn slug(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}

/// A word of a unit's line, whatever is in it (systemd.syntax(7), systemd.unit(5)).
fn word(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$"))
}

impl Application {
    fn unit_name(&self) -> String {
        format!("{APPLICATION}{}", slug(&self.name))
    }

    fn environment_file(&self) -> String {
        format!("/etc/fitout/applications/{}.env", slug(&self.name))
    }

    /// Where its definition is, and what it says.
    fn definition(&self, engine: Engine) -> (String, String) {
        let name = self.unit_name();
        match engine {
            Engine::Podman => (format!("/etc/containers/systemd/{name}.container"), self.quadlet(&name)),
            Engine::Docker => (format!("/etc/systemd/system/{name}.service"), self.service(&name)),
        }
    }

    fn head(&self) -> String {
        format!(
            "# {HEADER}\n[Unit]\nDescription=Custom application {}\nWants=network-online.target\nAfter=network-online.target docker.service\n",
            self.name.replace('%', "%%")
        )
    }

    fn quadlet(&self, name: &str) -> String {
        let ports = self.ports.iter().map(|(published, target)| format!("PublishPort=127.0.0.1:{published}:{target}\n"));
        let mounts = self.mounts.iter().map(|(source, target)| format!("Volume={}\n", word(&format!("{source}:{target}"))));
        let lines: Vec<String> = ports.chain(mounts).collect();
        format!(
            "{}\n[Container]\nContainerName={name}\nImage={}\n{}EnvironmentFile={}\n\n\
             [Service]\nRestart=on-failure\nRestartSec=10\n# The image is fetched at the first start.\nTimeoutStartSec=infinity\n\n[Install]\nWantedBy=multi-user.target\n",
            self.head(),
            full(&self.image),
            lines.concat(),
            self.environment_file()
        )
    }

    fn service(&self, name: &str) -> String {
        let ports = self.ports.iter().flat_map(|(published, target)| ["--publish".into(), format!("127.0.0.1:{published}:{target}")]);
        let mounts = self.mounts.iter().flat_map(|(source, target)| ["--volume".into(), word(&format!("{source}:{target}"))]);
        let options: Vec<String> = ports.chain(mounts).collect();
        format!(
            "{}Requires=docker.service\n\n[Service]\nExecStartPre=-/usr/bin/docker rm --force {name}\n\
             ExecStart=/usr/bin/docker run --rm --name {name} --env-file {} {} {}\nExecStop=/usr/bin/docker stop {name}\n\
             Restart=on-failure\nRestartSec=10\n# The image is fetched at the first start.\nTimeoutStartSec=infinity\n\n[Install]\nWantedBy=multi-user.target\n",
            self.head(),
            self.environment_file(),
            options.join(" "),
            full(&self.image)
        )
    }
}

/// An image's whole name: what has no registry is Docker Hub's, as docker has it. podman asks.
fn full(image: &str) -> String {
    match image.split_once('/') {
        Some((registry, _)) if registry.contains(['.', ':']) || registry == "localhost" => image.to_owned(),
        Some(_) => format!("docker.io/{image}"),
        None => format!("docker.io/library/{image}"),
    }
}

impl Recipe for Application {
    fn item(&self) -> Item {
        Item::of("custom_applications", &self.name)
    }

    fn lower(&self, context: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        let fail = |error: crate::model::Invalid| vec![Problem::general(Code::BadValue, error.0)];
        let engine = Engine::of(context.facts);
        let unit = UnitName::parse(&format!("{}.service", self.unit_name())).map_err(fail)?;
        let file = |at: &str, text: String, mode| -> Result<File, Vec<Problem>> {
            let path = TargetPath::parse(at).map_err(fail)?;
            Ok(File {
                policy: Policy::Enforce,
                read_by: vec![unit.clone()],
                ..File::new(path, Content::Inline(text.into()), Meta::root(mode))
            })
        };
        let (at, text) = self.definition(engine);
        let environment: String = self.environment.iter().flat_map(|(name, value)| [name.as_str(), "=", value, "\n"]).collect();
        let files = [file(&at, text, Mode::FILE)?, file(&self.environment_file(), environment, Mode::PRIVATE)?];
        let package = Apt::new(engine.package(), vec![engine.package().into()], Vec::new());
        let requires = files.iter().map(File::id).chain([ResourceId::new("apt", &package.name)]).collect();
        // What a quadlet becomes is enabled by what it says itself, and cannot be otherwise.
        let enabled = (engine == Engine::Docker).then_some(Switch::On);
        let service = Unit { enabled, active: Some(Switch::On), requires, reads: files.to_vec(), ..Unit::new(unit.clone()) };
        let [definition, environment] = files.map(Spec::File);
        Ok(vec![Spec::Apt(package), environment, definition, Spec::Unit(service)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application() -> Application {
        Application {
            name: "RStudio 100%".into(),
            image: "ghcr.io/azure/rocker-rstudio-ml-verse:latest".into(),
            ports: vec![(8787, 8787), (9000, 9001)],
            mounts: vec![("/home/azureuser/cloud \"files".into(), "/data".into())],
            environment: vec![("RSP_LICENSE".into(), "CANARY".into())],
        }
    }

    #[test]
    fn is_open_on_loopback_and_says_no_secret() {
        for engine in [Engine::Docker, Engine::Podman] {
            let (at, text) = application().definition(engine);
            assert!(text.contains("127.0.0.1:8787:8787") && text.contains("127.0.0.1:9000:9001") && !text.contains("CANARY"), "{text}");
            assert!(text.contains(r#""/home/azureuser/cloud \"files:/data""#) && text.contains("RStudio 100%%"), "{text}");
            assert!(at.contains("fitout-app-rstudio-100-"), "{at}");
        }
    }

    #[test]
    fn an_image_without_a_registry_is_docker_hubs() {
        for (image, whole) in
            [("nginx", "docker.io/library/nginx"), ("rocker/rstudio:4", "docker.io/rocker/rstudio:4"), ("ghcr.io/a/b", "ghcr.io/a/b")]
        {
            assert_eq!(full(image), whole);
        }
    }
}
