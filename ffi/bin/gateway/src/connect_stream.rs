//! Streams of Connect that break off: a client is told so in Connect's own words, as a reset says nothing of whether
//! to try again.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body, Frame};
use serde_json::json;

const PREFIX_BYTES: usize = 5;
/// Marks the last message of a stream, which holds its error.
const END: u8 = 0x02;
const BROKEN: &str = "the server ended its answer too early";

pub fn is_stream(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/connect+"))
}

/// Passes a stream on, and ends it properly if nobody else does.
pub struct EndedStream<B> {
    body: B,
    place: Place,
    done: bool,
}

/// Where in the stream the last byte was.
#[derive(Default)]
struct Place {
    prefix: [u8; PREFIX_BYTES],
    prefix_bytes: usize,
    message_bytes_left: usize,
    ended: bool,
}

impl Place {
    fn advance(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            if self.message_bytes_left > 0 {
                let count = piece.len().min(self.message_bytes_left);
                self.message_bytes_left -= count;
                piece = &piece[count..];
                continue;
            }
            let count = piece.len().min(PREFIX_BYTES - self.prefix_bytes);
            self.prefix[self.prefix_bytes..self.prefix_bytes + count].copy_from_slice(&piece[..count]);
            self.prefix_bytes += count;
            piece = &piece[count..];
            if self.prefix_bytes == PREFIX_BYTES {
                let [flags, length @ ..] = self.prefix;
                self.ended |= flags & END != 0;
                self.message_bytes_left = u32::from_be_bytes(length) as usize;
                self.prefix_bytes = 0;
            }
        }
    }

    fn is_between_messages(&self) -> bool {
        self.prefix_bytes == 0 && self.message_bytes_left == 0
    }
}

impl<B> EndedStream<B> {
    pub fn new(body: B) -> Self {
        Self {
            body,
            place: Place::default(),
            done: false,
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for EndedStream<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.done {
            return Poll::Ready(None);
        }
        let polled = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = polled {
            if let Some(piece) = frame.data_ref() {
                self.place.advance(piece);
            }
            return Poll::Ready(Some(Ok(frame)));
        }
        self.done = true;
        Poll::Ready(match polled {
            // In the middle of a message nothing can be said.
            _ if self.place.is_between_messages() && !self.place.ended => {
                Some(Ok(Frame::data(failure("unavailable", BROKEN))))
            }
            other => other,
        })
    }
}

/// The last message of a stream that has failed. `code` is one of Connect's.
pub fn failure(code: &str, message: &str) -> Bytes {
    let error = json!({ "error": { "code": code, "message": message } }).to_string();
    let length = (error.len() as u32).to_be_bytes();
    [&[END], &length[..], error.as_bytes()].concat().into()
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    const MESSAGE: &[u8] = b"\x00\x00\x00\x00\x03abc";
    const ENDING: &[u8] = b"\x02\x00\x00\x00\x02{}";

    /// The stream as a client reads it, cut into pieces of a size; None when it breaks off.
    async fn read(stream: &[u8], size: usize) -> Option<Vec<u8>> {
        let pieces = stream
            .chunks(size)
            .map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece))));
        let pieces: Vec<Result<_, &str>> = pieces.chain([Err("reset")]).collect();
        let body = EndedStream::new(StreamBody::new(futures::stream::iter(pieces)));
        body.collect().await.ok().map(|collected| collected.to_bytes().to_vec())
    }

    #[tokio::test]
    async fn a_stream_that_breaks_off_between_messages_is_ended() {
        for size in 1..10 {
            let stream = [MESSAGE, MESSAGE].concat();
            assert_eq!(
                read(&stream, size).await.unwrap(),
                [stream.as_slice(), &failure("unavailable", BROKEN)].concat()
            );
            assert_eq!(read(&stream[..12], size).await, None, "in the middle of a message");
        }
        assert_eq!(read(&[], 1).await.unwrap(), failure("unavailable", BROKEN));
    }

    #[tokio::test]
    async fn a_whole_stream_is_left_alone() {
        let pieces = [Ok::<_, &str>(Frame::data(Bytes::from([MESSAGE, ENDING].concat())))];
        let body = EndedStream::new(StreamBody::new(futures::stream::iter(pieces)));
        assert_eq!(body.collect().await.unwrap().to_bytes(), [MESSAGE, ENDING].concat());
    }
}
