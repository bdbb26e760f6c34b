//! SlateDB as we use it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use k3ts_frames::{Code, ErrorContext, RpcError};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use slatedb::config::{CompactionWorkerOptions, CompactorOptions, DbReaderOptions, Settings};
use slatedb::{Db, DbReader, DbReaderMode};

use crate::errors;

/// The engine's folder, within the store's.
const NAME: &str = "db";

/// The engine's own choice is to try for ever, which hangs every write on a full disk.
const RETRIES_MAX: u32 = 3;

/// By the scheduler for what there is to compact, and by the worker for what the scheduler says.
const COMPACTION_POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Fences the writer before it.
pub async fn open_writer(path: &Path) -> Result<Db, RpcError> {
    Db::builder(NAME, object_store(path)?)
        .with_settings(settings())
        // What is read is read once, at start: the registry above is the cache.
        .with_db_cache_disabled()
        .build()
        .await
        .map_err(errors::of_engine(&format!(
            "Cannot open the store in {}",
            path.display()
        )))
}

/// The store as it is now, for one scan. Writes nothing, so a writer in another process is not disturbed.
pub async fn open_reader(path: &Path) -> Result<DbReader, RpcError> {
    if !path.join(NAME).is_dir() {
        return Err(RpcError::not_found(format!(
            "Cannot read the store in {} as a writer must have made it: there is none",
            path.display()
        )));
    }
    let options = DbReaderOptions {
        object_store_max_retries: Some(RETRIES_MAX),
        ..DbReaderOptions::default()
    };
    DbReader::builder(NAME, object_store(path)?)
        .with_reader_mode(DbReaderMode::FollowLatest)
        .with_options(options)
        .with_db_cache_disabled()
        .build()
        .await
        .map_err(errors::of_engine(&format!(
            "Cannot read the store in {}",
            path.display()
        )))
}

fn object_store(path: &Path) -> Result<Arc<dyn ObjectStore>, RpcError> {
    let files = LocalFileSystem::new_with_prefix(path).or_rpc(Code::Unavailable, || {
        format!("Cannot open the store in {}", path.display())
    })?;
    // Files and their folders are on the disk before a write is acknowledged.
    Ok(Arc::new(files.with_fsync(true)))
}

fn settings() -> Settings {
    Settings {
        // Flushed by the writer, group by group.
        flush_interval: None,
        object_store_max_retries: Some(RETRIES_MAX),
        l0_sst_size_bytes: 16 * 1024 * 1024,
        // With the engine's own choices compaction falls behind, and writes stall for seconds.
        l0_max_ssts: 32,
        l0_max_ssts_per_key: 32,
        l0_flush_parallelism: 1,
        max_unflushed_bytes: 64 * 1024 * 1024,
        max_wal_flushes_before_l0_flush: 4096,
        compactor_options: Some(CompactorOptions {
            poll_interval: COMPACTION_POLL_INTERVAL,
            max_concurrent_compactions: 1,
            worker: Some(compaction_worker()),
            ..CompactorOptions::default()
        }),
        ..Settings::default()
    }
}

/// Little memory rather than great speed: what it reads ahead is multiplied by the number of its inputs.
fn compaction_worker() -> CompactionWorkerOptions {
    CompactionWorkerOptions {
        compactions_poll_interval: COMPACTION_POLL_INTERVAL,
        max_concurrent_compactions: 1,
        max_subcompactions: 1,
        max_sst_size: 64 * 1024 * 1024,
        max_fetch_tasks: 2,
        bytes_to_fetch: 1024 * 1024,
        ..CompactionWorkerOptions::default()
    }
}
