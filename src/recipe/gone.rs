//! `state: absent` of things that are made of several: each part goes, and what holds people's work stays.

use super::kernelspec;
use super::packages::remains as repository_files;
use super::share::{Mounter, remains as share_parts};
use super::{Context, Item, Recipe};
use crate::model::{HomePath, Invalid, ResourceId, TargetPath, UnitName};
use crate::problem::{Code, Problem};
use crate::resource::{Absent, Guard, NoEnvironment, NoUnit, Spec};

/// A thing that is not to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gone {
    /// One of `packages.repositories`, by its name.
    Repository(String),
    /// One of `units`.
    Unit(UnitName),
    /// One of `environments`.
    Environment {
        /// Its name.
        name: String,
        /// Where it may be, with the kind that it then is.
        places: Vec<(&'static str, TargetPath)>,
        /// The name of its kernel.
        kernel: String,
        /// Other names under which its kernel is known.
        aliases: Vec<String>,
    },
    /// One of `shares`.
    Share {
        /// Its name.
        name: String,
        /// How it was mounted.
        mounter: Mounter,
        /// Where it appeared.
        mount: HomePath,
    },
    /// One of `disk.guards`, by its mount.
    Guard(TargetPath),
}

impl Gone {
    fn specs(&self, context: &Context<'_>) -> Result<Vec<Spec>, Invalid> {
        let whoever = |path| Spec::Absent(Absent::whoever_wrote_it(path));
        Ok(match self {
            Self::Repository(name) => repository_files(name)?.map(whoever).into(),
            Self::Unit(name) => vec![Spec::NoUnit(NoUnit { name: name.clone() })],
            Self::Guard(mount) => vec![whoever(Guard::path(mount).map_err(|e| Invalid::new(e.cause))?)],
            Self::Environment { name, places, kernel, aliases } => {
                let place = |(kind, prefix): &(&str, TargetPath)| {
                    Spec::NoEnvironment(NoEnvironment { prefix: prefix.clone(), id: ResourceId::new(kind, name) })
                };
                // They share a launcher, that of the kernel's own name.
                let aliases: Vec<TargetPath> =
                    aliases.iter().map(|alias| kernelspec::remains(alias).map(|[_, specs]| specs)).collect::<Result<_, _>>()?;
                let files = kernelspec::remains(kernel)?.into_iter().chain(aliases).map(|path| Spec::Absent(Absent::if_ours(path)));
                files.chain(places.iter().map(place)).collect()
            }
            Self::Share { name, mounter, mount } => {
                let mount = mount.within(context.home);
                let (unit, config) = share_parts(name, *mounter, &mount)?;
                // While it is mounted its configuration is read. The mount point stays: until then it shows what the share holds.
                let requires = vec![ResourceId::new("unit", &unit)];
                let config = Spec::Absent(Absent { requires, ..Absent::whoever_wrote_it(config) });
                vec![Spec::NoUnit(NoUnit { name: unit }), config]
            }
        })
    }
}

impl Recipe for Gone {
    fn item(&self) -> Item {
        match self {
            Self::Repository(name) => Item::of("packages.repositories", name),
            Self::Unit(name) => Item::of("units", name),
            Self::Environment { name, .. } => Item::of("environments", name),
            Self::Share { name, .. } => Item::of("shares", name),
            Self::Guard(mount) => Item::of("disk.guards", mount),
        }
    }

    fn lower(&self, context: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        self.specs(context).map_err(|e| vec![Problem::general(Code::BadValue, e.0)])
    }
}
