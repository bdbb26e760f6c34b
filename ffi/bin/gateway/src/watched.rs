//! A client's connection, as it is read and written.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use crate::activity::Activity;
use crate::limits;
use crate::metrics::Metrics;
use crate::proxy::Peer;
use crate::tcp::Tcp;

/// Read at a time of what nobody wants.
const DISCARDED_BYTES: usize = 16 * 1024;

/// Counts what passes and tells when bytes arrive.
pub struct Watched {
    /// Until it lingers.
    stream: Option<TlsStream<Tcp>>,
    metrics: Arc<Metrics>,
    /// None where bytes need not be the beginning of a request: HTTP/2 has frames of other kinds, and ends its streams
    /// one by one.
    http1: Option<(Arc<Activity>, Arc<Peer>)>,
    client_ended: bool,
    ended: bool,
}

impl Watched {
    pub fn new(stream: TlsStream<Tcp>, metrics: &Arc<Metrics>) -> Self {
        Self {
            stream: Some(stream),
            metrics: metrics.clone(),
            http1: None,
            client_ended: false,
            ended: false,
        }
    }

    #[must_use]
    pub fn for_http1(mut self, activity: Arc<Activity>, peer: Arc<Peer>) -> Self {
        self.http1 = Some((activity, peer));
        self
    }

    /// There until the drop.
    fn stream(&mut self) -> io::Result<Pin<&mut TlsStream<Tcp>>> {
        self.stream
            .as_mut()
            .map(Pin::new)
            .ok_or(io::ErrorKind::NotConnected.into())
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let stream = self.stream()?;
        let polled = stream.poll_read(context, buffer);
        let count = buffer.filled().len() - before;
        if count > 0 {
            self.metrics.received_bytes.add(count as u64);
            if let Some((activity, _)) = &self.http1 {
                activity.note_read();
            }
        } else if polled.is_ready() {
            self.client_ended = true;
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = self.stream()?.poll_write(context, bytes);
        self.note_written(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = self.stream()?.poll_shutdown(context);
        self.ended |= matches!(polled, Poll::Ready(Ok(())));
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = self.stream()?.poll_write_vectored(context, slices);
        self.note_written(polled)
    }
}

impl Watched {
    fn note_written(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = polled {
            self.metrics.sent_bytes.add(count as u64);
        }
        polled
    }
}

impl Drop for Watched {
    /// A connection that this side has ended, and the client has not, is read for a while: a socket that is closed with
    /// something unread resets the connection, and what was sent last is lost with it (RFC 9112, section 9.6).
    fn drop(&mut self) {
        if !self.ended || self.client_ended {
            return;
        }
        if let (Some(stream), Some((_, peer))) = (self.stream.take(), self.http1.take()) {
            tokio::spawn(async move {
                let _kept = peer;
                let (mut socket, _) = stream.into_inner();
                let mut discarded = [0; DISCARDED_BYTES];
                let rest = async { while socket.read(&mut discarded).await.is_ok_and(|count| count > 0) {} };
                // A client that goes on for longer has had its time to listen.
                let _ = timeout(limits::LINGER, rest).await;
            });
        }
    }
}
