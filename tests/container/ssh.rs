//! SSH on a machine that is up: whatever sshd was told before, nobody is locked out, at whatever instant Fitout is killed; and what the
//! policy offers is good in the eyes of ssh-audit.

use crate::machine::{Machine, command, must, wait_for};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use tempfile::TempDir;

const MANIFEST: &str = "schema: 1\nname: lab-s\nuser: {name: alice, authorized_keys: [KEYS]}\nssh_public_access_enabled: OPEN\n";
const OWN: &str = "/etc/ssh/sshd_config.d/00-fitout.conf";

/// A machine with sshd, an account and its key, as it was before Fitout came.
struct Lab {
    machine: Machine,
    folder: TempDir,
    public: String,
}

impl Lab {
    fn open() -> Option<Self> {
        let mut machine = Machine::fresh()?;
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        must(command("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "alice@example.org", "-f"]).arg(&key));
        let public = fs::read_to_string(folder.path().join("key.pub")).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_fitout"), machine.root().join("usr/local/bin/fitout")).unwrap();
        machine.start(&[]);
        machine.must(&["useradd", "--create-home", "--shell", "/bin/bash", "alice"]);
        machine.write("/root/key.pub", &public);
        let keys = "install -d -m 700 -o alice -g alice /home/alice/.ssh && install -m 600 -o alice -g alice /root/key.pub \
                    /home/alice/.ssh/authorized_keys && mkdir /root/pristine && cp -a /etc/ssh /home/alice /root/pristine/";
        machine.must(&["sh", "-c", keys]);
        let lab = Self { machine, folder, public };
        wait_for("sshd", || lab.comes_in("alice", 22).then_some(()));
        Some(lab)
    }

    fn ssh(&self, user: &str, port: u16) -> std::process::Command {
        let mut ssh = command("nsenter");
        ssh.args(["-n", "-t", self.machine.leader(), "ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"]);
        ssh.args(["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=5", "-i"]);
        ssh.arg(self.key()).args(["-p", &port.to_string(), "-l", user, "127.0.0.1"]);
        ssh
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("key")
    }

    fn comes_in(&self, user: &str, port: u16) -> bool {
        self.ssh(user, port).arg("true").output().unwrap().status.success()
    }

    /// Has a user type a line; returns the exit status, and what was said.
    fn by_ssh(&self, user: &str, line: &str) -> (Option<i32>, String) {
        let output = self.ssh(user, 22).arg(line).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
    }

    /// A login that stays.
    fn session(&self, user: &str) -> Child {
        let mut session = self.ssh(user, 22).args(["echo in; sleep 1000"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = [0; 3];
        std::io::Read::read_exact(session.stdout.as_mut().unwrap(), &mut said).unwrap();
        session
    }

    /// The machine as it was before Fitout came.
    fn reset(&self) {
        let script = "rm -rf /etc/ssh /home/alice /var/lib/fitout && cp -a /root/pristine/ssh /etc/ && cp -a /root/pristine/alice /home/ \
                      && usermod -U alice 2>/dev/null; systemctl reset-failed; systemctl reload-or-restart ssh";
        self.machine.must(&["sh", "-c", script]);
        wait_for("sshd as it was", || self.comes_in("alice", 22).then_some(()));
    }

    fn manifest(&self, keys: &str, open: &str) {
        let keys = if keys.is_empty() { "" } else { "key.pub" };
        self.machine.write("/root/m.yaml", &MANIFEST.replace("KEYS", keys).replace("OPEN", open));
    }

    fn apply(&self) -> (i32, Value) {
        self.machine.ask(&["apply", "-f", "/root/m.yaml"])
    }

    /// All that sshd is told, byte for byte.
    fn told(&self) -> String {
        self.machine.must(&["sh", "-c", "cd /etc/ssh && find . -type f ! -name 'ssh_host_*' -exec sha256sum {} + | sort -k2"])
    }
}

fn reason(report: &Value) -> String {
    let failed = report["resources"].as_array().unwrap().iter().filter_map(|one| one["reason"].as_str());
    failed.collect::<Vec<_>>().join("\n")
}

#[test]
fn nobody_is_locked_out_whatever_sshd_was_told() {
    let Some(lab) = Lab::open() else { return };
    let cases: Vec<Value> = serde_yaml::from_str(include_str!("ssh.yaml")).unwrap();
    assert!(cases.len() >= 30);
    let failures: Vec<String> = cases.iter().filter_map(|case| lab.stands(case).err()).collect();
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

impl Lab {
    /// One configuration: what becomes of it, who comes in, and the session that was open.
    fn stands(&self, case: &Value) -> Result<(), String> {
        let text = |name: &str| case[name].as_str().unwrap_or_default();
        let who = if case["who"].is_string() { text("who") } else { "alice" };
        self.reset();
        for (file, content) in case["files"].as_object().into_iter().flatten() {
            self.machine.write(&format!("/etc/ssh/{file}"), content.as_str().unwrap());
        }
        let keys = case["keys"].as_str().unwrap_or("KEY").replace("KEY", self.public.trim());
        self.machine.write("/root/key.pub", &format!("{keys}\n"));
        self.manifest(&keys, "true");
        let mut session = self.session("alice");
        self.machine.must(&["sh", "-c", &format!("true; {}", text("run"))]);
        if text("reload") != "never" {
            self.machine.inside(&["systemctl", "reload", "ssh"]);
        }
        let (before, told) = (self.comes_in(who, 22), self.told());
        let (code, report) = self.apply();
        let mut wrong = Vec::new();
        let mut expect = |holds: bool, what: &str| {
            if !holds {
                wrong.push(what.to_owned());
            }
        };
        let kept = text("ends") == "kept";
        expect((code == 0) == kept, &format!("ended {code}: {}", reason(&report)));
        expect(kept || reason(&report).contains(text("says")), &format!("said {}", reason(&report)));
        expect(kept || text("policy") == "kept" || self.told() == told, "what sshd is told is not as it was");
        expect(!report.to_string().contains("foreign: remove"), "it names what does not help before the policy stands");
        expect(!(before || kept) || self.comes_in(who, 22), "LOCKED OUT");
        expect(!kept || self.apply().1["changed"] == 0, "a second apply changed something");
        expect(session.try_wait().unwrap().is_none(), "the open session ended");
        session.kill().and_then(|()| session.wait()).unwrap();
        self.machine.must(&["sh", "-c", &format!("true; {}", text("tidy"))]);
        if wrong.is_empty() { Ok(()) } else { Err(format!("{}: {}", text("name"), wrong.join("; "))) }
    }
}

/// Calls by which files come, change and go; between two of them nothing changes that a kill could leave half done.
const CHANGES: [&str; 2] = ["renameat", "unlinkat"];

/// Where the files are that a change of SSH has to do with: what sshd reads, what was there before, what is tried, what sshd has yet to read.
const PROTOCOL: [&str; 4] = ["</etc/ssh", "/state/ssh>", "/candidates>", "/stale>"];

impl Lab {
    /// Applies under strace, which is told what else to do; returns what it noted.
    fn traced(&self, words: &[&str]) -> String {
        let log = self.folder.path().join("strace.log");
        let mut strace = command("strace");
        strace.args(["-f", "-qq", "-y", "-e", &format!("trace={}", CHANGES.join(",")), "-o"]).arg(&log).args(words);
        strace.args(["nsenter", "-m", "-p", "-u", "-i", "-n", "-t", self.machine.leader()]);
        strace.args(["/usr/local/bin/fitout", "apply", "--progress", "none", "-f", "/root/m.yaml"]);
        strace.env("FITOUT_FAULT", "strace").stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        fs::read_to_string(&log).unwrap()
    }

    /// The calls of a whole change that have to do with SSH: which, and the how manyeth of its kind it is.
    fn instants(&self) -> Vec<(&'static str, usize, String)> {
        let trace = self.traced(&[]);
        let of = |call: &'static str| {
            let calls = trace.lines().filter(move |line| line.contains(&format!(" {call}("))).map(str::to_owned).enumerate();
            let about_ssh = |line: &str| line.ends_with(" = 0") && PROTOCOL.iter().any(|place| line.contains(place));
            calls.filter(move |(_, line)| about_ssh(line)).map(move |(before, line)| (call, before + 1, line))
        };
        CHANGES.into_iter().flat_map(of).collect()
    }
}

#[test]
fn killed_at_any_instant_it_locks_nobody_out() {
    let Some(lab) = Lab::open() else { return };
    // Two files change: sshd is made to include the policy, too.
    let prepare = || {
        lab.reset();
        lab.machine.must(&["sed", "-i", "/^Include/d", "/etc/ssh/sshd_config"]);
    };
    lab.manifest("key.pub", "true");
    prepare();
    let instants = lab.instants();
    assert!(instants.len() > 10, "only {instants:?}: does strace work here?");
    for (call, number, line) in &instants {
        prepare();
        let trace = lab.traced(&["-e", &format!("inject={call}:signal=KILL:when={number}")]);
        assert!(trace.contains("killed by SIGKILL"), "no kill at {line}");
        assert!(lab.comes_in("alice", 22), "locked out by a kill at {line}");
        let (code, report) = lab.apply();
        assert_eq!(code, 0, "after a kill at {line}: {report:#}");
        assert!(lab.comes_in("alice", 22), "locked out after a kill at {line}");
        assert!(lab.machine.root().join(OWN.trim_start_matches('/')).exists());
        let left = lab.machine.must(&["sh", "-c", "ls /var/lib/fitout/state/ssh /var/lib/fitout/candidates 2>/dev/null || true"]);
        assert!(!left.contains("pending") && !left.contains("before") && !left.contains("sshd\n"), "a kill at {line} leaves {left}");
    }
    // The last apply has the policy stand.
    lab.is_good_in_the_eyes_of_ssh_audit();
}

impl Lab {
    fn is_good_in_the_eyes_of_ssh_audit(&self) {
        let python = self.folder.path().join("venv");
        must(command("python3").args(["-m", "venv"]).arg(&python));
        must(command("sh").arg("-c").arg(format!("{}/bin/pip install --quiet ssh-audit", python.display())));
        let mut audit = command("nsenter");
        audit.args(["-n", "-t", self.machine.leader()]).arg(python.join("bin/ssh-audit")).args(["--skip-rate-test", "127.0.0.1"]);
        let audit = audit.output().unwrap();
        let said = String::from_utf8_lossy(&audit.stdout);
        // Of its exit statuses 0 is good, 2 has warnings, 3 has failures.
        assert!(matches!(audit.status.code(), Some(0 | 2)), "{said}");
    }
}

/// A clock that waits for less long than people need.
const SOONER: (&str, &str) = ("/etc/systemd/system/fitout-ssh-undo.timer.d/sooner.conf", "[Timer]\nOnActiveSec=\nOnActiveSec=1\n");

impl Lab {
    /// Waits until what nobody confirmed is undone.
    fn comes_back(&self, told: &str) {
        let left = self.machine.root().join("etc/systemd/system/fitout-ssh-undo.timer");
        wait_for("what was there before", || (!left.exists() && self.told() == told).then_some(()));
        assert!(self.comes_in("root", 22) && self.comes_in("alice", 22));
    }

    /// Ways in that others made go where the manifest says so, and not before the owner's is proved without them.
    fn others_go_last(&self) {
        let ways = "sshd_config.d/60-colleague.conf";
        self.machine.write(&format!("/etc/ssh/{ways}"), "PermitRootLogin yes\n");
        self.machine.must(&["cp", "/root/key.pub", "/home/alice/.ssh/authorized_keys2"]);
        let manifest = self.machine.read("/root/m.yaml");
        self.machine.write("/root/m.yaml", &format!("{manifest}ssh_settings: {{foreign: remove}}\n"));
        self.machine.must(&["sh", "-c", "echo DenyUsers alice >>/etc/ssh/sshd_config"]);
        let (code, report) = self.apply();
        assert!(code == 1 && reason(&report).contains("listed in DenyUsers"), "{report:#}");
        assert!(self.told().contains(ways) && self.machine.root().join("home/alice/.ssh/authorized_keys2").exists());
        self.machine.must(&["sed", "-i", "$d", "/etc/ssh/sshd_config"]);
        // One that keeps the owner out is no hindrance to what comes before it.
        let deny = "sshd_config.d/70-deny.conf";
        self.machine.write(&format!("/etc/ssh/{deny}"), "DenyUsers alice\n");
        let (code, report) = self.apply();
        assert_eq!(code, 0, "{report:#}");
        assert!(
            !self.told().contains(ways)
                && !self.told().contains(deny)
                && !self.machine.root().join("home/alice/.ssh/authorized_keys2").exists()
        );
        assert_eq!(self.machine.read(&format!("/var/lib/fitout/replaced/etc/ssh/{ways}")), "PermitRootLogin yes\n");
        assert!(self.comes_in("alice", 22) && self.apply().1["changed"] == 0);
    }
}

impl Lab {
    /// Other keys alone change, and the owner cannot get in whatever the key: nothing changes, and sshd's own words say why.
    fn keys_are_proved_by_a_login(&self) {
        let keys = || self.machine.read("/home/alice/.ssh/authorized_keys");
        let before = keys();
        let second = self.public.replace("alice@example.org", "alice@work");
        self.machine.write("/root/key.pub", &format!("{}{second}", self.public));
        self.machine.must(&["chmod", "777", "/home/alice"]);
        let (code, report) = self.apply();
        assert!(code == 1 && reason(&report).contains("bad ownership or modes for directory /home/alice"), "{report:#}");
        assert_eq!(keys(), before);
        self.machine.must(&["chmod", "755", "/home/alice"]);
        let (code, report) = self.apply();
        assert!(code == 0 && keys().contains("alice@work") && self.comes_in("alice", 22), "{report:#}");
    }

    fn a_server_that_takes_no_keys_is_told(&self) {
        self.machine.must(&["sh", "-c", "printf 'Match User alice\\nPubkeyAuthentication no\\n' >>/etc/ssh/sshd_config"]);
        let (_, shown) = self.machine.ask(&["ssh"]);
        assert_eq!((&shown["ssh"]["access"], &shown["command"]), (&"shut_out".into(), &Value::Null), "{shown:#}");
        let otherwise = shown["ssh"]["otherwise"].to_string();
        assert!(otherwise.contains("pubkeyauthentication is `no`, not `yes`"), "{otherwise}");
        self.machine.must(&["sed", "-i", "/^Match User alice/,$d", "/etc/ssh/sshd_config"]);
    }
}

#[test]
fn a_change_of_ones_own_way_in_waits_for_a_word() {
    let Some(mut lab) = Lab::open() else { return };
    lab.manifest("key.pub", "true");
    lab.machine.must(&["sh", "-c", "mkdir -pm700 /root/.ssh; cp /root/key.pub /root/.ssh/authorized_keys"]);
    let told = lab.told();
    let apply = "/usr/local/bin/fitout apply --progress none -f /root/m.yaml";
    let (code, said) = lab.by_ssh("root", apply);
    assert!(code == Some(0) && said.contains("fitout ssh confirm"), "{code:?} {said}");
    let timer = lab.machine.must(&["systemctl", "list-timers", "--all", "fitout-ssh-undo.timer"]);
    assert!(timer.contains("fitout-ssh-undo.service"), "{timer}");
    lab.machine.must(&["systemctl", "is-enabled", "fitout-ssh-undo.timer"]);
    // Nobody says the word: when the time is up, it all comes back.
    lab.machine.write(SOONER.0, SOONER.1);
    lab.machine.must(&["sh", "-c", "systemctl daemon-reload; systemctl restart fitout-ssh-undo.timer"]);
    lab.comes_back(&told);
    // Nor where Fitout was killed in between, and the machine restarted.
    lab.machine.must(&["rm", "-r", "/etc/systemd/system/fitout-ssh-undo.timer.d"]);
    let kill = |number: u32| lab.by_ssh("root", &format!("FITOUT_FAULT=kill@{number} {apply}"));
    let noted = lab.machine.root().join("var/lib/fitout/state/ssh/pending.json");
    let killed = (1..).map(kill).take_while(|(code, said)| *code != Some(0) || panic!("it was not killed: {said}"));
    assert!(killed.into_iter().any(|_| noted.exists()));
    assert!(!lab.comes_in("root", 22));
    lab.machine.write(SOONER.0, SOONER.1);
    lab.machine.stop();
    lab.machine.start(&[]);
    lab.comes_back(&told);
    lab.machine.must(&["rm", "-r", "/etc/systemd/system/fitout-ssh-undo.timer.d"]);
    // And no service makes the change again behind people's backs.
    let (code, report) = lab.apply();
    assert!(code == 1 && reason(&report).contains("was not confirmed in time"), "{report:#}");
    let (code, said) = lab.by_ssh("root", &format!("{apply} && /usr/local/bin/fitout ssh confirm"));
    assert!(code == Some(1) && said.contains("this session was there before it"), "{code:?} {said}");
    assert!(!lab.comes_in("root", 22));
    lab.machine.must(&["/usr/local/bin/fitout", "ssh", "confirm"]);
    assert!(lab.comes_in("alice", 22) && !lab.machine.root().join("etc/systemd/system/fitout-ssh-undo.timer").exists());
    assert_eq!(lab.apply().1["changed"], 0);
    let (_, shown) = lab.machine.ask(&["ssh"]);
    assert_eq!((&shown["ssh"]["access"], &shown["ssh"]["user"]), (&"enabled".into(), &"alice".into()), "{shown:#}");
    lab.others_go_last();
    lab.keys_are_proved_by_a_login();
    lab.a_server_that_takes_no_keys_is_told();
}
