//! What happens to a request, from its head to the answer's.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body::Body;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::sync::OwnedSemaphorePermit;

use crate::activity::Activity;
use crate::body::{Broken, CutShort, Pump, ReplyBody, RequestBody};
use crate::control::{Counted, Counters};
use crate::limits::{BodyRule, body_rule};
use crate::reply::{Dialect, refuse};
use crate::splice::{self, Nodes};
use crate::upstream::{Head, SendError, Upstream};
use crate::{connect_stream, grpc, identity, upgrade};

/// Everything that answers requests.
pub struct Gateway {
    pub server: Arc<Upstream>,
    pub nodes: Nodes,
    pub counters: Arc<Counters>,
}

/// The connection that a request came by.
pub struct Peer {
    /// Value of the identity header.
    pub identity: HeaderValue,
    pub activity: Arc<Activity>,
    /// Its place among all connections, which it keeps when it is upgraded.
    pub _held: (OwnedSemaphorePermit, Counted),
}

/// Why a request was not passed on, or not answered.
struct Refusal {
    status: StatusCode,
    message: String,
}

/// A request between its head and its body.
struct Asked {
    head: Head,
    body: Incoming,
    rule: BodyRule,
    dialect: Dialect,
    upgrade: Option<OnUpgrade>,
}

/// An answer, with what must last as long as it does.
struct Answer {
    response: Response<Incoming>,
    cut_short: CutShort,
}

impl Gateway {
    pub async fn handle(self: Arc<Self>, peer: Arc<Peer>, request: Request<Incoming>) -> Response<ReplyBody> {
        let kept = (peer.activity.request(), self.counters.request(), peer.clone());
        let dialect = Dialect::of(request.headers());
        let answered = match prepare(request, &peer.identity, dialect) {
            Ok(asked) => self.answer(asked, kept).await,
            Err(refusal) => Err(refusal),
        };
        answered.unwrap_or_else(|refusal| refuse(dialect, refusal.status, &refusal.message))
    }

    /// `kept` is given up once the answer has been sent whole, or the upgraded connection has ended.
    async fn answer(&self, asked: Asked, kept: impl Send + Sync + 'static) -> Result<Response<ReplyBody>, Refusal> {
        let Asked {
            head,
            body,
            rule,
            dialect,
            upgrade,
        } = asked;
        let asks_first = splice::must_ask(head.target.path());
        let bodyless = body.is_end_stream();
        let (mut unsent, mut answer) = if asks_first {
            (
                Some(body),
                send(&self.server, &splice::question(&head), RequestBody::Empty, None).await?,
            )
        } else {
            let (body, pump) = Pump::start(body, rule).await.map_err(broken)?;
            (None, send(&self.server, &head, body, pump).await?)
        };
        if let Some(target) = splice::target(&mut answer.response) {
            let target = target.map_err(bad_gateway)?;
            if unsent.is_none() && !bodyless {
                return Err(bad_gateway(
                    "Cannot splice as the request's body must still be unread".to_owned(),
                ));
            }
            drop(answer);
            let agent = self.nodes.agent(&target.node);
            let (body, pump) = match unsent.take() {
                Some(body) => Pump::start(body, rule).await.map_err(broken)?,
                None => (RequestBody::Empty, None),
            };
            answer = send(
                &agent,
                &Head {
                    target: target.path,
                    ..head
                },
                body,
                pump,
            )
            .await?;
        }
        if answer.response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let client =
                upgrade.ok_or_else(|| bad_gateway("Cannot upgrade as the client must have asked for it".to_owned()))?;
            return Ok(upgrade::switch(client, answer.response, kept));
        }
        // A body that nobody wanted is kept to the answer's end, so that the client hears the answer before the reset.
        Ok(pass(answer, dialect).map(|body| body.with((kept, unsent))))
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

async fn send(to: &Arc<Upstream>, head: &Head, body: RequestBody, pump: Option<Pump>) -> Result<Answer, Refusal> {
    match to.send(head, body).await {
        Ok(answered) => {
            let cut_short = CutShort {
                pump,
                connection: answered.connection,
            };
            Ok(Answer {
                response: answered.response,
                cut_short,
            })
        }
        Err(SendError::Away(reason)) => {
            let message = format!("Cannot pass the request on as {reason}");
            Err(Refusal {
                status: StatusCode::SERVICE_UNAVAILABLE,
                message,
            })
        }
        Err(SendError::Broken(error)) => match pump.and_then(|pump| pump.broken()) {
            Some(reason) => Err(broken(reason)),
            // It may have been acted on, so it is not sent again.
            None => Err(bad_gateway(format!(
                "Cannot answer as the connection to the process that was asked ended: {error}"
            ))),
        },
    }
}

/// The answer as the client is sent it.
fn pass(answer: Answer, dialect: Dialect) -> Response<ReplyBody> {
    let Answer { response, cut_short } = answer;
    let (mut parts, body) = response.into_parts();
    upgrade::renew_connection(&mut parts.headers, None);
    if dialect != Dialect::Grpc {
        let stream = connect_stream::is_stream(&parts.headers) && !parts.headers.contains_key(header::CONTENT_LENGTH);
        let body = if stream {
            ReplyBody::connect_stream(body)
        } else {
            ReplyBody::passed(body)
        };
        return Response::from_parts(parts, body.with(cut_short));
    }
    if !grpc::is_grpc_web(&parts.headers) {
        return refuse(
            dialect,
            parts.status,
            &format!("the answer is not gRPC: its status is {}", parts.status),
        );
    }
    grpc::to_grpc(&mut parts.headers);
    Response::from_parts(parts, ReplyBody::grpc(body).with(cut_short))
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
