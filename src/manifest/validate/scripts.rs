//! Setup scripts and checks: what is run, as argument lists, never as shell lines.

use super::desk::{CARRIED, Desk};
use super::environments::kernels;
use crate::manifest::at::At;
use crate::manifest::v1::{self, Manifest};
use crate::model::{Owner, Span};
use crate::problem::{Code, nearest};
use crate::recipe::{CHECK_TIMEOUT, Check, SCRIPT, SCRIPT_TIMEOUT, SetupScript, Subject, Want};
use crate::step::{Again, Trigger};

/// `setup_scripts`, creation first.
pub fn scripts(manifest: &Manifest, desk: &mut Desk<'_>) -> Vec<Want> {
    let Some(scripts) = &manifest.setup_scripts else { return Vec::new() };
    let both = [(&scripts.creation_script, Trigger::Creation), (&scripts.startup_script, Trigger::Startup)];
    both.into_iter().filter_map(|(script, trigger)| one_script(script.as_ref()?, trigger, desk)).map(Want::SetupScript).collect()
}

fn one_script(script: &At<v1::Script>, trigger: Trigger, desk: &mut Desk<'_>) -> Option<SetupScript> {
    let (text, file_name) = script_text(script, trigger, desk)?;
    if text.contains("\r\n") {
        desk.say(
            Code::BadValue,
            &script.place,
            format!("{file_name} has line ends of Windows, which no shell reads"),
            "convert it with `dos2unix`",
        );
    }
    let argv = match &script.value.command {
        Some(command) => argv(command, &file_name, desk)?,
        None => vec!["bash".into(), SCRIPT.into()],
    };
    let usual = match trigger {
        Trigger::Creation => Again::Once,
        Trigger::Startup => Again::EveryStart,
    };
    Some(SetupScript {
        trigger,
        text,
        file_name,
        argv,
        timeout: script_timeout(&script.value, desk),
        user: who(&script.value, desk),
        directory: script.value.working_directory.clone(),
        again: script.value.rerun.unwrap_or(usual),
        creates: script.value.creates.clone(),
    })
}

/// Who runs a script; the owner must be known.
fn who(script: &v1::Script, desk: &mut Desk<'_>) -> Owner {
    let Some(asked) = script.run_as.as_ref().filter(|asked| asked.value == v1::RunAs::Owner) else { return Owner::Root };
    if let Some(owner) = &desk.owner {
        return Owner::User(owner.clone());
    }
    desk.say_no_owner(&asked.place, "the owner is to run this script");
    Owner::Root
}

fn script_text(script: &At<v1::Script>, trigger: Trigger, desk: &mut Desk<'_>) -> Option<(String, String)> {
    match (&script.value.path, &script.value.inline) {
        (Some(path), None) => {
            let file = desk.file(path, CARRIED)?;
            let name = file.path.file_name().map(|name| name.to_string_lossy().into_owned());
            Some((file.text, name.unwrap_or_default()))
        }
        (None, Some(inline)) => {
            let name = match trigger {
                Trigger::Creation => "creation.sh",
                Trigger::Startup => "startup.sh",
            };
            Some((inline.value.clone(), name.to_owned()))
        }
        (Some(_), Some(inline)) => {
            desk.say(Code::Conflict, &inline.place, "a script has a `path` or is `inline`, not both", "keep one of the two");
            None
        }
        (None, None) => {
            desk.say_lack(script, &script.place, "this script has no text", "add `path:`, the script's file, or `inline:`, its text");
            None
        }
    }
}

fn script_timeout(script: &v1::Script, desk: &mut Desk<'_>) -> Span {
    if let (Some(_), Some(other)) = (&script.timeout, &script.timeout_minutes) {
        desk.say(Code::Conflict, &other.place, "`timeout` and `timeout_minutes` both say how long", "keep one of the two");
    }
    let minutes = script.timeout_minutes.as_ref().map(|minutes| minutes.map(|minutes| Span::minutes(u64::from(*minutes))));
    match script.timeout.clone().or(minutes) {
        Some(timeout) if timeout.value == Span::seconds(0) => {
            desk.say(Code::BadValue, &timeout.place, "no script is done in no time", "write a length of time such as 15m");
            timeout.value
        }
        Some(timeout) => timeout.value,
        None => SCRIPT_TIMEOUT,
    }
}

/// `command` as an argument list in which the script's file is replaced by [`SCRIPT`].
fn argv(command: &At<String>, file_name: &str, desk: &mut Desk<'_>) -> Option<Vec<String>> {
    let words = match words(&command.value) {
        Ok(words) => words,
        Err(why) => {
            desk.say(Code::BadValue, &command.place, why, "no shell reads this line; put what needs one into the script");
            return None;
        }
    };
    let is_script = |word: &str| word == SCRIPT || word.rsplit('/').next() == Some(file_name);
    let argv: Vec<String> = words.into_iter().map(|word| if is_script(&word) { SCRIPT.into() } else { word }).collect();
    match argv.iter().filter(|word| *word == SCRIPT).count() {
        1 => Some(argv),
        0 => {
            desk.say(
                Code::BadValue,
                &command.place,
                format!("the command does not run the script: `{file_name}` is not in it"),
                format!("write `bash {file_name}`"),
            );
            None
        }
        _ => {
            desk.say(
                Code::BadValue,
                &command.place,
                "the command names the script twice",
                format!("write `bash {file_name}` and arguments"),
            );
            None
        }
    }
}

