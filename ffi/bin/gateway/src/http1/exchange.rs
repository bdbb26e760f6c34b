//! A request and its answer on a link.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use http::Response;

use super::answer::AnswerBody;
use super::head::{self, Framing};
use super::link::{Joined, Link, Reader, Writer};
use super::upload::{Carrier, RequestBody};
use crate::body::Broken;
use crate::upstream::{Head, Upstream};

/// A link in use.
pub struct Exchange {
    reader: Reader,
    pub(super) input: BytesMut,
    /// How much of a head there must be to look at it again.
    look_at: usize,
    sending: Sending,
    /// Where the link is kept for the next request, if it is.
    home: Arc<Upstream>,
    keeps: bool,
}

/// What becomes of the request.
enum Sending {
    /// Written whole.
    Done(Writer),
    /// By somebody else.
    Carried(Carrier),
    /// Not to its end, as the answer came first. Open, as a server may take what is half closed for given up.
    Halted(#[allow(dead_code)] Writer),
    /// Nobody reads it any more.
    Ended,
}

/// Why there is no answer.
pub enum Failure {
    /// Nothing was written; here is the body again.
    Unwritten(RequestBody),
    /// It certainly was not read whole, and has no body.
    Unread,
    /// The request itself broke off.
    Request(Broken),
    /// It may have been acted on.
    Lost(Lost),
}

#[derive(Debug)]
pub enum Lost {
    Ended,
    Failed(io::Error),
}

impl fmt::Display for Lost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lost::Ended => write!(formatter, "it was closed before the answer"),
            Lost::Failed(error) => error.fmt(formatter),
        }
    }
}

impl Exchange {
    /// Sends a request and waits for the head of its answer. Dropped before, as its client has given up, it closes the
    /// link, by which the server learns of it.
    pub async fn ask(
        link: Link,
        home: Arc<Upstream>,
        head: &Head,
        body: RequestBody,
    ) -> Result<Response<AnswerBody>, Failure> {
        let bytes = head::encode(head, body.length());
        let (mut whole, mut unsent) = match body {
            RequestBody::Whole(bytes) => (bytes, None),
            RequestBody::Empty => (Bytes::new(), None),
            carried => (Bytes::new(), Some(carried)),
        };
        let bodyless = whole.is_empty() && unsent.is_none();
        let mut output = bytes.chain(whole.clone());
        let Link { reader, writer } = link;
        let mut writer = Some(writer);
        let mut written = 0;
        let mut exchange = Self {
            reader,
            input: BytesMut::new(),
            look_at: 0,
            sending: Sending::Ended,
            home,
            keeps: false,
        };
        let answer = std::future::poll_fn(|context| {
            if written == 0 && exchange.speaks_first(context) {
                return Poll::Ready(Err(None));
            }
            while let Some(open) = &mut writer {
                if !output.has_remaining() {
                    // What was written is not sent again, and the answer may be long in coming.
                    whole = Bytes::new();
                    output = BytesMut::new().chain(Bytes::new());
                    exchange.sending = match (writer.take(), unsent.take()) {
                        (Some(writer), Some(RequestBody::Carried(upload))) => {
                            Sending::Carried(Carrier::start(*upload, writer))
                        }
                        (Some(writer), _) => Sending::Done(writer),
                        (None, _) => Sending::Ended,
                    };
                    break;
                }
                match open.poll_drain(context, &mut output) {
                    Poll::Ready(Ok(count)) => written += count,
                    Poll::Ready(Err(_)) if written == 0 => return Poll::Ready(Err(None)),
                    // There may be an answer to what was read of it.
                    Poll::Ready(Err(_)) => writer = None,
                    Poll::Pending => break,
                }
            }
            exchange.poll_head(context, head).map_err(Some)
        })
        .await;
        match answer {
            Ok(answer) => {
                // One who answers before the request's end may close rather than read the rest.
                exchange.keeps = answer.keeps && exchange.home.keeps() && exchange.is_sent();
                if let Some(writer) = writer {
                    exchange.sending = Sending::Halted(writer);
                }
                Ok(answer.response.map(|()| AnswerBody::new(exchange, answer.framing)))
            }
            Err(None) => Err(Failure::Unwritten(match unsent {
                Some(carried) => carried,
                None if whole.is_empty() => RequestBody::Empty,
                None => RequestBody::Whole(whole),
            })),
            // Linux resets a unix socket's peer if, and only if, something was still to be read when the socket closed.
            Err(Some(Failure::Lost(Lost::Failed(error))))
                if bodyless && exchange.reader.is_of_socket() && error.kind() == io::ErrorKind::ConnectionReset =>
            {
                Err(Failure::Unread)
            }
            Err(Some(failure)) => Err(failure),
        }
    }

