//! Where the log of a store is, and since when it has one.
//!
//! The engine's own log is a folder of files, `wal/` within the engine's. A file in its place says that the log is ours,
//! and keeps programs from the store that do not know it: without it they would take it for one whose log is empty.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use k3ts_frames::{Code, RpcError};

use crate::log::Name;
use crate::slatedb::NAME;

/// Beside the engine's folder.
pub const FOLDER: &str = "log";

const MANIFESTS: &str = "manifest";
const LOG_OF_ENGINE: &str = "wal";
/// The engine's log on its way out, and the file on its way in.
const LEAVING: &str = "wal.leaving";
const COMING: &str = "wal.coming";

/// Another version of the log has another line, so that no program reads what it does not know.
const FIRST_LINE: &str = "The newest writes of this store are in ../log, version 2, from number ";

/// The first number of the log. None while the store's log is the engine's own, or the store is still to be made.
pub fn origin(store: &Path) -> Result<Option<u64>, RpcError> {
    // Before the file is looked for: a writer has put that on the disk when it makes the first segment.
    let segment = segment(&store.join(FOLDER))?;
    let text = match fs::read_to_string(store.join(NAME).join(LOG_OF_ENGINE)) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory) => {
            return match segment {
                None => Ok(None),
                Some(segment) => Err(RpcError::new(
                    Code::DataLoss,
                    format!(
                        "{NAME}/{LOG_OF_ENGINE} must say from which number on the newest writes are in {FOLDER}/, as \
                         {FOLDER}/{segment} is there: it does not. Restore a backup, or move {FOLDER}/ away to go on \
                         without the writes in it"
                    ),
                )),
            };
        }
        Err(error) => return Err(error.into()),
    };
    let number = text.lines().next().and_then(|line| line.strip_prefix(FIRST_LINE));
    match number.and_then(|number| number.parse().ok()) {
        Some(origin) => Ok(Some(origin)),
        None => Err(RpcError::new(
            Code::DataLoss,
            format!("{NAME}/{LOG_OF_ENGINE} must begin with \"{FIRST_LINE}\" and a number"),
        )),
    }
}

/// One of the log's, if it has any.
fn segment(log: &Path) -> io::Result<Option<String>> {
    let names = match fs::read_dir(log) {
        Ok(names) => names,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    for entry in names {
        let name = entry?.file_name().into_string().ok();
        if let Some(name) = name.filter(|name| Name::parse(name).is_some()) {
            return Ok(Some(name));
        }
    }
    Ok(None)
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
        // Cut short once, after which a program from before made another log: what the first one holds is in tables.
        remove(&engine.join(LEAVING))?;
        fs::rename(engine.join(LOG_OF_ENGINE), engine.join(LEAVING))?;
    }
    fs::rename(engine.join(COMING), engine.join(LOG_OF_ENGINE))?;
    finish(store)
}

/// What `begin` may not have come to: that the log is ours is on the disk, and the engine's is gone.
pub fn finish(store: &Path) -> io::Result<()> {
    let engine = store.join(NAME);
    File::open(&engine)?.sync_all()?;
    remove(&engine.join(LEAVING))
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
