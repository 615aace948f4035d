//! What apply would fail at and looking shows already: said by the plan, with what to do.

use crate::graph::{Graph, Node};
use crate::model::TargetPath;
use crate::plan::{Plan, Planned};
use crate::step::{FileKind, Op, Proof, Step};
use crate::target::{Probe, ProbeError};
use std::collections::{BTreeMap, BTreeSet};

/// A program that a step cannot do without, and the package that brings it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Tool {
    paths: &'static [&'static str],
    name: &'static str,
    package: &'static str,
}

const SYSTEMCTL: Tool = Tool { paths: &["/usr/bin/systemctl", "/bin/systemctl"], name: "systemd", package: "systemd-sysv" };
const SUDO: Tool = Tool { paths: &["/usr/bin/sudo", "/bin/sudo"], name: "sudo", package: "sudo" };

/// Makes problems of units where there is no systemd and nothing that is about to happen may bring it, and of paths below a file. Rules for a
/// sudo that is not there are written, for it may come; the plan says that it has not.
pub(super) fn obstacles(plan: &mut Plan, graph: &Graph, on: &dyn Probe) -> Result<(), ProbeError> {
    let mut looked = Looked { on, below: BTreeMap::new(), tools: BTreeMap::new() };
    let packages_come = plan.steps().any(|step| matches!(step.op, Op::AptInstall { .. }));
    // What stands in the way may be about to give way.
    let changing: BTreeSet<TargetPath> = plan
        .resources
        .iter()
        .zip(&graph.nodes)
        .filter(|(planned, _)| !planned.steps.is_empty())
        .filter_map(|(_, node)| TargetPath::parse(node.spec.place()?).ok())
        .collect();
    for (planned, node) in plan.resources.iter_mut().zip(&graph.nodes).filter(|(planned, _)| !planned.steps.is_empty()) {
        let lacks = if packages_come { None } else { looked.lacks(&mut planned.steps)? };
        let problem = match lacks {
            Some(lacks) => Some(lacks),
            None => looked.in_the_way(node, &changing)?,
        };
        if problem.is_some() {
            *planned = Planned { steps: Vec::new(), problem, ..planned.clone() };
        }
    }
    Ok(())
}

/// What was looked at, each once.
struct Looked<'a> {
    on: &'a dyn Probe,
    below: BTreeMap<TargetPath, Option<TargetPath>>,
    tools: BTreeMap<Tool, bool>,
}

impl Looked<'_> {
    /// The first step that cannot be made for want of a program, in words; a word in those that can and do nothing without one.
    fn lacks(&mut self, steps: &mut [Step]) -> Result<Option<String>, ProbeError> {
        for step in steps {
            let is_rule = matches!(&step.op, Op::WriteFile { proof: Some(Proof::Sudoers), .. });
            let tool = if is_rule { SUDO } else { SYSTEMCTL };
            if !is_rule && !matches!(step.op, Op::Unit { .. }) || self.has(tool)? {
                continue;
            }
            let lack = format!("there is no {} on this machine; add `{}` to `packages.install`", tool.name, tool.package);
            if !is_rule {
                return Ok(Some(format!("cannot {}: {lack}", step.op.summary())));
            }
            step.why = format!("{}; {lack}", step.why);
        }
        Ok(None)
    }

    fn has(&mut self, tool: Tool) -> Result<bool, ProbeError> {
        if let Some(known) = self.tools.get(&tool) {
            return Ok(*known);
        }
        let mut found = false;
        for path in tool.paths {
            let path = TargetPath::parse(path).map_err(|e| ProbeError::new("use a path", e))?;
            found = found || self.on.stat(&path)?.is_some();
        }
        self.tools.insert(tool, found);
        Ok(found)
    }

    /// That something lies below a file that stays, in words.
    fn in_the_way(&mut self, node: &Node, changing: &BTreeSet<TargetPath>) -> Result<Option<String>, ProbeError> {
        let Some((path, above)) = node.spec.path().and_then(|path| Some((path, path.parent()?))) else { return Ok(None) };
        if !self.below.contains_key(&above) {
            self.below.insert(above.clone(), file_among(&above, self.on)?);
        }
        let file = self.below.get(&above).cloned().flatten();
        let file = file.filter(|file| !changing.contains(file));
        Ok(file.map(|file| {
            format!("cannot make {path}: {file} is a file on this machine, and no directory; name another path, or move it away")
        }))
    }
}

/// The file, if any, that stands where a directory is needed.
fn file_among(folder: &TargetPath, on: &dyn Probe) -> Result<Option<TargetPath>, ProbeError> {
    for at in std::iter::once(folder.clone()).chain(folder.ancestors()) {
        match on.stat(&at) {
            Ok(None) => {}
            Ok(Some(stat)) => return Ok(matches!(stat.kind, FileKind::File | FileKind::Other).then_some(at)),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}
