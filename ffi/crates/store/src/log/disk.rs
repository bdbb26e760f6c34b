//! The few things that the log asks of a file system.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// One folder of files.
pub trait Disk: Send + Sync + 'static {
    fn list(&self) -> io::Result<Vec<String>>;
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;
    /// Makes a file that must not be there.
    fn create(&self, name: &str) -> io::Result<Box<dyn LogFile>>;
    fn open(&self, name: &str) -> io::Result<Box<dyn LogFile>>;
    /// What others wrote to a file is on the disk when it returns. Asks for no right to write.
    fn sync_file(&self, name: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Which files there are is on the disk when it returns.
    fn sync_folder(&self) -> io::Result<()>;
}

pub trait LogFile: Send {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()>;
    fn truncate(&mut self, length: u64) -> io::Result<()>;
    /// What was written and its length are on the disk when it returns. After an error nobody knows.
    fn sync(&mut self) -> io::Result<()>;
}

/// A folder of the operating system's.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes the folder if it is missing.
    pub fn make(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        if let Some(parent) = path.parent() {
            File::open(parent)?.sync_all()?;
        }
        Ok(Self(path.to_owned()))
    }

    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }
}

impl Disk for Folder {
    fn list(&self) -> io::Result<Vec<String>> {
        // What has a name that is no text is not the log's.
        let names = fs::read_dir(&self.0)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(Result::transpose).collect()
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.0.join(name))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn LogFile>> {
        let options = OpenOptions::new().write(true).create_new(true).mode(0o600).to_owned();
        Ok(Box::new(options.open(self.0.join(name))?))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(OpenOptions::new().write(true).open(self.0.join(name))?))
    }

    fn sync_file(&self, name: &str) -> io::Result<()> {
        File::open(self.0.join(name))?.sync_data()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.0.join(name))
    }

    fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}

impl LogFile for File {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_must_not_be_written_to_is_synced() {
        // Nobody may open a running program for writing, whatever his rights.
        let program = std::env::current_exe().unwrap();
        let folder = Folder::at(program.parent().unwrap());
        let name = program.file_name().unwrap().to_str().unwrap();
        assert!(folder.open(name).is_err());
        folder.sync_file(name).unwrap();
    }
}
