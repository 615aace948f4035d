//! Shares and guards.

use super::desk::Desk;
use crate::manifest::at::At;
use crate::manifest::machine::MachineKind;
use crate::manifest::v1::{self, Credential, Manifest, ShareDriver, State};
use crate::model::{ByteSize, HomePath, SecretRef, TargetPath};
use crate::problem::{Code, Place};
use crate::recipe::{BlobCredential, Cache, CifsCredential, DiskGuard, Driver, Gone, Mounter, Share, ShareAccess, Want};

/// Azure's rule: a compute instance stops and restarts only with this much free.
const AZURE_GUARDS: [(&str, u64); 2] = [("/", 5_000_000_000), ("/mnt", 1_000_000_000)];

/// `shares`.
pub fn shares(manifest: &Manifest, desk: &mut Desk<'_>) -> Vec<Want> {
    let all = &manifest.shares;
    desk.distinct("the share", all.iter().map(|share| (share.value.name.value.as_str().to_owned(), &share.value.name.place)));
    desk.distinct("the mount point", all.iter().map(|share| (share.value.mount.value.to_string(), &share.value.mount.place)));
    let caches = all.iter().filter_map(|share| share.value.cache.as_ref()).map(|cache| &cache.value.path);
    desk.distinct("the cache", caches.map(|path| (path.value.to_string(), &path.place)));
    let repositories = super::software::present_repositories(manifest);
    let share = |item: &At<v1::Share>| match gone(&item.value) {
        Some(gone) => Some(Want::Gone(gone)),
        None => one_share(item, desk).map(|share| Want::Share(Share { repositories: repositories.clone(), ..share })),
    };
    all.iter().filter_map(share).collect()
}

/// A share that is not to be.
fn gone(share: &v1::Share) -> Option<Gone> {
    let mounter = match share.driver.value {
        ShareDriver::Blobfuse2 => Mounter::Blobfuse2,
        ShareDriver::Cifs => Mounter::Cifs,
    };
    let gone = || Gone::Share { name: share.name.value.as_str().to_owned(), mounter, mount: share.mount.value.clone() };
    State::is_absent(share.state).then(gone)
}

fn one_share(item: &At<v1::Share>, desk: &mut Desk<'_>) -> Option<Share> {
    let share = &item.value;
    desk.check_home(&share.mount);
    super::protected::check_place(&share.mount, desk);
    if matches!(&share.mount.value, HomePath::Home(below) if below.is_empty())
        || share.mount.value == HomePath::Absolute(TargetPath::root())
    {
        desk.say(
            Code::BadValue,
            &share.mount.place,
            "a share hides what is below its mount point",
            "give it an empty directory of its own",
        );
    }
    let lacks = [("account", share.account.is_none()), ("credential", share.credential.is_none())];
    desk.say_present_lacks(item, &share.name.place, "this share", &lacks);
    let credential = share.credential.as_ref()?;
    let driver = match share.driver.value {
        ShareDriver::Blobfuse2 => blob(item, credential, desk),
        ShareDriver::Cifs => cifs(item, credential, desk),
    };
    let access = match share.access {
        Some(v1::Access::ReadOnly) => ShareAccess::ReadOnly,
        Some(v1::Access::ReadWrite) | None => ShareAccess::ReadWrite,
    };
    Some(Share {
        name: share.name.value.as_str().to_owned(),
        driver: driver?,
        account: share.account.as_ref()?.as_str().to_owned(),
        mount: share.mount.value.clone(),
        access,
        repositories: Vec::new(),
    })
}

fn blob(item: &At<v1::Share>, credential: &At<Credential>, desk: &mut Desk<'_>) -> Option<Driver> {
    let share = &item.value;
    if let Some(other) = &share.smb {
        let help = "Azure Files are mounted with `driver: cifs`; for Blob storage name a `container`";
        desk.say(Code::Conflict, &other.place, "blobfuse2 mounts containers of Blob storage, never shares of Azure Files", help);
    }
    let credential = match &credential.value {
        Credential::AccountKey(secret) => BlobCredential::AccountKey(checked(secret, &credential.place, desk)),
        Credential::Sas(secret) => BlobCredential::Sas(checked(secret, &credential.place, desk)),
        Credential::ManagedIdentity(identity) => {
            BlobCredential::ManagedIdentity { client_id: identity.client_id.as_ref().map(|id| id.as_str().to_owned()) }
        }
    };
    let place = &share.driver.place;
    if share.container.is_none() && share.smb.is_none() {
        desk.say_lack(item, place, "blobfuse2 needs a `container`", "add `container:`, the container's name");
    }
    let Some(cache) = &share.cache else {
        let help = "add `cache: {path: /mnt/…, limit: 50GB}`, on a disk that may fill";
        desk.say_lack(item, place, "blobfuse2 needs a `cache` with a limit: its own is 80 % of the free disk", help);
        return None;
    };
    let (path, limit) = (cache.value.path.value.clone(), cache.value.limit.value.0);
    if matches!(&share.mount.value, HomePath::Absolute(mount) if path.is_within(mount) || mount.is_within(&path)) {
        desk.say(
            Code::Conflict,
            &cache.value.path.place,
            "the cache and the mount point lie within each other",
            "give the cache another directory",
        );
    }
    let container = share.container.as_ref()?.value.as_str().to_owned();
    Some(Driver::Blobfuse2 { container, credential, cache: Cache { path, limit } })
}

