//! Words of Fitout's service to this machine's console and to its service manager.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Writes a line to the console. A console that nobody drains is not waited for.
///
/// # Errors
/// There is no console, or it takes nothing.
pub fn say(line: &str) -> io::Result<()> {
    let flags = nix::libc::O_NOCTTY | nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC;
    let mut console = File::options().write(true).custom_flags(flags).open("/dev/console")?;
    console.write_all(format!("{line}\r\n").as_bytes())
}

/// Tells the service manager a state, as `sd_notify(3)` does: lines such as `READY=1`. Says nothing where nobody listens.
///
/// # Errors
/// The service manager's socket cannot be reached.
pub fn notify(state: &str) -> io::Result<()> {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
    let socket = UnixDatagram::unbound()?;
    socket.send_to_addr(state.as_bytes(), &address(&name)?)?;
    Ok(())
}

/// A leading `@` means an abstract name (`unix(7)`).
fn address(name: &OsString) -> io::Result<SocketAddr> {
    match name.as_bytes().strip_prefix(b"@") {
        Some(hidden) => SocketAddr::from_abstract_name(hidden),
        None => SocketAddr::from_pathname(name),
    }
}

/// Writes a notice on every terminal that somebody has open, as wall(1) does to those that it knows of: Jupyter's and VS Code's terminals are
/// in no list of logins. A terminal that nobody drains is not waited for. How many took it.
///
/// # Errors
/// Terminals cannot be listed.
pub fn tell_terminals(text: &str) -> io::Result<usize> {
    /// Terminals of programs' own making are here (`pts(4)`).
    const TERMINALS: &str = "/dev/pts";
    let mut told = 0;
    for entry in std::fs::read_dir(TERMINALS)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let flags = nix::libc::O_NOCTTY | nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC | nix::libc::O_NOFOLLOW;
        let terminal = File::options().write(true).custom_flags(flags).open(entry.path());
        // One that was closed meanwhile hears nothing.
        told += usize::from(terminal.and_then(|mut file| file.write_all(format!("\r\n\x07*** {text}\r\n").as_bytes())).is_ok());
    }
    Ok(told)
}
