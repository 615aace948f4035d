//! The job: what a machine is to have, and how each tool is told.

use serde_json::json;
use std::fmt::Write;

/// A file.
#[derive(Debug)]
pub struct Wanted {
    pub path: String,
    pub mode: u32,
    pub text: String,
}

/// What a machine is to have.
#[derive(Debug, Default)]
pub struct Job {
    pub files: Vec<Wanted>,
    /// The directories of the files.
    pub folders: Vec<String>,
    /// Links, and what they point at.
    pub links: Vec<(&'static str, &'static str)>,
    pub packages: Vec<&'static str>,
    pub groups: Vec<&'static str>,
    pub user: Option<&'static str>,
}

fn lines(first: &str, stem: &str, count: usize) -> String {
    (0..count).fold(format!("{first}\n"), |mut text, k| {
        writeln!(text, "key{k} = {stem}-{k}").unwrap();
        text
    })
}

impl Job {
    /// A small workstation: 10 directories, 16 files, 2 links, 2 groups, a user in both, 8 packages.
    pub fn workstation() -> Self {
        let file = |path: &str, mode: u32, text: &str| Wanted { path: path.into(), mode, text: text.into() };
        let own =
            (0..10).map(|i| file(&format!("/opt/wks/d{i}/app.conf"), 0o640, &lines(&format!("# managed {i}"), &format!("value-{i}"), 40)));
        let system = [
            file(
                "/etc/ssh/sshd_config.d/50-wks.conf",
                0o600,
                "PasswordAuthentication no\nPermitRootLogin prohibit-password\nX11Forwarding no\n",
            ),
            file("/etc/sysctl.d/60-wks.conf", 0o644, "vm.swappiness = 10\nfs.inotify.max_user_watches = 524288\n"),
            file("/etc/cron.d/wks-clean", 0o644, "17 3 * * * root /usr/bin/find /var/tmp -mtime +30 -delete\n"),
            file("/etc/cron.d/wks-report", 0o644, "23 * * * * root /bin/true\n"),
            file("/etc/systemd/system/wks-agent.service", 0o644, "[Unit]\nDescription=wks agent\n[Service]\nExecStart=/bin/true\n"),
            file("/etc/systemd/system/wks-agent.timer", 0o644, "[Timer]\nOnCalendar=hourly\n[Install]\nWantedBy=timers.target\n"),
        ];
        Self {
            files: own.chain(system).collect(),
            folders: (0..10).map(|i| format!("/opt/wks/d{i}")).collect(),
            links: vec![("/opt/wks/current", "/opt/wks/d0"), ("/usr/local/bin/wks-true", "/bin/true")],
            packages: vec!["curl", "git", "rsync", "htop", "jq", "sudo", "nginx-light", "openssh-server"],
            groups: vec!["wksops", "wksdev"],
            user: Some("alice"),
        }
    }

    /// So many small files, a hundred to a directory.
    pub fn files(count: usize) -> Self {
        let folder = |i: usize| format!("/opt/many{count}/{:03}", i / 100);
        let file = |i: usize| Wanted {
            path: format!("{}/f{i:05}.conf", folder(i)),
            mode: 0o644,
            text: lines(&format!("# file {i}"), &format!("value-{i}"), 20),
        };
        Self { files: (0..count).map(file).collect(), folders: (0..count).step_by(100).map(folder).collect(), ..Self::default() }
    }

    pub fn manifest(&self) -> String {
        let mut text = String::from("schema: 1\nfiles:\n");
        for path in &self.folders {
            writeln!(text, "  - {{path: {path}, state: directory, mode: \"0755\"}}").unwrap();
        }
        for (path, to) in &self.links {
            writeln!(text, "  - {{path: {path}, link: {to}}}").unwrap();
        }
        for file in &self.files {
            writeln!(text, "  - {{path: {}, mode: \"{:04o}\", content: {}}}", file.path, file.mode, json!(file.text)).unwrap();
        }
        if let Some(user) = self.user {
            writeln!(text, "user: {{name: {user}, groups: {}}}", json!(self.groups)).unwrap();
        }
        if !self.packages.is_empty() {
            writeln!(text, "packages: {{install: {}}}", json!(self.packages)).unwrap();
        }
        text
    }

