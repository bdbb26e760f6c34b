//! Connections that become something else: WebSockets, which carry exec, attach and port-forward.

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

use crate::body::ReplyBody;

/// Header fields that speak about one connection only.
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What a client wants its connection to become, if that is a WebSocket: whoever asks for something else, such as SPDY,
/// is answered as if it had not asked (RFC 9110, section 7.8), and so is told what stands in the way. HTTP/2 has no such
/// thing.
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
    upgrade
        .as_bytes()
        .eq_ignore_ascii_case(b"websocket")
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
    for name in named.iter().map(String::as_str).chain(HOP_BY_HOP) {
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
    mut response: Response<Incoming>,
    kept: impl Send + Sync + 'static,
) -> Response<ReplyBody> {
    let server = hyper::upgrade::on(&mut response);
    let (mut parts, _) = response.into_parts();
    let upgrade = parts.headers.get(header::UPGRADE).cloned();
    renew_connection(&mut parts.headers, upgrade);
    parts.status = StatusCode::SWITCHING_PROTOCOLS;
    parts.version = Version::HTTP_11;
    tokio::spawn(async move {
        // Either side may have gone before it came to this, and may go at any time.
        if let Ok((client, server)) = tokio::try_join!(client, server) {
            let _ = copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(server)).await;
        }
        drop(kept);
    });
    Response::from_parts(parts, ReplyBody::whole(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(connection: &str) -> Request<()> {
        Request::builder()
            .header("connection", connection)
            .header("upgrade", "websocket")
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
    fn headers_of_one_connection_go_no_further() {
        let mut request = request("upgrade, x-private");
        request.headers_mut().insert("x-private", HeaderValue::from_static("1"));
        request.headers_mut().insert("accept", HeaderValue::from_static("*/*"));
        renew_connection(request.headers_mut(), None);
        assert_eq!(request.headers().keys().collect::<Vec<_>>(), ["accept"]);
    }
}
