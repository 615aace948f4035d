//! Package indexes as PEP 503 has them: a page of links to files, their digest in the fragment.

use super::{Cause, Desk};
use crate::fetch::Page;
use crate::model::{Sha256, project_name};
use pep440_rs::Version;
use std::str::FromStr;

/// The index that is asked where no other is named.
pub(super) const PYPI: &str = "https://pypi.org/simple";

/// A file of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    /// Its name.
    pub file: String,
    /// Where it is, without the fragment.
    pub url: String,
    /// What it must be, where the index tells.
    pub sha256: Option<Sha256>,
    /// Whether it was withdrawn.
    pub yanked: bool,
}

impl Desk<'_> {
    /// The files of a project.
    pub(super) fn links(&self, project: &str, index: Option<&str>) -> Result<Vec<Link>, Cause> {
        let index = index.unwrap_or(PYPI).trim_end_matches('/');
        Ok(links(&self.http.page(&format!("{index}/{}/", project_name(project)), self.progress)?))
    }
}

/// The links of a page, in its order.
fn links(page: &Page) -> Vec<Link> {
    page.text.split("<a ").skip(1).filter_map(|after| link(page, after.split_once('>')?.0)).collect()
}

fn link(page: &Page, attributes: &str) -> Option<Link> {
    let href = attributes.split_once("href=\"")?.1.split_once('"')?.0.replace("&amp;", "&");
    let mut url = page.url.join(&href).ok()?;
    let sha256 = url.fragment().and_then(|text| text.strip_prefix("sha256=")).and_then(|text| Sha256::parse(text).ok());
    url.set_fragment(None);
    let file = url.path_segments()?.next_back()?.to_owned();
    Some(Link { file, url: url.into(), sha256, yanked: attributes.contains("data-yanked") })
}

/// What a wheel's name says of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WheelName<'a> {
    /// Its release.
    pub version: Version,
    /// Interpreters: `py3`, `cp311`.
    pub python: &'a str,
    /// Binary interfaces: `none`, `abi3`, `cp311`.
    pub abi: &'a str,
    /// Platforms: `any`, `manylinux_2_17_x86_64.manylinux2014_x86_64`.
    pub platform: &'a str,
}

impl<'a> WheelName<'a> {
    /// Reads `name-version(-build)-python-abi-platform.whl`.
    pub(super) fn parse(file: &'a str) -> Option<Self> {
        let parts: Vec<&str> = file.strip_suffix(".whl")?.split('-').collect();
        let [_, version, .., python, abi, platform] = parts[..] else { return None };
        (5..=6).contains(&parts.len()).then_some(())?;
        Some(Self { version: Version::from_str(version).ok()?, python, abi, platform })
    }

    /// Whether it runs on Linux with glibc on this processor (`x86_64`).
    pub(super) fn runs_on(&self, machine: &str) -> bool {
        self.platform.split('.').any(|tag| tag == "any" || (tag.starts_with("manylinux") && tag.ends_with(machine)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_links_of_a_page() {
        let digest = Sha256::of(b"x");
        let text = format!(
            "<!DOCTYPE html><html><body><h1>Links</h1>\n\
             <a href=\"../../files/a-1.0-py3-none-any.whl#sha256={digest}\" data-requires-python=\"&gt;=3.8\" >a-1.0</a><br/>\n\
             <a href=\"https://files.example.org/a-1.1.tar.gz?x=1&amp;y=2\" data-yanked=\"broken\">a-1.1</a>\n"
        );
        let page = Page { url: url::Url::parse("https://example.org/simple/a/").unwrap(), text };
        let one = Link {
            file: "a-1.0-py3-none-any.whl".into(),
            url: "https://example.org/files/a-1.0-py3-none-any.whl".into(),
            sha256: Some(digest),
            yanked: false,
        };
        let other =
            Link { file: "a-1.1.tar.gz".into(), url: "https://files.example.org/a-1.1.tar.gz?x=1&y=2".into(), sha256: None, yanked: true };
        assert_eq!(links(&page), [one, other]);
    }

    #[test]
    fn reads_the_names_of_wheels() {
        let name = WheelName::parse("nvidia_nvvm-13.0.48-1-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl").unwrap();
        assert_eq!((name.version.to_string().as_str(), name.python, name.abi), ("13.0.48", "py3", "none"));
        assert!(name.runs_on("x86_64") && !name.runs_on("aarch64"));
        assert!(WheelName::parse("six-1.16.0-py2.py3-none-any.whl").unwrap().runs_on("aarch64"));
        assert!(!WheelName::parse("uv-0.13.8-py3-none-musllinux_1_1_x86_64.whl").unwrap().runs_on("x86_64"));
        for bad in ["six-1.16.0.tar.gz", "six-1.16.0.whl", "a-b-c-d-e-f-g.whl"] {
            assert_eq!(WheelName::parse(bad), None, "{bad}");
        }
    }
}
