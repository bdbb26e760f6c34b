//! A stream of HTTP/2 as a pipe of bytes. Unlike an upgraded connection of hyper it says whether its other side has ended
//! the stream or cut it, and being dropped before its end it is cut.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::{RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::metrics::Counted;

/// Asked of the flow control at once.
const PIECE_BYTES_MAX: usize = 64 * 1024;

pub struct StreamIo {
    send: SendStream<Bytes>,
    receive: RecvStream,
    unread: Bytes,
    ended: bool,
    _counted: Counted,
}

impl StreamIo {
    pub fn new(send: SendStream<Bytes>, receive: RecvStream, counted: Counted) -> Self {
        Self {
            send,
            receive,
            unread: Bytes::new(),
            ended: false,
            _counted: counted,
        }
    }
}

impl AsyncRead for StreamIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // One that always has more gives others their turn.
        let turn = ready!(tokio::task::coop::poll_proceed(context));
        while self.unread.is_empty() {
            match ready!(self.receive.poll_data(context)) {
                Some(piece) => self.unread = piece.map_err(cut)?,
                None => return Poll::Ready(Ok(())),
            }
        }
        let count = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread[..count]);
        self.unread.advance(count);
        // Not before, so that a reader that stalls stops its writer. Fails on a stream that was cut, as the next read does.
        let _ = self.receive.flow_control().release_capacity(count);
        turn.made_progress();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for StreamIo {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.send.reserve_capacity(bytes.len().min(PIECE_BYTES_MAX));
        while self.send.capacity() == 0 {
            match ready!(self.send.poll_capacity(context)) {
                Some(capacity) => {
                    capacity.map_err(cut)?;
                }
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
        let count = bytes.len().min(self.send.capacity());
        self.send
            .send_data(Bytes::copy_from_slice(&bytes[..count]), false)
            .map_err(cut)?;
        Poll::Ready(Ok(count))
    }

    /// What has been written is sent by the connection's own task.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.ended {
            self.ended = true;
            self.send.send_data(Bytes::new(), true).map_err(cut)?;
        }
        Poll::Ready(Ok(()))
    }
}

fn cut(error: h2::Error) -> io::Error {
    if error.is_io() {
        error.into_io().unwrap_or_else(|| io::ErrorKind::ConnectionReset.into())
    } else {
        io::Error::new(io::ErrorKind::ConnectionReset, error)
    }
}
