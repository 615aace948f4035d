//! Builds a conda environment on a target: packages that were fetched and verified before, unpacked once per host, linked into a
//! generation. Their scripts run inside the target, never on the host, and no path of the host stays in what is built.

use super::generation::{Generation, name_prefix};
use super::machine::Machine;
use super::unpack::below;
use super::{OpError, Progress, chain};
use crate::model::{Sha256, TargetPath};
use crate::step::{Blob, Cmd, CondaBuild, PATH};
use crate::store::Store;
use rattler::install::{Installer, LinkOptions};
use rattler::package_cache::PackageCache;
use rattler::validation::ValidationMode;
use rattler_conda_types::package::CondaArchiveType;
use rattler_conda_types::{PackageRecord, RepoDataRecord, Subdir};
use rattler_lock::LockFile;
use rattler_networking::LazyClient;
use rattler_package_streaming::ExtractError;
use rattler_package_streaming::read::{extract_conda_via_streaming, extract_tar_bz2};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where packages lie unpacked, in the store's folder.
const UNPACKED: &str = "conda-packages";

/// Those of some packages that do not lie unpacked in the store's folder yet.
#[must_use]
pub fn not_unpacked<'b>(store: &Store, packages: &'b [Blob]) -> Vec<&'b Blob> {
    let folder = store.folder().join(UNPACKED);
    // A folder is named as its archive is, without the ending.
    let stem =
        |blob: &Blob| blob.url.rsplit('/').next().map(|name| name.trim_end_matches(".conda").trim_end_matches(".tar.bz2").to_owned());
    packages.iter().filter(|blob| stem(blob).is_some_and(|name| !folder.join(name).exists())).collect()
}

pub(super) fn perform(machine: &Machine, build: &CondaBuild, progress: &dyn Progress) -> Result<(), OpError> {
    Generation(&build.site).renew(machine, progress, || make(machine, build, progress))
}

fn make(machine: &Machine, build: &CondaBuild, progress: &dyn Progress) -> Result<(), OpError> {
    let act = || format!("build {}", build.site.prefix);
    let (subdir, records) = locked(&build.lock).map_err(|cause| OpError::new(act(), cause))?;
    let meta = below(&build.site.generation, "conda-meta")?;
    machine.files.make_directories(&meta, nix::sys::stat::Mode::from_bits_truncate(0o755))?;
    // The library writes by path: this one is the generation's own, no link of the target in it.
    let host = machine.files.on_host(&build.site.generation)?;
    // The library is asynchronous; everything around it is not.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| OpError::new(act(), e))?;
    runtime.block_on(link(machine, build, &host, subdir, &records, progress)).map_err(|cause| OpError::new(act(), cause))?;
    finish_records(machine, &build.site.generation, &meta)?;
    keep_variables(machine, &meta, &build.variables)?;
    let in_order = PackageRecord::sort_topologically(records);
    in_order.iter().try_for_each(|record| run_script(machine, build, &record.package_record, progress))?;
    compile(machine, build, &in_order, progress)?;
    build.pip.iter().try_for_each(|packages| super::python::install(machine, packages, &build.site.generation, progress))?;
    // Last: until the switch there is nothing behind the environment's own path, or another generation.
    let renamed = name_prefix(machine, &build.site)?;
    each_record(machine, &meta, |record| {
        for entry in record["paths_data"]["paths"].as_array_mut().into_iter().flatten() {
            if let Some((digest, size)) = entry["_path"].as_str().and_then(|path| renamed.get(path)) {
                entry["sha256_in_prefix"] = digest.to_string().into();
                entry["size_in_bytes"] = (*size).into();
            }
        }
        Ok(())
    })
}

/// The platform of a lock, and its packages.
fn locked(text: &str) -> Result<(Subdir, Vec<RepoDataRecord>), String> {
    let lock = LockFile::from_str_with_base_directory(text, None).map_err(|e| e.to_string())?;
    let environment = lock.default_environment().ok_or("the lock holds no environment")?;
    let platform = environment.platforms().next().ok_or("the lock holds no platform")?;
    let records = environment.conda_repodata_records(platform).map_err(|e| e.to_string())?;
    Ok((platform.subdir(), records.unwrap_or_default()))
}

