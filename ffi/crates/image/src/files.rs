//! Changes of files, many in one call. Folders of pods may hold links that containers have put there: none is followed,
//! and nothing that is mounted is ever taken for a folder's own.

use crate::mount::{mount, unmount};
use crate::mounts::list_mounts;
use crate::service::absolute;
use k3ts_frames::{ErrorContext, RpcError};
use k3ts_proto::v1::file_step::Step;
use k3ts_proto::v1::{ChangeFilesRequest, MakeDirectory, MakeLink, RemoveFile, RenameFile, UnmountBelow, WriteFile};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat, openat2, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, Permissions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown, fchown, symlink};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Only root's until the content is there.
const MODE_FIRST: u32 = 0o600;
const DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);
/// Directories in directories that are open at the same time: containers make as many as they like.
const DEPTH_MAX: usize = 64;

pub fn change_files(request: &ChangeFilesRequest) -> Result<(), RpcError> {
    for step in &request.steps {
        match &step.step {
            Some(Step::MakeDirectory(step)) => make_directory(step)?,
            Some(Step::WriteFile(step)) => write_file(step)?,
            Some(Step::MakeLink(step)) => make_link(step)?,
            Some(Step::RenameFile(step)) => rename_file(step)?,
            Some(Step::RemoveFile(step)) => remove_file(step)?,
            Some(Step::Mount(step)) => mount(step)?,
            Some(Step::Unmount(step)) => unmount(&step.target)?,
            Some(Step::UnmountBelow(step)) => unmount_below(step)?,
            None => {
                return Err(RpcError::invalid_argument(
                    "Cannot change files as each step must be one that is known: one is not",
                ));
            }
        }
    }
    Ok(())
}

fn make_directory(step: &MakeDirectory) -> Result<(), RpcError> {
    let path = absolute("path", &step.path)?;
    let make = || {
        match DirBuilder::new().mode(step.mode).create(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(step.mode).create(&path)?;
            }
            made => made?,
        }
        if step.gid != 0 {
            chown(&path, None, Some(step.gid))?;
        }
        // The mode given to mkdir is cut by the umask.
        fs::set_permissions(&path, Permissions::from_mode(step.mode))
    };
    make().doing(|| format!("Cannot make the directory {}", path.display()))
}

fn write_file(step: &WriteFile) -> Result<(), RpcError> {
    let path = absolute("path", &step.path)?;
    let written = if step.whole {
        write_whole(step, &path)
    } else {
        open(File::options().create(true).truncate(true), &path).and_then(|file| fill(&file, step))
    };
    written.doing(|| format!("Cannot write {} as its folder must take files", path.display()))
}

fn write_whole(step: &WriteFile, path: &Path) -> io::Result<()> {
    let (beside, file) = beside(path)?;
    let written = fill(&file, step).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

/// A file that nobody else has, in the same folder.
fn beside(path: &Path) -> io::Result<(PathBuf, File)> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    loop {
        let mut name = OsString::from(path);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        name.push(format!(".{:x}-{count:x}.new", process::id()));
        match open(File::options().create_new(true), name.as_ref()) {
            // Left by a process of the same number.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            opened => return Ok((name.into(), opened?)),
        }
    }
}

fn open(options: &mut fs::OpenOptions, path: &Path) -> io::Result<File> {
    options
        .write(true)
        .mode(MODE_FIRST)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
}

fn fill(mut file: &File, step: &WriteFile) -> io::Result<()> {
    file.write_all(&step.content)?;
    if step.uid != 0 || step.gid != 0 {
        fchown(file, Some(step.uid), Some(step.gid))?;
    }
    if step.mode != MODE_FIRST || !step.whole {
        file.set_permissions(Permissions::from_mode(step.mode))?;
    }
    if step.sync { file.sync_data() } else { Ok(()) }
}

fn make_link(step: &MakeLink) -> Result<(), RpcError> {
    let path = absolute("path", &step.path)?;
    symlink(&step.target, &path).doing(|| format!("Cannot make the link {}", path.display()))
}

