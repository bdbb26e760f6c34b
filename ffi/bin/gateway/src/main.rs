//! `k3ts-gateway --data-dir D`: the only process that the outside speaks to.
//!
//! It ends TLS, verifies who asks, and passes requests on to the server over a unix socket, or to a node's agent when the
//! server says so. It holds no state that its restart could lose but the connections themselves.
//!
//! `k3ts-gateway --data-dir D --server https://A:6443`: that of a node by itself. It listens nowhere, and keeps a tunnel
//! to the gateway of the server open, through which the server's reaches the agent.

mod activity;
mod batched;
mod body;
mod client_certificates;
mod connect_stream;
mod connection;
mod control;
mod credential_files;
mod fanout;
mod gathered;
mod grpc;
mod http1;
mod identity;
mod limits;
mod metrics;
mod places;
mod proxy;
mod reply;
mod shares;
mod socket;
mod splice;
mod tcp;
mod tls;
mod tunnel;
mod upgrade;
mod upstream;
mod watched;
mod workers;

use std::num::NonZero;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use k3ts_frames::{CancellationToken, Router, serve_unix};
use k3ts_proto::v1::{GatewayServiceServer, MetricsServiceServer};
use k3ts_supervisor::exposed::Exposed;
use k3ts_supervisor::handed::{self, HandedSocket};
use k3ts_supervisor::metrics::Exposition;
use k3ts_supervisor::start::{self, Arguments, EndSignals};
use k3ts_supervisor::{control as control_socket, log, ready};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::runtime::Builder;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use crate::connection::Front;
use crate::control::Control;
use crate::credential_files::CredentialFiles;
use crate::fanout::Fanout;
use crate::places::Places;
use crate::proxy::Gateway;
use crate::socket::Socket;
use crate::splice::Nodes;
use crate::tls::Certificates;
use crate::tunnel::{ServerUrl, Tunnels};
use crate::upstream::Upstream;
use crate::workers::Workers;

const PROGRAM: &str = "k3ts-gateway";
const SERVER: &str = "--server";

fn main() -> ExitCode {
    start::run(PROGRAM, &[SERVER], Builder::new_current_thread(), run)
}

async fn run(arguments: Arguments) -> Result<(), String> {
    allow_descriptors();
    let mut signals = EndSignals::catch()?;
    let listeners: Vec<_> = handed::take()?
        .into_iter()
        .filter(|socket| socket.is_for("api"))
        .collect();
    match (listeners.is_empty(), arguments.get(SERVER)) {
        (false, _) => serve(&arguments.data, listeners, &mut signals).await,
        (true, Some(server)) => join(&arguments.data, ServerUrl::parse(server)?, &mut signals).await,
        (true, None) => Err(format!(
            "Cannot start as a socket named \"api\" must be handed over, or {SERVER} must say where to open a tunnel to"
        )),
    }
}

/// The server's gateway.
async fn serve(data: &Path, listeners: Vec<HandedSocket>, signals: &mut EndSignals) -> Result<(), String> {
    let pki = data.join("pki");
    let certificates = tokio::select! {
        certificates = Certificates::wait(&pki, |error| log::error(error, &[])) => Arc::new(certificates),
        () = signals.received() => return Ok(()),
    };
    let ending = CancellationToken::new();
    let server = Socket::new(data.join("run/server.sock"));
    let workers = Workers::start(std::thread::available_parallelism().map_or(1, NonZero::get))?;
    let front = front(data, &server, certificates.clone(), workers, &ending);
    tokio::spawn(front.gateway.fanout.clone().run());
    for listener in listeners {
        tokio::spawn(front.clone().accept(listener.into_tcp()?));
    }
    let tunnels = front.gateway.nodes.tunnels.clone();
    let reload = certificates.clone();
    let control = Control {
        reload: Box::new(move || reload.reload()),
        metrics: front.gateway.metrics.clone(),
        server,
        tunnels: tunnels.clone(),
    };
    answer_control(data, control, &ending)?;
    tokio::spawn(async move { certificates.follow(report_certificates).await });
    log::info("serves", &[]);
    ready::tell();
    signals.received().await;
    ending.cancel();
    tunnels.move_on();
    tokio::spawn(async move {
        sleep(limits::LAST_REQUEST).await;
        tunnels.close();
    });
    front.connections.close();
    // What has not ended by then would go on for as long as its clients like: watches, upgraded connections.
    let _ = timeout(limits::DRAIN, front.connections.wait()).await;
    Ok(())
}

/// The gateway of a node by itself.
async fn join(data: &Path, server: ServerUrl, signals: &mut EndSignals) -> Result<(), String> {
    let ending = CancellationToken::new();
    let renew = Arc::new(Notify::new());
    let node = tunnel::Node {
        server,
        files: CredentialFiles::new(&data.join("node"), "node"),
        agent: Socket::new(data.join("run/agent.sock")),
        renew: renew.clone(),
        tasks: TaskTracker::new(),
        metrics: Arc::default(),
    };
    let control = Control {
        reload: Box::new(move || {
            renew.notify_one();
            Ok(())
        }),
        metrics: node.metrics.clone(),
        server: node.agent.clone(),
        tunnels: Tunnels::new(&node.metrics),
    };
    answer_control(data, control, &ending)?;
    tokio::select! {
        () = tunnel::hold_open(&node, &ending) => {}
        () = signals.received() => {}
    }
    ending.cancel();
    tunnel::drained(&node.tasks).await;
    Ok(())
}

/// What all connections share. They drain when `ending` is cancelled.
fn front(
    data: &Path,
    server: &Arc<Socket>,
    certificates: Arc<Certificates>,
    workers: Workers,
    ending: &CancellationToken,
) -> Front {
    let metrics = Arc::default();
    let gateway = Gateway {
        server: Upstream::socket(server.clone()),
        nodes: Nodes {
            name_file: data.join("node/name"),
            own: Upstream::agent(Socket::new(data.join("run/agent.sock"))),
            tunnels: Tunnels::new(&metrics),
        },
        fanout: Fanout::new(data.join("run/fanout.sock"), &metrics),
        metrics,
    };
    Front {
        gateway: Arc::new(gateway),
        certificates,
        places: Places::new(),
        workers,
        connections: TaskTracker::new(),
        draining: ending.clone(),
    }
}

/// Answers questions about the gateway on a unix socket for as long as it serves.
fn answer_control(data: &Path, control: Control, ending: &CancellationToken) -> Result<(), String> {
    let (metrics, server, tunnels) = (control.metrics.clone(), control.server.clone(), control.tunnels.clone());
    let exposed = Exposed(move |text: &mut Exposition| {
        metrics.write(text, server.waiting() + tunnels.waiting(), tunnels.count());
    });
    let router = Router::new()
        .with(GatewayServiceServer(control))
        .with(MetricsServiceServer(exposed));
    let router = Arc::new(router);
    let listener = control_socket::listen(&data.join("run/gateway.sock"))?;
    tokio::spawn(serve_unix(listener, router, ending.clone()));
    Ok(())
}

fn report_certificates(outcome: Result<(), String>) {
    match outcome {
        Ok(()) => log::info("uses new certificates", &[]),
        Err(error) => log::error(&error, &[]),
    }
}

/// Each connection needs up to three descriptors.
fn allow_descriptors() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Fewer than wished for are no reason not to start.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
