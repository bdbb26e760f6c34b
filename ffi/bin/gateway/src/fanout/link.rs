//! The connection on which the server publishes.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use k3ts_supervisor::log;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until};

use super::Fanout;
use super::frames::{self, Said};
use super::slow;
use super::stream::Stream;
use super::waiting::Piece;

/// Between two attempts to connect. Watches that begin meanwhile are told by the server itself until then.
const ATTEMPTS: Duration = Duration::from_millis(100);
const READ_BYTES: usize = 64 * 1024;
/// Streams of a channel at which it is first looked for those that are over.
const SWEEP_MIN: usize = 16;

/// The streams of one channel, some of which may be over.
struct Channel {
    streams: Vec<Arc<Stream>>,
    sweep_at: usize,
}

impl Fanout {
    /// Keeps connected to the server for as long as the gateway lives: what drains is told to its end.
    pub async fn run(self: Arc<Self>) {
        loop {
            if let Ok(connection) = UnixStream::connect(&self.socket).await
                && let Err(error) = self.listen(connection).await
            {
                log::error(&error, &[]);
            }
            sleep(ATTEMPTS).await;
        }
    }

    /// Does as the server says until it ends the connection. With it end all streams that it has attached.
    async fn listen(&self, connection: UnixStream) -> Result<(), String> {
        let (mut reader, writer) = connection.into_split();
        let (sender, receiver) = unbounded_channel();
        let _ = sender.send(frames::hello(&self.name));
        *self.to_server.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        let writing = tokio::spawn(write(writer, receiver));
        let mut channels = Channels::default();
        let mut buffer = BytesMut::with_capacity(READ_BYTES);
        let mut look_at = Instant::now() + slow::LOOK_EVERY;
        let outcome = loop {
            match frames::take(&mut buffer) {
                Ok(Some(said)) => {
                    self.hear(said, &mut channels);
                    if self.waiting.is_too_much() {
                        self.make_room().await;
                    }
                }
                Ok(None) => {
                    buffer.reserve(READ_BYTES);
                    tokio::select! {
                        read = reader.read_buf(&mut buffer) => match read {
                            // There may be more: first clients have their turn.
                            Ok(READ_BYTES..) => yield_now().await,
                            Ok(1..) => {}
                            // Any error is an end: of the server, mostly.
                            Ok(0) | Err(_) => break Ok(()),
                        },
                        () = sleep_until(look_at), if self.may_be_slow() => {
                            self.break_off_slow();
                            look_at = Instant::now() + slow::LOOK_EVERY;
                        }
                    }
                }
                Err(error) => break Err(error),
            }
        };
        *self.to_server.lock().unwrap_or_else(PoisonError::into_inner) = None;
        writing.abort();
        for stream in channels.0.values().flat_map(|channel| &channel.streams) {
            stream.end(self);
        }
        outcome
    }

    fn hear(&self, said: Said, channels: &mut Channels) {
        match said {
            Said::Publish { channel, bytes } => {
                let piece = Piece::new(bytes, &self.waiting);
                for stream in channels.of(channel) {
                    stream.push(&piece);
                }
            }
            Said::Attach { stream, channel } => match self.find(stream).filter(|stream| stream.attach(self)) {
                Some(attached) => {
                    channels.add(channel, attached);
                    self.tell_server(frames::attached(stream));
                }
                None => self.tell_server(frames::gone(stream)),
            },
            Said::Tell { stream, bytes } => {
                if let Some(stream) = self.find(stream) {
                    stream.push(&Piece::new(bytes, &self.waiting));
                }
            }
            Said::End { stream } => {
                if let Some(stream) = self.find(stream) {
                    stream.end(self);
                }
            }
            Said::Close { channel } => channels.close(channel),
        }
    }
}

#[derive(Default)]
struct Channels(HashMap<u64, Channel>);

impl Channels {
    fn of(&self, channel: u64) -> &[Arc<Stream>] {
        self.0.get(&channel).map_or(&[], |channel| &channel.streams)
    }

    fn add(&mut self, channel: u64, stream: Arc<Stream>) {
        let Channel { streams, sweep_at } = self.0.entry(channel).or_insert_with(|| Channel {
            streams: Vec::new(),
            sweep_at: SWEEP_MIN,
        });
        if streams.len() >= *sweep_at {
            streams.retain(|stream| stream.is_attached());
            *sweep_at = SWEEP_MIN.max(2 * streams.len());
        }
        streams.push(stream);
    }

    /// Nobody is left in it, as the server ends its streams first.
    fn close(&mut self, channel: u64) {
        self.0.remove(&channel);
    }
}

async fn write(mut writer: OwnedWriteHalf, mut frames: UnboundedReceiver<Bytes>) -> io::Result<()> {
    while let Some(frame) = frames.recv().await {
        writer.write_all(&frame).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use bytes::{BufMut, Bytes};
    use tokio::net::UnixListener;

    use super::*;
    use crate::fanout::tests::{body, followed, taken};

    const ATTACH: u8 = 1;
    const TELL: u8 = 3;
    const STREAMS: usize = 20;
    const MIB: usize = 1024 * 1024;

    fn said(kind: u8, id: u64, bytes: &[u8]) -> Bytes {
        let mut frame = BytesMut::new();
        frame.put_u32(9 + bytes.len() as u32);
        frame.put_u8(kind);
        frame.put_u64(id);
        frame.put_slice(bytes);
        frame.freeze()
    }

    #[tokio::test]
    async fn clients_that_read_hear_of_everything_however_much_comes_at_once() {
        let path = PathBuf::from(format!("/tmp/k3ts-fanout-{}.sock", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        let fanout = Fanout::new(path.clone(), &Arc::default());
        let running = tokio::spawn(fanout.clone().run());
        let (mut server, _) = listener.accept().await.unwrap();
        std::fs::remove_file(&path).unwrap();
        let followed: Vec<_> = (0..STREAMS).map(|_| followed(&fanout)).collect();
        let ids: Vec<_> = followed.iter().map(|followed| followed.stream.id).collect();
        // More for each, and for all, than may wait, and nobody has had the time to read.
        let count = 10;
        let writing = tokio::spawn(async move {
            for id in &ids {
                server.write_all(&said(ATTACH, *id, &1u64.to_be_bytes())).await.unwrap();
            }
            let told = vec![0; MIB];
            for id in (0..count).flat_map(|_| &ids) {
                server.write_all(&said(TELL, *id, &told)).await.unwrap();
            }
            server
        });
        while !fanout.waiting.is_too_much() {
            yield_now().await;
        }
        assert!(!writing.is_finished(), "the server is held up");
        let reading: Vec<_> = followed
            .into_iter()
            .map(|followed| {
                tokio::spawn(async move {
                    let taken = taken(&mut body(followed), count).await;
                    taken.iter().filter(|one| matches!(one, Some(Ok(_)))).count()
                })
            })
            .collect();
        for read in reading {
            assert_eq!(read.await.unwrap(), count);
        }
        assert_eq!((fanout.metrics.watches_slow.value(), fanout.waiting.bytes()), (0, 0));
        drop(writing.await.unwrap());
        running.abort();
    }
}
