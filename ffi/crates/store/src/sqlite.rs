//! SQLite as we use it: one table of rows, a log ahead of it that is synced at each commit, and the number of the writer.
//!
//! It blocks, so that whatever asks it runs on a thread for that. A scan has a connection of its own and sees one moment
//! of the store, whatever is written meanwhile.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use k3ts_frames::{RpcError, ServerStream};
use k3ts_proto::v1::{ScanRequest, ScanResponse};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use tokio::task::spawn_blocking;

use crate::errors;
use crate::operations::Operation;
use crate::pages::Page;

/// The engine's file, within the store's folder.
pub const NAME: &str = "rows.sqlite";

/// In the file's head, by which other programs tell what it is: "k3ts".
const APPLICATION: i32 = 0x6b33_7473;
/// Of the tables below.
const FORMAT: i32 = 1;

/// Values have kilobytes: rows lie in the leaves of one tree, and a second one leads to them by key.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS rows (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS writer (number INTEGER NOT NULL);";

const PUT: &str =
    "INSERT INTO rows (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
const DELETE: &str = "DELETE FROM rows WHERE key = ?1";
/// To the last row where no end is given.
const SCAN: &str = "SELECT key, value FROM rows WHERE key >= ?1 AND (?2 IS NULL OR key < ?2) ORDER BY key";

/// Kibibytes of pages that a connection keeps, as a negative number: what is read is read once, at start.
const WRITER_CACHE: i64 = -8 * 1024;
const SCAN_CACHE: i64 = -1024;
/// Pages in the log after which they are moved to their places.
const CHECKPOINT_PAGES: i64 = 4000;
/// The log is cut to this when it has grown beyond it: in a long scan's time it cannot be begun anew.
const LOG_BYTES_KEPT: i64 = 32 * 1024 * 1024;
/// Nobody else writes, but another program may look.
const BUSY_MS_MAX: i64 = 5_000;

pub struct Sqlite {
    path: PathBuf,
    /// None once it is closed.
    connection: Arc<Mutex<Option<Connection>>>,
    /// Whoever has a greater one has fenced this one.
    number: i64,
}

impl Sqlite {
    pub async fn open(folder: &Path) -> Result<Self, RpcError> {
        let path = folder.join(NAME);
        let action = format!("Cannot open the store in {}", folder.display());
        let file = path.clone();
        let (connection, number) = spawn_blocking(move || open_writer(&file, &action)).await??;
        Ok(Self {
            path,
            connection: Arc::new(Mutex::new(Some(connection))),
            number,
        })
    }

    /// One transaction.
    pub async fn commit(&self, batches: Vec<Vec<Operation>>) -> Result<(), RpcError> {
        let connection = self.connection.clone();
        let number = self.number;
        let action = format!("Cannot append to the store in {}", folder_of(&self.path));
        spawn_blocking(move || {
            let mut held = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let connection = held.as_mut().ok_or_else(|| closed(&action))?;
            match write(connection, number, &batches) {
                Ok(true) => Ok(()),
                Ok(false) => Err(errors::fenced(&action)),
                Err(error) => Err(failed(&action, &error)),
            }
        })
        .await?
    }

    pub async fn scan(&self, request: ScanRequest, pages: ServerStream<ScanResponse>) -> Result<(), RpcError> {
        scan_file(&self.path, request, pages).await
    }

    pub async fn close(&self) -> Result<(), RpcError> {
        let connection = self.connection.clone();
        let action = format!("Cannot close the store in {}", folder_of(&self.path));
        spawn_blocking(
            move || match connection.lock().unwrap_or_else(PoisonError::into_inner).take() {
                Some(connection) => connection.close().map_err(|(_, error)| failed(&action, &error)),
                None => Ok(()),
            },
        )
        .await?
    }
}

pub async fn probe(folder: &Path) -> Result<(), RpcError> {
    let path = folder.join(NAME);
    spawn_blocking(move || open_reader(&path).map(drop)).await?
}

pub async fn scan(folder: &Path, request: ScanRequest, pages: ServerStream<ScanResponse>) -> Result<(), RpcError> {
    scan_file(&folder.join(NAME), request, pages).await
}

/// Between two pages no thread waits: a slow reader holds nothing but its moment of the store.
async fn scan_file(path: &Path, request: ScanRequest, pages: ServerStream<ScanResponse>) -> Result<(), RpcError> {
    let path = path.to_owned();
    let mut scan = spawn_blocking(move || {
        open_reader(&path).map(|connection| Scan {
            connection,
            page: Page::of(&request),
            next: Some(request.start.to_vec()),
            end: (!request.end.is_empty()).then(|| request.end.to_vec()),
        })
    })
    .await??;
    while scan.next.is_some() {
        scan = spawn_blocking(move || scan.fill())
            .await?
            .map_err(|error| failed("Cannot scan the store", &error))?;
        if let Some(rows) = scan.page.take() {
            pages.send(rows).await?;
        }
    }
    spawn_blocking(move || drop(scan)).await?;
    Ok(())
}

