//! An [`Op`] made to happen on a real machine.

use super::ledger::Written;
use super::machine::Machine;
use super::packages::Hold;
use super::sshd::Change;
use super::{OpError, Probe, Progress, Target, stale_path};
use crate::model::{Meta, Sha256, Span, TargetPath, UnitName};
use crate::step::{ASIDE, Ability, Cmd, Content, EDITED, FileKind, Op, Proof, REPLACED, Stat, UnitVerb};
use nix::sys::stat::Mode as Bits;
use std::io::Read;
use std::sync::Arc;

fn path(text: &str) -> Result<TargetPath, OpError> {
    TargetPath::parse(text).map_err(|e| OpError::new(format!("use path {text}"), e))
}

impl Target for Machine {
    fn perform(&self, op: &Op, progress: &dyn Progress) -> Result<(), OpError> {
        let done = self.effect(op, progress);
        self.forget();
        done
    }

    fn keep(&self, path: &TargetPath, bytes: &[u8]) -> Result<(), OpError> {
        if let Some(above) = path.parent() {
            self.files.make_directories(&above, Bits::from_bits_truncate(0o700))?;
        }
        Ok(self.files.write(path, &mut &bytes[..], 0o600, (0, 0))?)
    }

    fn publish(&self, path: &TargetPath, bytes: &[u8]) -> Result<(), OpError> {
        Ok(self.files.write(path, &mut &bytes[..], 0o644, (0, 0))?)
    }

    fn note(&self, path: &TargetPath, line: &str) -> Result<(), OpError> {
        if let Some(above) = path.parent() {
            self.files.make_directories(&above, Bits::from_bits_truncate(0o700))?;
        }
        Ok(self.files.append(path, line)?)
    }

    fn discard(&self, path: &TargetPath) -> Result<(), OpError> {
        Ok(self.files.remove_tree(path)?)
    }
}

/// What was not Fitout's is kept aside when it is removed, up to this size: configuration is smaller, and what is larger is data that the
/// manifest gives up in words.
const KEPT: u64 = 1 << 20;

/// Where what a file is about to hold lies while a program judges it.
const CANDIDATES: &str = "/var/lib/fitout/candidates";

/// How long a program may judge a file: it reads, and answers.
const JUDGING: Span = Span::minutes(1);

/// Fitout's own configuration.
const OWN: &str = "/etc/fitout";

/// The administrator's units.
const UNITS: &str = "/etc/systemd/system";

impl Machine {
    fn effect(&self, op: &Op, progress: &dyn Progress) -> Result<(), OpError> {
        match op {
            Op::MakeDirectory { path, meta } => self.make_directory(path, meta),
            Op::WriteFile { path, content, meta, proof, read_by } => self.write_file(path, content, meta, proof.as_ref(), read_by),
            Op::SetMeta { path, meta } => self.set_meta(path, meta),
            Op::MakeSymlink { path, to } => self.make_symlink(path, to),
            Op::SetAside { path } => self.set_aside(path).map(drop),
            Op::Remove { path, proof: Some(Proof::Sshd { user, expect }) } => self.change_sshd(path, &Change::Remove, (user, expect)),
            Op::Remove { path, .. } => self.remove(path),
            Op::RemoveEnvironment { prefix } => super::generation::remove(self, prefix),
            Op::AptInstall { packages } => self.apt_install(packages, progress),
            Op::AptRemove { packages } => self.apt_remove(packages, progress),
            Op::AptHold { packages } => self.hold(packages, Hold::Held),
            Op::AptUnhold { packages } => self.hold(packages, Hold::Free),
            Op::Answer { lines } => self.answer(lines),
            Op::SetUser { name, shell, groups, exists } => self.set_user(name, shell.as_ref(), groups, *exists),
            Op::SetLogin { name, login } => self.set_login(name, *login),
            Op::EndSessions { name } => self.end_sessions(name),
            Op::TakeKeys { home } => self.take_keys(home),
            Op::RemoveUser { name } => self.remove_user(name),
            Op::Unit { verb, unit } => self.unit(*verb, unit, progress),
            Op::SetLocale { name } => self.set_locale(name),
            Op::SetHostname { name } => self.set_hostname(name),
            Op::ProveSshd { user, expect } => super::sshd::prove(self, user, expect),
            Op::Unpack(unpack) => super::unpack::perform(self, unpack, progress),
            Op::RemoveTree { path } => super::unpack::remove(self, path, progress),
            Op::RefreshLibraries => self.must(&Cmd::new(["ldconfig"]), progress).map(drop),
            Op::BuildPython(build) => super::python::perform(self, build, progress),
            Op::BuildConda(build) => super::conda::perform(self, build, progress),
            Op::RunTool(tool) => self.run_tool(tool, progress),
            Op::RunScript(run) => self.run_script(run, progress),
            Op::RunCheck(run) => self.run_check(run, progress),
        }
    }

