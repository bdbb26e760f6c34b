//! What a connection is doing, and from it whether it has taken too long over something.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::limits;

/// Written by the connection and its requests, read by the connection's watch. Times are milliseconds since the
/// gateway began, plus one; 0 means never.
#[derive(Default)]
pub struct Activity {
    in_flight: AtomicU32,
    served: AtomicU64,
    /// When something was last in flight.
    busy_at: AtomicU64,
    /// When the bytes that no request has been made of yet began to arrive.
    head_at: AtomicU64,
    began: Notify,
}

/// What is known at one moment.
#[derive(Clone, Copy)]
struct Observed {
    in_flight: bool,
    served: bool,
    busy_at: u64,
    head_at: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Look again after this.
    Fine(Duration),
    /// It takes too long over a request's head.
    Slow,
    /// Nothing has been asked for a long time.
    Idle,
}

fn now() -> u64 {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    BEGAN.get_or_init(Instant::now).elapsed().as_millis() as u64 + 1
}

impl Activity {
    pub fn begin() -> Arc<Self> {
        let activity = Self::default();
        activity.busy_at.store(now(), Ordering::Relaxed);
        Arc::new(activity)
    }

    /// Lasts until the request is answered.
    pub fn request(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.served.fetch_add(1, Ordering::Relaxed);
        self.head_at.store(0, Ordering::Relaxed);
        self.began.notify_one();
        InFlight(self.clone())
    }

    pub fn has_served(&self) -> bool {
        self.served.load(Ordering::Relaxed) > 0
    }

    /// Waits until a request is in flight. For one caller at a time.
    pub async fn busy(&self) {
        while self.in_flight.load(Ordering::Relaxed) == 0 {
            self.began.notified().await;
        }
    }

    pub fn verdict(&self) -> Verdict {
        let head_at = self.head_at.load(Ordering::Relaxed);
        judge(
            Observed {
                in_flight: self.in_flight.load(Ordering::Relaxed) > 0,
                served: self.has_served(),
                busy_at: self.busy_at.load(Ordering::Relaxed),
                head_at: (head_at > 0).then_some(head_at),
            },
            now(),
        )
    }

    /// Bytes have arrived over HTTP/1.1.
    pub fn note_read(&self) {
        if self.in_flight.load(Ordering::Relaxed) == 0 {
            // Fails when the head has begun to arrive before.
            let _ = self
                .head_at
                .compare_exchange(0, now(), Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

fn judge(observed: Observed, now: u64) -> Verdict {
    let left = |since: u64, allowed: Duration| allowed.saturating_sub(Duration::from_millis(now.saturating_sub(since)));
    if observed.in_flight {
        return Verdict::Fine(limits::HEAD);
    }
    let head = match observed.head_at {
        _ if !observed.served => left(observed.busy_at, limits::HEAD),
        Some(since) => left(since, limits::HEAD),
        None => limits::HEAD,
    };
    let idle = left(observed.busy_at, limits::IDLE);
    match (head.is_zero(), idle.is_zero()) {
        (true, _) => Verdict::Slow,
        (false, true) => Verdict::Idle,
        (false, false) => Verdict::Fine(head.min(idle)),
    }
}

pub struct InFlight(Arc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.busy_at.store(now(), Ordering::Relaxed);
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: Observed = Observed {
        in_flight: false,
        served: false,
        busy_at: 1,
        head_at: None,
    };

    fn after(duration: Duration) -> u64 {
        1 + duration.as_millis() as u64
    }

    #[test]
    fn a_connection_that_never_asks_is_slow() {
        assert_eq!(judge(FRESH, after(limits::HEAD / 2)), Verdict::Fine(limits::HEAD / 2));
        assert_eq!(judge(FRESH, after(limits::HEAD)), Verdict::Slow);
    }

    #[test]
    fn a_head_must_arrive_in_time_on_a_connection_that_has_served() {
        let observed = Observed {
            served: true,
            head_at: Some(1),
            ..FRESH
        };
        assert_eq!(judge(observed, after(limits::HEAD)), Verdict::Slow);
    }

    #[test]
    fn between_requests_a_connection_may_rest_for_long() {
        let observed = Observed { served: true, ..FRESH };
        assert_eq!(judge(observed, after(limits::HEAD * 2)), Verdict::Fine(limits::HEAD));
        assert_eq!(judge(observed, after(limits::IDLE)), Verdict::Idle);
    }

    #[test]
    fn nothing_is_too_long_while_a_request_is_in_flight() {
        let observed = Observed {
            in_flight: true,
            ..FRESH
        };
        assert_eq!(judge(observed, after(limits::IDLE * 9)), Verdict::Fine(limits::HEAD));
    }
}
