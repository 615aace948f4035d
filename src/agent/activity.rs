//! Looks for signs that a machine is in use: notebooks and terminals (by Jupyter's own API), jobs at work, editors, SSH sessions, custom applications,
//! GPUs. It reads /proc and asks servers on loopback; it needs no other program.

use super::idle::{Life, Seen, Sign};
use crate::fetch::{Near, Question, Verb};
use crate::model::{TargetPath, UnitName};
use crate::recipe::APPLICATION;
use crate::schedule::{Power, Weight};
use crate::step::{FileKind, Query};
use crate::target::look::{names, stat, text};
use crate::target::{Account, DRIVER_LIBRARY, DriverSays, GpuDevice, Machine, Probe, ProbeError, Standing, Verdict, ask_driver};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;
use url::Url;

/// Numbers of people begin here, and end before `nobody` (Debian Policy 9.2.2).
const PEOPLE: std::ops::Range<u32> = 1000..65_534;
/// A process that took this share of a processor since the last look, in hundredths, is at work.
const AT_WORK: u64 = 10;
/// Ticks of a processor in a second: the kernel's own for user space, everywhere.
const TICKS: u64 = 100;
/// An editor counts for so long after it last did something (Azure ML, "Enable idle shutdown": VS Code's sessions end after 3 hours).
const EDITOR: Duration = Duration::from_hours(3);
/// Names of the processes of editors' servers: Node's, from some releases on after its thread, and code-server's own.
const EDITORS: [&str; 3] = ["node", "MainThread", "code-server"];
/// A GPU that computed for this share of the last moment is in use, in hundredths: a screen that is drawn takes less.
const COMPUTING: u32 = 5;
/// Those who hold a GPU open and compute nothing.
const HOLDERS: [&str; 5] = ["nvidia-persiste", "Xorg", "nv-hostengine", "dcgm", "systemd-logind"];

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Process {
    /// What it is called.
    name: String,
    uid: u32,
    /// Of a processor, since it began.
    ticks: u64,
}

/// All processes, by number and start, as one look found them.
#[derive(Debug, Clone, Default)]
pub struct Processes {
    at: Duration,
    all: BTreeMap<(u32, u64), Process>,
}

/// Looks. `before` is what the last look found, and becomes what this one does.
///
/// # Errors
/// Processes cannot be listed.
pub fn look(on: &dyn Probe, power: &Power, before: &mut Processes, now: Duration) -> Result<Seen, ProbeError> {
    let processes = Processes::read(on, now)?;
    let mut seen = Seen::default();
    let people = on.accounts()?;
    let people: Vec<&Account> = people.users().iter().filter(|account| PEOPLE.contains(&account.uid)).collect();
    let name_of = |uid: u32| people.iter().find(|one| one.uid == uid).map_or_else(|| format!("user {uid}"), |one| one.name.clone());
    jobs(on, before, &processes, &name_of, &mut seen);
    for (&(pid, _), process) in &processes.all {
        if let Some(sign) = session(on, pid, process, power.ssh_sessions).or_else(|| editor(on, pid, process, &name_of)) {
            seen.signs.push(sign);
        }
    }
    gpus(on, &processes, &mut seen)?;
    if power.custom_applications == Weight::Counted {
        seen.signs.extend(applications(on)?);
    }
    for person in &people {
        notebooks(on, person, &processes, &mut seen)?;
    }
    *before = processes;
    Ok(seen)
}

/// What sets this machine up, by whomever it was begun: a run of Fitout, and scripts that nothing waits for.
///
/// # Errors
/// It cannot be told.
pub fn setting_up(on: &Machine) -> Result<Vec<Sign>, ProbeError> {
    let sign = |what: String| Sign { what, life: Life::Now };
    let mut signs: Vec<Sign> = on.at_work()?.map(|_| sign("setting up".into())).into_iter().collect();
    for (name, verdict) in Verdict::all(on)? {
        if verdict.standing(on)? == Standing::AtWork {
            signs.push(sign(format!("the {name} script")));
        }
    }
    Ok(signs)
}

impl Processes {
    fn read(on: &dyn Probe, at: Duration) -> Result<Self, ProbeError> {
        let numbers: Vec<u32> = names(on, "/proc")?.iter().filter_map(|name| name.parse().ok()).collect();
        // One that ended meanwhile is not there.
        let all = numbers.into_iter().filter_map(|pid| process(on, pid)).collect();
        Ok(Self { at, all })
    }

