//! Downloads from a server that misbehaves on purpose.

mod faults;
mod http2;
mod ranges;
mod route;
mod server;
mod tls;

use super::limits::Limits;
use super::redirect::Guard;
use super::*;
use crate::model::{ByteSize, Network, Proxy, Sha256};
use crate::step::Blob;
use crate::store::{Held, Store};
use crate::target::Silent;
use server::{Answer, Server};

/// An answer of this status with these headers; `promised` bytes are announced.
fn answer(status: &str, headers: &str, body: &[u8], promised: usize) -> Answer {
    Answer::framed(status, &format!("Content-Length: {promised}\r\n{headers}"), body)
}

fn ok(body: &[u8]) -> Answer {
    answer("200 OK", "", body, body.len())
}

/// No proxy, whatever the environment names.
fn direct() -> Network {
    Network { proxy: Some(Proxy::default()), ..Network::default() }
}

/// Patient with a busy machine, and quick to try again.
fn quick() -> Limits {
    let limits = Limits::default();
    Limits { connect: limits.connect, head: limits.head, window: limits.window, ..limits.over(1000) }
}

fn http() -> Http {
    Http::with(quick(), Guard::default(), &direct()).unwrap()
}

fn blob(url: &str, body: &[u8]) -> Blob {
    Blob { url: url.to_owned(), sha256: Sha256::of(body), size: None }
}

struct Bench {
    _folder: tempfile::TempDir,
    store: Store,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { store: Store::at(folder.path()), _folder: folder }
    }

    fn download(&self, blob: &Blob) -> Result<Vec<u8>, String> {
        http().download(&self.store, blob, &Silent).map_err(|e| e.to_string())?;
        Ok(std::fs::read(self.store.path(&blob.sha256)).unwrap())
    }

    fn leftovers(&self) -> usize {
        std::fs::read_dir(self.store.folder().join("incoming")).map_or(0, Iterator::count)
    }
}

#[test]
fn a_download_is_stored_and_not_fetched_again() {
    let (bench, server) = (Bench::new(), Server::answering(vec![ok(b"content")]));
    let blob = blob(&server.url, b"content");
    for _ in 0..2 {
        assert_eq!(bench.download(&blob).unwrap(), b"content");
    }
    assert_eq!((server.count(), bench.leftovers()), (1, 0));
}

#[test]
fn other_content_is_refused_and_named() {
    let (bench, server) = (Bench::new(), Server::answering(vec![ok(b"evil")]));
    let error = bench.download(&blob(&server.url, b"good")).unwrap_err();
    for part in [&server.url, &Sha256::of(b"good").to_string(), &Sha256::of(b"evil").to_string()] {
        assert!(error.contains(part), "{error}");
    }
    assert!(matches!(bench.store.look(&Sha256::of(b"good")).unwrap(), Held::Absent));
    assert_eq!((server.count(), bench.leftovers()), (1, 0));
}

#[test]
fn a_cut_download_goes_on_where_it_stopped() {
    let tag = "ETag: \"1\"\r\n";
    let cut = answer("200 OK", tag, b"0123", 10);
    let rest = answer("206 Partial Content", &format!("{tag}Content-Range: bytes 4-9/10\r\n"), b"456789", 6);
    let (bench, server) = (Bench::new(), Server::answering(vec![cut, rest]));
    assert_eq!(bench.download(&blob(&server.url, b"0123456789")).unwrap(), b"0123456789");
    let heads = server.requests.lock().unwrap();
    assert!(heads[1].from() == Some(4) && heads[1].header("if-range") == Some("\"1\""), "{:?}", heads[1]);
}

#[test]
fn a_cut_download_of_a_plain_server_begins_again() {
    let (bench, server) = (Bench::new(), Server::answering(vec![answer("200 OK", "", b"0123", 10), ok(b"0123456789")]));
    assert_eq!(bench.download(&blob(&server.url, b"0123456789")).unwrap(), b"0123456789");
}

#[test]
fn a_file_that_changed_in_between_begins_again() {
    let tag = "ETag: \"1\"\r\n";
    let cut = answer("200 OK", tag, b"old-", 10);
    let rest = answer("206 Partial Content", &format!("{tag}Content-Range: bytes 4-9/10\r\n"), b"456789", 6);
    let (bench, server) = (Bench::new(), Server::answering(vec![cut, rest, ok(b"0123456789")]));
    assert_eq!(bench.download(&blob(&server.url, b"0123456789")).unwrap(), b"0123456789");
}

