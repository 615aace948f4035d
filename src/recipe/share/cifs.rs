//! An Azure Files share by SMB 3.1.1: a credentials file and a mount unit.

use super::{CifsCredential, Parts, Share, ShareAccess, config_path};
use crate::model::unit_text::{escape_path, value};
use crate::model::{Invalid, TargetPath, UnitName, UserName};
use crate::step::Content;

const PACKAGES: (&str, &[&str]) = ("cifs", &["cifs-utils"]);

/// What Azure's documentation asks for: stable inode numbers, a connection of its own, attributes kept for 30 s, and symbolic links
/// as small files; and nothing on a share gets rights or makes devices.
const OPTIONS: &str = "vers=3.1.1,serverino,nosharesock,actimeo=30,mfsymlinks,dir_mode=0755,file_mode=0644,nosuid,nodev,_netdev";

pub(super) fn parts(
    share: &Share,
    mount: &TargetPath,
    remote: &str,
    credential: &CifsCredential,
    owner: Option<&UserName>,
) -> Result<Parts, Invalid> {
    let CifsCredential::AccountKey(secret) = credential;
    let (unit, config) = remains(&share.name, mount)?;
    let text = mount_unit(share, mount, remote, &config, owner);
    let template = format!("username={}\npassword={{{{secret:0}}}}\n", share.account);
    Ok(Parts { packages: PACKAGES, config: (config, Content::Secret { template, refs: vec![secret.clone()] }), unit: (unit, text) })
}

/// The unit and the configuration of a share.
pub(super) fn remains(name: &str, mount: &TargetPath) -> Result<(UnitName, TargetPath), Invalid> {
    Ok((UnitName::parse(&format!("{}.mount", escape_path(mount)))?, config_path(name, "credentials")?))
}

fn mount_unit(share: &Share, mount: &TargetPath, remote: &str, config: &TargetPath, owner: Option<&UserName>) -> String {
    let whose = owner.map(|name| format!(",uid={name},gid={name}")).unwrap_or_default();
    let access = match share.access {
        ShareAccess::ReadOnly => ",ro",
        ShareAccess::ReadWrite => "",
    };
    format!(
        "# {header}\n[Unit]\nDescription=Azure file share {account}/{remote} on {at}\nWants=network-online.target\n\
         After=network-online.target\n\n\
         [Mount]\nWhat=//{account}.file.core.windows.net/{remote}\nWhere={at}\nType=cifs\n\
         Options=credentials={config},{OPTIONS}{whose}{access}\n\
         # Not writable while nothing is mounted, so that nothing lands beneath the share.\n\
         DirectoryMode=0555\nTimeoutSec=30\n\n[Install]\nWantedBy=remote-fs.target\n",
        header = crate::resource::HEADER,
        account = share.account,
        at = value(mount.as_str()),
    )
}
