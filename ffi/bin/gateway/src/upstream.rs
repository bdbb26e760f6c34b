//! Connections to a process that answers HTTP/1.1: the server or the agent of this machine on their unix sockets, and the
//! agents of other nodes through their tunnels.
//!
//! A request is sent once. It is sent again only when it certainly has not been read: the connection could not be
//! made, nothing of it was written, or the kernel says that it was still unread when the process ended.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::{HeaderMap, Method, Response, Uri};
use tokio::time::Instant as TokioInstant;

use crate::body::Broken;
use crate::http1::{AnswerBody, Exchange, Failure, Link, RequestBody};
use crate::limits::SERVER_WAIT;
use crate::socket::Socket;
use crate::tunnel::Tunnels;
use crate::workers::{self, WORKERS_MAX};

/// Connections that each worker keeps for later requests, and for how long. Servers close idle ones after a while
/// themselves.
const IDLE_MAX: usize = 256;
const IDLE_TIME: Duration = Duration::from_secs(20);
/// Sendings of one request; each but the last proved that it was not read.
const SENDINGS_MAX: usize = 8;

/// What is sent: all of a request but its body.
#[derive(Clone)]
pub struct Head {
    pub method: Method,
    /// Path and query.
    pub target: Uri,
    pub headers: HeaderMap,
}

#[derive(Debug)]
pub enum SendError {
    /// Nothing was sent: the process has been away for too long, or too many requests wait for it already.
    Away(String),
    /// The request broke off.
    Request(Broken),
    /// Something was sent, and the connection ended before there was an answer.
    Broken(String),
}

pub struct Upstream {
    way: Way,
    keeps: bool,
    /// By worker, as a connection's readiness is told to the one that has made it.
    idle: [Mutex<Pool>; WORKERS_MAX],
}

/// How a connection is made; what is said on it is the same.
enum Way {
    Socket(Arc<Socket>),
    /// To the agent of the node of a name.
    Tunnel(Arc<Tunnels>, String),
}

/// In the order of their last use.
#[derive(Default)]
struct Pool {
    idle: VecDeque<Idle>,
    /// Whether somebody looks after those that are kept for too long.
    swept: bool,
}

struct Idle {
    link: Link,
    since: Instant,
}

impl Pool {
    fn forget_old(&mut self, now: Instant) {
        while self
            .idle
            .front()
            .is_some_and(|idle| now.duration_since(idle.since) >= IDLE_TIME)
        {
            self.idle.pop_front();
        }
    }
}

impl Upstream {
    pub fn socket(socket: Arc<Socket>) -> Arc<Self> {
        Self::by(Way::Socket(socket), true)
    }

    /// On this machine.
    pub fn agent(socket: Arc<Socket>) -> Arc<Self> {
        Self::by(Way::Socket(socket), false)
    }

    pub fn tunnel(tunnels: Arc<Tunnels>, node: String) -> Arc<Self> {
        Self::by(Way::Tunnel(tunnels, node), false)
    }

    fn by(way: Way, keeps: bool) -> Arc<Self> {
        Arc::new(Self {
            way,
            keeps,
            idle: Default::default(),
        })
    }

    pub async fn send(self: &Arc<Self>, head: &Head, mut body: RequestBody) -> Result<Response<AnswerBody>, SendError> {
        let mut deadline = None;
        for _ in 1..SENDINGS_MAX {
            let link = match self.take_idle() {
                Some(link) => link,
                None => {
                    let deadline = *deadline.get_or_insert_with(|| TokioInstant::now() + SERVER_WAIT);
                    self.connect(deadline).await?
                }
            };
            match Exchange::ask(link, self.clone(), head, body).await {
                Ok(response) => return Ok(response),
                Err(Failure::Unwritten(unsent)) => body = unsent,
                Err(Failure::Unread) => body = RequestBody::Empty,
                Err(Failure::Request(broken)) => return Err(SendError::Request(broken)),
                Err(Failure::Lost(lost)) => return Err(SendError::Broken(lost.to_string())),
            }
        }
        Err(SendError::Away(match &self.way {
            Way::Socket(socket) => socket.away("it closes every connection"),
            Way::Tunnel(_, node) => format!("node \"{node}\" must answer: it closes every connection"),
        }))
    }

    /// Whether connections are used again. Those to agents are not: what pods answer comes by them, and no byte of it may
    /// ever be taken for an answer to somebody else.
    pub fn keeps(&self) -> bool {
        self.keeps
    }

    /// Keeps a connection for the next request of this worker.
    pub fn keep(self: Arc<Self>, link: Link, since: Instant) {
        let Ok(mut pool) = self.idle[workers::own()].lock() else {
            return;
        };
        pool.forget_old(since);
        if pool.idle.len() < IDLE_MAX {
            pool.idle.push_back(Idle { link, since });
        }
        if !pool.swept {
            pool.swept = true;
            drop(pool);
            tokio::spawn(async move { self.sweep().await });
        }
    }

