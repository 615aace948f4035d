//! The way to a directory in which something is to be done. Whoever owns a directory can put a link in its place, at any moment, and what is
//! done there as root would be done wherever that leads: a link that somebody other than root made is followed only to what is that one's own.

use super::{LOOKUPS, Rooted};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2, readlinkat};
use nix::sys::stat::{Mode as Bits, SFlag, fstat};
use nix::unistd::dup;
use std::os::fd::OwnedFd;

/// Why there is no way.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoWay {
    /// The system says why.
    #[error("{0}")]
    Errno(#[from] Errno),
    /// A link leads somewhere that is not its maker's.
    #[error(
        "the link {link} was made by user number {maker} and leads to what is not that user's own; name the real path, or have root make the link"
    )]
    Astray {
        /// Its name.
        link: String,
        /// Whose it is.
        maker: u32,
    },
}

/// How many links a path may lead through, as for the kernel (`path_resolution(7)`).
const LINKS: usize = 40;

const DIRECTORY: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

/// A link on the way, whose end is not reached yet.
struct Followed {
    link: String,
    maker: u32,
    /// How many parts of the path are left where it ends.
    left: usize,
}

impl Rooted {
    /// Opens a directory, as a path only.
    pub(super) fn directory(&self, path: &str) -> Result<OwnedFd, NoWay> {
        let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_SYMLINKS;
        let how = OpenHow::new().flags(DIRECTORY).resolve(resolve);
        for _ in 0..LOOKUPS {
            match openat2(&self.root, path, how) {
                Err(Errno::EAGAIN) => {}
                Err(Errno::ELOOP) => return self.walk(path),
                other => return Ok(other?),
            }
        }
        Err(Errno::EAGAIN.into())
    }

    /// The same, part by part, looking at each link.
    fn walk(&self, path: &str) -> Result<OwnedFd, NoWay> {
        let (mut passed, mut links) = (Vec::<OwnedFd>::new(), Vec::<Followed>::new());
        let mut left: Vec<String> = parts(path);
        let mut followed = 0;
        while let Some(part) = left.pop() {
            let here = passed.last().unwrap_or(&self.root);
            if part == ".." {
                // Not by the name: what is above may be another directory by now, even one outside the root.
                passed.pop();
            } else if part != "." {
                let fd = openat(here, part.as_str(), OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Bits::empty())?;
                let raw = fstat(&fd)?;
                if SFlag::from_bits_truncate(raw.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFLNK {
                    followed += 1;
                    let to = readlinkat(&fd, "")?.to_string_lossy().into_owned();
                    if followed > LINKS {
                        return Err(Errno::ELOOP.into());
                    }
                    if to.starts_with('/') {
                        passed.clear();
                    }
                    links.push(Followed { link: part, maker: raw.st_uid, left: left.len() });
                    left.extend(parts(&to));
                } else {
                    passed.push(fd);
                }
            }
            let here = passed.last().unwrap_or(&self.root);
            while let Some(end) = links.pop_if(|link| left.len() <= link.left) {
                if end.maker != 0 && fstat(here)?.st_uid != end.maker {
                    return Err(NoWay::Astray { link: end.link, maker: end.maker });
                }
            }
        }
        let reached = passed.pop().map_or_else(|| dup(&self.root), Ok)?;
        Ok(openat(&reached, ".", DIRECTORY, Bits::empty())?)
    }
}

/// Parts of a path, the first one last.
fn parts(path: &str) -> Vec<String> {
    path.split('/').rev().filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, chown, lchown, symlink};

    #[test]
    fn a_users_link_leads_only_to_what_is_the_users() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for made in ["etc", "home/ada/real/deep", "data"] {
            fs::create_dir_all(at(made)).unwrap();
        }
        for theirs in ["home/ada", "home/ada/real", "home/ada/real/deep"] {
            chown(at(theirs), Some(1000), Some(1000)).unwrap();
        }
        let link = |to: &str, name: &str, maker: u32| {
            symlink(to, at(name)).unwrap();
            lchown(at(name), Some(maker), None).unwrap();
        };
        link("/etc", "home/ada/out", 1000);
        link("../../../../etc", "home/ada/climbs", 1000);
        link("/home/ada/real", "home/ada/own", 1000);
        link("own/deep", "home/ada/twice", 1000);
        link("/data", "home/ada/roots", 0);
        link("/home/ada/out", "home/ada/roots-over-users", 0);
        link("round", "home/ada/round", 1000);
        let root = Rooted::open(folder.path()).unwrap();
        let opened = |path: &str| root.directory(path).map(|fd| fstat(&fd).unwrap().st_ino).map_err(|no| no.to_string());
        let number = |path: &str| Ok(fs::metadata(at(path)).unwrap().ino());
        assert_eq!(opened("home/ada/own/deep"), number("home/ada/real/deep"));
        assert_eq!(opened("home/ada/twice"), number("home/ada/real/deep"));
        assert_eq!(opened("home/ada/roots"), number("data"));
        assert_eq!(opened("."), number("."));
        for astray in ["home/ada/out", "home/ada/climbs", "home/ada/roots-over-users", "home/ada/own/../out"] {
            assert!(opened(astray).is_err_and(|said| said.contains("user number 1000")), "{astray}");
        }
        assert!(opened("home/ada/round").is_err() && opened("home/ada/none/x").is_err());
    }
}
