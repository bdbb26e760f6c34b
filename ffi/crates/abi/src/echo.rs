//! Says back what it is told: what every transport is tested with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k3ts_frames::{CallContext, Code, RpcError, ServerStream};
use k3ts_proto::v1::{
    EchoDetail, EchoService, ObserveRequest, ObserveResponse, RepeatRequest, RepeatResponse, SayRequest, SayResponse,
};

/// Calls that bear it in their metadata can be observed afterwards.
const ECHO_KEY: &str = "echo-key";
/// Most keys that are remembered; then all are forgotten.
const KEYS_MAX: usize = 1000;

/// Most bytes of one repeated message: what a frame takes, with room for its other fields.
const SIZE_BYTES_MAX: u32 = 16 * 1024 * 1024 - 1024;

#[derive(Default)]
pub struct Echo {
    observed: Arc<Mutex<HashMap<String, ObserveResponse>>>,
}

impl EchoService for Echo {
    async fn say(&self, context: CallContext, request: SayRequest) -> Result<SayResponse, RpcError> {
        let call = self.watch(&context);
        pause(request.delay_ms).await;
        call.over();
        if request.fail_code != 0 {
            return Err(failure(Code::from_number(request.fail_code), request.text));
        }
        Ok(SayResponse {
            text: request.text,
            data: request.data,
        })
    }

    async fn repeat(
        &self,
        context: CallContext,
        request: RepeatRequest,
        responses: ServerStream<RepeatResponse>,
    ) -> Result<(), RpcError> {
        let call = self.watch(&context);
        let outcome = repeat(&call, &request, &responses).await;
        call.over();
        outcome
    }

    async fn observe(&self, _: CallContext, request: ObserveRequest) -> Result<ObserveResponse, RpcError> {
        Ok(lock(&self.observed).get(&request.key).copied().unwrap_or_default())
    }
}

impl Echo {
    fn watch(&self, context: &CallContext) -> Watched {
        let key = context.metadata.get(ECHO_KEY).cloned();
        if key.is_some() && lock(&self.observed).len() >= KEYS_MAX {
            lock(&self.observed).clear();
        }
        let call = Watched {
            observed: self.observed.clone(),
            key,
        };
        call.count(|seen| seen.started += 1);
        call
    }
}

/// A call that is counted as cancelled when it is dropped before it is over.
struct Watched {
    observed: Arc<Mutex<HashMap<String, ObserveResponse>>>,
    key: Option<String>,
}

impl Watched {
    fn count(&self, change: impl FnOnce(&mut ObserveResponse)) {
        if let Some(key) = &self.key {
            change(lock(&self.observed).entry(key.clone()).or_default());
        }
    }

    fn over(mut self) {
        self.key = None;
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.count(|seen| seen.cancelled += 1);
    }
}

async fn repeat(
    call: &Watched,
    request: &RepeatRequest,
    responses: &ServerStream<RepeatResponse>,
) -> Result<(), RpcError> {
    let RepeatRequest {
        times,
        size_bytes,
        delay_ms,
        fail_after,
    } = *request;
    if size_bytes > SIZE_BYTES_MAX {
        return Err(RpcError::invalid_argument(format!(
            "Cannot repeat as size_bytes must be at most {SIZE_BYTES_MAX}: current value is {size_bytes}"
        )));
    }
    let end = if fail_after == 0 { times } else { fail_after.min(times) };
    for index in 0..end {
        pause(delay_ms).await;
        call.count(|seen| seen.produced += 1);
        // As bytes wrap around in the other implementations.
        let data = vec![index as u8; size_bytes as usize].into();
        responses.send(RepeatResponse { index, data }).await?;
    }
    match fail_after {
        0 => Ok(()),
        _ => Err(failure(Code::Aborted, format!("failed after {end}"))),
    }
}

fn failure(code: Code, text: String) -> RpcError {
    RpcError::new(code, text.clone()).with_detail(&EchoDetail { text })
}

async fn pause(milliseconds: u32) {
    if milliseconds > 0 {
        tokio::time::sleep(Duration::from_millis(milliseconds.into())).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds the lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