async fn link(
    machine: &Machine,
    build: &CondaBuild,
    host: &Path,
    subdir: Subdir,
    records: &[RepoDataRecord],
    progress: &dyn Progress,
) -> Result<(), String> {
    // What lies unpacked is held against the digests of its files whenever it is used, and unpacked again where it was damaged.
    let layers = [machine.store.folder().join(UNPACKED)];
    let cache = PackageCache::new_layered(layers, false, ValidationMode::Full);
    unpack_all(machine, &cache, records, progress).await?;
    let links = LinkOptions { allow_hard_links: Some(false), ..LinkOptions::default() };
    let installer = Installer::new()
        .with_package_cache(cache)
        .with_target_platform(subdir)
        .with_alternative_target_prefix(build.site.generation.as_str())
        .with_execute_link_scripts(false)
        .with_link_options(links)
        // Every package is unpacked already: this client is never made.
        .with_download_client(LazyClient::new(|| LazyClient::default().client().clone()));
    installer.install(host, records.to_vec()).await.map(drop).map_err(|e| chain(&e))
}

/// Sees to it that packages lie unpacked in the cache, which other environments and other runs use at the same time: the library guards
/// what it links by this lock, and leaves it to its callers to hold it while they fill the cache.
async fn unpack_all(machine: &Machine, cache: &PackageCache, records: &[RepoDataRecord], progress: &dyn Progress) -> Result<(), String> {
    let _alone = cache.acquire_global_lock().await.map_err(|e| chain(&e))?;
    for (number, record) in records.iter().enumerate() {
        unpack(machine, cache, record).await?;
        progress.advance(number as u64 + 1, records.len() as u64);
    }
    Ok(())
}

/// Sees to it that a package lies unpacked in the cache.
async fn unpack(machine: &Machine, cache: &PackageCache, record: &RepoDataRecord) -> Result<(), String> {
    let name = record.url.path_segments().and_then(Iterator::last).unwrap_or_default();
    let kind = CondaArchiveType::try_from(Path::new(name)).ok_or_else(|| format!("{name} is no conda package"))?;
    let sha256 = record.package_record.sha256.ok_or_else(|| format!("{name} has no sha256"))?;
    let (store, sha256) = (machine.store.clone(), Sha256::from_bytes(sha256.into()));
    let fetch = move |into: PathBuf| {
        let archive = store.take(&sha256);
        async move {
            let done = match kind {
                CondaArchiveType::Conda => extract_conda_via_streaming(archive?, &into),
                CondaArchiveType::TarBz2 => extract_tar_bz2(archive?, &into),
            };
            Ok::<_, ExtractError>(Some(done?.sha256))
        }
    };
    cache.get_or_fetch(&record.package_record, fetch, None).await.map(drop).map_err(|e| format!("unpack {name}: {}", chain(&e)))
}

/// Amends each record of a package.
fn each_record(machine: &Machine, meta: &TargetPath, amend: impl Fn(&mut Value) -> Result<(), OpError>) -> Result<(), OpError> {
    for name in machine.files.list(meta)?.unwrap_or_default().iter().filter(|name| Path::new(name).extension() == Some("json".as_ref())) {
        let path = below(meta, name)?;
        let bytes = machine.files.read(&path)?.unwrap_or_default();
        let mut record: Value = serde_json::from_slice(&bytes).map_err(|e| OpError::new(format!("read {path}"), e))?;
        amend(&mut record)?;
        machine.files.write_unsynced(&path, &mut format!("{record:#}\n").as_bytes(), 0o644, (0, 0))?;
    }
    Ok(())
}