    fn make_directory(&self, path: &TargetPath, meta: &Meta) -> Result<(), OpError> {
        self.files.make_directories(path, Bits::from_bits_truncate(0o755))?;
        self.set_meta(path, meta)
    }

    fn set_meta(&self, path: &TargetPath, meta: &Meta) -> Result<(), OpError> {
        let (ids, _) = self.account(&meta.owner)?;
        Ok(self.files.set_meta(path, meta.mode.bits(), ids)?)
    }

    pub(super) fn write_file(
        &self,
        path: &TargetPath,
        content: &Content,
        meta: &Meta,
        proof: Option<&Proof>,
        read_by: &[UnitName],
    ) -> Result<(), OpError> {
        if let Some(Proof::Sshd { user, expect }) = proof {
            return self.change_sshd(path, &Change::Write(content, meta, read_by), (user, expect));
        }
        if let Some(Proof::Keys { user }) = proof {
            return self.change_keys(path, content, meta, user);
        }
        let old = self.files.stat(path)?;
        let before = match old.as_ref().map(|stat| stat.kind) {
            Some(FileKind::Directory) => {
                return Err(OpError::new(format!("write {path}"), "a directory is there").hint("move it away, or name another path"));
            }
            Some(FileKind::File) => self.files.read(path)?,
            Some(FileKind::Symlink | FileKind::Other) | None => {
                self.keep_link(path, old.as_ref())?;
                None
            }
        };
        let (ids, _) = self.account(&meta.owner)?;
        if let Some(Proof::Accepted { argv }) = proof {
            self.judge(path, content, meta, argv)?;
        }
        let mut fresh = self.source(content)?;
        if let Some(after) = fresh.digest {
            self.keep_found(path, before.as_deref())?;
            self.ledger.note(&self.files, path, Written { before: before.as_deref().map(Sha256::of), after })?;
        }
        for unit in read_by.iter().filter(|_| self.has(Ability::RunningSystem)) {
            self.keep(&stale_path(unit)?, b"")?;
        }
        self.files.write(path, &mut fresh.bytes, meta.mode.bits(), ids)?;
        match proof {
            Some(proof) => self.prove(proof, path).map_err(|error| self.put_back(path, old.as_ref(), before.as_deref(), error)),
            None => Ok(()),
        }
    }

    /// Keeps what somebody else wrote or edited at a path, before Fitout writes there.
    fn keep_found(&self, at: &TargetPath, before: Option<&[u8]>) -> Result<(), OpError> {
        let Some(bytes) = before else { return Ok(()) };
        let folder = match self.ledger.get(&self.files, at)? {
            None => REPLACED,
            Some(written) if [Some(written.after), written.before].contains(&Some(Sha256::of(bytes))) => return Ok(()),
            Some(_) => EDITED,
        };
        self.keep(&path(&format!("{folder}{at}"))?, bytes)
    }

    /// Keeps a link that is about to go, the first time that one does.
    fn keep_link(&self, at: &TargetPath, stat: Option<&Stat>) -> Result<(), OpError> {
        let Some(to) = stat.and_then(|stat| stat.link.as_ref()) else { return Ok(()) };
        let aside = path(&format!("{REPLACED}{at}"))?;
        if self.files.stat(&aside)?.is_some() {
            return Ok(());
        }
        if let Some(above) = aside.parent() {
            self.files.make_directories(&above, Bits::S_IRWXU)?;
        }
        Ok(self.files.symlink(&aside, to)?)
    }

    /// Moves what is there to a place of its own, with its path below it, as nothing else may lie there.
    pub(super) fn set_aside(&self, at: &TargetPath) -> Result<TargetPath, OpError> {
        let aside = path(&format!("{}{at}", self.next_aside()?))?;
        self.files.move_tree(at, &aside)?;
        Ok(aside)
    }