/// Splits a line as a POSIX shell splits words, and refuses what a shell would expand.
fn words(line: &str) -> Result<Vec<String>, String> {
    /// What a shell gives a meaning outside quotes.
    const SPECIAL: &str = "|&;<>()$`*?[]{}#!~\n";
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None::<char>);
    let mut chars = line.trim().chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('"'), '$' | '`') => return Err(format!("`{c}` inside double quotes means something to a shell only")),
            (Some('"') | None, '\\') => {
                let next = chars.next().ok_or("a `\\` ends the line")?;
                word.get_or_insert_default().push(next);
            }
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() && c != '\n' => words.extend(word.take()),
            (None, c) if SPECIAL.contains(c) => return Err(format!("`{}` means something to a shell only", c.escape_debug())),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    match quote {
        Some(open) => Err(format!("a {open} is not closed")),
        None => Ok(words),
    }
}

/// `checks`.
pub fn checks(manifest: &Manifest, desk: &mut Desk<'_>) -> Vec<Want> {
    desk.distinct(
        "the check",
        manifest.checks.iter().map(|check| &check.value.name).map(|name| (name.value.as_str().to_owned(), &name.place)),
    );
    manifest.checks.iter().filter_map(|check| one_check(check, manifest, desk)).map(Want::Check).collect()
}

fn one_check(item: &At<v1::Check>, manifest: &Manifest, desk: &mut Desk<'_>) -> Option<Check> {
    let check = &item.value;
    let name = &check.name;
    let subject = match (&check.command, &check.kernel, &check.runs) {
        (Some(command), None, None) => command_subject(command, desk)?,
        (None, Some(kernel), Some(runs)) => kernel_subject(kernel, &runs.value, manifest, desk)?,
        (Some(_), Some(kernel), _) => {
            desk.say(Code::Conflict, &kernel.place, "a check has a `command` or a `kernel`, not both", "make two checks of it");
            return None;
        }
        (Some(_), None, Some(runs)) => {
            desk.say(
                Code::Conflict,
                &runs.place,
                "`runs` is code for a `kernel`, and this check has a `command`",
                "remove `runs`, or name a kernel",
            );
            return None;
        }
        (None, Some(kernel), None) => {
            desk.say_lack(item, &kernel.place, "a check of a kernel needs code", "add `runs:`, such as \"import torch\"");
            return None;
        }
        (None, None, _) => {
            desk.say_lack(item, &name.place, "this check runs nothing", "add `command: [program, argument]`, or `kernel:` and `runs:`");
            return None;
        }
    };
    let timeout = check.timeout.unwrap_or(CHECK_TIMEOUT);
    Some(Check { name: name.value.as_str().to_owned(), subject, stdout_contains: check.stdout_contains.clone(), timeout })
}

fn command_subject(command: &At<Vec<String>>, desk: &mut Desk<'_>) -> Option<Subject> {
    let program = command.value.first().map(String::as_str).unwrap_or_default();
    if program.is_empty() || program.starts_with('-') || command.value.iter().any(|word| word.contains('\0')) {
        desk.say(Code::BadValue, &command.place, "the first word of a command is a program", "write `[program, argument, …]`");
        return None;
    }
    Some(Subject::Command(command.value.clone()))
}

fn kernel_subject(kernel: &At<v1::KernelName>, runs: &str, manifest: &Manifest, desk: &mut Desk<'_>) -> Option<Subject> {
    let known = kernels(manifest);
    let wanted = kernel.value.as_str();
    if let Some((_, prefix)) = known.iter().find(|(name, _)| name == wanted) {
        return Some(Subject::Kernel { kernel: wanted.to_owned(), runs: runs.to_owned(), prefix: prefix.clone() });
    }
    let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
    let help = match (nearest(wanted, names.iter().copied()), names.as_slice()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, []) => "give an environment a `kernel: {}`".into(),
        (None, names) => format!("the kernels are {}", names.join(", ")),
    };
    desk.say_unknown("environments", &kernel.place, format!("no environment has a kernel `{wanted}`"), help);
    None
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn splits_as_a_shell_and_refuses_what_needs_one() {
        assert_eq!(words("bash  clone.sh 'a b' \"c d\" e\\ f ''").unwrap(), ["bash", "clone.sh", "a b", "c d", "e f", ""]);
        assert_eq!(words("a'b'\"c\"").unwrap(), ["abc"]);
        for bad in ["a; b", "a | b", "a $(b)", "a \"$HOME\"", "a > b", "a 'b", "a \\", "a *", "a `b`", "a\nb"] {
            assert!(words(bad).is_err(), "{bad}");
        }
    }
}
