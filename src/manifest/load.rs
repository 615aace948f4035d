//! From texts to a validated machine, or to everything that is wrong with them.

use super::composed::named_items;
use super::de;
use super::disposition::{self, Field};
use super::files::{Files, Kept};
use super::findings::{Findings, is_setting_of_nothing};
use super::include::{Document, Texts, assemble};
use super::limits::{MOST_COUNTED, MOST_PROBLEMS, cut, is_cut};
use super::machine::{Machine, Places};
use super::node::Node;
use super::path;
use super::reading::Reading;
use super::said;
use super::schema::{required, schema};
use super::source::{Rejected, Sheets};
use super::v1;
use super::validate::{self, Desk};
use crate::model::{ComputeName, Facts};
use crate::problem::{Code, Place, Problem, Sources};
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::PathBuf;

/// A manifest, read with everything that it includes. It becomes a [`Machine`] on a machine.
pub struct Manifest {
    /// Its name, where it gives one on every kind of machine.
    pub name: Option<ComputeName>,
    /// What is worth saying of it and no reason to refuse it.
    pub warnings: Vec<Problem>,
    file: String,
    texts: Texts,
    /// What is wrong with its texts on any machine.
    problems: Vec<Problem>,
    files: Kept,
    sources: Sources,
    /// The document and the machine, where they are the same everywhere.
    settled: Option<(Node, Machine)>,
}

impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manifest").field("file", &self.file).finish_non_exhaustive()
    }
}

/// What contradicts itself in a machine, as later rooms see it.
pub type Further<'f> = &'f dyn Fn(&Machine, &Facts) -> Vec<Problem>;

/// Reads a manifest, and checks it for every kind of machine that it tells apart. With what differs on one machine it is checked on that
/// one alone, by [`Manifest::on`].
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load(sheets: &Sheets, files: impl Files + 'static) -> Result<Manifest, Rejected> {
    load_and(sheets, files, &|_, _| Vec::new())
}

/// The same; where something is wrong, `further` tells what else is, as far as the manifest can be read.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load_and(sheets: &Sheets, files: impl Files + 'static, further: Further<'_>) -> Result<Manifest, Rejected> {
    let (files, mut sources) = (Kept::new(files), Sources::default());
    let (texts, problems) = match assemble(sheets, &files, &mut sources) {
        Ok(read) => read,
        Err(problem) => return Err(rejected(vec![problem], sources)),
    };
    let file = sheets.manifest.name.clone();
    let manifest = Manifest { name: None, warnings: Vec::new(), file, texts, problems, files, sources, settled: None };
    if sheets.machine.is_none() { manifest.everywhere(further) } else { Ok(manifest) }
}

