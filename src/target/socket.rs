//! The socket at which Fitout's service is asked: everyone may connect, and the kernel says who did.

use nix::libc;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

/// Where it is.
pub const SOCKET: &str = "/run/fitout/agent.sock";
/// How long somebody may take to ask, or to listen.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// A question is a line, and no longer.
const LONGEST: u64 = 4096;

/// Opens the socket, in place of one that an earlier service left.
///
/// # Errors
/// It cannot be opened.
pub fn listen_at(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o666))?;
    Ok(listener)
}

/// Somebody who asks.
#[derive(Debug)]
pub struct Caller {
    stream: UnixStream,
    /// Whose process it is, by the kernel's word.
    pub uid: u32,
}

impl Caller {
    /// Who connected.
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn of(stream: UnixStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let credentials = nix::sys::socket::getsockopt(&stream, nix::sys::socket::sockopt::PeerCredentials)?;
        let uid: libc::uid_t = credentials.uid();
        Ok(Self { stream, uid })
    }

    /// The line that they ask.
    ///
    /// # Errors
    /// They do not, in time.
    pub fn question(&self) -> io::Result<String> {
        line(&self.stream)
    }

    /// Answers with a line.
    ///
    /// # Errors
    /// They do not listen.
    pub fn answer(&mut self, line: &str) -> io::Result<()> {
        self.stream.write_all(format!("{line}\n").as_bytes())
    }
}

fn line(stream: &UnixStream) -> io::Result<String> {
    let mut text = String::new();
    BufReader::new(stream.take(LONGEST)).read_line(&mut text)?;
    Ok(text.trim_end().to_owned())
}

/// Asks the service that listens there.
///
/// # Errors
/// None does, or it does not answer.
pub fn ask_at(path: &Path, question: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.write_all(format!("{question}\n").as_bytes())?;
    line(&stream)
}
