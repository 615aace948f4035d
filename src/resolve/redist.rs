//! NVIDIA's redistributable archives, by the JSON documents that list those of each release.
//!
//! The documents are read leniently: components differ in what they have, sizes are texts, and one object may hold both variants
//! and an archive.

use super::{Cause, Desk};
use crate::model::{ByteSize, Sha256};
use crate::recipe::RedistAnswer;
use crate::step::Blob;
use serde_json::{Map, Value};
use url::Url;

/// Where NVIDIA has them.
const NVIDIA: &str = "https://developer.download.nvidia.com";

/// What is asked for.
pub(super) struct Wanted<'a> {
    /// `cuda` or `cudnn`.
    pub product: &'a str,
    /// `12.4.1`.
    pub version: &'a str,
    /// Components, as the release names them.
    pub components: &'a [String],
    /// `linux-x86_64`.
    pub platform: &'a str,
    /// `cuda12`.
    pub variant: Option<&'a str>,
    /// What is asked instead of NVIDIA's server.
    pub mirror: Option<&'a str>,
}

impl Desk<'_> {
    pub(super) fn redist(&self, wanted: &Wanted<'_>) -> Result<RedistAnswer, Cause> {
        let server = wanted.mirror.unwrap_or(NVIDIA).trim_end_matches('/');
        let base = format!("{server}/compute/{}/redist/", wanted.product);
        let page = self.http.page(&format!("{base}redistrib_{}.json", wanted.version), self.progress)?;
        let base = Url::parse(&base).map_err(Cause::unsatisfiable)?;
        answer(&page.text, wanted, &base)
    }
}

/// The addresses of all that a release of CUDA has, as far as each can be had.
pub(super) fn read(document: &str) -> Result<Vec<String>, Cause> {
    let base = Url::parse(&format!("{NVIDIA}/compute/cuda/redist/")).map_err(Cause::unsatisfiable)?;
    let named: Map<String, Value> = serde_json::from_str(document).map_err(Cause::unsatisfiable)?;
    let ask = |component: &String, variant| {
        let components = std::slice::from_ref(component);
        let wanted = Wanted { product: "cuda", version: "any", components, platform: "linux-x86_64", variant, mirror: None };
        answer(document, &wanted, &base)
    };
    let answers = named.keys().flat_map(|component| [None, Some("cuda12")].map(|variant| ask(component, variant)));
    Ok(answers.flatten().flat_map(|answer| answer.archives).map(|blob| blob.url).collect())
}

fn answer(document: &str, wanted: &Wanted<'_>, base: &Url) -> Result<RedistAnswer, Cause> {
    let wrong = |why: String| Cause::unsatisfiable(format!("the list of {} {}: {why}", wanted.product, wanted.version));
    let document: Map<String, Value> = serde_json::from_str(document).map_err(|e| wrong(format!("it is no JSON object: {e}")))?;
    let archives = wanted.components.iter().map(|component| {
        let known = || names(&document, Value::is_object);
        let found = document.get(component).and_then(Value::as_object);
        let found = found.ok_or_else(|| wrong(format!("it has no component {component}; it has {}", known())))?;
        let platform = found.get(wanted.platform).or_else(|| found.get("source")).and_then(Value::as_object);
        let platforms = || names(found, Value::is_object);
        let platform =
            platform.ok_or_else(|| wrong(format!("{component} is not there for {}, but for {}", wanted.platform, platforms())))?;
        let archive = match wanted.variant.map(|variant| (variant, platform.get(variant).and_then(Value::as_object))) {
            None | Some((_, None)) if platform.contains_key("relative_path") => platform,
            Some((_, Some(archive))) => archive,
            None => return Err(wrong(format!("{component} has no archive of its own for {}", wanted.platform))),
            Some((variant, None)) => {
                let variants = names(platform, Value::is_object);
                return Err(wrong(format!("{component} is not there for {variant}, but for {variants}")));
            }
        };
        blob(archive, base).ok_or_else(|| wrong(format!("{component} has no usable relative_path and sha256")))
    });
    Ok(RedistAnswer { archives: archives.collect::<Result<_, Cause>>()? })
}

