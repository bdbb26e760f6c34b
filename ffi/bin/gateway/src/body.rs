//! Bodies: that of a request is carried to the server by a task of its own, so that an early answer ends it instead of
//! waiting for it; that of a response ends, with its last byte, everything that belongs to the exchange.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::connect_stream::EndedStream;
use crate::fanout::{Followed, FollowedBody};
use crate::gathered::{ALL_REQUESTS, Gathered, Pace};
use crate::grpc::GrpcWebToGrpc;
use crate::limits::{BODY_PROGRESS, BODY_WHOLE, BodyRule};

/// How long the beginning of a stream is waited for, as it may also be its end.
const BEGINNING: Duration = Duration::from_millis(2);
/// Pieces of a request's body between the client and the server.
const PIECES_MAX: usize = 4;

/// Why a request's body was not carried to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    TooLarge(u64),
    TooSlow,
    /// The client has gone.
    Aborted,
}

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::TooLarge(limit) => write!(formatter, "its body may have {limit} bytes at most"),
            Broken::TooSlow => write!(
                formatter,
                "its body must make progress within {BODY_PROGRESS:?} and be whole within {BODY_WHOLE:?}"
            ),
            Broken::Aborted => write!(formatter, "its body must not be broken off"),
        }
    }
}

impl Error for Broken {}

/// A part of a request's body; None is its end, so that a pump that was stopped is never taken for a body that ended.
type Piece = Result<Option<Bytes>, Broken>;

/// What the server is sent.
pub enum RequestBody {
    Empty,
    Whole(Bytes),
    Pumped {
        pieces: mpsc::Receiver<Piece>,
        size: SizeHint,
    },
}

/// The task that carries a body. Dropped, it stops.
pub struct Pump {
    task: AbortHandle,
    broken: Arc<OnceLock<Broken>>,
}

impl Pump {
    /// Receives a client's body: a small one whole, of a larger one the beginning, and a task carries the rest.
    ///
    /// What can be sent in one piece is, as Deno's server only notices that its client has gone when the request came
    /// with one read.
    pub async fn start(mut body: Incoming, rule: BodyRule) -> Result<(RequestBody, Option<Pump>), Broken> {
        let pace = Pace::of(rule);
        let mut begun = Gathered::of(&ALL_REQUESTS);
        let whole = match rule {
            BodyRule::Bounded(_) => begun.gather(&mut body, pace).await?,
            BodyRule::Stream => match timeout(BEGINNING, begun.gather(&mut body, pace)).await {
                Ok(gathered) => gathered?,
                Err(_) => false,
            },
        };
        let begun = begun.take();
        if whole {
            let body = if begun.is_empty() {
                RequestBody::Empty
            } else {
                RequestBody::Whole(begun)
            };
            return Ok((body, None));
        }
        let rest = body.size_hint();
        let size = rest.exact().map_or(SizeHint::default(), |rest| {
            SizeHint::with_exact(rest + begun.len() as u64)
        });
        let (sender, pieces) = mpsc::channel(PIECES_MAX);
        let broken = Arc::new(OnceLock::new());
        let noted = broken.clone();
        let task = tokio::spawn(async move {
            if let Err(reason) = carry(begun, body, &sender, rule, pace).await {
                let _ = noted.set(reason);
                // Fails when nobody wants it any more.
                let _ = sender.send(Err(reason)).await;
            }
        });
        let pump = Pump {
            task: task.abort_handle(),
            broken,
        };
        Ok((RequestBody::Pumped { pieces, size }, Some(pump)))
    }

    pub fn broken(&self) -> Option<Broken> {
        self.broken.get().copied()
    }

    pub fn is_done(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        // With the task goes the client's stream: over HTTP/2 it is told to send no more.
        self.task.abort();
    }
}

