//! An [`Op`] made to happen in memory, in the order of effects that a real machine has.

use super::{Fake, Kind, Last, Node, Said, State, Tree, failed, path, seed};
use crate::model::{Meta, Sha256, TargetPath, UnitName, UserName};
use crate::step::{
    ASIDE, Ability, CONTAINER_DEVICES, CheckRun, Content, FileKind, Login, OnFailure, Op, Presence, Proof, ScriptRun, Site, Tool, UnitVerb,
    Unpack,
};
use crate::target::{
    Accounts, CheckVerdict, Ending, OpError, Probe, ProbeError, Progress, Target, Verdict, Written, generations, processes_of, seal, sshd,
    stale_path,
};
use std::collections::BTreeSet;

/// Where units are, the administrator's first.
const UNITS: [&str; 3] = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
/// First number of a person.
const FIRST_UID: u32 = 1000;
/// First number that a new group of the system gets here.
const FIRST_GID: u32 = 900;

impl Target for Fake {
    fn perform(&self, op: &Op, _: &dyn Progress) -> Result<(), OpError> {
        let summary = op.summary();
        if let Some(cause) = self.behaviour.fails.get(&summary) {
            return Err(OpError::new(summary, cause));
        }
        if self.behaviour.idle.contains(&summary) {
            return Ok(());
        }
        match op {
            Op::MakeDirectory { path, meta } => self.make_directory(path, meta),
            Op::WriteFile { path, content, meta, proof, read_by } => self.write_file(path, content, meta, proof.as_ref(), read_by),
            Op::SetMeta { path, meta } => self.set_meta(path, meta),
            Op::MakeSymlink { path, to } => self.make_symlink(path, to),
            Op::SetAside { path } => self.set_aside(path),
            Op::Remove { path, .. } | Op::RemoveTree { path } => self.discard(path),
            Op::RemoveEnvironment { prefix } => {
                self.discard(prefix)?;
                generations(prefix, self)?.iter().try_for_each(|path| self.discard(path))
            }
            Op::AptInstall { packages } => self.transaction(packages),
            Op::AptRemove { packages } => self.apt_remove(packages),
            Op::AptHold { packages } => self.wish(packages, "install", "hold"),
            Op::AptUnhold { packages } => self.wish(packages, "hold", "install"),
            Op::Answer { lines } => self.answer(lines),
            Op::SetUser { name, shell, groups, exists } => self.set_user(name, shell.as_ref(), groups, *exists),
            Op::SetLogin { name, login } => self.set_login(name, *login),
            Op::EndSessions { name } => self.end_sessions(name),
            Op::TakeKeys { home } => self.take_keys(home),
            Op::RemoveUser { name } => self.remove_user(name),
            Op::Unit { verb, unit } => self.unit(*verb, unit),
            Op::SetLocale { name } => {
                self.put(&path(&format!("/usr/lib/locale/{}", name.replace(".UTF-8", ".utf8")))?, Node::directory(0o755, (0, 0)))?;
                self.put(&path("/etc/default/locale")?, Node::file(format!("LANG={name}\n"), 0o644, (0, 0)))
            }
            Op::SetHostname { name } => {
                // The file last: a machine of the tests may have no kernel that goes by a name.
                let running = self.has(Ability::RunningSystem).then_some("/proc/sys/kernel/hostname");
                running
                    .into_iter()
                    .chain(["/etc/hostname"])
                    .try_for_each(|place| self.put(&path(place)?, Node::file(format!("{name}\n"), 0o644, (0, 0))))
            }
            Op::ProveSshd { user, expect } => sshd::prove(self, user, expect),
            Op::Unpack(unpack) => self.unpack(unpack),
            Op::RefreshLibraries => self.refresh_libraries(),
            Op::BuildPython(build) if self.stat(&build.interpreter)?.is_none() => {
                Err(OpError::new(summary, format!("{} is absent", build.interpreter)))
            }
            Op::BuildPython(build) => self.build(&build.site),
            Op::BuildConda(build) => self.build(&build.site),
            Op::RunTool(tool) => self.run_tool(tool),
            Op::RunScript(run) => self.run_script(run),
            Op::RunCheck(run) => self.run_check(run),
        }
    }

