//! Large files in parts.

use super::faults::{SIZE, content, outcome, served, sized};
use super::server::{Answer, End, Request, Server};
use super::{Bench, direct, quick};
use crate::fetch::Http;
use crate::fetch::limits::Limits;
use crate::fetch::redirect::Guard;
use std::time::Duration;

const PART: u64 = 256 << 10;

/// Every connection is too slow, and a look at it takes no time.
fn eager() -> Http {
    let limits = Limits { sample: Duration::ZERO, fast: u64::MAX, part: PART, ..quick() };
    Http::with(limits, Guard::default(), &direct()).unwrap()
}

/// Requests for parts with an end, as opposed to all that is left.
fn parts(server: &Server) -> usize {
    let requests = server.requests.lock().unwrap();
    requests.iter().filter(|request| request.to().is_some()).count()
}

#[test]
fn a_slow_file_comes_in_parts() {
    let (bench, server) = (Bench::new(), Server::new(|request, _| served().answer(request)));
    assert_eq!(outcome(&bench, &sized(&server, &content()), &eager()), Ok(()));
    assert!(parts(&server) >= SIZE / usize::try_from(PART).unwrap() - 4, "{}", parts(&server));
    assert_eq!(bench.leftovers(), 0);
}

#[test]
fn parts_that_fail_are_no_reason_to_fail() {
    type Spoil = fn(&Request, Answer) -> Answer;
    let spoilt: [(&str, Spoil); 5] = [
        ("cut", |_, answer| answer.ending(End::Fin(9))),
        ("refused", |_, _| Answer::new("429 Too Many Requests", "", b"")),
        ("the whole", |_, _| Answer::new("200 OK", "", &content())),
        ("another", |_, _| Answer::new("206 Partial Content", "Content-Range: bytes 0-2/9\r\n", b"abc")),
        ("more than asked for", |_, mut answer| {
            answer.head = answer.head.replace("Content-Length", "X-Length");
            answer.body.push(b'x');
            answer
        }),
    ];
    for (what, spoil) in spoilt {
        let server = Server::new(move |request, number| {
            let answer = served().answer(request);
            // The fourth part: some before it came, some after it are on their way.
            if request.to().is_some() && number == 4 { spoil(request, answer) } else { answer }
        });
        let bench = Bench::new();
        assert_eq!(outcome(&bench, &sized(&server, &content()), &eager()), Ok(()), "{what}");
        // Not the last that came: requests for parts may still be on their way when they are given up.
        let requests = server.requests.lock().unwrap();
        let rest = |request: &Request| request.from().is_some_and(|from| from > 0) && request.to().is_none();
        assert!(requests.iter().any(rest), "{what}: {requests:?}");
        assert_eq!(bench.leftovers(), 0, "{what}");
    }
}

#[test]
fn servers_without_parts_or_versions_are_asked_once() {
    for header in ["ETag: \"1\"\r\n", "Accept-Ranges: bytes\r\n"] {
        let server = Server::new(|_, _| Answer::new("200 OK", header, &content()));
        assert_eq!(outcome(&Bench::new(), &sized(&server, &content()), &eager()), Ok(()));
        assert_eq!(server.count(), 1, "{header}");
    }
}

#[test]
fn what_a_killed_run_left_is_trusted_up_to_its_first_gap() {
    let (bench, server) = (Bench::new(), Server::new(|request, _| served().answer(request)));
    let blob = sized(&server, &content());
    drop(bench.store.incoming().unwrap());
    let (gap, mut left) = (SIZE / 3, content());
    left[gap..gap + 1000].fill(0);
    std::fs::write(bench.store.folder().join("incoming").join(blob.sha256.to_string()), left).unwrap();
    bench.store.note(&blob.sha256, &format!("{{\"version\": \"\\\"1\\\"\", \"gapless\": {gap}}}")).unwrap();
    assert_eq!(outcome(&bench, &blob, &super::http()), Ok(()));
    assert_eq!(server.requests.lock().unwrap()[0].from(), Some(gap));
    assert_eq!(server.count(), 1);
}