    fn is_alive(&self, pid: u32) -> bool {
        self.all.range((pid, 0)..=(pid, u64::MAX)).next().is_some()
    }
}

fn process(on: &dyn Probe, pid: u32) -> Option<((u32, u64), Process)> {
    let line = text(on, &format!("/proc/{pid}/stat")).ok()??;
    // The name stands in parentheses, and may hold some (proc_pid_stat(5)).
    let (head, tail) = line.rsplit_once(')')?;
    let name = head.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let number = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<u64>().ok());
    let (ticks, start) = (number(14)? + number(15)?, number(22)?);
    let uid = stat(on, &format!("/proc/{pid}")).ok()??.uid;
    Some(((pid, start), Process { name, uid, ticks }))
}

/// Processes of people, and of people's containers, that took their share of a processor.
fn jobs(on: &dyn Probe, before: &Processes, now: &Processes, name_of: &dyn Fn(u32) -> String, seen: &mut Seen) {
    let passed = u64::try_from(now.at.saturating_sub(before.at).as_millis()).unwrap_or(u64::MAX);
    for (key, process) in &now.all {
        let Some(earlier) = before.all.get(key) else { continue };
        let took = process.ticks.saturating_sub(earlier.ticks);
        // ticks / (TICKS * seconds) >= AT_WORK / 100
        if took * 100 * 1000 < AT_WORK * TICKS * passed.max(1) || !is_peoples(on, key.0, process) {
            continue;
        }
        seen.signs.push(Sign { what: format!("{} of {} at work", process.name, name_of(process.uid)), life: Life::Now });
    }
}

/// Whether a process is somebody's, and not the system's own.
fn is_peoples(on: &dyn Probe, pid: u32, process: &Process) -> bool {
    /// Where what people start runs: sessions, and containers of docker and podman.
    const GROUPS: [&str; 4] = ["/user.slice", "docker", "libpod", "machine.slice"];
    if PEOPLE.contains(&process.uid) {
        return true;
    }
    let group = text(on, &format!("/proc/{pid}/cgroup")).ok().flatten().unwrap_or_default();
    GROUPS.iter().any(|mark| group.contains(mark))
}

fn command(on: &dyn Probe, pid: u32) -> String {
    text(on, &format!("/proc/{pid}/cmdline")).ok().flatten().unwrap_or_default().replace('\0', " ")
}

/// An SSH session: sshd names its processes after who came in.
fn session(on: &dyn Probe, pid: u32, process: &Process, weight: Weight) -> Option<Sign> {
    if weight == Weight::Ignored || !process.name.starts_with("sshd") {
        return None;
    }
    let title = command(on, pid);
    let (_, who) = title.split_once(": ")?;
    let user = who.split_once('@')?.0.trim();
    Some(Sign { what: format!("SSH session of {user}"), life: Life::Now })
}

/// An editor's server, while a window of it is open.
fn editor(on: &dyn Probe, pid: u32, process: &Process, name_of: &dyn Fn(u32) -> String) -> Option<Sign> {
    if !EDITORS.contains(&process.name.as_str()) {
        return None;
    }
    let command = command(on, pid);
    let is_window = command.contains("--type=extensionHost") && (command.contains(".vscode-server") || command.contains("code-server"));
    // A second of work is something; what it does when left alone is less.
    let stamp = (process.ticks / TICKS).to_string();
    is_window.then(|| Sign { what: format!("VS Code of {} (process {pid})", name_of(process.uid)), life: Life::Changing(stamp, EDITOR) })
}

/// GPUs that compute, by the driver; where that cannot tell, who holds one open.
fn gpus(on: &dyn Probe, processes: &Processes, seen: &mut Seen) -> Result<(), ProbeError> {
    if stat(on, "/dev/nvidia0")?.is_none() {
        return Ok(());
    }
    match computing(ask_driver(DRIVER_LIBRARY.as_ref())) {
        Ok(signs) => seen.signs.extend(signs),
        Err(why) => seen.unknown.extend(holders(on, processes, &why)),
    }
    Ok(())
}

