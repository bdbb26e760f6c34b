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
use k3ts_supervisor::{control as control_socket, handed, log};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
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
    let outcome = data_dir(std::env::args().skip(1)).and_then(|data| {
        let threads = std::thread::available_parallelism().map_or(1, |count| count.get().min(THREADS_MAX));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build();
        runtime
            .map_err(|error| format!("Cannot start as a runtime must be made: {error}"))?
            .block_on(run(&data))
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            log::line(PROGRAM, &message);
            ExitCode::FAILURE
        }
    }
}

fn data_dir(mut arguments: impl Iterator<Item = String>) -> Result<PathBuf, String> {
    match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (Some("--data-dir"), Some(folder), None) => Ok(PathBuf::from(folder)),
        _ => Err(format!(
            "Cannot start as the arguments must be: {PROGRAM} --data-dir FOLDER"
        )),
    }
}

async fn run(data: &Path) -> Result<(), String> {
    allow_descriptors();
    let ends = signal(SignalKind::terminate()).and_then(|terminate| Ok((terminate, signal(SignalKind::interrupt())?)));
    let (mut terminate, mut interrupt) =
        ends.map_err(|error| format!("Cannot start as signals must be caught: {error}"))?;
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
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        return Ok(());
    }
    let pki = data.join("pki");
    let certificates = tokio::select! {
        certificates = Certificates::wait(&pki, |error| log::line(PROGRAM, error)) => Arc::new(certificates),
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    let run = data.join("run");
    let (server, counters) = (Upstream::new(run.join("server.sock")), Arc::new(Counters::default()));
    let nodes = Nodes {
        name_file: data.join("node/name"),
        agent: Upstream::new(run.join("agent.sock")),
    };
    let ending = CancellationToken::new();
    let front = Front {
        gateway: Arc::new(Gateway {
            server: server.clone(),
            nodes,
            counters: counters.clone(),
        }),
        certificates: certificates.clone(),
        places: Arc::new(Semaphore::new(limits::CONNECTIONS_MAX)),
        connections: TaskTracker::new(),
        draining: ending.clone(),
    };
    for listener in listeners {
        tokio::spawn(front.clone().accept(listener.into_tcp()?));
    }
    let control = Control {
        certificates: certificates.clone(),
        counters,
        server,
    };
    let router = Arc::new(Router::new().with(GatewayServiceServer(control)));
    tokio::spawn(serve_unix(
        control_socket::listen(&run.join("gateway.sock"))?,
        router,
        ending.clone(),
    ));
    tokio::spawn(async move {
        let report = |outcome: Result<(), String>| match outcome {
            Ok(()) => log::line(PROGRAM, "uses new certificates"),
            Err(error) => log::line(PROGRAM, &error),
        };
        certificates.follow(report).await;
    });
    log::line(PROGRAM, "serves");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    ending.cancel();
    front.connections.close();
    // What has not ended by then would go on for as long as its clients like: watches, upgraded connections.
    let _ = timeout(limits::DRAIN, front.connections.wait()).await;
    Ok(())
}

/// Each connection needs up to three descriptors.
fn allow_descriptors() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Fewer than wished for are no reason not to start.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
