//! `gpu.driver`: NVIDIA's driver by apt, built by DKMS for the target's kernel, kept at its branch, with nouveau out of its way.
//!
//! Only what computes is installed, nothing of a desktop's. A manifest that names no flavour speaks of a driver that is there already.

use super::{NvidiaPackages, fail, file};
use crate::model::{Facts, Gpu, Owner, ResourceId, Sha256, UnitName};
use crate::problem::Problem;
use crate::recipe::packages::known_to_apt;
use crate::recipe::{CHECK_TIMEOUT, Context, Item, Recipe};
use crate::resource::{Apt, Check, File, GpuPresent, HEADER, Hold, KernelModules, Spec, Switch, Unit};
use crate::step::{CheckRun, Cmd};

/// `gpu.driver`, where it is to be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    /// `550`.
    pub branch: String,
    /// All of its version; `None` for the newest of the branch.
    pub version: Option<String>,
    /// Which of its builds.
    pub flavour: Flavour,
    /// Whose packages.
    pub source: DriverSource,
    /// Where NVIDIA's come from.
    pub packages: NvidiaPackages,
    /// Repositories of the same manifest, which come first: they may have what the kernel's modules are built with.
    pub repositories: Vec<String>,
}

/// Which build of a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// With the open kernel modules: Turing and later; the only one from Blackwell on.
    Open,
    /// With NVIDIA's own modules: Maxwell to Hopper.
    Proprietary,
    /// Ubuntu's build for servers, with the open modules.
    OpenServer,
    /// Ubuntu's build for servers, with NVIDIA's own modules.
    Server,
}

impl Flavour {
    const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::OpenServer)
    }

    const fn is_server(self) -> bool {
        matches!(self, Self::OpenServer | Self::Server)
    }
}

/// Whose packages of the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriverSource {
    /// The distribution's own.
    Distribution,
    /// NVIDIA's.
    Nvidia,
}

/// The branch that a release of Debian has.
const DEBIANS: [(&str, &str, &str); 3] = [("11", "bullseye", "470"), ("12", "bookworm", "535"), ("13", "trixie", "550")];

/// The first branch of NVIDIA's packages for Debian in which what computes is a package of its own.
const FIRST_SPLIT: u32 = 560;
/// The first branch of NVIDIA's packages for Ubuntu that are named as those for Debian are.
const FIRST_ALIKE: u32 = 590;

/// What belongs to a driver, whoever packed it: kept at its branch.
const SET: [&str; 19] = [
    "cuda-drivers*",
    "firmware-nvidia*",
    "libcuda1",
    "libnvidia-cfg*",
    "libnvidia-compute*",
    "libnvidia-gpucomp*",
    "libnvidia-ml1",
    "libnvidia-nvvm*",
    "libnvidia-pkcs11*",
    "libnvidia-ptxjitcompiler*",
    "nvidia-alternative",
    "nvidia-compute-utils*",
    "nvidia-dkms*",
    "nvidia-driver*",
    "nvidia-headless*",
    "nvidia-kernel*",
    "nvidia-open*",
    "nvidia-smi",
    "nvidia-utils*",
];

/// Says when the daemon starts, where its package does not.
const AT_BOOT: &str = "/etc/systemd/system/nvidia-persistenced.service.d/fitout.conf";
const INSTALL: &str = "[Install]\nWantedBy=multi-user.target\n";

/// Kept out of the kernel, which would give it the GPU first: now, and in the initramfs.
const NOUVEAU: &str = "blacklist nouveau\noptions nouveau modeset=0\n";

impl Driver {
    fn number(&self) -> u32 {
        self.branch.parse().unwrap_or_default()
    }

    /// The version that is asked for, as apt and dpkg are asked: a pattern.
    fn wanted(&self) -> String {
        self.version.as_ref().map_or_else(|| format!("{}.*", self.branch), |version| format!("{version}-*"))
    }

