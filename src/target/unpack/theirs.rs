//! What people put into a tree, or changed in it, when it is made anew or removed: what they added goes along, and what cannot go along is
//! moved aside.
//!
//! Nothing is moved before the new tree is whole, and what was moved is safe from then on: a kill at any instant loses nothing.

use super::below;
use crate::model::TargetPath;
use crate::step::FileKind;
use crate::target::machine::Machine;
use crate::target::{Depth, Inventory, OpError, Probe, Progress};

/// So many files are told of one by one.
const NAMED: usize = 5;

/// Lets what people added to a tree go along to the `new` one, of which the inventory is given, and moves aside what they changed.
pub(super) fn carry(machine: &Machine, old: &TargetPath, new: (&TargetPath, &Inventory), progress: &dyn Progress) -> Result<(), OpError> {
    let Some(before) = Inventory::read(old, machine)? else { return Ok(()) };
    let mut aside = Vec::new();
    for name in before.foreign(old, machine)? {
        if !bring(machine, old, new.0, &name)? {
            aside.push(name);
        }
    }
    aside.extend(before.damage(old, Depth::Full, machine)?);
    let mut given_up = Vec::new();
    for name in aside {
        // What is as the new tree has it, or was removed, is nobody's loss.
        if machine.stat(&below(old, &name)?)?.is_some() && !new.1.has(&name, old, machine)? {
            given_up.push(name);
        }
    }
    set_aside(machine, old, &given_up, progress)
}

/// Moves aside what people added to a tree that is about to be removed.
pub(super) fn save(machine: &Machine, tree: &TargetPath, progress: &dyn Progress) -> Result<(), OpError> {
    let Some(before) = Inventory::read(tree, machine)? else { return Ok(()) };
    set_aside(machine, tree, &before.foreign(tree, machine)?, progress)
}

/// Gives a file of the old tree the same name in the new one; `false` where something else has that name.
fn bring(machine: &Machine, old: &TargetPath, new: &TargetPath, name: &str) -> Result<bool, OpError> {
    let files = &machine.files;
    let (from, to) = (below(old, name)?, below(new, name)?);
    let folders: Vec<&str> = name.match_indices('/').map(|(at, _)| &name[..at]).collect();
    for folder in folders {
        let (there, here) = (files.stat(&below(new, folder)?)?, files.stat(&below(old, folder)?)?);
        match (there.map(|stat| stat.kind), here) {
            (Some(FileKind::Directory), _) => {}
            (None, Some(stat)) => {
                files.make_directories(&below(new, folder)?, nix::sys::stat::Mode::from_bits_truncate(0o755))?;
                files.set_meta(&below(new, folder)?, stat.mode, (stat.uid, stat.gid))?;
            }
            (Some(_) | None, _) => return Ok(false),
        }
    }
    if files.stat(&to)?.is_some() {
        return Ok(false);
    }
    files.hard_link(&from, &to)?;
    Ok(true)
}

fn set_aside(machine: &Machine, tree: &TargetPath, names: &[String], progress: &dyn Progress) -> Result<(), OpError> {
    if names.is_empty() {
        return Ok(());
    }
    let aside = machine.next_aside()?;
    for name in names {
        let at = below(tree, name)?;
        machine.files.move_tree(&at, &below(&aside, at.relative())?)?;
    }
    let some = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(NAMED);
    let others = if more == 0 { String::new() } else { format!(" and {more} more") };
    progress.line(&format!("moved aside, to {aside}{tree}: {some}{others}"));
    Ok(())
}
