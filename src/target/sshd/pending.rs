//! What was before a change of sshd's configuration, kept until the change is: whatever ends Fitout or the machine in between, it can be
//! brought back, and is, where a change by somebody who came in by SSH is not confirmed in time.

use super::change::Before;
use super::session::{Session, at_a_terminal};
use crate::model::unit_text::argument;
use crate::model::{Sha256, TargetPath, UnitName, UserName};
use crate::step::{Ability, Cmd, FileKind, PROGRAM, Stat};
use crate::target::machine::Machine;
use crate::target::{Document, OpError, Probe, ProbeError, Silent, Target, seal, unseal};
use serde::{Deserialize, Serialize};

/// A change of how a machine is reached that may still be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    version: u32,
    /// The files that were changed, the first one first.
    pub files: Vec<Changed>,
    /// Whose way in it is.
    user: UserName,
    /// Whether an sshd answered before.
    answered: Before,
    /// Who is to confirm it: somebody else than this, which was there before. None where nobody need.
    pub waits: Option<Session>,
}

/// A file that was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Which.
    pub path: TargetPath,
    /// Mode, owner and group of what was there; none where nothing was.
    before: Option<(u32, u32, u32)>,
    /// What it holds since.
    after: Sha256,
}

/// Seconds within which a change is to be confirmed: as long as `netplan try` waits.
pub const CONFIRM_WITHIN: u32 = 120;

const RECORD: &str = "/var/lib/fitout/state/ssh/pending.json";
/// What the files held, each with its number.
const BEFORE: &str = "/var/lib/fitout/state/ssh/before";
/// Digests of what nobody confirmed, a line each.
const REFUSED: &str = "/var/lib/fitout/state/ssh/unconfirmed";
const SERVICE: &str = "fitout-ssh-undo.service";
const TIMER: &str = "fitout-ssh-undo.timer";
const UNITS: &str = "/etc/systemd/system";

impl Document for Pending {
    const VERSION: u32 = 1;

    fn version(&self) -> u32 {
        self.version
    }
}

fn path(text: &str) -> Result<TargetPath, ProbeError> {
    TargetPath::parse(text).map_err(|e| ProbeError::new(format!("use path {text}"), e))
}

impl Pending {
    /// The change that may still be undone, if there is one.
    ///
    /// # Errors
    /// The record cannot be read, or was damaged.
    pub fn read(on: &dyn Probe) -> Result<Option<Self>, ProbeError> {
        let at = path(RECORD)?;
        on.read(&at)?.map(|bytes| unseal(&at, &bytes)).transpose()
    }
}

/// What a file was: what is known of it, and its bytes.
pub(super) type Was = (Option<Stat>, Option<Vec<u8>>);

fn before(number: usize) -> Result<TargetPath, ProbeError> {
    path(&format!("{BEFORE}-{number}"))
}

impl Machine {
    /// Notes what is there before a change, and has it come back in time where somebody is to confirm the change. Where a change before
    /// this one did not come to its end, what was before that is what counts; it is given back.
    ///
    /// # Errors
    /// This change was not confirmed the last time, or it cannot be noted.
    pub(super) fn note_sshd(&self, at: &TargetPath, new: &[u8], was: Was, user: &UserName, answered: Before) -> Result<Was, OpError> {
        let waits = self.session()?;
        let after = Sha256::of(new);
        self.must_be_wanted(after, waits.as_ref())?;
        let mut record = match Pending::read(self)? {
            Some(earlier) if earlier.waits.is_some() || earlier.files.iter().any(|file| file.path == *at) => earlier,
            Some(_) | None => Pending { version: Pending::VERSION, files: Vec::new(), user: user.clone(), answered, waits: None },
        };
        record.waits = record.waits.or(waits);
        let known = record.files.iter().position(|file| file.path == *at);
        let unfinished = known.filter(|number| was.1.as_deref().map(Sha256::of) == Some(record.files[*number].after));
        let was = unfinished.map_or(Ok(was), |number| self.was(&record.files[number], number))?;
        let before_it = was.0.as_ref().filter(|stat| stat.kind == FileKind::File).map(|stat| (stat.mode & 0o7777, stat.uid, stat.gid));
        let number = known.unwrap_or(record.files.len());
        if unfinished.is_none() && (known.is_none() || record.waits.is_none()) {
            self.keep(&before(number)?, was.1.as_deref().unwrap_or_default())?;
        }
        match known {
            Some(number) => record.files[number].after = after,
            None => record.files.push(Changed { path: at.clone(), before: before_it, after }),
        }
        let bytes = seal(&record).map_err(|e| OpError::new("note what was there before a change of SSH", e))?;
        self.keep(&path(RECORD)?, &bytes)?;
        if record.waits.is_some() {
            self.arm()?;
        }
        Ok(was)
    }