/// The GPUs of a machine that compute, if the driver tells it of all of them.
fn computing(says: Result<Option<DriverSays>, String>) -> Result<Vec<Sign>, String> {
    let devices = says?.ok_or("the driver's library is not there")?.devices;
    let used = |(number, device): (usize, &GpuDevice)| {
        // A GPU that is divided does not tell.
        let used = device.used.ok_or_else(|| format!("GPU {number} does not tell how much of it is used"))?;
        let sign = Sign { what: format!("GPU {number} ({}) computing", device.name), life: Life::Now };
        Ok((used >= COMPUTING).then_some(sign))
    };
    devices.iter().enumerate().map(used).filter_map(Result::transpose).collect()
}

/// Who holds a GPU open. What it is used for cannot be told here.
fn holders(on: &dyn Probe, processes: &Processes, why: &str) -> Vec<String> {
    let is_gpu = |link: &str| link.strip_prefix("/dev/nvidia").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    let holds = |pid: u32| {
        let folder = format!("/proc/{pid}/fd");
        let link = |fd: &String| stat(on, &format!("{folder}/{fd}")).ok().flatten().and_then(|stat| stat.link);
        names(on, &folder).unwrap_or_default().iter().filter_map(link).any(|link| is_gpu(&link))
    };
    let users = processes.all.iter().filter(|((pid, _), process)| !HOLDERS.contains(&process.name.as_str()) && holds(*pid));
    users.map(|((pid, _), process)| format!("{} (process {pid}) holds a GPU: {why}", process.name)).collect()
}

/// Custom applications that run.
fn applications(on: &dyn Probe) -> Result<Vec<Sign>, ProbeError> {
    let mut signs = Vec::new();
    for (folder, ending) in [("/etc/systemd/system", ".service"), ("/etc/containers/systemd", ".container")] {
        for name in names(on, folder)?.iter().filter_map(|file| file.strip_prefix(APPLICATION)?.strip_suffix(ending)) {
            let unit =
                UnitName::parse(&format!("{APPLICATION}{name}.service")).map_err(|e| ProbeError::new("look at an application", e))?;
            if on.query(&Query::UnitActive(unit))?.status == 0 {
                signs.push(Sign { what: format!("custom application {name}"), life: Life::Now });
            }
        }
    }
    Ok(signs)
}

/// What a server of Jupyter's says of itself, in its runtime folder.
#[derive(Debug, Deserialize)]
struct Server {
    pid: u32,
    port: u16,
    #[serde(default)]
    token: String,
    #[serde(default)]
    base_url: String,
}

/// What its API says of a kernel or a terminal.
#[derive(Debug, Deserialize)]
struct Kernel {
    #[serde(default)]
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    execution_state: String,
    #[serde(default)]
    last_activity: String,
}

/// No file of a runtime folder is larger.
const LARGEST: u64 = 64 << 10;
/// Nobody runs more servers.
const MOST_SERVERS: usize = 16;

/// Kernels and terminals of a person's Jupyter servers.
fn notebooks(on: &dyn Probe, person: &Account, processes: &Processes, seen: &mut Seen) -> Result<(), ProbeError> {
    let folder = format!("{}/.local/share/jupyter/runtime", person.home);
    let Ok(files) = names(on, &folder) else { return Ok(()) };
    let servers = files.iter().filter(|file| file.starts_with("jpserver-") && matches!(file.rsplit_once('.'), Some((_, "json"))));
    for file in servers.take(MOST_SERVERS) {
        let at = TargetPath::parse(&format!("{folder}/{file}")).map_err(|e| ProbeError::new("look at a Jupyter server", e))?;
        // The file is the person's: what it says is used for loopback only, and no link of theirs to something endless is followed.
        if on.stat(&at)?.is_none_or(|stat| stat.kind != FileKind::File || stat.size > LARGEST) {
            continue;
        }
        let server = on.read(&at)?.and_then(|bytes| serde_json::from_slice::<Server>(&bytes).ok());
        if let Some(server) = server.filter(|server| processes.is_alive(server.pid)) {
            ask(&server, &person.name, seen);
        }
    }
    Ok(())
}

fn ask(server: &Server, owner: &str, seen: &mut Seen) {
    for (what, path) in [("notebook kernel", "api/kernels"), ("Jupyter terminal", "api/terminals")] {
        match list(server, path) {
            Ok(all) => seen.signs.extend(all.into_iter().map(|kernel| sign(what, kernel, owner, server.port))),
            Err(why) => seen.unknown.push(format!("Jupyter of {owner} on port {} does not say what runs in it: {why}", server.port)),
        }
    }
}

