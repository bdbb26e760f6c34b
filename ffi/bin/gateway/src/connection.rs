//! Connections from outside, from the handshake to their end.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::activity::{Activity, Verdict};
use crate::batched::batched;
use crate::identity;
use crate::limits;
use crate::places::{Client, Place, Places};
use crate::proxy::{Gateway, Peer};
use crate::tcp::Tcp;
use crate::tls::Certificates;
use crate::tunnel;
use crate::watched::Watched;
use crate::workers::{Seat, Workers};

/// After a failed accept, which fails again at once while the process is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Between pings on an HTTP/2 connection, and for their answers.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(15);
/// How much may be on its way to one stream, to one connection, and back from one stream.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
const SEND_BUFFER: usize = 256 * 1024;
/// Streams that a client has opened and reset before they were looked at: more, and it is attacking.
const RESET_STREAMS_MAX: usize = 20;
const LOCAL_RESETS_MAX: usize = 256;

/// What all connections share.
#[derive(Clone)]
pub struct Front {
    pub gateway: Arc<Gateway>,
    pub certificates: Arc<Certificates>,
    pub places: Places,
    pub workers: Workers,
    pub connections: TaskTracker,
    pub draining: CancellationToken,
}

impl Front {
    /// Accepts until told to drain.
    pub async fn accept(self, listener: TcpListener) {
        loop {
            let Some(free) = self.places.free().await else { return };
            let accepted = tokio::select! {
                () = self.draining.cancelled() => return,
                accepted = self.workers.accept(&listener) => accepted,
            };
            match accepted {
                Ok((stream, remote, seat)) => match self.places.admit(free, remote.ip()) {
                    Some(place) => {
                        let runtime = seat.runtime();
                        let served = self.clone().serve(stream, remote, place, seat);
                        self.connections.spawn_on(served, &runtime);
                    }
                    None => self.gateway.metrics.refused_by_address.add(1),
                },
                Err(_) => sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    async fn serve(self, stream: TcpStream, remote: SocketAddr, mut place: Place, _seat: Seat) {
        let tls = self.certificates.current();
        let handshake = TlsAcceptor::from(tls.config.clone()).accept(Tcp::prepare(stream));
        let metrics = &self.gateway.metrics;
        let stream = match timeout(limits::HANDSHAKE, handshake).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(_)) => return metrics.handshakes_failed.add(1),
            Err(_) => return metrics.handshakes_slow.add(1),
        };
        metrics.connections_total.add(1);
        let (_, session) = stream.get_ref();
        let identity = identity::identify(remote, session.peer_certificates(), tls.clients.as_ref());
        let protocol = session.alpn_protocol().unwrap_or_default().to_vec();
        // The certificates may be replaced while the connection lasts; they need not be kept for it.
        drop(tls);
        if protocol == tunnel::ALPN {
            // Anybody may ask for it, and only nodes are answered.
            match tunnel::node_of(&identity) {
                Some(node) if place.pass_to(Client::Tunnels(node.to_owned())) => {
                    // Apart, as every connection would take the room that a tunnel needs.
                    Box::pin(tunnel::listen(stream, node, &self.gateway.nodes.tunnels)).await
                }
                Some(_) => metrics.refused_by_user.add(1),
                None => metrics.tunnels_refused.add(1),
            }
            return;
        }
        let user = &identity.common_name;
        if !user.is_empty() && !place.pass_to(Client::User(user.clone())) {
            return metrics.refused_by_user.add(1);
        }
        let peer = Arc::new(Peer {
            identity: identity::encode(&identity),
            activity: Activity::begin(),
            _held: (place, metrics.count(|metrics| &metrics.connections)),
        });
        if protocol == b"h2" {
            self.serve_http2(stream, peer).await
        } else {
            self.serve_http1(stream, peer).await
        }
    }

    async fn serve_http1(&self, stream: TlsStream<Tcp>, peer: Arc<Peer>) {
        let activity = peer.activity.clone();
        let io = Watched::new(stream, &self.gateway.metrics).for_http1(activity.clone(), peer.clone());
        let mut builder = http1::Builder::new();
        // The activity has its own opinion of slow heads, which lets a connection rest between requests.
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_header_size(limits::HEAD_BUFFER)
            .max_buf_size(limits::HEAD_BUFFER);
        let connection = builder
            .serve_connection(TokioIo::new(io), service(&self.gateway, peer))
            .with_upgrades();
        watch(
            pin!(connection),
            |connection, context| connection.poll(context).map(drop),
            |connection| connection.graceful_shutdown(),
            &activity,
            async {
                self.draining.cancelled().await;
                // One that is closed in silence may just have been sent a request, which then would be lost.
                let _ = timeout(limits::LAST_REQUEST, activity.busy()).await;
            },
        )
        .await;
    }

    async fn serve_http2(&self, stream: TlsStream<Tcp>, peer: Arc<Peer>) {
        let activity = peer.activity.clone();
        let (io, driver) = batched(Watched::new(stream, &self.gateway.metrics));
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits::STREAMS_MAX)
            .max_header_list_size(limits::HEAD_BUFFER as u32)
            .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
            .max_local_error_reset_streams(LOCAL_RESETS_MAX)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER);
        let connection = builder.serve_connection(TokioIo::new(io), service(&self.gateway, peer));
        watch(
            pin!(connection),
            |connection, context| driver.poll(connection, context),
            |connection| connection.graceful_shutdown(),
            &activity,
            async {
                self.draining.cancelled().await;
                if !activity.has_served() {
                    // Clients do not expect to be sent away before they have said anything.
                    let _ = timeout(limits::LAST_REQUEST, activity.busy()).await;
                }
            },
        )
        .await;
    }
}

type Serving = Pin<Box<dyn Future<Output = Result<http::Response<crate::body::ReplyBody>, Infallible>> + Send>>;

fn service(
    gateway: &Arc<Gateway>,
    peer: Arc<Peer>,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = http::Response<crate::body::ReplyBody>,
    Error = Infallible,
    Future = Serving,
> + Send {
    let gateway = gateway.clone();
    service_fn(move |request| -> Serving {
        let handled = gateway.clone().handle(peer.clone(), request);
        Box::pin(async move { Ok(handled.await) })
    })
}

/// Drives a connection to its end, which comes early when it is slow, or soon when it is idle or `told` to end.
async fn watch<C: Future>(
    mut connection: Pin<&mut C>,
    poll: impl Fn(Pin<&mut C>, &mut Context<'_>) -> Poll<()>,
    shut_down: impl Fn(Pin<&mut C>),
    activity: &Activity,
    told: impl Future<Output = ()>,
) {
    let mut told = pin!(told);
    let mut ending = false;
    let mut look_after = limits::HEAD;
    loop {
        tokio::select! {
            // Its errors are the peer's affair.
            () = std::future::poll_fn(|context| poll(connection.as_mut(), context)) => return,
            () = &mut told, if !ending => {
                ending = true;
                shut_down(connection.as_mut());
            }
            () = sleep(look_after) => match activity.verdict() {
                Verdict::Fine(time) => look_after = time,
                Verdict::Slow => return,
                Verdict::Idle if ending => return,
                Verdict::Idle => {
                    ending = true;
                    look_after = limits::DRAIN;
                    shut_down(connection.as_mut());
                }
            },
        }
    }
}
