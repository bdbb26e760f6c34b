//! `GatewayService`.

use std::sync::Arc;

use k3ts_frames::{CallContext, RpcError};
use k3ts_proto::v1 as pb;

use crate::metrics::Metrics;
use crate::socket::Socket;
use crate::tunnel::Tunnels;

pub struct Control {
    pub reload: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
    pub metrics: Arc<Metrics>,
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
            connections: self.metrics.connections.value() as u32,
            requests_in_flight: self.metrics.requests_in_flight.value() as u32,
            requests: self.metrics.requests_total(),
            requests_waiting: self.server.waiting() + self.tunnels.waiting(),
            tunnels: self.tunnels.count() as u32,
        })
    }
}
