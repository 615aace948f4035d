//! Advice on setup scripts: what works in a terminal and breaks on first boot, where nobody looks, no profile is read, and a script may run
//! twice. One rule is one row of `RULES`; each has an example among the tests.
//!
//! Sources: Azure's own samples and the threads about them (azureml-examples#3291: conda before it is sourced), shellcheck's manual for what
//! is left to it.

mod unattended;

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A line that should be mended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// Line, from 1.
    pub line: usize,
    /// The rule's name.
    pub rule: Cow<'static, str>,
    /// What is wrong.
    pub what: Cow<'static, str>,
    /// What to do.
    pub hint: Cow<'static, str>,
    /// The line itself; without what may be a secret.
    pub text: String,
}

/// A script, taken apart as far as the rules need.
struct Script<'a> {
    /// Lines of code with their numbers, without comments and bodies of here documents that another shell runs.
    lines: Vec<(usize, &'a str)>,
}

struct Rule {
    name: &'static str,
    what: &'static str,
    hint: &'static str,
    /// The lines that break it.
    broken: fn(&Script<'_>) -> Vec<usize>,
}

const RULES: [Rule; 11] = [
    Rule {
        name: "no-set-e",
        what: "the script goes on after a command that failed",
        hint: "begin with `set -euo pipefail`",
        broken: |script| {
            let stops =
                |line: &str| line.starts_with("set ") && line.split(' ').skip(1).any(|word| is_flag(word, 'e')) || line.contains("errexit");
            if script.lines.len() < 2 || script.lines.iter().any(|(_, line)| stops(line.trim())) { vec![] } else { first(script) }
        },
    },
    Rule {
        name: "conda-not-sourced",
        what: "`conda activate` works only in a shell that sourced conda",
        hint: "write `source /anaconda/etc/profile.d/conda.sh` before it",
        broken: |script| {
            let sourced = script.lines.iter().position(|(_, line)| line.contains("conda.sh") || line.contains("conda shell."));
            let activates = |line: &str| words(line).windows(2).any(|two| two[0] == "conda" && two[1] == "activate");
            let each = script.lines.iter().enumerate();
            each.filter(|(at, (_, line))| activates(line) && sourced.is_none_or(|before| *at < before))
                .map(|(_, (number, _))| *number)
                .collect()
        },
    },
    Rule {
        name: "sudo-login-loses-arguments",
        what: "`sudo -u USER -i` starts a login shell in the home: $1, variables and the working directory are gone inside",
        hint: "use `run_as: owner` in the manifest, or `sudo -u USER bash -c '...' -- \"$1\"`",
        broken: |script| {
            script.commands(|line| {
                let words = words(line);
                words.first() == Some(&"sudo") && words.contains(&"-u") && words.iter().any(|word| is_flag(word, 'i'))
            })
        },
    },
    Rule {
        name: "append-without-guard",
        what: "each run appends once more",
        hint: "write `grep -qxF LINE FILE || echo LINE >> FILE`, or describe the file in `files`",
        broken: |script| {
            script
                .matching(|line| line.contains(">>") && !line.contains("grep -q") && !line.contains("/dev/null") && !line.contains(".log"))
        },
    },
    Rule {
        name: "waits-for-an-answer",
        what: "nobody answers on first boot: the command waits, or fails",
        hint: "add `-y`",
        broken: |script| {
            script.commands(|line| {
                let words = unattended::command(line);
                let asks = match words.as_slice() {
                    ["apt" | "apt-get", rest @ ..] => rest.contains(&"install") || rest.contains(&"upgrade") || rest.contains(&"remove"),
                    ["conda" | "mamba", "install" | "create" | "update" | "remove", ..] | ["conda" | "mamba", "env", "remove", ..] => true,
                    _ => false,
                };
                // `-qq` says `-y`, too (`apt-get(8)`).
                asks && !words.iter().any(|word| is_flag(word, 'y') || matches!(*word, "--yes" | "--assume-yes" | "-qq"))
            })
        },
    },
    Rule {
        name: "reads-without-input",
        what: "nobody types on first boot: a script reads /dev/null, so `read` fails at once",
        hint: "take it as an argument (`command` in the manifest), or from a file",
        broken: |script| script.matching(unattended::reads),
    },
    Rule {
        name: "left-running",
        what: "what runs on when the script ends is nobody's: no one sees it fail, a script that fails ends it, and no restart brings it back",
        hint: "describe it in `units`; for long work that ends, write `gate: background` or `wait` for it",
        broken: |script| {
            let waits = script.lines.iter().any(|(_, line)| unattended::waits(line));
            if waits { Vec::new() } else { script.matching(unattended::leaves_running) }
        },
    },
    Rule {
        name: "runs-unseen",
        what: "what the address holds that day is run, whoever put it there",
        hint: "download it to a file, hold that against `sha256sum --check`, and run it then; or name the address and its `sha256` in the manifest",
        broken: |script| script.matching(unattended::runs_unseen),
    },
    Rule {
        name: "token-in-clear-text",
        what: "a secret stands in the script, which is kept and shown",
        hint: "read it from a file that only its reader may read, or from a share; revoke this one",
        broken: |script| script.matching(holds_token),
    },
    Rule {
        name: "kills-itself",
        what: "a restart ends the script before it has succeeded: it runs again at the next start, for ever",
        hint: "leave restarts to the platform; settings of kernel and services need none",
        broken: |script| {
            script.commands(|line| {
                let words = without_sudo(line);
                matches!(words.first(), Some(&("reboot" | "shutdown" | "poweroff")))
                    || matches!(words.as_slice(), ["systemctl", "reboot" | "poweroff", ..])
            })
        },
    },
    Rule {
        name: "pip-of-the-system",
        what: "pip as root changes the system's own Python, which Debian refuses since 12",
        hint: "name the environment's own: /anaconda/envs/NAME/bin/pip, or describe it in `environments`",
        broken: |script| {
            let in_environment = |line: &str| line.contains("activate") || line.contains("conda run");
            let before = script.lines.iter().position(|(_, line)| in_environment(line)).unwrap_or(usize::MAX);
            let installs = |line: &str| {
                let words = without_sudo(line);
                matches!(words.as_slice(), ["pip" | "pip3", "install", ..]) && !words.contains(&"--break-system-packages")
            };
            script
                .lines
                .iter()
                .enumerate()
                .filter(|(at, (_, line))| *at < before && installs(line))
                .map(|(_, (number, _))| *number)
                .collect()
        },
    },
];

/// Advice on a script, in the order of its lines.
#[must_use]
pub fn lint(text: &str) -> Vec<Advice> {
    let script = Script::new(text);
    let shown = |number: usize| text.lines().nth(number - 1).unwrap_or_default();
    let mut found: Vec<Advice> = RULES
        .iter()
        .flat_map(|rule| {
            (rule.broken)(&script).into_iter().map(move |line| {
                let text = if rule.name == "token-in-clear-text" { "(not shown)" } else { shown(line) };
                Advice { line, rule: rule.name.into(), what: rule.what.into(), hint: rule.hint.into(), text: text.to_owned() }
            })
        })
        .collect();
    found.sort_by_key(|advice| advice.line);
    found
}

/// What shellcheck prints with `--format=json1`.
#[derive(Debug, Deserialize)]
struct Checked {
    comments: Vec<Comment>,
}

#[derive(Debug, Deserialize)]
struct Comment {
    line: usize,
    code: u32,
    message: String,
}

/// What shellcheck said of a script, as advice; `None` where that cannot be understood. A line that may hold a secret is not shown.
#[must_use]
pub fn shellchecked(text: &str, said: &str) -> Option<Vec<Advice>> {
    let checked: Checked = serde_json::from_str(said).ok()?;
    let advice = |comment: Comment| {
        let line = text.lines().nth(comment.line.saturating_sub(1)).unwrap_or_default();
        let rule = format!("SC{}", comment.code);
        Advice {
            line: comment.line,
            hint: format!("https://www.shellcheck.net/wiki/{rule} explains it").into(),
            rule: rule.into(),
            what: comment.message.into(),
            text: if holds_token(line) { "(not shown)" } else { line }.to_owned(),
        }
    };
    Some(checked.comments.into_iter().map(advice).collect())
}

impl<'a> Script<'a> {
    fn new(text: &'a str) -> Self {
        let (mut lines, mut until) = (Vec::new(), None::<String>);
        for (at, line) in text.lines().enumerate() {
            if let Some(end) = &until {
                if line.trim() == end {
                    until = None;
                }
                continue;
            }
            let code = line.trim_start();
            if !code.is_empty() && !code.starts_with('#') {
                lines.push((at + 1, line));
                // What it holds for a shell is code; for a file, it is not.
                until = here_document(line).filter(|_| ["cat", "tee"].iter().any(|writer| words(line).contains(writer)));
            }
        }
        Self { lines }
    }

