//! What shares become, as snapshots.

use super::*;
use crate::model::{Architecture, Distribution, Facts, Gpu, UserName};
use crate::recipe::Answers;
use std::collections::BTreeMap;

fn lower(share: &Share) -> Vec<Spec> {
    let distribution = Distribution { id: "debian".into(), version: "12".into(), codename: "bookworm".into() };
    let facts = Facts { distribution, architecture: Architecture::Amd64, gpu: Gpu::Absent, driver: None };
    let owner = UserName::parse("ann").unwrap();
    let home = TargetPath::parse("/home/ann").unwrap();
    let context =
        Context { facts: &facts, name: None, owner: Some(&owner), home: &home, answers: &Answers::default(), settings: &BTreeMap::new() };
    share.lower(&context).unwrap()
}

fn joined(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// Everything that a share becomes, as a page.
fn page(share: &Share) -> String {
    let line = |spec: &Spec| {
        if let Spec::File(file) = spec {
            let text = match &file.content {
                Content::Inline(text) => text.to_string(),
                Content::Secret { template, refs } => format!("{template}(secrets: {})\n", joined(refs)),
                Content::Blob(_) => unreachable!("shares download nothing"),
            };
            return format!("== {} {} {}\n{text}", file.id(), file.meta.mode, file.meta.owner);
        }
        let packages = if let Spec::Apt(apt) = spec { apt.packages.as_slice() } else { &[] };
        let owner = spec.owner().map(|owner| format!(" of {owner}")).unwrap_or_default();
        format!("== {}{owner} [{}]; requires {}\n", spec.id(), joined(packages), joined(&spec.requires()))
    };
    lower(share).iter().map(line).collect()
}

fn key() -> SecretRef {
    SecretRef::File(TargetPath::parse("/run/secrets/lab.key").unwrap())
}

fn container(credential: BlobCredential, access: ShareAccess) -> Share {
    let cache = Cache { path: TargetPath::parse("/mnt/resource/cache").unwrap(), limit: ByteSize::parse("50GB").unwrap() };
    Share {
        name: "datasets".into(),
        driver: Driver::Blobfuse2 { container: "datasets".into(), credential, cache },
        account: "labstorage".into(),
        mount: HomePath::parse("/mnt/data sets").unwrap(),
        access,
        repositories: vec!["microsoft".into()],
    }
}

#[test]
fn a_container_with_a_key() {
    insta::assert_snapshot!(page(&container(BlobCredential::AccountKey(key()), ShareAccess::ReadWrite)));
}

#[test]
fn other_ways_into_a_container() {
    let login = |credential| {
        let page = page(&container(credential, ShareAccess::ReadOnly));
        page.lines()
            .filter(|line| ["read-only", "  mode", "  sas", "  appid", "(secrets"].iter().any(|word| line.starts_with(word)))
            .fold(String::new(), |all, line| all + line + "\n")
    };
    insta::assert_snapshot!(login(BlobCredential::Sas(key())), @r"
    read-only: true
      mode: sas
      sas: '{{secret:0}}'
    (secrets: file /run/secrets/lab.key)
    ");
    insta::assert_snapshot!(login(BlobCredential::ManagedIdentity { client_id: None }), @r"
    read-only: true
      mode: msi
    ");
    insta::assert_snapshot!(login(BlobCredential::ManagedIdentity { client_id: Some("1c2d".into()) }), @r"
    read-only: true
      mode: msi
      appid: '1c2d'
    ");
}

#[test]
fn a_file_share_of_the_owner() {
    let share = Share {
        name: "code".into(),
        driver: Driver::Cifs { share: "code-391ff5ac".into(), credential: CifsCredential::AccountKey(key()) },
        account: "labstorage".into(),
        mount: HomePath::parse("~/cloud files/code").unwrap(),
        access: ShareAccess::ReadOnly,
        repositories: Vec::new(),
    };
    insta::assert_snapshot!(page(&share));
}

#[test]
fn a_cache_of_nothing_is_refused() {
    let mut share = container(BlobCredential::ManagedIdentity { client_id: None }, ShareAccess::ReadWrite);
    if let Driver::Blobfuse2 { cache, .. } = &mut share.driver {
        cache.limit = ByteSize(1000);
    }
    let Driver::Blobfuse2 { container, credential, cache } = &share.driver else { unreachable!() };
    assert!(blobfuse2::parts(&share, &TargetPath::root(), container, credential, cache).is_err());
}
