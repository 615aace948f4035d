//! What an image starts from: a minimal Debian made by mmdebstrap, or an archive of a root.

use super::parts::PACKAGES;
use super::tools::Tools;
use crate::manifest::{ImageBase, Release};
use crate::model::TargetPath;
use crate::target::{OpError, Rooted};
use std::path::Path;

/// The archive, its suites after the release's name, and what they are signed with by default.
const ARCHIVES: [(&str, &str); 3] = [
    ("http://deb.debian.org/debian", ""),
    ("http://deb.debian.org/debian", "-updates"),
    ("http://deb.debian.org/debian-security", "-security"),
];
const COMPONENTS: &str = "main contrib non-free non-free-firmware";

/// mmdebstrap takes it over from the host; a machine without it takes the name that its network gives.
const HOST_NAME: &str = "/etc/hostname";

/// Fills an empty directory with the base.
///
/// # Errors
/// A tool failed.
pub fn make(base: &ImageBase, root: &Path, tools: &Tools<'_>) -> Result<(), OpError> {
    match base {
        ImageBase::Debian(release) => debian(*release, root, tools),
        ImageBase::Rootfs(archive) => unpack(archive, root, tools),
    }
}

fn debian(release: Release, root: &Path, tools: &Tools<'_>) -> Result<(), OpError> {
    let release = release.codename();
    let sources = ARCHIVES.map(|(uri, suite)| format!("deb {uri} {release}{suite} {COMPONENTS}"));
    let mut argv = vec![
        "mmdebstrap".to_owned(),
        "--mode=root".to_owned(),
        "--variant=minbase".to_owned(),
        // A directory that a kill cuts short is thrown away whole: nothing in it needs to reach the disk at once.
        "--dpkgopt=force-unsafe-io".to_owned(),
        format!("--include={}", PACKAGES.join(",")),
        release.to_owned(),
        root.display().to_string(),
    ];
    argv.extend(sources);
    tools.run(&argv).map_err(|error| error.hint("mmdebstrap needs root, deb.debian.org and debian-archive-keyring"))?;
    let files = Rooted::open(root).map_err(|e| OpError::new(format!("open {}", root.display()), e))?;
    Ok(files.remove(&TargetPath::parse(HOST_NAME).map_err(|e| OpError::new("use a path", e))?)?)
}

fn unpack(archive: &Path, root: &Path, tools: &Tools<'_>) -> Result<(), OpError> {
    // Tools run in a folder of their own.
    let archive = std::path::absolute(archive).map_err(|e| OpError::new(format!("find {}", archive.display()), e))?;
    let (archive, root) = (archive.display().to_string(), root.display().to_string());
    tools.run(&unpacking(&archive, &root))
}

/// Without `--xattrs-include`, tar brings people's own attributes alone, and no capabilities.
fn unpacking(archive: &str, root: &str) -> Vec<String> {
    let how = ["--numeric-owner", "--preserve-permissions", "--acls", "--xattrs", "--xattrs-include=*"];
    let argv = ["tar", "--extract", "--file", archive, "--directory", root].into_iter().chain(how);
    argv.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::unpacking;
    use crate::target::quick_host;
    use std::fs;

    /// A file that may open raw sockets: `VFS_CAP_REVISION_2`, effective, `CAP_NET_RAW`.
    const MAY: [u8; 20] = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    #[test]
    fn what_a_file_may_comes_along() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to, archive) = (folder.path().join("from"), folder.path().join("to"), folder.path().join("root.tar"));
        fs::create_dir(&from).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("ping"), "").unwrap();
        if xattr::set(from.join("ping"), "security.capability", &MAY).is_err() {
            return; // only root may give it, and not everywhere
        }
        let (archive, from) = (archive.to_str().unwrap(), from.to_str().unwrap());
        let packed = quick_host(&["tar", "--create", "--file", archive, "--xattrs", "--xattrs-include=*", "--directory", from, "."]);
        assert_eq!(packed.unwrap().status, 0);
        let argv = unpacking(archive, to.to_str().unwrap());
        let unpacked = quick_host(&argv.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        assert_eq!(unpacked.status, 0, "{unpacked:?}");
        assert_eq!(xattr::get(to.join("ping"), "security.capability").unwrap().unwrap(), MAY);
    }
}
