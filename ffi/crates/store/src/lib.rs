//! The storage engine as a service: SlateDB or SQLite on the local disk.
//!
//! One writer a store. Appends under way share a commit: they are written and made durable together, and there is one
//! commit at a time (group commit).

mod engine;
mod errors;
mod folder;
mod log;
mod log_place;
mod operations;
mod pages;
mod slatedb;
mod sqlite;
mod writer;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k3ts_frames::{CallContext, RpcError, ServerStream, Service};
use k3ts_proto::v1::{
    AppendRequest, AppendResponse, CloseRequest, CloseResponse, OpenRequest, OpenResponse, ScanRequest, ScanResponse,
    StoreService, StoreServiceServer,
};

use crate::folder::Folders;
use crate::writer::Writer;

/// Stores that may be open at a time.
const OPEN_MAX: usize = 64;

/// The service for a router.
pub fn service() -> impl Service {
    StoreServiceServer(Stores::default())
}

#[derive(Default)]
struct Stores {
    folders: Arc<Folders>,
    last_handle: AtomicU64,
    open: Mutex<HashMap<u64, Opened>>,
}

#[derive(Clone)]
enum Opened {
    Writer(Arc<Writer>),
    /// Each scan opens the folder as it is then.
    Reader(PathBuf),
}

impl Stores {
    fn find(&self, handle: u64) -> Result<Opened, RpcError> {
        self.lock().get(&handle).cloned().ok_or_else(|| no_handle(handle))
    }

    fn find_writer(&self, handle: u64) -> Result<Arc<Writer>, RpcError> {
        match self.find(handle)? {
            Opened::Writer(writer) => Ok(writer),
            Opened::Reader(_) => Err(RpcError::failed_precondition(format!(
                "Cannot append to store {handle} as it must be open for writing: it is read-only"
            ))),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Opened>> {
        // Nothing panics while it holds the lock.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StoreService for Stores {
    async fn open(&self, _: CallContext, request: OpenRequest) -> Result<OpenResponse, RpcError> {
        let path = folder::path_of(&request.url)?;
        if self.lock().len() >= OPEN_MAX {
            return Err(RpcError::resource_exhausted(format!(
                "Cannot open a store as {OPEN_MAX} are open"
            )));
        }
        let wanted = request.engine();
        let (opened, engine) = if request.read_only {
            let kind = engine::probe(wanted, &path).await?;
            (Opened::Reader(path), kind)
        } else {
            // In a task of its own: dropped half-way, the engine would go on in the background.
            let folders = self.folders.clone();
            let writer = tokio::spawn(async move { Writer::open(&folders, wanted, &path).await }).await??;
            let kind = writer.engine.kind();
            (Opened::Writer(Arc::new(writer)), kind)
        };
        let handle = self.last_handle.fetch_add(1, Ordering::Relaxed) + 1;
        self.lock().insert(handle, opened);
        Ok(OpenResponse {
            handle,
            engine: engine.into(),
        })
    }

    async fn append(&self, _: CallContext, request: AppendRequest) -> Result<AppendResponse, RpcError> {
        self.find_writer(request.handle)?
            .append(request.operations, request.more)
            .await?;
        Ok(AppendResponse {})
    }

    async fn scan(
        &self,
        _: CallContext,
        request: ScanRequest,
        responses: ServerStream<ScanResponse>,
    ) -> Result<(), RpcError> {
        match self.find(request.handle)? {
            Opened::Writer(writer) => writer.engine.scan(request, responses).await,
            Opened::Reader(path) => engine::scan(&path, request, responses).await,
        }
    }

    async fn close(&self, _: CallContext, request: CloseRequest) -> Result<CloseResponse, RpcError> {
        let opened = self
            .lock()
            .remove(&request.handle)
            .ok_or_else(|| no_handle(request.handle))?;
        if let Opened::Writer(writer) = opened {
            writer.close().await?;
        }
        Ok(CloseResponse {})
    }
}

fn no_handle(handle: u64) -> RpcError {
    RpcError::not_found(format!("Cannot find store {handle} as it is not open"))
}