    fn keep(&self, path: &TargetPath, bytes: &[u8]) -> Result<(), OpError> {
        self.put(path, Node::file(bytes, 0o600, (0, 0)))
    }

    fn publish(&self, path: &TargetPath, bytes: &[u8]) -> Result<(), OpError> {
        self.put(path, Node::file(bytes, 0o644, (0, 0)))
    }

    fn note(&self, path: &TargetPath, line: &str) -> Result<(), OpError> {
        let text = self.with(|state| state.tree.text(path));
        self.keep(path, format!("{text}{line}").as_bytes())
    }

    fn discard(&self, path: &TargetPath) -> Result<(), OpError> {
        self.effect(|state| {
            state.tree.remove(path);
            Ok(())
        })
    }
}

impl Fake {
    pub(super) fn put(&self, path: &TargetPath, node: Node) -> Result<(), OpError> {
        self.effect(|state| state.tree.put(path, node).map_err(|e| failed("write", path, e)))
    }

    fn make_directory(&self, path: &TargetPath, meta: &Meta) -> Result<(), OpError> {
        self.effect(|state| state.tree.make_directories(path, 0o755).map_err(|e| failed("make directory", path, e)))?;
        self.set_meta(path, meta)
    }

    fn set_meta(&self, path: &TargetPath, meta: &Meta) -> Result<(), OpError> {
        let ids = self.ids(&meta.owner)?;
        self.effect(|state| state.tree.set_meta(path, meta.mode.bits(), ids).map_err(|e| failed("set the mode of", path, e)))
    }

    fn set_aside(&self, at: &TargetPath) -> Result<(), OpError> {
        let aside = path(ASIDE)?;
        let next = self.list(&aside)?.unwrap_or_default().len() + 1;
        let to = path(&format!("{ASIDE}/{next}{at}"))?;
        self.effect(|state| state.tree.rename(at, &to).map_err(|e| failed("move", at, e)))
    }

    fn make_symlink(&self, path: &TargetPath, to: &str) -> Result<(), OpError> {
        match self.stat(path)? {
            Some(stat) if stat.kind != FileKind::Symlink => Err(failed("link", path, "something that is no link is there").into()),
            _ => self.put(path, Node::link(to)),
        }
    }

    fn write_file(
        &self,
        path: &TargetPath,
        content: &Content,
        meta: &Meta,
        proof: Option<&Proof>,
        read_by: &[UnitName],
    ) -> Result<(), OpError> {
        if self.stat(path)?.is_some_and(|stat| stat.kind == FileKind::Directory) {
            return Err(failed("write", path, "a directory is there").into());
        }
        let before = self.with(|state| state.tree.get(path, Last::Kept).cloned());
        let old = match &before {
            Some(Node { kind: Kind::File(bytes), .. }) => Some(Sha256::of(bytes)),
            Some(_) | None => None,
        };
        let new = self.rendered(content)?;
        let ids = self.ids(&meta.owner)?;
        if !matches!(content, Content::Secret { .. }) {
            let written = Written { before: old, after: Sha256::of(&new) };
            self.effect(|state| Ok(state.ledger.insert(path.clone(), written)))?;
        }
        for unit in read_by.iter().filter(|_| self.has(Ability::RunningSystem)) {
            self.keep(&stale_path(unit)?, b"")?;
        }
        self.put(path, Node::file(new, meta.mode.bits(), ids))?;
        match proof {
            Some(Proof::Sshd { user, expect }) => match sshd::prove(self, user, expect) {
                // The sshd that runs reads it at once.
                Ok(()) => read_by.iter().try_for_each(|unit| self.discard(&stale_path(unit)?)),
                Err(error) => {
                    match before {
                        Some(node) => self.put(path, node),
                        None => self.discard(path),
                    }?;
                    Err(error.hint(format!("{path} is as it was before")))
                }
            },
            Some(Proof::Keys { .. } | Proof::Sudoers | Proof::Accepted { .. }) | None => Ok(()),
        }
    }

