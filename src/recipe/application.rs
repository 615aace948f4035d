//! `custom_applications`: containers as services, whose ports are open on loopback only.
//!
//! To whom: the machine's owner and root. Loopback knows no owner, so the kernel's packet filter asks whose socket it is, before anything of the
//! engine's own.
//!
//! By podman's quadlets where the distribution's podman has them (4.4), by docker elsewhere. What a container's environment holds is in a file that root alone
//! reads, never in a unit, which everyone may read.

use super::{Context, Item, Recipe};
use crate::model::unit_text::{self, argument};
use crate::model::{Facts, Meta, Mode, ResourceId, TargetPath, UnitName, UserName};
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

    /// The network device by which the machine itself reaches its containers.
    const fn device(self) -> &'static str {
        match self {
            Self::Podman => "podman0",
            Self::Docker => "docker0",
        }
    }
}

/// A name as a part of names of files and units.
#[must_use]
pub fn slug(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}

/// The value of a quadlet's line, whatever is in it: the generator makes one word of it, quotes and backslashes included, and leaves the rest to systemd.
fn value(text: &str) -> String {
    unit_text::value(text).replace('$', "$$")
}

impl Application {
    fn unit_name(&self) -> String {
        format!("{APPLICATION}{}", slug(&self.name))
    }

    fn environment_file(&self) -> String {
        format!("/etc/fitout/applications/{}.env", slug(&self.name))
    }

    fn filter_file(&self) -> String {
        format!("/etc/fitout/applications/{}.nft", slug(&self.name))
    }

    /// Who may open its ports, on loopback and in the container's own network: the owner and root. In one transaction, whatever was there before.
    fn filter(&self, engine: Engine, owner: Option<&UserName>) -> String {
        let table = format!("table inet {}", self.unit_name());
        let list = |ports: Vec<String>| ports.join(", ");
        let published = list(self.ports.iter().map(|(published, _)| published.to_string()).collect());
        let target = list(self.ports.iter().map(|(_, target)| target.to_string()).collect());
        let who = list(["root"].into_iter().chain(owner.map(UserName::as_str)).map(|user| format!("\"{user}\"")).collect());
        let refuse = |device: &str, ports: &str| {
            format!("\t\toifname \"{device}\" tcp dport {{ {ports} }} meta skuid != {{ {who} }} reject with tcp reset\n")
        };
        // Before the engine's rules send a packet elsewhere.
        format!(
            "# {HEADER}\n{table}\ndelete {table}\n{table} {{\n\tchain output {{\n\t\ttype filter hook output priority mangle\n{}{}\t}}\n}}\n",
            refuse("lo", &published),
            refuse(engine.device(), &target),
        )
    }

    /// What its unit does about the filter, before it starts and after it ended.
    fn filtered(&self) -> String {
        let (file, table) = (self.filter_file(), self.unit_name());
        if self.ports.is_empty() {
            return String::new();
        }
        format!("ExecStartPre=/usr/sbin/nft -f {file}\nExecStopPost=-/usr/sbin/nft delete table inet {table}\n")
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
        let mounts = self.mounts.iter().map(|(source, target)| format!("Volume={}\n", value(&format!("{source}:{target}"))));
        let lines: Vec<String> = ports.chain(mounts).collect();
        format!(
            "{}\n[Container]\nContainerName={name}\nImage={}\n{}EnvironmentFile={}\n\n\
             [Service]\n{}Restart=on-failure\nRestartSec=10\n# The image is fetched at the first start.\nTimeoutStartSec=infinity\n\n[Install]\nWantedBy=multi-user.target\n",
            self.head(),
            full(&self.image),
            lines.concat(),
            self.environment_file(),
            self.filtered()
        )
    }

    fn service(&self, name: &str) -> String {
        let ports = self.ports.iter().flat_map(|(published, target)| ["--publish".into(), format!("127.0.0.1:{published}:{target}")]);
        let mounts = self.mounts.iter().flat_map(|(source, target)| ["--volume".into(), argument(&format!("{source}:{target}"))]);
        let options: Vec<String> = ports.chain(mounts).collect();
        format!(
            "{}Requires=docker.service\n\n[Service]\n{}ExecStartPre=-/usr/bin/docker rm --force {name}\n\
             ExecStart=/usr/bin/docker run --rm --name {name} --env-file {} {} {}\nExecStop=/usr/bin/docker stop {name}\n\
             Restart=on-failure\nRestartSec=10\n# The image is fetched at the first start.\nTimeoutStartSec=infinity\n\n[Install]\nWantedBy=multi-user.target\n",
            self.head(),
            self.filtered(),
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
        let filter = file(&self.filter_file(), self.filter(engine, context.owner), Mode::FILE)?;
        let files = [file(&self.environment_file(), environment, Mode::PRIVATE)?, filter, file(&at, text, Mode::FILE)?];
        let packages = [engine.package(), "nftables"].map(|name| Apt::new(name, vec![name.into()], Vec::new()));
        let owner = context.owner.map(|owner| ResourceId::new("user", owner));
        let there = packages.iter().map(|package| ResourceId::new("apt", &package.name));
        let requires = files.iter().map(File::id).chain(there).chain(owner).collect();
        // What a quadlet becomes is enabled by what it says itself, and cannot be otherwise.
        let enabled = (engine == Engine::Docker).then_some(Switch::On);
        let service = Unit { enabled, active: Some(Switch::On), requires, reads: files.to_vec(), ..Unit::new(unit.clone()) };
        let specs = packages.map(Spec::Apt).into_iter().chain(files.map(Spec::File));
        Ok(specs.chain([Spec::Unit(service)]).collect())
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
            let mount = if engine == Engine::Docker {
                r#""/home/azureuser/cloud \"files:/data""#
            } else {
                "Volume=/home/azureuser/cloud \"files:/data\n"
            };
            assert!(text.contains(mount) && text.contains("RStudio 100%%"), "{text}");
            assert!(at.contains("fitout-app-rstudio-100-"), "{at}");
        }
    }

    #[test]
    fn its_ports_are_the_owners() {
        let ada = UserName::parse("ada").unwrap();
        let filter = application().filter(Engine::Docker, Some(&ada));
        let refused = "oifname \"lo\" tcp dport { 8787, 9000 } meta skuid != { \"root\", \"ada\" } reject with tcp reset\n";
        assert!(filter.contains(refused) && filter.contains("oifname \"docker0\" tcp dport { 8787, 9001 }"), "{filter}");
        assert!(application().filter(Engine::Podman, None).contains("\"podman0\" tcp dport { 8787, 9001 } meta skuid != { \"root\" }"));
        let (_, text) = application().definition(Engine::Docker);
        assert!(text.contains("ExecStartPre=/usr/sbin/nft -f /etc/fitout/applications/rstudio-100-.nft\n"), "{text}");
        let closed = Application { ports: Vec::new(), ..application() };
        assert!(!closed.definition(Engine::Podman).1.contains("nft"));
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
