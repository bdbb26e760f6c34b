//! What keeps the rows: one of two engines. Which one a folder has is told by what lies in it.

use std::path::Path;
use std::sync::Arc;

use k3ts_frames::{RpcError, ServerStream};
use k3ts_proto::v1::{ScanRequest, ScanResponse, StoreEngine};

use crate::folder::HeldFolder;
use crate::operations::Operation;
use crate::slatedb::SlateDb;
use crate::sqlite::Sqlite;

/// Open for writing. A writer that opens a store fences the one before it.
pub enum Engine {
    SlateDb(SlateDb),
    Sqlite(Sqlite),
}

impl Engine {
    pub async fn open(kind: StoreEngine, folder: &Arc<HeldFolder>) -> Result<Self, RpcError> {
        match of_folder(&folder.path, kind)?.unwrap_or(StoreEngine::Slatedb) {
            StoreEngine::Sqlite => Ok(Self::Sqlite(Sqlite::open(&folder.path).await?)),
            _ => Ok(Self::SlateDb(SlateDb::open(folder).await?)),
        }
    }

    pub fn kind(&self) -> StoreEngine {
        match self {
            Self::SlateDb(_) => StoreEngine::Slatedb,
            Self::Sqlite(_) => StoreEngine::Sqlite,
        }
    }

    /// Writes batches in their order, durable when it answers. After a failure the outcome is unknown.
    pub async fn commit(&self, batches: Vec<Vec<Operation>>) -> Result<(), RpcError> {
        match self {
            Self::SlateDb(engine) => engine.commit(batches).await,
            Self::Sqlite(engine) => engine.commit(batches).await,
        }
    }

    pub async fn scan(&self, request: ScanRequest, pages: ServerStream<ScanResponse>) -> Result<(), RpcError> {
        match self {
            Self::SlateDb(engine) => engine.scan(request, pages).await,
            Self::Sqlite(engine) => engine.scan(request, pages).await,
        }
    }

    pub async fn close(&self) -> Result<(), RpcError> {
        match self {
            Self::SlateDb(engine) => engine.close().await,
            Self::Sqlite(engine) => engine.close().await,
        }
    }
}

/// Refuses a folder that cannot be read as it is. Fences nobody.
pub async fn probe(kind: StoreEngine, path: &Path) -> Result<StoreEngine, RpcError> {
    let kind = made_by(path, kind)?;
    match kind {
        StoreEngine::Sqlite => crate::sqlite::probe(path).await?,
        _ => crate::slatedb::probe(path).await?,
    }
    Ok(kind)
}

/// Scans a folder as it is now, beside its writer if there is one.
pub async fn scan(path: &Path, request: ScanRequest, pages: ServerStream<ScanResponse>) -> Result<(), RpcError> {
    match made_by(path, StoreEngine::Unspecified)? {
        StoreEngine::Sqlite => crate::sqlite::scan(path, request, pages).await,
        _ => crate::slatedb::scan(path, request, pages).await,
    }
}

fn made_by(path: &Path, wanted: StoreEngine) -> Result<StoreEngine, RpcError> {
    of_folder(path, wanted)?.ok_or_else(|| {
        RpcError::not_found(format!(
            "Cannot read the store in {} as a writer must have made it: there is none",
            path.display()
        ))
    })
}

/// The engine of a folder: what made it or, where nothing has yet, what is wanted.
fn of_folder(path: &Path, wanted: StoreEngine) -> Result<Option<StoreEngine>, RpcError> {
    let found = [
        (StoreEngine::Slatedb, crate::slatedb::NAME),
        (StoreEngine::Sqlite, crate::sqlite::NAME),
    ]
    .into_iter()
    .filter(|(_, name)| path.join(name).exists())
    .map(|(kind, _)| kind)
    .collect::<Vec<_>>();
    match found[..] {
        [] if wanted == StoreEngine::Unspecified => Ok(None),
        [] => Ok(Some(wanted)),
        [kind] if wanted == kind || wanted == StoreEngine::Unspecified => Ok(Some(kind)),
        [kind] => Err(RpcError::failed_precondition(format!(
            "Cannot open the store in {} as {} as it must stay with the engine that made it: that is {}",
            path.display(),
            name_of(wanted),
            name_of(kind)
        ))),
        _ => Err(RpcError::failed_precondition(format!(
            "Cannot open the store in {} as one engine must have made it: both {} and {} are there",
            path.display(),
            crate::slatedb::NAME,
            crate::sqlite::NAME
        ))),
    }
}

fn name_of(kind: StoreEngine) -> &'static str {
    match kind {
        StoreEngine::Sqlite => "sqlite",
        _ => "slatedb",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stays_with_the_engine_that_made_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        assert_eq!(of_folder(path, StoreEngine::Unspecified).unwrap(), None);
        assert_eq!(of_folder(path, StoreEngine::Sqlite).unwrap(), Some(StoreEngine::Sqlite));
        std::fs::create_dir(path.join(crate::slatedb::NAME)).unwrap();
        assert_eq!(
            of_folder(path, StoreEngine::Unspecified).unwrap(),
            Some(StoreEngine::Slatedb)
        );
        let error = of_folder(path, StoreEngine::Sqlite).unwrap_err();
        assert!(
            error
                .message
                .ends_with("as sqlite as it must stay with the engine that made it: that is slatedb"),
            "{error}"
        );
        std::fs::write(path.join(crate::sqlite::NAME), "").unwrap();
        assert!(of_folder(path, StoreEngine::Slatedb).is_err());
    }
}
