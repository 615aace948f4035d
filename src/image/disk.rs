//! The disk: a GPT with an EFI system partition and a root file system, made in a plain sparse file by tools that need neither loop
//! devices nor mounts.

use super::boot::EspFile;
use super::identities::Identities;
use super::tools::Tools;
use crate::model::ByteSize;
use crate::target::{OpError, sparse};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Partitions begin and end on this.
const MIB: u64 = 1 << 20;
/// Room for three kernels with their initial RAM disks.
const ESP_SIZE: u64 = 512 * MIB;
/// Where the EFI system partition begins: the usual place, aligned for every disk.
const ESP_START: u64 = MIB;
/// Where the root file system begins.
const ROOT_START: u64 = ESP_START + ESP_SIZE;
/// What the second copy of the partition table takes at the end, rounded up.
const TAIL: u64 = MIB;
const SECTOR: u64 = 512;

/// A disk as a sparse file.
#[derive(Debug, Clone)]
pub struct RawDisk {
    /// Where it is.
    pub path: PathBuf,
    /// Its size, a multiple of a mebibyte.
    pub size: ByteSize,
    /// What its partition table calls it: the same in each bake, wherever that works.
    pub id: String,
}

/// What the root file system gets of a disk of this size.
#[must_use]
pub const fn root_size(disk: ByteSize) -> ByteSize {
    ByteSize(disk.0.saturating_sub(ROOT_START + TAIL))
}

/// Makes the disk of a root directory.
///
/// # Errors
/// A tool failed, most often because the root is larger than the disk.
pub fn make(root: &Path, esp: &[EspFile], ids: &Identities, disk: &RawDisk, tools: &Tools<'_>) -> Result<(), OpError> {
    let act = || format!("make {}", disk.path.display());
    let file = File::create(&disk.path).and_then(|file| file.set_len(disk.size.0).map(|()| file));
    let file = file.map_err(|e| OpError::new(act(), e))?;
    partition(ids, disk, tools)?;
    let partition = tools.folder.join("esp.img");
    make_esp(root, esp, &partition, tools)?;
    let copied = File::open(&partition).and_then(|esp| sparse::copy(&esp, &file, ESP_START));
    copied.map_err(|e| OpError::new(act(), e))?;
    make_root(root, ids, disk, tools)
}

fn partition(ids: &Identities, disk: &RawDisk, tools: &Tools<'_>) -> Result<(), OpError> {
    let last = (disk.size.0 - TAIL) / SECTOR - 1;
    let (esp, root) = (ESP_START / SECTOR, ROOT_START / SECTOR);
    tools.run(&[
        "sgdisk".into(),
        "--set-alignment=2048".into(),
        format!("--disk-guid={}", ids.disk),
        format!("--new=1:{esp}:{}", root - 1),
        "--typecode=1:ef00".into(),
        "--change-name=1:esp".into(),
        format!("--partition-guid=1:{}", ids.esp),
        format!("--new=2:{root}:{last}"),
        // The type by which systemd knows the root of an x86-64 machine, so that it may grow it.
        "--typecode=2:8304".into(),
        "--change-name=2:root".into(),
        format!("--partition-guid=2:{}", ids.root),
        disk.path.display().to_string(),
    ])
}

fn make_esp(root: &Path, files: &[EspFile], partition: &Path, tools: &Tools<'_>) -> Result<(), OpError> {
    let image = partition.display().to_string();
    let made = File::create(partition).and_then(|file| file.set_len(ESP_SIZE));
    made.map_err(|e| OpError::new(format!("make {image}"), e))?;
    tools.run(&["mkfs.vfat".into(), "-F32".into(), "-nESP".into(), image.clone()])?;
    let folders = folders(files).into_iter().map(|folder| format!("::{folder}"));
    tools.run(&["mmd".into(), format!("-i{image}")].into_iter().chain(folders).collect::<Vec<_>>())?;
    for file in files {
        let source = match file {
            EspFile::Copy { from, .. } => root.join(from),
            EspFile::Text { text, .. } => {
                let path = tools.folder.join("esp-text");
                std::fs::write(&path, text).map_err(|e| OpError::new(format!("write {}", path.display()), e))?;
                path
            }
        };
        tools.run(&["mcopy".into(), format!("-i{image}"), source.display().to_string(), format!("::{}", file.to())])?;
    }
    Ok(())
}

/// Folders of the files, each after the one that it lies in.
fn folders(files: &[EspFile]) -> Vec<String> {
    let above = files.iter().flat_map(|file| file.to().match_indices('/').map(|(at, _)| file.to()[..at].to_owned()));
    above.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

fn make_root(root: &Path, ids: &Identities, disk: &RawDisk, tools: &Tools<'_>) -> Result<(), OpError> {
    let made = tools.run(&[
        "mke2fs".into(),
        "-q".into(),
        "-F".into(),
        "-text4".into(),
        "-Lroot".into(),
        format!("-U{}", ids.root),
        format!("-Ehash_seed={},offset={ROOT_START},nodiscard", ids.root),
        format!("-d{}", root.display()),
        disk.path.display().to_string(),
        format!("{}k", root_size(disk.size).0 / 1024),
    ]);
    made.map_err(|error| error.hint(format!("a disk of {} has {} for files; make `disk.size` larger", disk.size, root_size(disk.size))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_before_what_is_in_them() {
        let files = [
            EspFile::Text { to: "loader/entries/a.conf".into(), text: String::new() },
            EspFile::Text { to: "loader/loader.conf".into(), text: String::new() },
        ];
        assert_eq!(folders(&files), ["loader", "loader/entries"]);
    }
}