async fn carry(
    begun: Bytes,
    mut body: Incoming,
    sender: &mpsc::Sender<Piece>,
    rule: BodyRule,
    pace: Pace,
) -> Result<(), Broken> {
    let mut total = begun.len() as u64;
    let mut piece = Some(begun);
    loop {
        let last = piece.is_none();
        // Fails when nobody wants it any more.
        if sender.send(Ok(piece)).await.is_err() || last {
            return Ok(());
        }
        piece = pace.next(&mut body).await?;
        total += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        match rule {
            BodyRule::Bounded(limit) if total > limit => return Err(Broken::TooLarge(limit)),
            _ => {}
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let pieces = match &mut *self {
            RequestBody::Empty => return Poll::Ready(None),
            RequestBody::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = RequestBody::Empty;
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            RequestBody::Pumped { pieces, .. } => pieces,
        };
        match ready!(pieces.poll_recv(context)) {
            Some(Ok(Some(piece))) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            Some(Ok(None)) => {
                *self = RequestBody::Empty;
                Poll::Ready(None)
            }
            Some(Err(reason)) => Poll::Ready(Some(Err(reason))),
            None => Poll::Ready(Some(Err(Broken::Aborted))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, RequestBody::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            RequestBody::Empty => SizeHint::with_exact(0),
            RequestBody::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            RequestBody::Pumped { size, .. } => *size,
        }
    }
}

/// What a client is sent.
pub struct ReplyBody {
    content: Content,
    /// Given up with the body's end, however it ends.
    exchange: Vec<Box<dyn Send + Sync>>,
}

enum Content {
    Whole(Option<Bytes>),
    Passed(Incoming),
    Connect(EndedStream<Incoming>),
    Grpc(GrpcWebToGrpc<Incoming>),
    Followed(FollowedBody<Incoming>),
}

impl ReplyBody {
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::of(Content::Whole(Some(bytes.into())))
    }

    pub fn passed(body: Incoming) -> Self {
        Self::of(Content::Passed(body))
    }

    pub fn connect_stream(body: Incoming) -> Self {
        Self::of(Content::Connect(EndedStream::new(body)))
    }

    pub fn grpc(body: Incoming) -> Self {
        Self::of(Content::Grpc(GrpcWebToGrpc::new(body)))
    }

    fn of(content: Content) -> Self {
        Self {
            content,
            exchange: Vec::new(),
        }
    }

    /// Goes on with what the server publishes, when what it has written by itself is at its end.
    #[must_use]
    pub fn followed(mut self, followed: Followed) -> Self {
        if let Content::Passed(body) = self.content {
            self.content = Content::Followed(followed.after(body));
        }
        self
    }

    /// Keeps something for as long as the body lasts.
    #[must_use]
    pub fn with(mut self, kept: impl Send + Sync + 'static) -> Self {
        self.exchange.push(Box::new(kept));
        self
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = match &mut self.content {
            Content::Whole(bytes) => return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Content::Followed(body) => return Pin::new(body).poll_frame(context),
            Content::Passed(body) => Pin::new(body).poll_frame(context),
            Content::Connect(body) => Pin::new(body).poll_frame(context),
            Content::Grpc(body) => Pin::new(body).poll_frame(context),
        };
        polled.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Content::Passed(body) => body.is_end_stream(),
            Content::Connect(_) | Content::Grpc(_) | Content::Followed(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Content::Passed(body) => body.size_hint(),
            Content::Connect(_) | Content::Grpc(_) | Content::Followed(_) => SizeHint::default(),
        }
    }
}

/// Ends the connection to the server along with the response when the request was not carried to its end: what is left
/// of it must not be taken for the beginning of the next one.
pub struct CutShort {
    pub pump: Option<Pump>,
    pub connection: AbortHandle,
}

impl Drop for CutShort {
    fn drop(&mut self) {
        if self.pump.as_ref().is_some_and(|pump| !pump.is_done()) {
            self.connection.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_pump_that_was_stopped_is_no_end() {
        for (sent, whole) in [
            (vec![Ok(Some(Bytes::from("a"))), Ok(None)], true),
            (vec![Ok(Some(Bytes::from("a")))], false),
        ] {
            let (sender, pieces) = mpsc::channel(PIECES_MAX);
            for piece in sent {
                sender.send(piece).await.unwrap();
            }
            drop(sender);
            let body = RequestBody::Pumped {
                pieces,
                size: SizeHint::default(),
            };
            assert_eq!(body.collect().await.is_ok(), whole);
        }
    }
}
