//! How much one client, or all of them, may ask for. Everything that can be made to grow from outside is bounded here.

use std::time::Duration;

use http::{HeaderMap, header};

/// Connections at a time; more wait in the sockets' backlogs.
pub const CONNECTIONS_MAX: usize = 16_384;
/// Of those, for one address whose connections say by no certificate who they are. Clients with tokens, and those behind
/// one address, have room; thirty-two such addresses are needed to keep others out.
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = 512;
/// And for one user, by certificate.
pub const CONNECTIONS_PER_USER_MAX: usize = 1024;
/// Tunnels that one node has open: one in use, and those that end.
pub const TUNNELS_PER_NODE_MAX: usize = 16;
/// Streams of one HTTP/2 connection.
pub const STREAMS_MAX: u32 = 250;
/// All header fields of a request together, each with what HTTP/2 counts on top of it.
pub const HEADER_BYTES_MAX: usize = 64 * 1024;
pub const HEADER_FIELD_BYTES: usize = 32;
/// Of a head that is received at all: more than may be in it, so that one that is too large has an answer.
pub const HEAD_BUFFER: usize = 2 * HEADER_BYTES_MAX;
/// A resource, in any encoding: what Kubernetes accepts.
const RESOURCE_BYTES_MAX: u64 = 3 * 1024 * 1024;
/// Bodies that are being gathered to be sent in one piece; beyond, they are sent on as they come.
pub const GATHERED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A message of a unary call: what a frame may carry.
const MESSAGE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// For the TLS handshake.
pub const HANDSHAKE: Duration = Duration::from_secs(10);
/// Between the first and the last byte of a request's head, and before a connection's first request.
pub const HEAD: Duration = Duration::from_secs(10);
/// Between two pieces of a body that has a limit, and for all of it.
pub const BODY_PROGRESS: Duration = Duration::from_secs(30);
pub const BODY_WHOLE: Duration = Duration::from_secs(300);
/// For a client to hear an answer that came before its request had ended, as it would not if the connection were closed
/// on what it still sends.
pub const LINGER: Duration = Duration::from_secs(2);
/// Without any request in flight.
pub const IDLE: Duration = Duration::from_secs(300);
/// For clients to ask once more on what they have open when the gateway is told to end, and so to learn of it with an
/// answer.
pub const LAST_REQUEST: Duration = Duration::from_secs(2);
/// For what is in flight when the gateway is told to end.
pub const DRAIN: Duration = Duration::from_secs(5);

/// How long a new request waits for a server that restarts.
pub const SERVER_WAIT: Duration = Duration::from_secs(10);
/// How long a request for a node waits for its tunnel, as it may be connecting again.
pub const NODE_WAIT: Duration = Duration::from_secs(5);
/// Requests that wait for one process or node at a time; more are refused at once.
pub const WAITING_MAX: usize = 1024;
/// And for all nodes together, so that a few that do not answer leave the others reachable.
pub const WAITING_FOR_NODES_MAX: usize = 8 * WAITING_MAX;

/// What may be in a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyRule {
    /// So many bytes, and some of them every while.
    Bounded(u64),
    /// Any number, as fast as the reader takes them: a stream that may be silent, or an archive.
    Stream,
}

/// Judges by the content type, as that is what decides how the receiver reads the body.
pub fn body_rule(path: &str, headers: &HeaderMap) -> BodyRule {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let streams = ["application/connect+", "application/grpc"];
    let archives = [
        "application/x-tar",
        "application/gzip",
        "application/zstd",
        "application/octet-stream",
    ];
    if streams.iter().any(|prefix| kind.starts_with(prefix)) || archives.contains(&kind) {
        return BodyRule::Stream;
    }
    BodyRule::Bounded(if path.starts_with("/k3ts.") {
        MESSAGE_BYTES_MAX
    } else {
        RESOURCE_BYTES_MAX
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(path: &str, kind: &'static str) -> BodyRule {
        body_rule(
            path,
            &HeaderMap::from_iter([(header::CONTENT_TYPE, http::HeaderValue::from_static(kind))]),
        )
    }

    #[test]
    fn resources_are_bounded_and_streams_are_not() {
        assert_eq!(
            rule("/api/v1/pods", "application/json; charset=utf-8"),
            BodyRule::Bounded(RESOURCE_BYTES_MAX)
        );
        assert_eq!(rule("/api/v1/pods", ""), BodyRule::Bounded(RESOURCE_BYTES_MAX));
        assert_eq!(
            rule("/k3ts.v1.EchoService/Say", "application/proto"),
            BodyRule::Bounded(MESSAGE_BYTES_MAX)
        );
        assert_eq!(
            rule("/k3ts.v1.EchoService/Gather", "application/connect+proto"),
            BodyRule::Stream
        );
        assert_eq!(
            rule("/k3ts.v1.EchoService/Say", "application/grpc+proto"),
            BodyRule::Stream
        );
        assert_eq!(rule("/images", "application/x-tar"), BodyRule::Stream);
    }
}
