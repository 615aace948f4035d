//! Setup scripts and checks: what is run, as argument lists, never as shell lines.

use super::desk::{CARRIED, Desk};
use super::environments::kernels;
use crate::manifest::at::At;
use crate::manifest::v1::{self, Manifest};
use crate::model::{HomePath, Owner, Sha256, Span, TargetPath};
use crate::problem::{Code, nearest};
use crate::recipe::{
    AzurePlace, CHECK_TIMEOUT, Check, JUPYTER_ENVIRONMENT, PYTHON_ENVIRONMENTS, SCRIPT, SCRIPT_TIMEOUT, ScriptText, SetupScript, Subject,
    Want,
};
use crate::step::{Again, Blob, Gate, OnEscape, OnFailure, Trigger};

/// `setup_scripts`, creation first.
pub fn scripts(manifest: &Manifest, desk: &mut Desk<'_>) -> Vec<Want> {
    let Some(scripts) = &manifest.setup_scripts else { return Vec::new() };
    let both = [(&scripts.creation_script, Trigger::Creation), (&scripts.startup_script, Trigger::Startup)];
    both.into_iter().filter_map(|(script, trigger)| one_script(script.as_ref()?, trigger, manifest, desk)).map(Want::SetupScript).collect()
}

fn one_script(script: &At<v1::Script>, trigger: Trigger, manifest: &Manifest, desk: &mut Desk<'_>) -> Option<SetupScript> {
    let (text, file_name) = script_text(script, trigger, manifest, desk)?;
    if matches!(&text, ScriptText::Here(text) if text.contains("\r\n")) {
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
    let unless = match &script.value.unless {
        Some(unless) => Some(program(unless, desk)?),
        None => None,
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
        unless,
        on_failure: script.value.on_failure.unwrap_or(OnFailure::Fail),
        gate: script.value.gate.unwrap_or(Gate::Ready),
        on_escape: script.value.on_escape.unwrap_or(OnEscape::Report),
        logs: logs(manifest),
        place: manifest.resource_id.as_ref().map(|id| AzurePlace::of(id.as_str())).unwrap_or_default(),
    })
}

/// Where Azure ML keeps the output of scripts on the share of a workspace.
const LOGS: &str = "Logs";

