//! The whole program, as a person or a script meets it: what it prints, where, in which form, and how it exits.
//!
//! Needs root, as applying does. Machines are folders with just enough of a Debian in them; nothing in them is run.

#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "starts the program that it tests")]

use serde_json::Value;
use std::fs;
use std::fs::Permissions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_fitout");

/// How a run ended.
#[derive(Debug)]
struct Ended {
    code: i32,
    out: String,
    err: String,
}

/// A folder to work in, with a machine in it.
struct Desk(TempDir);

/// The beginning of an ELF file for x86-64, up to the field that names the processor.
const ELF: [u8; 20] = [0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0x3e, 0];

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        desk.write("root/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n");
        desk.write("root/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n");
        desk.write("root/etc/group", "root:x:0:\n");
        desk.write("root/usr/bin/dash", ELF);
        desk.write("root/opt/tool/theirs", "");
        desk
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(words.split_whitespace()).current_dir(self.path()).env_clear().env("PATH", "/usr/bin:/bin");
        command.env("FITOUT_CACHE", self.path().join("cache")).stdin(Stdio::null());
        command
    }

    fn end(&self, command: &mut Command) -> Ended {
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().replace(self.path().to_str().unwrap(), "DESK");
        Ended { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    fn run(&self, words: &str) -> Ended {
        self.end(&mut self.command(words))
    }

    /// The lock of the machine, held as a run of process 7 holds it.
    fn locked(&self) -> fs::File {
        let lock = fs::File::options().read(true).write(true).open(self.path().join("root/var/lib/fitout/lock")).unwrap();
        let kind = i16::try_from(nix::libc::F_WRLCK).unwrap();
        let whole = nix::libc::flock { l_type: kind, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 };
        nix::fcntl::fcntl(&lock, nix::fcntl::FcntlArg::F_OFD_SETLK(&whole)).unwrap();
        self.write("root/var/lib/fitout/lock", "process 7 (fitout apply)\n");
        lock
    }

    fn json(&self, words: &str) -> Value {
        let ended = self.run(words);
        settled(serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}\n{ended:?}")))
    }
}

/// A document without what differs between any two runs.
fn settled(mut document: Value) -> Value {
    match &mut document {
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                let differs = matches!(name.as_str(), "milliseconds" | "free" | "total" | "cache_bytes");
                *value = if differs { Value::from("…") } else { settled(value.take()) };
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = settled(item.take())),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    document
}

/// A run as a page: how it ended, then both streams.
fn page(ended: &Ended) -> String {
    let part = |name: &str, text: &str| if text.is_empty() { String::new() } else { format!("--- {name}\n{}\n", text.trim_end()) };
    format!("exit {}\n{}{}", ended.code, part("stdout", &ended.out), part("stderr", &seconds(&ended.err)))
}

/// Text with every `1.2 s` as `… s`.
fn seconds(text: &str) -> String {
    let word = |word: &str| if word.parse::<f64>().is_ok() && word.contains('.') { "…".to_owned() } else { word.to_owned() };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Two files that can be written, one that cannot, and a script that must wait for a start.
const MANIFEST: &str = "\
files:
  - {path: /etc/motd, content: \"hello\\n\"}
  - {path: /srv/data/a, content: \"a\\n\", mode: \"0600\"}
setup_scripts:
  startup_script: {inline: \"true\\n\"}
";
const BROKEN: &str = "\
files:
  - {path: /etc/motd, content: \"hello\\n\"}
  - {path: /opt/tool, content: x}
";
const WRONG: &str = "naem: lab\nuser: {name: Ada}\nfiles:\n  - {path: etc/motd, content: x, mode: 644}\n";

#[test]
fn help() {
    let desk = Desk::new();
    insta::assert_snapshot!("help", page(&desk.run("--help")));
    for verb in [
        "init",
        "validate",
        "plan",
        "apply",
        "rehearse",
        "verify",
        "status",
        "doctor",
        "history",
        "diff",
        "reset",
        "script",
        "why",
        "explain",
        "schema",
        "disk",
        "completions",
    ] {
        insta::assert_snapshot!(format!("help_{verb}"), page(&desk.run(&format!("{verb} --help"))));
    }
}

#[test]
fn version() {
    let ended = Desk::new().run("--version");
    assert_eq!((ended.code, ended.out), (0, format!("fitout {}\n", env!("CARGO_PKG_VERSION"))));
}

/// A signal that comes between two steps leaves nothing that failed; the run is not done all the same.
#[test]
fn a_run_that_a_signal_ends_between_two_steps_is_not_done() {
    let file = |name: usize| format!("  - {{path: /srv/{name}, content: x}}\n");
    let manifest = format!("files:\n{}", (1..=5).map(file).collect::<String>());
    for (words, said) in [("", "skipped 4"), ("--install", "it is the machine's manifest now, though not all of it is done")] {
        let desk = Desk::new();
        desk.write("m.yaml", &manifest);
        // After the first file: the run begins, it is looked at, a step begins, ends.
        let cut = desk.end(desk.command(&format!("apply -f m.yaml --root root {words}")).env("FITOUT_FAULT", "end@5"));
        assert!(cut.code == 143 && cut.err.contains("changed 1, unchanged 0, deferred 0, failed 0") && cut.err.contains(said), "{cut:?}");
        assert!(!cut.err.contains("Installed;") && !cut.err.contains("Applied once"), "{cut:?}");
        assert_eq!(desk.run("apply -f m.yaml --root root").code, 0);
        // All of it is done already: a signal ends nothing early.
        let late = desk.end(desk.command("apply -f m.yaml --root root").env("FITOUT_FAULT", "end@1"));
        assert_eq!(late.code, 0, "{late:?}");
    }
}

/// On the machine where the command was given, the same path would lead to another file.
#[test]
fn what_is_wrong_on_a_root_is_named_by_its_path_from_outside() {
    let desk = Desk::new();
    desk.write("m.yaml", MANIFEST);
    desk.run("apply -f m.yaml --root root --install");
    desk.write("root/etc/fitout/machine.yaml", "naem: lab\n");
    let plan = desk.run("plan --root root");
    assert!(plan.code == 65 && plan.err.starts_with("DESK/root/etc/fitout/machine.yaml:1:1: error[E0102]"), "{plan:?}");
    assert!(plan.err.contains("1 | naem: lab"), "{plan:?}");
    let told = desk.run("status --root root").out;
    assert!(told.contains("(DESK/root/etc/fitout/machine.yaml) has 1 problem: DESK/root/etc/fitout/machine.yaml:1:1: "), "{told}");
    assert!(told.contains("mend that file") && !told.contains("--install"), "{told}");
    // A manifest that is named is the host's own.
    desk.write("wrong.yaml", WRONG);
    let named = desk.run(&format!("plan -f {}/wrong.yaml --root root", desk.path().display()));
    assert!(named.err.starts_with("DESK/wrong.yaml:"), "{named:?}");
    fs::set_permissions(desk.path().join("root/etc/fitout/machine.yaml"), Permissions::from_mode(0o666)).unwrap();
    let doubtful = desk.run("plan --root root");
    assert!(doubtful.code == 65 && doubtful.err.contains("error: DESK/root/etc/fitout/machine.yaml is not trusted"), "{doubtful:?}");
    fs::remove_file(desk.path().join("root/etc/fitout/machine.yaml")).unwrap();
    desk.write("root/var/lib/fitout/state/resources.json", "{");
    let damaged = desk.run("plan --root root -o json");
    assert!(damaged.err.contains("DESK/root/var/lib/fitout/state/resources.json"), "{damaged:?}");
    assert!(damaged.out.contains("DESK/root/var/lib/fitout/state/resources.json"), "{damaged:?}");
}

/// Only what the next apply of the machine's own manifest really brings back is called so.
#[test]
fn what_the_own_manifest_brings_back_is_named() {
    let desk = Desk::new();
    desk.write("root/var/lib/dpkg/status", "Package: git\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n");
    desk.write("own.yaml", "packages: {install: [git]}\nfiles: [{path: /srv/a, content: x}]\n");
    desk.run("apply -f own.yaml --root root --install");
    desk.write("other.yaml", "packages: {install: [git=2, tree]}\nfiles: [{path: /srv/a, content: y}]\n");
    let plan = desk.run("plan -f other.yaml --root root").out;
    let says = ": the machine's own manifest says otherwise";
    assert!(plan.matches(says).count() == 1 && plan.contains(&format!("file:/srv/a{says}")), "{plan}");
    assert!(plan.contains("not installed; git 1 is installed"), "{plan}");
}

#[test]
fn wrong_usage_is_64() {
    let desk = Desk::new();
    desk.write("m.yaml", MANIFEST);
    let wrong =
        ["", "aply", "plan --root", "plan -o xml", "completions", "plan -f m.yaml --root root --set name", "plan -f m.yaml --cache m.yaml"];
    for words in wrong {
        assert_eq!(desk.run(words).code, 64, "fitout {words}");
    }
    insta::assert_snapshot!(page(&desk.run("aply")));
    for words in ["apply -f m.yaml --root /", "plan -f m.yaml --root /etc/..", "status --root /", "disk --root /", "why --root /"] {
        let ended = desk.run(words);
        assert_eq!((ended.code, ended.err.contains("is this machine; leave --root out")), (64, true), "{words}: {ended:?}");
    }
}

/// Manifests are named with -f everywhere: whoever leaves it out is told, by verbs that take one.
#[test]
fn a_manifest_without_its_option_is_told_by_its_name() {
    let desk = Desk::new();
    desk.write("m.yaml", MANIFEST);
    for verb in ["validate", "plan", "verify"] {
        let ended = desk.run(&format!("{verb} m.yaml"));
        assert!(ended.code == 64 && ended.err.contains(&format!("`fitout {verb} -f m.yaml`")), "{ended:?}");
    }
    let ended = desk.run("status m.yaml");
    assert!(ended.code == 64 && !ended.err.contains("-f"), "{ended:?}");
    let told = desk.json("validate m.yaml -o json");
    assert!(told["error"]["hint"].as_str().unwrap().contains("-f m.yaml"), "{told}");
    let ended = desk.run("init absent/m.yaml");
    assert!(ended.code == 1 && ended.err.contains("there is no folder absent") && !ended.err.contains(".tmp"), "{ended:?}");
    let ended = desk.run("validate -f m.yaml --set size=5");
    assert!(ended.err.contains("--set size='\"5\"'"), "{ended:?}");
}

#[test]
fn a_valid_manifest() {
    let desk = Desk::new();
    desk.write("m.yaml", MANIFEST);
    insta::assert_snapshot!("valid", page(&desk.run("validate -f m.yaml")));
    insta::assert_json_snapshot!("valid_json", desk.json("validate -f m.yaml -o json"));
    let mut piped = desk.command("validate -f -").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    piped.stdin.take().unwrap().write_all(MANIFEST.as_bytes()).unwrap();
    assert!(piped.wait().unwrap().success());
}

#[test]
fn a_manifest_with_problems_is_65() {
    let desk = Desk::new();
    desk.write("m.yaml", WRONG);
    let ended = desk.run("validate -f m.yaml");
    for place in ["m.yaml:1:1:", "m.yaml:2:14:", "m.yaml:4:12:"] {
        assert!(ended.err.contains(place), "{place}\n{}", ended.err);
    }
    insta::assert_snapshot!("problems", page(&ended));
    insta::assert_json_snapshot!("problems_json", desk.json("validate -f m.yaml -o json"));
    for verb in ["plan", "apply", "verify"] {
        assert_eq!(desk.run(&format!("{verb} -f m.yaml --root root")).code, 65, "{verb}");
    }
}

#[test]
fn every_value_tells_where_it_is_from() {
    let desk = Desk::new();
    desk.write(
        "fragments/tools.yaml",
        "packages: {install: [git]}\nfiles: [{path: /etc/motd, content: \"Ask\\nfirst\\n\"}]\nuser: {name: ada, sudo: true}\n",
    );
    desk.write(
        "lab.yaml",
        "schema: 1\ninclude: [fragments/tools.yaml]\nname: gpu-lab-b\npackages:\n  install:\n    - {name: htop, when: {distribution: [debian, ubuntu]}}\n    \
         - {name: none, when: {gpu: present, distribution: ubuntu, release: noble}}\nfiles: [{path: /etc/motd, mode: \"0600\", requires: [apt:packages]}]\n",
    );
    let told = "validate -f lab.yaml --root root --origins --set user.shell=/bin/zsh";
    insta::assert_snapshot!("origins", page(&desk.run(told)));
    let json = desk.json(&format!("{told} -o json"));
    let origin = serde_json::json!({"path": "files./etc/motd.mode", "value": "\"0600\"", "place": {"file": "lab.yaml", "line": 8, "column": 33, "width": 6}});
    assert!(json["origins"].as_array().unwrap().contains(&origin), "{json}");
    desk.write("fragments/tools.yaml", "name: other-b\n");
    assert_eq!(desk.run(told).code, 65);
}

#[test]
fn a_draft_is_written_once() {
    let desk = Desk::new();
    let printed = desk.run("init");
    assert_eq!((printed.code, printed.err.as_str()), (0, ""));
    insta::assert_snapshot!("init", page(&desk.run("init lab.yaml")));
    assert_eq!(fs::read_to_string(desk.path().join("lab.yaml")).unwrap(), printed.out);
    assert_eq!(desk.run("validate -f lab.yaml").code, 0);
    desk.write("lab.yaml", "mine");
    insta::assert_snapshot!("init_again", page(&desk.run("init lab.yaml")));
    assert_eq!(fs::read_to_string(desk.path().join("lab.yaml")).unwrap(), "mine");
    assert_eq!(desk.run("init lab.yaml --force").code, 0);
    assert_eq!(fs::read_to_string(desk.path().join("lab.yaml")).unwrap(), printed.out);
    assert_eq!(
        [desk.run("init --force").code, desk.run("init absent/lab.yaml").code, desk.run("init --from-azure absent.yml").code],
        [64, 1, 66]
    );
}

#[test]
fn azures_file_becomes_a_manifest() {
    let desk = Desk::new();
    desk.write("ci.yml", "type: computeinstance\nname: ci-lab\nsize: Standard_DS3_v2\nidle_time_before_shutdown_minutes: 30\n");
    insta::assert_snapshot!("init_azure", page(&desk.run("init --from-azure ci.yml")));
    assert_eq!(desk.run("init --from-azure ci.yml lab.yaml").code, 0);
    insta::assert_snapshot!("valid_azure", page(&desk.run("validate -f lab.yaml")));
    desk.write("ci.yml", "type: computeinstance\nname: ci-1\n");
    let ended = desk.run("init --from-azure ci.yml other.yaml");
    assert_eq!((ended.code, desk.path().join("other.yaml").exists()), (65, false));
    assert!(ended.err.starts_with("ci.yml:2:7: error[E0106]"), "{}", ended.err);
}

#[test]
fn azures_files_are_named_from_where_the_manifest_is() {
    let desk = Desk::new();
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHXtNqfU8vikNQHMFYijRXb3GyLPsH+Kk3BDeCSjZTwx ada@example.org";
    desk.write("azure/setup.sh", "echo hello\n");
    desk.write("azure/ada.pub", key);
    let ci = |key: &str| {
        format!(
            "type: computeinstance\nname: ci-lab\nssh_public_access_enabled: true\nssh_settings: {{ssh_key_value: {key}}}\n\
             setup_scripts: {{creation_script: {{path: setup.sh}}, startup_script: {{path: gone.sh}}}}\n"
        )
    };
    desk.write("azure/ci.yml", ci("ada.pub"));
    desk.write("out/empty", "");
    assert_eq!(desk.run("init --from-azure azure/ci.yml out/lab.yaml").code, 0);
    let made = std::fs::read_to_string(desk.path().join("out/lab.yaml")).unwrap();
    assert!(made.contains("path: ../azure/setup.sh\n") && made.contains("ssh_key_value: ../azure/ada.pub\n"), "{made}");
    assert!(made.contains("gone.sh is not here: copy it here from the workspace"), "{made}");
    assert_eq!(desk.run("validate -f out/lab.yaml").code, 0);
    desk.write("azure/ci.yml", ci("~/.ssh/nobody-has-this.pub"));
    let made = desk.run("init --from-azure azure/ci.yml").out;
    assert!(made.contains("~/.ssh/nobody-has-this.pub is not here: paste the public key that it holds in its place"), "{made}");
}

#[test]
fn what_is_not_there_is_66() {
    let desk = Desk::new();
    desk.write("m.yaml", MANIFEST);
    for words in ["validate -f absent.yaml", "plan -f m.yaml --root absent", "plan --root root", "status --root absent"] {
        let ended = desk.run(words);
        assert_eq!(ended.code, 66, "{words}\n{ended:?}");
        assert!(ended.out.is_empty() && ended.err.starts_with("error: "), "{ended:?}");
    }
    insta::assert_snapshot!(page(&desk.run("plan --root root")));
    assert_eq!(desk.run("apply -f m.yaml --root root").code, 0);
    for words in ["why file:/none --root root", "history 9 --root root", "explain nonsense", "script logs none --root root"] {
        assert_eq!(desk.run(words).code, 66, "{words}");
    }
}

#[test]
fn a_machine_from_plan_to_verify() {
    let desk = Desk::new();
    desk.write("m.yaml", MANIFEST);
    let both = |name: &str, words: &str| {
        insta::assert_snapshot!(name.to_owned(), page(&desk.run(words)));
    };
    both("plan", "plan -f m.yaml --root root --detailed-exitcode");
    insta::assert_json_snapshot!("plan_json", desk.json("plan -f m.yaml --root root -o json"));
    both("apply", "apply -f m.yaml --root root");
    both("apply_again", "apply -f m.yaml --root root");
    both("plan_clean", "plan -f m.yaml --root root --detailed-exitcode");
    both("status", "status --root root");
    both("why_nothing", "why --root root");
    both("why_motd", "why file:/etc/motd --root root");
    assert_eq!(desk.run("why /etc/motd --root root").out, desk.run("why file:/etc/motd --root root").out);
    let unknown = desk.run("why file:/etc/mtod --root root");
    assert_eq!((unknown.code, unknown.err.contains("did you mean `file:/etc/motd`?")), (66, true), "{unknown:?}");
    both("verify", "verify -f m.yaml --root root");
    desk.write("root/etc/motd", "mine\n");
    both("verify_drift", "verify -f m.yaml --root root");
}

#[test]
fn a_saved_plan_is_performed_as_it_was_or_not_at_all() {
    let desk = Desk::new();
    desk.write("m.yaml", MANIFEST);
    insta::assert_snapshot!("saved", page(&desk.run("plan -f m.yaml --root root --out lab.plan")));
    assert_eq!(fs::metadata(desk.path().join("lab.plan")).unwrap().permissions().mode() & 0o777, 0o600);
    desk.write("m.yaml", MANIFEST.replace("hello", "other").replace("0600", "0644"));
    insta::assert_snapshot!("saved_manifest_moved", page(&desk.run("apply lab.plan")));
    desk.write("m.yaml", MANIFEST);
    desk.write("root/etc/motd", "by hand\n");
    insta::assert_snapshot!("saved_machine_moved", page(&desk.run("apply lab.plan")));
    assert_eq!(fs::read_to_string(desk.path().join("root/etc/motd")).unwrap(), "by hand\n");
    fs::remove_file(desk.path().join("root/etc/motd")).unwrap();
    assert_eq!(desk.json("apply lab.plan -o json --progress none")["changed"], 2);
    insta::assert_snapshot!("saved_again", page(&desk.run("apply lab.plan")));
    desk.write("m.yaml", "files: [{path: /etc/motd, content: new}]\n");
    assert_eq!(desk.run("plan -f m.yaml --root root --out lab.plan").code, 0);
    desk.write("root/etc/motd", "by hand\n");
    let ended = desk.run("apply lab.plan");
    let open = "file:/etc/motd: approved was write /etc/motd (3 B) (content differs); today it cannot be: cannot decide about /etc/motd";
    assert!(ended.code == 76 && ended.err.contains(open) && !ended.err.contains("nothing is left"), "{ended:?}");
    insta::assert_snapshot!("saved_is_none", page(&desk.run("apply m.yaml")));
    let refused = desk.run("plan -f m.yaml --root root --out m.yaml");
    assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{refused:?}");
    assert!(refused.err.contains("m.yaml exists, and it is no saved plan"), "{refused:?}");
    for words in [
        "apply lab.plan -f m.yaml",
        "apply lab.plan --root root",
        "apply lab.plan --install",
        "apply lab.plan --offline",
        "apply lab.plan --locked",
        "plan -f - --root root --out x",
        "verify -f m.yaml --root root --repair",
    ] {
        assert_eq!(desk.run(words).code, 64, "{words}");
    }
    assert_eq!(desk.run("apply absent.plan").code, 66);
    assert_eq!(desk.run("plan -f m.yaml --root root --out absent/lab.plan").code, 1);
}

#[test]
fn history_is_told_by_number() {
    let desk = Desk::new();
    insta::assert_snapshot!("history_none", page(&desk.run("history --root root")));
    assert_eq!(desk.run("history 1 --root root").code, 66);
    desk.write("m.yaml", MANIFEST);
    desk.run("apply -f m.yaml --root root");
    desk.run("apply -f m.yaml --root root");
    desk.write("m.yaml", BROKEN.replace("hello", "other"));
    desk.run("apply -f m.yaml --root root");
    desk.write("root/var/lib/fitout/runs/3/journal.jsonl", "");
    insta::assert_snapshot!("history", page(&desk.run("history --root root")));
    insta::assert_json_snapshot!("history_json", desk.json("history --root root -o json"));
    insta::assert_snapshot!("history_of_one", page(&desk.run("history 2 --root root")));
    assert_eq!(desk.json("history 2 --root root -o json")["verdict"], "failed");
    insta::assert_snapshot!("history_unknown", page(&desk.run("history 9 --root root")));
    // A report that cannot be read hides no other, and holds up no work.
    desk.write("root/var/lib/fitout/runs/3/report.json", "{");
    let _ = fs::remove_file(desk.path().join("root/run/fitout/told.json"));
    desk.write("m.yaml", "schema: 1\n");
    assert_eq!(desk.run("verify -f m.yaml --root root").code, 0);
    let told = desk.run("history --root root");
    assert!(told.code == 0 && told.out.contains("run 3    unreadable") && told.out.contains("run 1    done"), "{told:?}");
    let status = desk.run("status --root root");
    assert!(
        status.code == 2
            && status.out.contains("how the last run ended cannot be told: cannot read DESK/root/var/lib/fitout/runs/3/report.json"),
        "{status:?}"
    );
}

#[test]
fn only_the_last_runs_are_kept() {
    let desk = Desk::new();
    for number in 0..52 {
        desk.write("m.yaml", format!("files: [{{path: /etc/motd, content: \"{number}\"}}]\n"));
        assert_eq!(desk.run("apply -f m.yaml --root root --progress none").code, 0);
    }
    let runs = desk.json("history --root root -o json")["runs"].as_array().unwrap().clone();
    assert_eq!((runs.len(), &runs[0]["run"], &runs[49]["run"]), (50, &Value::from(52), &Value::from(3)));
}

#[test]
fn two_machines_compared() {
    let desk = Desk::new();
    desk.write("m.yaml", MANIFEST);
    insta::assert_snapshot!("diff_save", page(&desk.run("diff root --save before.json")));
    desk.run("apply -f m.yaml --root root");
    desk.write("root/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nada:x:1000:1000::/home/ada:/bin/bash\n");
    desk.write("root/etc/group", "root:x:0:\nada:x:1000:\nsudo:x:27:ada\n");
    desk.write("root/var/lib/dpkg/status", "Package: git\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2.39.5\n");
    insta::assert_snapshot!("diff", page(&desk.run("diff before.json root")));
    insta::assert_json_snapshot!("diff_json", desk.json("diff before.json root -o json"));
    insta::assert_snapshot!("diff_none", page(&desk.run("diff root root")));
    insta::assert_snapshot!("diff_of_what", page(&desk.run("diff m.yaml root")));
    assert_eq!((desk.run("diff absent root").code, desk.run("diff root").code), (66, 64));
}

#[test]
fn reset_forgets_and_touches_nothing_else() {
    let desk = Desk::new();
    desk.write("m.yaml", MANIFEST);
    desk.write("root/etc/motd", "before\n");
    desk.run("apply -f m.yaml --root root");
    insta::assert_snapshot!("reset_dry", page(&desk.run("reset --root root")));
    assert!(desk.path().join("root/var/lib/fitout/runs/1").exists());
    insta::assert_json_snapshot!("reset_json", desk.json("reset --root root --yes -o json"));
    insta::assert_snapshot!("reset_again", page(&desk.run("reset --root root --yes")));
    assert_eq!(fs::read_to_string(desk.path().join("root/etc/motd")).unwrap(), "hello\n");
    assert_eq!(fs::read_to_string(desk.path().join("root/var/lib/fitout/replaced/etc/motd")).unwrap(), "before\n");
    assert_eq!(desk.run("plan -f m.yaml --root root --detailed-exitcode").code, 0);
}

#[test]
fn a_run_at_work_and_one_that_was_cut_short() {
    let desk = Desk::new();
    desk.write("m.yaml", MANIFEST);
    desk.run("apply -f m.yaml --root root");
    desk.write("root/var/lib/fitout/runs/2/journal.jsonl", "");
    let lock = desk.locked();
    let status = desk.run("status --root root");
    assert!(status.code == 0 && status.out.contains("running:   process 7 (fitout apply)\n"), "{status:?}");
    assert!(desk.run("why --root root").out.contains("run 2 has not ended yet: process 7"));
    drop(lock);
    let status = desk.run("status --root root");
    assert!(status.code == 2 && status.out.contains("run 2, cut short"), "{status:?}");
    assert!(desk.run("why --root root").out.contains("run 2 was cut short; `fitout apply` goes on from there"));
    desk.run("apply -f m.yaml --root root");
    assert_eq!(desk.run("status --root root").code, 0);
}

/// Whatever happens to what Fitout remembers, a machine that is not as it should be is never called so.
#[test]
fn damaged_memory_is_told() {
    let desk = Desk::new();
    desk.write("m.yaml", MANIFEST);
    assert_eq!(desk.run("apply -f m.yaml --root root").code, 0);
    let state = |name: &str| desk.path().join("root/var/lib/fitout/state").join(name);
    let (records, ledger) = (fs::read(state("resources.json")).unwrap(), fs::read(state("ledger.jsonl")).unwrap());
    desk.write("root/srv/data/a", "edited\n");
    desk.write("m.yaml", MANIFEST.replace("setup", "  - {path: /etc/new, content: x}\nsetup"));
    let flipped = |at: usize| records.iter().enumerate().map(|(n, byte)| if n == at { byte ^ 1 } else { *byte }).collect::<Vec<u8>>();
    let damages = [Vec::new(), vec![0; records.len()], records[..records.len() / 2].to_vec(), flipped(90), flipped(records.len() - 20)];
    for damage in damages.into_iter().chain([[records.clone(), b"garbage".to_vec()].concat()]) {
        fs::write(state("resources.json"), damage).unwrap();
        for verb in ["plan", "apply", "verify"] {
            let ended = desk.run(&format!("{verb} -f m.yaml --root root"));
            assert!(
                ended.code == 1 && ended.err.contains("state/resources.json: it is damaged") && ended.err.contains("reset"),
                "{ended:?}"
            );
        }
        for verb in ["status", "doctor"] {
            let ended = desk.run(&format!("{verb} --root root"));
            assert!(
                ended.code == 2 && ended.out.contains("state/resources.json: it is damaged") && ended.out.contains("reset"),
                "{ended:?}"
            );
        }
    }
    fs::write(state("resources.json"), "{\"version\": 2, \"things\": []}").unwrap();
    let ended = desk.run("apply -f m.yaml --root root");
    assert!(ended.code == 78 && ended.err.contains("a newer Fitout wrote it (format 2, this one knows 1)"), "{ended:?}");
    assert!(!desk.path().join("root/etc/new").exists(), "something was done");
    fs::write(state("resources.json"), &records).unwrap();
    for cut in (0..ledger.len()).step_by(16) {
        let torn = ledger.iter().enumerate().map(|(n, byte)| if n == cut { !byte } else { *byte }).collect();
        for damage in [ledger[..cut].to_vec(), torn] {
            fs::write(state("ledger.jsonl"), damage).unwrap();
            let plan = desk.run("plan -f m.yaml --root root --detailed-exitcode");
            assert!(plan.code == 2 && plan.out.contains("/etc/new"), "cut or torn at {cut}: {plan:?}");
        }
    }
    fs::write(state("ledger.jsonl"), &ledger).unwrap();
    assert_eq!(desk.run("apply -f m.yaml --root root").code, 0);
    assert_eq!(fs::read_to_string(desk.path().join("root/srv/data/a")).unwrap(), "edited\n");
}

/// The machine's manifest changes when nothing speaks against the work any more; what fails after that is said.
#[test]
fn a_manifest_is_installed_when_its_work_begins() {
    let desk = Desk::new();
    let own = || fs::read_link(desk.path().join("root/etc/fitout/manifest.yaml")).ok();
    desk.write("full.yaml", "disk: {guards: [{mount: /, minimum_free: 900TB}]}\nfiles: [{path: /etc/motd, content: x}]\n");
    assert_eq!((desk.run("apply -f full.yaml --root root --install").code, own()), (73, None));
    desk.write("m.yaml", BROKEN);
    let ended = desk.run("apply -f m.yaml --root root --install");
    assert!(ended.code == 1 && ended.err.contains("it is the machine's manifest now, though not all of it is done"), "{ended:?}");
    assert!(own().is_some_and(|to| to.ends_with("m.yaml")), "{:?}", own());
}

#[test]
fn what_mends_drift_is_named_where_it_is_told() {
    let desk = Desk::new();
    desk.write("m.yaml", MANIFEST);
    desk.run("apply -f m.yaml --root root");
    desk.write("root/etc/motd", "by hand\n");
    for verb in ["plan", "verify", "apply"] {
        let ended = desk.run(&format!("{verb} -f m.yaml --root root"));
        assert!(format!("{}{}", ended.out, ended.err).contains("`fitout apply --repair`"), "{ended:?}");
    }
    assert!(desk.run("status --root root").out.contains("`fitout apply --repair`"));
    let ended = desk.run("apply -f m.yaml --root root --repair");
    assert!(ended.code == 0 && !ended.err.contains("--repair"), "{ended:?}");
}

#[test]
fn an_installed_manifest_that_is_refused_is_told() {
    let desk = Desk::new();
    desk.write("m.yaml", "files: [{path: /etc/motd, content: x}]\n");
    desk.run("apply -f m.yaml --root root --install");
    let bundles = fs::read_dir(desk.path().join("root/etc/fitout/bundles")).unwrap();
    let own = bundles.map(|bundle| bundle.unwrap().path().join("m.yaml")).next().unwrap();
    fs::write(&own, "flies: []\n").unwrap();
    for verb in ["status", "doctor"] {
        let ended = desk.run(&format!("{verb} --root root"));
        let told = ["(DESK/root/etc/fitout/manifest.yaml) has 1 problem", "m.yaml:1:1: `flies` is not a known key", "--install"];
        assert!(ended.code == 2 && told.iter().all(|part| ended.out.contains(part)), "{ended:?}");
    }
}

#[test]
fn what_is_applied_once_adds_to_the_settings_of_the_machine_and_says_what_comes_back() {
    let desk = Desk::new();
    desk.write("own.yaml", "sysctl: {vm.swappiness: 10, vm.dirty_ratio: 10}\nfiles: [{path: /etc/motd, content: own}]\n");
    desk.run("apply -f own.yaml --root root --install");
    desk.write("other.yaml", "sysctl: {vm.dirty_ratio: 20}\nfiles: [{path: /etc/other, content: x}]\n");
    let (plan, apply) = (desk.run("plan -f other.yaml --root root"), desk.run("apply -f other.yaml --root root"));
    let says = "file:/etc/sysctl.d/60-fitout.conf: the machine's own manifest says otherwise";
    assert!(plan.out.contains(says) && apply.err.contains(says) && apply.code == 0, "{plan:?}\n{apply:?}");
    assert!(!plan.out.contains("file:/etc/other: the"), "{plan:?}");
    let settings = || fs::read_to_string(desk.path().join("root/etc/sysctl.d/60-fitout.conf")).unwrap();
    assert!(settings().ends_with("vm.dirty_ratio = 20\nvm.swappiness = 10\n"), "{}", settings());
    desk.run("apply --root root");
    assert!(settings().ends_with("vm.dirty_ratio = 10\nvm.swappiness = 10\n"), "{}", settings());
    // What people changed of the machine's things is told still, whatever another manifest finds.
    desk.write("root/etc/motd", "edited");
    desk.run("verify --root root");
    assert_eq!([desk.run("apply -f other.yaml --root root").code, desk.run("verify -f other.yaml --root root").code], [0, 0]);
    assert!(desk.run("status --root root").out.contains("/etc/motd was edited"));
}

#[test]
fn one_run_at_a_time_and_the_others_name_it() {
    const RUNS: usize = 20;
    let desk = Desk::new();
    desk.write("once.yaml", MANIFEST);
    desk.run("apply -f once.yaml --root root");
    let lock = desk.locked();
    let others: Vec<_> = (0..RUNS)
        .map(|_| {
            desk.command("apply -f once.yaml --root root --lock-timeout 0s").stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for other in others {
        let output = other.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            (output.status.code(), said.contains("another run is at work on this machine: process 7 (fitout apply)")),
            (Some(75), true),
            "{said}"
        );
    }
    assert_eq!((desk.run("rehearse -f once.yaml --root root").code, desk.run("reset --yes --root root").code), (75, 75));
    drop(lock);
    assert_eq!(desk.run("apply -f once.yaml --root root").code, 0);
}

/// Paths below a folder with their permission bits, links left out.
fn modes(folder: &Path) -> Vec<(String, u32)> {
    let (mut found, mut waiting) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(at) = waiting.pop() {
        for entry in fs::read_dir(at).unwrap().map(|entry| entry.unwrap()) {
            let meta = entry.metadata().unwrap();
            if meta.is_dir() {
                waiting.push(entry.path());
            }
            if !meta.is_symlink() {
                found.push((entry.path().strip_prefix(folder).unwrap().display().to_string(), meta.permissions().mode() & 0o7777));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn the_umask_of_whoever_starts_it_has_no_say() {
    let under = |mask: &str| {
        let desk = Desk::new();
        desk.write("m.yaml", MANIFEST);
        let before: Vec<String> = modes(&desk.path().join("root")).into_iter().map(|(path, _)| path).collect();
        let plain = desk.command("apply -f m.yaml --root root --progress none");
        let mut masked = desk.command("");
        let mut command = Command::new("sh");
        command.args(["-c", "umask $0; exec \"$@\"", mask]).arg(plain.get_program()).args(plain.get_args()).current_dir(desk.path());
        command.envs(masked.env("FITOUT_CACHE", desk.path().join("cache")).get_envs().filter_map(|(name, value)| Some((name, value?))));
        assert_eq!(desk.end(&mut command).code, 0);
        let mut made = modes(&desk.path().join("root"));
        made.retain(|(path, _)| !before.contains(path));
        made
    };
    let made = under("000");
    assert_eq!(made, under("077"));
    assert!(made.len() > 8, "{made:?}");
    let odd = made.iter().filter(|(path, mode)| mode & 0o6022 != 0 || path.starts_with("var/lib/fitout/") && mode & 0o077 != 0);
    assert_eq!(odd.collect::<Vec<_>>(), Vec::<&(String, u32)>::new(), "set-user-ID, open to writing, or Fitout's own and open to reading");
}

/// Whoever may write the machine's manifest is root: one that others may write is not applied.
#[test]
fn a_manifest_that_others_may_write_is_not_trusted() {
    let desk = Desk::new();
    let set = |name: &str, mode, owner| {
        let path = desk.path().join("root/etc/fitout").join(name);
        std::os::unix::fs::chown(&path, Some(owner), None).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    desk.write("root/etc/fitout/manifest.yaml", "files: [{path: /etc/motd, content: x}]\n");
    desk.write("root/etc/fitout/machine.yaml", "files: [{path: /etc/own, content: x}]\n");
    for (name, right) in [("manifest.yaml", 0o644), ("machine.yaml", 0o600), (".", 0o755)] {
        for (mode, owner) in [(right | 0o020, 0), (right | 0o002, 0), (right, 1000)] {
            set(name, mode, owner);
            for verb in ["plan", "apply", "verify"] {
                let ended = desk.run(&format!("{verb} --root root"));
                assert!(ended.code == 65 && ended.err.contains("is not trusted: "), "{name} {mode:o} {owner}: {ended:?}");
            }
            set(name, right, 0);
        }
    }
    assert!(!desk.path().join("root/etc/motd").exists());
    assert_eq!(desk.run("apply --root root").code, 0);
}

#[test]
fn of_fifty_at_once_each_works_alone_or_not_at_all() {
    let desk = Desk::new();
    desk.write("m.yaml", MANIFEST);
    let start =
        |_| desk.command("apply -f m.yaml --root root --progress none").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let all: Vec<_> = (0..50).map(start).collect();
    let codes: Vec<i32> = all.into_iter().map(|mut child| child.wait().unwrap().code().unwrap()).collect();
    assert!(codes.iter().all(|code| matches!(code, 0 | 75)) && codes.contains(&0), "{codes:?}");
    assert_eq!(desk.json("history --root root -o json").as_array().map_or(1, Vec::len), 1);
    // What is left of a holder that is gone is in nobody's way.
    desk.write("root/var/lib/fitout/lock", "process 1 (systemd)\n");
    assert_eq!(desk.run("plan -f m.yaml --root root --detailed-exitcode").code, 0);
    assert_eq!(desk.run("apply -f m.yaml --root root").code, 0);
}

#[test]
fn who_looks_is_never_in_the_way() {
    let desk = Desk::new();
    desk.write("m.yaml", MANIFEST);
    let ended = std::sync::atomic::AtomicBool::new(false);
    let is_ended = || ended.load(std::sync::atomic::Ordering::Relaxed);
    std::thread::scope(|scope| {
        let look = || {
            while !is_ended() {
                for verb in ["status", "why", "history"] {
                    assert!(matches!(desk.run(&format!("{verb} --root root")).code, 0 | 2), "{verb}");
                }
            }
        };
        scope.spawn(look);
        scope.spawn(look);
        let codes: Vec<i32> = (0..60).map(|_| desk.run("apply -f m.yaml --root root --progress none").code).collect();
        ended.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(codes, vec![0; 60]);
    });
}

#[test]
fn an_apply_as_json() {
    let desk = Desk::new();
    desk.write("m.yaml", MANIFEST);
    insta::assert_json_snapshot!(desk.json("apply -f m.yaml --root root -o json --progress none"));
}

#[test]
fn a_folder_that_is_no_root_is_refused_by_all_who_look() {
    let desk = Desk::new();
    desk.write("none/notes.txt", "");
    desk.write("m.yaml", MANIFEST);
    let verbs = ["plan -f m.yaml", "verify -f m.yaml", "status", "disk", "why", "history", "script list", "script logs creation", "ssh"];
    for verb in verbs {
        let ended = desk.run(&format!("{verb} --root none"));
        assert!(ended.code == 1 && ended.err.contains("is this the root of a Linux system?"), "{verb}: {ended:?}");
    }
}

#[test]
fn a_script_that_waited_for_another_run_is_that_of_the_manifest_which_that_one_left() {
    let desk = Desk::new();
    let manifest = |creates: &str| format!("setup_scripts: {{startup_script: {{inline: exit 0, creates: {creates}}}}}\n");
    desk.write("m.yaml", manifest("/opt/none"));
    desk.run("apply -f m.yaml --root root");
    let lock = desk.locked();
    let mut waits = desk.command("script run startup -f m.yaml --root root").stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(waits.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(said.next().unwrap(), "waiting for process 7 (fitout apply), which is at work on this machine …");
    desk.write("m.yaml", manifest("/opt/tool/theirs"));
    drop(lock);
    assert_eq!(said.collect::<Vec<_>>(), ["startup: nothing to do: /opt/tool/theirs is there"]);
    assert!(waits.wait().unwrap().success());
}

#[test]
fn a_guard_that_cannot_be_checked_hides_nothing_else() {
    let desk = Desk::new();
    std::os::unix::fs::symlink("loop", desk.path().join("root/loop")).unwrap();
    desk.write("root/etc/fitout/guards/loop.json", r#"{"mount": "/loop/x", "minimum_free": 1}"#);
    desk.write("root/etc/fitout/guards/root.json", r#"{"mount": "/", "minimum_free": 1}"#);
    let room = desk.run("disk --root root");
    assert!(room.code == 2 && room.out.contains("Too many symbolic links") && room.out.contains("ok"), "{room:?}");
    let told = desk.json("disk --root root -o json");
    assert_eq!(told["guards"].as_array().unwrap().iter().map(|guard| &guard["healthy"]).collect::<Vec<_>>(), [false, true], "{told:#}");
    let status = desk.run("status --root root");
    assert!(status.code == 2 && status.out.contains("trouble:   a disk guard cannot be checked: "), "{status:?}");
}

#[test]
fn a_bake_that_is_ended_leaves_nothing_behind() {
    let desk = Desk::new();
    desk.write("m.yaml", MANIFEST);
    desk.write("i.yaml", "schema: 1\nname: lab\nbase: {rootfs: root.tar}\nmanifest: m.yaml\ndisk: {size: 2GiB}\noutputs: [raw]\n");
    // An archive that never comes.
    let pipe = desk.path().join("root.tar");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut bake = desk.command("bake i.yaml --out out").stderr(Stdio::null()).spawn().unwrap();
    let never = loop {
        match fs::File::options().write(true).custom_flags(nix::libc::O_NONBLOCK).open(&pipe) {
            Ok(writer) => break writer,
            Err(_) if bake.try_wait().unwrap().is_some() => return, // this machine lacks the tools
            Err(_) => std::thread::sleep(std::time::Duration::from_millis(10)),
        }
    };
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(bake.id().try_into().unwrap()), nix::sys::signal::Signal::SIGINT).unwrap();
    assert_eq!(bake.wait().unwrap().code(), Some(130));
    drop(never);
    let left: Vec<String> =
        fs::read_dir(desk.path().join("out")).unwrap().map(|one| one.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(left, [".lab.lock"]);
}

#[test]
fn a_script_is_told_with_its_verdict_wherever_it_stops_nothing() {
    let desk = Desk::new();
    desk.write("m.yaml", "setup_scripts: {creation_script: {inline: exit 0, on_failure: continue}}\n");
    // Nothing of this root can be run, which is a failure like others.
    let applied = desk.run("apply -f m.yaml --root root");
    assert!(applied.code == 0 && applied.err.contains("warning: the creation script: "), "{applied:?}");
    assert!(desk.json("apply -f m.yaml --root root -o json")["scripts"]["creation"].is_string());
    assert!(desk.run("verify -f m.yaml --root root").out.contains("warning script:creation: "));
    assert!(desk.json("verify -f m.yaml --root root -o json")["scripts"]["creation"].is_string());
    assert_eq!(desk.json("script logs creation --root root -o json")["version"], 1);
    let own = std::process::id();
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let since = stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap();
    let verdict = desk.path().join("root/var/lib/fitout/state/scripts/creation.json");
    let mut kept: serde_json::Value = serde_json::from_str(&fs::read_to_string(&verdict).unwrap()).unwrap();
    kept.as_object_mut().unwrap().remove("sha256");
    kept["outcome"] = "not ended".into();
    kept["process"] = serde_json::json!({"pid": own, "since": since});
    fs::write(&verdict, serde_json::to_string(&kept).unwrap()).unwrap();
    assert_eq!(desk.json("script list --root root -o json")["scripts"][0]["standing"], "at_work");
}

#[test]
fn a_failure_is_1_and_explained() {
    let desk = Desk::new();
    desk.write("m.yaml", BROKEN);
    insta::assert_snapshot!("failed_plan", page(&desk.run("plan -f m.yaml --root root")));
    insta::assert_snapshot!("failed_apply", page(&desk.run("apply -f m.yaml --root root")));
    insta::assert_snapshot!("failed_why", page(&desk.run("why --root root")));
    insta::assert_snapshot!("failed_status", page(&desk.run("status --root root")));
    assert_eq!(fs::read_to_string(desk.path().join("root/etc/motd")).unwrap(), "hello\n");
}

#[test]
fn a_floor_is_73_and_nothing_was_done() {
    let desk = Desk::new();
    desk.write("m.yaml", "disk: {guards: [{mount: /, minimum_free: 9000TB}]}\nfiles: [{path: /etc/motd, content: x}]\n");
    for verb in ["plan", "apply", "apply --dry-run"] {
        let ended = desk.run(&format!("{verb} -f m.yaml --root root"));
        assert_eq!(ended.code, 73, "{ended:?}");
        assert!(ended.err.contains("error: / has ") && ended.err.contains("hint: make room"), "{ended:?}");
    }
    assert!(desk.json("plan -f m.yaml --root root -o json")["refused"].as_str().unwrap().starts_with("/ has "));
    assert!(!desk.path().join("root/etc/motd").exists());
}

#[test]
fn a_check_is_told_once() {
    let desk = Desk::new();
    desk.write("m.yaml", "checks:\n  - {name: broken, command: [/usr/bin/absent]}\n");
    let ended = desk.run("verify -f m.yaml --root root");
    assert_eq!((ended.code, ended.out.matches("check:broken").count()), (2, 1), "{ended:?}");
    assert!(ended.out.ends_with("0 of 0 resources as they should be, 0 of 1 checks passed\n"), "{ended:?}");
}

/// The program where others than root may run it, to be run as nobody.
fn for_nobody(desk: &Desk) -> impl Fn(&str) -> Ended + '_ {
    fs::set_permissions(desk.path(), Permissions::from_mode(0o755)).unwrap();
    let program = desk.path().join("fitout");
    // Copied by another process: one that this process had open for writing could not be run while another test starts a program.
    assert!(Command::new("cp").arg(PROGRAM).arg(&program).status().unwrap().success());
    move |words| {
        let mut command = Command::new(&program);
        command.args(words.split(' ')).current_dir(desk.path()).uid(65534).gid(65534).stdin(Stdio::null());
        desk.end(&mut command)
    }
}

#[test]
fn what_root_alone_may_look_at_is_77() {
    let desk = Desk::new();
    desk.write("m.yaml", "files: [{path: /srv/closed/a, content: x}]\n");
    desk.run("apply -f m.yaml --root root");
    fs::set_permissions(desk.path().join("root/srv/closed"), Permissions::from_mode(0o700)).unwrap();
    let nobody = for_nobody(&desk);
    for words in ["plan -f m.yaml --root root", "verify -f m.yaml --root root", "why --root root"] {
        let ended = nobody(words);
        assert!(ended.code == 77 && ended.err.contains("use sudo"), "{words}: {ended:?}");
    }
}

/// How a machine is, is the same for everyone.
#[test]
fn status_is_the_same_for_root_and_others() {
    let desk = Desk::new();
    desk.write("m.yaml", "files: [{path: /etc/motd, content: \"hello\\n\"}, {path: /srv/a, content: x}]\n");
    let nobody = for_nobody(&desk);
    let same = |code: i32, word: &str| {
        let (root, other) = (desk.run("status --root root"), nobody("status --root root"));
        assert_eq!((root.code, &root.out), (other.code, &other.out));
        assert!(root.code == code && root.out.contains(word), "{root:?}");
    };
    desk.run("apply -f m.yaml --root root");
    same(0, "run 1: changed 2");
    desk.write("root/etc/motd", "mine\n");
    desk.run("verify -f m.yaml --root root");
    same(2, "drifted:   /etc/motd");
    desk.run("apply -f m.yaml --root root --repair");
    same(0, "run 2: changed 1");
    desk.write("m.yaml", "files: [{path: /etc/motd, content: x, owner: nobody-knows}]\n");
    desk.run("apply -f m.yaml --root root");
    same(2, "failed:    file:/etc/motd");
}

/// What contradicts itself is told with what cannot be read, and what follows from that is not told.
#[test]
fn all_problems_come_at_once() {
    let desk = Desk::new();
    desk.write("m.yaml", "packges: {}\nfiles:\n  - {path: /etc/d, content: z}\n  - {path: /etc/d/e, content: z}\n");
    let told = desk.run("validate -f m.yaml").err;
    assert!(told.contains("`packges` is not a known key") && told.contains("/etc/d/e lies below /etc/d"), "{told}");
    assert!(told.contains("2 problems found"), "{told}");
    // That it is a directory could not be read; what is there twice is so all the same, and is told once.
    let wrong = "files:\n  - {path: /etc/d, state: directroy}\n  - {path: /etc/d/e, content: a}\n  - {path: /etc/d/e, content: b}\n";
    desk.write("m.yaml", wrong);
    let told = desk.run("validate -f m.yaml").err;
    assert!(
        !told.contains("lies below") && told.contains("is there twice; first on line 3") && told.contains("2 problems found"),
        "{told}"
    );
    // Nobody knows where `~` is.
    desk.write("m.yaml", "user: {name: A B}\nfiles: [{path: /root/a, content: a}, {path: ~/a, content: b}]\n");
    assert!(!desk.run("validate -f m.yaml").err.contains("asked for twice"));
    // More than one thing that only the whole shows.
    let clean = "files:\n  - {path: /etc/d, content: z, requires: [\"file:/etc/nix\"]}\n  - {path: /etc/d/e, content: z}\n";
    desk.write("m.yaml", clean);
    let told = desk.run("validate -f m.yaml").err;
    assert!(told.contains("lies below") && told.contains("/etc/nix") && told.contains("2 problems found"), "{told}");
}

/// What a manifest names lies beside it, by whatever link it is named.
#[test]
fn a_manifest_is_named_by_a_link() {
    let desk = Desk::new();
    desk.write("real/m.yaml", "files: [{path: /srv/a, source: a.txt}]\n");
    desk.write("real/a.txt", "a\n");
    desk.write("real/m.yaml.lock", "");
    desk.write("other/x", "");
    std::os::unix::fs::symlink("../real/m.yaml", desk.path().join("other/m.yaml")).unwrap();
    assert_eq!(desk.run("validate -f other/m.yaml").code, 0);
    let locked = desk.run("plan -f other/m.yaml --root root");
    assert!(locked.code == 65 && locked.err.contains("real/m.yaml.lock"), "the lock beside it is its lock: {locked:?}");
    fs::remove_file(desk.path().join("real/m.yaml.lock")).unwrap();
    assert_eq!(desk.run("apply -f other/m.yaml --root root").code, 0);
    assert_eq!(fs::read_to_string(desk.path().join("root/srv/a")).unwrap(), "a\n");
}

#[test]
fn a_lock_that_cannot_be_used_is_replaced_by_lock_alone() {
    let desk = Desk::new();
    desk.write("m.yaml", "files: [{path: /srv/a, content: a}]\n");
    for broken in ["", "{\"version\": 1, \"machines\": {\"debi", "{\"version\": 2}", "{\"version\": 1}"] {
        desk.write("m.yaml.lock", broken);
        for verb in ["plan -f m.yaml --root root", "lock -f m.yaml --root root --check", "fetch m.yaml.lock"] {
            let refused = desk.run(verb);
            assert_eq!(refused.code, 65, "{verb}: {refused:?}");
            assert!(refused.err.contains("hint: `fitout lock -f m.yaml` writes it anew"), "{refused:?}");
        }
        let locked = desk.run("lock -f m.yaml --root root");
        assert_eq!(locked.code, 0, "{locked:?}");
        assert!(locked.err.contains("the lock m.yaml.lock cannot be used, and is to be written anew: "), "{locked:?}");
        let again = desk.run("lock -f m.yaml --root root");
        assert!(again.code == 0 && !again.err.contains("cannot be used"), "{again:?}");
        assert_eq!(desk.run("plan -f m.yaml --root root --locked").code, 0);
    }
    let mistaken = desk.run("fetch m.yaml");
    assert!(mistaken.code == 65 && mistaken.err.contains("lies beside it: name m.yaml.lock"), "{mistaken:?}");
    fs::remove_file(desk.path().join("m.yaml.lock")).unwrap();
    let mistaken = desk.run("fetch m.yaml");
    assert!(mistaken.err.contains("`fitout lock -f m.yaml` writes m.yaml.lock"), "{mistaken:?}");
    assert_eq!(desk.run("fetch m.yaml.lock").code, 66);
}

#[test]
fn progress_as_json_is_an_event_a_line() {
    let desk = Desk::new();
    desk.write("m.yaml", MANIFEST);
    let ended = desk.run("apply -f m.yaml --root root --progress json");
    let events: Vec<String> =
        ended.err.lines().filter_map(|line| Some(serde_json::from_str::<Value>(line).ok()?["event"].as_str()?.to_owned())).collect();
    assert_eq!(events.first().map(String::as_str), Some("run_started"), "{}", ended.err);
    assert_eq!(events.last().map(String::as_str), Some("run_finished"), "{}", ended.err);
}

#[test]
fn explains() {
    let desk = Desk::new();
    insta::assert_snapshot!("explain_code", page(&desk.run("explain e0102")));
    insta::assert_snapshot!("explain_field", page(&desk.run("explain user.sudo")));
    insta::assert_snapshot!("explain_typo", page(&desk.run("explain user.suod")));
    assert!(desk.run("explain chekcs").err.contains("did you mean `checks`?"));
    assert_eq!(desk.run("explain nonsense").code, 66);
    assert_eq!(desk.run("explain").code, 0);
}

#[test]
fn completions_are_of_their_shell() {
    let desk = Desk::new();
    for (shell, beginning) in [("bash", "_fitout() {"), ("zsh", "#compdef fitout"), ("fish", "# Print an optspec for argparse")] {
        let ended = desk.run(&format!("completions {shell}"));
        assert_eq!((ended.code, ended.err.as_str()), (0, ""));
        assert!(ended.out.starts_with(beginning), "{shell}: {}", &ended.out[..80]);
    }
}

#[test]
fn no_escapes_without_a_terminal() {
    let desk = Desk::new();
    desk.write("m.yaml", MANIFEST);
    desk.write("wrong.yaml", WRONG);
    for words in
        ["--help", "aply", "validate -f wrong.yaml", "plan -f m.yaml --root root", "apply -f m.yaml --root root", "status --root root"]
    {
        for force in [None, Some("1")] {
            let mut command = desk.command(words);
            force.map(|value| command.env("NO_COLOR", value).env("TERM", "xterm-256color"));
            let ended = desk.end(&mut command);
            assert!(!ended.out.contains('\u{1b}') && !ended.err.contains('\u{1b}'), "{words}: {ended:?}");
        }
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let desk = Desk::new();
    let mut child = desk.command("schema").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0));
    // A disk that is full is none that goes away.
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = desk.command("schema").stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).contains("No space left")), (Some(1), true), "{output:?}");
}

#[test]
fn a_reader_of_json_is_told_what_went_wrong() {
    let desk = Desk::new();
    desk.write("m.yaml", "files: [{path: /etc/motd, content: a}]\n");
    desk.run("apply -f m.yaml --root root");
    for (words, code) in [
        ("plan -f nosuch", 66),
        ("history 77 --root root", 66),
        ("why nosuch --root root", 66),
        ("explain nosuch", 66),
        ("plan --bogus", 64),
        ("init --from-azure nosuch", 66),
        ("diff nosuch root", 66),
        ("apply nosuch", 66),
    ] {
        let ended = desk.run(&format!("{words} -o json"));
        let told: Value = serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{words}: {error}\n{ended:?}"));
        assert_eq!((ended.code, &told["error"]["exit"]), (code, &Value::from(code)), "{words}");
        assert!(ended.err.contains(told["error"]["message"].as_str().unwrap()), "{words}: {ended:?}");
    }
    assert_eq!(desk.json("explain E0101 -o json")["title"], "not well-formed YAML");
    assert!(desk.json("init -o json")["manifest"].as_str().unwrap().contains("schema: 1"));
}

/// What shellcheck finds stands among what Fitout finds, by its own name, and a line with a token is shown by neither.
#[test]
fn a_script_is_judged_by_shellcheck_too() {
    let desk = Desk::new();
    desk.write(
        "setup.sh",
        "set -euo pipefail\ncd /srv\necho 'export A=1' >> ~/.bashrc\nTOKEN=ghp_0123456789abcdefghij0123456789abcdef; [ $TOKEN == x\n",
    );
    let found = desk.json("script lint setup.sh -o json");
    let rules: Vec<(u64, &str)> = found["advice"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["advice"]["line"].as_u64().unwrap(), one["advice"]["rule"].as_str().unwrap()))
        .collect();
    assert!(rules.contains(&(3, "append-without-guard")), "{found:#}");
    assert!(!found.to_string().contains("ghp_"), "{found:#}");
    if Path::new("/usr/bin/shellcheck").exists() {
        assert!(rules.iter().any(|(line, rule)| *line == 4 && rule.starts_with("SC1")), "{found:#}");
        desk.write("good.sh", "#!/bin/sh\nset -eu\ncd /srv\nls \"$1\"\n");
        desk.write("other.sh", "#!/bin/sh\nset -eu\nwanted=1\n");
        let said = desk.run("script lint good.sh other.sh");
        assert!(
            said.code == 2 && !said.out.contains("good.sh") && said.out.starts_with("other.sh:3: ") && said.out.contains("[SC2034]"),
            "{said:?}"
        );
    }
}
