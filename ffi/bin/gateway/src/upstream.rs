//! Connections to a process that answers HTTP/1.1: the server or the agent of this machine on their unix sockets, and the
//! agents of other nodes through their tunnels.
//!
//! A request is sent once. It is sent again only when it certainly has not been read: the connection could not be
//! made, nothing of it was written, or the kernel says that it was still unread when the process ended.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use http::{HeaderMap, Method, Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;
use tokio::time::Instant as TokioInstant;

use crate::body::RequestBody;
use crate::limits::SERVER_WAIT;
use crate::socket::Socket;
use crate::tunnel::Tunnels;
use crate::unix_io::Observer;

/// Connections that are kept for later requests, and for how long. Servers close idle ones after a while themselves.
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
    /// Something was sent, and the connection ended before there was an answer.
    Broken(hyper::Error),
}

pub struct Upstream {
    way: Way,
    idle: Mutex<Vec<Idle>>,
}

/// How a connection is made; what is said on it is the same.
enum Way {
    Socket(Arc<Socket>),
    /// To the agent of the node of a name.
    Tunnel(Arc<Tunnels>, String),
}

struct Connection {
    sender: SendRequest<RequestBody>,
    /// Only a socket tells what of a request has been read; a connection without is used once.
    observer: Option<Observer>,
    task: AbortHandle,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

/// An answer whose connection is still in use.
pub struct Answered {
    pub response: Response<Incoming>,
    pub connection: AbortHandle,
}

impl Upstream {
    pub fn socket(socket: Arc<Socket>) -> Arc<Self> {
        Self::by(Way::Socket(socket))
    }

    pub fn tunnel(tunnels: Arc<Tunnels>, node: String) -> Arc<Self> {
        Self::by(Way::Tunnel(tunnels, node))
    }

    fn by(way: Way) -> Arc<Self> {
        Arc::new(Self {
            way,
            idle: Mutex::new(Vec::new()),
        })
    }

    pub async fn send(self: &Arc<Self>, head: &Head, body: RequestBody) -> Result<Answered, SendError> {
        let deadline = TokioInstant::now() + SERVER_WAIT;
        let bodyless = matches!(body, RequestBody::Empty);
        let mut request = head.request(body);
        for _ in 1..SENDINGS_MAX {
            let mut connection = match self.take_idle() {
                Some(connection) => connection,
                None => self.connect(deadline).await?,
            };
            let before = connection.observer.as_ref().map(Observer::written);
            let task = connection.task.clone();
            let sending = Sending {
                answer: Some(Box::pin(connection.sender.try_send_request(request))),
                task,
            };
            match sending.await {
                Ok(response) => return Ok(self.answered(response, connection)),
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => request = unsent,
                    None if bodyless && was_not_read(&connection.observer, before) => {
                        request = head.request(RequestBody::Empty);
                    }
                    None => return Err(SendError::Broken(failed.into_error())),
                },
            }
        }
        Err(SendError::Away(match &self.way {
            Way::Socket(socket) => socket.away("it closes every connection"),
            Way::Tunnel(_, node) => format!("node \"{node}\" must answer: it closes every connection"),
        }))
    }

    fn answered(self: &Arc<Self>, response: Response<Incoming>, connection: Connection) -> Answered {
        let task = connection.task.clone();
        tokio::spawn(self.clone().reuse(connection));
        Answered {
            response,
            connection: task,
        }
    }

    /// Keeps a connection for the next request once this one is done.
    async fn reuse(self: Arc<Self>, mut connection: Connection) {
        // Ends with the connection too: when the answer was not read to its end, when it became something else.
        if connection.sender.ready().await.is_err() || connection.observer.is_none() {
            return;
        }
        let Ok(mut idle) = self.idle.lock() else { return };
        idle.retain(|idle| idle.since.elapsed() < IDLE_TIME && !idle.connection.sender.is_closed());
        if idle.len() < IDLE_MAX {
            idle.push(Idle {
                connection,
                since: Instant::now(),
            });
        }
    }

    /// The connection that was used last, as it is the likeliest to be alive.
    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().ok()?;
        while let Some(Idle { connection, since }) = idle.pop() {
            let quiet = connection.observer.as_ref().is_some_and(Observer::is_quiet);
            if since.elapsed() < IDLE_TIME && connection.sender.is_ready() && quiet {
                return Some(connection);
            }
        }
        None
    }

    async fn connect(&self, deadline: TokioInstant) -> Result<Connection, SendError> {
        match &self.way {
            Way::Socket(socket) => {
                let (io, observer) = socket.connect(deadline).await.map_err(SendError::Away)?;
                shake_hands(io, Some(observer)).await
            }
            Way::Tunnel(tunnels, node) => {
                let io = tunnels.connect(node).await.map_err(SendError::Away)?;
                shake_hands(io, None).await
            }
        }
    }
}

fn was_not_read(observer: &Option<Observer>, before: Option<u64>) -> bool {
    match (observer, before) {
        (Some(observer), Some(before)) => observer.was_not_read(before),
        _ => false,
    }
}

type Answer = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>;

/// Waits for an answer. Dropped before, as its client has given up, it ends the connection, by which the server learns
/// of it.
struct Sending {
    answer: Option<Pin<Box<dyn Future<Output = Answer> + Send>>>,
    task: AbortHandle,
}

impl Future for Sending {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let Some(answer) = &mut self.answer else {
            return Poll::Pending;
        };
        let answer = ready!(answer.as_mut().poll(context));
        self.answer = None;
        Poll::Ready(answer)
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(answer) = self.answer.take() {
            drop(answer);
            self.task.abort();
        }
    }
}

impl Head {
    fn request(&self, body: RequestBody) -> Request<RequestBody> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

async fn shake_hands(
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    observer: Option<Observer>,
) -> Result<Connection, SendError> {
    let (sender, connection) = http1::handshake(TokioIo::new(io)).await.map_err(SendError::Broken)?;
    // Its errors reach whoever has sent a request on it.
    let task = tokio::spawn(async move { drop(connection.with_upgrades().await) });
    Ok(Connection {
        sender,
        observer,
        task: task.abort_handle(),
    })
}
