//! The threads that serve connections. Each has a runtime of its own, and whatever belongs to a connection stays on the
//! one that has taken it: its requests, their connections to the server, their timers. So none wakes another, and what
//! comes at the same time is answered together.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle};

/// More would only wait for each other at the server's single thread.
pub const WORKERS_MAX: usize = 4;

thread_local! {
    static OWN: Cell<usize> = const { Cell::new(0) };
}

/// The worker that this is.
pub fn own() -> usize {
    OWN.get()
}

#[derive(Clone)]
pub struct Workers(Arc<[Worker]>);

struct Worker {
    runtime: Handle,
    connections: AtomicUsize,
}

impl Workers {
    /// The runtime of this thread, and others on threads of their own, which last as long as the process.
    pub fn start(count: usize) -> Result<Self, String> {
        let runtimes = (1..count.min(WORKERS_MAX)).map(start_one);
        let runtimes: Result<Vec<_>, _> = std::iter::once(Ok(Handle::current())).chain(runtimes).collect();
        let worker = |runtime| Worker {
            runtime,
            connections: AtomicUsize::new(0),
        };
        Ok(Self(runtimes?.into_iter().map(worker).collect()))
    }

    /// Accepts in the name of the worker that has the fewest connections: it is that one which hears of what happens to
    /// the connection, and which must serve it.
    pub async fn accept(&self, listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr, Seat)> {
        let fewest = |worker: &usize| self.0[*worker].connections.load(Ordering::Relaxed);
        let (index, accepted) = std::future::poll_fn(|context| {
            let index = (0..self.0.len()).min_by_key(fewest).unwrap_or_default();
            let _entered = self.0[index].runtime.enter();
            listener.poll_accept(context).map(|accepted| (index, accepted))
        })
        .await;
        let (stream, remote) = accepted?;
        self.0[index].connections.fetch_add(1, Ordering::Relaxed);
        Ok((stream, remote, Seat(self.0.clone(), index)))
    }
}

/// A connection's worker, which counts it until the drop.
pub struct Seat(Arc<[Worker]>, usize);

impl Seat {
    /// Where whatever belongs to the connection runs.
    pub fn runtime(&self) -> Handle {
        self.0[self.1].runtime.clone()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0[self.1].connections.fetch_sub(1, Ordering::Relaxed);
    }
}

fn start_one(index: usize) -> Result<Handle, String> {
    let failed = |error: io::Error| format!("Cannot start as a thread with a runtime must be made: {error}");
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name(format!("worker-{index}"))
        .spawn(move || {
            OWN.set(index);
            runtime.block_on(std::future::pending::<()>());
        })
        .map_err(failed)?;
    Ok(handle)
}
