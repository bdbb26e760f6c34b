//! What clients are sent, and why what they send may be refused. A body ends, with its last byte, everything that belongs
//! to the exchange.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::connect_stream::EndedStream;
use crate::fanout::{Followed, FollowedBody};
use crate::grpc::GrpcWebToGrpc;
use crate::http1::AnswerBody;
use crate::limits::{BODY_PROGRESS, BODY_WHOLE};

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

/// What a client is sent.
pub struct ReplyBody {
    content: Content,
    /// Given up with the body's end, however it ends.
    exchange: Vec<Box<dyn Send + Sync>>,
}

enum Content {
    Whole(Option<Bytes>),
    Passed(AnswerBody),
    Connect(EndedStream<AnswerBody>),
    Grpc(GrpcWebToGrpc<AnswerBody>),
    Followed(FollowedBody<AnswerBody>),
}

impl ReplyBody {
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::of(Content::Whole(Some(bytes.into())))
    }

    pub fn passed(body: AnswerBody) -> Self {
        Self::of(Content::Passed(body))
    }

    pub fn connect_stream(body: AnswerBody) -> Self {
        Self::of(Content::Connect(EndedStream::new(body)))
    }

    pub fn grpc(body: AnswerBody) -> Self {
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