    /// A folder for what is moved aside, where nothing is yet.
    pub(super) fn next_aside(&self) -> Result<TargetPath, OpError> {
        let aside = path(ASIDE)?;
        self.files.make_directories(&aside, Bits::S_IRWXU)?;
        let taken = self.files.list(&aside)?.unwrap_or_default();
        let next = taken.iter().filter_map(|name| name.parse::<u64>().ok()).max().map_or(1, |last| last + 1);
        path(&format!("{ASIDE}/{next}"))
    }

    fn make_symlink(&self, path: &TargetPath, to: &str) -> Result<(), OpError> {
        self.keep_link(path, self.files.stat(path)?.as_ref())?;
        Ok(self.files.symlink(path, to)?)
    }

    pub(super) fn remove(&self, at: &TargetPath) -> Result<(), OpError> {
        let stat = self.files.stat(at)?;
        self.keep_link(at, stat.as_ref())?;
        match stat.map(|stat| (stat.kind, stat.size)) {
            Some((FileKind::Directory, _)) => return Ok(self.files.remove_directory(at)?),
            // What Fitout made of a manifest and perhaps a secret is nobody's work.
            Some((FileKind::File, _)) if at.is_within(&path(OWN)?) => {}
            Some((FileKind::File, size)) if size <= KEPT => self.keep_found(at, self.files.read(at)?.as_deref())?,
            _ => {}
        }
        self.files.remove(at)?;
        if self.has(Ability::RunningSystem) && at.is_within(&path(UNITS)?) {
            self.must(&Cmd::new(["systemctl", "daemon-reload"]), &super::Silent)?;
        }
        Ok(())
    }

    /// The bytes of content that is no secret's.
    pub(super) fn bytes_of(&self, content: &Content) -> Result<Vec<u8>, OpError> {
        let mut bytes = Vec::new();
        self.source(content)?.bytes.read_to_end(&mut bytes).map_err(|e| OpError::new("read what is to be written", e))?;
        Ok(bytes)
    }

    fn source(&self, content: &Content) -> Result<Source, OpError> {
        match content {
            Content::Inline(text) => Ok(Source::of(Arc::<[u8]>::from(text.clone()), Some(Sha256::of(text.as_bytes())))),
            // A digest of a secret would be a hint at it: secrets are not in the ledger.
            Content::Secret { template, refs } => Ok(Source::of(self.rendered(template, refs)?.into_bytes(), None)),
            Content::Blob(blob) => {
                let file = self.store.take(&blob.sha256).map_err(|e| OpError::new(format!("open the download of {}", blob.url), e))?;
                Ok(Source { bytes: Box::new(file), digest: Some(blob.sha256) })
            }
        }
    }

    /// Undoes a write whose proof failed, and says so.
    pub(super) fn put_back(&self, path: &TargetPath, old: Option<&Stat>, before: Option<&[u8]>, error: OpError) -> OpError {
        let undone = match (old, before) {
            (Some(stat), Some(mut bytes)) => self.files.write(path, &mut bytes, stat.mode, (stat.uid, stat.gid)),
            (Some(Stat { link: Some(to), .. }), None) => self.files.remove(path).and_then(|()| self.files.symlink(path, to)),
            (Some(_) | None, _) => self.files.remove(path),
        };
        match undone {
            Ok(()) => error.hint(format!("{path} is as it was before")),
            Err(e) => error.hint(format!("{path} could NOT be put back ({e}); do so by hand before anyone logs out")),
        }
    }

    fn prove(&self, proof: &Proof, path: &TargetPath) -> Result<(), OpError> {
        match proof {
            Proof::Sudoers => {
                if self.files.stat(&self::path("/usr/sbin/visudo")?)?.is_none() {
                    return Ok(()); // without sudo the file means nothing yet; visudo reads it when sudo is installed
                }
                self.must(&Cmd::new(["/usr/sbin/visudo", "-cqf", path.as_str()]), &super::Silent).map(drop)
            }
            // It was asked before, or is by what writes it.
            Proof::Accepted { .. } | Proof::Sshd { .. } | Proof::Keys { .. } => Ok(()),
        }
    }

