//! The owner and SSH, with the defaults of the machine's type.

use super::desk::Desk;
use super::keys::keys;
use crate::manifest::at::At;
use crate::manifest::machine::MachineKind;
use crate::manifest::v1::{Manifest, User};
use crate::model::UserName;
use crate::problem::Code;
use crate::recipe::{OwnerAccount, SshAccess, SshPolicy, Sudo, Want};

/// The owner of every Azure ML compute instance.
const AZURE_OWNER: &str = "azureuser";

/// The owner's account; `None` where the machine has none.
pub fn owner(manifest: &Manifest, kind: MachineKind, desk: &mut Desk<'_>) -> Option<OwnerAccount> {
    let written = manifest.user.as_ref();
    let name = owner_name(written, kind, desk);
    if name.is_none() && written.is_some() {
        desk.doubt("user");
    }
    let name = name?;
    let key = manifest.ssh_settings.as_ref().and_then(|settings| settings.ssh_key_value.as_ref());
    let user = written.map(|user| &user.value);
    let values = user.map(|user| user.authorized_keys.as_slice()).unwrap_or_default();
    let mut authorized_keys: Vec<String> = Vec::new();
    for value in values.iter().chain(key) {
        for key in keys(value, desk) {
            if !authorized_keys.contains(&key) {
                authorized_keys.push(key);
            }
        }
    }
    let root_access = manifest.enable_root_access.as_ref().map(|access| access.value);
    let sudo = match user.and_then(|user| user.sudo).or(root_access) {
        Some(true) => Sudo::Everything,
        Some(false) => Sudo::Nothing,
        None if kind == MachineKind::ComputeInstance => Sudo::Everything,
        None => Sudo::Unmanaged,
    };
    let groups = user.map(|user| user.groups.as_slice()).unwrap_or_default();
    desk.distinct("the group", groups.iter().map(|group| (group.value.as_str().to_owned(), &group.place)));
    Some(OwnerAccount {
        name,
        sudo,
        shell: user.and_then(|user| user.shell.clone()),
        groups: groups.iter().map(|group| group.value.as_str().to_owned()).collect(),
        authorized_keys,
    })
}

fn owner_name(user: Option<&At<User>>, kind: MachineKind, desk: &mut Desk<'_>) -> Option<UserName> {
    let azure = (kind == MachineKind::ComputeInstance).then(|| UserName::parse(AZURE_OWNER).ok()).flatten();
    let Some(user) = user else { return azure };
    match (&user.value.name, azure) {
        (Some(name), _) if name.value.as_str() == "root" => {
            desk.say(Code::BadValue, &name.place, "root is no owner: the owner is a person's own account", "name another user");
            None
        }
        (Some(name), _) => Some(name.value.clone()),
        (None, Some(azure)) => Some(azure),
        (None, None) => {
            desk.say_lack(user, &user.place, "`user` lacks `name`", "add `name:`, the owner's login name");
            None
        }
    }
}

/// The SSH policy, where there is to be one.
pub fn ssh(manifest: &Manifest, kind: MachineKind, desk: &mut Desk<'_>) -> Vec<Want> {
    let said = manifest.ssh_public_access_enabled.as_ref();
    let key = manifest.ssh_settings.as_ref().and_then(|settings| settings.ssh_key_value.as_ref());
    let speaks = said.map(|said| &said.place).or(key.map(|key| &key.place));
    if let (Some(place), None) = (speaks, &desk.owner) {
        desk.say_no_owner(place, "SSH is for the owner");
        return Vec::new();
    }
    let access = match (said.map(|said| said.value), kind) {
        (Some(true), _) => SshAccess::Enabled,
        (Some(false), _) | (None, MachineKind::ComputeInstance) => SshAccess::Disabled,
        (None, MachineKind::Workstation) => return Vec::new(),
    };
    vec![Want::SshPolicy(SshPolicy { access })]
}