fn names(of: &Map<String, Value>, which: fn(&Value) -> bool) -> String {
    let names: Vec<&str> = of.iter().filter(|(_, value)| which(value)).map(|(name, _)| name.as_str()).collect();
    if names.is_empty() { "nothing".into() } else { names.join(", ") }
}

fn blob(archive: &Map<String, Value>, base: &Url) -> Option<Blob> {
    let url = base.join(archive.get("relative_path")?.as_str()?).ok().filter(|url| url.as_str().starts_with(base.as_str()))?;
    let sha256 = Sha256::parse(archive.get("sha256")?.as_str()?).ok()?;
    let size = archive.get("size").and_then(|size| size.as_u64().or_else(|| size.as_str()?.parse().ok()));
    Some(Blob { url: url.into(), sha256, size: size.map(ByteSize) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLATFORM: &str = "linux-x86_64";

    fn asked(document: &str, component: &str, variant: Option<&str>) -> Result<(String, Option<u64>), String> {
        let components = [component.to_owned()];
        let wanted = Wanted { product: "cudnn", version: "9.1.1", components: &components, platform: PLATFORM, variant, mirror: None };
        let base = Url::parse("https://example.org/compute/cudnn/redist/").unwrap();
        let answer = answer(document, &wanted, &base).map_err(|e| e.to_string())?;
        Ok((answer.archives[0].url.clone(), answer.archives[0].size.map(|size| size.0)))
    }

    fn archive(path: &str) -> String {
        format!("\"relative_path\": \"{path}\", \"sha256\": \"{}\", \"md5\": \"x\"", Sha256::of(b"x"))
    }

    #[test]
    fn reads_plain_components_and_variants_and_both_at_once() {
        let document = format!(
            r#"{{"release_date": "2024-04-03", "release_label": "12.4.1", "odd": 7,
               "plain": {{"name": "P", "version": "1", "linux-x86_64": {{{}, "size": "51184484"}}}},
               "samples": {{"source": {{{}, "size": 7}}}},
               "many": {{"cuda_variant": ["12", "13"], "linux-x86_64": {{"cuda12": {{{}}}, "cuda13": {{{}}}}}}},
               "both": {{"linux-x86_64": {{"cuda13": {{{}}}, {}}}}},
               "arm": {{"linux-sbsa": {{{}}}}},
               "evil": {{"linux-x86_64": {{{}}}}}}}"#,
            archive("p/a.tar.xz"),
            archive("s.tar.xz"),
            archive("m12.tar.xz"),
            archive("m13.tar.xz"),
            archive("b13.tar.xz"),
            archive("b.tar.xz"),
            archive("x"),
            archive("../../../etc/passwd"),
        );
        let url = |name: &str| format!("https://example.org/compute/cudnn/redist/{name}");
        assert_eq!(asked(&document, "plain", None).unwrap(), (url("p/a.tar.xz"), Some(51_184_484)));
        assert_eq!(asked(&document, "plain", Some("cuda12")).unwrap().0, url("p/a.tar.xz"));
        assert_eq!(asked(&document, "samples", None).unwrap(), (url("s.tar.xz"), Some(7)));
        assert_eq!(asked(&document, "many", Some("cuda12")).unwrap(), (url("m12.tar.xz"), None));
        assert_eq!(asked(&document, "both", Some("cuda13")).unwrap().0, url("b13.tar.xz"));
        assert_eq!(asked(&document, "both", Some("cuda12")).unwrap().0, url("b.tar.xz"));
        let said = |component, variant| asked(&document, component, variant).unwrap_err();
        assert_eq!(said("many", Some("cuda11")), "the list of cudnn 9.1.1: many is not there for cuda11, but for cuda12, cuda13");
        assert!(said("many", None).ends_with("has no archive of its own for linux-x86_64"));
        assert!(said("arm", None).ends_with("arm is not there for linux-x86_64, but for linux-sbsa"));
        assert!(said("absent", None).ends_with("it has plain, samples, many, both, arm, evil"), "{}", said("absent", None));
        assert!(said("evil", None).ends_with("evil has no usable relative_path and sha256"));
        assert!(asked("[]", "x", None).unwrap_err().contains("no JSON object"));
    }
}
