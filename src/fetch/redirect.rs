//! Where a server may send us, and where not.
//!
//! A redirect is a stranger's word. It may lead to other servers, but neither to this machine nor to what only this machine can reach: the
//! cloud's metadata above all, which hands out identities. An address is judged as it is written and again when it is connected to, as
//! names may mean one thing when they are asked and another a moment later. What the manifest names itself is not judged: a mirror
//! on this machine is a good mirror, and one that is named as such may also redirect on this machine.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::{Action, Attempt};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use url::{Host, Url};

/// Redirects that are followed: mirrors need two or three, loops are endless.
const MOST: usize = 5;

/// Servers of metadata that are not link-local: Azure's host, Alibaba's and Oracle's metadata.
const METADATA: [Ipv4Addr; 3] = [Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192)];
/// The metadata of EC2 by IPv6.
const METADATA_6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// A redirect that is not followed, and why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refused(String);

/// How near to this machine an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Near {
    /// Somewhere in a network.
    Network,
    /// This machine itself.
    Machine,
    /// No server at all, or one that is there for this machine alone.
    Reserved,
}

fn near(address: IpAddr) -> Near {
    match address {
        IpAddr::V4(v4) => near_v4(v4),
        IpAddr::V6(v6) if v6.is_loopback() => Near::Machine,
        IpAddr::V6(v6) if v6.is_unspecified() || v6.is_multicast() || v6.is_unicast_link_local() || v6 == METADATA_6 => Near::Reserved,
        IpAddr::V6(v6) => embedded(v6).map_or(Near::Network, near_v4),
    }
}

fn near_v4(v4: Ipv4Addr) -> Near {
    let [first, ..] = v4.octets();
    // 0.0.0.0 connects to this machine; above 240 nothing is assigned.
    if first == 0 || first >= 240 || v4.is_multicast() || v4.is_link_local() || METADATA.contains(&v4) {
        Near::Reserved
    } else if v4.is_loopback() {
        Near::Machine
    } else {
        Near::Network
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped, compatible, by NAT64, by 6to4.
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let pair = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match v6.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => Some(pair(high, low)),
        _ => None,
    }
}

/// The addresses of a name, on their way.
pub(super) type Looked = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;
/// Looks up the addresses of a name.
pub(super) type Lookup = fn(&str) -> Looked;

fn system(name: &str) -> Looked {
    let name = name.to_owned();
    Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) })
}

/// What watches over redirects.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    /// Names that redirects lead to, and how near they may be.
    named: Arc<Mutex<BTreeMap<String, Near>>>,
    lookup: Lookup,
}

impl Default for Guard {
    fn default() -> Self {
        Self::asking(system)
    }
}

impl Guard {
    pub fn asking(lookup: Lookup) -> Self {
        Self { named: Arc::default(), lookup }
    }

    /// Follows a redirect, or says why not.
    pub fn judge(&self, attempt: Attempt<'_>) -> Action {
        match self.refusal(attempt.url(), attempt.previous()) {
            None => attempt.follow(),
            Some(refused) => attempt.error(refused),
        }
    }

    fn refusal(&self, next: &Url, previous: &[Url]) -> Option<Refused> {
        let refused = |why: String| Some(Refused(why));
        if previous.len() > MOST {
            return refused(format!("it redirects more than {MOST} times"));
        }
        if previous.contains(next) {
            return refused("it redirects in a circle".into());
        }
        if !matches!(next.scheme(), "http" | "https") {
            return refused(format!("it redirects to a {}: address", next.scheme()));
        }
        if next.scheme() == "http" && previous.iter().any(|url| url.scheme() == "https") {
            return refused("it redirects from https to http".into());
        }
        let (Some(to), Some(from)) = (next.host(), previous.first().and_then(Url::host)) else {
            return refused("it redirects to an address without a host".into());
        };
        if to == from {
            return None;
        }
        self.watch(&to, if is_this_machine(&from) { Near::Machine } else { Near::Network })
    }

    /// Judges an address now, and a name whenever it is connected to.
    fn watch(&self, to: &Host<&str>, most: Near) -> Option<Refused> {
        let address = match to {
            Host::Ipv4(v4) => near(IpAddr::V4(*v4)),
            Host::Ipv6(v6) => near(IpAddr::V6(*v6)),
            Host::Domain(_) if is_this_machine(to) => Near::Machine,
            Host::Domain(name) => {
                self.named.lock().unwrap_or_else(PoisonError::into_inner).insert(plain(name), most);
                Near::Network
            }
        };
        (address > most).then(|| leads(&to.to_string(), address))
    }
}

