//! What a line does when nobody is there: reads what nobody types, leaves something running, runs what nobody looked at.
//!
//! Lines are read one by one, as text: what a line of its own continues (`\`), what a loop or a function is fed, and what a variable holds are
//! not known here. Each rule is made so that it rather misses such a line than blames a good one.

/// The words of a command, whoever it is run as, without what it finds in its environment.
pub(super) fn command(text: &str) -> Vec<&str> {
    let is_setting = |word: &str| {
        word.split_once('=').is_some_and(|(name, _)| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
    };
    let before = |word: &&str| matches!(*word, "sudo" | "env" | "-E" | "if" | "then" | "do" | "!" | "{" | "(") || is_setting(word);
    text.split_whitespace().skip_while(before).collect()
}

/// A line without the comment at its end.
fn code(line: &str) -> &str {
    line.split(" #").next().unwrap_or_default().trim_end()
}

/// Programs that run what they are fed.
const SHELLS: [&str; 6] = ["bash", "sh", "dash", "zsh", "python", "python3"];

/// Whether it reads what is typed. Input of a file, a here document, a pipe or another descriptor is none of that; a loop may have it at its end.
pub(super) fn reads(line: &str) -> bool {
    let reads = |words: &[&str]| words.first() == Some(&"read") && !words.iter().any(|word| word.starts_with("-u"));
    !line.contains('<') && code(line).split([';', '&']).any(|text| text.split('|').next().is_some_and(|own| reads(&command(own))))
}

/// Whether something goes on after it: it ends with `&`, or makes something outlive its shell.
pub(super) fn leaves_running(line: &str) -> bool {
    let code = code(line);
    let detaches = code.split([';', '&', '|']).any(|text| matches!(command(text).first(), Some(&("nohup" | "setsid" | "disown"))));
    let behind = code.ends_with('&') && !code.ends_with("&&") || code.contains(" & ") && !code.contains("((");
    behind || detaches && code.contains('&')
}

/// Whether it waits for what it left running.
pub(super) fn waits(line: &str) -> bool {
    code(line).split([';', '&']).any(|text| command(text).first() == Some(&"wait"))
}

/// Whether it runs what it fetches, as it is that day.
pub(super) fn runs_unseen(line: &str) -> bool {
    let code = code(line);
    let fetches = |text: &str| matches!(command(text).first(), Some(&("curl" | "wget")));
    let mut lists = code.split([';', '&']).map(|text| text.split('|'));
    let piped = lists.any(|parts| {
        parts.skip_while(|part| !fetches(part)).skip(1).any(|part| command(part).first().is_some_and(|word| SHELLS.contains(&base(word))))
    });
    let shell = || command(code).first().is_some_and(|word| SHELLS.contains(&base(word)) || matches!(*word, "source" | "." | "eval"));
    let inside = ["<(curl ", "<(wget ", "$(curl ", "$(wget "].iter().any(|opening| code.contains(opening));
    piped || inside && shell()
}

/// `bash` of `/bin/bash`.
fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_and_what_is_fed() {
        for line in ["read -r answer", "read -p 'Sure? ' yes; echo $yes", "if read -t 5 x; then", "IFS= read -r x"] {
            assert!(reads(line), "{line}");
        }
        for line in
            ["while read -r x; do", "echo a | read x", "read -r x < file", "read x <<< \"$y\"", "read -u3 x", "echo read", "readlink a"]
        {
            assert!(!reads(line), "{line}");
        }
    }

    #[test]
    fn what_goes_on() {
        for line in ["nohup serve &", "serve > log 2>&1 &  # later", "setsid serve &", "serve & echo $!", "(sleep 5; serve) &"] {
            assert!(leaves_running(line), "{line}");
        }
        for line in ["a && b", "a &&", "a > log 2>&1", "a &> log", "echo 'a&b'", "setsid serve"] {
            assert!(!leaves_running(line), "{line}");
        }
        assert!(waits("wait") && waits("wait $!") && waits("a; wait") && !waits("await x"));
    }

    #[test]
    fn what_is_run_unseen() {
        for line in [
            "curl -fsSL https://example.org/i.sh | bash",
            "wget -qO- https://example.org/i.sh | sudo -E bash -s -- -y",
            "bash <(curl -s https://example.org/i.sh)",
            "sh -c \"$(curl -fsSL https://example.org/i.sh)\"",
            "curl x | tee i.sh | /bin/sh",
        ] {
            assert!(runs_unseen(line), "{line}");
        }
        for line in ["curl -o i.sh x", "curl x | gpg --dearmor", "V=$(curl -s x)", "cat i.sh | bash", "curl x && bash i.sh"] {
            assert!(!runs_unseen(line), "{line}");
        }
    }
}