impl Manifest {
    /// The machine that this describes on a machine.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn on(&self, facts: &Facts) -> Result<Machine, Rejected> {
        if let Some((_, machine)) = &self.settled {
            return Ok(machine.clone());
        }
        let mut sources = self.sources.clone();
        let (_, machine, problems) = self.on_one(facts, &mut sources);
        machine.filter(|_| problems.is_empty()).ok_or_else(|| rejected(problems, sources))
    }

    /// The same, and the texts to show what is found wrong later; all else that was read is let go.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn into_machine(self, facts: &Facts) -> Result<(Machine, Sources), Rejected> {
        if let Some((_, machine)) = self.settled {
            return Ok((machine, self.sources));
        }
        let machine = self.on(facts)?;
        Ok((machine, self.sources))
    }

    /// The same, checked on one machine, of which its name and fields are.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn settled(mut self, facts: &Facts) -> Result<Self, Rejected> {
        if self.settled.is_some() {
            return Ok(self);
        }
        let mut sources = std::mem::take(&mut self.sources);
        let (root, machine, problems) = self.on_one(facts, &mut sources);
        self.settled = root.zip(machine).filter(|_| problems.is_empty());
        let Some((_, machine)) = &self.settled else { return Err(rejected(problems, sources)) };
        (self.name, self.warnings, self.sources) = (machine.name.clone(), machine.warnings.clone(), sources);
        Ok(self)
    }

    fn on_one(&self, facts: &Facts, sources: &mut Sources) -> (Option<Node>, Option<Machine>, Vec<Problem>) {
        let (root, machine, mut found) = self.read(self.texts.document(facts), sources);
        let machine = machine.map(|(machine, _)| machine);
        found.retain(|problem| !is_setting_of_nothing(problem) || !self.is_elsewhere(problem));
        (root, machine, [self.problems.clone(), found].concat())
    }

    /// Every field that it holds on a machine of some kind, with what becomes of it.
    #[must_use]
    pub fn fields(&self) -> Vec<Field> {
        if let Some((root, _)) = &self.settled {
            return disposition::fields(root, schema());
        }
        let mut seen = HashSet::new();
        let of_kind = |facts: &Facts| {
            let mut root = self.texts.document(facts).root?;
            said::take_all(&mut root, &mut Vec::new());
            Some(disposition::fields(&root, schema()))
        };
        let all = self.kinds().iter().filter_map(of_kind).flatten().collect::<Vec<_>>();
        all.into_iter().filter(|field| seen.insert(field.path.clone())).collect()
    }

    /// The files that were read for it, by their paths.
    #[must_use]
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        self.files.read_so_far()
    }

    /// Whether what a setting misses is there on other machines: then it says nothing on this one.
    fn is_elsewhere(&self, problem: &Problem) -> bool {
        let misses = |facts: &Facts| {
            let problems = self.texts.document(facts).problems;
            problems.iter().any(|other| is_setting_of_nothing(other) && other.place == problem.place)
        };
        !self.kinds().iter().all(misses)
    }

    /// A machine of each kind that it tells apart.
    #[must_use]
    pub fn kinds(&self) -> Vec<Facts> {
        self.texts.conditions.kinds()
    }

    /// What was found wrong on machines of its kinds, each problem once, with the machine where that matters.
    #[must_use]
    pub fn told(&self, found: Vec<(&Facts, Vec<Problem>)>) -> Vec<Problem> {
        let mut findings = Findings::default();
        for (facts, problems) in found {
            findings.add(problems, facts);
        }
        findings.told(&self.texts.conditions, self.kinds().len())
    }

    /// The texts to show its problems in.
    #[must_use]
    pub const fn sources(&self) -> &Sources {
        &self.sources
    }

    /// What a document comes to: it, without what is no field; its machine, and where what could not be read stands; what is wrong.
    fn read(&self, document: Document, sources: &mut Sources) -> (Option<Node>, Option<(Machine, Broken)>, Vec<Problem>) {
        let Document { root, mut problems, hidden } = document;
        for place in &hidden {
            sources.hide(place);
        }
        let Some(mut root) = root else { return (None, None, problems) };
        let said = said::take_all(&mut root, &mut problems);
        named_items(&mut root, &mut problems);
        let (manifest, reading) = de::read::<v1::Manifest>(&root, path::Document::Manifest, &required);
        let patchy = reading.patchy(&root);
        // Without its owner nobody knows where `~` is.
        let broken = if patchy.iter().any(|section| section == "user") { None } else { Some(reading.broken(&root)) };
        let Reading { problems: found, hidden, .. } = reading;
        for place in &hidden {
            sources.hide(place);
        }
        problems.extend(found);
        let desk = Desk::new(&self.file, &self.files, &mut problems, sources, patchy);
        let machine = manifest.map(|manifest| validate::validate(&manifest, desk));
        if let Some(machine) = machine.as_ref().filter(|_| problems.is_empty()) {
            problems.extend(said::idle(&said.requires, &machine.wants));
        }
        let place = |machine| Machine { requires: said.requires, policies: said.policies, places: Places(said.places), ..machine };
        (Some(root), machine.map(place).map(|machine| (machine, broken)), problems)
    }

    /// Checks it on every kind of machine that it tells apart.
    fn everywhere(mut self, further: Further<'_>) -> Result<Self, Rejected> {
        let kinds = self.texts.conditions.kinds();
        let mut sources = std::mem::take(&mut self.sources);
        let (mut found, mut read) = (Vec::new(), Vec::new());
        for facts in &kinds {
            let document = if self.texts.conditions.is_empty() { self.texts.take_document() } else { self.texts.document(facts) };
            let (root, machine, mut problems) = self.read(document, &mut sources);
            if let Some((machine, broken)) = machine.as_ref().filter(|_| !problems.is_empty()) {
                let more = further(machine, facts).into_iter().filter(|problem| is_new(problem, &problems, broken));
                problems.extend(more.collect::<Vec<_>>());
            }
            read.extend(root.zip(machine.map(|(machine, _)| machine)));
            found.push((facts, problems));
        }
        let problems = [std::mem::take(&mut self.problems), self.told(found)].concat();
        if !problems.is_empty() {
            return Err(rejected(problems, sources));
        }
        self.sources = sources;
        self.name = read.first().and_then(|(_, machine)| machine.name.clone());
        let warned = kinds.iter().zip(read.iter().map(|(_, machine)| machine.warnings.clone())).collect();
        self.warnings = self.told(warned);
        self.settled = read.pop().filter(|_| self.texts.conditions.is_empty());
        Ok(self)
    }
}

/// Where parts of a manifest stand that could not be read; `None` where that leaves nothing to be said of the rest.
type Broken = Option<HashSet<Place>>;

/// Whether a problem follows from nothing that is known to be wrong.
fn is_new(problem: &Problem, known: &[Problem], broken: &Broken) -> bool {
    let Some(broken) = broken else { return false };
    let said = |place: &Place| known.iter().any(|known| known.place.as_ref() == Some(place) || known.earlier.as_ref() == Some(place));
    !problem.place.iter().chain(&problem.earlier).any(|place| broken.contains(place) || said(place))
}

fn rejected(mut problems: Vec<Problem>, sources: Sources) -> Rejected {
    let was_cut = problems.iter().any(is_cut);
    problems.retain(|problem| !is_cut(problem));
    let found = problems.len();
    problems.truncate(MOST_PROBLEMS);
    if was_cut || found >= MOST_COUNTED {
        problems.push(cut());
    } else if found > MOST_PROBLEMS {
        problems.push(Problem::general(Code::TooLarge, format!("these are the first {MOST_PROBLEMS} of {found} problems")));
    }
    Rejected { problems, sources }
}
