//! What is behind a handle: a runtime, the calls that are open on it, and a thread that hands batches over.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use k3ts_frames::{Calls, CancellationToken, FrameQueue, Router, RpcError, decode_all};
use tokio::runtime::{Builder, Runtime};

use crate::memory;

/// Threads that run handlers. Enough: what blocks runs elsewhere.
const WORKERS: usize = 2;

/// Threads for what blocks, mostly files. More wait.
const BLOCKING_MAX: usize = 32;

/// How long handlers' own tasks may take to end, once all calls are over.
const SHUT_DOWN: Duration = Duration::from_secs(10);

/// Why frames were not taken.
pub enum Refusal {
    Closed,
    /// The frames are no frames; what came before the first of them was taken.
    Malformed(RpcError),
    /// Answers wait that were not taken.
    Busy,
}

pub struct Connection {
    calls: Arc<Calls>,
    queue: Arc<FrameQueue>,
    cancelled: CancellationToken,
    running: Mutex<Option<Running>>,
}

struct Running {
    runtime: Runtime,
    deliverer: JoinHandle<()>,
}

impl Connection {
    /// `deliver` is called on a thread of its own, with one batch of whole frames after the other.
    pub fn open(router: Router, deliver: impl FnMut(&[u8]) + Send + 'static) -> std::io::Result<Self> {
        memory::limit_arenas();
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .max_blocking_threads(BLOCKING_MAX)
            .thread_name("k3ts-native")
            .enable_all()
            .build()?;
        let queue = Arc::new(FrameQueue::default());
        let cancelled = CancellationToken::new();
        let calls = Arc::new(Calls::new(
            Arc::new(router),
            queue.clone(),
            runtime.handle().clone(),
            &cancelled,
        ));
        runtime.spawn(memory::trim_now_and_then(cancelled.clone()));
        let deliverer = spawn_deliverer(runtime.handle().clone(), queue.clone(), deliver)?;
        Ok(Self {
            calls,
            queue,
            cancelled,
            running: Mutex::new(Some(Running { runtime, deliverer })),
        })
    }

    pub fn submit(&self, bytes: &[u8]) -> Result<(), Refusal> {
        if self.running.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            return Err(Refusal::Closed);
        }
        if self.queue.is_full() {
            return Err(Refusal::Busy);
        }
        for frame in decode_all(bytes).map_err(Refusal::Malformed)? {
            self.calls.accept(frame).map_err(Refusal::Malformed)?;
        }
        Ok(())
    }

    /// Cancels what is open and waits until nothing of ours runs any more. The last batches are still delivered.
    pub fn close(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Running { runtime, deliverer }) = running else {
            return;
        };
        self.cancelled.cancel();
        runtime.block_on(self.calls.shut_down());
        self.queue.close();
        // It panics only if the callback does, and then the thread is gone as well.
        let _ = deliverer.join();
        runtime.shutdown_timeout(SHUT_DOWN);
    }
}

fn spawn_deliverer(
    runtime: tokio::runtime::Handle,
    queue: Arc<FrameQueue>,
    mut deliver: impl FnMut(&[u8]) + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("k3ts-deliver".to_owned())
        .spawn(move || {
            let mut batch = Vec::new();
            while runtime.block_on(queue.take_into(&mut batch)) {
                deliver(&batch);
            }
        })
}
