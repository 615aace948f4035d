//! A Blob container through blobfuse2: its YAML configuration and a service that runs it in the foreground.
//!
//! blobfuse2's own defaults are kept away from: a cache of 80 % of the free disk, a parent that reports success after five seconds
//! whatever became of the mount, a version check by network. Secrets stand in the configuration file, mode 0600, never in argv or the environment.

use super::{BlobCredential, Cache, Parts, Share, ShareAccess, config_path};
use crate::model::unit_text::{argument, value, word};
use crate::model::{Invalid, SecretRef, TargetPath, UnitName};
use crate::step::Content;

const PACKAGES: (&str, &[&str]) = ("blobfuse2", &["blobfuse2", "fuse3"]);

/// blobfuse2 counts its cache in these.
const MEBIBYTE: u64 = 1 << 20;

pub(super) fn parts(
    share: &Share,
    mount: &TargetPath,
    container: &str,
    credential: &BlobCredential,
    cache: &Cache,
) -> Result<Parts, Invalid> {
    let (unit, config) = remains(&share.name)?;
    let text = service(share, mount, container, cache, &config);
    Ok(Parts { packages: PACKAGES, config: (config, configuration(share, container, credential, cache)?), unit: (unit, text) })
}

/// The unit and the configuration of a share.
pub(super) fn remains(name: &str) -> Result<(UnitName, TargetPath), Invalid> {
    Ok((UnitName::parse(&format!("fitout-share-{name}.service"))?, config_path(name, "yaml")?))
}

fn configuration(share: &Share, container: &str, credential: &BlobCredential, cache: &Cache) -> Result<Content, Invalid> {
    let megabytes = cache.limit.0 / MEBIBYTE;
    if megabytes == 0 {
        return Err(Invalid::new(format!("a cache of {} is none; give it at least 1MiB", cache.limit)));
    }
    let read_only = match share.access {
        ShareAccess::ReadOnly => "read-only: true\n",
        ShareAccess::ReadWrite => "",
    };
    let (login, secret) = login(credential);
    let text = format!(
        "# {header}\nallow-other: true\n{read_only}logging:\n  type: syslog\n  level: log_warning\n\
         components: [libfuse, file_cache, attr_cache, azstorage]\n\
         file_cache:\n  path: {path}\n  max-size-mb: {megabytes}\n  hard-limit: true\n\
         \x20 # What a crash left here was perhaps not uploaded: it is kept.\n  allow-non-empty-temp: true\n\
         azstorage:\n  type: block\n  account-name: {account}\n  container: {container}\n\
         \x20 endpoint: https://{account}.blob.core.windows.net\n{login}",
        header = crate::resource::HEADER,
        path = quoted(cache.path.as_str()),
        account = share.account,
    );
    Ok(match secret {
        Some(secret) => Content::Secret { template: text, refs: vec![secret.clone()] },
        None => Content::Inline(text.into()),
    })
}

fn login(credential: &BlobCredential) -> (String, Option<&SecretRef>) {
    match credential {
        BlobCredential::AccountKey(secret) => ("  mode: key\n  account-key: '{{secret:0}}'\n".into(), Some(secret)),
        BlobCredential::Sas(secret) => ("  mode: sas\n  sas: '{{secret:0}}'\n".into(), Some(secret)),
        BlobCredential::ManagedIdentity { client_id: None } => ("  mode: msi\n".into(), None),
        BlobCredential::ManagedIdentity { client_id: Some(id) } => (format!("  mode: msi\n  appid: {}\n", quoted(id)), None),
    }
}

/// A YAML scalar in single quotes.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn service(share: &Share, mount: &TargetPath, container: &str, cache: &Cache, config: &TargetPath) -> String {
    let (at, cache_path) = (argument(mount.as_str()), argument(cache.path.as_str()));
    format!(
        "# {header}\n[Unit]\nDescription=Blob container {account}/{container} on {on}\nWants=network-online.target\n\
         After=network-online.target\nRequiresMountsFor={needs}\n# An outage may last: it is tried again for as long as it takes.\n\
         StartLimitIntervalSec=0\n\n\
         [Service]\nType=simple\n\
         # Nothing here may ask for a mount namespace (PrivateTmp, ProtectSystem): the share would be seen by this service alone.\n\
         RuntimeDirectory=fitout-share-{name}\nEnvironment=HOME=%t/fitout-share-{name}\n\
         # A mount whose daemon was killed is in the way of the next.\n\
         ExecStartPre=-/usr/bin/fusermount3 -u -z -q {at}\n\
         # Not writable while nothing is mounted, so that nothing lands beneath the share.\n\
         ExecStartPre=/usr/bin/mkdir -p -m 0555 {at}\nExecStartPre=/usr/bin/mkdir -p -m 0700 {cache_path}\n\
         ExecStart=/usr/bin/blobfuse2 mount {at} --config-file={config} --foreground --disable-version-check\n\
         # Started means mounted.\n\
         ExecStartPost=/usr/bin/timeout 30 /bin/sh -c 'until mountpoint -q \"$$0\"; do sleep 0.2; done' {at}\n\
         ExecStop=/usr/bin/fusermount3 -u {at}\nExecStopPost=-/usr/bin/fusermount3 -u -z -q {at}\n\
         Restart=on-failure\nRestartSec=10\nTimeoutStopSec=90\n\
         # Its memory grows with the files in use; what outgrows this is restarted rather than the machine stopped.\n\
         MemoryMax=25%\n\n[Install]\nWantedBy=multi-user.target\n",
        header = crate::resource::HEADER,
        account = share.account,
        on = value(mount.as_str()),
        needs = word(cache.path.as_str()),
        name = share.name,
    )
}