    /// The login by SSH in which this runs on a machine that is up.
    pub(super) fn session(&self) -> Result<Option<Session>, ProbeError> {
        if self.runs_here() && self.has(Ability::RunningSystem) { Session::here(self) } else { Ok(None) }
    }

    /// What nobody confirmed is not brought about again behind people's backs.
    fn must_be_wanted(&self, after: Sha256, session: Option<&Session>) -> Result<(), OpError> {
        let refused = self.files.read(&path(REFUSED)?)?.unwrap_or_default();
        let refused = String::from_utf8_lossy(&refused).lines().any(|digest| digest == after.to_string());
        if !refused || session.is_some() || at_a_terminal() {
            return Ok(());
        }
        Err(OpError::new("change SSH", "this change was made before, was not confirmed in time, and was undone")
            .hint("run `fitout apply` from an SSH session or a terminal of the machine, and confirm it"))
    }

    /// What a file was before its change.
    fn was(&self, file: &Changed, number: usize) -> Result<Was, OpError> {
        let stat = file.before.map(|(mode, uid, gid)| Stat { kind: FileKind::File, mode, uid, gid, size: 0, written: 0, link: None });
        let bytes = if stat.is_some() { self.files.read(&before(number)?)? } else { None };
        Ok((stat, bytes))
    }

    /// The change is whole: what was before is kept no longer, unless somebody is to confirm it.
    pub(super) fn settle_sshd(&self) -> Result<(), OpError> {
        if Pending::read(self)?.is_some_and(|pending| pending.waits.is_none()) {
            self.forget_sshd()?;
        }
        Ok(())
    }

    /// The last change is undone: those before it that wait still do.
    pub(super) fn drop_sshd(&self, at: &TargetPath) -> Result<(), OpError> {
        let Some(mut record) = Pending::read(self)? else { return Ok(()) };
        match record.files.pop() {
            Some(last) if last.path == *at && !record.files.is_empty() => {
                let bytes = seal(&record).map_err(|e| OpError::new("note what was there before a change of SSH", e))?;
                self.keep(&path(RECORD)?, &bytes)
            }
            _ => self.forget_sshd(),
        }
    }

    pub(super) fn forget_sshd(&self) -> Result<(), OpError> {
        let count = Pending::read(self)?.map_or(0, |pending| pending.files.len());
        self.files.remove(&path(RECORD)?)?;
        for number in 0..count {
            self.files.remove(&before(number)?)?;
        }
        self.disarm()
    }

    /// Keeps the change that waits.
    ///
    /// # Errors
    /// Nothing waits, it is asked for by the session that was there before, or it cannot be kept.
    pub fn confirm_sshd(&self) -> Result<Vec<TargetPath>, OpError> {
        let pending = self.waiting("confirm a change of SSH")?;
        if pending.waits.is_some() && pending.waits == self.session()? {
            return Err(OpError::new("confirm the change of SSH", "this session was there before it, and proves nothing")
                .hint("log in anew (a connection that is shared counts as the same: `ssh -o ControlPath=none`), and confirm there"));
        }
        self.files.remove(&path(REFUSED)?)?;
        self.forget_sshd()?;
        Ok(pending.files.into_iter().map(|file| file.path).collect())
    }

