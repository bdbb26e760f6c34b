//! The calls, each on a thread that may block. They go on to their end even when the caller has gone.

use crate::{attach, bridge, links, routes, rules};
use k3ts_frames::{CallContext, RpcError, Service};
use k3ts_proto::v1::{
    ApplyRulesRequest, ApplyRulesResponse, AttachRequest, AttachResponse, EnsureBridgeRequest, EnsureBridgeResponse,
    FindSourceRequest, FindSourceResponse, ListLinksRequest, ListLinksResponse, NetworkService, NetworkServiceServer,
    RemoveLinkRequest, RemoveLinkResponse, SyncRoutesRequest, SyncRoutesResponse,
};
use tokio::task::spawn_blocking;

pub fn service() -> impl Service {
    NetworkServiceServer(Network)
}

struct Network;

impl NetworkService for Network {
    async fn ensure_bridge(
        &self,
        _: CallContext,
        request: EnsureBridgeRequest,
    ) -> Result<EnsureBridgeResponse, RpcError> {
        let index = spawn_blocking(move || bridge::ensure_bridge(&request)).await??;
        Ok(EnsureBridgeResponse { index })
    }

    async fn remove_link(&self, _: CallContext, request: RemoveLinkRequest) -> Result<RemoveLinkResponse, RpcError> {
        spawn_blocking(move || links::remove_link(&request.name)).await??;
        Ok(RemoveLinkResponse {})
    }

    async fn attach(&self, _: CallContext, request: AttachRequest) -> Result<AttachResponse, RpcError> {
        let mac_address = spawn_blocking(move || attach::attach(&request)).await??;
        Ok(AttachResponse { mac_address })
    }

    async fn list_links(&self, _: CallContext, request: ListLinksRequest) -> Result<ListLinksResponse, RpcError> {
        let links = spawn_blocking(move || links::list_links(&request.prefix)).await??;
        Ok(ListLinksResponse { links })
    }

    async fn sync_routes(&self, _: CallContext, request: SyncRoutesRequest) -> Result<SyncRoutesResponse, RpcError> {
        spawn_blocking(move || routes::sync_routes(&request)).await?
    }

    async fn find_source(&self, _: CallContext, request: FindSourceRequest) -> Result<FindSourceResponse, RpcError> {
        let address = spawn_blocking(move || routes::find_source(&request.destination)).await??;
        Ok(FindSourceResponse { address })
    }

    async fn apply_rules(&self, _: CallContext, request: ApplyRulesRequest) -> Result<ApplyRulesResponse, RpcError> {
        spawn_blocking(move || rules::apply_rules(&request.script)).await??;
        Ok(ApplyRulesResponse {})
    }
}
