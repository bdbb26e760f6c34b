//! What happens to a request, from its head to the answer's.

use std::sync::Arc;
use std::time::Instant;

use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use http_body::Body;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use crate::activity::Activity;
use crate::body::{Broken, ReplyBody};
use crate::fanout::Fanout;
use crate::http1::{AnswerBody, RequestBody};
use crate::limits::{self, BodyRule, body_rule};
use crate::metrics::{Counted, Metrics};
use crate::places::Place;
use crate::reply::{Dialect, refuse};
use crate::splice::{self, Nodes};
use crate::upstream::{Head, SendError, Upstream};
use crate::{connect_stream, grpc, identity, upgrade};

/// Everything that answers requests.
pub struct Gateway {
    pub server: Arc<Upstream>,
    pub nodes: Nodes,
    pub fanout: Arc<Fanout>,
    pub metrics: Arc<Metrics>,
}

/// The connection that a request came by.
pub struct Peer {
    /// Value of the identity header.
    pub identity: HeaderValue,
    pub activity: Arc<Activity>,
    /// Its place among all connections, which it keeps when it is upgraded.
    pub _held: (Place, Counted),
}

/// Why a request was not passed on, or not answered.
struct Refusal {
    status: StatusCode,
    message: String,
}

impl Refusal {
    /// Of a node that is not there: after a 503 clients would ask again by themselves, ten times, and wait each time.
    fn of_node(self) -> Self {
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE => bad_gateway(self.message),
            _ => self,
        }
    }
}

/// A request between its head and its body.
struct Asked {
    head: Head,
    body: Incoming,
    rule: BodyRule,
    dialect: Dialect,
    upgrade: Option<OnUpgrade>,
}

impl Gateway {
    pub async fn handle(self: Arc<Self>, peer: Arc<Peer>, request: Request<Incoming>) -> Response<ReplyBody> {
        let begun = Instant::now();
        let in_flight = self.metrics.count(|metrics| &metrics.requests_in_flight);
        let kept = (peer.activity.request(), in_flight, peer.clone());
        let (version, dialect) = (request.version(), Dialect::of(request.headers()));
        let bodyless = request.body().is_end_stream();
        let answered = match prepare(request, &peer.identity, dialect) {
            Ok(asked) => self.answer(asked, version, kept).await,
            Err(refusal) => Err(refusal),
        };
        let response = answered.unwrap_or_else(|refusal| {
            let mut response = refuse(dialect, refusal.status, &refusal.message);
            if !bodyless {
                close_after(version, response.headers_mut());
            }
            response
        });
        self.metrics
            .answered(version, dialect, response.status(), begun.elapsed());
        response
    }

    /// `kept` is given up once the answer has been sent whole, or the upgraded connection has ended.
    async fn answer(
        &self,
        asked: Asked,
        version: Version,
        kept: impl Send + Sync + 'static,
    ) -> Result<Response<ReplyBody>, Refusal> {
        let Asked {
            mut head,
            body,
            rule,
            dialect,
            upgrade,
        } = asked;
        let mut followed = match upgrade {
            None => self.fanout.follow(&head.method, &head.target, &mut head.headers),
            Some(_) => None,
        };
        let asks_first = splice::must_ask(head.target.path());
        let bodyless = body.is_end_stream();
        let (mut unsent, mut answer) = if asks_first {
            (
                Some(body),
                send(&self.server, &splice::question(&head), RequestBody::Empty).await?,
            )
        } else {
            let body = RequestBody::receive(body, rule).await.map_err(broken)?;
            (None, send(&self.server, &head, body).await?)
        };
        if let Some(target) = splice::target(&mut answer) {
            let target = target.map_err(bad_gateway)?;
            if unsent.is_none() && !bodyless {
                return Err(bad_gateway(
                    "Cannot splice as the request's body must still be unread".to_owned(),
                ));
            }
            drop(answer);
            let agent = self.nodes.agent(&target.node);
            let body = match unsent.take() {
                Some(body) => RequestBody::receive(body, rule).await.map_err(broken)?,
                None => RequestBody::Empty,
            };
            // No node is told how the server reaches the gateway's clients.
            Fanout::forget(&mut head.headers);
            splice::forget_credentials(&mut head.headers);
            followed = None;
            let target = target.path;
            answer = send(&agent, &Head { target, ..head }, body)
                .await
                .map_err(Refusal::of_node)?;
        }
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            let client =
                upgrade.ok_or_else(|| bad_gateway("Cannot upgrade as the client must have asked for it".to_owned()))?;
            let upgraded = self.metrics.count(|metrics| &metrics.upgraded);
            return Ok(upgrade::switch(client, answer, (kept, upgraded)));
        }
        let is_early = unsent.is_some() || answer.body().is_early();
        // A body that nobody wanted is kept to the answer's end, so that the client hears the answer before the reset.
        let mut response = pass(answer, dialect);
        if is_early {
            close_after(version, response.headers_mut());
        }
        if let Some(followed) = followed
            && !response.headers().contains_key(header::CONTENT_LENGTH)
        {
            response = response.map(|body| body.followed(followed));
        }
        Ok(response.map(|body| body.with((kept, unsent))))
    }
}