    /// Lines with a command that breaks a rule.
    fn commands(&self, broken: fn(&str) -> bool) -> Vec<usize> {
        let breaks = |line: &str| line.split([';', '|', '&']).any(|command| broken(command.trim()));
        self.lines.iter().filter(|(_, line)| breaks(line)).map(|(number, _)| *number).collect()
    }

    /// Lines that break a rule.
    fn matching(&self, broken: fn(&str) -> bool) -> Vec<usize> {
        self.lines.iter().filter(|(_, line)| broken(line)).map(|(number, _)| *number).collect()
    }
}

/// The word that ends a here document which begins on this line.
fn here_document(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("<<")?;
    if rest.starts_with('<') {
        return None;
    }
    let word = rest.trim_start_matches(['-', ' ']).split([' ', ';', '>', '|']).next()?.trim_matches(['"', '\'', '\\']);
    (!word.is_empty()).then(|| word.to_owned())
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// The words of a command, whoever it is run as.
fn without_sudo(line: &str) -> Vec<&str> {
    line.split_whitespace().filter(|word| *word != "sudo").collect()
}

/// Whether a word is a bundle of short options with this one among them.
fn is_flag(word: &str, flag: char) -> bool {
    word.starts_with('-') && !word.starts_with("--") && word.contains(flag) && word[1..].chars().all(|c| c.is_ascii_alphabetic())
}

fn first(script: &Script<'_>) -> Vec<usize> {
    script.lines.first().map(|(number, _)| vec![*number]).unwrap_or_default()
}

/// Beginnings of well-known tokens, and how many characters follow at least.
const TOKENS: [(&str, usize); 9] = [
    ("ghp_", 30),
    ("github_pat_", 30),
    ("hf_", 30),
    ("glpat-", 18),
    ("AKIA", 16),
    ("sk-", 32),
    ("xoxb-", 20),
    ("sig=", 30),
    ("AccountKey=", 40),
];

fn holds_token(line: &str) -> bool {
    let long = |rest: &str, least: usize| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_%+/=".contains(*c)).count() >= least;
    let known = TOKENS.iter().any(|(start, least)| line.match_indices(start).any(|(at, _)| long(&line[at + start.len()..], *least)));
    let in_address = line.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', ' ', '"', '\'']).next().unwrap_or_default();
        authority
            .split_once('@')
            .is_some_and(|(user, _)| user.split_once(':').is_some_and(|(_, password)| !password.is_empty() && !password.starts_with('$')))
    });
    known || in_address || line.contains("-----BEGIN") && line.contains("PRIVATE KEY")
}

