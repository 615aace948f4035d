//! Faults, as data: each row is a server that misbehaves in one way, and what must come of it.

use super::server::{Answer, End, Request, Served, Server};
use super::{Bench, blob, direct, http, quick};
use crate::fetch::limits::{ATTEMPTS, Limits};
use crate::fetch::redirect::{Guard, Looked};
use crate::fetch::{FetchError, Http};
use crate::model::{ByteSize, Sha256};
use crate::step::Blob;
use crate::target::Silent;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Large enough that what comes is worth going on with after a failure, and after a run.
pub const SIZE: usize = 6 << 20;

pub fn content() -> Vec<u8> {
    static CONTENT: OnceLock<Vec<u8>> = OnceLock::new();
    CONTENT.get_or_init(|| (0..SIZE).map(|n| u8::try_from((n * 7 + n / 251) % 256).unwrap()).collect()).clone()
}

pub fn served() -> Served {
    Served { bytes: content(), version: "1" }
}

pub fn sized(server: &Server, bytes: &[u8]) -> Blob {
    Blob { size: Some(ByteSize(bytes.len() as u64)), ..blob(&server.url, bytes) }
}

/// What a download comes to; whatever that is, only the right bytes are at the final path, and nothing else is left in the way.
pub fn outcome(bench: &Bench, blob: &Blob, http: &Http) -> Result<(), String> {
    let done = http.download(&bench.store, blob, &Silent).map_err(|e: FetchError| e.to_string());
    match (&done, std::fs::read(bench.store.path(&blob.sha256))) {
        (Ok(()), bytes) => assert_eq!(Sha256::of(&bytes.unwrap()), blob.sha256),
        (Err(_), bytes) => assert!(bytes.is_err(), "something is at the final path"),
    }
    done
}

#[test]
fn a_line_that_is_cut_anywhere_is_mended() {
    let places = [0, 1, SIZE / 100, SIZE / 2, SIZE * 99 / 100, SIZE - 1];
    for (at, resumes) in places.into_iter().flat_map(|at| [(at, true), (at, false)]) {
        for cut in [End::Fin(at), End::Rst(at)] {
            let server = Server::new(move |request, number| {
                let asked = if resumes { request.clone() } else { Request(String::new()) };
                let mut answer = served().answer(&asked);
                if !resumes {
                    answer.head = answer.head.replace("ETag: \"1\"\r\n", "");
                }
                if number == 0 { answer.ending(cut) } else { answer }
            });
            let bench = Bench::new();
            assert_eq!(outcome(&bench, &sized(&server, &content()), &http()), Ok(()), "{cut:?}, resumes: {resumes}");
            let requests = server.requests.lock().unwrap();
            assert_eq!(requests.len(), 2, "{cut:?}, resumes: {resumes}");
            // A reset may take with it what was on its way.
            let went_on = requests[1].from().is_some_and(|from| from > 0 && from <= at);
            assert_eq!(went_on, resumes && at > 0 && requests[1].from().is_some(), "{cut:?}: {:?}", requests[1]);
            if let (End::Fin(at), true) = (cut, resumes && at > 0) {
                assert_eq!(requests[1].from(), Some(at));
            }
            assert_eq!(bench.leftovers(), 0);
        }
    }
}

#[test]
fn the_next_run_goes_on_where_the_last_one_failed() {
    let bench = Bench::new();
    let broken = Server::new(|request, _| match request.from() {
        None => served().answer(request).ending(End::Fin(SIZE - 9)),
        Some(_) => Answer::new("404 Not Found", "", b""),
    });
    let content = content();
    let said = outcome(&bench, &sized(&broken, &content), &http()).unwrap_err();
    assert!(said.ends_with("the server answers 404"), "{said}");
    assert_eq!(bench.leftovers(), 2);
    let mended = Server::new(|request, _| served().answer(request));
    assert_eq!(outcome(&bench, &sized(&mended, &content), &http()), Ok(()));
    assert_eq!(mended.requests.lock().unwrap()[0].from(), Some(SIZE - 9));
    assert_eq!(bench.leftovers(), 0);
}

