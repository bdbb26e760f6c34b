//! The calls, each on a thread that may block.

use crate::{below, extract, files, layer, mount, mounts, usage};
use k3ts_frames::{CallContext, RpcError, Service};
use k3ts_proto::v1::{
    BindBelowRequest, BindBelowResponse, ChangeFilesRequest, ChangeFilesResponse, ExtractArchiveRequest,
    ExtractArchiveResponse, ImageService, ImageServiceServer, ListMountsRequest, ListMountsResponse,
    MeasureDiskRequest, MeasureDiskResponse, MountRequest, MountResponse, UnmountRequest, UnmountResponse,
    UnpackLayerRequest, UnpackLayerResponse,
};
use std::path::{Component, PathBuf};
use tokio::task::spawn_blocking;

pub fn service() -> impl Service {
    ImageServiceServer(Image)
}

struct Image;

impl ImageService for Image {
    async fn unpack_layer(
        &self,
        context: CallContext,
        request: UnpackLayerRequest,
    ) -> Result<UnpackLayerResponse, RpcError> {
        let cancelled = context.cancelled;
        spawn_blocking(move || layer::unpack_layer(&request, &|| cancelled.is_cancelled())).await?
    }

    async fn extract_archive(
        &self,
        context: CallContext,
        request: ExtractArchiveRequest,
    ) -> Result<ExtractArchiveResponse, RpcError> {
        let cancelled = context.cancelled;
        spawn_blocking(move || extract::extract_archive(&request, &|| cancelled.is_cancelled())).await?
    }

    async fn mount(&self, _: CallContext, request: MountRequest) -> Result<MountResponse, RpcError> {
        spawn_blocking(move || mount::mount(&request)).await??;
        Ok(MountResponse {})
    }

    async fn bind_below(&self, _: CallContext, request: BindBelowRequest) -> Result<BindBelowResponse, RpcError> {
        spawn_blocking(move || below::bind_below(&request)).await??;
        Ok(BindBelowResponse {})
    }

    async fn measure_disk(&self, _: CallContext, request: MeasureDiskRequest) -> Result<MeasureDiskResponse, RpcError> {
        let usages = spawn_blocking(move || usage::measure(&request.paths)).await??;
        Ok(MeasureDiskResponse { usages })
    }

    async fn unmount(&self, _: CallContext, request: UnmountRequest) -> Result<UnmountResponse, RpcError> {
        spawn_blocking(move || mount::unmount(&request.target)).await??;
        Ok(UnmountResponse {})
    }

    async fn list_mounts(&self, _: CallContext, request: ListMountsRequest) -> Result<ListMountsResponse, RpcError> {
        let targets = spawn_blocking(move || mounts::list_mounts(&request.path)).await??;
        Ok(ListMountsResponse { targets })
    }

    async fn change_files(&self, _: CallContext, request: ChangeFilesRequest) -> Result<ChangeFilesResponse, RpcError> {
        spawn_blocking(move || files::change_files(&request)).await??;
        Ok(ChangeFilesResponse {})
    }
}

/// Such a path must not climb either: a part of it may come from strangers.
pub fn absolute(name: &str, path: &str) -> Result<PathBuf, RpcError> {
    let parsed = PathBuf::from(path);
    let climbs = parsed.components().any(|part| part == Component::ParentDir);
    if parsed.is_absolute() && !climbs {
        return Ok(parsed);
    }
    Err(RpcError::invalid_argument(format!(
        "Cannot use {name} as it must be absolute and must not climb: it is {path:?}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_relative_or_climbs_is_refused() {
        assert!(absolute("target", "/a/b..c/.d").is_ok());
        for path in ["", "a", "/a/../b", "/..", "../a"] {
            assert!(absolute("target", path).is_err(), "{path}");
        }
    }
}
