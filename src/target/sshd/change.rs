//! A change of sshd's configuration that locks nobody out: tried out as a whole where nobody sees it, written, read by the sshd that runs,
//! and looked at once more. Whatever fails, the bytes that were there come back.

use super::policy::{Expected, POLICY, allowed, has_server, judge, keys_may_change, keys_path, lets_in, must_have_server, prove, said};
use super::visits::visits;
use crate::model::{Meta, Span, TargetPath, UnitName, UserName};
use crate::step::{Ability, Cmd, Content, Output, Query, SSH_PORT, Visit};
use crate::target::look::text;
use crate::target::machine::{Machine, describe};
use crate::target::{OpError, Probe, ProbeError, Silent, Target, stale_path};
use nix::sys::stat::Mode as Bits;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Whether an sshd that runs answered before a change: if not, it need not after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Before {
    /// It did.
    Answered,
    /// It did not, or there was none.
    Silent,
}

/// What becomes of a file.
#[derive(Debug)]
pub enum Change<'a> {
    /// It holds this, as that; and these read it.
    Write(&'a Content, &'a Meta, &'a [UnitName]),
    /// It goes.
    Remove,
}

const TRIAL: &str = include_str!("trial.sh");

/// sshd's unit.
const UNIT: &str = "ssh.service";

/// Where the new text lies while it is tried.
const CANDIDATE: &str = "/var/lib/fitout/candidates/sshd";

/// How often the sshd that runs is asked whether it answers, and how long is waited in between: it starts itself anew to read its files.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(250);

/// How long an sshd may take to greet.
const GREETING: Duration = Duration::from_secs(5);

/// How long the sshd that runs may take to name the ways in.
const ANSWERING: Span = Span::seconds(10);

/// How ssh names the ways in that it was offered and lacks: by the policy, and by whatever was before.
const BY_KEY_ALONE: &str = "(publickey)";
const BY_ANYTHING: &str = "Permission denied (";

/// What an OpenSSH server says first (RFC 4253, section 4.2).
const BANNER: &[u8] = b"SSH-2.0-OpenSSH";

impl Machine {
    /// Changes a file that has a say in who comes in, by the whole protocol.
    ///
    /// # Errors
    /// It would not do, or did not; what was there is there again.
    pub(in crate::target) fn change_sshd(
        &self,
        at: &TargetPath,
        change: &Change<'_>,
        (user, expect): (&UserName, &Expected),
    ) -> Result<(), OpError> {
        let text = match change {
            Change::Write(content, ..) => Some(self.bytes_of(content)?),
            Change::Remove => None,
        };
        self.try_sshd(at, text.as_deref(), user, expect)?;
        let answered = self.sshd_answers(user)?;
        let was = (self.files.stat(at)?, self.files.read(at)?);
        let (stat, bytes) = self.note_sshd(at, text.as_deref().unwrap_or_default(), was, user, answered)?;
        let made = match change {
            Change::Write(content, meta, read_by) => self.write_file(at, content, meta, None, read_by),
            Change::Remove => self.owe_reload().and_then(|()| self.remove(at)),
        };
        let proved = made.and_then(|()| prove(self, user, expect)).and_then(|()| self.reload_sshd(user, answered, BY_KEY_ALONE));
        proved.and_then(|()| self.settle_sshd()).map_err(|error| {
            let error = self.put_back(at, stat.as_ref(), bytes.as_deref(), error);
            let worse = [self.revive_sshd(user, answered), self.drop_sshd(at)].into_iter().filter_map(Result::err);
            worse.fold(error, |error, worse| error.hint(format!("and sshd is not as before: {worse}")))
        })
    }

    /// Notes that the sshd that runs has yet to read its files: a kill before it did loses nothing.
    fn owe_reload(&self) -> Result<(), OpError> {
        if self.has(Ability::RunningSystem) { self.keep(&stale_path(&unit()?)?, b"") } else { Ok(()) }
    }

