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
use crate::log::{Collector, Disk, Folder, Reader, Tenant};
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
/// For as long a reader may look for what it has seen to be there.
const LOG_AGE_MIN: Duration = Duration::from_secs(60);

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
            .with_wal_gc(Arc::new(Collector { disk: disk.clone() }));
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
mod tests {
    use std::io::ErrorKind;

    use k3ts_proto::v1::{StoreFenced, StoreFull};
    use slatedb::wal::WalGc;

    use super::*;
    use crate::folder::Folders;
    use crate::log::simulated::{Fault, SimulatedDisk};

    fn put(key: &str, value: &str) -> Vec<Operation> {
        let (key, value) = (key.to_owned().into(), value.to_owned().into());
        vec![Operation::Put { key, value }]
    }

    async fn all(engine: &(impl DbReadOps + Sync)) -> String {
        let mut rows = engine.scan(..).await.unwrap();
        let mut all = String::new();
        while let Some(row) = rows.next().await.unwrap() {
            all += std::str::from_utf8(&[&row.key[..], b"=", &row.value[..], b" "].concat()).unwrap();
        }
        all
    }

    async fn seen_by_reader(path: &Path) -> String {
        let reader = open_reader(path).await.unwrap();
        let seen = all(&reader).await;
        reader.close().await.unwrap();
        seen
    }

