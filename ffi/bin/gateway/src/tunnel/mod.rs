//! The way to nodes that cannot be dialled: each opens one TLS connection to the server's gateway, and after the
//! handshake the roles turn. The server's gateway is the HTTP/2 client, and each of its CONNECT streams is a plain pipe
//! of bytes to the agent of that node.

mod dial;
mod io;
mod listen;
mod node;
mod registry;

pub use dial::ServerUrl;
pub use io::StreamIo;
pub use listen::listen;
pub use node::{Node, drained, hold_open};
pub use registry::{Tunnels, node_of};

use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::{sleep, timeout};

/// What both sides speak, by ALPN: an HTTP/2 connection whose client is the side that accepted it.
pub const ALPN: &[u8] = b"k3ts-tunnel";
/// Where a stream leads: to the agent of the node.
const AGENT: &str = "agent";
/// Not a way to anywhere: asks the node for another tunnel, as this one will end.
const ANOTHER: &str = "another";

/// Between two pings, and for an answer. A peer that has gone without a word is found within the two together.
const PING_EVERY: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Streams of one tunnel. More wait for one to end.
const STREAMS_MAX: u32 = 4096;
/// What may be on its way in one stream: all that a stream whose reader has stalled can hold.
const STREAM_WINDOW: u32 = 128 * 1024;
/// Of the connection as large as can be, as one that is shared would let stalled streams stop the others.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
const SEND_BUFFER: usize = 128 * 1024;
const HEADER_BYTES_MAX: u32 = 8 * 1024;
/// Of what a node says about why it cannot reach its agent.
const REASON_BYTES_MAX: usize = 1024;

/// Returns when the other side no longer answers.
async fn beat(ping_pong: Option<PingPong>) {
    // Taken once, at the beginning.
    let Some(mut ping_pong) = ping_pong else { return };
    while let Ok(Ok(_)) = timeout(PING_TIMEOUT, ping_pong.ping(Ping::opaque())).await {
        sleep(PING_EVERY).await;
    }
}