    /// Writes the keys that open an account, unless they would end the way in that there is. Where the policy lets that account in, a login with
    /// them in place is tried first.
    ///
    /// # Errors
    /// Nobody could come in by them, and somebody can now; or nobody gets in whatever the key; or they were not written.
    pub(in crate::target) fn change_keys(&self, at: &TargetPath, content: &Content, meta: &Meta, user: &UserName) -> Result<(), OpError> {
        let new = self.bytes_of(content)?;
        let was = (self.files.stat(at)?, self.files.read(at)?);
        keys_may_change(at, was.1.as_deref().unwrap_or_default(), &new)?;
        if self.policy_lets_in(user)? {
            let answers = self.query(&Query::SshdPolicy(vec![Visit::of(user.as_str())]))?.stdout;
            self.with_candidate(at, Some(&new), || self.log_in(at, user, &answers))?;
        }
        if self.session()?.is_some() {
            let answered = self.sshd_answers(user)?;
            self.note_sshd(at, &new, was, user, answered)?;
        }
        self.write_file(at, content, meta, None, &[])
    }

    /// The effective policy for each of these logins. A machine that has no host keys yet answers as one that has.
    pub(in crate::target) fn ask_sshd(&self, visits: &[Visit]) -> Result<Output, ProbeError> {
        // sshd wants its privilege separation directory, which a private /run lacks; asked with `-C`, it needs no socket.
        let script = "mkdir -p /run/sshd; for visit; do /usr/sbin/sshd -T -C \"$visit\" || exit; echo; done";
        let arguments: Vec<String> = visits.iter().map(Visit::argument).collect();
        let words = ["/bin/sh", "-c", script, "sh"].map(str::to_owned);
        let answer = self.ask(&Cmd::new(words.into_iter().chain(arguments.iter().cloned())))?;
        if answer.status == 0 || !answer.stderr.contains("no hostkeys available") {
            return Ok(answer);
        }
        self.trial("policy", None, &arguments, &["/etc/ssh"]).map_err(|e| ProbeError::new(e.act, e.cause))
    }

    fn trial(&self, act: &str, place: Option<&TargetPath>, more: &[String], folders: &[&str]) -> Result<Output, OpError> {
        let (candidate, place) = place.map_or(("", ""), |place| (CANDIDATE, place.as_str()));
        let words = ["/bin/sh", "-c", TRIAL, "sh", act, candidate, place].map(str::to_owned);
        self.try_out(Cmd::new(words.into_iter().chain(more.iter().cloned())), folders)
    }

    /// Tries out what sshd would do if a file of its configuration held this text, or were not there: whether it takes it, what it would answer, and whether
    /// the owner can log in, by a key of a moment. Nothing on the machine changes.
    ///
    /// # Errors
    /// It would not do.
    fn try_sshd(&self, place: &TargetPath, text: Option<&[u8]>, user: &UserName, expect: &Expected) -> Result<(), OpError> {
        if !has_server(self)? {
            return must_have_server(self, user, expect);
        }
        self.with_candidate(place, text, || self.try_candidate(place, user, expect))
    }

    /// Whether the policy stands, and lets in this user.
    fn policy_lets_in(&self, user: &UserName) -> Result<bool, ProbeError> {
        let policy = text(self, POLICY)?.unwrap_or_default();
        Ok(self.has(Ability::Instance) && has_server(self)? && allowed(&policy).as_deref() == Some(user.as_str()))
    }

    /// Tries something with a text, or no text, in this place of the copy of the machine.
    fn with_candidate(&self, place: &TargetPath, text: Option<&[u8]>, tried: impl FnOnce() -> Result<(), OpError>) -> Result<(), OpError> {
        let candidate = path(CANDIDATE)?;
        self.files.make_directories(&path("/var/lib/fitout/candidates")?, Bits::S_IRWXU)?;
        match text {
            Some(mut text) => self.files.write(&candidate, &mut text, 0o600, (0, 0))?,
            None => self.files.remove(&candidate)?,
        }
        let tried = tried();
        self.files.remove(&candidate)?;
        tried.map_err(|error| error.hint(format!("{place} stays as it is")))
    }

