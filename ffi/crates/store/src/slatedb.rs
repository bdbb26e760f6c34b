//! SlateDB as we use it.

use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use k3ts_frames::{Code, ErrorContext, RpcError, ServerStream};
use k3ts_proto::v1::{ScanRequest, ScanResponse};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use slatedb::admin::AdminBuilder;
use slatedb::config::{
    CloseOptions, CompactionWorkerOptions, CompactorOptions, DbReaderOptions, DurabilityLevel, FlushOptions, FlushType,
    GarbageCollectorDirectoryOptions, GarbageCollectorOptions, ScanOptions, Settings,
};
use slatedb::{Db, DbBuilder, DbReadOps, DbReader, DbReaderMode, GarbageCollectorBuilder, WriteBatch};

use crate::errors;
use crate::folder::HeldFolder;
use crate::log::{Collector, Disk, FRAMES_OUT_OF_TABLES_MAX, Folder, Reader, Tenant};
use crate::log_place;
use crate::operations::Operation;
use crate::pages::Page;

/// The engine's folder, within the store's.
pub const NAME: &str = "db";

/// The engine's own choice is to try for ever, which hangs every write on a full disk.
const RETRIES_MAX: u32 = 3;

/// By the scheduler for what there is to compact, and by the worker for what the scheduler says. What a busy server
/// writes in twice this time has room in `l0_max_ssts`; an idle one is woken by little else.
const COMPACTION_POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Segments of the log are small beside the tables that they have gone into.
const LOG_COLLECTION_INTERVAL: Duration = Duration::from_secs(60);
/// For as long a reader may look for what it has seen to be there. Less than the interval, so that a round takes away what
/// the round before found to be needed no more.
const LOG_AGE_MIN: Duration = Duration::from_secs(50);

pub struct SlateDb {
    path: PathBuf,
    db: Db,
}

impl SlateDb {
    pub async fn open(folder: &Arc<HeldFolder>) -> Result<Self, RpcError> {
        let path = folder.path.clone();
        let action = || format!("Cannot open the store in {}", path.display());
        let origin = match log_place::origin(&path).doing(action)? {
            Some(origin) => {
                log_place::finish(&path).doing(action)?;
                origin
            }
            None => take_over(&path).await?,
        };
        let disk = Arc::new(Folder::make(&path.join(log_place::FOLDER)).doing(action)?);
        Self::open_with(folder, disk, origin).await
    }

    /// Its log is on this disk.
    async fn open_with(folder: &Arc<HeldFolder>, disk: Arc<dyn Disk>, origin: u64) -> Result<Self, RpcError> {
        let path = folder.path.clone();
        let action = format!("Cannot open the store in {}", path.display());
        let collector = GarbageCollectorBuilder::new(NAME, object_store(&path)?)
            .with_options(collection())
            .with_wal_gc(Arc::new(Collector::new(disk.clone())));
        let db = builder(&path)?
            .with_gc_builder(collector)
            .with_wal_writer(Box::new(Tenant {
                disk,
                origin,
                folder: folder.clone(),
            }))
            .build()
            .await
            .map_err(errors::of_engine(&action))?;
        Ok(Self { path, db })
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

/// Moves what is in the engine's own log into tables, so that ours can go on behind it.
async fn take_over(path: &Path) -> Result<u64, RpcError> {
    let action = || format!("Cannot open the store in {}", path.display());
    let message = action();
    let failed = errors::of_engine(&message);
    let mut origin = 1;
    if log_place::has_engines_log(path).doing(action)? {
        let db = builder(path)?.build().await.map_err(&failed)?;
        let flush = FlushOptions {
            flush_type: FlushType::MemTable,
        };
        let flushed = db.flush_with_options(flush).await;
        db.close().await.map_err(&failed)?;
        flushed.map_err(&failed)?;
        let admin = AdminBuilder::new(NAME, object_store(path)?).build();
        let manifest = admin.read_manifest(None).await.map_err(&failed)?;
        origin = manifest.map_or(origin, |manifest| manifest.next_wal_sst_id());
    }
    log_place::begin(path, origin).doing(action)?;
    Ok(origin)
}

fn builder(path: &Path) -> Result<DbBuilder<&'static str>, RpcError> {
    Ok(Db::builder(NAME, object_store(path)?)
        .with_settings(settings())
        // What is read is read once, at start: the registry above is the cache.
        .with_db_cache_disabled())
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
    let action = || format!("Cannot read the store in {}", path.display());
    let mut builder = DbReader::builder(NAME, object_store(path)?)
        .with_reader_mode(DbReaderMode::FollowLatest)
        .with_options(options)
        .with_db_cache_disabled();
    if let Some(origin) = log_place::origin(path).doing(action)? {
        let disk = Arc::new(Folder::at(&path.join(log_place::FOLDER)));
        builder = builder.with_wal_reader(Arc::new(Reader { disk, origin }));
    }
    builder.build().await.map_err(errors::of_engine(&action()))
}

fn object_store(path: &Path) -> Result<Arc<dyn ObjectStore>, RpcError> {
    let files = LocalFileSystem::new_with_prefix(path).or_rpc(Code::Unavailable, || {
        format!("Cannot open the store in {}", path.display())
    })?;
    // Files and their folders are on the disk before a write is acknowledged.
    Ok(Arc::new(files.with_fsync(true)))
}

fn collection() -> GarbageCollectorOptions {
    GarbageCollectorOptions {
        wal_options: Some(GarbageCollectorDirectoryOptions {
            interval: Some(LOG_COLLECTION_INTERVAL),
            min_age: LOG_AGE_MIN,
            dry_run: false,
        }),
        // The engine's own log has them, ours has none.
        wal_fence_options: None,
        object_store_max_retries: Some(RETRIES_MAX),
        ..GarbageCollectorOptions::default()
    }
}

fn settings() -> Settings {
    Settings {
        // Flushed by the writer, group by group.
        flush_interval: None,
        // Of the engine's own log, while it is taken over.
        max_wal_flushes_before_l0_flush: FRAMES_OUT_OF_TABLES_MAX,
        object_store_max_retries: Some(RETRIES_MAX),
        // In memory until then, beside what the registry has.
        l0_sst_size_bytes: 8 * 1024 * 1024,
        // With the engine's own choices compaction falls behind, and writes stall for seconds.
        l0_max_ssts: 32,
        l0_max_ssts_per_key: 32,
        l0_flush_parallelism: 1,
        max_unflushed_bytes: 64 * 1024 * 1024,
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

#[cfg(test)]
#[path = "slatedb_test.rs"]
mod tests;
