//! Names that are not the cluster's: asked of the resolvers that the snapshot names, and remembered for a while.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_server::net::{DnsError, NetError};
use hickory_server::proto::op::ResponseCode;
use hickory_server::proto::rr::{Name, RData, Record, RecordType};
use hickory_server::resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_server::resolver::net::runtime::TokioRuntimeProvider;
use hickory_server::resolver::{Resolver, TokioResolver};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// For one attempt, and for all of them: clients give up after five seconds.
const TIMEOUT: Duration = Duration::from_secs(2);
const TIMEOUT_TOTAL: Duration = Duration::from_secs(4);
const ATTEMPTS: usize = 2;
/// Answers that are remembered, and for how many seconds at most.
const CACHE_MAX: u64 = 4096;
const CACHE_TIME: Duration = Duration::from_secs(30);
/// Questions that are with the resolvers at a time; more are failed at once.
const QUESTIONS_MAX: usize = 1024;

/// What was learned.
pub struct Forwarded {
    pub code: ResponseCode,
    pub answers: Vec<Record>,
    /// Of whoever said no.
    pub soa: Option<Record>,
}

pub struct Forwarder {
    pub upstreams: Vec<SocketAddr>,
    resolver: Option<TokioResolver>,
    places: Semaphore,
}

impl Forwarder {
    /// Without upstreams every name is refused.
    pub fn new(upstreams: Vec<SocketAddr>) -> Result<Self, String> {
        let resolver = if upstreams.is_empty() {
            None
        } else {
            Some(resolver(&upstreams)?)
        };
        Ok(Self {
            upstreams,
            resolver,
            places: Semaphore::new(QUESTIONS_MAX),
        })
    }

    pub async fn ask(&self, name: Name, kind: RecordType) -> Forwarded {
        let failed = |code| Forwarded {
            code,
            answers: Vec::new(),
            soa: None,
        };
        let Some(resolver) = &self.resolver else {
            return failed(ResponseCode::Refused);
        };
        let Ok(_place) = self.places.try_acquire() else {
            return failed(ResponseCode::ServFail);
        };
        let Ok(outcome) = timeout(TIMEOUT_TOTAL, resolver.lookup(name, kind)).await else {
            return failed(ResponseCode::ServFail);
        };
        match outcome {
            Ok(lookup) => Forwarded {
                code: ResponseCode::NoError,
                answers: lookup.answers().to_vec(),
                soa: None,
            },
            Err(NetError::Dns(DnsError::NoRecordsFound(no))) => Forwarded {
                soa: no
                    .soa
                    .map(|soa| Record::from_rdata(soa.name.clone(), soa.ttl, RData::SOA(soa.data))),
                ..failed(no.response_code)
            },
            Err(_) => failed(ResponseCode::ServFail),
        }
    }
}

fn resolver(upstreams: &[SocketAddr]) -> Result<TokioResolver, String> {
    let servers = upstreams.iter().map(|address| {
        let mut server = NameServerConfig::udp_and_tcp(address.ip());
        for connection in &mut server.connections {
            connection.port = address.port();
        }
        server
    });
    let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
    let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options = builder.options_mut();
    options.timeout = TIMEOUT;
    options.attempts = ATTEMPTS;
    options.cache_size = CACHE_MAX;
    options.positive_max_ttl = Some(CACHE_TIME);
    options.negative_max_ttl = Some(CACHE_TIME);
    options.use_hosts_file = ResolveHosts::Never;
    options.preserve_intermediates = true;
    options.edns0 = true;
    builder
        .build()
        .map_err(|error| format!("Cannot forward as a resolver must be made: {error}"))
}
