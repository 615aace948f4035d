//! What steps need from a network: into the store before they are performed, or while they are.

use super::{Approved, Session, SessionError, verified};
use crate::apply::Supply;
use crate::fetch::Http;
use crate::model::Network;
use crate::resolve::Permission;
use crate::step::{Blob, Op};
use crate::store::{Promise, Store};
use crate::target::{OpError, Progress};
use std::sync::atomic::{AtomicBool, Ordering};

/// A session that performs approved steps only, where some were.
pub(super) struct Only<'a>(pub &'a Session, pub Option<&'a Approved>);

impl Only<'_> {
    fn approves(&self, op: &Op) -> Result<(), OpError> {
        if self.1.is_none_or(|approved| approved.allows(op)) {
            return Ok(());
        }
        Err(OpError::new(op.summary(), "the saved plan has no such step").hint("save a new plan, and apply that"))
    }
}

impl Supply for Only<'_> {
    fn supply(&self, op: &Op, progress: &dyn Progress) -> Result<(), OpError> {
        self.approves(op)?;
        self.0.supply(op, progress)
    }

    fn supply_during(&self, op: &Op, progress: &dyn Progress, work: &(dyn Fn() -> Result<(), OpError> + Sync)) -> Result<(), OpError> {
        self.approves(op)?;
        self.0.supply_during(op, progress, work)
    }
}

impl Supply for Session {
    fn supply(&self, op: &Op, progress: &dyn Progress) -> Result<(), OpError> {
        brought(&self.store, op, &lacking(&self.store, op)?, &self.network, progress)
    }

    fn supply_during(&self, op: &Op, progress: &dyn Progress, work: &(dyn Fn() -> Result<(), OpError> + Sync)) -> Result<(), OpError> {
        if matches!(op, Op::Unpack(_)) {
            return supply_during(&self.store, op, &self.network, progress, work);
        }
        self.supply(op, progress)?;
        work()
    }
}

/// Brings what a step needs while it is performed, which waits for each download by itself.
///
/// # Errors
/// It could not be had, or the work failed.
pub fn supply_during(
    store: &Store,
    op: &Op,
    network: &Network,
    progress: &dyn Progress,
    work: &(dyn Fn() -> Result<(), OpError> + Sync),
) -> Result<(), OpError> {
    let blobs = lacking(store, op)?;
    if blobs.is_empty() {
        return work();
    }
    let promises: Vec<Promise> = blobs.iter().map(|blob| store.arrival(&blob.sha256).promise()).collect();
    let beside = Beside { progress, given_up: AtomicBool::new(false) };
    std::thread::scope(|scope| {
        let coming = scope.spawn(|| {
            // What ends it because the work failed is not the cause of anything.
            let brought =
                brought(store, op, &blobs, network, &beside).or_else(|error| if beside.is_given_up() { Ok(()) } else { Err(error) });
            drop(promises);
            brought
        });
        let worked = work();
        beside.given_up.store(worked.is_err(), Ordering::Relaxed);
        // That a download failed says more than what became of the work without it.
        coming.join().unwrap_or(Ok(())).and(worked)
    })
}

/// The progress of downloads beside work that tells how far it read them.
struct Beside<'a> {
    progress: &'a dyn Progress,
    given_up: AtomicBool,
}

impl Beside<'_> {
    fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }
}

impl Progress for Beside<'_> {
    fn line(&self, text: &str) {
        self.progress.line(text);
    }

    fn advance(&self, _: u64, _: u64) {}

    fn must_end(&self) -> Option<String> {
        self.is_given_up().then(|| "what it was for failed".to_owned()).or_else(|| self.progress.must_end())
    }
}

/// Brings what a step needs from a network into the store.
///
/// # Errors
/// It could not be had, or no network may be asked for it.
pub fn supply(store: &Store, op: &Op, way: (Permission, &Network), progress: &dyn Progress) -> Result<(), SessionError> {
    let lacks = verified::looked_for(store, op.blobs()).map_err(SessionError::Own)?;
    if way.0 == Permission::Forbidden && !lacks.is_empty() {
        return Err(verified::missing(&lacks));
    }
    let blobs: Vec<&Blob> = lacks.iter().map(|lack| lack.blob).collect();
    brought(store, op, &blobs, way.1, progress).map_err(SessionError::Own)
}

/// What a step needs and the store cannot give.
fn lacking<'o>(store: &Store, op: &'o Op) -> Result<Vec<&'o Blob>, OpError> {
    Ok(verified::looked_for(store, op.blobs())?.into_iter().map(|lack| lack.blob).collect())
}

fn brought(store: &Store, op: &Op, blobs: &[&Blob], network: &Network, progress: &dyn Progress) -> Result<(), OpError> {
    if blobs.is_empty() {
        return Ok(());
    }
    let fetched = Http::through(network).and_then(|http| http.download_all(store, blobs, progress));
    fetched.map_err(|error| OpError::new(format!("fetch what is needed to {}", op.summary()), error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Meta, Mode, Sha256, TargetPath};
    use crate::step::Content;
    use crate::target::Silent;
    use std::io::Write;

    #[test]
    fn what_is_damaged_is_told_with_both_digests() {
        let folder = tempfile::tempdir().unwrap();
        let (store, sha256) = (Store::at(folder.path()), Sha256::of(b"whole"));
        let mut file = store.incoming().unwrap();
        file.write_all(b"whole").unwrap();
        let path = store.publish(file, &sha256).unwrap();
        std::fs::write(path, "other").unwrap();
        let content = Content::Blob(Blob { url: "https://example.org/setup.sh".into(), sha256, size: None });
        let meta = Meta::root(Mode::FILE);
        let op = Op::WriteFile { path: TargetPath::parse("/x").unwrap(), content, meta, proof: None, read_by: Vec::new() };
        let said = supply(&store, &op, (Permission::Forbidden, &Network::default()), &Silent).unwrap_err().to_string();
        assert!(said.contains(&sha256.to_string()) && said.contains(&Sha256::of(b"other").to_string()), "{said}");
    }
}
