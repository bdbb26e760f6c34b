//! What the resolver counts, by the names that CoreDNS's figures have.

use std::time::Duration;

use hickory_server::net::xfer::Protocol;
use hickory_server::proto::op::ResponseCode;
use hickory_server::proto::rr::RecordType;
use k3ts_supervisor::metrics::{Counter, Exposition, Histogram};

const PROTOCOLS: [&str; 2] = ["udp", "tcp"];
/// Whatever else is asked is counted together: clients choose it.
const TYPES: [&str; 10] = ["A", "AAAA", "SRV", "PTR", "CNAME", "TXT", "NS", "SOA", "MX", "other"];
const CODES: [&str; 7] = [
    "NOERROR", "NXDOMAIN", "SERVFAIL", "FORMERR", "NOTIMP", "REFUSED", "other",
];

#[derive(Default)]
pub struct Metrics {
    requests: [[Counter; TYPES.len()]; PROTOCOLS.len()],
    responses: [Counter; CODES.len()],
    durations: [Histogram; PROTOCOLS.len()],
    forwards: Counter,
    forward_responses: [Counter; CODES.len()],
    forward_durations: Histogram,
}

impl Metrics {
    /// A question that could be read, with its answer.
    pub fn answered(&self, protocol: Protocol, kind: Option<RecordType>, code: ResponseCode, after: Duration) {
        let protocol = usize::from(protocol == Protocol::Tcp);
        let kind = kind.map(|kind| kind.to_string()).unwrap_or_default();
        self.requests[protocol][known(&TYPES, &kind)].add(1);
        self.durations[protocol].observe(after);
        self.refused(code);
    }

    /// A question that could not be read.
    pub fn refused(&self, code: ResponseCode) {
        self.responses[code_index(code)].add(1);
    }

    /// A question that other resolvers have answered, or what is remembered of them.
    pub fn forwarded(&self, code: ResponseCode, after: Duration) {
        self.forwards.add(1);
        self.forward_responses[code_index(code)].add(1);
        self.forward_durations.observe(after);
    }

    pub fn write(&self, text: &mut Exposition, names: u32) {
        let asked: Vec<_> = PROTOCOLS
            .iter()
            .flat_map(|protocol| TYPES.map(|kind| [("proto", *protocol), ("type", kind)]))
            .collect();
        let asked = asked.iter().map(|labels| &labels[..]);
        let counts = self.requests.iter().flatten().map(Counter::value);
        text.counter("coredns_dns_requests_total", "Questions.", asked.zip(counts));
        let codes = CODES.map(|code| [("rcode", code)]);
        let answers = |counters: &[Counter]| counters.iter().map(Counter::value).collect::<Vec<_>>();
        let by_code = |counts| codes.iter().map(|labels| &labels[..]).zip(counts);
        text.counter(
            "coredns_dns_responses_total",
            "Answers.",
            by_code(answers(&self.responses)),
        );
        let protocols = PROTOCOLS.map(|protocol| [("proto", protocol)]);
        text.histogram(
            "coredns_dns_request_duration_seconds",
            "From a question to its answer.",
            protocols.iter().map(|labels| &labels[..]).zip(&self.durations),
        );
        text.counter(
            "coredns_forward_requests_total",
            "Questions about names that are not the cluster's.",
            [(&[][..], self.forwards.value())],
        );
        text.counter(
            "coredns_forward_responses_total",
            "What became of them.",
            by_code(answers(&self.forward_responses)),
        );
        text.histogram(
            "coredns_forward_request_duration_seconds",
            "How long they took, those too whose answers were remembered.",
            [(&[][..], &self.forward_durations)],
        );
        text.gauge(
            "k3ts_dns_names",
            "Names of the cluster that are served.",
            [(&[][..], names)],
        );
    }
}

/// The last one is for all others.
fn known(names: &[&str], name: &str) -> usize {
    let other = names.len() - 1;
    names.iter().position(|each| *each == name).unwrap_or(other)
}

fn code_index(code: ResponseCode) -> usize {
    known(
        &CODES,
        match code {
            ResponseCode::NoError => "NOERROR",
            ResponseCode::NXDomain => "NXDOMAIN",
            ResponseCode::ServFail => "SERVFAIL",
            ResponseCode::FormErr => "FORMERR",
            ResponseCode::NotImp => "NOTIMP",
            ResponseCode::Refused => "REFUSED",
            _ => "other",
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_counted_by_what_was_asked_and_answered() {
        let metrics = Metrics::default();
        let soon = Duration::from_millis(1);
        metrics.answered(Protocol::Udp, Some(RecordType::AAAA), ResponseCode::NXDomain, soon);
        metrics.answered(
            Protocol::Tcp,
            Some(RecordType::Unknown(4711)),
            ResponseCode::BADCOOKIE,
            soon,
        );
        metrics.refused(ResponseCode::FormErr);
        metrics.forwarded(ResponseCode::ServFail, soon);
        let mut text = Exposition::default();
        metrics.write(&mut text, 3);
        let text = text.into_text();
        for line in [
            "coredns_dns_requests_total{proto=\"udp\",type=\"AAAA\"} 1",
            "coredns_dns_requests_total{proto=\"udp\",type=\"A\"} 0",
            "coredns_dns_requests_total{proto=\"tcp\",type=\"other\"} 1",
            "coredns_dns_responses_total{rcode=\"NXDOMAIN\"} 1",
            "coredns_dns_responses_total{rcode=\"FORMERR\"} 1",
            "coredns_dns_responses_total{rcode=\"other\"} 1",
            "coredns_dns_request_duration_seconds_count{proto=\"tcp\"} 1",
            "coredns_forward_requests_total 1",
            "coredns_forward_responses_total{rcode=\"SERVFAIL\"} 1",
            "k3ts_dns_names 3",
        ] {
            assert!(text.lines().any(|each| each == line), "{line} in {text}");
        }
    }
}
