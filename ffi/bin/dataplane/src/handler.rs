//! Answers one question: from the zone, from elsewhere, or from both.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use hickory_server::net::runtime::Time;
use hickory_server::proto::op::{Edns, Metadata, OpCode, ResponseCode};
use hickory_server::proto::rr::{DNSClass, Name, Record, RecordType};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;

use crate::forward::Forwarder;
use crate::metrics::Metrics;
use crate::zone::{Answer, Zone};

/// The largest answer over UDP that is not cut in pieces on the way.
const UDP_BYTES_MAX: u16 = 1232;

/// What is answered from; replaced whole.
pub struct Served {
    pub zone: Zone,
    pub forwarder: Arc<Forwarder>,
}

pub struct Handler {
    pub served: Arc<ArcSwap<Served>>,
    /// Turns the order of answers a little further each time, so that clients spread themselves.
    pub turn: AtomicUsize,
    pub metrics: Metrics,
}

#[derive(Default)]
struct Reply {
    code: ResponseCode,
    authoritative: bool,
    answers: Vec<Record>,
    authorities: Vec<Record>,
    additionals: Vec<Record>,
}

#[async_trait::async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, mut responses: R) -> ResponseInfo {
        let reply = self.reply(request).await;
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.response_code = reply.code;
        metadata.authoritative = reply.authoritative;
        metadata.recursion_available = true;
        let mut builder = MessageResponseBuilder::from_message_request(request);
        let edns = request.edns.as_ref().map(|theirs| {
            let mut edns = Edns::new();
            edns.set_max_payload(theirs.max_payload().min(UDP_BYTES_MAX));
            edns
        });
        if let Some(edns) = &edns {
            builder.edns(edns);
        }
        let response = builder.build(metadata, &reply.answers, &reply.authorities, [], &reply.additionals);
        match responses.send_response(response).await {
            Ok(info) => info,
            // The client has gone.
            Err(_) => metadata_only(request),
        }
    }
}

fn metadata_only(request: &Request) -> ResponseInfo {
    let mut metadata = Metadata::response_from_request(&request.metadata);
    metadata.response_code = ResponseCode::ServFail;
    ResponseInfo::from(hickory_server::proto::op::Header {
        metadata,
        counts: Default::default(),
    })
}

impl Handler {
    async fn reply(&self, request: &Request) -> Reply {
        let code = |code| Reply {
            code,
            ..Reply::default()
        };
        if request.metadata.op_code != OpCode::Query {
            return code(ResponseCode::NotImp);
        }
        let Ok(info) = request.request_info() else {
            return code(ResponseCode::FormErr);
        };
        if info.query.query_class() != DNSClass::IN {
            return code(ResponseCode::Refused);
        }
        let (name, kind) = (info.query.name(), info.query.query_type());
        let served = self.served.load_full();
        let no = |code| Reply {
            code,
            authoritative: true,
            authorities: vec![served.zone.soa().clone()],
            ..Reply::default()
        };
        match served.zone.answer(name, kind) {
            Answer::NoName => no(ResponseCode::NXDomain),
            Answer::NoData => no(ResponseCode::NoError),
            Answer::Records { answers, additionals } => Reply {
                authoritative: true,
                answers: self.turned(answers),
                additionals: additionals.into_iter().cloned().collect(),
                ..Reply::default()
            },
            Answer::Alias { answers, target } => {
                let known = answers.into_iter().cloned().collect();
                Reply {
                    authoritative: true,
                    ..self.forward(&served.forwarder, target, kind, known).await
                }
            }
            Answer::Elsewhere => {
                self.forward(&served.forwarder, Name::from(name), kind, Vec::new())
                    .await
            }
        }
    }

    async fn forward(&self, forwarder: &Forwarder, name: Name, kind: RecordType, mut known: Vec<Record>) -> Reply {
        let begun = Instant::now();
        let forwarded = forwarder.ask(name, kind).await;
        self.metrics.forwarded(forwarded.code, begun.elapsed());
        known.extend(forwarded.answers);
        Reply {
            code: forwarded.code,
            answers: known,
            authorities: forwarded.soa.into_iter().collect(),
            ..Reply::default()
        }
    }

    fn turned(&self, answers: Vec<&Record>) -> Vec<Record> {
        let mut answers: Vec<Record> = answers.into_iter().cloned().collect();
        // An alias must stay before what it stands for.
        let addresses = answers
            .iter()
            .position(|record| record.record_type() != RecordType::CNAME)
            .unwrap_or_default();
        let addresses = &mut answers[addresses..];
        if addresses.len() > 1 {
            addresses.rotate_left(self.turn.fetch_add(1, Ordering::Relaxed) % addresses.len());
        }
        answers
    }
}