/// Takes out of the records of packages where they lay on the host, and holds them against what is there.
fn finish_records(machine: &Machine, generation: &TargetPath, meta: &TargetPath) -> Result<(), OpError> {
    each_record(machine, meta, |record| {
        for entry in record["paths_data"]["paths"].as_array().into_iter().flatten() {
            check_rewritten(machine, generation, entry)?;
        }
        if let Some(record) = record.as_object_mut() {
            record.remove("extracted_package_dir");
            record.remove("link");
        }
        Ok(())
    })
}

/// Refuses a file in which the prefix was put and that is not what the library meant to write: it does not hear of an error in the last part of
/// one, such as a full disk (rattler's `link_file` drops a `BufWriter`). Files that are copied as they are do not come here.
fn check_rewritten(machine: &Machine, generation: &TargetPath, entry: &Value) -> Result<(), OpError> {
    let text = |key: &str| entry[key].as_str().unwrap_or_default();
    if text("prefix_placeholder").is_empty() {
        return Ok(());
    }
    let path = below(generation, text("_path"))?;
    let failed = |cause: String| OpError::new(format!("write {path}"), cause);
    let file = machine.files.open_file(&path)?.ok_or_else(|| failed("it is absent".into()))?;
    let size = file.metadata().map_err(|e| failed(e.to_string()))?.len();
    let digest = Sha256::of_reader(file).map_err(|e| failed(e.to_string()))?;
    if entry["size_in_bytes"].as_u64() != Some(size) || digest.to_string() != text("sha256_in_prefix") {
        return Err(failed("it was not written whole".into()).hint("the disk may have been full for a moment; apply again"));
    }
    Ok(())
}

/// Writes the variables of the environment where activation finds them.
fn keep_variables(machine: &Machine, meta: &TargetPath, variables: &BTreeMap<String, String>) -> Result<(), OpError> {
    if variables.is_empty() {
        return Ok(());
    }
    let text = format!("{:#}\n", serde_json::json!({"version": 1, "env_vars": variables}));
    Ok(machine.files.write_unsynced(&below(meta, "state")?, &mut text.as_bytes(), 0o644, (0, 0))?)
}

/// Runs a package's own script, if it has one, with what conda promises to it.
fn run_script(machine: &Machine, build: &CondaBuild, record: &PackageRecord, progress: &dyn Progress) -> Result<(), OpError> {
    let name = record.name.as_normalized();
    let script = below(&build.site.generation, &format!("bin/.{name}-post-link.sh"))?;
    if machine.files.stat(&script)?.is_none() {
        return Ok(());
    }
    let prefix = build.site.generation.as_str();
    let cmd = Cmd::new(["/bin/bash", script.as_str()]).env("PREFIX", prefix).env("PATH", format!("{prefix}/bin:{PATH}"));
    let cmd = cmd.env("PKG_NAME", name).env("PKG_VERSION", record.version.to_string());
    machine.must(&cmd.env("PKG_BUILDNUM", record.build_number.to_string()), progress)?;
    let message = below(&build.site.generation, ".messages.txt")?;
    for line in String::from_utf8_lossy(&machine.files.read(&message)?.unwrap_or_default()).lines() {
        progress.line(&format!("{name}: {line}"));
    }
    Ok(machine.files.remove(&message)?)
}

/// Compiles the modules of packages that bring none compiled, so that no user of the environment does it again and again.
fn compile(machine: &Machine, build: &CondaBuild, records: &[RepoDataRecord], progress: &dyn Progress) -> Result<(), OpError> {
    let python = records.iter().find(|record| record.package_record.name.as_normalized() == "python");
    let Some((major, minor)) = python.and_then(|record| record.package_record.version.as_major_minor()) else { return Ok(()) };
    let modules = below(&build.site.generation, &format!("lib/python{major}.{minor}/site-packages"))?;
    let python = below(&build.site.generation, "bin/python")?;
    if machine.files.stat(&modules)?.is_none() || machine.files.stat(&python)?.is_none() {
        return Ok(());
    }
    let cmd = Cmd::new([python.as_str(), "-Wi", "-m", "compileall", "-q", "-j", "0", modules.as_str()]);
    // Some packages bring files for other versions of Python, which do not compile and need not.
    machine.run(&cmd, None, progress).map(drop)
}
