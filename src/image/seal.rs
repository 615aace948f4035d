//! The seal: nothing of the machine that baked an image, and nothing that must differ between machines, is left in it.
//!
//! What may not stay is data ([`TRACES`]); sealing removes it and looks again. To forbid something more: one line.

use crate::model::TargetPath;
use crate::step::FileKind;
use crate::target::{OpError, ProbeError, Records, Rooted};

/// What may not stay.
#[derive(Debug, Clone, Copy)]
enum Trace {
    /// A path, with all below it.
    Path(&'static str),
    /// All in a directory that stays itself.
    Inside(&'static str),
    /// All in a directory but these names.
    AllBut(&'static str, &'static [&'static str]),
    /// Files at any depth below a directory; directories stay, for programs expect them.
    Files(&'static str),
    /// Names in a directory that begin like this.
    Named(&'static str, &'static str),
    /// A path below the home of anyone.
    Home(&'static str),
}

use Trace::{AllBut, Files, Home, Inside, Named, Path};

const TRACES: [Trace; 37] = [
    // Identity: each machine makes its own.
    Named("/etc/ssh", "ssh_host_"),
    Path("/var/lib/dbus/machine-id"),
    Path("/var/lib/systemd/random-seed"),
    Path("/var/lib/systemd/credential.secret"),
    Inside("/var/lib/dhcp"),
    Inside("/var/lib/systemd/network"),
    Inside("/var/lib/systemd/timesync"),
    Path("/var/lib/cloud"),
    Path("/var/lib/waagent"),
    // Caches, and apt's lists, which are old by the time of a first boot.
    Inside("/var/lib/apt/lists"),
    Inside("/var/cache/apt"),
    Path("/var/cache/ldconfig/aux-cache"),
    Path("/var/cache/fitout"),
    Home(".cache"),
    // Leftovers of the bake: how mmdebstrap made dpkg quick, and the copies that tools keep of what they change.
    Path("/etc/dpkg/dpkg.cfg.d/99mmdebstrap"),
    Path("/etc/apt/apt.conf.d/99mmdebstrap"),
    // systemd-resolved's copy of the host's.
    Path("/etc/.resolv.conf.systemd-resolved.bak"),
    Path("/var/cache/debconf/config.dat-old"),
    Path("/var/cache/debconf/templates.dat-old"),
    Path("/etc/passwd-"),
    Path("/etc/shadow-"),
    Path("/etc/group-"),
    Path("/etc/gshadow-"),
    Path("/etc/subuid-"),
    Path("/etc/subgid-"),
    Inside("/tmp"),
    Inside("/var/tmp"),
    Inside("/run"),
    // What was done and said.
    Files("/var/log"),
    Home(".bash_history"),
    Home(".python_history"),
    Home(".lesshst"),
    Home(".viminfo"),
    Home(".wget-hsts"),
    // Fitout's own: runs, verdicts, what it was told. The ledger stays, for it says whose the files are, and what it made; so do answers, which spare
    // every machine the asking.
    Path("/etc/fitout/machine.yaml"),
    AllBut("/var/lib/fitout", &["state"]),
    AllBut("/var/lib/fitout/state", &["ledger.jsonl", "resolved.json", "resources.json", "ssh-seal.json"]),
];

/// Files that stay, emptied of this machine: path, and what they hold.
const BLANKS: [(&str, &str); 1] = [
    // systemd then knows a first boot, and gives the machine its own (machine-id(5)).
    ("/etc/machine-id", "uninitialized\n"),
];

/// Whose resolver counts: the machine's, not that of the host that baked.
const RESOLVER: (&str, &str) = ("/etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf");

fn path(text: &str) -> Result<TargetPath, ProbeError> {
    TargetPath::parse(text).map_err(|e| ProbeError::new(format!("use path {text}"), e))
}

fn below(folder: &TargetPath, name: &str) -> Result<TargetPath, ProbeError> {
    folder.join(name).map_err(|e| ProbeError::new(format!("use path {folder}/{name}"), e))
}

fn children(files: &Rooted, folder: &TargetPath) -> Result<Vec<TargetPath>, ProbeError> {
    files.list(folder)?.unwrap_or_default().iter().map(|name| below(folder, name)).collect()
}

impl Trace {
    /// What there is of it.
    fn found(self, root: &Rooted) -> Result<Vec<TargetPath>, ProbeError> {
        let present = |at: TargetPath| Ok(root.stat(&at)?.map(|_| at).into_iter().collect());
        match self {
            Path(text) => present(path(text)?),
            Inside(text) => children(root, &path(text)?),
            AllBut(folder, kept) => {
                let mut all = children(root, &path(folder)?)?;
                all.retain(|at| !kept.contains(&at.name()));
                Ok(all)
            }
            Files(text) => files_below(root, &path(text)?),
            Named(folder, start) => {
                let mut all = children(root, &path(folder)?)?;
                all.retain(|at| at.name().starts_with(start));
                Ok(all)
            }
            Home(name) => {
                let mut homes = children(root, &path("/home")?)?;
                homes.push(path("/root")?);
                let each = homes.iter().map(|home| present(below(home, name)?));
                Ok(each.collect::<Result<Vec<_>, _>>()?.concat())
            }
        }
    }
}

fn files_below(root: &Rooted, folder: &TargetPath) -> Result<Vec<TargetPath>, ProbeError> {
    let mut found = Vec::new();
    for child in children(root, folder)? {
        match root.stat(&child)?.map(|stat| stat.kind) {
            Some(FileKind::Directory) => found.extend(files_below(root, &child)?),
            Some(_) => found.push(child),
            None => {}
        }
    }
    Ok(found)
}

/// What a root holds that no image may.
///
/// # Errors
/// The root cannot be read.
pub fn traces(root: &Rooted) -> Result<Vec<TargetPath>, ProbeError> {
    let each = TRACES.iter().map(|trace| trace.found(root));
    Ok(each.collect::<Result<Vec<_>, _>>()?.concat())
}

/// Kinds whose claims tell where their things are, or lead: without these nothing of them is known to be Fitout's.
const PLACED: [&str; 5] = ["archive", "conda", "libraries", "python", "symlink"];

/// Leaves of what is remembered what Fitout made, so that it can be taken away, and nothing that a difference could be held against:
/// nobody has changed a machine of this image yet.
fn forget_claims(root: &Rooted) -> Result<(), OpError> {
    let at = Records::path()?;
    let Some(bytes) = root.read(&at)? else { return Ok(()) };
    let mut records: Records = serde_json::from_slice(&bytes).map_err(|e| OpError::new(format!("read {at}"), e))?;
    records.resources.retain(|_, record| !record.made.is_empty());
    for (id, record) in &mut records.resources {
        record.claims.retain(|_, _| PLACED.contains(&id.kind.as_str()));
    }
    Ok(root.write(&at, &mut records.to_bytes()?.as_slice(), 0o600, (0, 0))?)
}

/// Removes every trace, and looks again.
///
/// # Errors
/// Something could not be removed, or came back.
pub fn seal(root: &Rooted) -> Result<(), OpError> {
    for trace in traces(root)? {
        root.remove_tree(&trace)?;
    }
    for (at, text) in BLANKS {
        root.write(&path(at)?, &mut text.as_bytes(), 0o644, (0, 0))?;
    }
    forget_claims(root)?;
    let (at, to) = RESOLVER;
    root.remove(&path(at)?)?;
    root.symlink(&path(at)?, to)?;
    match traces(root)?.first() {
        None => Ok(()),
        Some(left) => Err(OpError::new("seal the image", format!("{left} is still there"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Record;
    use std::collections::BTreeMap;
    use std::fs;

    #[test]
    fn nothing_of_a_machine_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let put = |at: &str| {
            let at = folder.path().join(at);
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            fs::write(at, "x").unwrap();
        };
        let gone = [
            "etc/ssh/ssh_host_rsa_key",
            "var/lib/apt/lists/deb_Packages",
            "var/log/apt/history.log",
            "home/alice/.bash_history",
            "root/.cache/pip/x",
            "var/lib/fitout/runs/1/report.json",
            "var/lib/fitout/state/instance.json",
            "etc/resolv.conf",
            "etc/.resolv.conf.systemd-resolved.bak",
        ];
        let kept = ["etc/ssh/sshd_config", "home/alice/notes", "var/lib/fitout/state/ledger.jsonl"];
        gone.iter().chain(&kept).for_each(|at| put(at));
        let root = Rooted::open(folder.path()).unwrap();
        seal(&root).unwrap();
        assert_eq!(traces(&root).unwrap(), []);
        for at in gone {
            assert!(!folder.path().join(at).exists(), "{at}");
        }
        for at in kept {
            assert!(folder.path().join(at).exists(), "{at}");
        }
        assert!(folder.path().join("var/log/apt").is_dir());
        assert_eq!(fs::read_to_string(folder.path().join("etc/machine-id")).unwrap(), "uninitialized\n");
        seal(&root).unwrap();
    }

    /// Of what was made here an image knows that Fitout made it, and nothing by which the next machine could be found changed.
    #[test]
    fn records_say_what_was_made_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let root = Rooted::open(folder.path()).unwrap();
        let text = r#"{"version": 1, "resources": {
            "file:/etc/motd": {"claims": {"present": "5891b5b522d5df08"}},
            "file:/etc/lab": {"claims": {"meta": "0644 root", "present": "5891"}, "made": ["present"], "on_removal": "delete"},
            "symlink:/srv/a": {"claims": {"target": "/srv/b"}, "made": ["target"]}}}"#;
        let read = || -> Records {
            crate::target::unseal(&Records::path().unwrap(), &root.read(&Records::path().unwrap()).unwrap().unwrap()).unwrap()
        };
        let records: Records = serde_json::from_str(text).unwrap();
        root.write(&Records::path().unwrap(), &mut records.to_bytes().unwrap().as_slice(), 0o600, (0, 0)).unwrap();
        seal(&root).unwrap();
        let claims = |one: &Record| -> BTreeMap<String, String> { one.claims.clone().into_iter().collect() };
        let left: Vec<String> =
            read().resources.iter().map(|(id, one)| format!("{id} {:?} {:?} {:?}", claims(one), one.made, one.on_removal)).collect();
        let expected =
            [r#"file:/etc/lab {} ["present"] Delete"#.to_owned(), r#"symlink:/srv/a {"target": "/srv/b"} ["target"] Release"#.to_owned()];
        assert_eq!(left, expected);
        // What was damaged is not sealed as if it were whole.
        root.write(&Records::path().unwrap(), &mut b"{".as_slice(), 0o600, (0, 0)).unwrap();
        assert!(seal(&root).is_err());
    }
}
