//! SlateDB as we use it.

use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use k3ts_frames::{Code, ErrorContext, RpcError, ServerStream};
use k3ts_proto::v1::{ScanRequest, ScanResponse};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use slatedb::config::{
    CloseOptions, CompactionWorkerOptions, CompactorOptions, DbReaderOptions, DurabilityLevel, FlushOptions, FlushType,
    ScanOptions, Settings,
};
use slatedb::{Db, DbReadOps, DbReader, DbReaderMode, WriteBatch};

use crate::errors;
use crate::operations::Operation;
use crate::pages::Page;

/// The engine's folder, within the store's.
pub const NAME: &str = "db";

/// The engine's own choice is to try for ever, which hangs every write on a full disk.
const RETRIES_MAX: u32 = 3;

/// By the scheduler for what there is to compact, and by the worker for what the scheduler says.
const COMPACTION_POLL_INTERVAL: Duration = Duration::from_millis(500);

pub struct SlateDb {
    path: PathBuf,
    db: Db,
}

impl SlateDb {
    pub async fn open(path: &Path) -> Result<Self, RpcError> {
        let db = Db::builder(NAME, object_store(path)?)
            .with_settings(settings())
            // What is read is read once, at start: the registry above is the cache.
            .with_db_cache_disabled()
            .build()
            .await
            .map_err(errors::of_engine(&format!(
                "Cannot open the store in {}",
                path.display()
            )))?;
        Ok(Self {
            path: path.to_owned(),
            db,
        })
    }

    /// Into the engine's log together, and from there to the disk by one flush.
    pub async fn commit(&self, batches: Vec<Vec<Operation>>) -> Result<(), RpcError> {
        let outcome = async {
            for batch in batches.into_iter().map(batch_of).filter(|batch| !batch.is_empty()) {
                self.db.write(batch).await?;
            }
            self.db
                .flush_with_options(FlushOptions {
                    flush_type: FlushType::Wal,
                })
                .await
        };
        let action = format!("Cannot append to the store in {}", self.path.display());
        outcome.await.map_err(errors::of_engine(&action))
    }

    pub async fn scan(&self, request: ScanRequest, pages: ServerStream<ScanResponse>) -> Result<(), RpcError> {
        scan_rows(&self.db, request, pages).await
    }

    pub async fn close(&self) -> Result<(), RpcError> {
        // What is in the log need not be sorted into tables first, which would take seconds.
        let options = CloseOptions::default().with_flush_type(Some(FlushType::Wal));
        self.db
            .close_with_options(options)
            .await
            .map_err(errors::of_engine("Cannot close the store"))
    }
}

fn batch_of(operations: Vec<Operation>) -> WriteBatch {
    let mut batch = WriteBatch::new();
    for operation in operations {
        match operation {
            Operation::Put { key, value } => batch.put_bytes(key, value),
            Operation::Delete { key } => batch.delete(key),
        }
    }
    batch
}

pub async fn probe(path: &Path) -> Result<(), RpcError> {
    open_reader(path)
        .await?
        .close()
        .await
        .map_err(errors::of_engine("Cannot read the store"))
}

/// The store as it is now. Writes nothing, so that a writer in another process is not disturbed.
pub async fn scan(path: &Path, request: ScanRequest, pages: ServerStream<ScanResponse>) -> Result<(), RpcError> {
    let reader = open_reader(path).await?;
    let outcome = scan_rows(&reader, request, pages).await;
    reader.close().await.map_err(errors::of_engine("Cannot end a scan"))?;
    outcome
}

/// Rows of a range, as they were when the scan began.
async fn scan_rows<E: DbReadOps + Sync>(
    engine: &E,
    request: ScanRequest,
    pages: ServerStream<ScanResponse>,
) -> Result<(), RpcError> {
    let failed = errors::of_engine("Cannot scan the store");
    let mut page = Page::of(&request);
    let end = if request.end.is_empty() {
        Bound::Unbounded
    } else {
        Bound::Excluded(request.end)
    };
    let options = ScanOptions::default()
        .with_durability_filter(DurabilityLevel::Remote)
        .with_read_ahead_bytes(4 * 1024 * 1024)
        .with_max_fetch_tasks(2);
    let mut rows = engine
        .scan_with_options((Bound::Included(request.start), end), &options)
        .await
        .map_err(&failed)?;
    while let Some(row) = rows.next().await.map_err(&failed)? {
        page.push(&row.key, &row.value);
        if page.is_full()
            && let Some(rows) = page.take()
        {
            pages.send(rows).await?;
        }
    }
    if let Some(rows) = page.take() {
        pages.send(rows).await?;
    }
    Ok(())
}

async fn open_reader(path: &Path) -> Result<DbReader, RpcError> {
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
