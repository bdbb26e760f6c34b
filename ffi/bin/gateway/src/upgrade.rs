//! Connections that become something else: WebSocket or SPDY, which carry exec, attach and port-forward.

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version, header};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

use crate::body::ReplyBody;
use crate::http1::AnswerBody;

/// Header fields that speak about one connection only.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What a connection may become.
const PROTOCOLS: [&str; 2] = ["websocket", "SPDY/3.1"];

/// What a client wants its connection to become. Whoever asks for something that is not known here is answered as if it
/// had not asked (RFC 9110, section 7.8). HTTP/2 has no such thing.
pub fn wanted<B>(request: &Request<B>) -> Option<HeaderValue> {
    let asks = |value: &HeaderValue| {
        value.to_str().is_ok_and(|value| {
            value
                .split(',')
                .any(|token| token.trim().eq_ignore_ascii_case("upgrade"))
        })
    };
    let connection = request.headers().get_all(header::CONNECTION).iter().any(asks);
    if request.version() != Version::HTTP_11 || !connection {
        return None;
    }
    let upgrade = request.headers().get(header::UPGRADE)?;
    PROTOCOLS
        .iter()
        .any(|known| upgrade.as_bytes().eq_ignore_ascii_case(known.as_bytes()))
        .then(|| upgrade.clone())
}

/// Removes what speaks about the connection that a message came by, and says what the next one shall become.
pub fn renew_connection(headers: &mut HeaderMap, upgrade: Option<HeaderValue>) {
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(',').map(|name| name.trim().to_ascii_lowercase()))
        .collect();
    // RFC 9110, section 7.6.1: what the receiver needs is not the connection's own.
    for name in named.iter().filter(|name| *name != header::HOST.as_str()) {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    if let Some(upgrade) = upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, upgrade);
    }
}

/// Passes a 101 on, and from then on bytes both ways until both sides have ended. `kept` is given up after that.
pub fn switch(
    client: hyper::upgrade::OnUpgrade,
    response: Response<AnswerBody>,
    kept: impl Send + Sync + 'static,
) -> Response<ReplyBody> {
    let (mut parts, server) = response.into_parts();
    let upgrade = parts.headers.get(header::UPGRADE).cloned();
    renew_connection(&mut parts.headers, upgrade);
    parts.status = StatusCode::SWITCHING_PROTOCOLS;
    parts.version = Version::HTTP_11;
    tokio::spawn(async move {
        // Either side may have gone before it came to this, and may go at any time.
        if let (Ok(client), Some(mut server)) = (client.await, server.into_joined()) {
            let _ = copy_bidirectional(&mut TokioIo::new(client), &mut server).await;
        }
        drop(kept);
    });
    Response::from_parts(parts, ReplyBody::whole(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(connection: &str) -> Request<()> {
        to("websocket", connection)
    }

    fn to(protocol: &str, connection: &str) -> Request<()> {
        Request::builder()
            .header("connection", connection)
            .header("upgrade", protocol)
            .body(())
            .unwrap()
    }

    #[test]
    fn an_upgrade_needs_the_connection_header_and_http_1() {
        assert_eq!(wanted(&request("keep-alive, Upgrade")).unwrap(), "websocket");
        assert_eq!(wanted(&request("keep-alive")), None);
        let mut http2 = request("upgrade");
        *http2.version_mut() = Version::HTTP_2;
        assert_eq!(wanted(&http2), None);
    }

    #[test]
    fn a_connection_becomes_only_what_the_agents_speak() {
        assert_eq!(wanted(&to("SPDY/3.1", "Upgrade")).unwrap(), "SPDY/3.1");
        assert_eq!(wanted(&to("spdy/3.1", "Upgrade")).unwrap(), "spdy/3.1");
        for unknown in ["h2c", "SPDY/3.0", "TLS/1.0", "websocket, h2c"] {
            assert_eq!(wanted(&to(unknown, "Upgrade")), None);
        }
    }

    #[test]
    fn headers_of_one_connection_go_no_further() {
        let mut request = request("upgrade, x-private");
        request.headers_mut().insert("x-private", HeaderValue::from_static("1"));
        request.headers_mut().insert("accept", HeaderValue::from_static("*/*"));
        renew_connection(request.headers_mut(), None);
        assert_eq!(request.headers().keys().collect::<Vec<_>>(), ["accept"]);
    }
}