    /// Brings back what was before the change that waits.
    ///
    /// # Errors
    /// Nothing waits, or it could not be brought back.
    pub fn undo_sshd(&self) -> Result<Vec<TargetPath>, OpError> {
        let pending = self.waiting("undo a change of SSH")?;
        let refused: Vec<String> = pending.files.iter().map(|file| file.after.to_string()).collect();
        self.keep(&path(REFUSED)?, refused.join("\n").as_bytes())?;
        for (number, file) in pending.files.iter().enumerate() {
            match self.was(file, number)? {
                (Some(stat), bytes) => {
                    self.files.write(&file.path, &mut &bytes.unwrap_or_default()[..], stat.mode, (stat.uid, stat.gid))?;
                }
                (None, _) => self.files.remove(&file.path)?,
            }
        }
        self.revive_sshd(&pending.user, pending.answered)?;
        self.forget_sshd()?;
        Ok(pending.files.into_iter().map(|file| file.path).collect())
    }

    fn waiting(&self, act: &str) -> Result<Pending, OpError> {
        Pending::read(self)?.ok_or_else(|| OpError::new(act, "none waits"))
    }

    /// Where a Fitout lies that can undo the change later: the file that this runs from, unless it is gone or replaced by now, and else the
    /// machine's own.
    fn program(&self) -> Result<String, OpError> {
        let running = std::env::current_exe().map_err(|e| OpError::new("name this program", e))?;
        let of_the_machine = path(PROGRAM)?;
        if running.is_file() {
            return Ok(running.to_string_lossy().into_owned());
        }
        if self.files.stat(&of_the_machine)?.is_some() {
            return Ok(of_the_machine.to_string());
        }
        Err(OpError::new(
            "arm the clock that undoes this change of SSH",
            format!("the file that this program was started from is gone, and there is no {PROGRAM}"),
        )
        .hint("start Fitout from a file that stays, such as that one"))
    }

    /// Starts the clock, which a reboot starts anew.
    fn arm(&self) -> Result<(), OpError> {
        let service = format!(
            "[Unit]\nDescription=Fitout: undo the change of SSH that nobody confirmed\n\n[Service]\nType=oneshot\nExecStart={} ssh undo\n",
            argument(&self.program()?)
        );
        let timer = format!(
            "[Unit]\nDescription=Fitout: a change of SSH waits for `fitout ssh confirm`\n\n[Timer]\nOnActiveSec={CONFIRM_WITHIN}\n\
             AccuracySec=1\n\n[Install]\nWantedBy=timers.target\n"
        );
        for (name, text) in [(SERVICE, service), (TIMER, timer)] {
            self.files.write(&path(&format!("{UNITS}/{name}"))?, &mut text.as_bytes(), 0o644, (0, 0))?;
        }
        self.must(&Cmd::new(["systemctl", "daemon-reload"]), &Silent)?;
        self.must(&Cmd::new(["systemctl", "--quiet", "enable", TIMER]), &Silent)?;
        self.must(&Cmd::new(["systemctl", "restart", TIMER]), &Silent).map(drop)
    }

    fn disarm(&self) -> Result<(), OpError> {
        let timer = UnitName::parse(TIMER).map_err(|e| OpError::new("name the timer", e))?;
        let at = path(&format!("{UNITS}/{timer}"))?;
        if self.files.stat(&at)?.is_none() {
            return Ok(());
        }
        if self.has(Ability::RunningSystem) {
            self.must(&Cmd::new(["systemctl", "--quiet", "disable", "--now", TIMER]), &Silent)?;
        }
        for name in [TIMER, SERVICE] {
            self.files.remove(&path(&format!("{UNITS}/{name}"))?)?;
        }
        Ok(())
    }
}
