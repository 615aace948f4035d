//! The socket at which Fitout's service is asked: everyone may connect, and the kernel says who did.

use nix::libc;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// Where it is.
pub const SOCKET: &str = "/run/fitout/agent.sock";
/// How long somebody may take to ask, or to listen.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// A question is a line, and no longer.
const LONGEST: usize = 4096;

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
        line(&self.stream, PATIENCE)
    }

    /// Answers with a line.
    ///
    /// # Errors
    /// They do not listen.
    pub fn answer(&mut self, line: &str) -> io::Result<()> {
        self.stream.write_all(format!("{line}\n").as_bytes())
    }
}

/// A line, which must have come whole within a time, however slowly its parts come.
fn line(mut stream: &UnixStream, patience: Duration) -> io::Result<String> {
    let (until, mut text, mut part) = (Instant::now() + patience, Vec::new(), [0; 512]);
    while !text.contains(&b'\n') && text.len() < LONGEST {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut part)? {
            0 => break,
            read => text.extend_from_slice(&part[..read]),
        }
    }
    let text = String::from_utf8(text).map_err(io::Error::other)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Asks the service that listens there.
///
/// # Errors
/// None does, or it does not answer.
pub fn ask_at(path: &Path, question: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(path)?;
    let written = stream.write_all(format!("{question}\n").as_bytes());
    // Who may not ask is told so before the question is heard.
    let answer = line(&stream, ANSWER);
    if answer.as_ref().is_ok_and(|answer| !answer.is_empty()) { answer } else { written.and(answer) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_must_come_whole_in_time() {
        let (mut one, other) = UnixStream::pair().unwrap();
        one.write_all(b"half").unwrap();
        assert!(matches!(line(&other, Duration::from_millis(20)).unwrap_err().kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut));
        one.write_all(b" and half\nmore").unwrap();
        assert_eq!(line(&other, ANSWER).unwrap(), " and half");
    }

    #[test]
    fn a_refusal_is_heard_by_whoever_was_not_listened_to() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("sock");
        let listener = listen_at(&at).unwrap();
        let server = std::thread::spawn(move || Caller::of(listener.accept().unwrap().0).unwrap().answer("no").unwrap());
        assert_eq!(ask_at(&at, "may I").unwrap(), "no");
        server.join().unwrap();
    }
}