    fn set_user(&self, name: &UserName, shell: Option<&TargetPath>, groups: &[String], exists: Presence) -> Result<(), OpError> {
        let accounts = Accounts::read(self)?;
        for group in groups.iter().filter(|group| !accounts.has_group(group)) {
            self.effect(|state| add_group(&mut state.tree, group))?;
        }
        if exists == Presence::Absent && accounts.user(name.as_str()).is_some() {
            return Err(OpError::new(format!("run `useradd {name}`"), "it exists"));
        }
        self.effect(|state| {
            if exists == Presence::Absent {
                add_user(&mut state.tree, name)?;
            }
            add_home(&mut state.tree, name)?;
            edit(&mut state.tree, "/etc/passwd", |fields| {
                if let Some(shell) = shell.filter(|_| fields[0] == name.as_str()) {
                    fields[6] = shell.to_string();
                }
            })?;
            edit(&mut state.tree, "/etc/group", |fields| {
                let mut members: BTreeSet<String> = fields[3].split(',').filter(|member| !member.is_empty()).map(str::to_owned).collect();
                if groups.contains(&fields[0]) {
                    members.insert(name.to_string());
                }
                fields[3] = members.into_iter().collect::<Vec<_>>().join(",");
            })
        })
    }

    fn set_login(&self, name: &UserName, login: Login) -> Result<(), OpError> {
        let (password, expires) = if login == Login::Locked { ("!", "1") } else { ("*", "") };
        self.effect(|state| {
            drop_line(&mut state.tree, "/etc/shadow", name)?;
            add_line(&mut state.tree, "/etc/shadow", &format!("{name}:{password}:::::{expires}:").replace(":::::", ":19000:0:99999:7::"))
        })
    }

    fn take_keys(&self, home: &TargetPath) -> Result<(), OpError> {
        let folder = path(&format!("{home}/.ssh"))?;
        if self.stat(&folder)?.is_some_and(|stat| stat.kind == FileKind::Symlink) {
            return self.discard(&folder);
        }
        self.discard(&path(&format!("{folder}/authorized_keys"))?)
    }

    fn end_sessions(&self, name: &UserName) -> Result<(), OpError> {
        let uid = Accounts::read(self)?.user(name.as_str()).map(|account| account.uid).unwrap_or_default();
        processes_of(self, uid)?.iter().try_for_each(|pid| self.discard(&path(&format!("/proc/{pid}"))?))
    }

    /// In the order in which `userdel` writes its files.
    fn remove_user(&self, name: &UserName) -> Result<(), OpError> {
        for file in ["/etc/passwd", "/etc/shadow"] {
            self.effect(|state| drop_line(&mut state.tree, file, name))?;
        }
        self.effect(|state| {
            drop_line(&mut state.tree, "/etc/group", name)?;
            edit(&mut state.tree, "/etc/group", |fields| {
                fields[3] = fields[3].split(',').filter(|member| *member != name.as_str()).collect::<Vec<_>>().join(",");
            })
        })
    }

