//! The gateway's own answers, in the words of whoever asked.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::body::ReplyBody;
use crate::{connect_stream, grpc};

/// Seconds after which a client may try again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// In what form a client expects to hear of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Grpc,
    /// Connect's unary calls.
    Connect,
    /// Connect's streaming calls, in the content type that was asked in.
    ConnectStream(&'static str),
    /// A Status of `meta.k8s.io/v1`.
    Kubernetes,
}

impl Dialect {
    pub fn of(headers: &HeaderMap) -> Self {
        if grpc::is_grpc(headers) {
            Dialect::Grpc
        } else if headers.contains_key("connect-protocol-version") {
            let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
            match CONNECT_STREAMS
                .iter()
                .find(|stream| content_type.is_some_and(|asked| asked.starts_with(stream.as_bytes())))
            {
                Some(stream) => Dialect::ConnectStream(stream),
                None => Dialect::Connect,
            }
        } else {
            Dialect::Kubernetes
        }
    }
}

const CONNECT_STREAMS: [&str; 2] = ["application/connect+proto", "application/connect+json"];

pub fn refuse(dialect: Dialect, status: StatusCode, message: &str) -> Response<ReplyBody> {
    if dialect == Dialect::Grpc {
        let mut response = Response::new(ReplyBody::whole(""));
        *response.headers_mut() = grpc::failure(grpc::code_of(status), message);
        return response;
    }
    let (connect_code, reason) = words(status);
    if let Dialect::ConnectStream(content_type) = dialect {
        let mut response = Response::new(ReplyBody::whole(connect_stream::failure(connect_code, message)));
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        return response;
    }
    let body = match dialect {
        Dialect::Connect => json!({ "code": connect_code, "message": message }),
        _ => json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": status.as_u16(),
        }),
    };
    let mut response = Response::new(ReplyBody::whole(body.to_string()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    response
}

/// What Connect and Kubernetes call a failure.
fn words(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::BAD_REQUEST => ("invalid_argument", "BadRequest"),
        StatusCode::METHOD_NOT_ALLOWED => ("unimplemented", "MethodNotAllowed"),
        StatusCode::REQUEST_TIMEOUT => ("deadline_exceeded", "Timeout"),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => ("resource_exhausted", "RequestHeaderFieldsTooLarge"),
        StatusCode::PAYLOAD_TOO_LARGE => ("resource_exhausted", "RequestEntityTooLarge"),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY => ("unavailable", "ServiceUnavailable"),
        _ => ("internal", "InternalError"),
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_stream_of_connect_ends_with_the_reason() {
        let mut headers = HeaderMap::new();
        headers.insert("connect-protocol-version", HeaderValue::from_static("1"));
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/connect+proto"),
        );
        let response = refuse(Dialect::of(&headers), StatusCode::SERVICE_UNAVAILABLE, "away");
        assert_eq!(
            (response.status(), &response.headers()[header::CONTENT_TYPE]),
            (StatusCode::OK, &headers[header::CONTENT_TYPE])
        );
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(&body[..5], [2, 0, 0, 0, 49]);
        assert_eq!(&body[5..], br#"{"error":{"code":"unavailable","message":"away"}}"#);

        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/proto"));
        assert_eq!(Dialect::of(&headers), Dialect::Connect);
    }

    #[tokio::test]
    async fn each_client_is_told_in_its_own_words() {
        let text = async |dialect| {
            let response = refuse(dialect, StatusCode::SERVICE_UNAVAILABLE, "away");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            String::from_utf8(body.to_vec()).unwrap()
        };
        assert_eq!(
            text(Dialect::Connect).await,
            r#"{"code":"unavailable","message":"away"}"#
        );
        assert!(
            text(Dialect::Kubernetes)
                .await
                .contains(r#""reason":"ServiceUnavailable""#)
        );
        let grpc = refuse(Dialect::Grpc, StatusCode::SERVICE_UNAVAILABLE, "away");
        assert_eq!(
            (grpc.status(), grpc.headers()["grpc-status"].as_bytes()),
            (StatusCode::OK, &b"14"[..])
        );
    }
}
