//! What the environments bring: frameworks, and the CUDA that they are built for, as far as their requirements say.
//!
//! A requirement that leaves a choice is built for one of several releases of CUDA, and is judged by all of them together.

use super::version;
use crate::problem::Place;
use crate::recipe::table::{SHIPPED, TENSORFLOWS, TORCHES, Version};
use pep440_rs::{Operator, Version as Release, VersionSpecifiers};
use std::fmt::Write;
use std::str::FromStr;

/// A release of CUDA.
pub type CudaRelease = (u32, u32);

/// A framework of an environment.
#[derive(Debug, Clone)]
pub struct Framework {
    /// As the manifest has it: `torch==2.5.1+cu124`.
    pub said: String,
    /// Its name, in small letters.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The releases of CUDA that it may be built for, oldest first.
    pub cudas: Vec<CudaRelease>,
    /// Whether it is one of these for sure.
    pub choice: Choice,
    /// Who says so, where a table does.
    pub source: &'static str,
    /// Where it stands.
    pub place: Place,
}

/// What a framework takes of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It brings its CUDA along.
    Whole,
    /// `PyTorch`, which does so too, but for extensions that are compiled.
    Torch,
    /// It takes CUDA of the machine.
    Cupy,
    /// It takes CUDA, and cuDNN of this major release, of the machine.
    Tensorflow(u32),
}

/// Whether a requirement leaves a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// It names one thing.
    Pinned,
    /// Releases that nobody here knows yet may satisfy it as well.
    Open,
}

const NAMED: &str = "its name says so";

/// Patch levels of a line of releases that are tried against a requirement; none of the frameworks had more.
const PATCHES: u64 = 9;

impl Framework {
    /// The oldest CUDA that it may be built for.
    pub fn oldest(&self) -> CudaRelease {
        self.cudas.first().copied().unwrap_or_default()
    }

    /// The newest.
    pub fn newest(&self) -> CudaRelease {
        self.cudas.last().copied().unwrap_or_default()
    }

    /// `CUDA 12.4`, `CUDA 12`, or `CUDA 12.4 to 12.8`.
    pub fn cuda(&self) -> String {
        let ((major, minor), (newest, last)) = (self.oldest(), self.newest());
        let mut text = format!("CUDA {major}");
        // Where only the major release is named, its minor ones say nothing.
        if self.cudas.len() == 1 || self.choice == Choice::Open {
            let _ = write!(text, ".{minor}");
        }
        if self.cudas.len() > 1 && self.choice == Choice::Open {
            let _ = write!(text, " to {newest}.{last}");
        }
        text
    }

    /// The requirement nearest to this one that is built for a CUDA which fits.
    pub fn instead(&self, fits: impl Fn(CudaRelease) -> bool) -> Option<String> {
        let line = |name: &str, [major, minor, _]: Version| format!("{name}=={major}.{minor}.*");
        let named = || SHIPPED.iter().map(|row| row.of).filter(|cuda| fits(*cuda)).max();
        match (self.kind, self.name.as_str()) {
            (Kind::Torch, "torch") => TORCHES.iter().rev().find(|(_, cuda, _)| fits(*cuda)).map(|(release, ..)| line("torch", *release)),
            (_, "tensorflow") => {
                let row = TENSORFLOWS.iter().rev().find(|(release, cuda, ..)| *release >= WITH_CUDA && fits(*cuda));
                row.map(|(release, ..)| line("tensorflow[and-cuda]", *release))
            }
            (_, "jax") => named().filter(|(major, _)| *major >= FIRST_OF_JAX).map(|(major, _)| format!("jax[cuda{major}]")),
            (Kind::Cupy, _) => named().map(|(major, _)| format!("cupy-cuda{major}x")),
            (Kind::Whole, name) => named().map(|(major, minor)| format!("{name}={major}.{minor}")),
            _ => None,
        }
    }
}

