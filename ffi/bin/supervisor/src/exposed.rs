//! `MetricsService` of a program.

use k3ts_frames::{CallContext, RpcError};
use k3ts_proto::v1 as pb;

use crate::metrics::Exposition;

/// Answers with what it is given to say, after what every process tells of itself.
pub struct Exposed<F>(pub F);

impl<F: Fn(&mut Exposition) + Send + Sync + 'static> pb::MetricsService for Exposed<F> {
    async fn get_metrics(&self, _: CallContext, _: pb::GetMetricsRequest) -> Result<pb::GetMetricsResponse, RpcError> {
        let mut text = Exposition::default();
        text.process();
        (self.0)(&mut text);
        Ok(pb::GetMetricsResponse { text: text.into_text() })
    }
}