    /// Closes connections that nobody has used for a while, for as long as there are any.
    async fn sweep(&self) {
        loop {
            tokio::time::sleep(IDLE_TIME / 2).await;
            let Ok(mut pool) = self.idle[workers::own()].lock() else {
                return;
            };
            pool.forget_old(Instant::now());
            if pool.idle.is_empty() {
                pool.swept = false;
                return;
            }
        }
    }

    /// The connection that was used last, as it is the likeliest to be alive.
    fn take_idle(&self) -> Option<Link> {
        let mut pool = self.idle[workers::own()].lock().ok()?;
        while let Some(Idle { link, since }) = pool.idle.pop_back() {
            if since.elapsed() < IDLE_TIME && link.reader.is_quiet() {
                return Some(link);
            }
        }
        None
    }

    async fn connect(&self, deadline: TokioInstant) -> Result<Link, SendError> {
        match &self.way {
            Way::Socket(socket) => socket.connect(deadline).await.map(Link::from),
            Way::Tunnel(tunnels, node) => tunnels.connect(node).await.map(Link::from),
        }
        .map_err(SendError::Away)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::BodyExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{UnixListener, UnixStream};

    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

    fn listen(name: &str) -> (UnixListener, Arc<Upstream>) {
        let path = std::env::temp_dir().join(format!("k3ts-upstream-{name}-{}.sock", std::process::id()));
        let _ = std::fs::remove_file(&path);
        (UnixListener::bind(&path).unwrap(), Upstream::socket(Socket::new(path)))
    }

    async fn asked(upstream: &Arc<Upstream>, body: &'static str) -> Result<Bytes, SendError> {
        let head = Head {
            method: Method::POST,
            target: Uri::from_static("/"),
            headers: HeaderMap::new(),
        };
        let body = match body {
            "" => RequestBody::Empty,
            body => RequestBody::Whole(Bytes::from_static(body.as_bytes())),
        };
        let response = upstream.send(&head, body).await?;
        Ok(response.into_body().collect().await.unwrap().to_bytes())
    }

    async fn accept(listener: &UnixListener) -> UnixStream {
        listener.accept().await.unwrap().0
    }

    async fn answer(stream: &mut UnixStream, answer: &[u8]) {
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
        stream.write_all(answer).await.unwrap();
    }

    #[tokio::test]
    async fn a_connection_serves_one_request_after_the_other() {
        let (listener, upstream) = listen("kept");
        let serve = async {
            let mut stream = accept(&listener).await;
            answer(&mut stream, ANSWER).await;
            // In pieces, as a chunked body.
            answer(&mut stream, b"HTTP/1.1 200 OK\r\ntransfer-enc").await;
            for piece in [&b"oding: chunked\r\n\r\n1\r\no"[..], b"\r\n1\r\nk\r\n0\r\n", b"\r\n"] {
                tokio::task::yield_now().await;
                stream.write_all(piece).await.unwrap();
            }
            answer(&mut stream, b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nok").await;
            drop(stream);
            answer(&mut accept(&listener).await, ANSWER).await;
        };
        let ask = async {
            for body in ["", "body", "", "body"] {
                assert_eq!(asked(&upstream, body).await.unwrap(), "ok");
            }
        };
        tokio::join!(serve, ask);
    }

    #[tokio::test]
    async fn a_request_is_sent_again_only_when_it_was_not_read() {
        let (listener, upstream) = listen("again");
        let serve = async {
            // Left unread.
            accept(&listener).await.readable().await.unwrap();
            answer(&mut accept(&listener).await, ANSWER).await;
            // What has a body may have been begun with.
            accept(&listener).await.readable().await.unwrap();
            assert!(accept(&listener).await.read(&mut [0; 1024]).await.unwrap() > 0);
        };
        let ask = async {
            assert_eq!(asked(&upstream, "").await.unwrap(), "ok");
            for body in ["body", ""] {
                assert!(matches!(asked(&upstream, body).await, Err(SendError::Broken(_))));
            }
        };
        tokio::join!(serve, ask);
    }

    #[tokio::test]
    async fn a_kept_connection_that_was_closed_or_speaks_is_not_used() {
        let (listener, upstream) = listen("closed");
        let ask = async || assert_eq!(asked(&upstream, "body").await.unwrap(), "ok");
        for last_word in [&b""[..], b"x"] {
            let serve = async {
                let mut stream = accept(&listener).await;
                answer(&mut stream, ANSWER).await;
                stream
            };
            let (mut stream, ()) = tokio::join!(serve, ask());
            stream.write_all(last_word).await.unwrap();
            drop(stream);
        }
        let last = async { answer(&mut accept(&listener).await, ANSWER).await };
        tokio::join!(last, ask());
    }
}
