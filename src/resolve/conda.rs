//! Conda environments: from an `environment.yml`, which is solved, or from an exact list of packages, which is completed.
//!
//! Three kinds of text are taken as they are: `environment.yml`, an `@EXPLICIT` list (`conda list --explicit`), and a lock of rattler,
//! pixi or conda-lock. The answer is a lock for one platform in which every package has its digest.

use super::python::Wanted;
use super::{Cause, Desk};
use crate::model::{ByteSize, Sha256, project_name};
use crate::recipe::CondaAnswer;
use crate::step::{Blob, PythonPackages};
use crate::target::chain;
use rattler_conda_types::package::BuildString;
use rattler_conda_types::{
    Channel, ChannelConfig, EnvironmentYaml, ExplicitEnvironmentSpec, GenericVirtualPackage, MatchSpec, NamedChannelOrUrl, PackageName,
    ParseStrictness, RepoDataRecord, Subdir, Version,
};
use rattler_lock::{LockFile, PlatformData};
use rattler_repodata_gateway::{Gateway, RepoData};
use rattler_solve::{SolveError, SolverImpl, SolverTask, resolvo};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::str::FromStr;
use url::Url;

/// What the packages must run on: the target's, never the host's.
pub(super) struct Platform<'a> {
    pub subdir: &'a str,
    pub cuda: Option<&'a str>,
    pub glibc: &'a str,
    pub linux: Option<&'a str>,
    pub archspec: Option<&'a str>,
    /// The package index of a `pip:` section; `None` for `PyPI`.
    pub index: Option<&'a str>,
    /// Where channels are that have only a name; `None` for Anaconda's server.
    pub mirror: Option<&'a str>,
}

impl Platform<'_> {
    /// The processor, as Python wheels and `__archspec` name it.
    fn machine(&self) -> &'static str {
        if self.subdir == "linux-aarch64" { "aarch64" } else { "x86_64" }
    }
}

/// The oldest kernel among the supported releases (Debian 11), for packages that ask for `__linux`.
const KERNEL: &str = "5.10";

/// How much packages grow when they are unpacked, at most, where the channel does not tell: compiled code compresses to a third.
const GROWTH: u64 = 3;

/// The only environment of the locks that are answers.
const ENVIRONMENT: &str = "default";

/// Packages that make up an environment.
#[derive(Default)]
pub(super) struct Chosen {
    pub channels: Vec<Channel>,
    pub records: Vec<RepoDataRecord>,
    pub variables: BTreeMap<String, String>,
    pub pip: Option<PythonPackages>,
}

/// What kind of text an environment is given as.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Explicit,
    Lock,
    Environment,
}

fn kind(text: &str) -> Kind {
    let has = |key: &str| text.lines().any(|line| line.starts_with(key));
    if has("@EXPLICIT") {
        Kind::Explicit
    } else if has("version:") && (has("packages:") || has("package:")) {
        Kind::Lock
    } else {
        Kind::Environment
    }
}

/// What a text names, in any of its kinds: addresses of packages, or what is asked of a channel.
pub(super) fn read(text: &str) -> Result<Vec<String>, Cause> {
    Ok(match kind(text) {
        Kind::Explicit => {
            let list = ExplicitEnvironmentSpec::from_str(text).map_err(Cause::unsatisfiable)?;
            list.packages.iter().map(|entry| entry.url.to_string()).collect()
        }
        Kind::Lock => super::locked::read(text, std::path::Path::new("/"), Subdir::Linux64)?
            .0
            .records
            .iter()
            .map(|record| record.url.to_string())
            .collect(),
        Kind::Environment => {
            let file = EnvironmentYaml::from_yaml_str(text).map_err(Cause::unsatisfiable)?;
            file.match_specs().map(ToString::to_string).collect()
        }
    })
}