#[test]
fn what_an_earlier_run_left_is_not_trusted() {
    type Spoil = fn(&mut Vec<u8>);
    let spoilt: [(&str, Spoil, Option<&str>); 5] = [
        ("a bit was turned", |part| part[77] ^= 1, None),
        ("nothing is left", Vec::clear, None),
        ("it is longer than the file", |part| part.extend(vec![7; SIZE]), None),
        ("it is all there", |part| *part = content(), None),
        ("nothing is noted of it", |_| {}, Some("{")),
    ];
    for (what, spoil, note) in spoilt {
        let bench = Bench::new();
        let server = Server::new(|request, number| {
            let answer = served().answer(request);
            if number == 0 {
                answer.ending(End::Fin(SIZE - 9))
            } else if number == 1 {
                Answer::new("404 No", "", b"")
            } else {
                answer
            }
        });
        let blob = sized(&server, &content());
        outcome(&bench, &blob, &http()).unwrap_err();
        let part = bench.store.folder().join("incoming").join(blob.sha256.to_string());
        let mut bytes = std::fs::read(&part).unwrap();
        spoil(&mut bytes);
        std::fs::write(&part, bytes).unwrap();
        if let Some(note) = note {
            bench.store.note(&blob.sha256, note).unwrap();
        }
        assert_eq!(outcome(&bench, &blob, &http()), Ok(()), "{what}");
        assert_eq!(bench.leftovers(), 0, "{what}");
    }
}

/// A fault of an answer: what it is, what is answered to which request, and what is said; nothing where it is mended.
type Fault = (&'static str, fn(&Request, usize) -> Answer, Option<&'static str>);

const HTML: &str = "Content-Type: text/html; charset=utf-8\r\n";

/// The first answer is cut, so that all others are about what is left.
fn cut_first(request: &Request, number: usize, then: impl Fn(&Request) -> Answer) -> Answer {
    if number == 0 { served().answer(request).ending(End::Fin(SIZE / 2)) } else { then(request) }
}

const BODIES: [Fault; 14] = [
    ("a short body", |_, _| Answer::new("200 OK", "", &content()[..SIZE - 1]), Some("before its end")),
    ("a long body", |_, _| Answer::new("200 OK", "", &[content(), b"x".to_vec()].concat()), Some("larger than 6.3 MB")),
    ("an endless body", |_, _| Answer::framed("200 OK", "", &content().repeat(3)), Some("larger than 6.3 MB")),
    (
        "less than is announced",
        |_, _| Answer::framed("200 OK", &format!("Content-Length: {SIZE}\r\n"), &content()[..99]),
        Some("the connection ended before the file did"),
    ),
    ("more than is announced", |_, _| Answer::framed("200 OK", "Content-Length: 99\r\n", &content()), Some("ended after 99 B")),
    ("chunks that are none", |_, _| Answer::framed("200 OK", "Transfer-Encoding: chunked\r\n", b"zzz\r\nx\r\n"), Some("chunk")),
    ("chunks without an end", |_, _| Answer::framed("200 OK", "Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n"), Some("unexpected EOF")),
    (
        "another part, once",
        |request, number| {
            cut_first(request, number, |request| match request.from() {
                Some(_) => Answer::new("206 Partial Content", "Content-Range: bytes 7-9/6291456\r\n", b"abc"),
                None => served().answer(request),
            })
        },
        None,
    ),
    (
        "a part that was not asked for",
        |_, _| Answer::new("206 Partial Content", "Content-Range: bytes 7-9/6291456\r\n", b"abc"),
        Some("another part than was asked for"),
    ),
    (
        "another version, all of it",
        |request, number| cut_first(request, number, |request| Served { version: "2", ..served() }.answer(request)),
        None,
    ),
    (
        "a part of another version",
        |request, number| {
            cut_first(request, number, |request| match request.from() {
                Some(from) => Answer::new(
                    "206 Partial Content",
                    &format!("ETag: \"2\"\r\nContent-Range: bytes {from}-{}/{SIZE}\r\n", SIZE - 1),
                    &content()[from..],
                ),
                None => served().answer(request),
            })
        },
        None,
    ),
    ("the whole in place of a part", |request, number| cut_first(request, number, |_| Answer::new("200 OK", "", &content())), None),
    ("a page to log in", |_, _| Answer::new("200 OK", HTML, b"<html>Welcome to our hotel</html>"), Some("a page of HTML came instead")),
    ("a page of the right size", |_, _| Answer::new("200 OK", HTML, &vec![b' '; SIZE]), Some("a page of HTML came instead")),
];

