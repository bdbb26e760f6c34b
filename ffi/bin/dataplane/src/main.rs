//! `k3ts-dataplane --data-dir D`: what pods need of a node while its agent is away. For now that is DNS.

mod forward;
mod front;
mod handler;
mod metrics;
mod snapshot;
mod zone;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use k3ts_frames::{CancellationToken, Router, serve_unix};
use k3ts_proto::v1::{DnsServiceServer, MetricsServiceServer};
use k3ts_supervisor::exposed::Exposed;
use k3ts_supervisor::metrics::Exposition;
use k3ts_supervisor::start::{self, Arguments, EndSignals};
use k3ts_supervisor::{control, handed, log, ready};
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::front::Front;
use crate::handler::Handler;
use crate::metrics::Metrics;
use crate::snapshot::Snapshots;

const PROGRAM: &str = "k3ts-dataplane";
/// For what has been asked when it is told to end; longer than a question is forwarded for.
const DRAIN: Duration = Duration::from_secs(8);

fn main() -> ExitCode {
    // One thread answers more questions than a node's pods can ask.
    start::run(PROGRAM, &[], Builder::new_current_thread(), run)
}

async fn run(Arguments { data, .. }: Arguments) -> Result<(), String> {
    let mut signals = EndSignals::catch()?;
    let snapshots = Snapshots::open(data.join("node/dns.snapshot"))?;
    let front = Front::new(Handler {
        served: snapshots.served(),
        turn: AtomicUsize::new(0),
        metrics: Metrics::default(),
    });
    let mut sockets = 0;
    for socket in handed::take()? {
        if socket.is_for("dns-udp") {
            tokio::spawn(front.clone().serve_udp(socket.into_udp()?));
        } else if socket.is_for("dns-tcp") {
            tokio::spawn(front.clone().serve_tcp(socket.into_tcp()?));
        } else {
            continue;
        }
        sockets += 1;
    }
    if sockets == 0 {
        return Err("Cannot start as sockets named \"dns-udp\" and \"dns-tcp\" must be handed over in LISTEN_FDS: there are none".to_owned());
    }
    let ending = CancellationToken::new();
    let counted = front.clone();
    let metrics = Exposed(move |text: &mut Exposition| counted.write_metrics(text));
    let router = Router::new()
        .with(DnsServiceServer(snapshots))
        .with(MetricsServiceServer(metrics));
    let router = Arc::new(router);
    tokio::spawn(serve_unix(
        control::listen(&data.join("run/dataplane.sock"))?,
        router,
        ending.clone(),
    ));
    log::info("serves", &[]);
    ready::tell();
    signals.received().await;
    // Whoever comes next takes what is asked from here on; what was taken before is answered.
    let _ = timeout(DRAIN, front.end()).await;
    ending.cancel();
    Ok(())
}