/// The first release of `TensorFlow` that has the extra `and-cuda`.
const WITH_CUDA: Version = [2, 14, 0];
/// The first CUDA for which JAX has an extra without a list of files beside the index.
const FIRST_OF_JAX: u32 = 12;

/// A requirement's parts: of `jax[cuda12]>=0.4; …` these are `jax`, `cuda12` and `>=0.4`.
struct Parts<'a> {
    name: String,
    extras: &'a str,
    versions: String,
    /// Whether it holds for some machines only.
    is_marked: bool,
}

fn parts(said: &str) -> Parts<'_> {
    let bare = said.split(" --").next().unwrap_or_default();
    let (bare, marker) = bare.split_once(';').unwrap_or((bare, ""));
    // A channel stands before two colons.
    let bare = bare.rsplit("::").next().unwrap_or_default().trim();
    let end = bare.find(|c: char| c.is_whitespace() || "=<>!~[@(".contains(c)).unwrap_or(bare.len());
    let (name, rest) = bare.split_at(end);
    let rest = rest.trim();
    let (extras, rest) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')).unwrap_or(("", rest));
    let rest = rest.trim().trim_start_matches('(').trim_end_matches(')').to_owned();
    Parts { name: name.to_ascii_lowercase().replace('_', "-"), extras, versions: rest, is_marked: !marker.trim().is_empty() }
}

/// The framework that a requirement (pip's or conda's) names, if it is one of which something is known.
pub fn framework(said: &str, place: &Place) -> Option<Framework> {
    let parts = parts(said);
    let (kind, cudas, choice, source) = built(&parts)?;
    let choice = if parts.is_marked { Choice::Open } else { choice };
    let (said, name, place) = (said.split(" --").next().unwrap_or_default().to_owned(), parts.name, place.clone());
    (!cudas.is_empty()).then_some(Framework { said, name, kind, cudas, choice, source, place })
}

type Built = (Kind, Vec<CudaRelease>, Choice, &'static str);

fn built(parts: &Parts<'_>) -> Option<Built> {
    let versions = parts.versions.as_str();
    let pinned = |kind, cudas| Some((kind, cudas, Choice::Pinned, NAMED));
    match parts.name.as_str() {
        // The build is part of the version: one for CUDA says for which; others (`+cpu`, `+rocm6.2`) have none.
        "torch" | "torchvision" | "torchaudio" if versions.contains('+') => {
            pinned(Kind::Torch, vec![digits(versions.strip_prefix("==")?.split_once("+cu")?.1)?])
        }
        "torch" => {
            let (rows, choice) = of_range(versions, &TORCHES, |row| row.0)?;
            Some((Kind::Torch, sorted(rows.iter().map(|row| row.1)), choice, rows.first()?.2))
        }
        "tensorflow" => {
            let (rows, choice) = of_range(versions, &TENSORFLOWS, |row| row.0)?;
            // A choice of several may be built for several releases of cuDNN: only a pin is judged.
            let cudnn = rows.first().filter(|_| parts.extras.contains("and-cuda") || choice == Choice::Pinned)?.2;
            let kind = if parts.extras.contains("and-cuda") { Kind::Whole } else { Kind::Tensorflow(cudnn) };
            Some((kind, sorted(rows.iter().map(|row| row.1)), choice, rows.first()?.3))
        }
        "pytorch-cuda" | "cuda-version" | "cudatoolkit" => of_conda(versions),
        "pytorch" => pinned(Kind::Torch, vec![digits(versions.split_once("cuda")?.1)?]),
        "jax" => pinned(Kind::Whole, major(parts.extras.split(',').find_map(|extra| extra.trim().strip_prefix("cuda"))?)),
        name => pinned(Kind::Cupy, major(name.strip_prefix("cupy-cuda")?)),
    }
}

/// The rows whose releases satisfy a requirement.
fn of_range<'t, R>(versions: &str, rows: &'t [R], release: impl Fn(&R) -> Version) -> Option<(Vec<&'t R>, Choice)> {
    let asked = VersionSpecifiers::from_str(versions).ok()?;
    let satisfies = |row: &&R| {
        let [major, minor, _] = release(row).map(u64::from);
        (0..=PATCHES).any(|patch| asked.contains(&Release::new([major, minor, patch])))
    };
    let is_pin = asked.iter().any(|one| matches!(one.operator(), Operator::Equal | Operator::ExactEqual));
    Some((rows.iter().filter(satisfies).collect(), if is_pin { Choice::Pinned } else { Choice::Open }))
}

