//! `GatewayService`, and what it tells.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use k3ts_frames::{CallContext, RpcError};
use k3ts_proto::v1 as pb;

use crate::socket::Socket;
use crate::tunnel::Tunnels;

#[derive(Default)]
pub struct Counters {
    connections: AtomicU32,
    in_flight: AtomicU32,
    requests: AtomicU64,
}

/// Takes back one of a counter when it is dropped.
pub struct Counted(Arc<Counters>, fn(&Counters) -> &AtomicU32);

impl Counters {
    pub fn connection(self: &Arc<Self>) -> Counted {
        Counted::new(self, |counters| &counters.connections)
    }

    pub fn request(self: &Arc<Self>) -> Counted {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Counted::new(self, |counters| &counters.in_flight)
    }
}

impl Counted {
    fn new(counters: &Arc<Counters>, which: fn(&Counters) -> &AtomicU32) -> Self {
        which(counters).fetch_add(1, Ordering::Relaxed);
        Self(counters.clone(), which)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.1)(&self.0).fetch_sub(1, Ordering::Relaxed);
    }
}

pub struct Control {
    pub reload: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
    pub counters: Arc<Counters>,
    pub server: Arc<Socket>,
    pub tunnels: Arc<Tunnels>,
}

impl pb::GatewayService for Control {
    async fn reload_certificates(
        &self,
        _: CallContext,
        _: pb::ReloadCertificatesRequest,
    ) -> Result<pb::ReloadCertificatesResponse, RpcError> {
        (self.reload)().map_err(RpcError::failed_precondition)?;
        Ok(pb::ReloadCertificatesResponse {})
    }

    async fn get_status(
        &self,
        _: CallContext,
        _: pb::GatewayServiceGetStatusRequest,
    ) -> Result<pb::GatewayServiceGetStatusResponse, RpcError> {
        Ok(pb::GatewayServiceGetStatusResponse {
            connections: self.counters.connections.load(Ordering::Relaxed),
            requests_in_flight: self.counters.in_flight.load(Ordering::Relaxed),
            requests: self.counters.requests.load(Ordering::Relaxed),
            requests_waiting: self.server.waiting() + self.tunnels.waiting(),
            tunnels: self.tunnels.count() as u32,
        })
    }
}