impl Desk<'_> {
    pub(super) fn conda(&self, text: &str, base: &str, channels: &[String], platform: &Platform<'_>) -> Result<CondaAnswer, Cause> {
        let subdir = Subdir::from_str(platform.subdir).map_err(Cause::unsatisfiable)?;
        let base = std::path::absolute(if base.is_empty() { "." } else { base })?;
        let chosen = match kind(text) {
            Kind::Explicit => self.explicit(text, subdir)?,
            Kind::Lock => self.locked(text, &base, subdir, (platform.machine(), platform.index))?,
            Kind::Environment => self.solved(text, channels, &channel_config(base, platform)?, platform, subdir)?,
        };
        answer(chosen, subdir)
    }

    fn solved(
        &self,
        text: &str,
        channels: &[String],
        config: &ChannelConfig,
        platform: &Platform<'_>,
        subdir: Subdir,
    ) -> Result<Chosen, Cause> {
        let file =
            EnvironmentYaml::from_yaml_str(text).map_err(|e| Cause::unsatisfiable(format!("the file is no environment.yml: {e}")))?;
        let named: Vec<NamedChannelOrUrl> = if file.channels.is_empty() {
            channels.iter().map(|name| NamedChannelOrUrl::from_str(name).map_err(Cause::unsatisfiable)).collect::<Result<_, _>>()?
        } else {
            file.channels.clone()
        };
        let channels = named.into_iter().filter(|name| !matches!(name, NamedChannelOrUrl::Name(name) if name == "nodefaults"));
        let channels = channels.map(|name| name.into_channel(config).map_err(Cause::unsatisfiable)).collect::<Result<Vec<_>, _>>()?;
        let specs: Vec<MatchSpec> = file.match_specs().cloned().collect();
        let available = self.records(&channels, subdir, &specs, Reach::Dependencies)?;
        let task = SolverTask { specs, virtual_packages: virtual_packages(platform)?, ..SolverTask::from_iter(&available) };
        let records = resolvo::Solver.solve(task).map_err(|e| unsolvable(&e))?.records;
        let pip = file.pip_specs().filter(|specs| !specs.is_empty());
        let pip = pip.map(|specs| self.pip(specs, &records, platform)).transpose()?;
        Ok(Chosen { channels, records, variables: file.variables.into_iter().collect(), pip })
    }

    /// Resolves a `pip:` section for the Python of the channels, which also keep what they bring in the release that they bring.
    fn pip(&self, specs: &[String], records: &[RepoDataRecord], platform: &Platform<'_>) -> Result<PythonPackages, Cause> {
        if let Some(option) = specs.iter().find(|spec| spec.starts_with('-')) {
            return Err(Cause::unsatisfiable(format!("options such as `{option}` in a `pip:` section are not supported; name packages")));
        }
        let name = |record: &RepoDataRecord| project_name(record.package_record.name.as_normalized());
        let python =
            records.iter().find(|record| name(record) == "python").and_then(|record| record.package_record.version.as_major_minor());
        let (major, minor) = python.ok_or_else(|| Cause::unsatisfiable("a `pip:` section needs `python` among the dependencies"))?;
        let constraints: Vec<String> = records.iter().filter_map(constraint).collect();
        let version = format!("{major}.{minor}");
        let wanted = Wanted {
            requirements: specs,
            constraints: &constraints,
            version: &version,
            machine: platform.machine(),
            index: platform.index,
        };
        let brought: Vec<String> = records.iter().map(name).collect();
        Ok(without(self.python(&wanted)?, &brought))
    }

    /// Completes the packages of an explicit list from their channels, which know what they need and their digests.
    fn explicit(&self, text: &str, subdir: Subdir) -> Result<Chosen, Cause> {
        let list = ExplicitEnvironmentSpec::from_str(text).map_err(Cause::unsatisfiable)?;
        let listed = list.packages.into_iter().map(|entry| Listed::of(entry.url)).collect::<Result<Vec<_>, _>>()?;
        let mut chosen = Chosen::default();
        for one in &listed {
            if !chosen.channels.contains(&one.channel) {
                chosen.channels.push(one.channel.clone());
            }
        }
        // Each index is read once, whatever many packages are from it: that of a large channel takes seconds.
        let mut known: HashMap<Url, RepoDataRecord> = HashMap::new();
        for channel in &chosen.channels {
            let specs: Vec<MatchSpec> = listed.iter().filter(|one| one.channel == *channel).map(|one| one.spec.clone()).collect();
            let found = self.records(std::slice::from_ref(channel), subdir, &specs, Reach::Themselves)?;
            known.extend(found.iter().flatten().map(|record| (record.url.clone(), record.clone())));
        }
        chosen.records = listed.into_iter().map(|one| one.record(&known)).collect::<Result<_, _>>()?;
        Ok(chosen)
    }

    fn records(&self, channels: &[Channel], subdir: Subdir, specs: &[MatchSpec], reach: Reach) -> Result<Vec<RepoData>, Cause> {
        let cache = self.store.folder().join("repodata");
        let ask = async {
            let gateway = Gateway::builder().with_client(self.http.client()).with_cache_dir(cache).finish();
            gateway.query(channels.to_vec(), [subdir, Subdir::NoArch], specs.to_vec()).recursive(reach == Reach::Dependencies).await
        };
        let found = self.http.wait(ask);
        Ok(found.map_err(|e| Cause::Unreachable(format!("the channel's index cannot be had: {}", chain(&e))))?.repodata)
    }
}

