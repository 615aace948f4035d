//! A trial apart from the machine: folders that can be written and keep nothing, and a network of which only this machine's own address is.

use super::{Inside, through};
use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket};
use std::io;
use std::os::fd::AsRawFd;

/// Names the folders that can be written, with colons between them.
pub const COVERED: &str = "FITOUT_COVERED";

/// Lays an overlay in memory over each folder that is there.
pub fn cover(inside: &Inside, folders: &str) -> io::Result<()> {
    for (number, folder) in folders.split(':').map(|folder| folder.trim_start_matches('/')).filter(|folder| !folder.is_empty()).enumerate()
    {
        let Ok(below) = inside.open(folder, OFlag::O_PATH | OFlag::O_DIRECTORY) else { continue };
        let scratch = format!("run/fitout-trial-{number}");
        inside.directory(&scratch)?;
        let place = |part: &str| inside.directory(&format!("{scratch}/{part}"));
        let (upper, work) = (place("upper")?, place("work")?);
        // sshd minds the mode and the owner of the folder itself.
        let stat = nix::sys::stat::fstat(&below)?;
        let upper_at = through(&upper);
        nix::unistd::chown(&upper_at, Some(stat.st_uid.into()), Some(stat.st_gid.into()))?;
        let mode = nix::sys::stat::Mode::from_bits_truncate(stat.st_mode & 0o7777);
        nix::sys::stat::fchmodat(nix::fcntl::AT_FDCWD, &upper_at, mode, nix::sys::stat::FchmodatFlags::FollowSymlink)?;
        let options =
            format!("lowerdir={},upperdir={},workdir={}", through(&below).display(), upper_at.display(), through(&work).display());
        let onto = inside.open(folder, OFlag::O_PATH | OFlag::O_DIRECTORY)?;
        let laid = mount(Some("fitout-trial"), &through(&onto), Some("overlay"), MsFlags::MS_NODEV, Some(options.as_str()));
        laid.map_err(|e| io::Error::other(format!("cover /{folder}: {e}")))?;
    }
    Ok(())
}

/// Takes a network of its own, in which this machine reaches itself alone.
pub fn own_network() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    let link = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
    sendto(link.as_raw_fd(), &loopback_up(), &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    let mut answer = [0; 1024];
    let length = recv(link.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    // rtnetlink(7): a header of 16 bytes, then the error as a negative number, 0 where there is none.
    let error = answer.get(16..20).filter(|_| length >= 20).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
    match error {
        Some(0) => Ok(()),
        Some(error) => Err(io::Error::from_raw_os_error(-error)),
        None => Err(io::Error::other("the kernel did not answer")),
    }
}

/// The message that switches on the loopback interface, always the first of a network (rtnetlink(7)).
fn loopback_up() -> Vec<u8> {
    const NEW_LINK: u16 = 16;
    /// A request whose answer is wanted.
    const FLAGS: u16 = 1 | 4;
    const UP: u32 = 1;
    const LOOPBACK: i32 = 1;
    const LENGTH: u32 = 32;
    let header = [&LENGTH.to_ne_bytes()[..], &NEW_LINK.to_ne_bytes(), &FLAGS.to_ne_bytes(), &1u32.to_ne_bytes(), &0u32.to_ne_bytes()];
    let of_link = [&[0; 4][..], &LOOPBACK.to_ne_bytes(), &UP.to_ne_bytes(), &UP.to_ne_bytes()];
    [header.concat(), of_link.concat()].concat()
}
