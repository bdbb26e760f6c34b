//! The answer to a watch: first what the server writes of it itself, then what its channel is sent.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http_body::{Body, Frame};

use tokio::time::Instant;

use super::slow::Backlog;
use super::waiting::{Piece, Place};
use super::{Fanout, frames};

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

struct Inner {
    state: State,
    pieces: VecDeque<Place>,
    /// What these cost.
    waiting: usize,
    /// When the client took something, or something began to wait for it.
    taken: Instant,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The server has all that is to be said.
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
            inner: Mutex::new(Inner {
                state: State::Own,
                pieces: VecDeque::new(),
                waiting: 0,
                taken: Instant::now(),
                waker: None,
            }),
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

    /// Does nothing to one that is over.
    pub fn push(&self, piece: &Arc<Piece>) {
        let mut inner = self.inner();
        if inner.state != State::Attached {
            return;
        }
        if inner.pieces.is_empty() {
            inner.taken = Instant::now();
        }
        inner.pieces.push_back(Place::of(piece));
        inner.waiting += piece.cost();
        inner.wake();
    }

    /// What its client has not taken, if there is anything.
    pub fn backlog(&self, now: Instant) -> Option<Backlog> {
        let inner = self.inner();
        let oldest = inner.pieces.front()?.piece().since;
        Some(Backlog {
            bytes: inner.waiting,
            pieces: inner.pieces.len(),
            idle: now.saturating_duration_since(inner.taken),
            behind: now.saturating_duration_since(oldest),
        })
    }

    /// Holds nothing for it any more. Its client can tell that something is missing.
    pub fn break_off(&self, fanout: &Fanout) {
        let mut inner = self.inner();
        // It has taken everything after all.
        if inner.pieces.is_empty() {
            return;
        }
        if inner.detach(State::TooSlow, fanout) {
            fanout.tell_server(frames::gone(self.id));
        }
        inner.state = State::TooSlow;
        inner.clear();
        fanout.metrics.watches_slow.add(1);
        inner.wake();
    }

    /// The client takes what goes before.
    fn goes_on(&self) {
        self.inner().taken = Instant::now();
    }

    /// After what waits.
    pub fn end(&self, fanout: &Fanout) {
        let mut inner = self.inner();
        if inner.detach(State::Ended, fanout) {
            inner.wake();
        }
    }

    fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, TooSlow>>> {
        let mut inner = self.inner();
        if let Some(place) = inner.pieces.pop_front() {
            inner.waiting -= place.piece().cost();
            inner.taken = Instant::now();
            return Poll::Ready(Some(Ok(Frame::data(place.take()))));
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
        inner.clear();
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

    fn clear(&mut self) {
        self.pieces = VecDeque::new();
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
    pub(super) stream: Arc<Stream>,
}

impl Followed {
    pub fn new(fanout: Arc<Fanout>, stream: Arc<Stream>) -> Self {
        Self { fanout, stream }
    }

    /// What the server writes itself, and then what it publishes.
    pub fn after<B>(self, own: B) -> FollowedBody<B> {
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
                Some(frame) => {
                    self.followed.stream.goes_on();
                    return Poll::Ready(Some(frame.map_err(Into::into)));
                }
                None => self.own = None,
            }
        }
        self.followed.stream.poll_next(context).map_err(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method, Uri};

    use super::*;
    use crate::fanout::FANOUT;
    use crate::fanout::tests::{body, fanout, followed, taken};

    #[tokio::test]
    async fn what_was_published_since_the_stream_was_attached_follows_its_own_body() {
        use http_body_util::BodyExt;
        let fanout = fanout();
        let followed = followed(&fanout);
        let stream = followed.stream.clone();
        let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
        let piece = |text: &'static str| Piece::new(bytes(text), &fanout.waiting);
        stream.push(&piece("before"));
        assert!(stream.attach(&fanout));
        assert!(!stream.attach(&fanout), "it is already");
        stream.push(&piece("one"));
        let mut body = body(followed);
        assert_eq!(taken(&mut body, 1).await, [Some(Ok(bytes("one")))]);
        let (next, ()) = tokio::join!(biased; body.frame(), async { stream.push(&piece("two")) });
        assert_eq!(
            next.unwrap().unwrap().into_data().unwrap(),
            bytes("two"),
            "it waits for what is to come"
        );
        stream.push(&piece("three"));
        stream.end(&fanout);
        stream.push(&piece("after"));
        assert_eq!(taken(&mut body, 2).await, [Some(Ok(bytes("three"))), None]);
        assert_eq!((fanout.waiting.bytes(), fanout.metrics.watches.value()), (0, 0));
    }

    #[tokio::test]
    async fn a_stream_that_was_not_attached_ends_with_its_own_body() {
        let fanout = fanout();
        assert_eq!(taken(&mut body(followed(&fanout)), 1).await, [None]);
        assert!(fanout.streams().is_empty());
    }

    #[tokio::test]
    async fn who_leaves_or_is_broken_off_holds_nothing() {
        let fanout = fanout();
        let all: Vec<_> = (0..3).map(|_| followed(&fanout)).collect();
        let piece = Piece::new(Bytes::from_static(b"piece"), &fanout.waiting);
        for followed in &all {
            followed.stream.attach(&fanout);
            followed.stream.push(&piece);
        }
        drop(piece);
        let [left, broken, ended] = all.try_into().ok().unwrap();
        drop(left);
        broken.stream.break_off(&fanout);
        broken.stream.break_off(&fanout);
        assert_eq!(
            taken(&mut body(broken), 1).await,
            [Some(Err(TooSlow.to_string()))],
            "it can be told from an end"
        );
        // What waits for the end of one that has ended is held too.
        ended.stream.end(&fanout);
        ended.stream.break_off(&fanout);
        assert_eq!(taken(&mut body(ended), 1).await, [Some(Err(TooSlow.to_string()))]);
        assert_eq!((fanout.waiting.bytes(), fanout.metrics.watches.value()), (0, 0));
        assert_eq!(fanout.metrics.watches_slow.value(), 2);
        assert!(fanout.streams().is_empty());
    }

    #[test]
    fn only_what_may_be_a_watch_is_prepared_for() {
        let fanout = fanout();
        let asked = |method: Method, target: &'static str| {
            let mut headers = HeaderMap::new();
            let followed = fanout.follow(&method, &Uri::from_static(target), &mut headers);
            assert_eq!(followed.is_some(), headers.contains_key(FANOUT));
            Fanout::forget(&mut headers);
            assert!(headers.is_empty());
            followed.is_some()
        };
        assert!(asked(Method::GET, "/api/v1/pods?limit=1&watch=true"));
        assert!(!asked(Method::GET, "/api/v1/pods?limit=1"));
        assert!(!asked(Method::GET, "/api/v1/pods"));
        assert!(!asked(Method::DELETE, "/api/v1/pods?watch=true"));
    }
}
