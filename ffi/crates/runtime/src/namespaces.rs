//! Threads of their own for what changes a thread's namespaces: nobody else ever runs on one afterwards.

use k3ts_frames::{ErrorContext, RpcError};
use std::thread;

/// Runs `work` on a new thread, which ends with it.
pub fn on_own_thread<T: Send>(name: &str, work: impl FnOnce() -> Result<T, RpcError> + Send) -> Result<T, RpcError> {
    thread::scope(|scope| {
        let handle = thread::Builder::new()
            .name(name.to_owned())
            .spawn_scoped(scope, work)
            .doing(|| "Cannot start a thread".to_owned())?;
        handle
            .join()
            .unwrap_or_else(|_| Err(RpcError::internal(format!("The thread {name:?} failed unexpectedly"))))
    })
}