struct Scan {
    connection: Connection,
    page: Page,
    /// The first key that is still to come, if any may.
    next: Option<Vec<u8>>,
    end: Option<Vec<u8>>,
}

impl Scan {
    /// Fills a page.
    fn fill(mut self) -> rusqlite::Result<Self> {
        let start = self.next.take();
        let mut statement = self.connection.prepare(SCAN)?;
        let mut rows = statement.query((&start, &self.end))?;
        while let Some(row) = rows.next()? {
            let key = row.get_ref(0)?.as_blob()?;
            self.page.push(key, row.get_ref(1)?.as_blob()?);
            if self.page.is_full() {
                // The least key after this one.
                self.next = Some([key, &[0]].concat());
                break;
            }
        }
        drop(rows);
        drop(statement);
        Ok(self)
    }
}

fn write(connection: &mut Connection, number: i64, batches: &[Vec<Operation>]) -> rusqlite::Result<bool> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if writer_number(&transaction)? != number {
        return Ok(false);
    }
    {
        let mut put = transaction.prepare(PUT)?;
        let mut delete = transaction.prepare(DELETE)?;
        for operation in batches.iter().flatten() {
            match operation {
                Operation::Put { key, value } => put.execute((&key[..], &value[..]))?,
                Operation::Delete { key } => delete.execute((&key[..],))?,
            };
        }
    }
    transaction.commit()?;
    Ok(true)
}

/// Makes the tables where they are missing, and fences the writer before.
fn open_writer(path: &Path, action: &str) -> Result<(Connection, i64), RpcError> {
    let open = || {
        let mut connection = connect(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
            WRITER_CACHE,
        )?;
        // A commit is in the log, and the log on the disk, before it is acknowledged.
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update_and_check(None, "wal_autocheckpoint", CHECKPOINT_PAGES, |_| Ok(()))?;
        connection.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES_KEPT, |_| Ok(()))?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if format_of(&transaction)? == 0 {
            transaction.pragma_update(None, "application_id", APPLICATION)?;
            transaction.pragma_update(None, "user_version", FORMAT)?;
            transaction.execute_batch(TABLES)?;
            transaction.execute("INSERT INTO writer (number) VALUES (0)", ())?;
        }
        if format_of(&transaction)? != FORMAT {
            return Ok((format_of(&transaction)?, None));
        }
        transaction.execute("UPDATE writer SET number = number + 1", ())?;
        let number = writer_number(&transaction)?;
        transaction.commit()?;
        Ok((FORMAT, Some((connection, number))))
    };
    let (format, opened) = open().map_err(|error| failed(action, &error))?;
    opened.ok_or_else(|| other_format(action, format))
}

/// At one moment of the store, which the first read fixes.
fn open_reader(path: &Path) -> Result<Connection, RpcError> {
    let action = format!("Cannot read the store in {}", folder_of(path));
    let open = || {
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, SCAN_CACHE)?;
        connection.execute_batch("BEGIN")?;
        let format = format_of(&connection)?;
        Ok((connection, format))
    };
    let (connection, format) = open().map_err(|error| failed(&action, &error))?;
    if format == FORMAT {
        Ok(connection)
    } else {
        Err(other_format(&action, format))
    }
}

fn connect(path: &Path, flags: OpenFlags, cache: i64) -> rusqlite::Result<Connection> {
    // A connection is used by one thread at a time, though not always the same.
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.pragma_update_and_check(None, "busy_timeout", BUSY_MS_MAX, |_| Ok(()))?;
    connection.pragma_update(None, "cache_size", cache)?;
    Ok(connection)
}

fn format_of(connection: &Connection) -> rusqlite::Result<i32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn writer_number(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT number FROM writer", (), |row| row.get(0))
}

fn failed(action: &str, error: &rusqlite::Error) -> RpcError {
    let code = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => return errors::full(action).caused_by(error),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => k3ts_frames::Code::DataLoss,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => k3ts_frames::Code::Unavailable,
        _ => k3ts_frames::Code::Internal,
    };
    RpcError::new(code, format!("{action}: {error}")).caused_by(error)
}

fn other_format(action: &str, format: i32) -> RpcError {
    RpcError::failed_precondition(format!(
        "{action} as its format must be {FORMAT}, which this program knows: it is {format}"
    ))
}

fn closed(action: &str) -> RpcError {
    RpcError::unavailable(format!("{action} as it is closed"))
}

fn folder_of(file: &Path) -> std::path::Display<'_> {
    file.parent().unwrap_or(file).display()
}
