//! Whether the GPU stack works together: driver, toolkits, cuDNN, NCCL, compilers, architecture, frameworks; judged by one table before
//! anything is fetched.
//!
//! Below a hard minimum is a problem; between the minimum and what a release was made with is a warning. Each names its rule, its source
//! and the nearest change of the manifest that mends it.

mod frameworks;

use super::desk::Desk;
use super::environments::LONGEST_ENVIRONMENT;
use crate::manifest::at::At;
use crate::manifest::node::{Node, Value};
use crate::manifest::parse::{Tally, parse};
use crate::manifest::v1::{Flavour, Gpu, Manifest};
use crate::problem::{Code, Place};
use crate::recipe::table::{self, Row, Version};
use crate::recipe::{Source, Want};
use frameworks::{Choice, CudaRelease, Framework, Kind, framework};

/// Up to three numbers; missing ones are 0.
fn version(text: &str) -> Option<Version> {
    let mut version = [0; 3];
    let text = text.split('+').next().unwrap_or_default();
    for (to, part) in version.iter_mut().zip(text.split('.')) {
        *to = part.parse().ok()?;
    }
    (!text.is_empty()).then_some(version)
}

/// Without trailing zeros, two numbers at least.
fn shown(version: Version) -> String {
    let [major, minor, patch] = version;
    if patch == 0 { format!("{major}.{minor}") } else { format!("{major}.{minor}.{patch}") }
}

/// As NVIDIA writes versions of drivers: `520.61.05`; a branch alone where that is meant.
fn shown_driver([branch, minor, patch]: Version) -> String {
    if minor == 0 { branch.to_string() } else { format!("{branch}.{minor:02}.{patch:02}") }
}

/// CUDA that something needs or is.
struct Cuda {
    what: String,
    release: CudaRelease,
    place: Place,
}

/// CUDA that is judged: a toolkit's, or one of those that a framework may be built for.
struct Judged<'s> {
    what: String,
    oldest: CudaRelease,
    newest: CudaRelease,
    choice: Choice,
    place: &'s Place,
    framework: Option<&'s Framework>,
}

impl Judged<'_> {
    /// Says that it cannot be: what leaves a choice may be mended by a release that nobody here knows, and is warned of.
    fn refuse(&self, desk: &mut Desk<'_>, message: String, help: String) {
        match self.choice {
            Choice::Pinned => desk.say(Code::Incompatible, self.place, message, help),
            Choice::Open => desk.warn(Code::Incompatible, self.place, message, help),
        }
    }

    /// What could stand here instead, for a CUDA that fits.
    fn instead(&self, fits: impl Fn(CudaRelease) -> bool) -> Option<String> {
        self.framework.and_then(|framework| framework.instead(fits))
    }
}

/// What the manifest says of the machine.
struct Stack<'m> {
    gpu: Option<&'m Gpu>,
    toolkits: Vec<Cuda>,
    frameworks: Vec<Framework>,
}

/// Checks all of it.
pub fn check(manifest: &Manifest, wants: &[Want], desk: &mut Desk<'_>) {
    let stack = Stack { gpu: manifest.gpu.as_ref(), toolkits: toolkits(manifest), frameworks: all_frameworks(manifest, wants) };
    stack.driver(desk);
    stack.architecture(desk);
    stack.libraries(desk);
    stack.compilers(manifest, desk);
    stack.of_frameworks(desk);
}

fn toolkits(manifest: &Manifest) -> Vec<Cuda> {
    let Some(cuda) = manifest.gpu.as_ref().and_then(|gpu| gpu.cuda.as_ref()) else { return Vec::new() };
    let versions = std::iter::once(&cuda.version).chain(cuda.also.iter().map(|one| &one.value.version));
    let one = |at: &At<crate::manifest::v1::CudaVersion>| {
        let [major, minor, _] = version(at.value.as_str())?;
        Some(Cuda { what: format!("CUDA {}", at.value.as_str()), release: (major, minor), place: at.place.clone() })
    };
    versions.filter_map(one).collect()
}

fn all_frameworks(manifest: &Manifest, wants: &[Want]) -> Vec<Framework> {
    let mut found = Vec::new();
    for want in wants {
        let Want::Environment(environment) = want else { continue };
        let written = manifest.environments.iter().find(|one| one.value.name.value.as_str() == environment.name);
        let Some(from) = written.and_then(|one| one.value.from.as_ref()) else { continue };
        let lines: Vec<String> = match &environment.source {
            Source::Python { requirements, .. } => requirements.clone(),
            Source::Conda { text, .. } => dependencies(text),
        };
        found.extend(lines.iter().filter_map(|line| framework(line, &place_of(from, line))));
    }
    found
}

