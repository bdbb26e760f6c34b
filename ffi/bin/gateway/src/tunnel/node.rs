//! The node's side of tunnels: keeps one open for ever, and joins its streams to the agent's socket.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{Method, Request, Response, StatusCode};
use k3ts_supervisor::{log, ready};
use tokio::io::copy_bidirectional;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::dial::{Dialled, ServerUrl, dial};
use super::{AGENT, ANOTHER, StreamIo, beat};
use crate::credential_files::{CredentialFiles, WrittenAt};
use crate::limits;
use crate::metrics::Metrics;
use crate::socket::Socket;

/// Between two attempts to open a tunnel, less a random part of it.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// A tunnel that has lasted this long was a success.
const LIFE_MIN: Duration = Duration::from_secs(5);
/// Tunnels that are open for servers' gateways which are about to end.
const KEPT_MAX: usize = 4;
/// What happens to tunnels, between them and the one who opens them.
const EVENTS_MAX: usize = 16;

pub struct Node {
    pub server: ServerUrl,
    pub files: CredentialFiles,
    pub agent: Arc<Socket>,
    /// Told to read the certificate again.
    pub renew: Arc<Notify>,
    /// All tunnels, and their streams.
    pub tasks: TaskTracker,
    pub metrics: Arc<Metrics>,
}

enum Event {
    /// A tunnel has ended.
    Ended(u64),
    /// The server's gateway will end, and wants another tunnel to the next one.
    Another,
}

/// Opens a tunnel, and another one whenever it ends or the certificate is another, until told to drain.
pub async fn hold_open(node: &Node, draining: &CancellationToken) {
    let (tell, mut events) = mpsc::channel(EVENTS_MAX);
    let mut seen = None;
    if node.files.written_at().is_none() {
        // Whoever comes after this one has nothing to wait for either.
        ready::tell();
    }
    node.files.changed(&mut seen).await;
    let mut current: Option<Held> = None;
    // Those that the server's gateway still uses for a while.
    let mut kept: Vec<Held> = Vec::new();
    let mut keep = false;
    let mut ids = 0;
    let mut pause = PAUSE_MIN;
    let mut last_failure = String::new();
    loop {
        let dialled = dial(&node.server, &node.files).await;
        if last_failure.is_empty() && ids == 0 {
            // Also when the server is away: then there is nothing that the gateway before could do better.
            ready::tell();
        }
        match dialled {
            Ok(dialled) => {
                ids += 1;
                last_failure.clear();
                log::info("holds a tunnel", &[("server", &node.server), ("tunnel", &ids)]);
                let before = current.replace(Held::begin(ids, dialled, node, draining, tell.clone()));
                // Otherwise it takes no more streams, and goes on until its last one has ended.
                if std::mem::take(&mut keep) && kept.len() < KEPT_MAX {
                    kept.extend(before);
                }
            }
            Err(failure) => {
                if failure != last_failure {
                    log::warn(&failure, &[]);
                    last_failure = failure;
                }
                pause_or_renewed(node, &mut seen, pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
                continue;
            }
        }
        let opened_at = Instant::now();
        loop {
            tokio::select! {
                () = node.files.changed(&mut seen) => break,
                () = node.renew.notified() => break,
                Some(event) = events.recv() => match event {
                    Event::Another => {
                        keep = true;
                        break;
                    }
                    Event::Ended(id) if current.as_ref().is_some_and(|held| held.id == id) => break,
                    Event::Ended(id) => kept.retain(|held| held.id != id),
                },
            }
        }
        if opened_at.elapsed() < LIFE_MIN {
            pause_or_renewed(node, &mut seen, pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        } else {
            pause = PAUSE_MIN;
        }
    }
}

/// Waits for somewhat less than a time, so that nodes which lost one server do not come back as one.
async fn pause_or_renewed(node: &Node, seen: &mut WrittenAt, pause: Duration) {
    let random = RandomState::new().hash_one(0) as u32;
    let part = 0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX);
    tokio::select! {
        () = sleep(pause.mul_f64(part)) => {}
        () = node.files.changed(seen) => {}
    }
}

/// A tunnel in use. Dropped, it takes no more streams and ends with its last one.
struct Held {
    id: u64,
    drain: CancellationToken,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.drain.cancel();
    }
}

