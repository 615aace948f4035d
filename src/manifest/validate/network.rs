//! `network`: through which proxy, trusting whom, asking which copies.

use super::desk::{CARRIED, Desk};
use crate::manifest::v1::{Manifest, Mirrors};
use crate::model::{Mirror, Network, Proxy};
use crate::problem::Code;

/// What conda's channels are part of where they have only a name.
const ANACONDA: &str = "https://conda.anaconda.org";
/// NVIDIA's server.
const NVIDIA: &str = "https://developer.download.nvidia.com";

/// `network`.
pub fn network(manifest: &Manifest, desk: &mut Desk<'_>) -> Network {
    let Some(network) = &manifest.network else { return Network::default() };
    let proxy = network.proxy.as_ref().map(|proxy| Proxy {
        http: proxy.http.as_ref().map(|address| address.as_str().to_owned()),
        https: proxy.https.as_ref().map(|address| address.as_str().to_owned()),
        none: proxy.no_proxy.iter().map(|host| host.as_str().to_owned()).collect(),
    });
    let mut authorities = Vec::new();
    for path in &network.ca_certificates {
        let Some(file) = desk.file(path, CARRIED) else { continue };
        if file.text.contains("PRIVATE KEY-----") {
            let message = format!("{} holds a private key, which is nobody's business but its owner's", file.path.display());
            desk.say(Code::BadValue, &path.place, message, "name the certificate of the authority alone");
        } else if !file.text.contains("-----BEGIN CERTIFICATE-----") {
            let message = format!("{} holds no certificate as PEM", file.path.display());
            desk.say(Code::BadValue, &path.place, message, "convert it with `openssl x509 -inform der`");
        }
        authorities.push(file.text);
    }
    let copy = |at: Option<String>, of| at.map(|at| Mirror { at, of });
    let mirrors = [copy(conda_mirror(manifest), ANACONDA), copy(nvidia_mirror(manifest), NVIDIA)];
    Network { proxy, authorities, mirrors: mirrors.into_iter().flatten().collect() }
}

fn mirrors(manifest: &Manifest) -> Option<&Mirrors> {
    manifest.network.as_ref()?.mirrors.as_ref()
}

/// The package index that is asked instead of PyPI.
pub fn index(manifest: &Manifest) -> Option<String> {
    mirrors(manifest)?.pypi.as_ref().map(|address| address.as_str().to_owned())
}

/// Where channels are that have only a name, if not on Anaconda's server.
pub fn conda_mirror(manifest: &Manifest) -> Option<String> {
    mirrors(manifest)?.conda.as_ref().map(|address| address.as_str().to_owned())
}

/// What is asked instead of NVIDIA's server.
pub fn nvidia_mirror(manifest: &Manifest) -> Option<String> {
    mirrors(manifest)?.nvidia.as_ref().map(|address| address.as_str().to_owned())
}