    pub fn ansible(&self) -> String {
        let (root, mut tasks) = ("root", Vec::new());
        let mode = |mode: u32| format!("{mode:04o}");
        let folder = |path: &String| json!({"name": path, "ansible.builtin.file": {"path": path, "state": "directory", "mode": "0755", "owner": root, "group": root}});
        let file = |file: &Wanted| json!({"name": file.path, "ansible.builtin.copy": {"dest": file.path, "content": file.text, "mode": mode(file.mode), "owner": root, "group": root}});
        tasks.extend(self.folders.iter().map(folder));
        tasks.extend(self.files.iter().map(file));
        tasks.extend(self.groups.iter().map(|group| json!({"name": group, "ansible.builtin.group": {"name": group, "state": "present"}})));
        tasks.extend(self.user.iter().map(|user| {
            json!({"name": user, "ansible.builtin.user": {"name": user, "groups": self.groups, "append": true, "shell": "/bin/bash", "create_home": true}})
        }));
        tasks.extend(
            self.links.iter().map(|(path, to)| json!({"name": path, "ansible.builtin.file": {"path": path, "src": to, "state": "link"}})),
        );
        tasks.push(json!({"name": "packages", "ansible.builtin.apt": {"name": self.packages, "state": "present"}}));
        let python = json!({"ansible_python_interpreter": "/usr/bin/python3"});
        json!([{"hosts": "localhost", "connection": "local", "gather_facts": false, "vars": python, "tasks": tasks}]).to_string()
    }

    pub fn pyinfra(&self) -> String {
        let mut text = String::from("from io import StringIO\nfrom pyinfra.operations import files, server, apt\n");
        for path in &self.folders {
            writeln!(text, "files.directory(path={path:?}, mode='755', user='root', group='root')").unwrap();
        }
        for file in &self.files {
            let (path, wanted) = (&file.path, json!(file.text));
            writeln!(text, "files.put(src=StringIO({wanted}), dest={path:?}, mode='{:o}', user='root', group='root')", file.mode).unwrap();
        }
        for group in &self.groups {
            writeln!(text, "server.group(group={group:?})").unwrap();
        }
        if let Some(user) = self.user {
            writeln!(text, "server.user(user={user:?}, groups={}, shell='/bin/bash', create_home=True)", json!(self.groups)).unwrap();
        }
        for (path, to) in &self.links {
            writeln!(text, "files.link(path={path:?}, target={to:?})").unwrap();
        }
        writeln!(text, "apt.packages(packages={})", json!(self.packages)).unwrap();
        text
    }

    pub fn salt(&self) -> String {
        let mut states = serde_json::Map::new();
        let owned = |mode: &str, more: &serde_json::Value| json!([{"mode": mode}, {"user": "root"}, {"group": "root"}, more]);
        for path in &self.folders {
            states.insert(path.clone(), json!({"file.directory": owned("0755", &json!({"makedirs": true}))}));
        }
        for file in &self.files {
            let mode = format!("{:04o}", file.mode);
            states.insert(file.path.clone(), json!({"file.managed": owned(&mode, &json!({"contents": file.text}))}));
        }
        for group in &self.groups {
            states.insert(format!("group {group}"), json!({"group.present": [{"name": group}]}));
        }
        if let Some(user) = self.user {
            let state = json!([{"name": user}, {"groups": self.groups}, {"remove_groups": false}, {"shell": "/bin/bash"}]);
            states.insert(format!("user {user}"), json!({"user.present": state}));
        }
        for (path, to) in &self.links {
            states.insert((*path).to_owned(), json!({"file.symlink": [{"target": to}]}));
        }
        if !self.packages.is_empty() {
            states.insert("packages".into(), json!({"pkg.installed": [{"pkgs": self.packages}]}));
        }
        format!("#!json\n{}", serde_json::Value::Object(states))
    }
}
