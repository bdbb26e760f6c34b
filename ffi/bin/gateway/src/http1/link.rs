//! The bytes between the gateway and a process that answers: a unix socket, or a stream of a node's tunnel.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio_util::io::{poll_read_buf, poll_write_buf};

use crate::tunnel::StreamIo;

/// Read at a time: at first, and from those who always have more.
const READ_BYTES: usize = 8 * 1024;
const READ_BYTES_MAX: usize = 64 * 1024;

pub struct Link {
    pub reader: Reader,
    pub writer: Writer,
}

pub struct Reader {
    way: ReadWay,
    next_bytes: usize,
}

enum ReadWay {
    Socket(OwnedReadHalf),
    Tunnel(ReadHalf<StreamIo>),
}

pub enum Writer {
    Socket(OwnedWriteHalf),
    Tunnel(WriteHalf<StreamIo>),
}

impl From<UnixStream> for Link {
    fn from(stream: UnixStream) -> Self {
        let (reader, writer) = stream.into_split();
        Self {
            reader: Reader::of(ReadWay::Socket(reader)),
            writer: Writer::Socket(writer),
        }
    }
}

impl From<StreamIo> for Link {
    fn from(stream: StreamIo) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self {
            reader: Reader::of(ReadWay::Tunnel(reader)),
            writer: Writer::Tunnel(writer),
        }
    }
}

impl Reader {
    fn of(way: ReadWay) -> Self {
        Self {
            way,
            next_bytes: READ_BYTES,
        }
    }

    /// Appends what has come; 0 at the end.
    pub fn poll_fill(&mut self, context: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        // What is left of a buffer is used first, so that pieces that are kept for a slow client hold little more than
        // themselves.
        if input.capacity() - input.len() < READ_BYTES / 4 {
            input.reserve(self.next_bytes);
        }
        let room = input.capacity() - input.len();
        let polled = match &mut self.way {
            ReadWay::Socket(reader) => poll_read_buf(Pin::new(reader), context, input),
            ReadWay::Tunnel(reader) => poll_read_buf(Pin::new(reader), context, input),
        };
        if let Poll::Ready(Ok(count)) = polled {
            self.next_bytes = if count == room && room >= self.next_bytes {
                (self.next_bytes * 2).min(READ_BYTES_MAX)
            } else {
                self.next_bytes
            };
        }
        polled
    }

    /// Whether the other side of a socket is, as far as is known, still there and silent. Asks the kernel only when
    /// something seems to have come; a socket whose other side has gone since cannot be written to, which is soon enough.
    pub fn is_quiet(&self) -> bool {
        let ReadWay::Socket(reader) = &self.way else {
            return false;
        };
        let stream: &UnixStream = reader.as_ref();
        match stream.poll_read_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => true,
            Poll::Ready(_) => {
                matches!(stream.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
            }
        }
    }

    pub fn is_of_socket(&self) -> bool {
        matches!(self.way, ReadWay::Socket(_))
    }

    pub fn rest(&mut self) {
        self.next_bytes = READ_BYTES;
    }
}

impl Writer {
    /// Writes what there is, in one piece if that is possible.
    pub fn poll_drain(&mut self, context: &mut Context<'_>, output: &mut impl Buf) -> Poll<io::Result<usize>> {
        let polled = match self {
            Writer::Socket(writer) => poll_write_buf(Pin::new(writer), context, output),
            Writer::Tunnel(writer) => poll_write_buf(Pin::new(writer), context, output),
        };
        match polled {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            other => other,
        }
    }

    pub async fn drain(&mut self, mut output: impl Buf) -> io::Result<()> {
        while output.has_remaining() {
            std::future::poll_fn(|context| self.poll_drain(context, &mut output)).await?;
        }
        Ok(())
    }

    fn as_write(&mut self) -> Pin<&mut dyn AsyncWrite> {
        match self {
            Writer::Socket(writer) => Pin::new(writer) as Pin<&mut OwnedWriteHalf>,
            Writer::Tunnel(writer) => Pin::new(writer) as Pin<&mut WriteHalf<StreamIo>>,
        }
    }

    pub fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.as_write().poll_shutdown(context)
    }
}

/// A link that has become a plain pipe of bytes.
pub struct Joined {
    link: Link,
    unread: Bytes,
}

impl Joined {
    pub fn new(link: Link, unread: Bytes) -> Self {
        Self { link, unread }
    }
}

impl AsyncRead for Joined {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.unread.is_empty() {
            let count = self.unread.len().min(buffer.remaining());
            buffer.put_slice(&self.unread[..count]);
            self.unread.advance(count);
            return Poll::Ready(Ok(()));
        }
        match &mut self.link.reader.way {
            ReadWay::Socket(reader) => Pin::new(reader).poll_read(context, buffer),
            ReadWay::Tunnel(reader) => Pin::new(reader).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Joined {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.link.writer.as_write().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.link.writer.as_write().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.link.writer.poll_shutdown(context)
    }
}