    /// Whether a node says something, or has ended its stream, before it is asked. That cannot be the answer, and nothing has
    /// been sent. Of sockets the readiness is enough, which was looked at when the link was taken.
    fn speaks_first(&mut self, context: &mut Context<'_>) -> bool {
        !self.reader.is_of_socket() && self.reader.poll_fill(context, &mut self.input).is_ready()
    }

    fn poll_head(&mut self, context: &mut Context<'_>, asked: &Head) -> Poll<Result<head::AnswerHead, Failure>> {
        let lost = |error| Failure::Lost(Lost::Failed(error));
        loop {
            if let Err(broken) = self.follow(context) {
                return Poll::Ready(Err(Failure::Request(broken)));
            }
            let before = self.input.len();
            if ready!(self.reader.poll_fill(context, &mut self.input)).map_err(lost)? == 0 {
                return Poll::Ready(Err(Failure::Lost(Lost::Ended)));
            }
            // A head that comes in drops is not looked at after each of them.
            if self.input.len() >= self.look_at || head::may_be_whole(&self.input, before) {
                self.look_at = self.input.len() * 2;
                match head::parse(&mut self.input, &asked.method) {
                    Ok(Some(head)) => return Poll::Ready(Ok(head)),
                    Ok(None) => {}
                    Err(malformed) => return Poll::Ready(Err(lost(malformed.into()))),
                }
            }
        }
    }

    /// Looks after a body that is being carried.
    pub fn follow(&mut self, context: &mut Context<'_>) -> Result<(), Broken> {
        if let Sending::Carried(carrier) = &mut self.sending
            && let Poll::Ready(ended) = carrier.poll(context)
        {
            self.sending = match ended {
                Ok(Some(writer)) => Sending::Done(writer),
                Ok(None) => Sending::Ended,
                Err(broken) => {
                    self.sending = Sending::Ended;
                    return Err(broken);
                }
            };
        }
        Ok(())
    }

    /// Reads more of the answer; 0 at its end.
    pub fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.reader.poll_fill(context, &mut self.input)
    }

    pub fn is_sent(&self) -> bool {
        matches!(self.sending, Sending::Done(_))
    }

    /// After the whole answer: what can be used again is kept. What is left of a request that was not carried to its end
    /// must not be taken for the beginning of the next one, so its link ends with it.
    pub fn end(self, context: &mut Context<'_>) {
        if let Sending::Done(mut writer) = self.sending {
            if self.keeps && self.input.is_empty() {
                let Self { mut reader, home, .. } = self;
                reader.rest();
                home.keep(Link { reader, writer }, Instant::now());
            } else if !self.reader.is_of_socket() {
                // Says that the stream has ended, rather than that it was cut. Waits for nothing.
                let _ = writer.poll_shutdown(context);
            }
        }
    }

    /// The link as a plain pipe, when the answer says that it has become one.
    pub fn into_joined(self) -> Option<Joined> {
        match self.sending {
            Sending::Done(writer) => {
                let link = Link {
                    reader: self.reader,
                    writer,
                };
                Some(Joined::new(link, self.input.freeze()))
            }
            _ => None,
        }
    }
}

impl From<Framing> for super::answer::Left {
    fn from(framing: Framing) -> Self {
        use super::answer::Left;
        match framing {
            Framing::Exactly(bytes) => Left::Exactly(bytes),
            Framing::Chunked => Left::Chunked(super::chunks::Chunks::new()),
            Framing::UntilClose => Left::UntilClose,
            Framing::Upgrade => Left::Upgrade,
        }
    }
}
