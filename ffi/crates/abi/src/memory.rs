//! Keeps glibc from holding on to memory that nobody uses.
//!
//! Its allocator makes an arena for every thread that meets another in one, and gives little of any back: after a burst
//! of writes a process that needs 80 MB would keep 400.

use std::time::Duration;

use k3ts_frames::CancellationToken;

const ARENAS_MAX: i32 = 2;

/// How often memory is given back. It takes some milliseconds, in which allocations wait.
const TRIM_INTERVAL: Duration = Duration::from_secs(30);

/// Before there are threads.
pub fn limit_arenas() {
    // SAFETY: sets a number that the allocator reads under its own lock.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, ARENAS_MAX) };
}

/// Until cancelled.
pub async fn trim_now_and_then(cancelled: CancellationToken) {
    while cancelled
        .run_until_cancelled(tokio::time::sleep(TRIM_INTERVAL))
        .await
        .is_some()
    {
        // On a thread that may block. It does not panic.
        let _ = tokio::task::spawn_blocking(trim).await;
    }
}

fn trim() {
    // SAFETY: gives free pages back, under the allocator's own locks.
    unsafe { libc::malloc_trim(0) };
}