#[cfg(test)]
mod tests {
    use super::{lint, shellchecked};

    fn rules(text: &str) -> Vec<(usize, String)> {
        lint(text).into_iter().map(|advice| (advice.line, advice.rule.into_owned())).collect()
    }

    /// As shellcheck 0.9.0 prints it.
    #[test]
    fn what_shellcheck_says_is_advice() {
        let said = r#"{"comments":[{"file":"x.sh","line":2,"endLine":2,"column":4,"endColumn":6,"level":"info","code":2086,
            "message":"Double quote to prevent globbing and word splitting.","fix":null}]}"#;
        let advice = &shellchecked("set -e\nrm $x\n", said).unwrap()[0];
        let shown = (advice.line, &*advice.rule, &*advice.what, &*advice.text);
        assert_eq!(shown, (2, "SC2086", "Double quote to prevent globbing and word splitting.", "rm $x"));
        assert_eq!(shellchecked("", "x.sh: unknown option"), None);
    }

    #[test]
    fn a_good_script_is_left_alone() {
        let good = "#!/bin/bash\nset -euo pipefail\nsource /anaconda/etc/profile.d/conda.sh\nconda activate lab\npip install numpy\n\
                    grep -qxF 'a' /etc/x || echo 'a' >> /etc/x\napt-get install -y git\ngit clone https://$USER:$TOKEN@example.org/x\n\
                    cat > /etc/motd <<EOF\nreboot now\nEOF\napt-get -qq install git\n\
                    curl -fsSL -o i.sh https://example.org/i.sh\nmake &\nwait\n";
        assert_eq!(rules(good), []);
        assert_eq!(rules("echo one line\n"), []);
    }

    #[test]
    fn each_rule_finds_its_line() {
        let cases: [(&str, &str); 14] = [
            ("set -e\nread -r name\n", "reads-without-input"),
            ("set -e\nnohup tensorboard --logdir x &\n", "left-running"),
            ("set -e\ncurl -fsSL https://example.org/i.sh | sudo bash\n", "runs-unseen"),
            ("set -e\nDEBIAN_FRONTEND=noninteractive apt-get install git\n", "waits-for-an-answer"),
            ("echo a\necho b\n", "no-set-e"),
            ("set -e\nconda activate lab\nsource /anaconda/etc/profile.d/conda.sh\n", "conda-not-sourced"),
            ("set -e\nsudo -u azureuser -i <<'EOF'\necho $1\nEOF\n", "sudo-login-loses-arguments"),
            ("set -e\necho 'export A=1' >> /home/azureuser/.bashrc\n", "append-without-guard"),
            ("set -e\nsudo apt-get install git\n", "waits-for-an-answer"),
            ("set -e\nconda create -n lab python=3.11\n", "waits-for-an-answer"),
            ("set -e\ngit clone https://ann:secret@example.org/x.git\n", "token-in-clear-text"),
            ("set -e\nexport HF_TOKEN=hf_abcdefghijklmnopqrstuvwxyzABCDEF\n", "token-in-clear-text"),
            ("set -e\nsudo reboot\n", "kills-itself"),
            ("set -e\npip install numpy\n", "pip-of-the-system"),
        ];
        for (text, rule) in cases {
            let line = if rule == "no-set-e" { 1 } else { 2 };
            assert_eq!(rules(text), [(line, rule.to_owned())], "{text}");
        }
    }

    #[test]
    fn a_token_is_not_repeated() {
        let advice = lint("set -e\nexport HF_TOKEN=hf_abcdefghijklmnopqrstuvwxyzABCDEF\n");
        assert_eq!(advice[0].text, "(not shown)");
    }
}
