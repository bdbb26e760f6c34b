//! A connection to a unix socket that knows how much of what was sent to it can have been read.

use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, Shutdown, recv, shutdown};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

pub struct UnixIo(Arc<Inner>);

/// Looks at a connection that somebody else reads and writes.
#[derive(Clone)]
pub struct Observer(Arc<Inner>);

struct Inner {
    stream: UnixStream,
    written: AtomicU64,
    reset: AtomicBool,
}

impl UnixIo {
    pub async fn connect(path: &Path) -> io::Result<(Self, Observer)> {
        let stream = UnixStream::connect(path).await?;
        let inner = Arc::new(Inner {
            stream,
            written: AtomicU64::new(0),
            reset: AtomicBool::new(false),
        });
        Ok((Self(inner.clone()), Observer(inner)))
    }
}

impl Observer {
    pub fn written(&self) -> u64 {
        self.0.written.load(Ordering::Relaxed)
    }

    /// Whether the peer is still there and silent, as the kernel says now.
    pub fn is_quiet(&self) -> bool {
        let peeked = recv(
            self.0.stream.as_raw_fd(),
            &mut [0],
            MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT,
        );
        peeked == Err(Errno::EAGAIN)
    }

    /// Whether a request that was written after `before`, and whole by now, certainly has not been read whole.
    ///
    /// Linux resets a unix socket's peer if, and only if, something was still to be read when the socket closed.
    pub fn was_not_read(&self, before: u64) -> bool {
        self.written() == before || self.0.reset.load(Ordering::Relaxed)
    }
}

impl AsyncRead for UnixIo {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.stream.poll_read_ready(context))?;
            match self.0.stream.try_read_buf(buffer) {
                Ok(_) => return Poll::Ready(Ok(())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    self.0
                        .reset
                        .fetch_or(error.kind() == io::ErrorKind::ConnectionReset, Ordering::Relaxed);
                    return Poll::Ready(Err(error));
                }
            }
        }
    }
}

impl UnixIo {
    fn poll_writing(
        &self,
        context: &mut Context<'_>,
        write: impl Fn() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.stream.poll_write_ready(context))?;
            match write() {
                Ok(count) => {
                    self.0.written.fetch_add(count as u64, Ordering::Relaxed);
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for UnixIo {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_writing(context, || self.0.stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_writing(context, || self.0.stream.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match shutdown(self.0.stream.as_raw_fd(), Shutdown::Write) {
            // The peer has gone already.
            Ok(()) | Err(Errno::ENOTCONN) => Poll::Ready(Ok(())),
            Err(errno) => Poll::Ready(Err(errno.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixListener;

    use super::*;

    async fn pair(name: &str) -> (UnixIo, Observer, UnixStream) {
        let path = std::env::temp_dir().join(format!("k3ts-{name}-{}.sock", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let (io, observer) = UnixIo::connect(&path).await.unwrap();
        let (peer, _) = listener.accept().await.unwrap();
        std::fs::remove_file(&path).unwrap();
        (io, observer, peer)
    }

    #[tokio::test]
    async fn what_a_peer_left_unread_is_known() {
        let (mut io, observer, peer) = pair("unread").await;
        io.write_all(b"request").await.unwrap();
        drop(peer);
        assert!(io.read_u8().await.is_err());
        assert!(observer.was_not_read(0));
    }

    #[tokio::test]
    async fn what_a_peer_may_have_acted_on_is_known() {
        let (mut io, observer, mut peer) = pair("read").await;
        io.write_all(b"request").await.unwrap();
        peer.read_exact(&mut [0; 7]).await.unwrap();
        drop(peer);
        assert!(io.read_u8().await.is_err());
        assert!(!observer.was_not_read(0));
        assert!(observer.was_not_read(7), "nothing was written after that");
    }

    #[tokio::test]
    async fn a_connection_is_quiet_until_its_peer_speaks_or_goes() {
        let (_io, observer, mut peer) = pair("quiet").await;
        assert!(observer.is_quiet());
        peer.write_all(b"x").await.unwrap();
        assert!(!observer.is_quiet());
        let (_io, observer, peer) = pair("gone").await;
        drop(peer);
        assert!(!observer.is_quiet());
    }
}