impl Held {
    fn begin(id: u64, dialled: Dialled, node: &Node, draining: &CancellationToken, tell: mpsc::Sender<Event>) -> Self {
        let drain = draining.child_token();
        let streams = Streams {
            agent: node.agent.clone(),
            tasks: node.tasks.clone(),
            metrics: node.metrics.clone(),
            tell: tell.clone(),
        };
        let drained = drain.clone();
        node.tasks.spawn(async move {
            streams.serve(dialled, &drained).await;
            // Fails only when the gateway ends.
            let _ = tell.send(Event::Ended(id)).await;
        });
        Self { id, drain }
    }
}

/// What streams need.
#[derive(Clone)]
struct Streams {
    agent: Arc<Socket>,
    tasks: TaskTracker,
    metrics: Arc<Metrics>,
    tell: mpsc::Sender<Event>,
}

impl Streams {
    /// Answers them until the tunnel ends.
    async fn serve(&self, mut tunnel: Dialled, drain: &CancellationToken) {
        let mut beating = Box::pin(beat(tunnel.ping_pong()));
        let mut draining = false;
        loop {
            tokio::select! {
                stream = tunnel.accept() => match stream {
                    Some(Ok((request, respond))) => {
                        self.tasks.spawn(self.clone().answer(request, respond));
                    }
                    // It was cut, or has ended.
                    Some(Err(_)) | None => return,
                },
                () = drain.cancelled(), if !draining => {
                    draining = true;
                    tunnel.graceful_shutdown();
                }
                () = &mut beating => return,
            }
        }
    }

    async fn answer(self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        let to = request.uri().authority().map(|authority| authority.as_str());
        let known = request.method() == Method::CONNECT;
        match to {
            Some(AGENT) if known => {}
            Some(ANOTHER) if known => {
                refuse(&mut respond, StatusCode::NO_CONTENT, "");
                // Fails when there is so much to hear of that another tunnel will be opened anyway.
                let _ = self.tell.try_send(Event::Another);
                return;
            }
            _ => return refuse(&mut respond, StatusCode::NOT_FOUND, "there is nothing of that name"),
        }
        let counted = self.metrics.count(|metrics| &metrics.tunnel_streams);
        let connecting = self.agent.connect(Instant::now() + limits::SERVER_WAIT);
        let connected = tokio::select! {
            connected = connecting => connected,
            // Nobody wants it any more.
            _ = std::future::poll_fn(|context| respond.poll_reset(context)) => return,
        };
        let mut socket = match connected {
            Ok(socket) => socket,
            Err(reason) => return refuse(&mut respond, StatusCode::SERVICE_UNAVAILABLE, &reason),
        };
        // Fails when nobody wants it any more.
        if let Ok(send) = respond.send_response(Response::new(()), false) {
            let mut stream = StreamIo::new(send, request.into_body(), counted);
            // Either side may go at any time; then the other one is cut too.
            let _ = copy_bidirectional(&mut stream, &mut socket).await;
        }
    }
}

/// Fails only when nobody wants to know any more.
fn refuse(respond: &mut SendResponse<Bytes>, status: StatusCode, reason: &str) {
    let mut response = Response::new(());
    *response.status_mut() = status;
    if let Ok(mut body) = respond.send_response(response, reason.is_empty())
        && !reason.is_empty()
    {
        let _ = body.send_data(Bytes::copy_from_slice(reason.as_bytes()), true);
    }
}

/// Waits for the tunnels' streams to end, but not for long: some last as long as their clients like.
pub async fn drained(tasks: &TaskTracker) {
    tasks.close();
    let _ = timeout(limits::DRAIN, tasks.wait()).await;
}
