//! How the network is reached, as a manifest says it.

/// The ways of a network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// The proxy; the environment's where the manifest names none.
    pub proxy: Option<Proxy>,
    /// Certificates, as PEM, of authorities that are trusted beside those of the machine.
    pub authorities: Vec<String>,
    /// Addresses that stand for public ones.
    pub mirrors: Vec<Mirror>,
}

/// What stands between this network and others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxy {
    /// The proxy of `http:` addresses.
    pub http: Option<String>,
    /// The proxy of `https:` addresses.
    pub https: Option<String>,
    /// Hosts, domains and networks that are asked without one.
    pub none: Vec<String>,
}

/// A copy of a public server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// Where the copy is.
    pub at: String,
    /// What it is a copy of.
    pub of: &'static str,
}

/// What is never asked through a proxy, for it would answer for the proxy's machine: the metadata of clouds, and this machine itself.
pub const NEVER_PROXIED: [&str; 5] = ["169.254.169.254", "168.63.129.16", "localhost", "127.0.0.0/8", "::1"];

impl Proxy {
    /// What is asked without a proxy, as `NO_PROXY` has it.
    #[must_use]
    pub fn without(&self) -> String {
        self.none.iter().map(String::as_str).chain(NEVER_PROXIED).collect::<Vec<_>>().join(",")
    }

    /// The variables by which most programs are told of it.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let named = [("http_proxy", self.http.clone()), ("https_proxy", self.https.clone()), ("no_proxy", Some(self.without()))];
        named.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}