/// What a package of conda that is numbered as CUDA says: `=12.4`, `12.4.*`, `>=12,<13`.
fn of_conda(versions: &str) -> Option<Built> {
    let one = versions.trim_start_matches('=').trim();
    if let Some(exact) = one.strip_suffix(".*").or(Some(one)).filter(|_| one.starts_with(|c: char| c.is_ascii_digit())) {
        let exact = exact.split(['=', ' ']).next().unwrap_or_default();
        // A major release alone is any of its releases.
        let cudas = if exact.contains('.') { version(exact).map(|[major, minor, _]| vec![(major, minor)])? } else { major(exact) };
        return Some((Kind::Whole, cudas, Choice::Pinned, NAMED));
    }
    let asked = VersionSpecifiers::from_str(versions).ok()?;
    let satisfies = |(major, minor): &CudaRelease| asked.contains(&Release::new([u64::from(*major), u64::from(*minor)]));
    Some((Kind::Whole, sorted(SHIPPED.iter().map(|row| row.of).filter(satisfies)), Choice::Open, NAMED))
}

fn sorted(cudas: impl Iterator<Item = CudaRelease>) -> Vec<CudaRelease> {
    let mut cudas: Vec<_> = cudas.collect();
    cudas.sort_unstable();
    cudas.dedup();
    cudas
}

/// `12.4` of `124`, whatever follows.
fn digits(text: &str) -> Option<CudaRelease> {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    let (major, minor) = digits.split_at_checked(2)?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The releases of the major one that a text begins with: `12x`.
fn major(text: &str) -> Vec<CudaRelease> {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    let wanted = digits.parse().unwrap_or(0);
    sorted(SHIPPED.iter().map(|row| row.of).filter(|(major, _)| *major == wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(said: &str) -> String {
        framework(said, &Place { file: "m".into(), line: 1, column: 1, width: 1 })
            .map_or_else(String::new, |one| format!("{} {:?}", one.cuda(), one.choice))
    }

    #[test]
    fn requirements_say_what_they_are_built_for() {
        for (said, cuda) in [
            ("torch==2.5.1+cu124", "CUDA 12.4 Pinned"),
            ("torch == 2.5.1 --hash=sha256:00", "CUDA 12.4 Pinned"),
            ("torch==2.4.0+cpu", ""),
            ("torch==2.4.0+rocm6.1", ""),
            ("torch>=2.5", "CUDA 12.4 to 12.8 Open"),
            ("torch!=2.5.1", "CUDA 11.7 to 12.8 Open"),
            ("torch==2.5.1; platform_machine == \"x86_64\"", "CUDA 12.4 Open"),
            ("jax[cuda12,k8s]>=0.4", "CUDA 12 Pinned"),
            ("cupy-cuda11x", "CUDA 11 Pinned"),
            ("nvidia::pytorch-cuda=12.4", "CUDA 12.4 Pinned"),
            ("cuda-version 12.4.*", "CUDA 12.4 Pinned"),
            ("cuda-version=12", "CUDA 12 Pinned"),
            ("cuda-version>=12.4,<13", "CUDA 12.4 to 12.9 Open"),
            ("pytorch=2.5.1=*cuda126*", "CUDA 12.6 Pinned"),
            ("tensorflow[and-cuda]==2.18.0", "CUDA 12.5 Pinned"),
            ("numpy==2.0", ""),
        ] {
            assert_eq!(known(said), cuda, "{said}");
        }
    }
}
