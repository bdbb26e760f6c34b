//! How much of the disk directories take.

use crate::service::absolute;
use k3ts_frames::RpcError;
use k3ts_proto::v1::DiskUsage;
use nix::dir::Dir;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat};
use std::collections::HashSet;
use std::ffi::CString;
use std::os::fd::AsFd;
use std::path::Path;

/// What lies deeper is not counted: every level holds a descriptor while it is looked at.
const DEPTH_MAX: usize = 200;
/// As `st_blocks` counts.
const BLOCK_BYTES: u64 = 512;

pub fn measure(paths: &[String]) -> Result<Vec<DiskUsage>, RpcError> {
    let measured = paths.iter().map(|path| {
        let path = absolute("path", path)?;
        Ok(usage_of(&path))
    });
    measured.collect()
}

/// What cannot be read, or goes while it is counted, counts as nothing.
fn usage_of(path: &Path) -> DiskUsage {
    let mut walk = Walk::default();
    if let Ok(top) = fstatat(AT_FDCWD, path, AtFlags::AT_SYMLINK_NOFOLLOW) {
        walk.device = top.st_dev;
        walk.count(&top);
        if is_directory(&top)
            && let Ok(directory) = Dir::open(path, flags(), Mode::empty())
        {
            walk.below(directory, DEPTH_MAX);
        }
    }
    walk.total
}

#[derive(Default)]
struct Walk {
    total: DiskUsage,
    device: u64,
    /// Files that have several names.
    linked: HashSet<u64>,
}

impl Walk {
    fn below(&mut self, mut directory: Dir, depth: usize) {
        let mut below: Vec<CString> = Vec::new();
        let Ok(own) = directory.as_fd().try_clone_to_owned() else {
            return;
        };
        // One by one: containers make as many as they like.
        for entry in directory.iter().flatten() {
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let Ok(found) = fstatat(&own, name, AtFlags::AT_SYMLINK_NOFOLLOW) else {
                continue;
            };
            if found.st_dev != self.device {
                continue;
            }
            self.count(&found);
            if is_directory(&found) {
                below.push(name.to_owned());
            }
        }
        drop(own);
        if depth == 0 {
            return;
        }
        for name in below {
            if let Ok(child) = Dir::openat(directory.as_fd(), name.as_c_str(), flags(), Mode::empty()) {
                self.below(child, depth - 1);
            }
        }
    }

    fn count(&mut self, found: &FileStat) {
        if !is_directory(found) && found.st_nlink > 1 && !self.linked.insert(found.st_ino) {
            return;
        }
        self.total.inodes += 1;
        self.total.bytes += u64::try_from(found.st_blocks).unwrap_or(0) * BLOCK_BYTES;
    }
}

/// A link that has taken a directory's place meanwhile is not followed.
fn flags() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC
}

fn is_directory(found: &FileStat) -> bool {
    found.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFDIR.bits()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn counts_what_is_allocated_once_and_follows_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("inner/file");
        fs::create_dir(folder.path().join("inner")).unwrap();
        fs::write(&file, vec![1; 100_000]).unwrap();
        fs::hard_link(&file, folder.path().join("again")).unwrap();
        symlink("/", folder.path().join("everything")).unwrap();
        let usage = usage_of(folder.path());
        assert_eq!(usage.inodes, 4);
        assert!((100_000..200_000).contains(&usage.bytes), "{}", usage.bytes);
        assert_eq!(usage_of(&folder.path().join("nothing")), DiskUsage::default());
    }
}