    /// Asks a program whether it accepts what a file is about to hold. The file that it sees bears the name of the real one, where only
    /// root comes.
    fn judge(&self, at: &TargetPath, content: &Content, meta: &Meta, argv: &[String]) -> Result<(), OpError> {
        let candidate = path(&format!("{CANDIDATES}/{}", at.name()))?;
        self.files.make_directories(&path(CANDIDATES)?, Bits::S_IRWXU)?;
        self.files.write(&candidate, &mut self.source(content)?.bytes, meta.mode.bits(), (0, 0))?;
        let cmd = Cmd::new(argv.iter().map(|word| word.replace("%s", candidate.as_str())));
        let ended = self.run(&cmd, Some(JUDGING), &super::Silent);
        self.files.remove(&candidate)?;
        let ended = ended?;
        let unchanged = "what is there stays as it is";
        let (cause, hint) = match (ended.timed_out, ended.output.status) {
            (false, 0) => return Ok(()),
            (true, _) => (format!("`{}` was not done after {JUDGING}", cmd.display()), unchanged.to_owned()),
            (false, status) if status == i32::from(super::enter::FAILED) => {
                let hint = format!("{unchanged}; is the package of {} among packages.install?", argv[0]);
                (format!("`{}` cannot be asked: {}", cmd.display(), ended.output.stderr.trim()), hint)
            }
            (false, _) => {
                (format!("`{}` does not accept it: {}", cmd.display(), super::machine::describe(&ended.output)), unchanged.to_owned())
            }
        };
        Err(OpError::new(format!("write {at}"), cause).hint(hint))
    }

    /// Generates a locale by the tools of the distribution, from the list that they read.
    fn set_locale(&self, name: &str) -> Result<(), OpError> {
        let list = path("/etc/locale.gen")?;
        let text = String::from_utf8_lossy(&self.files.read(&list)?.unwrap_or_default()).into_owned();
        let charset = name.split_once('.').map_or("UTF-8", |(_, charset)| charset);
        let line = format!("{name} {charset}");
        // The C library brings this one along.
        if name != "C.UTF-8" {
            if !text.lines().any(|old| old.trim() == line) {
                let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
                self.files.write(&list, &mut format!("{text}{end}{line}\n").as_bytes(), 0o644, (0, 0))?;
            }
            self.must(&Cmd::new(["locale-gen"]), &super::Silent)?;
        }
        self.must(&Cmd::new(["update-locale", format!("LANG={name}").as_str()]), &super::Silent).map(drop)
    }

    fn unit(&self, verb: UnitVerb, unit: &UnitName, progress: &dyn Progress) -> Result<(), OpError> {
        if self.files.stat(&path("/usr/bin/systemctl")?)?.is_none() && self.files.stat(&path("/bin/systemctl")?)?.is_none() {
            return Err(OpError::new(format!("{} {unit}", verb.as_str()), "there is no systemd on the target")
                .hint("add `systemd-sysv` to packages.install"));
        }
        if self.has(Ability::RunningSystem) {
            self.must(&Cmd::new(["systemctl", "daemon-reload"]), progress)?;
        }
        self.must(&Cmd::new(["systemctl", "--quiet", verb.as_str(), "--", unit.as_str()]), progress)?;
        if self.has(Ability::RunningSystem) && matches!(verb, UnitVerb::Start | UnitVerb::Restart | UnitVerb::Reload) {
            self.files.remove(&stale_path(unit)?)?;
        }
        Ok(())
    }

    fn set_hostname(&self, name: &str) -> Result<(), OpError> {
        let mut text = format!("{name}\n");
        self.files.write(&path("/etc/hostname")?, &mut std::mem::take(&mut text).as_bytes(), 0o644, (0, 0))?;
        if self.has(Ability::RunningSystem) {
            nix::unistd::sethostname(name).map_err(|e| OpError::new(format!("set the name of the running system to {name}"), e))?;
        }
        Ok(())
    }
}

/// New content, as a stream, and its digest where that may be known.
struct Source {
    bytes: Box<dyn Read>,
    digest: Option<Sha256>,
}

impl Source {
    fn of(bytes: impl AsRef<[u8]> + Send + 'static, digest: Option<Sha256>) -> Self {
        Self { bytes: Box::new(std::io::Cursor::new(bytes)), digest }
    }
}
