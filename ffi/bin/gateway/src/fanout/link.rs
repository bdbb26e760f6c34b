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
use tokio::time::sleep;

use super::Fanout;
use super::frames::{self, Said};
use super::stream::Stream;

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
        let outcome = loop {
            match frames::take(&mut buffer) {
                Ok(Some(said)) => self.hear(said, &mut channels),
                Ok(None) => {
                    buffer.reserve(READ_BYTES);
                    // Any error is an end: of the server, mostly.
                    if !reader.read_buf(&mut buffer).await.is_ok_and(|count| count > 0) {
                        break Ok(());
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
                for stream in channels.of(channel) {
                    stream.push(&bytes, self);
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
                    stream.push(&bytes, self);
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