    fn unit_file(&self, unit: &UnitName) -> Result<Option<TargetPath>, ProbeError> {
        for folder in UNITS {
            let at = path(&format!("{folder}/{unit}"))?;
            if self.stat(&at)?.is_some() {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    fn unit(&self, verb: UnitVerb, unit: &UnitName) -> Result<(), OpError> {
        let act = || format!("run `systemctl {} {unit}`", verb.as_str());
        if self.unit_file(unit)?.is_none() {
            return Err(OpError::new(act(), format!("Unit file {unit} does not exist.")));
        }
        match verb {
            UnitVerb::Enable => self.enable(unit),
            UnitVerb::Disable => self.discard(&wants(unit)?),
            UnitVerb::Mask => self.make_symlink(&path(&format!("/etc/systemd/system/{unit}"))?, "/dev/null"),
            UnitVerb::Unmask => self.discard(&path(&format!("/etc/systemd/system/{unit}"))?),
            UnitVerb::Stop => self.effect(|state| Ok(state.active.remove(unit))).map(drop),
            UnitVerb::Start | UnitVerb::Restart | UnitVerb::Reload => {
                self.effect(|state| Ok(state.active.insert(unit.clone())))?;
                self.discard(&stale_path(unit)?)
            }
        }
    }

    pub(super) fn enable(&self, unit: &UnitName) -> Result<(), OpError> {
        let file = self.unit_file(unit)?.map_or_else(|| format!("/usr/lib/systemd/system/{unit}"), |path| path.to_string());
        self.put(&wants(unit)?, Node::link(&file))
    }

    /// What starts with the machine.
    pub(super) fn enabled(&self) -> Result<BTreeSet<UnitName>, ProbeError> {
        let names = self.list(&path("/etc/systemd/system/multi-user.target.wants")?)?.unwrap_or_default();
        Ok(names.iter().filter_map(|name| UnitName::parse(name).ok()).collect())
    }

    fn unpack(&self, unpack: &Unpack) -> Result<(), OpError> {
        let marker = marker(&unpack.into)?;
        if self.stat(&unpack.into)?.is_some() && self.stat(&marker)?.is_none() {
            return Err(OpError::new(format!("unpack into {}", unpack.into), "something that Fitout did not make is there"));
        }
        self.effect(|state| {
            state.tree.remove(&unpack.into);
            for (at, to) in &unpack.links {
                let at = path(&format!("{}/{at}", unpack.into))?;
                state.tree.put(&at, Node::link(to)).map_err(|e| failed("link", &at, e))?;
            }
            // One library, so that there is one to be found.
            let library = path(&format!("{}/lib/lib{}.so.1", unpack.into, unpack.into.name()))?;
            state.tree.put(&library, Node::file("", 0o644, (0, 0))).map_err(|e| failed("write", &library, e))?;
            mark(state, &marker, &unpack.digest.to_string())
        })
    }

    /// As ldconfig would: every library with the name that programs ask for, in every directory that is configured.
    fn refresh_libraries(&self) -> Result<(), OpError> {
        let folder = path("/etc/ld.so.conf.d")?;
        let mut cache = String::new();
        for name in self.list(&folder)?.unwrap_or_default() {
            let text = self.with(|state| state.tree.text(&path(&format!("{folder}/{name}")).unwrap_or_else(|_| TargetPath::root())));
            for directory in text.lines().filter(|line| line.starts_with('/')) {
                let names = self.list(&path(directory)?)?.unwrap_or_default();
                cache.extend(names.iter().filter(|name| name.contains(".so.")).flat_map(|name| ["\0", directory, "/", name, "\0"]));
            }
        }
        self.put(&path("/etc/ld.so.cache")?, Node::file(cache, 0o644, (0, 0)))
    }

    fn build(&self, site: &Site) -> Result<(), OpError> {
        let Site { prefix, generation, .. } = site;
        let ids = self.ids(&site.owner)?;
        if self.stat(prefix)?.is_some_and(|stat| stat.kind != FileKind::Symlink) {
            return Err(OpError::new(format!("switch {prefix}"), "something that Fitout did not make is there"));
        }
        self.effect(|state| {
            state.tree.remove(generation);
            let python = path(&format!("{generation}/bin/python"))?;
            state.tree.put(&python, Node::file("", 0o755, ids)).map_err(|e| failed("write", &python, e))
        })?;
        let marker = marker(generation)?;
        self.effect(|state| mark(state, &marker, &site.digest.to_string()))?;
        self.put(prefix, Node::link(&format!(".generations/{}", generation.name())))
    }

    fn run_script(&self, run: &ScriptRun) -> Result<(), OpError> {
        self.keep(&path(&format!("/var/lib/fitout/scripts/{}.sh", run.name))?, run.source.identity().as_bytes())?;
        let number = self.effect(|state| {
            let runs = state.runs.entry(run.name.clone()).or_default();
            *runs += 1;
            Ok(*runs - 1)
        })?;
        let status = self.behaviour.scripts.get(&run.name).and_then(|statuses| statuses.get(number)).copied().unwrap_or_default();
        let outcome = if status == 0 { "succeeded".to_owned() } else { format!("failed with exit status {status}") };
        let booted = self.has(Ability::RunningSystem);
        let boot = path(seed::BOOT)?;
        let boot = booted.then(|| self.with(|state| state.tree.text(&boot)).trim().to_owned());
        let ending = Some(if status == 0 { Ending::Succeeded } else { Ending::Failed });
        let (digest, said) = (run.digest, outcome.clone());
        let verdict = Verdict { version: 1, digest, boot, status, outcome: said, run: 0, seconds: 0, ending, cgroup: None, process: None };
        let bytes = seal(&verdict).map_err(|e| OpError::new("write a verdict", e))?;
        self.keep(&Verdict::path(&run.name)?, &bytes)?;
        let stops = status != 0 && run.on_failure == OnFailure::Fail;
        if stops { Err(OpError::new(format!("run the {} script", run.name), outcome)) } else { Ok(()) }
    }

    /// What each tool leaves behind by which it is known that it ran.
    fn run_tool(&self, tool: &Tool) -> Result<(), OpError> {
        let file = |at: &str, text: String| self.put(&path(at)?, Node::file(text, 0o644, (0, 0)));
        match tool {
            Tool::Modules { kernel } => {
                let packages = self.packages()?;
                let version = packages
                    .installed
                    .iter()
                    .find(|(name, _)| name.starts_with("nvidia-") && name.contains("kernel"))
                    .map_or("0", |(_, version)| version);
                file(&format!("/var/lib/dkms/nvidia/{}/{kernel}/log", version.split('-').next().unwrap_or_default()), String::new())
            }
            Tool::Alternative { name, to } => {
                self.put(&path(&format!("/etc/alternatives/{name}"))?, Node::link(to.as_str()))?;
                file(&format!("/var/lib/dpkg/alternatives/{name}"), "manual\n".into())
            }
            Tool::DockerRuntime => {
                self.keep(&path("/run/fitout/stale/docker.service")?, b"")?;
                file("/etc/docker/daemon.json", r#"{"runtimes": {"nvidia": {"path": "nvidia-container-runtime"}}}"#.into())
            }
            Tool::ContainerDevices => {
                let driver = crate::target::driver_that_runs(self)?.unwrap_or_default();
                file(CONTAINER_DEVICES, format!("/usr/lib/libcuda.so.{driver}\n"))
            }
            Tool::Initramfs { .. } => Ok(()),
        }?;
        let Some((name, digest)) = tool.remembered() else { return Ok(()) };
        let bytes = seal(&CheckVerdict { version: 1, digest }).map_err(|e| OpError::new("write a verdict", e))?;
        self.keep(&CheckVerdict::of_tool(&name)?, &bytes)
    }

    fn run_check(&self, run: &CheckRun) -> Result<(), OpError> {
        let wanted = run.stdout_contains.clone().unwrap_or_default();
        let said = self.behaviour.checks.get(&run.name).cloned().unwrap_or_else(|| Said { stdout: wanted.clone(), ..Said::default() });
        let act = format!("pass the check {}", run.name);
        self.discard(&CheckVerdict::path(&run.name)?)?;
        if said.status != 0 {
            return Err(OpError::new(act, format!("`{}`: exit status {}\n{}", run.cmd.display(), said.status, said.stderr.trim_end())));
        }
        if !said.stdout.contains(&wanted) {
            return Err(OpError::new(act, format!("`{}` printed no `{wanted}`; it printed: {}", run.cmd.display(), said.stdout.trim())));
        }
        let bytes = seal(&CheckVerdict { version: 1, digest: run.digest }).map_err(|e| OpError::new("write a verdict", e))?;
        self.keep(&CheckVerdict::path(&run.name)?, &bytes)
    }
}

fn wants(unit: &UnitName) -> Result<TargetPath, ProbeError> {
    path(&format!("/etc/systemd/system/multi-user.target.wants/{unit}"))
}

fn marker(tree: &TargetPath) -> Result<TargetPath, ProbeError> {
    path(&format!("{tree}/.fitout.json"))
}

fn mark(state: &mut State, marker: &TargetPath, digest: &str) -> Result<(), ProbeError> {
    let text = serde_json::json!({"version": 1, "digest": digest}).to_string();
    state.tree.put(marker, Node::file(text, 0o644, (0, 0))).map_err(|e| failed("write", marker, e))
}

/// Edits each line of a file whose fields stand between colons.
fn edit(tree: &mut Tree, at: &str, each: impl Fn(&mut Vec<String>)) -> Result<(), ProbeError> {
    let at = path(at)?;
    let line = |line: &str| {
        let mut fields: Vec<String> = line.split(':').map(str::to_owned).collect();
        each(&mut fields);
        fields.join(":") + "\n"
    };
    let text: String = tree.text(&at).lines().map(line).collect();
    tree.put(&at, Node::file(text, 0o644, (0, 0))).map_err(|e| failed("write", &at, e))
}

fn add_line(tree: &mut Tree, at: &str, line: &str) -> Result<(), ProbeError> {
    let at = path(at)?;
    let text = format!("{}{line}\n", tree.text(&at));
    tree.put(&at, Node::file(text, 0o644, (0, 0))).map_err(|e| failed("write", &at, e))
}

/// Removes the line of a file that begins with a name.
fn drop_line(tree: &mut Tree, at: &str, name: &UserName) -> Result<(), ProbeError> {
    let at = path(at)?;
    let text = tree.text(&at);
    let kept: String = text.lines().filter(|line| line.split(':').next() != Some(name.as_str())).flat_map(|line| [line, "\n"]).collect();
    if kept == text {
        return Ok(());
    }
    if kept.is_empty() {
        tree.remove(&at);
        return Ok(());
    }
    tree.put(&at, Node::file(kept, 0o644, (0, 0))).map_err(|e| failed("write", &at, e))
}

/// The lowest number from `first` on that no line has.
fn free_number(tree: &Tree, at: &str, first: u32) -> Result<u32, ProbeError> {
    let text = tree.text(&path(at)?);
    let taken: BTreeSet<u32> = text.lines().filter_map(|line| line.split(':').nth(2)?.parse().ok()).collect();
    Ok((first..u32::MAX).find(|number| !taken.contains(number)).unwrap_or(first))
}

fn add_group(tree: &mut Tree, name: &str) -> Result<(), ProbeError> {
    let gid = free_number(tree, "/etc/group", FIRST_GID)?;
    add_line(tree, "/etc/group", &format!("{name}:x:{gid}:"))
}

fn add_user(tree: &mut Tree, name: &UserName) -> Result<(), ProbeError> {
    let (uid, gid) = (free_number(tree, "/etc/passwd", FIRST_UID)?, free_number(tree, "/etc/group", FIRST_UID)?);
    add_line(tree, "/etc/passwd", &format!("{name}:x:{uid}:{gid}::/home/{name}:/bin/bash"))?;
    add_line(tree, "/etc/group", &format!("{name}:x:{gid}:"))
}

/// The home that the account names, if it is absent.
fn add_home(tree: &mut Tree, name: &UserName) -> Result<(), ProbeError> {
    let accounts = Accounts::parse(&tree.text(&path("/etc/passwd")?), "");
    let Some(account) = accounts.user(name.as_str()) else { return Ok(()) };
    let home = path(&account.home)?;
    if tree.get(&home, Last::Kept).is_some() {
        return Ok(());
    }
    tree.put(&home, Node::directory(0o700, (account.uid, account.gid))).map_err(|e| failed("make", &home, e))
}
