//! The called side of one connection: from its frames to handlers and back.

use std::any::Any;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use prost::Message;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::codec::{Frame, FrameKind};
use crate::context::{CallContext, ServerStream};
use crate::error::{Code, RpcError, panicked};
use crate::generated::FrameStart;
use crate::queue::FrameQueue;
use crate::router::{Router, Service};
use crate::{CALLS_MAX, INITIAL_CREDIT, REQUEST_BYTES_MAX};

/// Credit beyond this is not counted: a caller that grants more means "any number".
const CREDIT_MAX: usize = 1 << 24;

/// Handlers are dropped where they await, so this only passes when one blocks its thread.
const SHUT_DOWN: Duration = Duration::from_secs(5);

/// The calls that are open on a connection. [`Calls::accept`] takes the peer's frames in their order and never
/// waits; the answers go into the queue.
pub struct Calls {
    router: Arc<Router>,
    queue: Arc<FrameQueue>,
    runtime: Handle,
    cancelled: CancellationToken,
    open: Mutex<Open>,
    tasks: TaskTracker,
}

#[derive(Default)]
struct Open {
    calls: HashMap<u32, Call>,
    request_bytes: usize,
}

struct Call {
    cancelled: CancellationToken,
    credit: Arc<Semaphore>,
    request_bytes: usize,
    /// Until its message has come.
    start: Option<Start>,
}

struct Start {
    service: Arc<dyn Service>,
    method: String,
    context: CallContext,
}

impl Calls {
    /// Handlers run on `runtime`; all end when `cancelled` is cancelled.
    pub fn new(router: Arc<Router>, queue: Arc<FrameQueue>, runtime: Handle, cancelled: &CancellationToken) -> Self {
        let cancelled = cancelled.child_token();
        Self {
            router,
            queue,
            runtime,
            cancelled,
            open: Mutex::default(),
            tasks: TaskTracker::new(),
        }
    }

    /// Fails when the peer breaks the protocol, after which the connection must end.
    pub fn accept(self: &Arc<Self>, frame: Frame) -> Result<(), RpcError> {
        match frame.kind {
            FrameKind::Start => self.start(frame.call, frame.payload),
            FrameKind::Message => {
                self.message(frame.call, frame.payload);
                Ok(())
            }
            FrameKind::Credit => self.credit(frame.call, &frame.payload),
            FrameKind::Cancel => {
                self.cancel(frame.call);
                Ok(())
            }
            FrameKind::End => Err(RpcError::invalid_argument(format!(
                "Cannot take an end frame of call {} as it was opened by its sender",
                frame.call
            ))),
        }
    }

    /// Cancels every call and waits until its handler has gone.
    pub async fn shut_down(&self) {
        self.cancelled.cancel();
        self.tasks.close();
        let _ = tokio::time::timeout(SHUT_DOWN, self.tasks.wait()).await;
    }

    fn start(&self, id: u32, payload: Bytes) -> Result<(), RpcError> {
        let mut open = self.lock();
        if open.calls.contains_key(&id) {
            return Err(RpcError::invalid_argument(format!(
                "Cannot start call {id} as its id is in use"
            )));
        }
        match self.admit(&open, payload) {
            Ok(call) => {
                open.calls.insert(id, call);
            }
            Err(error) => {
                drop(open);
                self.refuse(id, error);
            }
        }
        Ok(())
    }

    fn admit(&self, open: &Open, payload: Bytes) -> Result<Call, RpcError> {
        if open.calls.len() >= CALLS_MAX {
            return Err(RpcError::resource_exhausted(format!(
                "Cannot start a call as at most {CALLS_MAX} may be open on a connection"
            )));
        }
        let start = FrameStart::decode(payload)?;
        let (service, method) = self.router.find(&start.method)?;
        let method = method.to_owned();
        let cancelled = self.cancelled.child_token();
        let deadline =
            (start.timeout_ms > 0).then(|| Instant::now() + Duration::from_millis(u64::from(start.timeout_ms)));
        let context = CallContext {
            metadata: start.metadata,
            deadline,
            cancelled: cancelled.clone(),
        };
        Ok(Call {
            cancelled,
            credit: Arc::new(Semaphore::new(INITIAL_CREDIT)),
            request_bytes: 0,
            start: Some(Start {
                service,
                method,
                context,
            }),
        })
    }