fn cifs(item: &At<v1::Share>, credential: &At<Credential>, desk: &mut Desk<'_>) -> Option<Driver> {
    let share = &item.value;
    if let Some(other) = &share.container {
        let help = "Blob storage is mounted with `driver: blobfuse2`; for Azure Files name a `share`";
        desk.say(Code::Conflict, &other.place, "cifs mounts shares of Azure Files, never containers of Blob storage", help);
    }
    if let Some(cache) = &share.cache {
        desk.say(Code::Conflict, &cache.place, "cifs keeps no cache of files on a disk", "remove `cache`");
    }
    if share.smb.is_none() && share.container.is_none() {
        desk.say_lack(item, &share.driver.place, "cifs needs a `share`", "add `share:`, the name of the share of Azure Files");
    }
    let Credential::AccountKey(secret) = &credential.value else {
        let message = "Azure Files by SMB takes the account's key only";
        desk.say(Code::BadValue, &credential.place, message, "write `credential: {account_key: {file: …}}`");
        return None;
    };
    let credential = CifsCredential::AccountKey(checked(secret, &credential.place, desk));
    Some(Driver::Cifs { share: share.smb.as_ref()?.value.as_str().to_owned(), credential })
}

/// A credential's name becomes the name of a file.
fn checked(secret: &SecretRef, place: &Place, desk: &mut Desk<'_>) -> SecretRef {
    if let SecretRef::Credential(name) = secret {
        let good = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if name.is_empty() || name.starts_with(['.', '-']) || !name.chars().all(good) || name.len() > 255 {
            desk.hide(place);
            desk.say(
                Code::BadValue,
                place,
                "this is not the name of a systemd credential",
                "letters, digits, `_`, `.`, `-`; none of the last two first",
            );
        }
    }
    secret.clone()
}

/// `disk.guards`, or Azure's where the machine is to be as Azure's.
pub fn guards(manifest: &Manifest, kind: MachineKind, desk: &mut Desk<'_>) -> Vec<Want> {
    let guard = |mount: TargetPath, minimum_free: ByteSize| Want::DiskGuard(DiskGuard { mount, minimum_free });
    match (manifest.disk.as_ref().and_then(|disk| disk.guards.as_ref()), kind) {
        (Some(guards), _) => {
            desk.distinct("the mount", guards.iter().map(|guard| &guard.value.mount).map(|mount| (mount.value.to_string(), &mount.place)));
            guards.iter().filter_map(|written| one_guard(written, desk)).collect()
        }
        (None, MachineKind::ComputeInstance) => {
            AZURE_GUARDS.iter().filter_map(|(mount, free)| Some(guard(TargetPath::parse(mount).ok()?, ByteSize(*free)))).collect()
        }
        (None, MachineKind::Workstation) => Vec::new(),
    }
}

fn one_guard(item: &At<v1::Guard>, desk: &mut Desk<'_>) -> Option<Want> {
    let guard = &item.value;
    let mount = guard.mount.value.clone();
    if State::is_absent(guard.state) {
        return Some(Want::Gone(Gone::Guard(mount)));
    }
    desk.say_present_lacks(item, &guard.mount.place, "this guard", &[("minimum_free", guard.minimum_free.is_none())]);
    Some(Want::DiskGuard(DiskGuard { mount, minimum_free: size(guard.minimum_free.as_ref()?, desk) }))
}

fn size(size: &At<v1::Size>, desk: &mut Desk<'_>) -> ByteSize {
    let value = size.value.0;
    if value.0 == 0 {
        desk.say(Code::BadValue, &size.place, "a guard of nothing guards nothing", "remove the guard, or write a size such as 5GB");
    }
    value
}