/// The packages that an environment.yml asks for, those of its `pip:` section among them; none of a lock.
fn dependencies(text: &str) -> Vec<String> {
    fn of(node: &Node, found: &mut Vec<String>) {
        match &node.value {
            Value::Scalar(scalar) => found.push(scalar.text.clone()),
            Value::List(items) => items.iter().for_each(|item| of(item, found)),
            Value::Map(entries) => entries.iter().filter(|entry| entry.key == "pip").for_each(|entry| of(&entry.value, found)),
        }
    }
    let mut found = Vec::new();
    let parsed = if text.len() > LONGEST_ENVIRONMENT { None } else { parse("", text, &mut Tally::default()).root };
    if let Some(Node { value: Value::Map(entries), .. }) = parsed {
        entries.iter().filter(|entry| entry.key == "dependencies").for_each(|entry| of(&entry.value, &mut found));
    }
    found
}

/// Where a requirement stands in the manifest: itself, or what names its file.
fn place_of(from: &At<crate::manifest::v1::From>, requirement: &str) -> Place {
    use crate::manifest::v1::Requirements::List;
    if let Some(At { value: List(items), .. }) = &from.value.requirements
        && let Some(item) = items.iter().find(|item| item.value.as_str() == requirement)
    {
        return item.place.clone();
    }
    let named = from.value.conda.as_ref().map(|path| &path.place);
    named.or_else(|| from.value.requirements.as_ref().map(|file| &file.place)).unwrap_or(&from.place).clone()
}

/// The driver of the manifest: a whole version, or a branch, of which the newest is meant.
struct Driver<'m> {
    text: &'m str,
    version: Version,
    place: &'m Place,
}

fn driver(gpu: &Gpu) -> Option<Driver<'_>> {
    let driver = gpu.driver.as_ref()?;
    let (text, place) = match &driver.version {
        Some(version) => (version.value.as_str(), &version.place),
        None => (driver.branch.value.as_str(), &driver.branch.place),
    };
    Some(Driver { text, version: table::driver(text)?, place })
}

/// The newest release of CUDA that a driver came with or after.
fn newest_for(driver: Version) -> Option<String> {
    table::newest_for(driver).map(|(major, minor)| format!("{major}.{minor}"))
}

/// As what CUDA is named in the help: `CUDA 12.4`, or the requirement to write.
fn or_cuda(judged: &Judged<'_>, driver: &Driver<'_>, fits: impl Fn(CudaRelease) -> bool) -> String {
    match (judged.framework, newest_for(driver.version)) {
        (Some(_), _) => judged.instead(fits).map(|instead| format!(", or write `{instead}` here")).unwrap_or_default(),
        (None, newest) => newest.map(|cuda| format!(", or CUDA {cuda} for driver {}", driver.text)).unwrap_or_default(),
    }
}

/// The oldest driver that starts a release of CUDA.
fn minimum((major, _): CudaRelease) -> Option<&'static Row<u32>> {
    table::DRIVERS.iter().find(|row| row.of == major)
}

/// The driver that a release of CUDA came with.
fn shipped(release: CudaRelease) -> Option<&'static Row<CudaRelease>> {
    table::SHIPPED.iter().find(|row| row.of == release)
}

