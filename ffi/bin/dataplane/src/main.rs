//! `k3ts-dataplane --data-dir D`: what pods need of a node while its agent is away. For now that is DNS.

mod forward;
mod handler;
mod snapshot;
mod zone;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use hickory_server::Server;
use k3ts_frames::{CancellationToken, Router, serve_unix};
use k3ts_proto::v1::DnsServiceServer;
use k3ts_supervisor::start::{self, Arguments, EndSignals};
use k3ts_supervisor::{control, handed, log};
use tokio::runtime::Builder;

use crate::handler::Handler;
use crate::snapshot::Snapshots;

const PROGRAM: &str = "k3ts-dataplane";
/// For a client on TCP to ask.
const TCP_TIMEOUT: Duration = Duration::from_secs(5);
/// Answers that wait for a client on TCP to read.
const TCP_ANSWERS_MAX: usize = 32;

fn main() -> ExitCode {
    // One thread answers more questions than a node's pods can ask.
    start::run(PROGRAM, &[], Builder::new_current_thread(), run)
}

async fn run(Arguments { data, .. }: Arguments) -> Result<(), String> {
    let mut signals = EndSignals::catch()?;
    let snapshots = Snapshots::open(data.join("node/dns.snapshot"))?;
    let mut server = Server::new(Handler {
        served: snapshots.served(),
        turn: AtomicUsize::new(0),
    });
    let mut sockets = 0;
    for socket in handed::take()? {
        if socket.is_for("dns-udp") {
            server.register_socket(socket.into_udp()?);
        } else if socket.is_for("dns-tcp") {
            server.register_listener(socket.into_tcp()?, TCP_TIMEOUT, TCP_ANSWERS_MAX);
        } else {
            continue;
        }
        sockets += 1;
    }
    if sockets == 0 {
        return Err("Cannot start as sockets named \"dns-udp\" and \"dns-tcp\" must be handed over in LISTEN_FDS: there are none".to_owned());
    }
    let ending = CancellationToken::new();
    let router = Arc::new(Router::new().with(DnsServiceServer(snapshots)));
    tokio::spawn(serve_unix(
        control::listen(&data.join("run/dataplane.sock"))?,
        router,
        ending.clone(),
    ));
    log::line(PROGRAM, "serves");
    tokio::select! {
        outcome = server.block_until_done() => {
            return outcome.map_err(|error| format!("Cannot go on as the sockets must stay open: {error}"));
        }
        () = signals.received() => {}
    }
    ending.cancel();
    Ok(())
}