/// A package of an explicit list.
struct Listed {
    url: Url,
    /// The digest that the list pins it to.
    pinned: Option<String>,
    channel: Channel,
    /// All packages of its name.
    spec: MatchSpec,
}

impl Listed {
    fn of(mut url: Url) -> Result<Self, Cause> {
        let pinned = url.fragment().map(|text| text.trim_start_matches("sha256:").to_owned());
        url.set_fragment(None);
        let channel = url.join("..").map(Channel::from_url).map_err(Cause::unsatisfiable)?;
        let file = url.path_segments().and_then(Iterator::last).unwrap_or_default();
        // `name-version-build.conda`; names hold hyphens, versions and builds do not.
        let name = file.rsplitn(3, '-').nth(2).unwrap_or_default();
        let spec = MatchSpec::from_str(name, ParseStrictness::Lenient).map_err(Cause::unsatisfiable)?;
        Ok(Self { url, pinned, channel, spec })
    }

    /// What its channel says of it.
    fn record(self, known: &HashMap<Url, RepoDataRecord>) -> Result<RepoDataRecord, Cause> {
        let Self { url, pinned, .. } = self;
        let record = known.get(&url).ok_or_else(|| Cause::unsatisfiable(format!("{url} is not in its channel's index")))?;
        let digests = [record.package_record.sha256.map(hex::encode), record.package_record.md5.map(hex::encode)];
        if let Some(pinned) = pinned.filter(|pinned| !digests.iter().flatten().any(|digest| digest == pinned)) {
            return Err(Cause::unsatisfiable(format!("the list pins {url} to {pinned}, which is not its digest in the channel")));
        }
        Ok(record.clone())
    }
}

/// Where channels are that have only a name.
fn channel_config(base: PathBuf, platform: &Platform<'_>) -> Result<ChannelConfig, Cause> {
    let mut config = ChannelConfig::default_with_root_dir(base);
    if let Some(mirror) = platform.mirror {
        config.channel_alias = Url::parse(mirror).map_err(Cause::unsatisfiable)?;
    }
    Ok(config)
}

/// How far a look into channels goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// The packages that are named.
    Themselves,
    /// These and all that they may need.
    Dependencies,
}

/// What a package of a channel means to Python's resolver, if its version means anything there.
fn constraint(record: &RepoDataRecord) -> Option<String> {
    let (name, version) = (record.package_record.name.as_normalized(), record.package_record.version.as_str());
    let plain = !name.starts_with('_') && pep440_rs::Version::from_str(&version).is_ok();
    (plain && name != "python").then(|| format!("{name}=={version}"))
}

/// These packages without those that the channels brought.
fn without(mut packages: PythonPackages, brought: &[String]) -> PythonPackages {
    let lines = packages.requirements.lines().zip(packages.wheels);
    let kept = lines.filter(|(line, _)| !line.split_once("==").is_some_and(|(name, _)| brought.contains(&project_name(name))));
    let (lines, wheels): (Vec<&str>, Vec<Blob>) = kept.unzip();
    packages.requirements = lines.iter().flat_map(|line| [line, "\n"]).collect();
    packages.wheels = wheels;
    packages
}

