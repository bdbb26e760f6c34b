//! gRPC to gRPC-Web and back. Messages are framed alike; gRPC-Web puts the trailers into a last frame of the body, as
//! HTTP/1.1 servers and fetch know none.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body::{Body, Frame};

/// Marks the frame that holds trailers.
const TRAILERS: u8 = 0x80;
const PREFIX_BYTES: usize = 5;
const TRAILERS_BYTES_MAX: usize = 64 * 1024;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc+proto");
const GRPC_WEB: HeaderValue = HeaderValue::from_static("application/grpc-web+proto");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Codes of gRPC that the gateway itself gives.
const UNKNOWN: u32 = 2;
const INTERNAL: u32 = 13;
const UNAVAILABLE: u32 = 14;

fn content_type_begins(headers: &HeaderMap, prefix: &[u8]) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(prefix))
}

/// Whether a request must be turned into gRPC-Web.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    content_type_begins(headers, b"application/grpc") && !is_grpc_web(headers)
}

pub fn is_grpc_web(headers: &HeaderMap) -> bool {
    content_type_begins(headers, b"application/grpc-web")
}

pub fn to_grpc_web(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_TYPE, GRPC_WEB);
}

pub fn to_grpc(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_TYPE, GRPC);
    headers.remove(header::CONTENT_LENGTH);
}

/// A whole reply in its headers: how gRPC says that a call has failed before it began.
pub fn failure(code: u32, message: &str) -> HeaderMap {
    let mut headers = status(code, message);
    headers.insert(header::CONTENT_TYPE, GRPC);
    headers
}

/// What an HTTP status means to a gRPC client, from the mapping that gRPC publishes.
pub fn code_of(status: StatusCode) -> u32 {
    match status.as_u16() {
        400 => INTERNAL,
        401 => 16,
        403 => 7,
        404 | 405 | 415 => 12,
        413 | 431 => 8,
        408 | 429 | 502 | 503 | 504 => UNAVAILABLE,
        _ => UNKNOWN,
    }
}

fn status(code: u32, message: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(STATUS, HeaderValue::from(code));
    if let Ok(message) = HeaderValue::try_from(percent_encode(message)) {
        headers.insert(MESSAGE, message);
    }
    headers
}

/// As gRPC wants it: printable ASCII without the percent sign stays.
fn percent_encode(message: &str) -> String {
    let encode = |byte: u8| match byte {
        b'%' | 0..=0x1f | 0x7f.. => format!("%{byte:02X}"),
        _ => char::from(byte).to_string(),
    };
    message.bytes().map(encode).collect()
}

/// The body of a gRPC-Web response as that of a gRPC response, with real trailers.
pub struct GrpcWebToGrpc<B> {
    body: B,
    unread: Bytes,
    state: State,
}

enum State {
    /// Collects the five bytes before a frame's content.
    Prefix(BytesMut),
    /// Passes what is left of a message.
    Message(usize),
    /// Collects trailers of that many bytes.
    Trailers(BytesMut, usize),
    Done,
}

impl<B> GrpcWebToGrpc<B> {
    pub fn new(body: B) -> Self {
        Self {
            body,
            unread: Bytes::new(),
            state: State::Prefix(BytesMut::new()),
        }
    }

    /// Takes from what is unread; None when more must be read.
    fn advance(&mut self) -> Option<Frame<Bytes>> {
        while !self.unread.is_empty() {
            match &mut self.state {
                State::Prefix(prefix) => {
                    take(&mut self.unread, prefix, PREFIX_BYTES);
                    if let Some((flags, length)) = parse_prefix(prefix) {
                        let prefix = std::mem::take(prefix).freeze();
                        if flags & TRAILERS == 0 {
                            self.state = if length > 0 {
                                State::Message(length)
                            } else {
                                State::Prefix(BytesMut::new())
                            };
                            return Some(Frame::data(prefix));
                        }
                        if length > TRAILERS_BYTES_MAX {
                            return Some(self.finish(status(INTERNAL, "the trailers are too large")));
                        }
                        if length == 0 {
                            return Some(self.finish(status(UNKNOWN, "the trailers are empty")));
                        }
                        self.state = State::Trailers(BytesMut::new(), length);
                    }
                }
                State::Message(left) => {
                    let piece = self.unread.split_to(self.unread.len().min(*left));
                    *left -= piece.len();
                    if *left == 0 {
                        self.state = State::Prefix(BytesMut::new());
                    }
                    return Some(Frame::data(piece));
                }
                State::Trailers(text, length) => {
                    take(&mut self.unread, text, *length);
                    if text.len() == *length {
                        let trailers = parse_trailers(text);
                        return Some(self.finish(trailers));
                    }
                }
                State::Done => self.unread.clear(),
            }
        }
        None
    }

