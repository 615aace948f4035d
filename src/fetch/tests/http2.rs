//! Servers of HTTP/2 that break off: the stream, the connection, politely or not.

use super::tls::{Authority, config, params};
use super::{Bench, direct, quick};
use crate::fetch::Http;
use crate::fetch::redirect::Guard;
use crate::model::{ByteSize, Network, Sha256};
use crate::step::Blob;
use crate::target::Silent;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::{Request, Response, StatusCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How the first answer ends, after some of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The stream is reset.
    Reset,
    /// The connection is gone.
    Lost,
    /// The server says that it goes.
    GoAway,
}

/// A server whose first answer ends early; the others are whole.
struct Server {
    url: String,
    asked: Arc<AtomicUsize>,
    _runtime: Runtime,
}

/// What a server has, and how it breaks off.
struct Plan {
    body: Vec<u8>,
    cut: usize,
    end: End,
    tag: bool,
    asked: Arc<AtomicUsize>,
}

impl Server {
    fn start(authority: &Authority, body: Vec<u8>, cut: usize, end: End, tag: bool) -> Self {
        let mut config = config(&params("127.0.0.1"), Some(authority));
        config.alpn_protocols = vec![b"h2".to_vec()];
        let (acceptor, asked) = (TlsAcceptor::from(Arc::new(config)), Arc::new(AtomicUsize::new(0)));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("https://{}/file", listener.local_addr().unwrap());
        let plan = Arc::new(Plan { body, cut, end, tag, asked: Arc::clone(&asked) });
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, plan) = (acceptor.clone(), Arc::clone(&plan));
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        plan.talk(stream).await;
                    }
                });
            }
        });
        Self { url, asked, _runtime: runtime }
    }
}

type Talk = Connection<TlsStream<TcpStream>, bytes::Bytes>;

/// Lets the connection send what is due; how much of it got out is no matter.
async fn flushed(talk: &mut Talk) {
    let accept = std::pin::pin!(talk.accept());
    tokio::time::timeout(std::time::Duration::from_millis(5), accept).await.ok();
}

impl Plan {
    async fn talk(&self, stream: TlsStream<TcpStream>) {
        let Ok(mut talk): Result<Talk, _> = h2::server::handshake(stream).await else { return };
        while let Some(Ok((request, respond))) = talk.accept().await {
            let number = self.asked.fetch_add(1, Ordering::Relaxed);
            self.answer(&request, respond, number == 0);
            if number == 0 && self.end != End::Reset {
                // What was said is sent first.
                flushed(&mut talk).await;
                if self.end == End::GoAway {
                    talk.graceful_shutdown();
                    flushed(&mut talk).await;
                }
                return;
            }
        }
    }

    fn answer(&self, request: &Request<RecvStream>, mut respond: SendResponse<bytes::Bytes>, is_first: bool) {
        let from =
            request.headers().get("range").and_then(|range| range.to_str().ok()?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        let (from, status) = from.filter(|_| self.tag).map_or((0, StatusCode::OK), |from: usize| (from, StatusCode::PARTIAL_CONTENT));
        let mut head = Response::builder().status(status).header("content-length", self.body.len() - from);
        if self.tag {
            head =
                head.header("etag", "\"1\"").header("content-range", format!("bytes {from}-{}/{}", self.body.len() - 1, self.body.len()));
        }
        let mut stream = respond.send_response(head.body(()).unwrap(), false).unwrap();
        let rest = &self.body[from..];
        let sent = if is_first { &rest[..self.cut.min(rest.len())] } else { rest };
        stream.send_data(bytes::Bytes::copy_from_slice(sent), !is_first).ok();
        if is_first && self.end == End::Reset {
            stream.send_reset(Reason::INTERNAL_ERROR);
        }
    }
}

#[test]
fn what_breaks_off_in_http_2_is_mended_as_well() {
    let authority = Authority::new("ours");
    let network = Network { authorities: vec![authority.pem.clone()], ..direct() };
    let body: Vec<u8> = (0..40_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let length = body.len();
    for end in [End::Reset, End::Lost, End::GoAway] {
        for (cut, tag) in
            [0, 1, length / 100, length / 2, length * 99 / 100, length - 1].into_iter().flat_map(|cut| [(cut, true), (cut, false)])
        {
            let (bench, server) = (Bench::new(), Server::start(&authority, body.clone(), cut, end, tag));
            let blob = Blob { url: server.url.clone(), sha256: Sha256::of(&body), size: Some(ByteSize(length as u64)) };
            let http = Http::with(quick(), Guard::default(), &network).unwrap();
            http.download(&bench.store, &blob, &Silent).unwrap_or_else(|e| panic!("{end:?} after {cut}, {tag}: {e}"));
            assert_eq!(std::fs::read(bench.store.path(&blob.sha256)).unwrap(), body);
            assert!(server.asked.load(Ordering::Relaxed) > 1, "{end:?} after {cut}: nothing broke off");
            assert_eq!(bench.leftovers(), 0);
        }
    }
}