#[test]
fn bodies_that_are_not_what_they_say_are_mended_or_refused() {
    for (what, answers, said) in BODIES {
        let (bench, server) = (Bench::new(), Server::new(answers));
        let done = outcome(&bench, &sized(&server, &content()), &http());
        match said {
            None => assert_eq!(done, Ok(()), "{what}"),
            Some(said) => assert!(done.as_ref().is_err_and(|error| error.contains(said)), "{what}: {done:?}"),
        }
        assert_eq!(bench.leftovers(), 0, "{what}");
    }
}

/// Statuses: how often such a server is asked.
#[test]
fn refusals_are_final_and_troubles_pass() {
    let cases =
        [(400, 1), (401, 1), (403, 1), (404, 1), (410, 1), (451, 1), (408, ATTEMPTS), (429, ATTEMPTS), (500, ATTEMPTS), (503, ATTEMPTS)];
    for (status, times) in cases {
        let server = Server::new(move |_, _| Answer::new(&format!("{status} X"), "", b""));
        let said = outcome(&Bench::new(), &blob(&server.url, b"x"), &http()).unwrap_err();
        assert!(said.ends_with(&format!("the server answers {status}")), "{said}");
        assert_eq!(server.count(), times as usize, "{status}");
    }
}

/// A second of the real limits takes this long here.
const SECOND: Duration = Duration::from_millis(10);

fn hundredth() -> Http {
    Http::with(Limits::default().over(100), Guard::default(), &direct()).unwrap()
}

