//! The folder of a store, and the lock that lets one process write to it.

use std::collections::HashMap;
use std::fs::{DirBuilder, File, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use k3ts_frames::{ErrorContext, RpcError};

use crate::log::Tenure;

/// Beside the engine's own folder.
const LOCK_FILE: &str = "LOCK";

/// The path of `file:///absolute/path`.
pub fn path_of(url: &str) -> Result<PathBuf, RpcError> {
    match url.strip_prefix("file://") {
        Some(path) if path.starts_with('/') => Ok(PathBuf::from(path)),
        _ => Err(RpcError::invalid_argument(format!(
            "Cannot open a store as its url must be file:///absolute/path: current value is \"{url}\""
        ))),
    }
}

/// Folders that this process writes to. A second writer in the process shares the lock of the first, which the
/// engine then fences; a second process is refused, as the engine would otherwise fence one that works.
#[derive(Default)]
pub struct Folders {
    held: Mutex<HashMap<PathBuf, Weak<HeldFolder>>>,
}

/// Held by the process until it is dropped.
pub struct HeldFolder {
    pub path: PathBuf,
    pub log: Tenure,
    _lock: File,
}

impl Folders {
    /// Makes the folder if it is missing.
    pub fn hold(&self, path: &Path) -> Result<Arc<HeldFolder>, RpcError> {
        let action = || format!("Cannot open the store in {}", path.display());
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .doing(action)?;
        let path = path.canonicalize().doing(action)?;
        if let Some(parent) = path.parent() {
            // Or the folder itself might be gone after a loss of power, with all that was synced in it.
            File::open(parent).and_then(|parent| parent.sync_all()).doing(action)?;
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = held.get(&path).and_then(Weak::upgrade) {
            return Ok(folder);
        }
        held.retain(|_, folder| folder.strong_count() > 0);
        let folder = Arc::new(HeldFolder {
            _lock: lock(&path)?,
            path: path.clone(),
            log: Tenure::default(),
        });
        held.insert(path, Arc::downgrade(&folder));
        Ok(folder)
    }
}

fn lock(path: &Path) -> Result<File, RpcError> {
    let action = || format!("Cannot lock the store in {}", path.display());
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path.join(LOCK_FILE))
        .doing(action)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Only for the message.
            let _ = file.read_to_string(&mut holder);
            return Err(RpcError::failed_precondition(format!(
                "Cannot open the store in {} as no other process may hold it: process {} does",
                path.display(),
                holder.trim()
            )));
        }
        Err(TryLockError::Error(error)) => return Err(error).doing(action),
    }
    file.set_len(0).doing(action)?;
    writeln!(file, "{}", std::process::id()).doing(action)?;
    Ok(file)
}
