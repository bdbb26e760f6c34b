//! A layer becomes a lower directory of overlayfs.

use crate::apply::{Replaced, Writer};
use crate::decompress::{Counted, archive_error, open};
use crate::tar::{Entry, Tar};
use crate::tree::{CleanPath, Tree, at, is_directory, look, open_child, set_opaque};
use crate::{IsCancelled, pax::invalid};
use k3ts_frames::{Code, ErrorContext, RpcError};
use k3ts_proto::v1::{UnpackLayerRequest, UnpackLayerResponse};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::stat::{Mode, SFlag, mknodat};
use nix::unistd::syncfs;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

const LIMIT_BYTES: u64 = 64 << 30;
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Bookkeeping of an old storage driver, which means nothing here.
const BOOKKEEPING: &[u8] = b".wh..wh.";

/// Unpacks beside the target and renames when all is there, on disk and right.
pub fn unpack_layer(request: &UnpackLayerRequest, is_cancelled: IsCancelled) -> Result<UnpackLayerResponse, RpcError> {
    let target = crate::service::absolute("target", &request.target)?;
    let blob = crate::service::absolute("blob", &request.blob)?;
    if request.media_type.ends_with("+encrypted") {
        return Err(RpcError::unimplemented(format!(
            "Cannot unpack {} as it is encrypted",
            request.blob
        )));
    }
    let limit = if request.limit_bytes == 0 {
        LIMIT_BYTES
    } else {
        request.limit_bytes
    };
    let action = || format!("Cannot unpack {}", request.blob);
    let source = Counted::new(open(&blob)?, limit, is_cancelled);
    let check = |digest: String| match digest == request.diff_id {
        true => Ok(()),
        false => Err(RpcError::new(
            Code::DataLoss,
            format!(
                "{} as its diff id must be {}: it is {digest}",
                action(),
                request.diff_id
            ),
        )),
    };
    // Whoever only knows what somebody else's layer is called does not get it.
    if target.exists() {
        check(source.finish().map_err(|error| archive_error(action(), error))?)?;
        return Ok(UnpackLayerResponse::default());
    }
    let workplace = Workplace::beside(&target)?;
    let (response, digest) = unpack(&workplace.path, source, limit).map_err(|error| archive_error(action(), error))?;
    check(digest)?;
    workplace.become_target(&target)?;
    Ok(response)
}

fn unpack(root: &Path, source: Counted, limit: u64) -> io::Result<(UnpackLayerResponse, String)> {
    let mut writer = Writer::new(Tree::open(root)?, limit);
    let mut tar = Tar::new(source);
    while let Some(entry) = tar.next_entry()? {
        writer.count()?;
        let name = entry
            .path
            .rsplit(|byte| *byte == b'/')
            .find(|part| !part.is_empty())
            .unwrap_or_default();
        if name.starts_with(WHITEOUT) {
            white_out(&mut writer.tree, &entry, name).map_err(|error| at(&entry.path, error))?;
        } else if writer.write(&entry, &mut tar)? == Replaced::Whiteout {
            // What was there before is gone, and not under the new directory.
            make_opaque(&mut writer.tree, &CleanPath::parse(&entry.path)?)?;
        }
    }
    let digest = tar.into_source().finish()?;
    let (bytes, entries) = (writer.bytes, writer.entries);
    syncfs(writer.finish()?.root())?;
    Ok((UnpackLayerResponse { bytes, entries }, digest))
}

/// A whiteout hides what is in the layers below, never what is in its own.
fn white_out(tree: &mut Tree, entry: &Entry, name: &[u8]) -> io::Result<()> {
    let path = CleanPath::parse(&entry.path)?;
    let Some((parent, _)) = path.split() else { return Ok(()) };
    if name == OPAQUE {
        tree.directory(&parent)?;
        return make_opaque(tree, &parent);
    }
    if name.starts_with(BOOKKEEPING) {
        return Ok(());
    }
    let hidden = OsStr::from_bytes(&name[WHITEOUT.len()..]);
    if hidden.is_empty() || hidden == "." || hidden == ".." {
        return Err(invalid("a whiteout of nothing"));
    }
    let parent = tree.directory(&parent)?;
    match look(&parent, hidden)? {
        None => Ok(mknodat(&*parent, hidden, SFlag::S_IFCHR, Mode::empty(), 0)?),
        Some(found) if is_directory(&found) => set_opaque(&open_child(&parent, hidden)?),
        Some(_) => Ok(()),
    }
}

/// Nothing but a directory can be opaque.
fn make_opaque(tree: &mut Tree, path: &CleanPath) -> io::Result<()> {
    let Some((parent, name)) = path.split() else {
        return set_opaque(tree.root());
    };
    let parent = tree.directory(&parent)?;
    match look(&parent, name)? {
        Some(found) if is_directory(&found) => set_opaque(&open_child(&parent, name)?),
        _ => Ok(()),
    }
}

/// A directory to work in, removed with everything in it unless it became the target. It is locked, so that what is
/// left by a process that was killed can be told from what another is working in.
struct Workplace {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Workplace {
    fn beside(target: &Path) -> Result<Self, RpcError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let doing = || format!("Cannot make a place to unpack {}", target.display());
        let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
            return Err(RpcError::invalid_argument(format!("{}: it has no name", doing())));
        };
        fs::create_dir_all(parent).doing(doing)?;
        let prefix = format!(".{}.unpacking-", name.display());
        remove_abandoned(parent, &prefix).doing(doing)?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("{prefix}{}-{number}", std::process::id()));
        fs::create_dir(&path).doing(doing)?;
        fs::set_permissions(&path, Permissions::from_mode(0o755)).doing(doing)?;
        let lock = File::open(&path)
            .and_then(|file| lock(file, FlockArg::LockShared))
            .doing(doing)?;
        Ok(Workplace { path, _lock: lock })
    }

    /// Whoever comes second finds that the work is done.
    fn become_target(&self, target: &Path) -> Result<(), RpcError> {
        let renamed = fs::rename(&self.path, target).and_then(|()| match target.parent() {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        });
        match renamed {
            Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => Ok(()),
            renamed => renamed.doing(|| format!("Cannot put {} in its place", target.display())),
        }
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        // After the rename there is nothing of this name.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Directories that nobody has locked. One that has just been made and is not locked yet makes its owner fail, who is
/// another process then, and of a node there is one.
fn remove_abandoned(parent: &Path, prefix: &str) -> io::Result<()> {
    for entry in fs::read_dir(parent)?.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(prefix) {
            continue;
        }
        let is_abandoned = File::open(entry.path())
            .and_then(|file| lock(file, FlockArg::LockExclusiveNonblock))
            .is_ok();
        if is_abandoned {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn lock(file: File, how: FlockArg) -> io::Result<Flock<File>> {
    Flock::lock(file, how).map_err(|(_, error)| error.into())
}
