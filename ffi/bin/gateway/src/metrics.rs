//! What the gateway counts.

use std::sync::Arc;
use std::time::Duration;

use http::{StatusCode, Version};
use k3ts_supervisor::metrics::{Counter, Exposition, Gauge, Histogram};

use crate::reply::Dialect;

const PROTOCOLS: [&str; 3] = ["http/1.1", "http/2", "grpc"];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

#[derive(Default)]
pub struct Metrics {
    pub connections: Gauge,
    pub connections_total: Counter,
    pub handshakes_failed: Counter,
    pub handshakes_slow: Counter,
    pub refused_by_address: Counter,
    pub refused_by_user: Counter,
    pub requests_in_flight: Gauge,
    pub upgraded: Gauge,
    pub received_bytes: Counter,
    pub sent_bytes: Counter,
    pub tunnels_refused: Counter,
    pub watches: Gauge,
    pub watches_slow: Counter,
    pub tunnel_streams: Gauge,
    requests: [[Counter; CLASSES.len()]; PROTOCOLS.len()],
    durations: [Histogram; PROTOCOLS.len()],
}

/// Takes back one of a gauge when it is dropped.
pub struct Counted(Arc<Metrics>, fn(&Metrics) -> &Gauge);

impl Drop for Counted {
    fn drop(&mut self) {
        (self.1)(&self.0).add(-1);
    }
}

impl Metrics {
    /// One more of a gauge for as long as the result is kept.
    pub fn count(self: &Arc<Self>, gauge: fn(&Metrics) -> &Gauge) -> Counted {
        gauge(self).add(1);
        Counted(self.clone(), gauge)
    }

    /// A request whose answer's head is there after so long.
    pub fn answered(&self, version: Version, dialect: Dialect, status: StatusCode, after: Duration) {
        let protocol = match (dialect, version) {
            (Dialect::Grpc, _) => 2,
            (_, Version::HTTP_2) => 1,
            _ => 0,
        };
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        self.requests[protocol][class].add(1);
        self.durations[protocol].observe(after);
    }

    pub fn requests_total(&self) -> u64 {
        self.requests.iter().flatten().map(Counter::value).sum()
    }

    pub fn write(&self, text: &mut Exposition, waiting: u32, tunnels: usize) {
        let one = |value: u64| [(&[][..], value)];
        text.gauge(
            "k3ts_gateway_connections",
            "Open connections.",
            one(self.connections.value()),
        );
        let accepted = self.connections_total.value();
        text.counter(
            "k3ts_gateway_connections_total",
            "Connections whose handshake was completed.",
            one(accepted),
        );
        text.counter(
            "k3ts_gateway_handshake_failures_total",
            "Connections that ended before their handshake did.",
            [
                (&[("reason", "tls")][..], self.handshakes_failed.value()),
                (&[("reason", "timeout")][..], self.handshakes_slow.value()),
            ],
        );
        text.counter(
            "k3ts_gateway_connections_refused_total",
            "Connections that were closed as their client has as many as one may have.",
            [
                (&[("client", "address")][..], self.refused_by_address.value()),
                (&[("client", "user")][..], self.refused_by_user.value()),
            ],
        );
        let labels: Vec<_> = PROTOCOLS
            .iter()
            .flat_map(|protocol| CLASSES.map(|class| [("protocol", *protocol), ("code", class)]))
            .collect();
        text.counter(
            "k3ts_gateway_requests_total",
            "Answered requests.",
            labels
                .iter()
                .map(|labels| &labels[..])
                .zip(self.requests.iter().flatten().map(Counter::value)),
        );
        let protocols = PROTOCOLS.map(|protocol| [("protocol", protocol)]);
        text.histogram(
            "k3ts_gateway_request_duration_seconds",
            "From the head of a request to the head of its answer.",
            protocols.iter().map(|labels| &labels[..]).zip(&self.durations),
        );
        let in_flight = self.requests_in_flight.value();
        text.gauge(
            "k3ts_gateway_requests_in_flight",
            "Requests whose answers have not ended.",
            one(in_flight),
        );
        let help = "Requests that wait for the server to come back, or for a node to connect.";
        text.gauge("k3ts_gateway_requests_waiting", help, one(waiting.into()));
        text.gauge(
            "k3ts_gateway_upgraded",
            "Connections that were upgraded.",
            one(self.upgraded.value()),
        );
        let help = "Watches that are told by the gateway, of what the server publishes.";
        text.gauge("k3ts_gateway_watches", help, one(self.watches.value()));
        let help = "Watches that were ended as their clients did not take what they were sent.";
        text.counter("k3ts_gateway_watches_slow_total", help, one(self.watches_slow.value()));
        text.counter(
            "k3ts_gateway_bytes_total",
            "Bytes from and to clients, without those of TLS.",
            [
                (&[("direction", "received")][..], self.received_bytes.value()),
                (&[("direction", "sent")][..], self.sent_bytes.value()),
            ],
        );
        text.gauge(
            "k3ts_gateway_tunnels",
            "Nodes whose tunnels are open.",
            one(tunnels as u64),
        );
        let streams = self.tunnel_streams.value();
        text.gauge("k3ts_gateway_tunnel_streams", "Open streams of tunnels.", one(streams));
        let refused = self.tunnels_refused.value();
        let help = "Tunnels that were refused, as their certificates are no node's.";
        text.counter("k3ts_gateway_tunnels_refused_total", help, one(refused));
    }
}
