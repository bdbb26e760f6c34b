//! The body of an answer. With its last byte it gives its link up, so that the next request can have it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::chunks::Chunks;
use super::exchange::Exchange;
use super::head::Framing;
use super::link::Joined;

pub struct AnswerBody {
    /// None once it has ended, but for what is still being carried to the server.
    exchange: Option<Exchange>,
    left: Left,
}

/// Of the body.
pub(super) enum Left {
    Exactly(u64),
    Chunked(Chunks),
    UntilClose,
    Nothing,
    /// The link has become something else.
    Upgrade,
}

impl AnswerBody {
    pub(super) fn new(exchange: Exchange, framing: Framing) -> Self {
        let mut body = Self {
            exchange: Some(exchange),
            left: framing.into(),
        };
        if matches!(body.left, Left::Exactly(0)) {
            body.end(&mut Context::from_waker(Waker::noop()));
        }
        body
    }

    /// Whether the answer came before its request had been sent whole.
    pub fn is_early(&self) -> bool {
        self.exchange.as_ref().is_some_and(|exchange| !exchange.is_sent())
    }

    /// The link as a plain pipe, when the answer says that it has become one.
    pub fn into_joined(self) -> Option<Joined> {
        match self.left {
            Left::Upgrade => self.exchange?.into_joined(),
            _ => None,
        }
    }

    fn end(&mut self, context: &mut Context<'_>) {
        self.left = Left::Nothing;
        if let Some(exchange) = &mut self.exchange {
            // Its end may not have been heard of yet, and no longer matters if it is a failure.
            let _ = exchange.follow(context);
        }
        // A body that nobody wanted is kept to the drop, so that the client hears the answer before the reset.
        if let Some(exchange) = self.exchange.take_if(|exchange| exchange.is_sent()) {
            exchange.end(context);
        }
    }

    /// A piece that is here already.
    fn take(&mut self) -> io::Result<Option<Bytes>> {
        let Some(exchange) = &mut self.exchange else {
            return Ok(None);
        };
        let input = &mut exchange.input;
        if input.is_empty() {
            return Ok(None);
        }
        Ok(match &mut self.left {
            Left::Exactly(left) => {
                let count = (*left).min(input.len() as u64);
                *left -= count;
                Some(input.split_to(count as usize).freeze())
            }
            Left::Chunked(chunks) => chunks.take(input)?,
            Left::UntilClose => Some(input.split().freeze()),
            Left::Nothing | Left::Upgrade => None,
        })
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let body = &mut *self;
        loop {
            if matches!(body.left, Left::Nothing | Left::Upgrade) {
                return Poll::Ready(None);
            }
            let Some(exchange) = &mut body.exchange else {
                return Poll::Ready(None);
            };
            if let Err(broken) = exchange.follow(context) {
                return body.fail(io::Error::other(broken));
            }
            let piece = match body.take() {
                Ok(piece) => piece,
                Err(error) => return body.fail(error),
            };
            let ended = match &body.left {
                Left::Exactly(left) => *left == 0,
                Left::Chunked(chunks) => chunks.is_done(),
                _ => false,
            };
            if ended {
                body.end(context);
            }
            if let Some(piece) = piece {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if ended {
                return Poll::Ready(None);
            }
            let Some(exchange) = &mut body.exchange else {
                return Poll::Ready(None);
            };
            match ready!(exchange.poll_fill(context)) {
                Ok(0) if matches!(body.left, Left::UntilClose) => body.end(context),
                Ok(0) => return body.fail(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) => return body.fail(error),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.left, Left::Nothing | Left::Upgrade)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.left {
            Left::Exactly(left) => SizeHint::with_exact(*left),
            Left::Nothing | Left::Upgrade => SizeHint::with_exact(0),
            Left::Chunked(_) | Left::UntilClose => SizeHint::default(),
        }
    }
}

impl AnswerBody {
    fn fail(&mut self, error: io::Error) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.left = Left::Nothing;
        self.exchange = None;
        Poll::Ready(Some(Err(error)))
    }
}
