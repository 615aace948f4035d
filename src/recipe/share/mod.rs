//! `shares`: Blob containers through blobfuse2, Azure Files through SMB. Each becomes a package, a private configuration file and a
//! systemd unit; mounting waits for a machine that runs.
//!
//! The mount point is made by the unit, not by a resource: once mounted, its mode and owner are those of the share. To add a driver:
//! one file that yields [`Parts`], one variant of [`Driver`].

mod blobfuse2;
mod cifs;

use super::packages::known_to_apt;
use super::{Context, Item, Recipe};
use crate::model::{ByteSize, HomePath, Invalid, Meta, Mode, Owner, ResourceId, SecretRef, TargetPath, UnitName};
use crate::problem::{Code, Problem};
use crate::resource::{Apt, Directory, File, Spec, Switch, Unit};
use crate::step::Content;

/// One item of `shares`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Its name, that of its unit and files.
    pub name: String,
    /// How it is mounted.
    pub driver: Driver,
    /// The storage account.
    pub account: String,
    /// Where it appears.
    pub mount: HomePath,
    /// What may be done with it.
    pub access: ShareAccess,
    /// Repositories of the same manifest, which come first: Microsoft's has blobfuse2.
    pub repositories: Vec<String>,
}

/// What may be done with a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShareAccess {
    /// Read.
    ReadOnly,
    /// Read and write.
    ReadWrite,
}

/// How a share is mounted, with what that needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Driver {
    /// A Blob container.
    Blobfuse2 {
        /// The container.
        container: String,
        /// How to get in.
        credential: BlobCredential,
        /// Where files in use are kept.
        cache: Cache,
    },
    /// An Azure Files share by SMB 3.1.1.
    Cifs {
        /// The share.
        share: String,
        /// How to get in.
        credential: CifsCredential,
    },
}

/// How to get into a Blob container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobCredential {
    /// The account's key.
    AccountKey(SecretRef),
    /// A shared access signature.
    Sas(SecretRef),
    /// The machine's identity; of several, the one with this client id.
    ManagedIdentity {
        /// Client id; `None` where the machine has one identity.
        client_id: Option<String>,
    },
}

/// How to get into an Azure Files share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CifsCredential {
    /// The account's key.
    AccountKey(SecretRef),
}

/// A cache of a share; never without a hard limit, for blobfuse2's own default is 80 % of the free disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// Where.
    pub path: TargetPath,
    /// How much at most.
    pub limit: ByteSize,
}

/// What a driver makes of a share.
struct Parts {
    /// Its package request: a name that shares of one driver have in common, and the packages.
    packages: (&'static str, &'static [&'static str]),
    /// Its configuration; private, for it may hold a secret.
    config: (TargetPath, Content),
    /// The unit that mounts it.
    unit: (UnitName, String),
}

impl Recipe for Share {
    fn item(&self) -> Item {
        Item::of("shares", &self.name)
    }

    fn lower(&self, context: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        let fail = |error: Invalid| vec![Problem::general(Code::BadValue, format!("share {}: {}", self.name, error.0))];
        let mount = self.mount.within(context.home);
        let parts = match &self.driver {
            Driver::Blobfuse2 { container, credential, cache } => blobfuse2::parts(self, &mount, container, credential, cache),
            Driver::Cifs { share, credential } => cifs::parts(self, &mount, share, credential, context.owner),
        };
        let mut specs = folders(self, &mount, context);
        specs.extend(assemble(parts.map_err(fail)?, known_to_apt(&self.repositories)).map_err(fail)?);
        Ok(specs)
    }
}

/// The owner's folders between home and mount point: what is made on the way to a mount point would be root's.
fn folders(share: &Share, mount: &TargetPath, context: &Context<'_>) -> Vec<Spec> {
    let (true, Some(owner)) = (share.mount.is_home(), context.owner) else { return Vec::new() };
    let between = mount.ancestors().filter(|path| path.is_within(context.home) && path != context.home);
    let meta = Meta::of(Owner::User(owner.clone()), Mode::OPEN);
    between.map(|path| Spec::Directory(Directory::new(path, meta.clone(), Vec::new()))).collect()
}

fn assemble(parts: Parts, repositories: Vec<ResourceId>) -> Result<Vec<Spec>, Invalid> {
    let (request, names) = parts.packages;
    let apt = Apt::new(request, names.iter().map(|name| (*name).to_owned()).collect(), repositories);
    let (name, text) = parts.unit;
    let file = |path, content, mode| File { read_by: vec![name.clone()], ..File::new(path, content, Meta::root(mode)) };
    let config = file(parts.config.0, parts.config.1, Mode::PRIVATE);
    let unit_path = TargetPath::parse(&format!("/etc/systemd/system/{name}"))?;
    let unit_file = file(unit_path, Content::Inline(text.into()), Mode::FILE);
    let reads = vec![config.clone(), unit_file.clone()];
    let requires = vec![ResourceId::new("apt", &apt.name), config.id(), unit_file.id()];
    let unit = Unit { enabled: Some(Switch::On), active: Some(Switch::On), reads, requires, ..Unit::new(name) };
    Ok(vec![Spec::Apt(apt), Spec::File(config), Spec::File(unit_file), Spec::Unit(unit)])
}

/// Where a share's configuration lies.
fn config_path(name: &str, ending: &str) -> Result<TargetPath, Invalid> {
    TargetPath::parse(&format!("/etc/fitout/shares/{name}.{ending}"))
}

/// A driver, whatever it mounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mounter {
    /// blobfuse2.
    Blobfuse2,
    /// The kernel's SMB client.
    Cifs,
}

/// The unit and the configuration of a share of this name at this mount point.
pub(super) fn remains(name: &str, mounter: Mounter, mount: &TargetPath) -> Result<(UnitName, TargetPath), Invalid> {
    match mounter {
        Mounter::Blobfuse2 => blobfuse2::remains(name),
        Mounter::Cifs => cifs::remains(name, mount),
    }
}

#[cfg(test)]
mod tests;
