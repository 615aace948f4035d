//! Archives that are unpacked while they come: nothing appears before all of it was verified.

use super::{Bench, FORMATS, Format, What, file, folder, packed, raw};
use crate::model::{ByteSize, Sha256};
use crate::step::Blob;
use crate::store::Promise;
use std::fs;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

/// How long the first part may take to be unpacked: never, on a machine that works.
const PATIENCE: Duration = Duration::from_mins(1);

impl Bench {
    /// Promises a download.
    fn promise(&self, bytes: &[u8]) -> (Promise, Blob) {
        let sha256 = Sha256::of(bytes);
        let blob = Blob { url: "https://example.org/a".into(), sha256, size: Some(ByteSize(bytes.len() as u64)) };
        (self.machine.store.arrival(&sha256).promise(), blob)
    }

    /// Brings a download in parts: between the first and the others `then` is called; beginnings before the last come to nothing.
    fn bring(&self, (promise, blob): (Promise, &Blob), beginnings: &[&[u8]], then: &dyn Fn()) {
        let (store, arrival) = (&self.machine.store, self.machine.store.arrival(&blob.sha256));
        let mut file = store.partial(&blob.sha256).unwrap();
        for bytes in beginnings {
            file.as_file().set_len(0).unwrap();
            std::io::Seek::rewind(&mut file).unwrap();
            arrival.begin(file.as_file()).unwrap();
            let mut length = 0;
            for part in bytes.chunks(bytes.len().div_ceil(2).max(1)) {
                file.write_all(part).unwrap();
                length += part.len() as u64;
                arrival.grow(length);
                if length < bytes.len() as u64 {
                    then();
                }
            }
        }
        if beginnings.last().is_some_and(|bytes| Sha256::of(bytes) == blob.sha256) {
            store.publish(file, &blob.sha256).unwrap();
            arrival.arrive();
        }
        drop(promise);
    }

    /// Waits until something is there.
    fn until_there(&self, name: &str) {
        let began = Instant::now();
        while !self.path(name).exists() {
            assert!(began.elapsed() < PATIENCE, "{name} did not appear while the rest was on its way");
            thread::yield_now();
        }
    }
}

/// Large enough that half of the archive is more than is read at a time.
const SECOND: usize = 256 << 10;

fn archive(format: Format) -> Vec<u8> {
    packed(&[file("n/cu/first"), raw("n/cu/second", What::File(0o644, vec![7; SECOND]))], format).unwrap()
}

#[test]
fn an_archive_is_unpacked_while_it_comes() {
    let (bench, bytes) = (Bench::new(), archive(Format::Tar));
    let (promise, blob) = bench.promise(&bytes);
    thread::scope(|scope| {
        let then = || {
            bench.until_there(".tree.fitout-new/first");
            assert!(!bench.path("tree").exists());
        };
        let (bench, blob, bytes) = (&bench, &blob, bytes.as_slice());
        scope.spawn(move || bench.bring((promise, blob), &[bytes], &then));
        bench.unpack(vec![blob.clone()], &folder()).unwrap();
    });
    assert_eq!(fs::read(bench.path("tree/second")).unwrap().len(), SECOND);
}

#[test]
fn in_every_format_what_comes_is_unpacked_and_what_is_not_pinned_is_not() {
    for format in FORMATS {
        let good = archive(format);
        let mut bad = good.clone();
        *bad.last_mut().unwrap() ^= 1;
        // As it should be; begun anew; another file; cut off.
        let ways: [(&[&[u8]], bool); 4] = [(&[&good], true), (&[&bad, &good], true), (&[&bad], false), (&[&good[..good.len() / 2]], false)];
        for (beginnings, comes) in ways {
            let bench = Bench::new();
            let (promise, blob) = bench.promise(&good);
            thread::scope(|scope| {
                let (bench, own) = (&bench, blob.clone());
                scope.spawn(move || bench.bring((promise, &own), beginnings, &|| {}));
                let done = bench.unpack(vec![blob], &folder());
                assert_eq!((done.is_ok(), bench.path("tree/second").exists()), (comes, comes), "{format:?}: {done:?}");
            });
        }
    }
}
