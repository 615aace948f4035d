//! The server: as little as it takes, so that it is not what is measured.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};

/// The server in a process of its own.
pub struct Server {
    process: Child,
    pub address: String,
}

impl Server {
    /// This program again, with `--serve FOLDER`.
    pub fn start(folder: &Path) -> Self {
        let own = std::env::current_exe().unwrap();
        let mut command = crate::measure::program(own.to_str().unwrap());
        let mut process = command.arg("--serve").arg(folder).stdout(Stdio::piped()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { process, address: address.trim().to_owned() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[expect(clippy::print_stdout, reason = "what the process above reads")]
pub fn serve(folder: &Path) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    for stream in listener.incoming().map_while(Result::ok) {
        let folder = folder.to_owned();
        std::thread::spawn(move || answer(stream, &folder).ok());
    }
}

/// Answers one request after the other; the kernel copies the files.
fn answer(mut stream: TcpStream, folder: &Path) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    while let Some(first) = lines.next() {
        let first = first?;
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        let mut words = first.split(' ');
        let (verb, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let Ok(mut file) = File::open(folder.join(path.trim_start_matches('/'))) else {
            write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
            continue;
        };
        let length = file.metadata()?.len();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nAccept-Ranges: bytes\r\nETag: \"1\"\r\n\r\n")?;
        if verb != "HEAD" {
            io::copy(&mut file, &mut stream)?;
        }
    }
    Ok(())
}