/// What a kernel or a terminal says. Each has a name of its own, so that what it did is held against what it did before: terminals are counted from 1 by
/// each server.
fn sign(what: &str, kernel: Kernel, owner: &str, port: u16) -> Sign {
    let id: String = kernel.id.chars().take(8).collect();
    let which = if id.is_empty() { format!("{} on port {port}", kernel.name) } else { format!("{} {id}", kernel.name) };
    let idle = matches!(kernel.execution_state.as_str(), "idle" | "");
    let life = if idle { Life::Changing(kernel.last_activity, Duration::ZERO) } else { Life::Now };
    Sign { what: format!("{what} {which} of {owner}"), life }
}

fn list(server: &Server, path: &str) -> Result<Vec<Kernel>, String> {
    let base = server.base_url.trim_matches('/');
    let base = if base.is_empty() { String::new() } else { format!("{base}/") };
    let url = Url::parse(&format!("http://127.0.0.1:{}/{base}{path}", server.port)).map_err(|e| e.to_string())?;
    if url.host_str() != Some("127.0.0.1") {
        return Err("its address is not this machine's".into());
    }
    let token = format!("token {}", server.token);
    let near = Near::new().map_err(|e| e.to_string())?;
    let reply = near.ask(&Question { url, headers: &[("Authorization", &token)], verb: Verb::Get }).map_err(|e| e.to_string())?;
    match reply.status {
        200 => serde_json::from_slice(&reply.body).map_err(|_| "its answer is no list".to_owned()),
        // A server without terminals has no such address.
        404 => Ok(Vec::new()),
        status => Err(format!("it answers {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::Ability;
    use crate::store::Store;
    use crate::target::Ground;
    use crate::target::fake::{Behaviour, Fake, Node, Tree};

    /// Command lines as people showed them (vscode-remote-release#262, #635, testissues#5063).
    #[test]
    fn an_open_window_of_an_editor_is_known_by_its_host_of_extensions() {
        let lines = [
            (
                "node",
                "/home/ada/.vscode-server/bin/ee8c7def/node /home/ada/.vscode-server/bin/ee8c7def/out/bootstrap-fork --type=extensionHost --transformURIs",
                true,
            ),
            (
                "MainThread",
                "/home/ada/.vscode-server-insiders/bin/c089daa8/node out/bootstrap-fork --type=extensionHost --uriTransformerPath=x",
                true,
            ),
            (
                "node",
                "/home/ada/.vscode-server/bin/ee8c7def/node /home/ada/.vscode-server/bin/ee8c7def/out/bootstrap-fork --type=ptyHost",
                false,
            ),
            ("node", "/home/ada/.vscode-server/bin/ee8c7def/node /home/ada/.vscode-server/bin/ee8c7def/out/server-main.js", false),
            ("node", "node /srv/site/server.js", false),
            ("python3", "python3 .vscode-server --type=extensionHost", false),
        ];
        for (name, line, is_window) in lines {
            let fake = Fake::debian(&[Ability::Files], Behaviour::default()).unwrap();
            let path = TargetPath::parse("/proc/77/cmdline").unwrap();
            let text = line.replace(' ', "\0");
            let put = |tree: &mut Tree| {
                tree.make_directories(&path.parent().unwrap(), 0o755)?;
                tree.put(&path, Node::file(text.clone(), 0o444, (1000, 1000)))
            };
            fake.arrange(put).unwrap();
            let process = Process { name: name.into(), uid: 1000, ticks: 250 };
            let found = editor(&fake, 77, &process, &|_| "ada".to_owned());
            let wanted = Sign { what: "VS Code of ada (process 77)".into(), life: Life::Changing("2".into(), EDITOR) };
            assert_eq!(found, is_window.then_some(wanted), "{line}");
        }
    }

    #[test]
    fn a_link_in_the_place_of_a_server_is_not_followed() {
        let fake = Fake::debian(&[Ability::Files], Behaviour::default()).unwrap();
        let at = |path: &str| TargetPath::parse(path).unwrap();
        let put = |tree: &mut Tree| {
            tree.make_directories(&at("/home/ada/.local/share/jupyter/runtime"), 0o755)?;
            tree.put(&at("/srv/large"), Node::file(r#"{"pid": 77, "port": 1}"#, 0o644, (1000, 1000)))?;
            tree.put(&at("/home/ada/.local/share/jupyter/runtime/jpserver-77.json"), Node::link("/srv/large"))
        };
        fake.arrange(put).unwrap();
        let person = Account { name: "ada".into(), uid: 1000, gid: 1000, home: "/home/ada".into(), shell: "/bin/bash".into() };
        let process = Process { name: "jupyter".into(), uid: 1000, ticks: 0 };
        let processes = Processes { at: Duration::ZERO, all: BTreeMap::from([((77, 1), process)]) };
        let mut seen = Seen::default();
        notebooks(&fake, &person, &processes, &mut seen).unwrap();
        assert_eq!(seen, Seen::default());
    }

    /// A server that has one terminal, which was last used then.
    fn one_terminal(last: &str) -> Server {
        use std::io::{BufRead, BufReader, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let terminals = format!(r#"[{{"name": "1", "last_activity": "{last}"}}]"#);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
                let body = if lines.next().unwrap().contains("api/terminals") { terminals.as_str() } else { "[]" };
                lines.find(String::is_empty);
                write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
            }
        });
        Server { pid: 77, port, token: String::new(), base_url: "/".into() }
    }

    #[test]
    fn terminals_of_two_servers_are_not_taken_for_one_that_is_used() {
        use crate::agent::Idleness;
        let servers = ["2026-03-27T16:00:00Z", "2026-03-27T17:00:00Z"].map(one_terminal);
        let look = |idle: Idleness, minute: u64| {
            let mut seen = Seen::default();
            for server in &servers {
                ask(server, "ada", &mut seen);
            }
            assert_eq!((seen.signs.len(), seen.unknown.len()), (2, 0), "{seen:?}");
            idle.after(seen, Duration::from_mins(minute))
        };
        let idle = (1..=3).fold(Idleness::default(), look);
        assert_eq!(idle.quiet(Duration::from_mins(3)), Some(Duration::from_mins(1)), "{idle:?}");
    }

    #[test]
    fn a_run_by_hand_and_a_script_in_the_background_are_use() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("root")).unwrap();
        let machine = Machine::open(&Ground::Root(folder.path().join("root")), Store::at(folder.path().join("store"))).unwrap();
        let seen = || setting_up(&machine).unwrap().into_iter().map(|sign| sign.what).collect::<Vec<_>>();
        assert_eq!(seen(), [""; 0]);
        let lock = machine.lock().unwrap();
        assert_eq!(seen(), ["setting up"]);
        drop(lock);
        let verdict = |outcome: &str| {
            let own = std::fs::read_to_string("/proc/self/stat").unwrap();
            let since = own.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap();
            let process = serde_json::json!({"pid": std::process::id(), "since": since});
            let digest = "0".repeat(64);
            serde_json::json!({"version": 1, "digest": digest, "boot": null, "status": 255, "outcome": outcome, "process": process})
        };
        let at = folder.path().join("root/var/lib/fitout/state/scripts");
        std::fs::create_dir_all(&at).unwrap();
        std::fs::write(at.join("startup.json"), verdict("not ended").to_string()).unwrap();
        assert_eq!(seen(), ["the startup script"]);
        std::fs::write(at.join("startup.json"), verdict("failed with exit status 1").to_string()).unwrap();
        assert_eq!(seen(), [""; 0]);
    }

    #[test]
    fn gpus_that_compute_are_in_use_and_one_that_does_not_tell_is_unknown() {
        let device =
            |used| GpuDevice { name: "Tesla T4".into(), architecture: None, memory: None, persistence: None, ecc: None, mig: None, used };
        let asked = |used: &[Option<u32>]| {
            let devices = used.iter().map(|used| device(*used)).collect();
            let signs = computing(Ok(Some(DriverSays { driver: "550".into(), cuda: None, devices })));
            signs.map(|signs| signs.into_iter().map(|sign| sign.what).collect::<Vec<_>>())
        };
        assert_eq!(asked(&[Some(0), Some(97)]).unwrap(), ["GPU 1 (Tesla T4) computing"]);
        assert_eq!(asked(&[Some(4)]).unwrap(), [""; 0]);
        assert_eq!(asked(&[Some(97), None]).unwrap_err(), "GPU 1 does not tell how much of it is used");
        assert_eq!(computing(Ok(None)).unwrap_err(), "the driver's library is not there");
        assert_eq!(computing(Err("it did not answer within 10 s".into())).unwrap_err(), "it did not answer within 10 s");
    }
}
