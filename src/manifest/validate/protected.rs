//! Paths that no manifest may ask for, and those that a system cannot be without: two tables, and a question to each.

use super::desk::Desk;
use crate::manifest::at::At;
use crate::model::{HomePath, TargetPath};
use crate::problem::Code;
use crate::recipe::Form;
use crate::step::PROGRAM;

/// Below these nothing can be asked for, and why.
const NEVER: [(&str, &str, &str); 7] = [
    ("/proc", "the kernel makes what is there, anew at each boot", "for settings of the kernel write `sysctl:`"),
    (
        "/sys",
        "the kernel makes what is there, anew at each boot",
        "write a udev rule, or a file below /etc/tmpfiles.d, which systemd applies at each boot",
    ),
    ("/dev", "the kernel makes what is there, anew at each boot", "write a udev rule below /etc/udev/rules.d"),
    ("/run", "it is empty after each boot", "write a file below /etc/tmpfiles.d, from which systemd makes it at each boot"),
    ("/var/run", "it is /run, and empty after each boot", "write a file below /etc/tmpfiles.d, from which systemd makes it at each boot"),
    ("/var/lib/fitout", "Fitout's own memory is there", "`fitout reset` forgets what Fitout remembers of a machine"),
    ("/etc/fitout/bundles", "Fitout keeps its manifests there", "`fitout apply --install` replaces the manifest of the machine"),
];

/// These can be neither taken away nor become something else than a directory.
const DIRECTORIES: [&str; 33] = [
    "/",
    "/boot",
    "/etc",
    "/home",
    "/media",
    "/mnt",
    "/opt",
    "/root",
    "/srv",
    "/tmp",
    "/usr",
    "/var",
    "/etc/apt",
    "/etc/pam.d",
    "/etc/ssh",
    "/etc/ssl",
    "/etc/sudoers.d",
    "/etc/systemd",
    "/etc/systemd/system",
    "/usr/bin",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/lib/systemd",
    "/usr/libexec",
    "/usr/local",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/share",
    "/var/cache",
    "/var/lib",
    "/var/lib/dpkg",
    "/var/log",
];

/// These cannot be taken away.
const FILES: [&str; 26] = [
    "/etc/fitout/manifest.yaml",
    "/etc/fstab",
    "/etc/group",
    "/etc/gshadow",
    "/etc/hosts",
    "/etc/ld.so.conf",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/ssh/sshd_config",
    "/etc/sudoers",
    "/usr/bin/apt-get",
    "/usr/bin/bash",
    "/usr/bin/dash",
    "/usr/bin/dpkg",
    "/usr/bin/env",
    "/usr/bin/sh",
    "/usr/bin/systemctl",
    "/usr/lib/ld-linux-aarch64.so.1",
    "/usr/lib/os-release",
    "/usr/lib/systemd/systemd",
    "/usr/lib64/ld-linux-x86-64.so.2",
    PROGRAM,
    "/usr/sbin/init",
    "/var/lib/dpkg/status",
];

/// Files that others keep whole, entry by entry: one text in their place would lose every entry that it does not name.
const KEPT_BY_OTHERS: [(&str, &str, &str); 7] = [
    (
        "/etc/passwd",
        ACCOUNTS,
        "write `user:` for the owner's account; others are made with `useradd`, by hand or in a script of `setup_scripts`",
    ),
    (
        "/etc/shadow",
        ACCOUNTS,
        "write `user.authorized_keys:` for who comes in, and `users:` with `state: locked` for who is to do so no longer",
    ),
    ("/etc/group", ACCOUNTS, "write `user.groups:`; other groups are made with `groupadd`, by hand or in a script of `setup_scripts`"),
    ("/etc/gshadow", ACCOUNTS, "write `user.groups:`; other groups are made with `groupadd`, by hand or in a script of `setup_scripts`"),
    (
        "/etc/sudoers",
        "it says who may act as root, and a text in its place can lock everybody out",
        "write `user.sudo: true`, or a file below /etc/sudoers.d with `validate: [visudo, -cf, \"%s\"]`",
    ),
    ("/var/lib/dpkg/status", "dpkg keeps every package of the machine there", "write `packages:`"),
    ("/etc/ld.so.cache", "ldconfig makes it", "write a file below /etc/ld.so.conf.d"),
];

/// What a database of accounts is.
const ACCOUNTS: &str = "it holds the accounts of the whole machine, those of its packages among them";

/// Links of the root into `/usr`, which are directories to everybody.
const MERGED: [&str; 6] = ["/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin"];

/// Reports a path that cannot be asked for, or not in this form.
pub fn check(path: &At<HomePath>, form: &Form, desk: &mut Desk<'_>) {
    let HomePath::Absolute(at) = &path.value else { return };
    if !check_place(path, desk) {
        return;
    }
    let real = below_usr(at);
    if kept_by_others(path, form, desk) {
        return;
    }
    let (directory, file) = (DIRECTORIES.contains(&real.as_str()) || MERGED.contains(&at.as_str()), FILES.contains(&real.as_str()));
    let message = match form {
        Form::Absent if directory || file => format!("a system cannot be without {at}"),
        Form::File(..) | Form::Link(_) if directory => format!("{at} is a directory that a system cannot be without"),
        Form::Directory | Form::Tree(..) | Form::File(..) | Form::Link(_) | Form::Absent => return,
    };
    desk.say(Code::Protected, &path.place, message, "name another path");
}

/// Whether others keep what is at a path, or at one of a tree; reports so.
fn kept_by_others(path: &At<HomePath>, form: &Form, desk: &mut Desk<'_>) -> bool {
    let HomePath::Absolute(top) = &path.value else { return false };
    let inside: Vec<TargetPath> = match form {
        Form::Tree(files, _) => files.keys().filter_map(|name| top.join(name).ok()).collect(),
        Form::File(..) | Form::Link(_) | Form::Directory => vec![top.clone()],
        Form::Absent => Vec::new(),
    };
    let kept = inside.iter().find_map(|at| KEPT_BY_OTHERS.iter().find(|(name, ..)| *name == at.as_str()));
    kept.is_some_and(|(name, why, help)| {
        desk.say(Code::Protected, &path.place, format!("{name} is not a manifest's to write: {why}"), *help);
        true
    })
}

/// Whether anything can be asked for at a path; reports where not.
pub fn check_place(path: &At<HomePath>, desk: &mut Desk<'_>) -> bool {
    let HomePath::Absolute(at) = &path.value else { return true };
    let below = |top: &str| at.as_str().strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let Some((top, why, help)) = NEVER.iter().find(|(top, ..)| below(top)) else { return true };
    desk.say(Code::Protected, &path.place, format!("nothing below {top} can be asked for: {why}"), *help);
    false
}

/// A path of the root as it is where `/bin` and its like lead into `/usr`.
fn below_usr(path: &TargetPath) -> String {
    let merged = MERGED.iter().any(|top| path.as_str().strip_prefix(top).is_some_and(|rest| rest.starts_with('/')));
    if merged { format!("/usr{path}") } else { path.to_string() }
}