    /// A message of a call that was refused or is over, or a second one, is dropped.
    fn message(self: &Arc<Self>, id: u32, payload: Bytes) {
        let mut guard = self.lock();
        let open = &mut *guard;
        let Some(call) = open.calls.get_mut(&id) else { return };
        let Some(start) = call.start.take() else { return };
        if open.request_bytes + payload.len() > REQUEST_BYTES_MAX {
            open.calls.remove(&id);
            drop(guard);
            return self.refuse(
                id,
                RpcError::resource_exhausted(format!(
                    "Cannot take a request as those of a connection may hold at most {REQUEST_BYTES_MAX} bytes"
                )),
            );
        }
        call.request_bytes = payload.len();
        open.request_bytes += payload.len();
        let responses = ServerStream::new(id, self.queue.clone(), call.credit.clone());
        drop(guard);
        let calls = self.clone();
        self.tasks.spawn_on(
            async move {
                let outcome = answer(start, payload, responses).await;
                calls.forget(id);
                // Fails only when the connection is closed, and then nobody waits.
                let _ = calls.queue.push(&end(id, outcome.err())).await;
            },
            &self.runtime,
        );
    }

    fn credit(&self, id: u32, payload: &[u8]) -> Result<(), RpcError> {
        let granted: [u8; 4] = payload.try_into().map_err(|_| {
            RpcError::invalid_argument(format!(
                "Cannot read credit as it must be 4 bytes: it has {}",
                payload.len()
            ))
        })?;
        if let Some(call) = self.lock().calls.get(&id) {
            let room = CREDIT_MAX.saturating_sub(call.credit.available_permits());
            call.credit.add_permits(room.min(u32::from_le_bytes(granted) as usize));
        }
        Ok(())
    }

    fn cancel(&self, id: u32) {
        let mut open = self.lock();
        let Some(call) = open.calls.get(&id) else { return };
        call.cancelled.cancel();
        // Without a message there is no handler yet that would answer.
        if call.start.is_some() {
            open.calls.remove(&id);
            drop(open);
            self.refuse(id, canceled());
        }
    }

    fn refuse(&self, id: u32, error: RpcError) {
        let _ = self.queue.push_now(&end(id, Some(error)));
    }

    fn forget(&self, id: u32) {
        let mut open = self.lock();
        if let Some(call) = open.calls.remove(&id) {
            open.request_bytes -= call.request_bytes;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // Nothing panics while it holds the lock.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(start: Start, request: Bytes, responses: ServerStream<Bytes>) -> Result<(), RpcError> {
    let Start {
        service,
        method,
        context,
    } = start;
    let cancelled = context.cancelled.clone();
    // Whatever the handler has spawned ends with the call, also when this future is dropped.
    let _over = cancelled.clone().drop_guard();
    let deadline = context.deadline;
    let too_late = async {
        match deadline {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    };
    let work = AssertUnwindSafe(async { service.call(&method, context, request, responses).await }).catch_unwind();
    tokio::select! {
        biased;
        () = cancelled.cancelled() => Err(canceled()),
        outcome = work => outcome.unwrap_or_else(|panic: Box<dyn Any + Send>| Err(panicked(panic.as_ref()))),
        () = too_late => Err(RpcError::new(
            Code::DeadlineExceeded,
            format!("Cannot finish \"{}/{method}\" before its deadline", service.name()),
        )),
    }
}

fn canceled() -> RpcError {
    RpcError::new(Code::Canceled, "The call was cancelled")
}

fn end(id: u32, error: Option<RpcError>) -> Frame {
    let end = error.map(RpcError::into_end).unwrap_or_default();
    Frame::new(FrameKind::End, id, end.encode_to_vec())
}