/// The refusal of a host that is too near.
fn leads(host: &str, near: Near) -> Refused {
    let what = if near == Near::Machine { "this machine itself" } else { "an address that no server of the network has" };
    Refused(format!("it redirects to {host}, which is {what}"))
}

fn is_this_machine(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => {
            let name = plain(name);
            name == "localhost" || name.ends_with(".localhost")
        }
        Host::Ipv4(v4) => v4.is_loopback(),
        Host::Ipv6(v6) => v6.is_loopback(),
    }
}

/// A name as all ways to write it come to.
fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let name = plain(name.as_str());
        let most = self.named.lock().unwrap_or_else(PoisonError::into_inner).get(&name).copied().unwrap_or(Near::Reserved);
        let found = (self.lookup)(&name);
        Box::pin(async move {
            let found = found.await?;
            // One bad address is enough: which one is connected to is chance.
            match found.iter().map(|address| near(address.ip())).max().filter(|nearest| *nearest > most) {
                Some(nearest) => Err(leads(&name, nearest).into()),
                None => Ok(Box::new(found.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(from: &[&str], to: &str) -> Option<String> {
        let previous: Vec<Url> = from.iter().map(|url| Url::parse(url).unwrap()).collect();
        Guard::default().refusal(&Url::parse(to).unwrap(), &previous).map(|refused| refused.to_string())
    }

    #[test]
    fn near_addresses_are_refused_however_they_are_written() {
        let near = [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "017700000001",
            "0",
            "0.0.0.0",
            "[::1]",
            "[::]",
            "localhost",
            "LOCALHOST.",
            "x.localhost",
            "169.254.169.254",
            "0251.0376.0251.0376",
            "2852039166",
            "168.63.129.16",
            "[::ffff:169.254.169.254]",
            "[::ffff:127.0.0.1]",
            "[::7f00:1]",
            "[64:ff9b::a9fe:a9fe]",
            "[2002:a9fe:a9fe::]",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "100.100.100.200",
            "224.0.0.1",
            "255.255.255.255",
        ];
        let passed: Vec<&str> =
            near.into_iter().filter(|to| refused(&["https://example.org/a"], &format!("https://{to}/b")).is_none()).collect();
        assert!(passed.is_empty(), "followed: {passed:?}");
        for to in ["https://example.com/b", "https://10.0.0.4/b", "https://[2001:db8::1]/b", "https://example.org:8443/b"] {
            assert_eq!(refused(&["https://example.org/a"], to), None, "{to}");
        }
    }

    #[test]
    fn a_mirror_on_this_machine_may_redirect_on_it_but_not_to_the_clouds_metadata() {
        for from in ["http://127.0.0.1:8080/a", "http://localhost/a", "http://[::1]/a"] {
            assert_eq!(refused(&[from], "http://127.0.0.1:9090/b"), None, "{from}");
            assert!(refused(&[from], "http://169.254.169.254/b").is_some(), "{from}");
        }
        assert!(refused(&["http://10.0.0.4/a"], "http://127.0.0.1/b").is_some());
    }

    #[test]
    fn the_other_rules() {
        let cases = [
            (&["https://a.example/1"][..], "http://a.example/2", "from https to http"),
            (&["http://a.example/1", "https://a.example/2"], "http://a.example/3", "from https to http"),
            (&["http://a.example/1", "http://a.example/2"], "http://a.example/1", "in a circle"),
            (&["http://a.example/1"], "file:///etc/shadow", "to a file: address"),
            (&["http://a.example/1"], "ftp://a.example/", "to a ftp: address"),
            (&["http://a.example/1"], "data:text/plain,x", "to a data: address"),
            (&["http://a.example/1"], "unix:/run/docker.sock", "to a unix: address"),
            (&["http://a.example/1"; 6], "http://a.example/2", "more than 5 times"),
        ];
        for (from, to, why) in cases {
            let said = refused(from, to).unwrap_or_default();
            assert!(said.contains(why), "{to}: {said}");
        }
        assert_eq!(refused(&["http://a.example/1"; 5], "http://a.example/2"), None);
    }
}
