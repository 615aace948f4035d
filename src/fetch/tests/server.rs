//! A server on loopback that does what it is told, most of it wrong.

use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt::Linger};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With all of its bytes.
    Whole,
    /// After so many bytes, as if the server ended.
    Fin(usize),
    /// After so many bytes, as if somebody cut the line.
    Rst(usize),
}

/// An answer as it goes over the wire.
#[derive(Debug, Clone)]
pub struct Answer {
    pub head: String,
    pub body: Vec<u8>,
    pub end: End,
    /// A pause before each byte, of the head and of the body.
    pub drip: [Duration; 2],
}

impl Answer {
    /// A status, more headers (each with its line's end), and a body of the length that is announced.
    pub fn new(status: &str, headers: &str, body: &[u8]) -> Self {
        Self::framed(status, &format!("Content-Length: {}\r\n{headers}", body.len()), body)
    }

    /// The same, with headers that say how long it is themselves, or do not.
    pub fn framed(status: &str, headers: &str, body: &[u8]) -> Self {
        let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n");
        Self { head, body: body.to_vec(), end: End::Whole, drip: [Duration::ZERO; 2] }
    }

    pub fn ending(self, end: End) -> Self {
        Self { end, ..self }
    }

    fn send(&self, stream: &mut (impl Read + Write)) {
        let sent = match self.end {
            End::Whole => self.body.len(),
            End::Fin(at) | End::Rst(at) => at,
        };
        for (bytes, pause) in [(self.head.as_bytes(), self.drip[0]), (&self.body[..sent], self.drip[1])] {
            let at_once = if pause.is_zero() { bytes.len() } else { 1 };
            for some in bytes.chunks(at_once.max(1)) {
                std::thread::sleep(pause);
                if stream.write_all(some).is_err() {
                    return;
                }
            }
        }
    }
}

/// What was asked: the first line and the headers, in lower case.
#[derive(Debug, Clone)]
pub struct Request(pub String);

impl Request {
    fn read(stream: &mut impl Read) -> Option<Self> {
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        (!head.is_empty()).then(|| Self(head.join("\n").to_ascii_lowercase()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// From where on the file is wanted.
    pub fn from(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.split('-').next()?.parse().ok()
    }

    /// Up to which byte, with that.
    pub fn to(&self) -> Option<usize> {
        self.header("range")?.rsplit('-').next()?.parse().ok()
    }
}

/// What answers: the request, and how many came before it.
type Answers = dyn Fn(&Request, usize) -> Answer + Send + Sync;

/// The server.
pub struct Server {
    pub url: String,
    pub requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub fn new(answers: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static) -> Self {
        Self::over("http", answers, Some)
    }

    /// One prepared answer per request, the last one again and again.
    pub fn answering(prepared: Vec<Answer>) -> Self {
        Self::new(move |_, number| prepared.get(number).or(prepared.last()).unwrap().clone())
    }

    /// A server behind what makes something else of each connection.
    pub fn over<S: Read + Write>(
        scheme: &str,
        answers: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static,
        wrap: impl Fn(TcpStream) -> Option<S> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answers, wrap) = (Arc::clone(&requests), Arc::new(answers) as Arc<Answers>, Arc::new(wrap));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, answers, wrap) = (Arc::clone(&seen), Arc::clone(&answers), Arc::clone(&wrap));
                std::thread::spawn(move || serve(stream, &seen, answers.as_ref(), wrap.as_ref()));
            }
        });
        Self { url, requests }
    }

    pub fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

fn serve<S: Read + Write>(stream: TcpStream, seen: &Mutex<Vec<Request>>, answers: &Answers, wrap: &dyn Fn(TcpStream) -> Option<S>) {
    let raw = stream.try_clone().unwrap();
    let Some(mut stream) = wrap(stream) else { return };
    let Some(request) = Request::read(&mut stream) else { return };
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(request.clone());
        seen.len() - 1
    };
    let answer = answers(&request, number);
    answer.send(&mut stream);
    if let End::Rst(at) = answer.end {
        // What was sent must have arrived: a reset throws away what is still on its way.
        if at > 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
        setsockopt(&raw, Linger, &linger { l_onoff: 1, l_linger: 0 }).unwrap();
    }
}

/// A file as a good server has it: with a version, and in parts where they are asked for.
#[derive(Debug, Clone)]
pub struct Served {
    pub bytes: Vec<u8>,
    pub version: &'static str,
}

impl Served {
    pub fn answer(&self, request: &Request) -> Answer {
        let tag = format!("ETag: \"{}\"\r\nAccept-Ranges: bytes\r\n", self.version);
        let same = request.header("if-range").is_none_or(|wanted| wanted == format!("\"{}\"", self.version));
        match request.from().filter(|_| same) {
            Some(from) if from >= self.bytes.len() => Answer::new("416 Range Not Satisfiable", "", b""),
            Some(from) => {
                let to = request.to().unwrap_or(self.bytes.len() - 1).min(self.bytes.len() - 1);
                let range = format!("{tag}Content-Range: bytes {from}-{to}/{}\r\n", self.bytes.len());
                Answer::new("206 Partial Content", &range, &self.bytes[from..=to])
            }
            None => Answer::new("200 OK", &tag, &self.bytes),
        }
    }
}
