//! The owner and SSH, with the defaults of the machine's type.

use super::desk::Desk;
use super::keys::keys;
use crate::manifest::at::At;
use crate::manifest::machine::MachineKind;
use crate::manifest::v1::{self, FormerUser, FormerUserState, Manifest, User, UserState};
use crate::model::{TargetPath, UserName};
use crate::problem::Code;
use crate::recipe::{Departure, OwnerAccount, Place, SshAccess, SshPolicy, Sudo, Want};
use crate::resource::{End, Foreign, Said};
use crate::step::package_name;
use crate::target::SshLack;

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
    let named: Vec<String> = groups.iter().map(|group| group.value.as_str().to_owned()).collect();
    let usual = if named.is_empty() { usual_groups(manifest, kind, sudo) } else { Vec::new() };
    Some(OwnerAccount {
        name,
        sudo,
        shell: user.and_then(|user| user.shell.clone()),
        groups: named.into_iter().chain(usual).collect(),
        authorized_keys,
        foreign: foreign(manifest),
    })
}

/// Packages of Docker, by whatever name.
const DOCKER: [&str; 3] = ["docker.io", "docker-ce", "moby-engine"];

/// Groups of the owner, where the manifest names none: containers, and the devices of GPUs and screens. A compute instance has both, a workstation what
/// its manifest names. Who may have containers made is as good as root, so that goes with sudo.
fn usual_groups(manifest: &Manifest, kind: MachineKind, sudo: Sudo) -> Vec<String> {
    let azures = kind == MachineKind::ComputeInstance;
    let install = manifest.packages.iter().flat_map(|packages| &packages.install);
    let names_docker = install.into_iter().any(|package| DOCKER.contains(&package_name(package.value.as_str())));
    let containers = (sudo == Sudo::Everything && (azures || names_docker)).then_some("docker");
    let devices = (azures || manifest.gpu.is_some()).then_some(["video", "render"]);
    containers.into_iter().chain(devices.into_iter().flatten()).map(str::to_owned).collect()
}

/// How the owner's account ends, where it is to.
pub fn end(manifest: &Manifest, kind: MachineKind, owner: Option<&OwnerAccount>, desk: &mut Desk<'_>) -> Option<End> {
    let state = manifest.user.as_ref()?.value.state.as_ref()?;
    owner?;
    let end = match state.value {
        UserState::Present => return None,
        UserState::Locked => End::Locked,
        UserState::Absent => End::Absent,
    };
    if kind == MachineKind::ComputeInstance {
        desk.say(Code::Conflict, &state.place, "a computeinstance has its owner", "write `type: workstation`, or remove `state`");
    }
    if let Some(ssh) = manifest.ssh_public_access_enabled.as_ref().filter(|ssh| ssh.value) {
        let message = "SSH is open for the owner alone, who is to come in no longer";
        desk.say(Code::Conflict, &ssh.place, message, "write false here, or name another owner and put this one under `users`");
    }
    Some(end)
}

/// The owner's account, and those of people who are to come in no longer.
pub fn accounts(manifest: &Manifest, owner: Option<OwnerAccount>, end: Option<End>, desk: &mut Desk<'_>) -> Vec<Want> {
    let first = manifest.user.as_ref().and_then(|user| user.value.name.as_ref());
    let names = first.into_iter().chain(manifest.users.iter().map(|user| &user.value.name));
    desk.distinct("the user", names.map(|name| (name.value.to_string(), &name.place)));
    let departure = |name: UserName, end: End, place: Place| Want::Departure(Departure { name, end, place });
    let owner = owner.map(|owner| match end {
        Some(end) => departure(owner.name, end, Place::Owner),
        None => Want::OwnerAccount(owner),
    });
    let one = |user: &At<FormerUser>| {
        let name = &user.value.name;
        if name.value.as_str() == "root" {
            desk.say(Code::BadValue, &name.place, "root is no person, and no machine can do without", "remove this line");
        }
        let end = match user.value.state.value {
            FormerUserState::Locked => End::Locked,
            FormerUserState::Absent => End::Absent,
        };
        departure(name.value.clone(), end, Place::Others)
    };
    owner.into_iter().chain(manifest.users.iter().map(one).collect::<Vec<_>>()).collect()
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

/// What is done about ways in by SSH that others made.
fn foreign(manifest: &Manifest) -> Foreign {
    match manifest.ssh_settings.as_ref().and_then(|settings| settings.foreign) {
        Some(v1::Foreign::Remove) => Foreign::Remove,
        Some(v1::Foreign::Report) | None => Foreign::Report,
    }
}

/// Packages that bring an sshd.
const SERVERS: [&str; 3] = ["openssh-server", "ssh", "task-ssh-server"];

/// What the owner needs to come in by SSH, and the manifest does not bring.
pub fn lacks(manifest: &Manifest, kind: MachineKind, owner: Option<&OwnerAccount>) -> Vec<SshLack> {
    let install: Vec<&str> =
        manifest.packages.iter().flat_map(|packages| &packages.install).map(|one| package_name(one.value.as_str())).collect();
    let known = kind == MachineKind::ComputeInstance || install.iter().any(|name| SERVERS.contains(name));
    let server = (!known).then_some(if install.is_empty() { SshLack::Server } else { SshLack::KnownServer });
    let writes_keys =
        manifest.files.iter().any(|file| file.value.path.value.within(&TargetPath::root()).as_str().ends_with("/.ssh/authorized_keys"));
    let key = writes_keys || owner.is_some_and(|owner| !owner.authorized_keys.is_empty());
    server.into_iter().chain((!key).then_some(SshLack::Key)).collect()
}

/// The SSH policy, where there is to be one.
pub fn ssh(manifest: &Manifest, kind: MachineKind, lacks: Vec<SshLack>, desk: &mut Desk<'_>) -> Vec<Want> {
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
    let said = if said.is_some() { Said::Named } else { Said::Implied };
    vec![Want::SshPolicy(SshPolicy { access, said, foreign: foreign(manifest), lacks })]
}
