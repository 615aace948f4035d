//! The least that must be done: a socket read into one buffer, which is hashed, and written to the file that the archive holds. It trusts that
//! archives are as this measurement makes them, and checks nothing but the digest.

use crate::job::Job;
use fitout::model::Sha256;
use sha2::Digest;
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Connections, as many as Fitout opens.
const CONNECTIONS: usize = 4;
/// What is read at a time.
const BUFFER: usize = 256 * 1024;
/// The header of an archive's only entry.
const HEADER: usize = 512;

/// What becomes of the archives themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Archives {
    /// They are gone when they are unpacked.
    Dropped,
    /// They are kept in files of their own, as a cache has them.
    Kept,
}

pub fn run(job: &Job, place: &Path, archives: Archives) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS.min(job.archives.len()) {
            scope.spawn(|| bring(job, place, archives, &next));
        }
    });
}

fn bring(job: &Job, place: &Path, archives: Archives, next: &AtomicUsize) {
    let address = job.archives[0].url.split('/').nth(2).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let mut buffer = vec![0; BUFFER];
    while let Some(archive) = job.archives.get(next.fetch_add(1, Ordering::Relaxed)) {
        let name = archive.url.rsplit('/').next().unwrap();
        // In one piece: of several, the kernel would hold the second back.
        stream.write_all(format!("GET /{name} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).unwrap();
        let mut have = 0;
        let body = loop {
            have += stream.read(&mut buffer[have..]).unwrap();
            if let Some(at) = buffer[..have].windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let mut kept = (archives == Archives::Kept).then(|| File::create(place.join(name)).unwrap());
        let mut content = Content { file: File::create(place.join(name.replace(".tar", ".bin"))).unwrap(), skip: HEADER, left: job.each };
        let (mut hash, mut got) = (sha2::Sha256::default(), (have - body) as u64);
        hash.update(&buffer[body..have]);
        content.take(&buffer[body..have]);
        keep(&mut kept, &buffer[body..have]);
        while got < archive.size.unwrap().0 {
            let read = stream.read(&mut buffer).unwrap();
            hash.update(&buffer[..read]);
            content.take(&buffer[..read]);
            keep(&mut kept, &buffer[..read]);
            got += read as u64;
        }
        assert_eq!(Sha256::from_bytes(hash.finalize().into()), archive.sha256);
    }
}

fn keep(archive: &mut Option<File>, bytes: &[u8]) {
    if let Some(file) = archive {
        file.write_all(bytes).unwrap();
    }
}

/// The one file of an archive.
struct Content {
    file: File,
    skip: usize,
    left: u64,
}

impl Content {
    fn take(&mut self, bytes: &[u8]) {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        let rest = &bytes[skipped..];
        let wanted = &rest[..rest.len().min(usize::try_from(self.left).unwrap())];
        self.file.write_all(wanted).unwrap();
        self.left -= wanted.len() as u64;
    }
}
