//! A web server on loopback that gives the files of a folder.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// A server; it ends with the test program.
pub struct Server {
    /// Where it is: `http://127.0.0.1:PORT`.
    pub url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// For the files of this folder.
    pub fn of(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, folder) = (Arc::clone(&asked), folder.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, folder) = (Arc::clone(&seen), folder.clone());
                std::thread::spawn(move || while answer(&stream, &folder, &seen).is_some() {});
            }
        });
        Self { url, asked }
    }

    /// The paths that were asked for, and forgets them.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

/// Answers one request; `None` where no other can follow.
fn answer(stream: &TcpStream, folder: &Path, seen: &Mutex<Vec<String>>) -> Option<()> {
    let lines = BufReader::new(stream.try_clone().ok()?).lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let mut words = head.first()?.split(' ');
    let (verb, path) = (words.next()?, words.next()?);
    seen.lock().unwrap().push(path.to_owned());
    // Apt writes `+` so.
    let file = PathBuf::from(format!("{}{}", folder.display(), path.replace("%2b", "+")));
    let (status, body) = match fs::read(&file) {
        Ok(bytes) => ("200 OK", bytes),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let mut stream = stream;
    stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes()).ok()?;
    if verb == "GET" { stream.write_all(&body).ok() } else { Some(()) }
}