fn unsolvable(error: &SolveError) -> Cause {
    match error {
        SolveError::Unsolvable(reasons) => {
            Cause::unsatisfiable(format!("no set of packages satisfies all of it:\n{}", reasons.join("\n").trim_end()))
        }
        SolveError::UnsupportedOperations(_)
        | SolveError::ParseMatchSpecError(_)
        | SolveError::DuplicateRecords(_)
        | SolveError::Cancelled => Cause::unsatisfiable(error),
    }
}

fn virtual_packages(platform: &Platform<'_>) -> Result<Vec<GenericVirtualPackage>, Cause> {
    let all = [
        Some(("__unix", "0", "0")),
        Some(("__linux", platform.linux.unwrap_or(KERNEL), "0")),
        Some(("__glibc", platform.glibc, "0")),
        Some(("__archspec", "1", platform.archspec.unwrap_or(platform.machine()))),
        platform.cuda.map(|version| ("__cuda", version, "0")),
    ];
    let package = |(name, version, build): (&str, &str, &str)| {
        let version = Version::from_str(version).map_err(|e| Cause::unsatisfiable(format!("{name} {version}: {e}")))?;
        Ok(GenericVirtualPackage { name: PackageName::new_unchecked(name), version, build_string: BuildString::new_unchecked(build) })
    };
    all.into_iter().flatten().map(package).collect()
}

/// A lock for one platform, the same text for the same packages.
fn answer(mut chosen: Chosen, subdir: Subdir) -> Result<CondaAnswer, Cause> {
    chosen.records.sort_by(|one, other| one.package_record.name.cmp(&other.package_record.name));
    let packages: Vec<Blob> = chosen.records.iter().map(blob).collect::<Result<_, _>>()?;
    let size = packages.iter().filter_map(|blob| blob.size).map(|size| size.0 * GROWTH).sum();
    let platform = PlatformData { name: (&subdir).into(), subdir, virtual_packages: Vec::new() };
    let mut lock = LockFile::builder().with_platforms(vec![platform]).map_err(Cause::unsatisfiable)?;
    lock.set_channels(ENVIRONMENT, chosen.channels.iter().map(|channel| channel.base_url.to_string()));
    for record in chosen.records {
        lock.add_conda_package(ENVIRONMENT, &subdir.to_string(), record.into()).map_err(Cause::unsatisfiable)?;
    }
    Ok(CondaAnswer {
        lock: lock.finish().render_to_string()?,
        packages,
        pip: chosen.pip,
        variables: chosen.variables,
        size: ByteSize(size),
    })
}

fn blob(record: &RepoDataRecord) -> Result<Blob, Cause> {
    let sha256 = record.package_record.sha256.ok_or_else(|| {
        Cause::unsatisfiable(format!("the channel gives no sha256 for {}, and Fitout installs nothing that it cannot verify", record.url))
    })?;
    Ok(Blob { url: record.url.to_string(), sha256: Sha256::from_bytes(sha256.into()), size: record.package_record.size.map(ByteSize) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_kinds_of_text() {
        assert_eq!(kind("name: x\ndependencies:\n  - python\n"), Kind::Environment);
        assert_eq!(kind("# platform: linux-64\n@EXPLICIT\nhttps://example.org/a-1-0.conda\n"), Kind::Explicit);
        assert_eq!(kind("version: 7\nenvironments:\n  default: {}\npackages: []\n"), Kind::Lock);
        assert_eq!(kind("version: 1\nmetadata:\n  channels: []\npackage: []\n"), Kind::Lock);
    }

    #[test]
    fn what_the_channels_brought_is_not_installed_again() {
        let blob = |name: &str| Blob { url: name.into(), sha256: Sha256::of(name.as_bytes()), size: None };
        let packages = PythonPackages {
            requirements: "numpy==1.26.4 --hash=sha256:1\nsix==1.17.0 --hash=sha256:2\n".into(),
            wheels: vec![blob("numpy"), blob("six")],
            uv: blob("uv"),
        };
        let left = without(packages, &["numpy".to_owned(), "python".to_owned()]);
        assert_eq!((left.requirements.as_str(), left.wheels), ("six==1.17.0 --hash=sha256:2\n", vec![blob("six")]));
    }
}