    /// As the program before wrote it, without this log.
    async fn write_without_log(path: &Path, rows: &[(&str, &str)]) {
        let db = builder(path).unwrap().build().await.unwrap();
        for (key, value) in rows {
            db.put(key.as_bytes(), value.as_bytes()).await.unwrap();
            let flush = FlushOptions {
                flush_type: FlushType::Wal,
            };
            db.flush_with_options(flush).await.unwrap();
        }
        let options = CloseOptions::default().with_flush_type(Some(FlushType::Wal));
        db.close_with_options(options).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_store_with_the_engines_own_log_goes_on_with_ours_and_is_closed_to_who_does_not_know_it() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folders::default().hold(place.path()).unwrap();
        write_without_log(&folder.path, &[("a", "1"), ("b", "2")]).await;
        assert_eq!(seen_by_reader(&folder.path).await, "a=1 b=2 ");

        let engine = SlateDb::open(&folder).await.unwrap();
        assert_eq!(all(&engine.db).await, "a=1 b=2 ");
        engine.commit(vec![put("b", "3"), put("c", "4")]).await.unwrap();
        assert_eq!(seen_by_reader(&folder.path).await, "a=1 b=3 c=4 ");
        engine.close().await.unwrap();

        let refusal = builder(&folder.path).unwrap().build().await.err().unwrap();
        assert!(refusal.to_string().contains("Not a directory"), "{refusal}");
        let engine = SlateDb::open(&folder).await.unwrap();
        assert_eq!(all(&engine.db).await, "a=1 b=3 c=4 ");
        engine.close().await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_change_of_the_log_that_was_cut_short_is_made_again() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folders::default().hold(place.path()).unwrap();
        write_without_log(&folder.path, &[("a", "1")]).await;
        // Opened and closed: numbers are used up by which nothing was written.
        write_without_log(&folder.path, &[]).await;
        let engine = folder.path.join(NAME);
        std::fs::write(engine.join("wal.coming"), "half").unwrap();
        std::fs::rename(engine.join("wal"), engine.join("wal.leaving")).unwrap();
        for expected in ["a=1 ", "a=1 b=2 "] {
            let engine = SlateDb::open(&folder).await.unwrap();
            assert_eq!(all(&engine.db).await, expected);
            engine.commit(vec![put("b", "2")]).await.unwrap();
            engine.close().await.unwrap();
            // As if it had been cut short at the very end.
            std::fs::create_dir(folder.path.join(NAME).join("wal.leaving")).unwrap();
        }
        SlateDb::open(&folder).await.unwrap().close().await.unwrap();
        assert!(!engine.join("wal.leaving").exists() && !engine.join("wal.coming").exists());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_full_disk_ends_the_writer_and_the_next_has_all_that_was_acknowledged() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folders::default().hold(place.path()).unwrap();
        log_place::begin(&folder.path, 1).unwrap();
        let disk = SimulatedDisk::new(1);
        let mut expected = String::new();
        for (round, kind) in [ErrorKind::StorageFull, ErrorKind::Other].into_iter().enumerate() {
            let engine = SlateDb::open_with(&folder, Arc::new(disk.clone()), 1).await.unwrap();
            assert_eq!(all(&engine.db).await, expected);
            engine.commit(vec![put(&format!("a{round}"), "1")]).await.unwrap();
            // The write itself, so that nothing of it can be there.
            disk.fail_after(0, Fault::Error(kind));
            let error = engine.commit(vec![put(&format!("b{round}"), "2")]).await.unwrap_err();
            assert_eq!(
                error.detail::<StoreFull>().is_some(),
                kind == ErrorKind::StorageFull,
                "{error:?}"
            );
            // The disk works again, the writer does not.
            assert!(engine.commit(vec![put(&format!("c{round}"), "3")]).await.is_err());
            engine.close().await.unwrap();
            expected += &format!("a{round}=1 ");
        }
        let engine = SlateDb::open_with(&folder, Arc::new(disk), 1).await.unwrap();
        assert_eq!(all(&engine.db).await, expected);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_damaged_log_keeps_the_store_closed_and_says_why() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folders::default().hold(place.path()).unwrap();
        let engine = SlateDb::open(&folder).await.unwrap();
        for key in ["a", "b", "c"] {
            engine.commit(vec![put(key, "1")]).await.unwrap();
        }
        engine.close().await.unwrap();
        let log = std::fs::read_dir(folder.path.join(log_place::FOLDER)).unwrap().next();
        let segment = log.unwrap().unwrap().path();
        let mut bytes = std::fs::read(&segment).unwrap();
        bytes[20] ^= 1;
        std::fs::write(&segment, &bytes).unwrap();
        let error = SlateDb::open(&folder).await.err().unwrap();
        assert_eq!(error.code, Code::DataLoss);
        assert!(
            error.message.ends_with("it is damaged, as 2 behind it is whole"),
            "{error}"
        );
        assert_eq!(std::fs::read(&segment).unwrap(), bytes);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_a_writer_is_told_before_another_comes_is_there_and_nothing_after() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folders::default().hold(place.path()).unwrap();
        let mut before = SlateDb::open(&folder).await.unwrap();
        let mut acknowledged = 0;
        for round in 0..8 {
            let writes = async {
                let mut told = 0;
                loop {
                    match before
                        .commit(vec![put("count", &(acknowledged + told + 1).to_string())])
                        .await
                    {
                        Ok(()) => told += 1,
                        Err(error) => break (told, error),
                    }
                }
            };
            let comes = async {
                tokio::time::sleep(Duration::from_millis(round * 3)).await;
                SlateDb::open(&folder).await.unwrap()
            };
            let ((told, error), next) = tokio::join!(writes, comes);
            assert!(error.detail::<StoreFenced>().is_some(), "{error:?}");
            acknowledged += told;
            let found = next
                .db
                .get(b"count")
                .await
                .unwrap()
                .map_or(0, |count| std::str::from_utf8(&count).unwrap().parse().unwrap());
            assert!(
                found == acknowledged || found == acknowledged + 1,
                "{found} of {acknowledged}"
            );
            acknowledged = found;
            before = next;
        }
        assert!(acknowledged > 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn segments_go_when_what_they_hold_is_in_tables() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folders::default().hold(place.path()).unwrap();
        let log = folder.path.join(log_place::FOLDER);
        let value = "v".repeat(1024 * 1024);
        let engine = SlateDb::open(&folder).await.unwrap();
        for number in 0..24 {
            engine.commit(vec![put(&format!("{number:02}"), &value)]).await.unwrap();
        }
        engine
            .db
            .flush_with_options(FlushOptions {
                flush_type: FlushType::MemTable,
            })
            .await
            .unwrap();
        let segments = || std::fs::read_dir(&log).unwrap().count();
        let before = segments();
        let in_tables = engine.db.manifest().replay_after_wal_id();
        let collector = Collector {
            disk: Arc::new(Folder::at(&log)),
        };
        let collect = |min_age| collector.collect(vec![(in_tables..).into()], min_age, false);
        collect(LOG_AGE_MIN).await.unwrap();
        assert_eq!(segments(), before);
        collect(Duration::ZERO).await.unwrap();
        assert!(before > 4 && segments() == 1, "{before} segments, then {}", segments());
        engine.commit(vec![put("99", "last")]).await.unwrap();
        engine.close().await.unwrap();
        let engine = SlateDb::open(&folder).await.unwrap();
        assert_eq!(all(&engine.db).await.len(), 24 * (value.len() + 4) + "99=last ".len());
        engine.close().await.unwrap();
    }
}
