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
    let argv = ["tar", "--extract", "--file", &archive, "--directory", &root, "--numeric-owner", "--preserve-permissions", "--xattrs"];
    tools.run(&argv.map(str::to_owned))
}
