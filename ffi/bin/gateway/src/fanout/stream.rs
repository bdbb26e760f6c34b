//! The answer to a watch: first what the server writes of it itself, then what its channel is sent.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http_body::{Body, Frame};

use super::{Fanout, frames};
use crate::http1::AnswerBody;

/// What may wait for one client: this much, as long as clients have little waiting all together…
const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;
const WAITING_BYTES_OF_ALL: usize = 128 * 1024 * 1024;
/// …and this much in any case.
const WAITING_BYTES_ALWAYS: usize = 64 * 1024;
/// Besides its bytes each piece costs something.
const PIECE_BYTES: usize = 64;

/// The client has not taken what it was sent.
#[derive(Debug)]
pub struct TooSlow;

impl fmt::Display for TooSlow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "its client must take what it is sent")
    }
}

impl Error for TooSlow {}

pub struct Stream {
    pub id: u64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    state: State,
    pieces: VecDeque<Bytes>,
    /// Those of the pieces, and what these cost.
    waiting: usize,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// The server has all that is to be said.
    #[default]
    Own,
    Attached,
    /// Nothing follows what waits.
    Ended,
    TooSlow,
    /// The client has left.
    Gone,
}

impl Stream {
    pub fn new(id: u64) -> Self {
        Self {
            id,
            inner: Mutex::default(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails when it is over already, or attached.
    pub fn attach(&self, fanout: &Fanout) -> bool {
        let mut inner = self.inner();
        let is_own = inner.state == State::Own;
        if is_own {
            inner.state = State::Attached;
            fanout.metrics.watches.add(1);
        }
        is_own
    }

    pub fn is_attached(&self) -> bool {
        self.inner().state == State::Attached
    }

    /// Gives up a stream whose client is too slow. Does nothing to one that is over.
    pub fn push(&self, bytes: &Bytes, fanout: &Fanout) {
        let mut inner = self.inner();
        if inner.state != State::Attached {
            return;
        }
        let cost = bytes.len() + PIECE_BYTES;
        let of_all = fanout.waiting.load(Ordering::Relaxed) + cost;
        let max = if of_all > WAITING_BYTES_OF_ALL {
            WAITING_BYTES_ALWAYS
        } else {
            WAITING_BYTES_MAX
        };
        // A single one may be as large as it likes.
        if !inner.pieces.is_empty() && inner.waiting + cost > max {
            inner.clear(fanout);
            inner.detach(State::TooSlow, fanout);
            fanout.metrics.watches_slow.add(1);
            fanout.tell_server(frames::gone(self.id));
        } else {
            inner.pieces.push_back(bytes.clone());
            inner.waiting += cost;
            fanout.waiting.fetch_add(cost, Ordering::Relaxed);
        }
        inner.wake();
    }

    /// After what waits.
    pub fn end(&self, fanout: &Fanout) {
        let mut inner = self.inner();
        if inner.detach(State::Ended, fanout) {
            inner.wake();
        }
    }

    fn poll_next(&self, context: &mut Context<'_>, fanout: &Fanout) -> Poll<Option<Result<Frame<Bytes>, TooSlow>>> {
        let mut inner = self.inner();
        if let Some(bytes) = inner.pieces.pop_front() {
            let cost = bytes.len() + PIECE_BYTES;
            inner.waiting -= cost;
            fanout.waiting.fetch_sub(cost, Ordering::Relaxed);
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        match inner.state {
            State::Attached => {
                inner.waker = Some(context.waker().clone());
                Poll::Pending
            }
            State::TooSlow => Poll::Ready(Some(Err(TooSlow))),
            State::Own | State::Ended | State::Gone => Poll::Ready(None),
        }
    }

    fn leave(&self, fanout: &Fanout) {
        let mut inner = self.inner();
        inner.clear(fanout);
        if inner.detach(State::Gone, fanout) {
            fanout.tell_server(frames::gone(self.id));
        }
        inner.state = State::Gone;
    }
}

impl Inner {
    /// Fails when it is not attached.
    fn detach(&mut self, state: State, fanout: &Fanout) -> bool {
        let was_attached = self.state == State::Attached;
        if was_attached {
            self.state = state;
            fanout.metrics.watches.add(-1);
        }
        was_attached
    }

    fn clear(&mut self, fanout: &Fanout) {
        self.pieces = VecDeque::new();
        fanout.waiting.fetch_sub(self.waiting, Ordering::Relaxed);
        self.waiting = 0;
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// A stream's place among those that may be attached, and the body of its answer. Dropped, it is no more.
pub struct Followed {
    fanout: Arc<Fanout>,
    stream: Arc<Stream>,
}

impl Followed {
    pub fn new(fanout: Arc<Fanout>, stream: Arc<Stream>) -> Self {
        Self { fanout, stream }
    }

    /// What the server writes itself, and then what it publishes.
    pub fn after(self, own: AnswerBody) -> FollowedBody<AnswerBody> {
        FollowedBody {
            own: Some(own),
            followed: self,
        }
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.fanout.streams().remove(&self.stream.id);
        self.stream.leave(&self.fanout);
    }
}

pub struct FollowedBody<B> {
    own: Option<B>,
    followed: Followed,
}

impl<B: Body<Data = Bytes> + Unpin> Body for FollowedBody<B>
where
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(own) = &mut self.own {
            match ready!(Pin::new(own).poll_frame(context)) {
                Some(frame) => return Poll::Ready(Some(frame.map_err(Into::into))),
                None => self.own = None,
            }
        }
        let Followed { fanout, stream } = &self.followed;
        stream.poll_next(context, fanout).map_err(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use http::{HeaderMap, Method, Uri};
    use http_body_util::{BodyExt, Empty};

    use super::*;

    fn fanout() -> Arc<Fanout> {
        Fanout::new(PathBuf::new(), &Arc::default())
    }

    fn followed(fanout: &Arc<Fanout>) -> Followed {
        let target = Uri::from_static("/api/v1/pods?watch=1");
        fanout.follow(&Method::GET, &target, &mut HeaderMap::new()).unwrap()
    }

    /// What a client takes until nothing more is there: `None` for an end, an error for a stream that is broken off.
    async fn taken(body: &mut FollowedBody<Empty<Bytes>>, count: usize) -> Vec<Option<Result<Bytes, String>>> {
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

    fn body(followed: Followed) -> FollowedBody<Empty<Bytes>> {
        FollowedBody {
            own: Some(Empty::new()),
            followed,
        }
    }

    #[tokio::test]
    async fn what_was_published_since_the_stream_was_attached_follows_its_own_body() {
        let fanout = fanout();
        let followed = followed(&fanout);
        let stream = followed.stream.clone();
        let piece = |text: &'static str| Bytes::from_static(text.as_bytes());
        stream.push(&piece("before"), &fanout);
        assert!(stream.attach(&fanout));
        assert!(!stream.attach(&fanout), "it is already");
        stream.push(&piece("one"), &fanout);
        let mut body = body(followed);
        assert_eq!(taken(&mut body, 1).await, [Some(Ok(piece("one")))]);
        let later = piece("two");
        let (next, ()) = tokio::join!(biased; body.frame(), async { stream.push(&later, &fanout) });
        assert_eq!(
            next.unwrap().unwrap().into_data().unwrap(),
            later,
            "it waits for what is to come"
        );
        stream.push(&later, &fanout);
        stream.end(&fanout);
        stream.push(&later, &fanout);
        assert_eq!(taken(&mut body, 2).await, [Some(Ok(later)), None]);
        assert_eq!(
            (fanout.waiting.load(Ordering::Relaxed), fanout.metrics.watches.value()),
            (0, 0)
        );
    }

    #[tokio::test]
    async fn a_stream_that_was_not_attached_ends_with_its_own_body() {
        let fanout = fanout();
        assert_eq!(taken(&mut body(followed(&fanout)), 1).await, [None]);
        assert!(fanout.streams().is_empty());
    }

    #[tokio::test]
    async fn who_takes_nothing_is_broken_off_and_holds_nothing() {
        let fanout = fanout();
        let (slow, fast) = (followed(&fanout), followed(&fanout));
        for followed in [&slow, &fast] {
            followed.stream.attach(&fanout);
        }
        let (slow_stream, fast_stream) = (slow.stream.clone(), fast.stream.clone());
        let (mut slow, mut fast) = (body(slow), body(fast));
        let piece = Bytes::from(vec![0; WAITING_BYTES_MAX / 4]);
        for _ in 0..6 {
            slow_stream.push(&piece, &fanout);
            fast_stream.push(&piece, &fanout);
            assert_eq!(taken(&mut fast, 1).await, [Some(Ok(piece.clone()))]);
        }
        assert_eq!(taken(&mut slow, 1).await, [Some(Err(TooSlow.to_string()))]);
        assert_eq!(fanout.waiting.load(Ordering::Relaxed), 0);
        assert_eq!(
            (fanout.metrics.watches.value(), fanout.metrics.watches_slow.value()),
            (1, 1)
        );
        // One event may be larger than what may wait.
        let large = Bytes::from(vec![0; WAITING_BYTES_MAX + 1]);
        fast_stream.push(&large, &fanout);
        assert_eq!(taken(&mut fast, 1).await, [Some(Ok(large))]);
    }

    #[tokio::test]
    async fn all_together_hold_what_they_may_and_each_a_little() {
        let fanout = fanout();
        let piece = Bytes::from(vec![0; WAITING_BYTES_ALWAYS / 16]);
        let mut bodies = Vec::new();
        // Enough for all of them to have far too much.
        for _ in 0..4 * WAITING_BYTES_OF_ALL / WAITING_BYTES_MAX {
            let followed = followed(&fanout);
            followed.stream.attach(&fanout);
            for _ in 0..WAITING_BYTES_MAX / (piece.len() + PIECE_BYTES) {
                followed.stream.push(&piece, &fanout);
            }
            bodies.push(body(followed));
        }
        let most = WAITING_BYTES_OF_ALL + bodies.len() * WAITING_BYTES_ALWAYS;
        assert!((WAITING_BYTES_OF_ALL / 2..=most).contains(&fanout.waiting.load(Ordering::Relaxed)));
        assert!(fanout.metrics.watches_slow.value() > 0);
        drop(bodies);
        assert_eq!(fanout.waiting.load(Ordering::Relaxed), 0);
        assert_eq!(fanout.metrics.watches.value(), 0);
        assert!(fanout.streams().is_empty());
    }

    #[test]
    fn only_what_may_be_a_watch_is_prepared_for() {
        let fanout = fanout();
        let asked = |method: Method, target: &'static str| {
            let mut headers = HeaderMap::new();
            let followed = fanout.follow(&method, &Uri::from_static(target), &mut headers);
            assert_eq!(followed.is_some(), headers.contains_key(super::super::FANOUT));
            followed.is_some()
        };
        assert!(asked(Method::GET, "/api/v1/pods?limit=1&watch=true"));
        assert!(!asked(Method::GET, "/api/v1/pods?limit=1"));
        assert!(!asked(Method::GET, "/api/v1/pods"));
        assert!(!asked(Method::DELETE, "/api/v1/pods?watch=true"));
    }
}
