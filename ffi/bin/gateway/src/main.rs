//! `k3ts-gateway --data-dir D`: the only process that the outside speaks to.
//!
//! It ends TLS, verifies who asks, and passes requests on to the server over a unix socket, or to the node's agent
//! when the server says so. It holds no state that its restart could lose but the connections themselves.

mod activity;
mod body;
mod connect_stream;
mod connection;
mod control;
mod grpc;
mod identity;
mod limits;
mod proxy;
mod reply;
mod splice;
mod tls;
mod unix_io;
mod upgrade;
mod upstream;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use k3ts_frames::{CancellationToken, Router, serve_unix};
use k3ts_proto::v1::GatewayServiceServer;
use k3ts_supervisor::start::{self, EndSignals};
use k3ts_supervisor::{control as control_socket, handed, log};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::connection::Front;
use crate::control::{Control, Counters};
use crate::proxy::Gateway;
use crate::splice::Nodes;
use crate::tls::Certificates;
use crate::upstream::Upstream;

const PROGRAM: &str = "k3ts-gateway";
/// More would only wait for each other at the server's single thread.
const THREADS_MAX: usize = 4;

fn main() -> ExitCode {
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get().min(THREADS_MAX));
    let mut runtime = Builder::new_multi_thread();
    runtime.worker_threads(threads);
    start::run(PROGRAM, runtime, run)
}

async fn run(data: PathBuf) -> Result<(), String> {
    allow_descriptors();
    let mut signals = EndSignals::catch()?;
    let listeners: Vec<_> = handed::take()?
        .into_iter()
        .filter(|socket| socket.is_for("api"))
        .collect();
    if listeners.is_empty() {
        // On a machine without a server; what its agent has to say to others does not pass here yet.
        log::line(
            PROGRAM,
            "has nothing to serve, as no socket named \"api\" was handed over",
        );
        signals.received().await;
        return Ok(());
    }
    let pki = data.join("pki");
    let certificates = tokio::select! {
        certificates = Certificates::wait(&pki, |error| log::line(PROGRAM, error)) => Arc::new(certificates),
        () = signals.received() => return Ok(()),
    };
    let ending = CancellationToken::new();
    let front = front(&data, certificates, &ending);
    for listener in listeners {
        tokio::spawn(front.clone().accept(listener.into_tcp()?));
    }
    answer_control(&data.join("run/gateway.sock"), &front)?;
    let certificates = front.certificates.clone();
    tokio::spawn(async move { certificates.follow(report_certificates).await });
    log::line(PROGRAM, "serves");
    signals.received().await;
    ending.cancel();
    front.connections.close();
    // What has not ended by then would go on for as long as its clients like: watches, upgraded connections.
    let _ = timeout(limits::DRAIN, front.connections.wait()).await;
    Ok(())
}

/// What all connections share. They drain when `ending` is cancelled.
fn front(data: &Path, certificates: Arc<Certificates>, ending: &CancellationToken) -> Front {
    let run = data.join("run");
    let gateway = Gateway {
        server: Upstream::new(run.join("server.sock")),
        nodes: Nodes {
            name_file: data.join("node/name"),
            agent: Upstream::new(run.join("agent.sock")),
        },
        counters: Arc::new(Counters::default()),
    };
    Front {
        gateway: Arc::new(gateway),
        certificates,
        places: Arc::new(Semaphore::new(limits::CONNECTIONS_MAX)),
        connections: TaskTracker::new(),
        draining: ending.clone(),
    }
}

/// Answers questions about the gateway on a unix socket for as long as it serves.
fn answer_control(socket: &Path, front: &Front) -> Result<(), String> {
    let control = Control {
        certificates: front.certificates.clone(),
        counters: front.gateway.counters.clone(),
        server: front.gateway.server.clone(),
    };
    let router = Arc::new(Router::new().with(GatewayServiceServer(control)));
    let listener = control_socket::listen(socket)?;
    tokio::spawn(serve_unix(listener, router, front.draining.clone()));
    Ok(())
}

fn report_certificates(outcome: Result<(), String>) {
    match outcome {
        Ok(()) => log::line(PROGRAM, "uses new certificates"),
        Err(error) => log::line(PROGRAM, &error),
    }
}

/// Each connection needs up to three descriptors.
fn allow_descriptors() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Fewer than wished for are no reason not to start.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
