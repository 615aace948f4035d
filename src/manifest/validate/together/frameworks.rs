//! What the environments bring: frameworks, and the CUDA that they are built for, as far as their requirements say.

use super::version;
use crate::problem::Place;
use crate::recipe::table::{TENSORFLOWS, TORCHES, Version};

/// A framework of an environment.
#[derive(Debug, Clone)]
pub struct Framework {
    /// As the manifest has it: `torch==2.5.1+cu124`.
    pub said: String,
    /// What it is.
    pub kind: Kind,
    /// The CUDA that it is built for.
    pub cuda: (u32, u32),
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

const NAMED: &str = "its name says so";

/// The framework that a requirement (pip's or conda's) names, if it is one of which something is known.
pub fn framework(said: &str, place: &Place) -> Option<Framework> {
    let compact: String = said.chars().filter(|c| !c.is_whitespace()).collect();
    let end = compact.find(['=', '<', '>', '!', '~', '[', ';', '@']).unwrap_or(compact.len());
    let (name, rest) = compact.split_at(end);
    let name = name.to_ascii_lowercase().replace('_', "-");
    let of = |kind, cuda, source| Some(Framework { said: said.to_owned(), kind, cuda, source, place: place.clone() });
    let exact = rest.rsplit_once("==").or_else(|| rest.split_once('=')).map_or("", |(_, version)| version);
    match name.as_str() {
        "torch" | "torchvision" | "torchaudio" if exact.contains("+cu") => of(Kind::Torch, suffix(exact)?, NAMED),
        "torch" => {
            let release = version(exact)?;
            let (_, cuda, source) = TORCHES.iter().find(|(of, ..)| of[..2] == release[..2])?;
            of(Kind::Torch, *cuda, source)
        }
        "tensorflow" => {
            let release: Version = version(exact)?;
            let (_, cuda, cudnn, source) = TENSORFLOWS.iter().find(|(of, ..)| of[..2] == release[..2])?;
            of(if rest.contains("[and-cuda]") { Kind::Whole } else { Kind::Tensorflow(*cudnn) }, *cuda, source)
        }
        "pytorch-cuda" | "cuda-version" | "cudatoolkit" => {
            let [major, minor, _] = version(exact.trim_end_matches(".*"))?;
            of(Kind::Whole, (major, minor), NAMED)
        }
        "pytorch" => of(Kind::Torch, digits(rest.split_once("cuda")?.1)?, NAMED),
        "jax" => of(Kind::Whole, major_of(rest.strip_prefix("[cuda")?)?, NAMED),
        _ => match name.strip_prefix("cupy-cuda") {
            Some(major) => of(Kind::Cupy, major_of(major)?, NAMED),
            None => None,
        },
    }
}

/// `cu124` of `2.5.1+cu124`.
fn suffix(text: &str) -> Option<(u32, u32)> {
    digits(text.split_once("+cu")?.1)
}

/// `12.4` of `124`, whatever follows.
fn digits(text: &str) -> Option<(u32, u32)> {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    let (major, minor) = digits.split_at_checked(2)?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// `12` of `12x` and of `12]`.
fn major_of(text: &str) -> Option<(u32, u32)> {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    Some((digits.get(..2)?.parse().ok()?, 0))
}
