//! The C ABI. The only unsafe code of the library.
//!
//! ```c
//! uint32_t k3ts_version(void);
//! void    *k3ts_open(void (*deliver)(const uint8_t *frames, size_t length));
//! int32_t  k3ts_submit(void *handle, const uint8_t *frames, size_t length);
//! void     k3ts_close(void *handle);
//! void     k3ts_free(void *handle);
//! ```
//!
//! Who owns which memory
//! - `k3ts_submit` reads its buffer before it returns and keeps nothing of it: the caller's, always.
//! - `deliver` is given a buffer of ours that is valid until `deliver` returns: copy what is needed later.
//! - A handle is ours from `k3ts_open` to `k3ts_free`. `k3ts_close` ends everything behind it; between close and free a
//!   submit is answered with "closed"; after free the handle must not be used.
//!
//! Threads
//! - `k3ts_submit` never waits, so it is called synchronously, from any thread.
//! - `deliver` is called on one thread of ours, one batch at a time: the next one gathers while it runs. In Deno it is a
//!   `Deno.UnsafeCallback.threadSafe`, and our thread waits in it until the event loop has taken the batch.
//! - `k3ts_close` waits for that thread, so it must not be called on the event loop's: call it nonblocking, and let the
//!   event loop turn until it has returned. `deliver` is never called again once it has, and may then be freed.
//!
//! How long the queue may grow
//! - Messages of streams wait for the credit of their call (`frame.proto`). Answers that were not taken yet are gathered
//!   up to 8 MiB (`QUEUE_BYTES_MAX`): beyond that handlers wait with theirs, and `k3ts_submit` takes nothing and answers
//!   "busy" until a batch has been delivered. So an event loop that stands still costs 8 MiB and one frame.
//! - At most 1024 calls are open, with at most 256 MiB of requests: more are answered with `resource_exhausted`.
//!
//! When the event loop is kept alive
//! - By the library never. The binding refs its callback while calls are open and unrefs it when there are none, so that
//!   a program ends when it has nothing left to wait for, as with any other I/O.
//!
//! Nothing here unwinds into the caller: a handler that panics answers its call with `internal`, and a panic in these
//! functions themselves is answered with "failed".

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;

use k3ts_frames::say;

use crate::connection::{Connection, Refusal};
use crate::services;

/// Grows with every change of these functions or of the frames.
const VERSION: u32 = 1;

const TAKEN: i32 = 0;
const CLOSED: i32 = 1;
const MALFORMED: i32 = 2;
const BUSY: i32 = 3;
const FAILED: i32 = 4;

type Deliver = extern "C" fn(frames: *const u8, length: usize);

#[unsafe(no_mangle)]
pub extern "C" fn k3ts_version() -> u32 {
    VERSION
}

/// Null when threads cannot be made; the reason goes to standard error.
#[unsafe(no_mangle)]
pub extern "C" fn k3ts_open(deliver: Deliver) -> *mut Connection {
    let opened =
        catch_unwind(|| Connection::open(services::router(), move |batch| deliver(batch.as_ptr(), batch.len())));
    match opened {
        Ok(Ok(connection)) => Box::into_raw(Box::new(connection)),
        Ok(Err(error)) => {
            say(&format!("Cannot open the native services: {error}"));
            std::ptr::null_mut()
        }
        Err(_) => std::ptr::null_mut(),
    }
}

/// Takes whole frames, in order. 0: taken. 1: closed. 2: no frames, or not in an order that makes sense. 3: busy, try
/// again after the next delivery. 4: failed.
///
/// # Safety
/// `handle` comes from `k3ts_open` and was not freed; `frames` is readable for `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k3ts_submit(handle: *const Connection, frames: *const u8, length: usize) -> i32 {
    if length == 0 {
        return TAKEN;
    }
    // SAFETY: valid by this function's contract; neither reference outlives the call.
    let (connection, bytes) = unsafe { (&*handle, slice::from_raw_parts(frames, length)) };
    match catch_unwind(AssertUnwindSafe(|| connection.submit(bytes))) {
        Ok(Ok(())) => TAKEN,
        Ok(Err(Refusal::Closed)) => CLOSED,
        Ok(Err(Refusal::Busy)) => BUSY,
        Ok(Err(Refusal::Malformed(error))) => {
            say(&format!("Cannot take frames from JavaScript: {error}"));
            MALFORMED
        }
        Err(_) => FAILED,
    }
}

/// Ends every call and every thread behind a handle. Called again, it does nothing.
///
/// # Safety
/// `handle` comes from `k3ts_open` and was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k3ts_close(handle: *const Connection) {
    // SAFETY: valid by this function's contract, for the whole of the call.
    let connection = unsafe { &*handle };
    // What has panicked was reported by the panic itself.
    let _ = catch_unwind(AssertUnwindSafe(|| connection.close()));
}

/// # Safety
/// `handle` comes from `k3ts_open`, `k3ts_close` has returned, and nothing uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k3ts_free(handle: *mut Connection) {
    // SAFETY: made by `Box::into_raw` in `k3ts_open`, and given back once by this function's contract.
    let connection = unsafe { Box::from_raw(handle) };
    let _ = catch_unwind(AssertUnwindSafe(|| drop(connection)));
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::process::Command;

    use super::*;

    const INSIDE: &str = "K3TS_TEST_STDERR_IS_FULL";

    extern "C" fn deliver(_frames: *const u8, _length: usize) {}

    /// A panic would end the process, as nothing may unwind into C: so it runs in one of its own.
    #[test]
    fn what_cannot_be_said_is_no_reason_to_fail() {
        if std::env::var_os(INSIDE).is_some() {
            let handle = k3ts_open(deliver);
            let nonsense = [0xff; 64];
            // SAFETY: the handle is open, and the bytes are as many as is said.
            let answer = unsafe { k3ts_submit(handle, nonsense.as_ptr(), nonsense.len()) };
            assert_eq!(answer, MALFORMED);
            // SAFETY: nothing uses the handle any more.
            unsafe { k3ts_close(handle) };
            return;
        }
        let name = "abi::tests::what_cannot_be_said_is_no_reason_to_fail";
        let mut inside = Command::new(std::env::current_exe().unwrap());
        inside.args([name, "--exact", "--nocapture"]).env(INSIDE, "1");
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = inside.stderr(full).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}: {said}", output.status);
        assert!(said.contains("1 passed"), "{said}");
    }
}