#[test]
fn a_refusal_is_final_and_a_busy_server_is_asked_again() {
    let bench = Bench::new();
    let missing = Server::answering(vec![answer("404 Not Found", "", b"", 0)]);
    assert!(bench.download(&blob(&missing.url, b"x")).unwrap_err().ends_with("the server answers 404"));
    assert_eq!(missing.count(), 1);

    let busy = answer("503 Service Unavailable", "", b"", 0);
    let recovers = Server::answering(vec![busy.clone(), busy.clone(), ok(b"x")]);
    assert_eq!(bench.download(&blob(&recovers.url, b"x")).unwrap(), b"x");
    let down = Server::answering(vec![busy]);
    assert!(bench.download(&blob(&down.url, b"y")).unwrap_err().ends_with("the server answers 503"));
    assert_eq!(down.count(), 5);
}

#[test]
fn sizes_are_held() {
    let (bench, server) = (Bench::new(), Server::answering(vec![ok(b"0123456789")]));
    let too_long = Blob { size: Some(ByteSize(4)), ..blob(&server.url, b"0123456789") };
    assert!(bench.download(&too_long).unwrap_err().contains("larger than 4 B"));
    let too_short = Blob { size: Some(ByteSize(11)), ..blob(&server.url, b"0123456789a") };
    assert!(bench.download(&too_short).unwrap_err().contains("ended after 10 B"));
}

#[test]
fn redirects_are_followed_five_times() {
    let bench = Bench::new();
    let hop = |to: &str| answer("302 Found", &format!("Location: /{to}\r\n"), b"", 0);
    let near = Server::answering(["1", "2", "3", "4", "5"].map(hop).into_iter().chain([ok(b"there")]).collect());
    assert_eq!(bench.download(&blob(&near.url, b"there")).unwrap(), b"there");
    let far = Server::answering(["1", "2", "3", "4", "5", "6"].map(hop).into_iter().chain([ok(b"x")]).collect());
    assert!(bench.download(&blob(&far.url, b"x")).unwrap_err().contains("more than 5 times"));
    let endless = Server::answering(vec![hop("next")]);
    assert!(bench.download(&blob(&endless.url, b"x")).unwrap_err().contains("in a circle"));
}

#[test]
fn files_are_read_and_other_addresses_refused() {
    let bench = Bench::new();
    let file = bench.store.folder().join("local");
    std::fs::write(&file, b"local").unwrap();
    let url = format!("file://{}", file.display());
    assert_eq!(bench.download(&blob(&url, b"local")).unwrap(), b"local");
    assert_eq!(http().size(&url), Some(ByteSize(5)));
    assert_eq!(http().size(&Server::answering(vec![ok(b"content")]).url), Some(ByteSize(7)));
    assert!(bench.download(&blob("ftp://example.org/x", b"x")).unwrap_err().contains("https:, http: or file:"));
}

#[test]
fn many_downloads_come_together_and_the_first_failure_is_told() {
    let (bench, server) = (Bench::new(), Server::answering(vec![ok(b"same")]));
    let missing = Server::answering(vec![answer("404 Not Found", "", b"", 0)]);
    let (one, other) = (blob(&server.url, b"same"), blob(&missing.url, b"other"));
    http().download_all(&bench.store, &[&one, &one, &one], &Silent).unwrap();
    http().download_all(&bench.store, &[], &Silent).unwrap();
    assert_eq!(http().download_all(&bench.store, &[&one, &other], &Silent).unwrap_err().url, missing.url);
}

#[test]
fn pages_are_text_with_the_address_where_they_were_found() {
    let server = Server::answering(vec![answer("302 Found", "Location: /there/\r\n", b"", 0), ok("né".as_bytes()), ok(b"\xff")]);
    let page = http().page(&server.url, &Silent).unwrap();
    assert_eq!((page.url.path(), page.text.as_str()), ("/there/", "né"));
    assert!(http().page(&server.url, &Silent).unwrap_err().to_string().ends_with("it is not UTF-8 text"));
}

#[test]
fn passwords_in_addresses_are_not_told() {
    assert_eq!(error::shown("https://me:secret@example.org/x@y"), "https://example.org/x@y");
    assert_eq!(error::shown("https://example.org/x?sv=1&sig=a@b"), "https://example.org/x?…");
    assert_eq!(error::shown("https://example.org/x@y"), "https://example.org/x@y");
}

/// How many bits of a download are turned, one after the other.
const FLIPS: usize = 256;

#[test]
fn every_bit_counts() {
    let bench = Bench::new();
    let good: Vec<u8> = (0..=u8::MAX).collect();
    let flipped = |n: usize| {
        let mut bytes = good.clone();
        bytes[n] ^= 1 << (n % 8);
        ok(&bytes)
    };
    let server = Server::answering((0..FLIPS).map(flipped).collect());
    let blob = blob(&server.url, &good);
    let refused = (0..FLIPS).filter(|_| bench.download(&blob).is_err_and(|error| error.contains("was pinned"))).count();
    assert_eq!((refused, server.count()), (FLIPS, FLIPS));
    assert!(matches!(bench.store.look(&blob.sha256).unwrap(), Held::Absent));
    assert_eq!(bench.leftovers(), 0);
}