    /// The packages, without those that follow from them.
    fn names(&self, facts: &Facts) -> Result<Vec<String>, Vec<Problem>> {
        let (branch, open) = (&self.branch, self.flavour.is_open());
        let ubuntu = facts.distribution.id == "ubuntu";
        if self.flavour.is_server() && !(ubuntu && self.source == DriverSource::Distribution) {
            let instead = if open { "open" } else { "proprietary" };
            let problem = "only Ubuntu packs a driver for servers apart from others";
            return Err(fail(problem).into_iter().map(|problem| problem.suggest(format!("write `flavour: {instead}`"))).collect());
        }
        let names: Vec<String> = match (self.source, ubuntu) {
            (DriverSource::Distribution, true) => {
                let server = if self.flavour.is_server() { "-server" } else { "" };
                let modules = if open { "-open" } else { "" };
                vec![format!("nvidia-headless-{branch}{server}{modules}"), format!("nvidia-utils-{branch}{server}")]
            }
            (DriverSource::Distribution, false) => {
                self.must_be_debians(facts)?;
                let modules = if open { "nvidia-open-kernel-dkms" } else { "nvidia-kernel-dkms" };
                vec![modules.into(), "nvidia-smi".into(), "libcuda1".into()]
            }
            (DriverSource::Nvidia, true) if self.number() < FIRST_ALIKE => {
                vec![if open { format!("nvidia-open-{branch}") } else { format!("cuda-drivers-{branch}") }]
            }
            (DriverSource::Nvidia, ubuntu) => {
                let modules = if open { "nvidia-kernel-open-dkms" } else { "nvidia-kernel-dkms" };
                let split = ubuntu || self.number() >= FIRST_SPLIT;
                let programs: &[&str] = if split { &["nvidia-driver-cuda"] } else { &["nvidia-smi", "libcuda1"] };
                std::iter::once(modules).chain(programs.iter().copied()).map(str::to_owned).collect()
            }
        };
        Ok(names)
    }

    fn must_be_debians(&self, facts: &Facts) -> Result<(), Vec<Problem>> {
        let version = &facts.distribution.version;
        match DEBIANS.iter().find(|row| row.0 == version) {
            Some((.., has)) if *has == self.branch => Ok(()),
            Some((_, name, has)) => {
                let problem = fail(format!("Debian {version} ({name}) has branch {has} of the driver, not {}", self.branch));
                Err(problem.into_iter().map(|one| one.suggest(format!("write `branch: \"{has}\"`, or `source: nvidia`"))).collect())
            }
            None => Err(fail(format!("which driver {} {version} has is not known", facts.distribution.id))),
        }
    }

    /// What makes apt know the packages, and what they wait for.
    fn repository(&self, context: &Context<'_>) -> Result<(Vec<Spec>, Vec<ResourceId>), Vec<Problem>> {
        let distribution = &context.facts.distribution;
        match self.source {
            DriverSource::Nvidia => self.packages.known(context),
            // Ubuntu's packages are in `restricted`, which its sources have from the start.
            DriverSource::Distribution if distribution.id == "ubuntu" => Ok((Vec::new(), Vec::new())),
            DriverSource::Distribution => {
                let name = &distribution.codename;
                let stanza = |uri: &str, suites: &str| {
                    let key = "/usr/share/keyrings/debian-archive-keyring.gpg";
                    let parts = "contrib non-free non-free-firmware";
                    format!("Types: deb\nURIs: {uri}\nSuites: {suites}\nComponents: {parts}\nSigned-By: {key}\n")
                };
                let usual = stanza("http://deb.debian.org/debian", &format!("{name} {name}-updates"));
                let security = stanza("http://deb.debian.org/debian-security", &format!("{name}-security"));
                let text = format!("# {HEADER}\n{usual}\n{security}");
                let sources = file("/etc/apt/sources.list.d/fitout-debian-non-free.sources", text, Vec::new())?;
                let known = vec![sources.id()];
                Ok((vec![Spec::File(sources)], known))
            }
        }
    }

    /// What keeps apt at the branch, and at one maker's packages where both are known to it.
    fn pin(&self) -> Result<File, Vec<Problem>> {
        // Above 1000: an older release takes the place of a newer one.
        let branch = (format!("version {}", self.wanted()), "1001");
        let not_nvidias = (self.source == DriverSource::Distribution).then(|| ("release l=NVIDIA CUDA".to_owned(), "-1"));
        let stanza = |(pin, priority): (String, &str)| format!("\nPackage: {}\nPin: {pin}\nPin-Priority: {priority}\n", SET.join(" "));
        let stanzas: String = not_nvidias.into_iter().chain([branch]).map(stanza).collect();
        file("/etc/apt/preferences.d/fitout-nvidia-driver.pref", format!("# {HEADER}\n{stanzas}"), Vec::new())
    }