fn rename_file(step: &RenameFile) -> Result<(), RpcError> {
    let (from, to) = (absolute("from", &step.from)?, absolute("to", &step.to)?);
    fs::rename(&from, &to).doing(|| format!("Cannot rename {} to {}", from.display(), to.display()))
}

fn remove_file(step: &RemoveFile) -> Result<(), RpcError> {
    let path = absolute("path", &step.path)?;
    let removed = match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => match openat(AT_FDCWD, parent, DIRECTORY, Mode::empty()) {
            Ok(parent) => remove(&parent, name, step.below),
            Err(error) => Err(error),
        },
        _ => Err(Errno::EBUSY),
    };
    match removed {
        Ok(()) | Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(()),
        Err(Errno::EXDEV | Errno::EBUSY) => Err(RpcError::failed_precondition(format!(
            "Cannot remove {} as nothing must be mounted there: something is",
            path.display()
        ))),
        Err(error) => Err(io::Error::from(error)).doing(|| format!("Cannot remove {}", path.display())),
    }
}

fn remove(parent: &OwnedFd, name: &OsStr, below: bool) -> nix::Result<()> {
    match unlinkat(parent, name, UnlinkatFlags::NoRemoveDir) {
        Err(Errno::EISDIR) if below => {}
        removed => return removed,
    }
    let root = open_own(parent, name)?;
    if !empty(&root, &root, 0)? {
        return Err(Errno::ENOTEMPTY);
    }
    unlinkat(parent, name, UnlinkatFlags::RemoveDir)
}

/// Removes all that is in a directory, name by name: containers make as many as they like. False when something stays
/// though it was tried.
fn empty(root: &OwnedFd, directory: &OwnedFd, depth: usize) -> nix::Result<bool> {
    loop {
        let (mut gone, mut left) = (0_u64, 0_u64);
        for entry in Dir::openat(directory, ".", DIRECTORY, Mode::empty())?.iter() {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            match take(root, directory, OsStr::from_bytes(name.to_bytes()), depth)? {
                true => gone += 1,
                false => left += 1,
            }
        }
        // What is removed while a directory is read may hide the rest: the next round begins anew.
        if gone == 0 {
            return Ok(left == 0);
        }
    }
}

/// True when the directory has that name no more.
fn take(root: &OwnedFd, directory: &OwnedFd, name: &OsStr, depth: usize) -> nix::Result<bool> {
    match unlinkat(directory, name, UnlinkatFlags::NoRemoveDir) {
        // What others remove meanwhile is gone as well.
        Ok(()) | Err(Errno::ENOENT) => return Ok(true),
        Err(Errno::EISDIR) => {}
        Err(error) => return Err(error),
    }
    if depth == DEPTH_MAX {
        // Right below the root a later round finds it.
        return renameat(directory, name, root, fresh_name().as_str()).map(|()| true);
    }
    empty(root, &open_own(directory, name)?, depth + 1)?;
    match unlinkat(directory, name, UnlinkatFlags::RemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(true),
        Err(Errno::ENOTEMPTY) => Ok(false),
        Err(error) => Err(error),
    }
}

/// One that no container can have thought of.
fn fresh_name() -> String {
    static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!(".deep-{:x}", SECRET.hash_one(COUNT.fetch_add(1, Ordering::Relaxed)))
}

/// The kernel refuses to go where something is mounted, also where that is of the same file system.
fn open_own(parent: &OwnedFd, name: &OsStr) -> nix::Result<OwnedFd> {
    let how = OpenHow::new()
        .flags(DIRECTORY | OFlag::O_NOFOLLOW)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_XDEV);
    openat2(parent, name, how)
}

fn unmount_below(step: &UnmountBelow) -> Result<(), RpcError> {
    // Where nothing is, nothing is mounted; to list what is mounted is costly.
    if fs::symlink_metadata(absolute("path", &step.path)?).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Ok(());
    }
    for target in list_mounts(&step.path)? {
        unmount(&target)?;
    }
    Ok(())
}