fn prepare(mut request: Request<Incoming>, identity: &HeaderValue, dialect: Dialect) -> Result<Asked, Refusal> {
    if request.method() == Method::CONNECT {
        let message = "Cannot connect elsewhere as the gateway must be the end of the connection".to_owned();
        return Err(Refusal {
            status: StatusCode::METHOD_NOT_ALLOWED,
            message,
        });
    }
    well_formed(&request)?;
    let wanted = upgrade::wanted(&request);
    let upgrade = wanted.is_some().then(|| hyper::upgrade::on(&mut request));
    let (parts, body) = request.into_parts();
    let head = renew(parts, identity, wanted, dialect);
    let rule = body_rule(head.target.path(), &head.headers);
    match rule {
        BodyRule::Bounded(limit) if body.size_hint().lower() > limit => Err(broken(Broken::TooLarge(limit))),
        _ => Ok(Asked {
            head,
            body,
            rule,
            dialect,
            upgrade,
        }),
    }
}

/// Tells a client that sends more than anybody will read that its connection is of no further use. HTTP/2 has streams for
/// that, and no such header.
fn close_after(version: Version, headers: &mut HeaderMap) {
    if version < Version::HTTP_2 {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

/// Refuses heads that those behind the gateway could read in another way than the gateway does, and those that are too
/// large: RFC 9112, sections 3.2 and 3.2.2, RFC 9113, section 8.3.1.
fn well_formed<B>(request: &Request<B>) -> Result<(), Refusal> {
    let bad = |requirement: &str| {
        Err(Refusal {
            status: StatusCode::BAD_REQUEST,
            message: format!("Cannot accept the request as {requirement}"),
        })
    };
    let bytes: usize = request
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + limits::HEADER_FIELD_BYTES)
        .sum();
    if bytes > limits::HEADER_BYTES_MAX {
        let limit = limits::HEADER_BYTES_MAX;
        return Err(Refusal {
            status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            message: format!("Cannot accept the request as its header may have {limit} bytes at most"),
        });
    }
    let uri = request.uri();
    let is_http1 = request.version() < Version::HTTP_2;
    if !uri.path().starts_with('/') || (is_http1 && uri.authority().is_some()) {
        return bad("its target must be a path");
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() || (is_http1 && request.version() == Version::HTTP_11 && host.is_none()) {
        return bad("it must have one Host header");
    }
    let is_authority = |text: &str| Authority::try_from(text).is_ok_and(|host| !host.as_str().contains('@'));
    if let Some(host) = host
        && !host.to_str().is_ok_and(|host| host.is_empty() || is_authority(host))
    {
        return bad("its Host must be a name or an address, and may have a port");
    }
    match (host, uri.authority()) {
        (_, Some(authority)) if authority.as_str().contains('@') => bad("its authority must be without a user"),
        (Some(host), Some(authority)) if !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()) => {
            bad("its Host must be its authority")
        }
        _ => Ok(()),
    }
}

/// The head as it is sent on: with the identity that was verified, and none that was claimed.
fn renew(parts: Parts, identity: &HeaderValue, upgrade: Option<HeaderValue>, dialect: Dialect) -> Head {
    let Parts {
        method,
        uri,
        mut headers,
        ..
    } = parts;
    if upgrade.is_some() {
        // Go's clients say that their upgrade has a body of no bytes, and Deno refuses an upgrade that speaks of one.
        headers.remove(header::CONTENT_LENGTH);
    }
    upgrade::renew_connection(&mut headers, upgrade);
    identity::strip(&mut headers);
    headers.insert(identity::IDENTITY, identity.clone());
    // The gateway has asked for the body already.
    headers.remove(header::EXPECT);
    if let (false, Some(authority)) = (headers.contains_key(header::HOST), uri.authority())
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        headers.insert(header::HOST, host);
    }
    if dialect == Dialect::Grpc {
        grpc::to_grpc_web(&mut headers);
    }
    let target = uri
        .path_and_query()
        .cloned()
        .map_or_else(|| Uri::from_static("/"), Uri::from);
    Head {
        method,
        target,
        headers,
    }
}

async fn send(to: &Arc<Upstream>, head: &Head, body: RequestBody) -> Result<Response<AnswerBody>, Refusal> {
    to.send(head, body).await.map_err(|error| match error {
        SendError::Away(reason) => Refusal {
            status: StatusCode::SERVICE_UNAVAILABLE,
            message: format!("Cannot pass the request on as {reason}"),
        },
        SendError::Request(reason) => broken(reason),
        // It may have been acted on, so it is not sent again.
        SendError::Broken(reason) => bad_gateway(format!(
            "Cannot answer as the connection to the process that was asked ended: {reason}"
        )),
    })
}

/// The answer as the client is sent it.
fn pass(answer: Response<AnswerBody>, dialect: Dialect) -> Response<ReplyBody> {
    let (mut parts, body) = answer.into_parts();
    upgrade::renew_connection(&mut parts.headers, None);
    if dialect != Dialect::Grpc {
        let stream = connect_stream::is_stream(&parts.headers) && !parts.headers.contains_key(header::CONTENT_LENGTH);
        let body = if stream {
            ReplyBody::connect_stream(body)
        } else {
            ReplyBody::passed(body)
        };
        return Response::from_parts(parts, body);
    }
    if !grpc::is_grpc_web(&parts.headers) {
        return refuse(
            dialect,
            parts.status,
            &format!("the answer is not gRPC: its status is {}", parts.status),
        );
    }
    grpc::to_grpc(&mut parts.headers);
    Response::from_parts(parts, ReplyBody::grpc(body))
}

fn broken(reason: Broken) -> Refusal {
    let status = match reason {
        Broken::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Broken::TooSlow => StatusCode::REQUEST_TIMEOUT,
        Broken::Aborted => StatusCode::BAD_REQUEST,
    };
    Refusal {
        status,
        message: format!("Cannot accept the request as {reason}"),
    }
}

fn bad_gateway(message: String) -> Refusal {
    Refusal {
        status: StatusCode::BAD_GATEWAY,
        message,
    }
}
