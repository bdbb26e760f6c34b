//! Binding what lies below a volume. Containers write to volumes while this runs, so that a path that was checked a
//! moment ago may lead anywhere by now: it is the kernel that resolves it, and what it found is what is bound.

use crate::service::absolute;
use k3ts_frames::{ErrorContext, RpcError};
use k3ts_proto::v1::BindBelowRequest;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, SFlag, fchmod, fstat, mkdirat};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

pub fn bind_below(request: &BindBelowRequest) -> Result<(), RpcError> {
    let root = absolute("root", &request.root)?;
    let target = absolute("target", &request.target)?;
    let doing = || format!("Cannot bind {:?} of {}", request.path, root.display());
    let path = Path::new(&request.path);
    let is_plain = path
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !is_plain {
        return Err(RpcError::invalid_argument(format!(
            "{} as the path must be relative and must not climb",
            doing()
        )));
    }
    let open_root = OFlag::O_PATH | OFlag::O_CLOEXEC;
    let root = openat(AT_FDCWD, &root, open_root, Mode::empty())
        .map_err(io::Error::from)
        .doing(doing)?;
    match open_or_make(&root, path) {
        Ok(found) => bind(&found, &target).doing(doing),
        Err(Errno::EXDEV | Errno::ELOOP) => Err(RpcError::failed_precondition(format!(
            "{} as it must stay inside its volume: a link leads out",
            doing()
        ))),
        Err(error) => Err(io::Error::from(error)).doing(doing),
    }
}

fn beneath(root: &OwnedFd, path: &Path) -> nix::Result<OwnedFd> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    openat2(root, path, how)
}

/// What is missing is made with the root's own mode.
fn open_or_make(root: &OwnedFd, path: &Path) -> nix::Result<OwnedFd> {
    match beneath(root, path) {
        Err(Errno::ENOENT) => {}
        found => return found,
    }
    let mode = Mode::from_bits_truncate(fstat(root)?.st_mode & 0o7777);
    let mut made = PathBuf::new();
    let mut parent = beneath(root, Path::new("."))?;
    for part in path.components().filter(|part| *part != Component::CurDir) {
        made.push(part);
        parent = match beneath(root, &made) {
            Err(Errno::ENOENT) => {
                let name = Path::new(part.as_os_str());
                match mkdirat(&parent, name, mode) {
                    Ok(()) | Err(Errno::EEXIST) => {}
                    Err(error) => return Err(error),
                }
                let how = OpenHow::new()
                    .flags(OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC)
                    .resolve(ResolveFlag::RESOLVE_BENEATH);
                let fresh = openat2(&parent, name, how)?;
                // The mode given to mkdir is cut by the umask.
                fchmod(&fresh, mode)?;
                fresh
            }
            found => found?,
        };
    }
    beneath(root, path)
}

fn bind(found: &OwnedFd, target: &Path) -> io::Result<()> {
    let is_directory = SFlag::from_bits_truncate(fstat(found)?.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFDIR;
    if is_directory {
        fs::create_dir_all(target)?;
    } else {
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        File::options().write(true).create(true).truncate(false).open(target)?;
    }
    let source = format!("/proc/thread-self/fd/{}", found.as_raw_fd());
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    Ok(mount(Some(source.as_str()), target, None::<&str>, flags, None::<&str>)?)
}