impl Stack<'_> {
    /// CUDA of toolkits, and of frameworks that bring their own or are made for one.
    fn cudas(&self) -> impl Iterator<Item = Judged<'_>> {
        let own = self.toolkits.iter().map(|one| Judged {
            what: one.what.clone(),
            oldest: one.release,
            newest: one.release,
            choice: Choice::Pinned,
            place: &one.place,
            framework: None,
        });
        let brought = self.frameworks.iter().filter(|one| !matches!(one.kind, Kind::Tensorflow(_))).map(|one| Judged {
            what: format!("`{}` ({})", one.said, one.cuda()),
            oldest: one.oldest(),
            newest: one.newest(),
            choice: one.choice,
            place: &one.place,
            framework: Some(one),
        });
        own.chain(brought)
    }

    fn driver(&self, desk: &mut Desk<'_>) {
        let Some(driver) = self.gpu.and_then(driver) else { return };
        for judged in self.cudas() {
            let what = &judged.what;
            let Some(minimum_of) = minimum(judged.oldest) else { continue };
            let shipped_with = shipped(judged.oldest).filter(|_| judged.choice == Choice::Pinned);
            if driver.version < minimum_of.first {
                let needs = shown_driver(minimum_of.first);
                let message = format!("{what} needs driver {needs} or later, and `gpu.driver` is {} ({})", driver.text, minimum_of.source);
                let starts = |cuda| minimum(cuda).is_some_and(|row| row.first <= driver.version);
                let instead = or_cuda(&judged, &driver, starts);
                let help = format!("write `branch: \"{}\"` or later under `gpu.driver`{instead}", minimum_of.first[0]);
                judged.refuse(desk, message, help);
            } else if let Some(row) = shipped_with.filter(|row| driver.version < row.first) {
                let message = format!(
                    "{what} was made with driver {}; driver {} runs it without its newest features and without its PTX ({})",
                    shown_driver(row.first),
                    driver.text,
                    row.source
                );
                let fits = |cuda| shipped(cuda).is_some_and(|row| row.first <= driver.version);
                let instead = or_cuda(&judged, &driver, fits);
                desk.warn(Code::Incompatible, judged.place, message, format!("write `branch: \"{}\"`{instead}", row.first[0]));
            }
        }
    }

    fn architecture(&self, desk: &mut Desk<'_>) {
        let Some(at) = self.gpu.and_then(|gpu| gpu.architecture.as_ref()) else { return };
        let number: u32 = at.value.as_str().trim_start_matches("sm_").trim_end_matches(['a', 'f']).parse().unwrap_or_default();
        let name = at.value.as_str();
        let Some(row) = table::ARCHITECTURES.iter().find(|row| row.of == number) else {
            let known = table::ARCHITECTURES.map(|row| format!("sm_{}", row.of)).join(", ");
            let message = format!("{name} is no architecture that this release of Fitout knows: nothing is judged by it");
            return desk.warn(
                Code::Incompatible,
                &at.place,
                message,
                format!("`fitout doctor` names the machine's own; known are {known}"),
            );
        };
        for judged in self.cudas() {
            let release = |(major, minor)| [major, minor, 0];
            let too_old = outside(row, release(judged.newest)).filter(|bound| *bound == Bound::Before);
            let too_new = || outside(row, release(judged.oldest)).filter(|bound| *bound == Bound::After);
            let Some(bound) = too_old.or_else(too_new) else { continue };
            let message =
                format!("{} does not know {name}: {bound} CUDA that does is {} ({})", judged.what, bound.release(row), row.source);
            let instead = judged.instead(|cuda| outside(row, release(cuda)).is_none());
            let help = instead.map_or_else(|| format!("take CUDA {}", bound.release(row)), |instead| format!("write `{instead}` here"));
            judged.refuse(desk, message, help);
        }
        self.driver_of_architecture(name, number, desk);
    }

    /// The branch of the driver, and the flavour of its modules.
    fn driver_of_architecture(&self, name: &str, number: u32, desk: &mut Desk<'_>) {
        let Some(driver) = self.gpu.and_then(driver) else { return };
        let branch = [driver.version[0], 0, 0];
        let branches = table::DRIVEN.iter().find(|row| row.of == number);
        if let Some((row, bound)) = branches.and_then(|row| Some((row, outside(row, branch)?))) {
            let at = bound.version(row)[0];
            let message = format!("driver {} does not know {name}: {bound} branch that does is {at} ({})", driver.text, row.source);
            desk.say(Code::Incompatible, driver.place, message, format!("write `branch: \"{at}\"`"));
        }
        let Some(flavour) = self.gpu.and_then(|gpu| gpu.driver.as_ref()?.flavour.as_ref()) else { return };
        let (row, other, instead) = match flavour.value {
            Flavour::Open => (table::OPEN_MODULES, table::CLOSED_MODULES, "proprietary"),
            Flavour::OpenServer => (table::OPEN_MODULES, table::CLOSED_MODULES, "server"),
            Flavour::Proprietary => (table::CLOSED_MODULES, table::OPEN_MODULES, "open"),
            Flavour::Server => (table::CLOSED_MODULES, table::OPEN_MODULES, "open-server"),
        };
        if outside(&row, [number, 0, 0]).is_some() && outside(&other, [number, 0, 0]).is_none() {
            let message = format!("the {} modules of the driver do not serve {name} ({})", row.of, row.source);
            desk.say(Code::Incompatible, &flavour.place, message, format!("write `flavour: {instead}`"));
        }
    }

    fn libraries(&self, desk: &mut Desk<'_>) {
        let (Some(gpu), Some(toolkit)) = (self.gpu, self.toolkits.first()) else { return };
        for (name, library, rows) in [("cuDNN", &gpu.cudnn, &table::CUDNN), ("NCCL", &gpu.nccl, &table::NCCL)] {
            let Some(at) = library.as_ref().map(|library| &library.value.version) else { continue };
            let (Some(release), Some(row)) = (version(at.value.as_str()), rows.iter().find(|row| row.of == toolkit.release.0)) else {
                continue;
            };
            let Some(bound) = outside(row, release) else { continue };
            let there = bound.version(row).map(|number| number.to_string()).join(".");
            let (text, major) = (at.value.as_str(), toolkit.release.0);
            let message = format!("{name} {text} is not made for CUDA {major}; {bound} release for it is {there} ({})", row.source);
            desk.say(Code::Incompatible, &at.place, message, format!("write \"{there}\""));
        }
    }

    /// Compilers that the manifest names by their version; one that nvcc takes is enough.
    fn compilers(&self, manifest: &Manifest, desk: &mut Desk<'_>) {
        let named = manifest.packages.iter().flat_map(|packages| &packages.install).filter_map(|package| {
            let name = package.value.as_str().split('=').next()?;
            let number = name.strip_prefix("g++-").or_else(|| name.strip_prefix("gcc-"))?.parse::<u32>().ok()?;
            Some((number, &package.place))
        });
        let Some((oldest, place)) = named.min_by_key(|(number, _)| *number) else { return };
        for toolkit in &self.toolkits {
            let row = table::COMPILERS.iter().filter(|row| row.of <= toolkit.release).max_by_key(|row| row.of);
            let Some((row, [newest, ..])) = row.and_then(|row| Some((row, row.last?))).filter(|(_, last)| oldest > last[0]) else {
                continue;
            };
            let message =
                format!("nvcc of {} takes gcc {newest} at most, and the oldest here is gcc {oldest} ({})", toolkit.what, row.source);
            desk.warn(Code::Incompatible, place, message, format!("add g++-{newest}, and call nvcc with `-ccbin g++-{newest}`"));
        }
    }

    fn of_frameworks(&self, desk: &mut Desk<'_>) {
        let Some(toolkit) = self.toolkits.first() else { return };
        let (major, minor) = toolkit.release;
        let cudnn = self.gpu.and_then(|gpu| gpu.cudnn.as_ref()).and_then(|library| version(library.value.version.value.as_str()));
        for one in &self.frameworks {
            let Framework { said, kind, source, place, .. } = one;
            let (cuda, differs) = (one.oldest(), one.cudas.iter().all(|cuda| cuda.0 != major));
            match kind {
                Kind::Cupy if differs => {
                    let message = format!("`{said}` is made for CUDA {}, and the toolkit is {major}.{minor} ({})", cuda.0, table::CUPY);
                    desk.say(Code::Incompatible, place, message, format!("write cupy-cuda{major}x, or take CUDA {}", cuda.0));
                }
                Kind::Tensorflow(_) if differs => {
                    let message =
                        format!("`{said}` is built for CUDA {}.{}, and the toolkit is {major}.{minor} ({source})", cuda.0, cuda.1);
                    desk.say(Code::Incompatible, place, message, format!("take CUDA {}.{}, or tensorflow[and-cuda]", cuda.0, cuda.1));
                }
                Kind::Tensorflow(wanted) => {
                    if let Some([there, ..]) = cudnn.filter(|[there, ..]| there != wanted) {
                        let message = format!("`{said}` is built for cuDNN {wanted}, and `gpu.cudnn` is {there} ({source})");
                        desk.say(Code::Incompatible, place, message, format!("take cuDNN {wanted}, or tensorflow[and-cuda]"));
                    }
                }
                Kind::Torch if differs => {
                    let message = format!(
                        "`{said}` brings {}; extensions of it cannot be compiled with CUDA {major}.{minor} ({})",
                        one.cuda(),
                        table::EXTENSIONS
                    );
                    desk.warn(Code::Incompatible, place, message, format!("take CUDA {} for the toolkit", cuda.0));
                }
                Kind::Cupy | Kind::Whole | Kind::Torch => {}
            }
        }
    }
}

/// On which side of a row something lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Before,
    After,
}

impl Bound {
    fn version<K>(self, row: &Row<K>) -> Version {
        match self {
            Self::Before => row.first,
            Self::After => row.last.unwrap_or(row.first),
        }
    }

    fn release<K>(self, row: &Row<K>) -> String {
        shown(self.version(row))
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Before => "the first",
            Self::After => "the last",
        })
    }
}

fn outside<K>(row: &Row<K>, version: Version) -> Option<Bound> {
    if version < row.first {
        return Some(Bound::Before);
    }
    row.last.filter(|last| version > *last).map(|_| Bound::After)
}
