//! Downloads of this process that are on their way: who needs one reads it while it grows.
//!
//! What is read so is not verified yet. Its end is told only once the whole file was, so who keeps nothing before the end keeps nothing that is
//! not what was pinned.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

/// A download on its way, or one that may come.
#[derive(Debug, Default)]
pub struct Arrival {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// How many promised to bring it.
    promises: usize,
    /// The file that grows.
    file: Option<Arc<File>>,
    /// How often it began anew.
    beginnings: u64,
    /// How much of it is there without a gap.
    length: u64,
    /// The length that the first of its readers waits for.
    wanted: Option<u64>,
    /// Whether it is in the store.
    whole: bool,
}

/// All of this process, by the path at which each will be.
static ALL: Mutex<BTreeMap<PathBuf, Weak<Arrival>>> = Mutex::new(BTreeMap::new());

/// The arrival of what will be at this path: the same for all who ask meanwhile.
pub(super) fn at(path: PathBuf) -> Arc<Arrival> {
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|_, arrival| arrival.strong_count() > 0);
    let known = all.get(&path).and_then(Weak::upgrade);
    known.unwrap_or_else(|| {
        let new = Arc::new(Arrival::default());
        all.insert(path, Arc::downgrade(&new));
        new
    })
}

impl Arrival {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.moved.notify_all();
    }

    /// Promises that it will come, or be given up, until what is returned is dropped.
    #[must_use]
    pub fn promise(self: Arc<Self>) -> Promise {
        self.change(|state| state.promises += 1);
        Promise(self)
    }

    /// It begins, or begins anew, in this file.
    ///
    /// # Errors
    /// The file cannot be opened a second time.
    pub fn begin(&self, file: &File) -> io::Result<()> {
        let file = Arc::new(file.try_clone()?);
        self.change(|state| {
            (state.file, state.length) = (Some(file), 0);
            state.beginnings += 1;
        });
        Ok(())
    }

    /// So much of it is there without a gap.
    pub fn grow(&self, length: u64) {
        let mut state = self.state();
        state.length = length;
        // Each call of a reader is a turn of the processor: one that waits for more is left asleep.
        if state.wanted.take_if(|wanted| length >= *wanted).is_some() {
            drop(state);
            self.moved.notify_all();
        }
    }

    /// It is in the store.
    pub fn arrive(&self) {
        self.change(|state| state.whole = true);
    }

    /// Waits until nobody brings it any more: whether it is in the store.
    #[must_use]
    pub fn is_whole_in_the_end(&self) -> bool {
        self.moved.wait_while(self.state(), |state| !state.whole && state.promises > 0).unwrap_or_else(PoisonError::into_inner).whole
    }

    /// Waits until it begins, and reads it while it grows; `None` where there is nothing to be followed.
    #[must_use]
    pub fn follow(self: Arc<Self>) -> Option<Growing> {
        let waiting = |state: &mut State| !state.whole && state.promises > 0 && state.file.is_none();
        let (file, beginning) = {
            let state = self.moved.wait_while(self.state(), waiting).unwrap_or_else(PoisonError::into_inner);
            (state.file.clone()?, state.beginnings)
        };
        Some(Growing { arrival: self, file, beginning, at: 0 })
    }
}

/// Somebody's promise that a download will come.
#[derive(Debug)]
pub struct Promise(Arc<Arrival>);

impl Drop for Promise {
    fn drop(&mut self) {
        self.0.change(|state| state.promises -= 1);
    }
}

/// A download, read while it grows; its end is told when it is in the store.
#[derive(Debug)]
pub struct Growing {
    arrival: Arc<Arrival>,
    file: Arc<File>,
    beginning: u64,
    at: u64,
}

impl Read for Growing {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let (at, beginning) = (self.at, self.beginning);
        let end = at + into.len() as u64;
        let waiting = |state: &mut State| {
            let waits = state.beginnings == beginning && state.length < end && !state.whole && state.promises > 0;
            state.wanted = state.wanted.into_iter().chain(waits.then_some(end)).min();
            waits
        };
        let state = self.arrival.moved.wait_while(self.arrival.state(), waiting).unwrap_or_else(PoisonError::into_inner);
        if state.beginnings != beginning {
            return Err(anew());
        }
        if state.length <= at {
            return if state.whole { Ok(0) } else { Err(io::Error::other("the download did not come")) };
        }
        let most = into.len().min(usize::try_from(state.length - at).unwrap_or(usize::MAX));
        drop(state);
        let read = self.file.read_at(&mut into[..most], at)?;
        // It may have begun anew meanwhile, in the same file.
        if (read == 0 && most > 0) || self.arrival.state().beginnings != beginning {
            return Err(anew());
        }
        self.at += read as u64;
        Ok(read)
    }
}

fn anew() -> io::Error {
    io::Error::other("the download began anew")
}

impl Seek for Growing {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(_) => None,
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use crate::model::Sha256;
    use crate::store::Store;
    use std::io::{Read, Write};
    use std::thread;

    #[test]
    fn a_download_is_read_while_it_grows_and_ends_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (store, digest) = (Store::at(folder.path()), Sha256::of(b"one two"));
        let promise = store.arrival(&digest).promise();
        let arrival = store.arrival(&digest);
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut text = String::new();
                store.arrival(&digest).follow().unwrap().read_to_string(&mut text).map(|_| text)
            });
            let mut file = store.partial(&digest).unwrap();
            arrival.begin(file.as_file()).unwrap();
            for (part, length) in [("one ", 4), ("two", 7)] {
                file.write_all(part.as_bytes()).unwrap();
                arrival.grow(length);
            }
            assert!(!reader.is_finished(), "its end was told before it was in the store");
            store.publish(file, &digest).unwrap();
            arrival.arrive();
            assert_eq!(reader.join().unwrap().unwrap(), "one two");
        });
        drop(promise);
        assert!(store.arrival(&digest).is_whole_in_the_end());
    }

    #[test]
    fn what_nobody_brings_is_not_waited_for_and_what_begins_anew_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (store, digest) = (Store::at(folder.path()), Sha256::of(b"never"));
        assert!(store.arrival(&digest).follow().is_none());
        let arrival = store.arrival(&digest);
        let promise = store.arrival(&digest).promise();
        let file = store.partial(&digest).unwrap();
        arrival.begin(file.as_file()).unwrap();
        let mut first = store.arrival(&digest).follow().unwrap();
        arrival.begin(file.as_file()).unwrap();
        assert!(first.read(&mut [0; 4]).unwrap_err().to_string().contains("began anew"));
        let mut second = store.arrival(&digest).follow().unwrap();
        drop(promise);
        assert!(second.read(&mut [0; 4]).unwrap_err().to_string().contains("did not come"));
        assert!(!arrival.is_whole_in_the_end());
    }
}
