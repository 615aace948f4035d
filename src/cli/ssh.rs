//! `fitout ssh`: how to come in, and the word that a change of SSH waits for.

use super::output::{self, Paint, paint_data, say};
use super::source;
use super::{Exit, Form, Global};
use crate::model::TargetPath;
use crate::target::{Access, CONFIRM_WITHIN, Machine, OpError, Openness, Origin, OwnersKey, Pending, ProbeError};
use clap::{Args, Subcommand};
use std::fmt::Write;
use std::path::PathBuf;

/// Arguments of `fitout ssh`.
#[derive(Debug, Args)]
#[command(after_help = "Without a verb: who comes in, by which keys, at which address, and what to type there.")]
pub struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// An offline root directory instead of this machine
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Verb {
    /// Keep the last change of SSH: said from a login that was made after it
    Confirm,
    /// Bring back what was before the last change of SSH
    Undo,
}

pub fn run(arguments: &Arguments, global: &Global) -> Exit {
    let machine = match source::machine(arguments.root.as_deref(), global) {
        Ok(machine) => machine,
        Err(refusal) => return refusal.tell(global),
    };
    match arguments.verb {
        None => show(&machine, global).unwrap_or_else(|error| source::failed(&error.to_string())),
        Some(Verb::Confirm) => end(machine.confirm_sshd(), "stays: it was confirmed", global),
        Some(Verb::Undo) => end(machine.undo_sshd(), "as it was before", global),
    }
}

fn end(done: Result<Vec<TargetPath>, OpError>, what: &str, global: &Global) -> Exit {
    match done {
        Ok(paths) => {
            match global.output {
                Form::Json => output::json(&serde_json::json!({"version": 1, "paths": paths, "outcome": what})),
                Form::Human => say(&format!("{} {what}.", joined(&paths))),
            }
            Exit::Done
        }
        Err(error) => {
            output::complain(&error.to_string(), error.hint.as_deref());
            Exit::Failed
        }
    }
}

fn show(on: &Machine, global: &Global) -> Result<Exit, ProbeError> {
    let access = Access::read(on)?;
    let waits = Pending::read(on)?.filter(|pending| pending.waits.is_some());
    match global.output {
        Form::Json => {
            let waits: Vec<TargetPath> = waits.into_iter().flat_map(|pending| pending.files).map(|file| file.path).collect();
            output::json(&serde_json::json!({"version": 1, "ssh": access, "command": access.command(), "waits_for_confirmation": waits}));
        }
        Form::Human => output::data(&shown(&access)),
    }
    tell_pending(on)?;
    Ok(Exit::Done)
}

/// Says that a change of SSH waits for its confirmation, where one does.
pub fn tell_pending(on: &Machine) -> Result<(), ProbeError> {
    let Some(pending) = Pending::read(on)?.filter(|pending| pending.waits.is_some()) else { return Ok(()) };
    say(&format!(
        "SSH was changed ({}), and you came in by it. Log in anew and run `fitout ssh confirm` there; what was before comes back \
         {CONFIRM_WITHIN} s after the change.",
        joined(&pending.files.into_iter().map(|file| file.path).collect::<Vec<_>>())
    ));
    Ok(())
}

fn joined(paths: &[TargetPath]) -> String {
    paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn shown(access: &Access) -> String {
    let mut out = String::new();
    let (colour, state) = state(access);
    line(&mut out, "SSH", &paint_data(colour, &state));
    for otherwise in &access.otherwise {
        line(&mut out, "otherwise", &paint_data(Paint::Red, otherwise));
    }
    line(&mut out, "address", &access.addresses.join(", "));
    line(&mut out, "port", &access.port.to_string());
    for key in &access.host_keys {
        line(&mut out, "machine's key", &format!("{} ({})", key.fingerprint, key.algorithm));
    }
    for key in &access.keys {
        line(&mut out, "owner's key", &owners(key));
    }
    line(&mut out, "to come in", &access.command().unwrap_or_default());
    out
}

/// Who comes in, as sshd does it.
fn state(access: &Access) -> (Paint, String) {
    let user = access.user.as_deref().unwrap_or_default();
    let text = match access.access {
        Openness::Enabled if access.otherwise.is_empty() => return (Paint::Green, format!("open for {user} alone, by key")),
        Openness::Disabled if access.otherwise.is_empty() => return (Paint::Green, "closed: nobody comes in".to_owned()),
        Openness::NoServer => return (Paint::Green, "no server: nobody gets in by SSH".to_owned()),
        Openness::Unmanaged => return (Paint::Yellow, "not managed by Fitout: whom sshd's own configuration lets in".to_owned()),
        Openness::ShutOut => format!("closed for {user}, whom the policy lets in"),
        Openness::Enabled => format!("open for {user}, and not as the policy says"),
        Openness::Disabled => "not closed as the policy says".to_owned(),
    };
    (Paint::Red, text)
}

fn owners(OwnersKey { key, origin }: &OwnersKey) -> String {
    let name = key.fingerprint.clone().unwrap_or_else(|| format!("line {}", key.line));
    let useless = key.useless.as_ref().map(|why| format!("  useless: {why}")).unwrap_or_default();
    let origin = match origin {
        Origin::Manifest => "",
        Origin::Added => "  added: not from the manifest",
        Origin::Changed => "  of a file that was changed: perhaps not from the manifest",
        Origin::Found => "  not written by Fitout",
    };
    let origin = paint_data(Paint::Yellow, origin);
    format!("{name} ({}) {}{origin}{useless}", key.algorithm, key.comment)
}

/// A line with its name, left out where there is nothing to say.
fn line(out: &mut String, name: &str, value: &str) {
    if !value.is_empty() {
        writeln!(out, "{name:14} {value}").unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(access: Openness, otherwise: &[&str]) -> Access {
        Access {
            access,
            user: Some("ann".into()),
            port: 2222,
            addresses: vec!["203.0.113.9".into(), "2001:db8::9".into()],
            host_keys: Vec::new(),
            keys: Vec::new(),
            otherwise: otherwise.iter().map(|one| (*one).to_owned()).collect(),
        }
    }

    #[test]
    fn the_first_line_says_who_comes_in() {
        let said = |openness, otherwise: &[&str]| state(&access(openness, otherwise)).1;
        assert_eq!(said(Openness::Enabled, &[]), "open for ann alone, by key");
        assert_eq!(said(Openness::Enabled, &["maxauthtries is `6`, not `4`"]), "open for ann, and not as the policy says");
        assert_eq!(said(Openness::ShutOut, &["listed in DenyUsers"]), "closed for ann, whom the policy lets in");
        assert_eq!(said(Openness::Disabled, &[]), "closed: nobody comes in");
        assert_eq!(said(Openness::Disabled, &["allowusers is `bob`"]), "not closed as the policy says");
        assert_eq!(said(Openness::NoServer, &[]), "no server: nobody gets in by SSH");
        assert_eq!(said(Openness::Unmanaged, &[]), "not managed by Fitout: whom sshd's own configuration lets in");
    }

    #[test]
    fn a_command_is_shown_to_whom_it_helps() {
        let text = |openness| shown(&access(openness, &["why not"]));
        let told = "otherwise      why not\naddress        203.0.113.9, 2001:db8::9\nport           2222\n";
        assert!(text(Openness::Enabled).ends_with(&format!("{told}to come in     ssh -p 2222 ann@203.0.113.9\n")));
        assert!(text(Openness::ShutOut).ends_with(told));
    }
}
