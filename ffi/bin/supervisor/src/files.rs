//! The supervisor's own files: its lock, and who was running when it was last heard of.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, Flock, FlockArg, RenameFlags, renameat2};
use serde::{Deserialize, Serialize};

use crate::config::{Config, Process, Socket};

/// The record takes multiples of so many bytes.
const ROOM: usize = 32 * 1024;

#[derive(Clone)]
pub struct Paths {
    data: PathBuf,
}

/// What a later supervisor must know to go on where this one ended.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record {
    pub boot_id: String,
    pub sockets: Vec<RecordedSocket>,
    pub processes: Vec<RecordedProcess>,
    /// Those that others have replaced, or that were to replace others and have not said that they are ready.
    pub leaving: Vec<RecordedProcess>,
}

#[derive(Serialize, Deserialize)]
pub struct RecordedSocket {
    #[serde(flatten)]
    pub socket: Socket,
    pub inode: u64,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedProcess {
    pub process: Process,
    pub pid: i32,
    pub start_ticks: u64,
    pub started_at_ms: i64,
    pub restarts: u32,
    pub last_exit: String,
}

impl Paths {
    /// Makes the folders that are missing, for their owner only.
    pub fn new(data: &Path) -> Result<Self, String> {
        let failed = |error: io::Error| {
            format!(
                "Cannot use {} as it must be a folder to write to: {error}",
                data.display()
            )
        };
        let data = std::path::absolute(data).map_err(failed)?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data.join("run"))
            .map_err(failed)?;
        Ok(Self { data })
    }

    pub fn control(&self) -> PathBuf {
        self.data.join("run/supervisor.sock")
    }

    /// Where processes say that they are ready.
    pub fn notify(&self) -> PathBuf {
        self.data.join("run/notify.sock")
    }

    fn config(&self) -> PathBuf {
        self.data.join("run/supervisor.json")
    }

    fn record(&self) -> PathBuf {
        self.data.join("run/processes.json")
    }

    /// Holds until it is dropped; the kernel gives it up when the process ends, however it ends.
    pub fn lock(&self) -> Result<Flock<File>, String> {
        let path = self.data.join("lock");
        let failed = |reason: String| {
            format!(
                "Cannot supervise {} as one supervisor at a time may hold its lock: {reason}",
                self.data.display()
            )
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let file = file.map_err(|error| failed(error.to_string()))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut lock) => {
                // Written over what was there, for which a full disk has room.
                let text = format!("{}\n", std::process::id());
                let written = lock.write_all(text.as_bytes());
                let written = written.and_then(|()| lock.set_len(text.len() as u64));
                written.map_err(|error| failed(error.to_string()))?;
                Ok(lock)
            }
            Err((mut file, _)) => {
                let mut pid = String::new();
                let _ = file.read_to_string(&mut pid);
                Err(failed(format!("process {} holds it", pid.trim())))
            }
        }
    }

    /// Without a file, nothing is to run until somebody configures it.
    pub fn read_config(&self) -> Result<Config, String> {
        match fs::read_to_string(self.config()) {
            Ok(text) => Config::from_json(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Config::default()),
            Err(error) => Err(format!("Cannot read {}: {error}", self.config().display())),
        }
    }

    pub fn write_config(&self, config: &Config) -> Result<(), String> {
        replace(&self.config(), &config.to_json())
    }

    /// An unreadable record is as good as none: then nothing is adopted.
    pub fn read_record(&self) -> Record {
        fs::read_to_string(self.record())
            .ok()
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default()
    }

    pub fn write_record(&self, record: &Record) -> Result<(), String> {
        exchange(&self.record(), &serde_json::to_string(record).unwrap_or_default())
    }
}

/// As `replace`, and on a full disk too: what is not the file just now is kept beside it, as large, and written over.
/// A process that is not on record would be started a second time by the next supervisor.
fn exchange(path: &Path, text: &str) -> Result<(), String> {
    let spare = path.with_extension("spare");
    let length = text.len().next_multiple_of(ROOM);
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&spare)?;
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(length, b' ');
        file.write_all(&bytes)?;
        file.set_len(length as u64)?;
        if path.exists() {
            renameat2(AT_FDCWD, &spare, AT_FDCWD, path, RenameFlags::RENAME_EXCHANGE)?;
            Ok(())
        } else {
            fs::rename(&spare, path)
        }
    };
    write().map_err(|error: io::Error| unwritable(path, &error))
}

/// Readers see the old text or the new one, whatever happens in between.
fn replace(path: &Path, text: &str) -> Result<(), String> {
    let fresh = path.with_extension("new");
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(text.as_bytes())?;
        fs::rename(&fresh, path)
    };
    write().map_err(|error: io::Error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &io::Error) -> String {
    format!(
        "Cannot write {} as its folder must be writable: {error}",
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_written_over_what_it_was_before_the_last_time() {
        let folder = std::env::temp_dir().join(format!("k3ts-record-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("processes.json");
        let inode = || std::os::unix::fs::MetadataExt::ino(&fs::metadata(&path).unwrap());
        let mut inodes = Vec::new();
        for text in [
            "first",
            "second, which is longer",
            "third",
            &"x".repeat(ROOM + 1),
            "fifth",
        ] {
            exchange(&path, text).unwrap();
            let written = fs::read_to_string(&path).unwrap();
            assert_eq!((written.trim_end(), written.len() % ROOM), (text, 0));
            inodes.push(inode());
        }
        assert_eq!([inodes[0], inodes[1]], [inodes[2], inodes[3]]);
        assert_ne!(inodes[0], inodes[1]);
        fs::remove_dir_all(&folder).unwrap();
    }
}