#[test]
fn servers_are_left_alone_for_as_long_as_they_ask() {
    let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    let cases = [
        ("Retry-After: 0\r\n".to_owned(), 0),
        (format!("{date}Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), 0),
        // Longer than any server may ask for: as long as the limit has it.
        (format!("{date}Retry-After: Thu, 06 Nov 2994 08:49:37 GMT\r\n"), 1),
        ("Retry-After: 99999\r\n".to_owned(), 1),
    ];
    for (asks, waits) in cases {
        let headers = asks.clone();
        let server = Server::new(move |_, number| match number {
            0 => Answer::new("503 Busy", &headers, b""),
            _ => Answer::new("200 OK", "", b"x"),
        });
        let began = Instant::now();
        assert_eq!(outcome(&Bench::new(), &blob(&server.url, b"x"), &hundredth()), Ok(()));
        // 120 s of waiting at most, a hundredth of that here.
        assert!(began.elapsed() >= SECOND * 120 * waits, "{asks}");
    }
}

#[test]
fn servers_that_hardly_answer_are_given_up() {
    let limits = Limits::default();
    let cases: [Fault; 3] = [
        (
            "a head that drips",
            |_, _| Answer { drip: [SECOND, SECOND], ..Answer::new("200 OK", "X: y\r\n", b"x") },
            Some("did not answer within 250ms"),
        ),
        (
            "a body that drips",
            |_, _| Answer { drip: [Duration::ZERO, Duration::from_millis(2)], ..Answer::new("200 OK", "", &[7; 4000]) },
            Some("in 300ms only"),
        ),
        (
            "nothing at all",
            |_, _| Answer { drip: [SECOND * 1000, SECOND], ..Answer::new("200 OK", "", b"x") },
            Some("did not answer within 250ms"),
        ),
    ];
    for (what, answers, said) in cases {
        let server = Server::new(answers);
        // Heads come at once but for those that drip; bodies get the whole of their window.
        let http = Http::with(Limits { head: limits.head / 40, window: limits.window / 100, ..quick() }, Guard::default(), &direct());
        let got = outcome(&Bench::new(), &blob(&server.url, &[7; 4000]), &http.unwrap()).unwrap_err();
        assert!(got.contains(said.unwrap()), "{what}: {got}");
        assert_eq!(server.count(), ATTEMPTS as usize, "{what}");
    }
}

#[test]
fn a_download_that_never_ends_is_ended() {
    let server =
        Server::new(|_, _| Answer { drip: [Duration::ZERO, Duration::from_millis(1)], ..Answer::new("200 OK", "", &vec![7; 100_000]) });
    let limits = Limits { overall: Duration::from_millis(200), ..quick() };
    let http = Http::with(limits, Guard::default(), &direct()).unwrap();
    let said = outcome(&Bench::new(), &blob(&server.url, &vec![7; 100_000]), &http).unwrap_err();
    assert!(said.contains("it was not done after 200ms; what came is kept"), "{said}");
}

#[test]
fn a_server_that_nobody_reaches_is_named() {
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    for (url, part) in [(gone.as_str(), "Connection refused"), ("http://name.invalid/x", "cannot be looked up")] {
        let said = outcome(&Bench::new(), &blob(url, b"x"), &http()).unwrap_err();
        assert!(said.contains(part) && said.contains(url), "{said}");
    }
}

/// A resolver for which every name of `example` is this machine; the other names turn from one answer to the next.
fn lookup(name: &str) -> Looked {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let address = match name {
        "rebinds.test" if ASKED.fetch_add(1, Ordering::Relaxed) == 0 => "192.0.2.1:0",
        "metadata.test" => "169.254.169.254:0",
        "six.test" => "[::ffff:a9fe:a9fe]:0",
        _ => "127.0.0.1:0",
    };
    Box::pin(std::future::ready(Ok(vec![address.parse().unwrap()])))
}

#[test]
fn redirects_lead_away_from_this_machine_or_nowhere() {
    let targets = [
        "http://127.0.0.1:PORT/",
        "http://2130706433:PORT/",
        "http://0177.0.0.1:PORT/",
        "http://[::1]:PORT/",
        "http://0.0.0.0:PORT/",
        "http://localhost:PORT/",
        "http://LOCALHOST:PORT/",
        "http://home.test:PORT/",
        "http://HOME.test.:PORT/",
        "http://rebinds.test:PORT/",
        "http://metadata.test/",
        "http://six.test/",
        "http://169.254.169.254/",
        "http://168.63.129.16/",
        "http://[::ffff:169.254.169.254]/",
        "http://0xa9fea9fe/",
        "//home.test:PORT/",
        "ftp://origin.test/",
        "file:///etc/passwd",
        "data:text/plain,x",
        "unix:/run/x.sock",
    ];
    for to in targets {
        let inside = Server::answering(vec![Answer::new("200 OK", "", b"secret")]);
        let to = to.replace("PORT", inside.url.rsplit(':').next().unwrap());
        let location = format!("Location: {to}\r\n");
        let outside = Server::new(move |_, _| Answer::new("302 Found", &location, b""));
        let limits = Limits { connect: Duration::from_millis(100), head: Duration::from_millis(300), ..quick() };
        let http = Http::with(limits, Guard::asking(lookup), &direct()).unwrap();
        let url = outside.url.replace("127.0.0.1", "origin.test");
        let said = outcome(&Bench::new(), &blob(&url, b"secret"), &http).unwrap_err();
        assert!(said.contains("redirects to"), "{to}: {said}");
        assert_eq!(inside.count(), 0, "{to}");
    }
}

#[test]
fn what_is_secret_goes_to_nobody_else() {
    let other = Server::answering(vec![Answer::new("200 OK", "", b"x")]);
    let location = format!("Location: {}/there\r\n", other.url);
    let origin = Server::new(move |_, _| Answer::new("302 Found", &location, b""));
    let url = format!("{}/here?sig=TOKEN", origin.url.replace("http://", "http://me:PASSWORD@"));
    assert_eq!(outcome(&Bench::new(), &blob(&url, b"x"), &http()), Ok(()));
    assert!(origin.requests.lock().unwrap()[0].header("authorization").is_some());
    let seen = &other.requests.lock().unwrap()[0];
    for secret in ["token", "authorization", "referer", "password", "sig="] {
        assert!(!seen.0.contains(secret), "{}", seen.0);
    }
    let missing = Server::answering(vec![Answer::new("404 Not Found", "", b"")]);
    let url = format!("{}/here?sig=TOKEN", missing.url.replace("http://", "http://me:PASSWORD@"));
    let said = outcome(&Bench::new(), &blob(&url, b"x"), &http()).unwrap_err();
    assert!(!said.contains("TOKEN") && !said.contains("PASSWORD"), "{said}");
}
