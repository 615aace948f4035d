//! Single wheels, without what they depend on: the newest release that satisfies a requirement.

use super::index::{Link, WheelName};
use super::{Cause, Desk};
use crate::recipe::WheelAnswer;
use crate::step::Blob;
use pep440_rs::{Version, VersionSpecifiers};
use std::str::FromStr;

impl Desk<'_> {
    pub(super) fn wheels(&self, requirements: &[String], machine: &str, index: Option<&str>) -> Result<WheelAnswer, Cause> {
        let wheels = requirements.iter().map(|requirement| {
            let (project, releases) = parsed(requirement)?;
            let links = self.links(project, index)?;
            let link = newest(&links, &releases, machine).map_err(|known| none(requirement, machine, &known))?;
            let sha256 = link.sha256.ok_or_else(|| Cause::unsatisfiable(format!("the index gives no sha256 for {}", link.file)))?;
            Ok(Blob { url: link.url.clone(), sha256, size: self.http.size(&link.url) })
        });
        Ok(WheelAnswer { wheels: wheels.collect::<Result<_, Cause>>()? })
    }
}

/// `name` and the releases that `name==13.0.*` allows.
fn parsed(requirement: &str) -> Result<(&str, VersionSpecifiers), Cause> {
    let end = requirement.find(['=', '<', '>', '!', '~', ' ']).unwrap_or(requirement.len());
    let (project, releases) = requirement.split_at(end);
    let releases = VersionSpecifiers::from_str(releases).map_err(|e| Cause::unsatisfiable(format!("{requirement}: {e}")))?;
    Ok((project.trim(), releases))
}

/// The newest release among `links` that satisfies `releases` on `machine`; else every release that there is for it.
fn newest<'a>(links: &'a [Link], releases: &VersionSpecifiers, machine: &str) -> Result<&'a Link, Vec<Version>> {
    let usable = || {
        let wheels = links.iter().filter(|link| !link.yanked).filter_map(|link| Some((WheelName::parse(&link.file)?, link)));
        wheels.filter(|(name, _)| name.runs_on(machine) && !name.version.any_prerelease())
    };
    let wanted = usable().filter(|(name, _)| releases.contains(&name.version));
    wanted.max_by(|(one, _), (other, _)| one.version.cmp(&other.version)).map(|(_, link)| link).ok_or_else(|| {
        let mut known: Vec<Version> = usable().map(|(name, _)| name.version).collect();
        known.sort();
        known.dedup();
        known
    })
}

fn none(requirement: &str, machine: &str, known: &[Version]) -> Cause {
    /// As many of the newest releases as help to find a typing error.
    const SHOWN: usize = 8;
    let newest: Vec<String> = known.iter().rev().take(SHOWN).map(ToString::to_string).collect();
    let there = if newest.is_empty() { "there is none at all".into() } else { format!("the newest are {}", newest.join(", ")) };
    Cause::unsatisfiable(format!("no wheel for {machine} satisfies {requirement}; {there}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_release_that_fits_is_chosen() {
        let link = |version: &str, platform: &str, yanked| Link {
            file: format!("w-{version}-py3-none-{platform}.whl"),
            url: format!("https://example.org/{version}"),
            sha256: None,
            yanked,
        };
        let linux = "manylinux_2_17_x86_64";
        let links = [
            link("13.0.9", linux, false),
            link("13.0.48", linux, false),
            link("13.0.50", linux, true),
            link("13.0.88", "win_amd64", false),
            link("13.0.60rc1", linux, false),
            link("13.1.1", linux, false),
        ];
        let chosen = |requirement: &str| {
            let (project, releases) = parsed(requirement).unwrap();
            assert_eq!(project, "w");
            newest(&links, &releases, "x86_64")
                .map(|link| link.url.clone())
                .map_err(|known| none(requirement, "x86_64", &known).to_string())
        };
        assert_eq!(chosen("w==13.0.*").unwrap(), "https://example.org/13.0.48");
        assert_eq!(chosen("w==13.0.9").unwrap(), "https://example.org/13.0.9");
        assert_eq!(chosen("w").unwrap(), "https://example.org/13.1.1");
        let error = chosen("w==12.4.*").unwrap_err();
        assert_eq!(error, "no wheel for x86_64 satisfies w==12.4.*; the newest are 13.1.1, 13.0.48, 13.0.9");
    }
}