    fn try_candidate(&self, place: &TargetPath, user: &UserName, expect: &Expected) -> Result<(), OpError> {
        let trial = |act: &str, more: &[String]| self.trial_for(user, act, place, more);
        let tested = trial("test", &[])?;
        if tested.status != 0 {
            return Err(OpError::new("have sshd take its configuration (sshd -t)", describe(&tested)));
        }
        let visits = visits(self, user.as_str())?;
        let answers = trial("policy", &visits.iter().map(Visit::argument).collect::<Vec<_>>())?;
        if answers.status != 0 {
            return Err(OpError::new("ask sshd for its policy (sshd -T)", describe(&answers)));
        }
        judge(self, &answers.stdout, &visits, (user, expect))?;
        if self.is_up()? {
            stays_put(&answers.stdout)?;
        }
        if lets_in(self, user, expect) { self.log_in(place, user, &answers.stdout) } else { Ok(()) }
    }

    fn trial_for(&self, user: &UserName, act: &str, place: &TargetPath, more: &[String]) -> Result<Output, OpError> {
        let folder = keys_path(self, user)?.parent().unwrap_or_else(TargetPath::root);
        self.trial(act, Some(place), more, &["/etc/ssh", folder.as_str()])
    }

    /// Logs in as the user with a key of a moment, on an sshd of its own that has the candidate in its place.
    fn log_in(&self, place: &TargetPath, user: &UserName, answers: &str) -> Result<(), OpError> {
        let port = said(answers, "port").split(' ').next().and_then(|port| port.parse().ok()).unwrap_or(SSH_PORT);
        let more = [user.to_string(), keys_path(self, user)?.to_string(), port.to_string()];
        let login = self.trial_for(user, "login", place, &more)?;
        if login.status == 0 {
            return Ok(());
        }
        Err(OpError::new(format!("log in as {user} with a key of a moment, on an sshd of its own"), describe(&login))
            .hint("what sshd says above is why; modes of the home and of .ssh are the usual reason"))
    }

    /// Whether an sshd of the service manager runs.
    fn is_up(&self) -> Result<bool, OpError> {
        let unit = unit()?;
        Ok(self.has(Ability::RunningSystem) && self.query(&Query::UnitActive(unit))?.status == 0)
    }

    /// Whether the sshd that runs answers, and takes keys alone; without one, or with one that did not answer before, nothing is asked.
    fn sshd_answers(&self, user: &UserName) -> Result<Before, OpError> {
        if !self.is_up()? {
            return Ok(Before::Silent);
        }
        let answer = self.query(&Query::SshdPolicy(vec![Visit::of(user.as_str())]))?.stdout;
        Ok(if listening(&answer).into_iter().any(greets) { Before::Answered } else { Before::Silent })
    }

    /// Has the sshd that runs read its files, without an end to anyone's session, and looks whether it answers as before.
    ///
    /// # Errors
    /// It does not.
    fn reload_sshd(&self, user: &UserName, before: Before, ways: &str) -> Result<(), OpError> {
        let unit = unit()?;
        if self.is_up()? {
            self.must(&Cmd::new(["systemctl", "reload", "--", unit.as_str()]), &Silent)?;
            if before == Before::Answered {
                self.prove_sshd_runs(user, ways)?;
            }
        }
        if self.has(Ability::RunningSystem) {
            self.files.remove(&stale_path(&unit)?)?;
        }
        Ok(())
    }

    fn prove_sshd_runs(&self, user: &UserName, ways: &str) -> Result<(), OpError> {
        let act = "find sshd running after its reload";
        let answer = self.query(&Query::SshdPolicy(vec![Visit::of(user.as_str())]))?.stdout;
        let mut said = "it does not answer".to_owned();
        // Twice in a row: what answers first may still be the one from before.
        let mut good = 0;
        for _ in 0..TRIES {
            std::thread::sleep(PAUSE);
            let Some(at) = listening(&answer).into_iter().find(|at| greets(*at)) else {
                good = 0;
                continue;
            };
            said = self.methods(at, user)?;
            good = if said.contains(ways) { good + 1 } else { 0 };
            if good == 2 {
                return Ok(());
            }
        }
        Err(OpError::new(act, said))
    }

