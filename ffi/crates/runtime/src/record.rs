//! What is kept on disk of a container: a record under the state directory, and its own directory's files.

use crate::settings::Settings;
use k3ts_frames::{ErrorContext, RpcError};
use k3ts_shim::files;
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const ID_BYTES_MAX: usize = 100;

#[derive(Serialize, Deserialize)]
pub struct Record {
    pub directory: PathBuf,
    pub bundle: PathBuf,
}

/// How a container ended, as the shim writes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exit {
    pub code: i32,
    pub signal: i32,
    pub finished_at: String,
    pub oom_killed: bool,
}

pub fn check_id(id: &str) -> Result<(), RpcError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if !id.is_empty() && id.len() <= ID_BYTES_MAX && !id.starts_with('.') && id.bytes().all(fits) {
        return Ok(());
    }
    Err(RpcError::invalid_argument(format!(
        "Cannot name a container {id:?} as an id must be 1 to {ID_BYTES_MAX} of [a-zA-Z0-9_.-] and not begin with a dot"
    )))
}

impl Record {
    /// None also where it was cut short, as a loss of power leaves what was not written to the disk: no process that it
    /// tells of can have outlived that.
    pub fn read(settings: &Settings, id: &str) -> Result<Option<Record>, RpcError> {
        check_id(id)?;
        let path = path_of(settings, id);
        match fs::read(&path) {
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).doing(|| format!("Cannot read {}", path.display())),
        }
    }

    /// Also one that cannot be read.
    pub fn is_there(settings: &Settings, id: &str) -> bool {
        path_of(settings, id).exists()
    }

    /// The record of a container that must be there.
    pub fn find(settings: &Settings, id: &str) -> Result<Record, RpcError> {
        Record::read(settings, id)?
            .ok_or_else(|| RpcError::not_found(format!("Cannot find container {id:?} as there is none of that id")))
    }

    pub fn write(&self, settings: &Settings, id: &str) -> Result<(), RpcError> {
        let temporary = settings.records.join(format!(".{id}"));
        let text =
            serde_json::to_vec(self).or_rpc(k3ts_frames::Code::Internal, || "Cannot write a record".to_owned())?;
        fs::write(&temporary, text)
            .and_then(|()| fs::rename(&temporary, path_of(settings, id)))
            .doing(|| format!("Cannot write the record of container {id:?}"))
    }

    pub fn remove(settings: &Settings, id: &str) -> Result<(), RpcError> {
        match fs::remove_file(path_of(settings, id)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).doing(|| format!("Cannot remove the record of container {id:?}"))
            }
            _ => Ok(()),
        }
    }

    /// Ids of all records, sorted.
    pub fn ids(settings: &Settings) -> Result<Vec<String>, RpcError> {
        let entries = fs::read_dir(&settings.records).doing(|| "Cannot list the containers".to_owned())?;
        let names = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        let mut ids: Vec<String> = names.filter_map(|name| Record::id_of(name.as_ref())).collect();
        ids.sort();
        Ok(ids)
    }

    /// Whose record a file of that name is, if it is one.
    pub fn id_of(file: &OsStr) -> Option<String> {
        let id = file.to_str()?.strip_suffix(".json")?;
        check_id(id).ok()?;
        Some(id.to_owned())
    }

    pub fn exit(&self) -> Option<Exit> {
        serde_json::from_slice(&fs::read(self.directory.join(files::EXIT)).ok()?).ok()
    }

    pub fn pid(&self) -> Option<i32> {
        read_pid(&self.directory.join(files::PID))
    }

    pub fn started_at(&self) -> String {
        fs::read_to_string(self.directory.join(files::STARTED)).unwrap_or_default()
    }

    /// The shim's process id, if it lives: then it holds the lock of its file.
    pub fn shim_pid(&self) -> Option<i32> {
        let path = self.directory.join(files::SHIM_PID);
        match File::open(&path).ok()?.try_lock_shared() {
            Err(TryLockError::WouldBlock) => read_pid(&path),
            _ => None,
        }
    }
}

fn path_of(settings: &Settings, id: &str) -> PathBuf {
    settings.records.join(format!("{id}.json"))
}

fn read_pid(path: &Path) -> Option<i32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_no_path() {
        for id in ["a", "a.b_c-9", &"x".repeat(100)] {
            assert!(check_id(id).is_ok(), "{id}");
        }
        for id in ["", ".", "..", ".a", "a/b", "a b", "ä", &"x".repeat(101)] {
            assert!(check_id(id).is_err(), "{id}");
        }
    }

    #[test]
    fn reads_what_the_shim_writes() {
        let text = r#"{"code":137,"signal":9,"finishedAt":"2026-01-02T03:04:05.000000006Z","oomKilled":true}"#;
        let exit: Exit = serde_json::from_str(text).unwrap();
        assert_eq!((exit.code, exit.signal, exit.oom_killed), (137, 9, true));
    }
}
