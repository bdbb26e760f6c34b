//! What the library serves.

use k3ts_frames::Router;
use k3ts_proto::v1::EchoServiceServer;

use crate::echo::Echo;

pub fn router() -> Router {
    Router::new()
        .with(EchoServiceServer(Echo::default()))
        .with(k3ts_image::service())
        .with(k3ts_network::service())
        .with(k3ts_runtime::service())
        .with(k3ts_store::service())
}
