//! Whether the GPU stack works together: driver, toolkits, cuDNN, NCCL, compilers, architecture, frameworks; judged by one table before
//! anything is fetched.
//!
//! Below a hard minimum is a problem; between the minimum and what a release was made with is a warning. Each names its rule, its source
//! and the nearest change of the manifest that mends it.

mod frameworks;

use super::desk::Desk;
use crate::manifest::at::At;
use crate::manifest::v1::{Gpu, Manifest};
use crate::problem::{Code, Place};
use crate::recipe::table::{self, Row, Version};
use crate::recipe::{Source, Want};
use frameworks::{Framework, Kind, framework};

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
    release: (u32, u32),
    place: Place,
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
            Source::Conda { text, .. } => text.lines().filter_map(|line| line.trim().strip_prefix("- ")).map(unquoted).collect(),
        };
        found.extend(lines.iter().filter_map(|line| framework(line, &place_of(from, line))));
    }
    found
}

fn unquoted(text: &str) -> String {
    let text = text.split(" #").next().unwrap_or_default().trim();
    text.trim_matches(['"', '\'']).to_owned()
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

impl Stack<'_> {
    /// CUDA of toolkits and of frameworks that bring their own.
    fn cudas(&self) -> impl Iterator<Item = Cuda> {
        let own = self.toolkits.iter().map(|one| Cuda { what: one.what.clone(), release: one.release, place: one.place.clone() });
        let brought = self.frameworks.iter().filter(|one| matches!(one.kind, Kind::Whole | Kind::Torch)).map(|one| Cuda {
            what: format!("`{}` (CUDA {}.{})", one.said, one.cuda.0, one.cuda.1),
            release: one.cuda,
            place: one.place.clone(),
        });
        own.chain(brought)
    }

    fn driver(&self, desk: &mut Desk<'_>) {
        let Some(driver) = self.gpu.and_then(driver) else { return };
        for Cuda { what, release, place } in self.cudas() {
            let Some(minimum) = table::DRIVERS.iter().find(|row| row.of == release.0) else { continue };
            let shipped = table::SHIPPED.iter().find(|row| row.of == release);
            let instead = newest_for(driver.version).map(|cuda| format!(", or CUDA {cuda} for driver {}", driver.text)).unwrap_or_default();
            if driver.version < minimum.first {
                let needs = shown_driver(minimum.first);
                let message = format!("{what} needs driver {needs} or later, and `gpu.driver` is {} ({})", driver.text, minimum.source);
                let help = format!("write `branch: \"{}\"` or later under `gpu.driver`{instead}", minimum.first[0]);
                desk.say(Code::Incompatible, &place, message, help);
            } else if let Some(shipped) = shipped.filter(|row| driver.version < row.first) {
                let message = format!(
                    "{what} was made with driver {}; driver {} runs it without its newest features and without its PTX ({})",
                    shown_driver(shipped.first),
                    driver.text,
                    shipped.source
                );
                desk.warn(Code::Incompatible, &place, message, format!("write `branch: \"{}\"`{instead}", shipped.first[0]));
            }
        }
    }

    fn architecture(&self, desk: &mut Desk<'_>) {
        let Some(at) = self.gpu.and_then(|gpu| gpu.architecture.as_ref()) else { return };
        let number: u32 = at.value.as_str().trim_start_matches("sm_").trim_end_matches(['a', 'f']).parse().unwrap_or_default();
        let name = at.value.as_str();
        if let Some(row) = table::ARCHITECTURES.iter().find(|row| row.of == number) {
            for Cuda { what, release, place } in self.cudas() {
                let release = [release.0, release.1, 0];
                let Some(bound) = outside(row, release) else { continue };
                let message = format!("{what} does not know {name}: {bound} CUDA that does is {} ({})", bound.release(row), row.source);
                desk.say(Code::Incompatible, &place, message, format!("take CUDA {}", bound.release(row)));
            }
        }
        let driven = table::DRIVEN.iter().find(|row| row.of == number);
        if let (Some(row), Some(driver)) = (driven, self.gpu.and_then(driver)) {
            let branch = [driver.version[0], 0, 0];
            if let Some(bound) = outside(row, branch) {
                let at = bound.version(row)[0];
                let message = format!("driver {} does not know {name}: {bound} branch that does is {at} ({})", driver.text, row.source);
                desk.say(Code::Incompatible, driver.place, message, format!("write `branch: \"{at}\"`"));
            }
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
            let Framework { said, kind, cuda, source, place } = one;
            let differs = cuda.0 != major;
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
                        "`{said}` brings CUDA {}.{}; extensions of it cannot be compiled with CUDA {major}.{minor} ({})",
                        cuda.0,
                        cuda.1,
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
#[derive(Debug, Clone, Copy)]
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
