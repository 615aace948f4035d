//! Proxies, and mirrors that have another file.

use super::server::{Answer, Server};
use super::{Bench, blob, direct, quick};
use crate::fetch::Http;
use crate::fetch::redirect::Guard;
use crate::model::{Mirror, Network, Proxy};
use crate::target::Silent;

fn asked(network: &Network, url: &str) -> Result<(), String> {
    let http = Http::with(quick(), Guard::default(), network).unwrap();
    http.download(&Bench::new().store, &blob(url, b"x"), &Silent).map_err(|e| e.to_string())
}

#[test]
fn proxies_are_asked_but_never_for_metadata_or_this_machine() {
    let proxy = Server::answering(vec![Answer::new("200 OK", "", b"x")]);
    let here = Server::answering(vec![Answer::new("200 OK", "", b"x")]);
    let named = Proxy { http: Some(proxy.url.clone()), https: None, none: vec!["near.test".into(), ".inside.test".into()] };
    let network = Network { proxy: Some(named), ..Network::default() };
    assert_eq!(asked(&network, "http://far.test/x"), Ok(()));
    assert!(proxy.requests.lock().unwrap()[0].0.starts_with("get http://far.test/x"));
    assert_eq!(asked(&network, &here.url), Ok(()));
    for url in ["http://near.test/x", "http://a.inside.test/x"] {
        assert!(asked(&network, url).unwrap_err().contains("cannot be looked up"), "{url}");
    }
    assert_eq!((proxy.count(), here.count()), (1, 1));
    let told = network.proxy.unwrap().variables();
    assert!(
        told.contains(&("no_proxy", "near.test,.inside.test,169.254.169.254,168.63.129.16,localhost,127.0.0.0/8,::1".into())),
        "{told:?}"
    );
}

#[test]
fn the_password_of_a_proxy_is_not_told() {
    for proxy in ["http://me:SECRET@127.0.0.1:1/", "http://me:SECRET@[bad"] {
        let network = Network { proxy: Some(Proxy { http: Some(proxy.into()), ..Proxy::default() }), ..Network::default() };
        let said = Http::with(quick(), Guard::default(), &network).map_err(|e| e.to_string());
        let said = said.and_then(|http| http.page("http://far.test/", &Silent).map_err(|e| e.to_string())).unwrap_err();
        assert!(!said.contains("SECRET"), "{said}");
    }
}

#[test]
fn a_mirror_with_another_file_is_followed_by_its_original_once() {
    let of: &'static str = "https://public.invalid";
    let cases: [(&[u8], bool); 2] = [(b"x", true), (b"other", false)];
    for (has, right) in cases {
        let mirror = Server::answering(vec![Answer::new("200 OK", "", has)]);
        let network = Network { mirrors: vec![Mirror { at: mirror.url.clone(), of }], ..direct() };
        let done = asked(&network, &format!("{}/a/b", mirror.url));
        assert_eq!((done.is_ok(), mirror.count()), (right, 1), "{done:?}");
    }
    let original = Server::answering(vec![Answer::new("200 OK", "", b"x")]);
    let mirror = Server::answering(vec![Answer::new("200 OK", "", b"other")]);
    let of = Box::leak(original.url.clone().into_boxed_str());
    let network = Network { mirrors: vec![Mirror { at: format!("{}/conda/", mirror.url), of }], ..direct() };
    assert_eq!(asked(&network, &format!("{}/conda/a/b?c", mirror.url)), Ok(()));
    assert!(original.requests.lock().unwrap()[0].0.starts_with("get /a/b?c"));
    // What no mirror serves is asked for where it is named, and nowhere else.
    assert!(asked(&network, &format!("{}/a/b", mirror.url)).is_err());
    assert_eq!((mirror.count(), original.count()), (2, 1));
}
