//! `k3ts-supervisor --data-dir D`: holds the listening sockets and keeps the processes running that use them.
//!
//! The processes outlive it. Killed and started again it finds them, and gets its sockets back from them.

mod config;
mod files;
mod logs;
mod pidfd;
mod plan;
mod proc;
mod process;
mod readiness;
mod service;
mod sockets;
mod spawn;
mod supervisor;

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;

use k3ts_frames::{CancellationToken, Router, serve_unix};
use k3ts_proto::v1::{MetricsServiceServer, SupervisorServiceServer};
use k3ts_supervisor::start::{self, Arguments, EndSignals};
use k3ts_supervisor::{control, log};
use tokio::runtime::Builder;
use tokio::sync::mpsc;

use crate::files::Paths;
use crate::process::Event;
use crate::service::{REQUESTS_MAX, Request, Service};
use crate::supervisor::Supervisor;

const PROGRAM: &str = "k3ts-supervisor";

fn main() -> ExitCode {
    // One thread: fork(2) in a process of many is a trap.
    start::run(PROGRAM, &[], Builder::new_current_thread(), run)
}

async fn run(arguments: Arguments) -> Result<(), String> {
    let paths = Paths::new(&arguments.data)?;
    let _lock = paths.lock()?;
    let config = paths.read_config()?;
    let mut signals = EndSignals::catch()?;
    let (mut supervisor, mut events) = Supervisor::adopt(paths.clone())?;
    let (requests, mut asked) = mpsc::channel(REQUESTS_MAX);
    for failure in supervisor.apply(&config).await? {
        log::error(&failure, &[]);
    }
    // Not before: whoever can connect may take it that the sockets are bound and the processes begun.
    let control = control::listen(&paths.control())?;
    log::info(
        "holds what is configured",
        &[
            ("sockets", &config.sockets.len()),
            ("processes", &config.processes.len()),
        ],
    );

    let service = Service { requests };
    let router = Router::new()
        .with(MetricsServiceServer(service.clone()))
        .with(SupervisorServiceServer(service));
    let router = Arc::new(router);
    let ending = CancellationToken::new();
    let serving = tokio::spawn(serve_unix(control, router, ending.clone()));
    tokio::select! {
        () = signals.received() => {}
        () = work(&mut supervisor, &mut events, &mut asked) => {}
    }
    supervisor.stop().await;
    ending.cancel();
    // Sends what has been answered.
    let _ = serving.await;
    let _ = std::fs::remove_file(paths.control());
    Ok(())
}

/// Returns when a call tells it to stop. Dropped by a signal, it is at worst in the middle of stopping a process.
async fn work(supervisor: &mut Supervisor, events: &mut mpsc::Receiver<Event>, asked: &mut mpsc::Receiver<Request>) {
    let mut rotation = tokio::time::interval(logs::CHECK_EVERY);
    loop {
        tokio::select! {
            Some(event) = events.recv() => supervisor.handle(event),
            _ = rotation.tick() => {
                supervisor.rotate_logs();
                supervisor.record_again();
            }
            Some(request) = asked.recv() => if answer(supervisor, request).await.is_break() { return },
        }
    }
}

/// A caller that has gone does not need its answer.
async fn answer(supervisor: &mut Supervisor, request: Request) -> ControlFlow<()> {
    match request {
        Request::Status(reply) => {
            let _ = reply.send(supervisor.status());
        }
        Request::Configure(config, reply) => {
            let applied = supervisor.apply(&config).await;
            let _ = reply.send(applied.and_then(|failures| match failures.as_slice() {
                [] => Ok(()),
                _ => Err(failures.join("; ")),
            }));
        }
        Request::Restart(name, reply) => {
            let _ = reply.send(supervisor.restart(&name).await);
        }
        Request::Stop(answered) => {
            let _ = answered.await;
            return ControlFlow::Break(());
        }
    }
    ControlFlow::Continue(())
}