    /// What the sshd at an address says to somebody who brings no key: which ways in it offers.
    fn methods(&self, at: SocketAddr, user: &UserName) -> Result<String, OpError> {
        let options = [
            "BatchMode=yes",
            "PreferredAuthentications=none",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "GlobalKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "ConnectTimeout=5",
        ];
        let (port, host) = (at.port().to_string(), at.ip().to_string());
        let words = ["ssh", "-F", "none", "-p", &port, "-l", user.as_str()].into_iter();
        let cmd = Cmd::new(words.chain(options.iter().flat_map(|option| ["-o", option])).chain([host.as_str(), "true"]));
        Ok(self.run(&cmd, Some(ANSWERING), &Silent)?.output.stderr.trim().to_owned())
    }

    /// Brings an sshd back that a change has ended, after the change is undone.
    pub(super) fn revive_sshd(&self, user: &UserName, before: Before) -> Result<(), OpError> {
        let unit = unit()?;
        if before == Before::Answered && !self.is_up()? {
            self.must(&Cmd::new(["systemctl", "reset-failed", "--", unit.as_str()]), &Silent).map(drop).unwrap_or_default();
            self.must(&Cmd::new(["systemctl", "start", "--", unit.as_str()]), &Silent)?;
        }
        self.reload_sshd(user, before, BY_ANYTHING)
    }
}

fn path(text: &str) -> Result<TargetPath, OpError> {
    TargetPath::parse(text).map_err(|e| OpError::new(format!("use path {text}"), e))
}

fn unit() -> Result<UnitName, OpError> {
    UnitName::parse(UNIT).map_err(|e| OpError::new("name sshd's unit", e))
}

/// Where sshd listens, as this machine reaches it.
fn listening(answer: &str) -> Vec<SocketAddr> {
    let first = answer.split("\n\n").next().unwrap_or_default();
    let addresses = first.lines().filter_map(|line| line.strip_prefix("listenaddress ")?.parse::<SocketAddr>().ok());
    let near = |at: SocketAddr| match (at.ip().is_unspecified(), at.is_ipv4()) {
        (true, true) => SocketAddr::from(([127, 0, 0, 1], at.port())),
        (true, false) => SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, at.port())),
        (false, _) => at,
    };
    addresses.map(near).collect()
}

/// Whether an OpenSSH server greets there.
fn greets(at: SocketAddr) -> bool {
    let greeting = || {
        let mut stream = TcpStream::connect_timeout(&at, GREETING)?;
        stream.set_read_timeout(Some(GREETING))?;
        let mut said = [0; BANNER.len()];
        stream.read_exact(&mut said)?;
        Ok::<_, std::io::Error>(said)
    };
    greeting().is_ok_and(|said| said == BANNER)
}

/// Fails where sshd, made to read its files, would go where it is not now, or find an address taken: whoever changed Port or `ListenAddress`
/// has yet to see whether that is reached.
fn stays_put(answers: &str) -> Result<(), OpError> {
    let all = listening(answers);
    let (here, elsewhere): (Vec<SocketAddr>, Vec<SocketAddr>) = all.into_iter().partition(|at| greets(*at));
    let taken = |at: &SocketAddr| TcpListener::bind(at).is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse);
    if !here.is_empty() && !elsewhere.iter().any(taken) {
        return Ok(());
    }
    let places: Vec<String> = elsewhere.iter().map(ToString::to_string).collect();
    Err(OpError::new("have sshd read its files", format!("the sshd that runs does not answer at {}", places.join(", "))).hint(
        "its files name another Port or ListenAddress than it has, or its keys are gone, or another program is there (`ss -ltnp`): \
         make it run as its files say, and see that you still come in, before you apply",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reaches_where_sshd_listens() {
        let answer =
            "port 22\nlistenaddress [::]:22\nlistenaddress 0.0.0.0:22\nlistenaddress 10.0.0.5:2222\n\nport 23\nlistenaddress 0.0.0.0:23\n";
        let found: Vec<String> = listening(answer).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["[::1]:22", "127.0.0.1:22", "10.0.0.5:2222"]);
    }

    #[test]
    fn a_port_of_another_program_is_told() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let answer = format!("listenaddress {}\n", other.local_addr().unwrap());
        let other = std::sync::Arc::new(other);
        let accepting = std::thread::spawn({
            let other = other.clone();
            move || drop(other.accept())
        });
        let error = stays_put(&answer).unwrap_err().to_string();
        accepting.join().unwrap();
        assert!(error.contains("does not answer at 127.0.0.1:"), "{error}");
    }
}
