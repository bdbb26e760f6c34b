//! Clients' sockets.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Seconds of silence after which the kernel asks whether a peer is still there, and between its questions.
const KEEPALIVE_IDLE: u32 = 60;
const KEEPALIVE_INTERVAL: u32 = 15;

/// A socket that has what it reads acknowledged once there is nothing more to read, unless an answer does so: a client
/// that gathers small writes (Nagle) sends the rest only then, and Linux would let it wait for 40 ms.
pub struct Tcp {
    stream: TcpStream,
    /// Read since something was written.
    unacknowledged: bool,
}

impl Tcp {
    /// All of it fails only on a socket that is gone, which whoever uses it will notice.
    pub fn prepare(stream: TcpStream) -> Self {
        let _ = stream.set_nodelay(true);
        let _ = setsockopt(&stream, sockopt::KeepAlive, &true);
        let _ = setsockopt(&stream, sockopt::TcpKeepIdle, &KEEPALIVE_IDLE);
        let _ = setsockopt(&stream, sockopt::TcpKeepInterval, &KEEPALIVE_INTERVAL);
        Self {
            stream,
            unacknowledged: false,
        }
    }

    fn note_written(&mut self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.unacknowledged &= !matches!(polled, Poll::Ready(Ok(_)));
        polled
    }
}

impl AsyncRead for Tcp {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if polled.is_ready() {
            self.unacknowledged = true;
        } else if self.unacknowledged {
            self.unacknowledged = false;
            // Holds for a while only.
            let _ = self.stream.set_quickack(true);
        }
        polled
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note_written(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.note_written(polled)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A client that writes what it asks in two small pieces waits before the second for the first to be acknowledged.
    #[tokio::test]
    async fn clients_that_gather_small_writes_do_not_wait_for_acknowledgements() {
        const TIMES: u32 = 50;
        /// What Linux lets them wait for at least.
        const DELAY: Duration = Duration::from_millis(40);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.set_nodelay(false).unwrap();
        let mut server = Tcp::prepare(listener.accept().await.unwrap().0);
        let serve = async {
            let mut piece = [0; 9];
            for _ in 0..TIMES {
                let mut count = 0;
                while count < 2 {
                    count += server.read(&mut piece).await.unwrap();
                }
                server.write_all(b"c").await.unwrap();
            }
        };
        let ask = async {
            let began = Instant::now();
            for _ in 0..TIMES {
                client.write_all(b"a").await.unwrap();
                client.write_all(b"b").await.unwrap();
                client.read_u8().await.unwrap();
            }
            began.elapsed()
        };
        let ((), took) = tokio::join!(serve, ask);
        assert!(took < DELAY * TIMES / 2, "{took:?}");
    }
}
