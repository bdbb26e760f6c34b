//! The server's side of one tunnel.

use bytes::Bytes;
use h2::client::Builder;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{CONNECTION_WINDOW, HEADER_BYTES_MAX, SEND_BUFFER, STREAM_WINDOW, STREAMS_MAX, Tunnels, beat};

/// Keeps a node's tunnel until it ends.
pub async fn listen(stream: impl AsyncRead + AsyncWrite + Unpin, node: &str, tunnels: &Tunnels) {
    let handshake = Builder::new()
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .max_header_list_size(HEADER_BYTES_MAX)
        .max_concurrent_streams(STREAMS_MAX)
        .handshake::<_, Bytes>(stream);
    // Its errors are the node's affair, which will connect again.
    let Ok((streams, mut connection)) = handshake.await else {
        return;
    };
    let beating = beat(connection.ping_pong());
    let _registered = tunnels.register(node, streams);
    tokio::select! {
        // Ends too when another tunnel has taken its place and the last stream has ended.
        _ = connection => {}
        () = beating => {}
    }
}