/// Where the output of scripts is copied: a folder of this machine's on the first share that may be written to.
fn logs(manifest: &Manifest) -> Option<(HomePath, HomePath)> {
    let written = |share: &&At<v1::Share>| share.value.state != Some(v1::State::Absent) && share.value.access != Some(v1::Access::ReadOnly);
    let mount = &manifest.shares.iter().find(written)?.value.mount.value;
    let name = manifest.name.as_ref().map_or_else(|| "machine".to_owned(), |name| name.value.to_string());
    Some((HomePath::parse(&format!("{mount}/{LOGS}/{name}")).ok()?, mount.clone()))
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

/// What a path may begin with that is no file beside the manifest.
const SCHEMES: [&str; 3] = ["https://", "http://", "share://"];

fn script_text(script: &At<v1::Script>, trigger: Trigger, manifest: &Manifest, desk: &mut Desk<'_>) -> Option<(ScriptText, String)> {
    let (path, inline) = match (&script.value.path, &script.value.inline) {
        (Some(_), Some(inline)) => {
            desk.say(Code::Conflict, &inline.place, "a script has a `path` or is `inline`, not both", "keep one of the two");
            return None;
        }
        (None, None) => {
            desk.say_lack(script, &script.place, "this script has no text", "add `path:`, the script's file, or `inline:`, its text");
            return None;
        }
        (path, inline) => (path.as_ref(), inline.as_ref()),
    };
    let scheme = path.and_then(|path| SCHEMES.iter().copied().find(|scheme| path.value.as_str().starts_with(scheme)));
    if let Some(sha256) = script.value.sha256.as_ref().filter(|_| scheme != Some("https://")) {
        desk.say(Code::Conflict, &sha256.place, "only a script that is fetched has a `sha256`", "remove it, or write `path: https://…`");
    }
    match (path, scheme, inline) {
        (Some(path), Some("https://"), _) => download(path, script, desk),
        (Some(path), Some("share://"), _) => on_share(path, manifest, desk),
        (Some(path), Some(_), _) => {
            let help = "write `https://…` with the script's `sha256`";
            desk.say(Code::BadValue, &path.place, "a script that root runs is not fetched without encryption", help);
            None
        }
        (Some(path), None, _) => {
            let file = desk.file(path, CARRIED)?;
            let name = file.path.file_name().map(|name| name.to_string_lossy().into_owned());
            Some((ScriptText::Here(file.text), name.unwrap_or_default()))
        }
        (None, _, inline) => {
            let name = match trigger {
                Trigger::Creation => "creation.sh",
                Trigger::Startup => "startup.sh",
            };
            Some((ScriptText::Here(inline?.value.clone()), name.to_owned()))
        }
    }
}

/// The last part of an address or path, without what may follow a `?`.
fn last_part(text: &str) -> String {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

fn download(path: &At<v1::SourcePath>, script: &At<v1::Script>, desk: &mut Desk<'_>) -> Option<(ScriptText, String)> {
    let url = path.value.as_str();
    if url.contains(['@', '?']) {
        desk.hide(&path.place);
        let help = "give the script an address of its own, or put it on a share: what a manifest says is kept and shown";
        desk.say(Code::BadValue, &path.place, "an address with a password or a signature in it is a secret", help);
        return None;
    }
    let Some(sha256) = &script.value.sha256 else {
        let help = "add `sha256:`, as `sha256sum FILE` prints it";
        desk.say_lack(script, &path.place, "a script that is fetched needs the digest of what it must be", help);
        return None;
    };
    match Sha256::parse(&sha256.value) {
        Ok(sha256) => Some((ScriptText::Download(Blob { url: url.to_owned(), sha256, size: None }), last_part(url))),
        Err(error) => {
            desk.say(Code::BadValue, &sha256.place, error.to_string(), "write the 64 hexadecimal digits that `sha256sum FILE` prints");
            None
        }
    }
}

fn on_share(path: &At<v1::SourcePath>, manifest: &Manifest, desk: &mut Desk<'_>) -> Option<(ScriptText, String)> {
    let place = &path.place;
    let (name, file) = path.value.as_str().trim_start_matches("share://").split_once('/').unwrap_or_default();
    if file.is_empty() || file.ends_with('/') || file.split('/').any(|part| matches!(part, "" | "." | "..")) {
        desk.say(
            Code::BadValue,
            place,
            "this names no file on a share",
            "write share://NAME/FOLDER/FILE.sh, NAME being that of one of `shares`",
        );
        return None;
    }
    let present = |share: &&At<v1::Share>| share.value.name.value.as_str() == name && share.value.state != Some(v1::State::Absent);
    let Some(share) = manifest.shares.iter().find(present) else {
        let known: Vec<&str> = manifest.shares.iter().map(|share| share.value.name.value.as_str()).collect();
        let help = match known.as_slice() {
            [] => "describe it under `shares`".to_owned(),
            known => format!("the shares are {}", known.join(", ")),
        };
        desk.say_unknown("shares", place, format!("there is no share `{name}`"), help);
        return None;
    };
    let mount = share.value.mount.value.clone();
    match HomePath::parse(&format!("{mount}/{file}")) {
        Ok(at) => Some((ScriptText::Share { mount, file: at }, last_part(file))),
        Err(error) => {
            desk.say(Code::BadValue, place, error.to_string(), "write share://NAME/FOLDER/FILE.sh");
            None
        }
    }
}

fn script_timeout(script: &v1::Script, desk: &mut Desk<'_>) -> Span {
    if let (Some(_), Some(other)) = (&script.timeout, &script.timeout_minutes) {
        desk.say(Code::Conflict, &other.place, "`timeout` and `timeout_minutes` both say how long", "keep one of the two");
    }
    let minutes = script.timeout_minutes.as_ref().map(|minutes| minutes.map(|minutes| Span::minutes(u64::from(*minutes))));
    let timeout = script.timeout.as_ref().map(|timeout| timeout.map(|timeout| timeout.0));
    match timeout.or(minutes) {
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
    program(command, desk).map(Subject::Command)
}

/// A command of which a program can be made.
fn program(command: &At<Vec<String>>, desk: &mut Desk<'_>) -> Option<Vec<String>> {
    let program = command.value.first().map(String::as_str).unwrap_or_default();
    if !command.whole {
        return None;
    }
    if program.is_empty() || program.starts_with('-') || command.value.iter().any(|word| word.contains('\0')) {
        desk.say(Code::BadValue, &command.place, "the first word of a command is a program", "write `[program, argument, …]`");
        return None;
    }
    Some(command.value.clone())
}

fn kernel_subject(kernel: &At<v1::KernelName>, runs: &str, manifest: &Manifest, desk: &mut Desk<'_>) -> Option<Subject> {
    let known = kernels(manifest);
    let wanted = kernel.value.as_str();
    if let Some((_, prefix)) = known.iter().find(|(name, _)| name == wanted) {
        // As a notebook has it: JupyterLab starts kernels from an environment of its own. That of a kernel for R may have no Python at all.
        let jupyter =
            manifest.jupyter.as_ref().and_then(|_| TargetPath::parse(&format!("{PYTHON_ENVIRONMENTS}/{JUPYTER_ENVIRONMENT}")).ok());
        return Some(Subject::Kernel {
            kernel: wanted.to_owned(),
            runs: runs.to_owned(),
            prefix: jupyter.unwrap_or_else(|| prefix.clone()),
        });
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
