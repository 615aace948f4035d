//! Servers whose certificates are not to be trusted.

use super::server::{Answer, Server};
use super::{Bench, blob, direct, quick};
use crate::fetch::Http;
use crate::fetch::redirect::Guard;
use crate::model::Network;
use crate::target::Silent;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::sync::Arc;

pub struct Authority {
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }
}

/// With a certificate of `authority`'s, or of nobody's but its own.
pub fn config(params: &CertificateParams, authority: Option<&Authority>) -> ServerConfig {
    let key = KeyPair::generate().unwrap();
    let certificate = match authority {
        Some(authority) => params.signed_by(&key, &authority.issuer).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    config.with_single_cert(vec![certificate.der().clone()], key).unwrap()
}

fn server(params: &CertificateParams, authority: Option<&Authority>) -> Server {
    let config = Arc::new(config(params, authority));
    let wrap = move |stream| Some(StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream));
    Server::over("https", |_, _| Answer::new("200 OK", "", b"x"), wrap)
}

pub fn params(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

fn asked(server: &Server, trusted: &Authority) -> Result<(), String> {
    let network = Network { authorities: vec![trusted.pem.clone()], ..direct() };
    let http = Http::with(quick(), Guard::default(), &network).unwrap();
    http.download(&Bench::new().store, &blob(&server.url, b"x"), &Silent).map_err(|e| e.to_string())
}

#[test]
fn certificates_are_accepted_or_the_trouble_is_named() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let mut expired = params("127.0.0.1");
    (expired.not_before, expired.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 3, 4));
    let mut early = params("127.0.0.1");
    (early.not_before, early.not_after) = (date_time_ymd(2901, 1, 1), date_time_ymd(2902, 1, 1));
    let cases = [
        ("good", params("127.0.0.1"), Some(&ours), None),
        ("expired", expired, Some(&ours), Some(["expired on 2002-03-04", "this machine's clock"])),
        ("too early", early, Some(&ours), Some(["not valid before 2901-01-01", "this machine's clock"])),
        ("of another host", params("other.example"), Some(&ours), Some(["is for", "other.example"])),
        (
            "of an unknown authority",
            params("127.0.0.1"),
            Some(&theirs),
            Some(["no authority that this machine trusts", "network.ca_certificates"]),
        ),
        ("of its own", params("127.0.0.1"), None, Some(["no authority that this machine trusts", "network.ca_certificates"])),
    ];
    for (what, params, authority, said) in cases {
        let server = server(&params, authority);
        let done = asked(&server, &ours);
        match said {
            None => assert_eq!(done, Ok(()), "{what}"),
            Some(parts) => {
                let error = done.unwrap_err();
                assert!(parts.iter().all(|part| error.contains(part)), "{what}: {error}");
                assert_eq!(server.count(), 0, "{what}: something was asked all the same");
            }
        }
    }
}
