//! Where the log of a store is, and since when it has one.
//!
//! The engine's own log is a folder of files, `wal/` within the engine's. A file in its place says that the log is ours,
//! and keeps programs from the store that do not know it: without it they would take it for one whose log is empty.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use crate::slatedb::NAME;

/// Beside the engine's folder.
pub const FOLDER: &str = "log";

const MANIFESTS: &str = "manifest";
const LOG_OF_ENGINE: &str = "wal";
/// The engine's log on its way out, and the file on its way in.
const LEAVING: &str = "wal.leaving";
const COMING: &str = "wal.coming";

const FIRST_LINE: &str = "The newest writes of this store are in ../log, from number ";

/// The first number of the log. None while the store's log is the engine's own, or the store is still to be made.
pub fn origin(store: &Path) -> io::Result<Option<u64>> {
    let text = match fs::read_to_string(store.join(NAME).join(LOG_OF_ENGINE)) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory) => return Ok(None),
        Err(error) => return Err(error),
    };
    let number = text.lines().next().and_then(|line| line.strip_prefix(FIRST_LINE));
    match number.and_then(|number| number.parse().ok()) {
        Some(origin) => Ok(Some(origin)),
        None => Err(io::Error::new(
            ErrorKind::InvalidData,
            format!("{NAME}/{LOG_OF_ENGINE} must begin with \"{FIRST_LINE}\" and a number"),
        )),
    }
}

/// Whether the engine has written to the store, with a log of its own.
pub fn has_engines_log(store: &Path) -> io::Result<bool> {
    let engine = store.join(NAME);
    if engine.join(LEAVING).exists() && !engine.join(LOG_OF_ENGINE).exists() {
        // Cut short between two steps of `begin`.
        fs::rename(engine.join(LEAVING), engine.join(LOG_OF_ENGINE))?;
    }
    engine.join(MANIFESTS).try_exists()
}

/// From now on the log is ours, and its first number is `origin`. Everything in the engine's is in tables.
pub fn begin(store: &Path, origin: u64) -> io::Result<()> {
    let engine = store.join(NAME);
    DirBuilder::new().recursive(true).mode(0o700).create(&engine)?;
    File::open(store)?.sync_all()?;
    let mut file = File::create(engine.join(COMING))?;
    writeln!(file, "{FIRST_LINE}{origin}")?;
    writeln!(file, "A program that does not know them there cannot open it.")?;
    file.sync_all()?;
    if engine.join(LOG_OF_ENGINE).exists() {
        fs::rename(engine.join(LOG_OF_ENGINE), engine.join(LEAVING))?;
    }
    fs::rename(engine.join(COMING), engine.join(LOG_OF_ENGINE))?;
    File::open(&engine)?.sync_all()?;
    finish(store)
}

/// Takes away the engine's log when it has left.
pub fn finish(store: &Path) -> io::Result<()> {
    match fs::remove_dir_all(store.join(NAME).join(LEAVING)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