    fn finish(&mut self, trailers: HeaderMap) -> Frame<Bytes> {
        self.state = State::Done;
        Frame::trailers(trailers)
    }
}

fn take(from: &mut Bytes, into: &mut BytesMut, length: usize) {
    let count = (length - into.len()).min(from.len());
    into.extend_from_slice(&from[..count]);
    from.advance(count);
}

fn parse_prefix(prefix: &[u8]) -> Option<(u8, usize)> {
    match *prefix {
        [flags, a, b, c, d] => Some((flags, u32::from_be_bytes([a, b, c, d]) as usize)),
        _ => None,
    }
}

fn parse_trailers(text: &[u8]) -> HeaderMap {
    let parse = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(line[..colon].trim_ascii()).ok()?;
        Some((name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
    };
    let mut trailers = HeaderMap::new();
    for (name, value) in text.split(|byte| *byte == b'\n').filter_map(parse) {
        trailers.append(name, value);
    }
    trailers
}

impl<B: Body<Data = Bytes> + Unpin> Body for GrpcWebToGrpc<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        loop {
            if let Some(frame) = self.advance() {
                return Poll::Ready(Some(Ok(frame)));
            }
            if matches!(self.state, State::Done) {
                return Poll::Ready(None);
            }
            match std::task::ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => self.unread = frame.into_data().unwrap_or_default(),
                // Broken off or not: without trailers a client must not take it for a whole answer.
                Some(Err(_)) | None => {
                    let trailers = status(UNAVAILABLE, "the server ended its answer without trailers");
                    return Poll::Ready(Some(Ok(self.finish(trailers))));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full, StreamBody};

    use super::*;

    /// One message, an empty one, and trailers.
    const BODY: &[u8] = b"\x00\x00\x00\x00\x03abc\x00\x00\x00\x00\x00\x80\x00\x00\x00\x16grpc-status: 0\r\nx: y\r\n";

    async fn translate(body: impl Body<Data = Bytes, Error = std::convert::Infallible> + Unpin) -> (Bytes, HeaderMap) {
        let collected = GrpcWebToGrpc::new(body).collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap_or_default();
        (collected.to_bytes(), trailers)
    }

    #[tokio::test]
    async fn the_last_frame_becomes_trailers_however_the_body_is_cut() {
        for size in 1..BODY.len() {
            let pieces = BODY
                .chunks(size)
                .map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece))))
                .collect::<Vec<_>>();
            let body = StreamBody::new(futures::stream::iter(pieces));
            let (data, trailers) = translate(body).await;
            assert_eq!(data, &BODY[..13], "cut into pieces of {size}");
            assert_eq!(
                (trailers["grpc-status"].as_bytes(), trailers["x"].as_bytes()),
                (&b"0"[..], &b"y"[..])
            );
        }
    }

    #[tokio::test]
    async fn an_answer_without_trailers_is_unavailable() {
        let (_, trailers) = translate(Full::new(Bytes::from_static(&BODY[..13]))).await;
        assert_eq!(trailers["grpc-status"], "14");
    }

    #[test]
    fn messages_are_percent_encoded() {
        assert_eq!(percent_encode("50% ü"), "50%25 %C3%BC");
    }

    #[test]
    fn grpc_web_is_left_alone() {
        let headers = |kind| HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
        assert!(is_grpc(&headers("application/grpc")));
        assert!(is_grpc(&headers("application/grpc+proto")));
        assert!(!is_grpc(&headers("application/grpc-web+proto")));
        assert!(!is_grpc(&headers("application/json")));
    }
}
