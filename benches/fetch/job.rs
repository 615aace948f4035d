//! The job: archives, and what they hold.

use fitout::model::{ByteSize, Sha256};
use fitout::step::Blob;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

/// Archives, each with one file of this size.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Job {
    pub archives: Vec<Blob>,
    pub each: u64,
}

/// Makes a job's archives: bytes that nothing makes smaller, so that all tools move as many.
pub fn make(served: &Path, name: &str, count: usize, each: u64) -> Job {
    fs::create_dir_all(served).unwrap();
    let archive = |number: usize| {
        let file = format!("{name}-{number}.tar");
        let path = served.join(&file);
        let mut tar = tar::Builder::new(File::create(&path).unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_size(each);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("{name}-{number}.bin"), File::open("/dev/urandom").unwrap().take(each)).unwrap();
        tar.into_inner().unwrap().flush().unwrap();
        let sha256 = Sha256::of_reader(File::open(&path).unwrap()).unwrap();
        Blob { url: file, sha256, size: Some(ByteSize(path.metadata().unwrap().len())) }
    };
    Job { archives: (0..count).map(archive).collect(), each }
}

impl Job {
    pub fn read(path: &str) -> Self {
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    }

    pub fn write(&self, path: &Path) {
        fs::write(path, serde_json::to_string(self).unwrap()).unwrap();
    }

    /// The archives are at this server.
    pub fn at(&mut self, address: &str) {
        for archive in &mut self.archives {
            archive.url = format!("http://{address}/{}", archive.url);
        }
    }

    /// Whether a folder, or the one folder in it, holds all that the archives do.
    pub fn is_unpacked(&self, place: &Path) -> bool {
        let sizes = |folder: &Path| {
            let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
            let files = entries.filter(|entry| entry.path().extension().is_some_and(|end| end == "bin"));
            files.filter(|entry| entry.metadata().is_ok_and(|data| data.len() == self.each)).count()
        };
        sizes(place) == self.archives.len() || sizes(&place.join("root/tree")) == self.archives.len()
    }
}
