//! Image definitions (`images/*.yaml`): what an image is made of, read through the same door and with the same care as manifests.

use super::at::At;
use super::de;
use super::other;
use super::parse::{Parsed, Tally, parse};
use super::path::Document;
use super::reading::Reading;
use super::schema::required_in;
use super::source::{Rejected, Source};
use super::v1::{Console, ImageName, Size, SourcePath};
use crate::model::ByteSize;
use crate::problem::{Code, Place, Problem, Sources};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// An image, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageDefinition {
    /// Its name, which its files bear.
    pub name: String,
    /// What it starts from.
    pub base: ImageBase,
    /// The manifest that is applied to it.
    pub manifest: PathBuf,
    /// The serial console.
    pub console: String,
    /// The size of its disk, a whole number of mebibytes.
    pub size: ByteSize,
    /// What it is written as.
    pub outputs: Vec<ImageFormat>,
}

/// What an image starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageBase {
    /// A minimal system made of the distribution's packages.
    Debian(Release),
    /// An archive of a root file system of such a distribution.
    Rootfs(PathBuf),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Sheet {
    schema: At<u32>,
    name: ImageName,
    base: At<Base>,
    manifest: At<SourcePath>,
    #[serde(default)]
    boot: Boot,
    disk: Disk,
    outputs: At<Vec<At<ImageFormat>>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Base {
    distribution: Option<Distribution>,
    release: Option<Release>,
    rootfs: Option<At<SourcePath>>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Distribution {
    Debian,
}

/// A release of Debian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Release {
    /// Debian 12.
    Bookworm,
}

impl Release {
    /// Its name among the suites of the archive.
    #[must_use]
    pub const fn codename(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
        }
    }
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Boot {
    #[serde(rename = "firmware")]
    _firmware: Option<Firmware>,
    console: Option<Console>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Firmware {
    Uefi,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Disk {
    size: At<Size>,
    #[serde(rename = "filesystem")]
    _filesystem: Option<FileSystem>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum FileSystem {
    Ext4,
}

/// What an image is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageFormat {
    /// The disk itself, byte for byte.
    Raw,
    /// QEMU's format.
    Qcow2,
    /// A fixed VHD, as Azure takes it.
    Vhd,
}

/// The format of definitions that this program reads.
const FORMAT: u32 = 1;
/// The serial console where the definition names none: that of QEMU and Azure.
const CONSOLE: &str = "ttyS0";
/// The grain of a disk's size, which Azure asks for.
const GRAIN: u64 = 1 << 20;
/// The smallest disk that holds a kernel, its boot partition and a minimal system.
const SMALLEST: ByteSize = ByteSize(2 << 30);

/// Reads an image definition.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn load_image(source: &Source) -> Result<ImageDefinition, Rejected> {
    let mut sources = Sources::default();
    sources.add(&source.name, source.text.clone());
    let Parsed { root, mut problems } = parse(&source.name, &source.text, &mut Tally::default());
    let Some(root) = root else {
        if problems.is_empty() {
            problems
                .push(Problem::general(Code::MissingKey, format!("{} is empty", source.name)).suggest("docs/images.md shows a first one"));
        }
        return Err(Rejected { problems, sources });
    };
    if let Some(problem) = other::than_image(&root) {
        return Err(Rejected { problems: vec![problem], sources });
    }
    let schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<Sheet>().to_value();
    let required = |holder: &str| required_in(&schema, "Sheet", holder);
    let (sheet, reading) = de::read::<Sheet>(&root, Document::Image, &required);
    let Reading { problems: found, .. } = reading;
    problems.extend(found);
    let definition = sheet.and_then(|sheet| definition(&sheet, &mut problems));
    match definition {
        Some(definition) if problems.is_empty() => Ok(definition),
        _ => Err(Rejected { problems, sources }),
    }
}

/// A path of the definition, which is relative to it.
fn beside(path: &At<SourcePath>) -> PathBuf {
    Path::new(&*path.place.file).parent().unwrap_or(Path::new("")).join(path.value.as_str())
}

fn definition(sheet: &Sheet, problems: &mut Vec<Problem>) -> Option<ImageDefinition> {
    let mut say = |code, place: &Place, message: String, help: &str| problems.push(Problem::at(code, place, message).suggest(help));
    if sheet.schema.value != FORMAT {
        let message = format!("this version reads format {FORMAT}, not {}", sheet.schema.value);
        say(Code::BadValue, &sheet.schema.place, message, "use a newer Fitout");
    }
    let size = sheet.disk.size.value.0;
    if !size.0.is_multiple_of(GRAIN) || size < SMALLEST {
        let message = format!("a disk of {} bytes is not a whole number of MiB, at least {}", size.0, SMALLEST.0 / GRAIN);
        say(Code::BadValue, &sheet.disk.size.place, message, "write the size with `GiB` or `MiB`, such as 8GiB");
    }
    if sheet.outputs.value.is_empty() {
        say(Code::BadValue, &sheet.outputs.place, "an image without outputs is not made".into(), "name one of raw, qcow2, vhd");
    }
    let mut outputs: Vec<ImageFormat> = Vec::new();
    for output in &sheet.outputs.value {
        if outputs.contains(&output.value) {
            say(Code::Conflict, &output.place, "this output is there twice".into(), "remove one");
        } else {
            outputs.push(output.value);
        }
    }
    let base = match &sheet.base.value {
        Base { distribution: Some(Distribution::Debian), release: Some(release), rootfs: None } => Some(ImageBase::Debian(*release)),
        Base { distribution: None, release: None, rootfs: Some(path) } => Some(ImageBase::Rootfs(beside(path))),
        _ => {
            let help = "write {distribution: debian, release: bookworm} or {rootfs: FILE.tar}";
            say(Code::Conflict, &sheet.base.place, "a base is a distribution with its release, or a rootfs".into(), help);
            None
        }
    };
    Some(ImageDefinition {
        name: sheet.name.as_str().to_owned(),
        base: base?,
        manifest: beside(&sheet.manifest),
        console: sheet.boot.console.as_ref().map_or(CONSOLE, Console::as_str).to_owned(),
        size,
        outputs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ImageDefinition, String> {
        load_image(&Source { name: "images/x.yaml".into(), text: text.into() }).map_err(|rejected| rejected.to_string())
    }

    #[test]
    fn reads_a_definition() {
        let text = "schema: 1\nname: debian-12-ml\nbase: {distribution: debian, release: bookworm}\nmanifest: ../manifests/m.yaml\n\
            boot: {firmware: uefi, console: ttyS1}\ndisk: {size: 8GiB, filesystem: ext4}\noutputs: [raw, vhd]\n";
        let definition = read(text).unwrap();
        assert_eq!(definition.manifest, Path::new("images/../manifests/m.yaml"));
        assert_eq!((definition.console.as_str(), definition.size.0), ("ttyS1", 8 << 30));
        assert_eq!(definition.outputs, [ImageFormat::Raw, ImageFormat::Vhd]);
    }

    #[test]
    fn shipped_definitions_are_valid() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("images");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let source = Source { name: path.display().to_string(), text: std::fs::read_to_string(&path).unwrap().into() };
            let definition = load_image(&source).unwrap_or_else(|rejected| panic!("{rejected}"));
            assert!(definition.manifest.is_file(), "{}", definition.manifest.display());
        }
    }

    #[test]
    fn says_all_that_is_wrong() {
        let text = "schema: 2\nname: x\nbase: {distribution: debian}\nmanifest: m.yaml\ndisk: {size: 3GB}\noutputs: [raw, raw]\n";
        insta::assert_snapshot!(read(text).unwrap_err());
        let text = "schema: 1\nname: Big Image\nbase: {rootfs: x.tar, oci: y}\ndisk: {size: 8}\noutputs: [vmdk]\n";
        insta::assert_snapshot!(read(text).unwrap_err());
        let text = "schema: 1\nname: lab\npackages: {install: [git]}\n";
        insta::assert_snapshot!(read(text).unwrap_err());
    }
}
