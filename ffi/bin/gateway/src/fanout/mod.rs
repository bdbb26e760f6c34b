//! Watches that are told by the gateway: the server hands an event over once for all who watch the same, on a connection
//! of its own, and the gateway puts it into their answers.
//!
//! A watch begins as any other answer does, with the server writing its body: what is there, what has happened since. When
//! it has been told everything the server attaches it to a channel, in between two events of that channel, and ends the
//! body once the gateway has said that it knows. From then on the channel's events follow the body. So nothing is lost,
//! doubled or out of order at the hand-over, whatever overtakes whatever on the two connections.
//!
//! What clients have not taken is held, up to a limit for all. At the limit the connection is not read, and the server
//! publishes no further, while clients take what waits: so those who read hear of everything, however much comes at once.
//! Nobody waits for those who do not read: their answers are broken off (`slow`).

mod frames;
mod link;
mod slow;
mod stream;
mod waiting;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use tokio::sync::mpsc::UnboundedSender;

use stream::Stream;
use waiting::Waiting;

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
    waiting: Arc<Waiting>,
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
            waiting: Arc::default(),
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

    /// What another than the server is sent says nothing of it.
    pub fn forget(headers: &mut HeaderMap) {
        headers.remove(FANOUT);
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

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Empty};

    use super::*;

    pub fn fanout() -> Arc<Fanout> {
        Fanout::new(PathBuf::new(), &Arc::default())
    }

    pub fn followed(fanout: &Arc<Fanout>) -> Followed {
        let target = Uri::from_static("/api/v1/pods?watch=1");
        fanout.follow(&Method::GET, &target, &mut HeaderMap::new()).unwrap()
    }

    /// An answer whose own body is at its end.
    pub fn body(followed: Followed) -> FollowedBody<Empty<Bytes>> {
        followed.after(Empty::new())
    }

    /// What a client takes: `None` for an end, an error for a stream that is broken off.
    pub async fn taken(body: &mut FollowedBody<Empty<Bytes>>, count: usize) -> Vec<Option<Result<Bytes, String>>> {
        let mut taken = Vec::new();
        for _ in 0..count {
            taken.push(body.frame().await.map(|frame| {
                frame
                    .map(|frame| frame.into_data().unwrap_or_default())
                    .map_err(|error| error.to_string())
            }));
        }
        taken
    }
}
