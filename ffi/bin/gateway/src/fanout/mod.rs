//! Watches that are told by the gateway: the server hands an event over once for all who watch the same, on a connection
//! of its own, and the gateway puts it into their answers.
//!
//! A watch begins as any other answer does, with the server writing its body: what is there, what has happened since. When
//! it has been told everything the server attaches it to a channel, in between two events of that channel, and ends the
//! body once the gateway has said that it knows. From then on the channel's events follow the body. So nothing is lost,
//! doubled or out of order at the hand-over, whatever overtakes whatever on the two connections.
//!
//! Nobody waits for a slow client: what it has not taken is held up to a limit, and beyond it its answer is broken off.
//! The connection itself is read all the time, so that the server may go by how fast it is taken off its hands.

mod frames;
mod link;
mod stream;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use tokio::sync::mpsc::UnboundedSender;

use stream::Stream;

use crate::metrics::Metrics;
pub use stream::{Followed, FollowedBody};

/// Tells the server which gateway asks and by which number it knows the answer.
const FANOUT: HeaderName = HeaderName::from_static("k3ts-fanout");

/// All answers that a channel may follow.
pub struct Fanout {
    socket: PathBuf,
    /// Of this process: the server may have connections from the one before it and from the one after it too.
    name: String,
    next: AtomicU64,
    streams: Mutex<HashMap<u64, Arc<Stream>>>,
    /// What is told the server. Its length is bounded by the number of streams that the server has attached.
    to_server: Mutex<Option<UnboundedSender<Bytes>>>,
    /// Bytes that wait for clients, each counted as often as somebody waits for it.
    waiting: AtomicUsize,
    metrics: Arc<Metrics>,
}

impl Fanout {
    pub fn new(socket: PathBuf, metrics: &Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            socket,
            name: format!("{:016x}", RandomState::new().hash_one(std::process::id())),
            next: AtomicU64::new(1),
            streams: Mutex::default(),
            to_server: Mutex::default(),
            waiting: AtomicUsize::new(0),
            metrics: metrics.clone(),
        })
    }

    /// Gets ready for the answer of what may be a watch, and says so in the head that the server is sent.
    pub fn follow(self: &Arc<Self>, method: &Method, target: &Uri, headers: &mut HeaderMap) -> Option<Followed> {
        if method != Method::GET || !target.query().is_some_and(|query| query.contains("watch=")) {
            return None;
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        headers.insert(FANOUT, HeaderValue::try_from(format!("{}/{id}", self.name)).ok()?);
        let stream = Arc::new(Stream::new(id));
        self.streams().insert(id, stream.clone());
        Some(Followed::new(self.clone(), stream))
    }

    fn streams(&self) -> MutexGuard<'_, HashMap<u64, Arc<Stream>>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: u64) -> Option<Arc<Stream>> {
        self.streams().get(&id).cloned()
    }

    fn tell_server(&self, frame: Bytes) {
        let sender = self.to_server.lock().unwrap_or_else(PoisonError::into_inner);
        // Without a connection, or with one that has just ended, there is nobody who has to know.
        let _ = sender.as_ref().map(|sender| sender.send(frame));
    }
}
