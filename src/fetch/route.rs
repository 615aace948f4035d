//! Through which proxy, trusting whom, and where else a download can be had.

use super::error::Cause;
use crate::model::{Network, Proxy};
use reqwest::{Certificate, ClientBuilder, NoProxy};

/// A client that goes the ways of a network.
pub(super) fn route(client: ClientBuilder, network: &Network) -> Result<ClientBuilder, Cause> {
    let mut client = client.no_proxy();
    for proxy in proxies(&network.proxy.clone().unwrap_or_else(of_environment))? {
        client = client.proxy(proxy);
    }
    let mut authorities = Vec::new();
    for pem in &network.authorities {
        let found = Certificate::from_pem_bundle(pem.as_bytes());
        authorities.extend(found.map_err(|_| Cause::Route("a file of network.ca_certificates holds no certificate".into()))?);
    }
    Ok(if authorities.is_empty() { client } else { client.tls_certs_merge(authorities) })
}

fn proxies(proxy: &Proxy) -> Result<Vec<reqwest::Proxy>, Cause> {
    // The address may hold a password, so it is not told.
    let usable = |made: reqwest::Result<reqwest::Proxy>| made.map_err(|_| Cause::Route("the address of the proxy cannot be used".into()));
    let none = || NoProxy::from_string(&proxy.without());
    let http = proxy.http.as_ref().map(|address| usable(reqwest::Proxy::http(address)));
    let https = proxy.https.as_ref().map(|address| usable(reqwest::Proxy::https(address)));
    http.into_iter().chain(https).map(|made| Ok(made?.no_proxy(none()))).collect()
}

/// The proxy that the environment names, as curl reads it: `HTTP_PROXY` in capitals may come from a request of CGI's, so it does not count.
fn of_environment() -> Proxy {
    let first = |names: &[&str]| names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.trim().is_empty()));
    let none = first(&["no_proxy", "NO_PROXY"]).unwrap_or_default();
    if none.trim() == "*" {
        return Proxy::default();
    }
    Proxy {
        http: first(&["http_proxy", "all_proxy", "ALL_PROXY"]),
        https: first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
        none: none.split(',').map(|host| host.trim().to_owned()).filter(|host| !host.is_empty()).collect(),
    }
}

/// Where a download can be had: as it is named, and where that is a copy, at what it is a copy of.
pub(super) fn places(url: &str, network: &Network) -> Vec<String> {
    let original = network.mirrors.iter().find_map(|mirror| {
        let path = url.strip_prefix(mirror.at.trim_end_matches('/'))?.strip_prefix('/')?;
        Some(format!("{}/{path}", mirror.of))
    });
    std::iter::once(url.to_owned()).chain(original).collect()
}
