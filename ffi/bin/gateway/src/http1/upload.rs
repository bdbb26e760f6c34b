//! Bodies of requests. What is small is sent with the head; the rest is carried to the server by a task of its own, so
//! that an early answer ends it instead of waiting for it.

use std::future::Future;
use std::io::Cursor;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body::Body;
use hyper::body::Incoming;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::head::Length;
use super::link::Writer;
use crate::body::Broken;
use crate::gathered::{ALL_REQUESTS, Gathered, Pace};
use crate::limits::BodyRule;

/// How long the beginning of a stream is waited for, as it may also be its end.
const BEGINNING: Duration = Duration::from_millis(2);

/// What the server is sent.
pub enum RequestBody {
    Empty,
    Whole(Bytes),
    Carried(Box<Upload>),
}

/// A body of which only the beginning is here.
pub struct Upload {
    begun: Bytes,
    rest: Incoming,
    rule: BodyRule,
    pace: Pace,
    length: Option<u64>,
}

impl RequestBody {
    /// Receives a client's body: a small one whole, of a larger one the beginning.
    ///
    /// What can be sent in one piece is, as Deno's server only notices that its client has gone when the request came
    /// with one read.
    pub async fn receive(mut body: Incoming, rule: BodyRule) -> Result<Self, Broken> {
        if body.is_end_stream() {
            return Ok(RequestBody::Empty);
        }
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
            return Ok(if begun.is_empty() {
                RequestBody::Empty
            } else {
                RequestBody::Whole(begun)
            });
        }
        let length = body.size_hint().exact().map(|rest| rest + begun.len() as u64);
        Ok(RequestBody::Carried(Box::new(Upload {
            begun,
            rest: body,
            rule,
            pace,
            length,
        })))
    }

    pub(super) fn length(&self) -> Length {
        match self {
            RequestBody::Empty => Length::Empty,
            RequestBody::Whole(bytes) => Length::Exactly(bytes.len() as u64),
            RequestBody::Carried(upload) => upload.length.map_or(Length::Chunked, Length::Exactly),
        }
    }
}

/// The task that carries a body. Dropped, it stops.
pub struct Carrier(JoinHandle<Result<Option<Writer>, Broken>>);

impl Carrier {
    pub fn start(upload: Upload, writer: Writer) -> Self {
        Self(tokio::spawn(upload.carry(writer)))
    }

    /// Waits for its end: gives the writer back when the whole body was written, and none when nobody reads it any more.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Writer>, Broken>> {
        let ended = ready!(Pin::new(&mut self.0).poll(context));
        // It panics no more than others do, and is stopped only by being dropped.
        Poll::Ready(ended.unwrap_or(Ok(None)))
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        // With the task goes the client's stream: over HTTP/2 it is told to send no more.
        self.0.abort();
    }
}

impl Upload {
    async fn carry(mut self, mut writer: Writer) -> Result<Option<Writer>, Broken> {
        let mut total = 0;
        let mut piece = self.begun;
        loop {
            total += piece.len() as u64;
            match (self.rule, self.length) {
                (BodyRule::Bounded(limit), _) if total > limit => return Err(Broken::TooLarge(limit)),
                // More than was announced would be read as another request.
                (_, Some(length)) if total > length => return Err(Broken::Aborted),
                _ => {}
            }
            let written = match (piece.is_empty(), self.length) {
                (true, _) => Ok(()),
                (_, Some(_)) => writer.drain(piece).await,
                (_, None) => writer.drain(chunk(piece)).await,
            };
            if written.is_err() {
                return Ok(None);
            }
            piece = match self.pace.next(&mut self.rest).await? {
                Some(piece) => piece,
                None => break,
            };
        }
        match self.length {
            Some(length) if length != total => Err(Broken::Aborted),
            Some(_) => Ok(Some(writer)),
            None => Ok(writer.drain(&b"0\r\n\r\n"[..]).await.is_ok().then_some(writer)),
        }
    }
}

fn chunk(piece: Bytes) -> impl Buf {
    let size = format!("{:x}\r\n", piece.len());
    Cursor::new(size).chain(piece).chain(&b"\r\n"[..])
}