    /// That the driver that runs is the one, where there is a GPU and a driver runs.
    fn check(&self, facts: &Facts) -> Option<Spec> {
        let runs = facts.driver.as_deref().filter(|_| facts.gpu == Gpu::Present)?;
        let cmd = Cmd { user: Owner::Root, ..Cmd::new(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]) };
        let wanted = self.version.clone().unwrap_or_else(|| format!("{}.", self.branch));
        let digest = Sha256::of_parts(cmd.argv.iter().map(String::as_str).chain([wanted.as_str(), runs]));
        let run = CheckRun { name: "gpu-driver".into(), cmd, stdout_contains: Some(wanted), timeout: CHECK_TIMEOUT, digest };
        Some(Spec::Check(Check { run }))
    }
}

impl Recipe for Driver {
    fn item(&self) -> Item {
        Item::section("gpu.driver")
    }

    fn lower(&self, context: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        let (mut specs, known) = self.repository(context)?;
        let (pin, nouveau) = (self.pin()?, file("/etc/modprobe.d/fitout-nvidia.conf", format!("# {HEADER}\n{NOUVEAU}"), Vec::new())?);
        let others = known_to_apt(&self.repositories);
        let ready: Vec<ResourceId> = known.into_iter().chain(others).chain([pin.id(), nouveau.id()]).collect();
        let names = self.names(context.facts)?;
        let requests = names.iter().map(|name| format!("{name}={}", self.wanted())).collect();
        let driver = Apt::new("gpu-driver", requests, ready);
        let installed = vec![ResourceId::new("apt", &driver.name)];
        let daemon = Apt::new("nvidia-persistenced", self.daemon(context.facts).into_iter().collect(), installed.clone());
        let modules = KernelModules {
            name: "nvidia".into(),
            version: self.version.clone().unwrap_or_else(|| self.branch.clone()),
            taken_along: Sha256::of(NOUVEAU.as_bytes()),
            requires: installed.clone(),
        };
        // The rest of the driver asks for these in their very version.
        let hold = Hold { name: "gpu-driver".into(), packages: names, requires: installed.clone(), ownership: None };
        let unit = UnitName::parse("nvidia-persistenced.service").map_err(|e| fail(e.0))?;
        let mut requires = if daemon.packages.is_empty() { installed } else { vec![ResourceId::new("apt", &daemon.name)] };
        // The daemon among Ubuntu's packages of the driver has a unit that udev starts, and that nothing can enable.
        let at_boot = if daemon.packages.is_empty() {
            Some(File { read_by: vec![unit.clone()], ..file(AT_BOOT, format!("# {HEADER}\n{INSTALL}"), Vec::new())? })
        } else {
            None
        };
        requires.extend(at_boot.iter().map(File::id));
        let unit = Unit { enabled: Some(Switch::On), requires, reads: at_boot.iter().cloned().collect(), ..Unit::new(unit) };
        specs.extend([Spec::File(pin), Spec::File(nouveau), Spec::Apt(driver)]);
        specs.extend((!daemon.packages.is_empty()).then_some(Spec::Apt(daemon)));
        specs.extend(at_boot.map(Spec::File));
        specs.extend([Spec::KernelModules(modules), Spec::Hold(hold), Spec::Unit(unit)]);
        specs.extend(self.check(context.facts));
        Ok(specs)
    }
}

impl Driver {
    /// The package of the daemon that keeps GPUs initialised, where it is not among the others'.
    fn daemon(&self, facts: &Facts) -> Option<String> {
        let own = !(facts.distribution.id == "ubuntu" && (self.source == DriverSource::Distribution || self.number() < FIRST_ALIKE));
        own.then(|| "nvidia-persistenced".to_owned())
    }
}

/// `gpu.presence: required`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuPresence;

impl Recipe for GpuPresence {
    fn item(&self) -> Item {
        Item::section("gpu.presence")
    }

    fn lower(&self, _: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        Ok(vec![Spec::GpuPresent(GpuPresent)])
    }
}
