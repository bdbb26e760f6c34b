//! A directory that strangers' paths are written into. Every path is resolved by the kernel as if the directory were
//! the root (openat2 with RESOLVE_IN_ROOT): neither `..` nor a link leads out of it. Last parts of paths are never
//! followed at all.

use crate::decompress::{Cancelled, TooLarge};
use crate::pax::invalid;
use crate::sys::set_xattr;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

const DIRECTORY_MODE: Mode = Mode::from_bits_truncate(0o755);

/// A path of an archive, without empty parts and dots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanPath(Vec<OsString>);

impl CleanPath {
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let parts = bytes
            .split(|byte| *byte == b'/')
            .filter(|part| !part.is_empty() && *part != b".");
        let parts: Vec<OsString> = parts.map(|part| OsString::from_vec(part.to_vec())).collect();
        if parts.iter().any(|part| part == "..") {
            return Err(invalid("a path that climbs"));
        }
        Ok(CleanPath(parts))
    }

    /// The directory and the name in it; `None` for the root.
    pub fn split(&self) -> Option<(CleanPath, &OsStr)> {
        let (name, parents) = self.0.split_last()?;
        Some((CleanPath(parents.to_vec()), name))
    }

    fn to_path(&self) -> PathBuf {
        if self.0.is_empty() {
            PathBuf::from(".")
        } else {
            self.0.iter().collect()
        }
    }
}

pub struct Tree {
    root: OwnedFd,
    /// The directory that was used last: the next entry is most often in the same.
    last: Option<(CleanPath, Rc<OwnedFd>)>,
}

impl Tree {
    pub fn open(root: &Path) -> Result<Self> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        Ok(Tree {
            root: openat(AT_FDCWD, root, flags, Mode::empty())?,
            last: None,
        })
    }

    pub fn root(&self) -> &OwnedFd {
        &self.root
    }

    /// The directory of a path; those that are missing are made.
    pub fn directory(&mut self, path: &CleanPath) -> Result<Rc<OwnedFd>> {
        if let Some((last, fd)) = &self.last
            && last == path
        {
            return Ok(fd.clone());
        }
        let fd = Rc::new(self.open_or_make(path)?);
        self.last = Some((path.clone(), fd.clone()));
        Ok(fd)
    }

    /// A directory that must be there.
    pub fn find(&self, path: &CleanPath) -> Result<OwnedFd> {
        self.resolve(path, ResolveFlag::RESOLVE_IN_ROOT)
    }

    /// A directory that is reached without any link.
    pub fn find_plain(&self, path: &CleanPath) -> Result<OwnedFd> {
        self.resolve(path, ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS)
    }

    fn resolve(&self, path: &CleanPath, how: ResolveFlag) -> Result<OwnedFd> {
        let how = OpenHow::new()
            .flags(OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC)
            .resolve(how | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        loop {
            match openat2(&self.root, &path.to_path(), how) {
                // Something was renamed meanwhile, somewhere.
                Err(Errno::EAGAIN) => {}
                opened => return Ok(opened?),
            }
        }
    }

    fn open_or_make(&self, path: &CleanPath) -> Result<OwnedFd> {
        match self.find(path) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            found => return found,
        }
        let Some((parent, name)) = path.split() else {
            return Err(ErrorKind::NotFound.into());
        };
        let parent = self.open_or_make(&parent)?;
        // A directory after its whiteout: what was there in the layers below is not in it.
        let is_new = look(&parent, name)?.is_some_and(|found| is_whiteout(&found));
        if is_new {
            unlinkat(&parent, name, UnlinkatFlags::NoRemoveDir)?;
        }
        mkdirat(&parent, name, DIRECTORY_MODE)?;
        let made = open_child(&parent, name)?;
        // The process may have taken some of it away (umask).
        fchmod(&made, DIRECTORY_MODE)?;
        if is_new {
            set_opaque(&made)?;
        }
        Ok(made)
    }

    /// Removes what stands at a name, with everything in it.
    pub fn remove(&mut self, parent: &OwnedFd, name: &OsStr) -> Result<()> {
        // It might be the directory that was used last, or a link that led there.
        self.last = None;
        match unlinkat(parent, name, UnlinkatFlags::NoRemoveDir) {
            Err(Errno::EISDIR) => {
                fs::remove_dir_all(Path::new(&format!("/proc/self/fd/{}", parent.as_raw_fd())).join(name))
            }
            removed => Ok(removed?),
        }
    }
}

/// A directory by its name, which must not be a link.
pub fn open_child(parent: &OwnedFd, name: &OsStr) -> Result<OwnedFd> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    Ok(openat(parent, name, flags, Mode::empty())?)
}

/// What stands at a name; links are not followed.
pub fn look(parent: &OwnedFd, name: &OsStr) -> Result<Option<FileStat>> {
    match fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Err(Errno::ENOENT) => Ok(None),
        found => Ok(Some(found?)),
    }
}

pub fn kind_of(found: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT
}

pub fn is_directory(found: &FileStat) -> bool {
    kind_of(found) == SFlag::S_IFDIR
}

/// How overlayfs marks what a layer removes: a character device 0/0.
pub fn is_whiteout(found: &FileStat) -> bool {
    kind_of(found) == SFlag::S_IFCHR && found.st_rdev == 0
}

/// Hides what the layers below have in a directory.
pub fn set_opaque(directory: &OwnedFd) -> Result<()> {
    set_xattr(directory, c"trusted.overlay.opaque", b"y")
}

/// Adds the entry's name to an error. Those with a type of their own are told apart by it, and stay.
pub fn at(path: &[u8], error: Error) -> Error {
    if error
        .get_ref()
        .is_some_and(|inner| inner.is::<TooLarge>() || inner.is::<Cancelled>())
    {
        return error;
    }
    Error::new(error.kind(), format!("{:?}: {error}", OsStr::from_bytes(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_dots_and_slashes_and_must_not_climb() {
        let clean = |text: &str| CleanPath::parse(text.as_bytes()).map(|path| path.to_path());
        assert_eq!(clean("./a//b/").unwrap(), Path::new("a/b"));
        assert_eq!(clean("/etc/passwd").unwrap(), Path::new("etc/passwd"));
        assert_eq!(clean("./").unwrap(), Path::new("."));
        assert!(clean("a/../b").is_err() && clean("..").is_err());
    }

    #[test]
    fn a_link_leads_nowhere_but_into_the_tree() {
        let directory = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/", directory.path().join("up")).unwrap();
        std::os::unix::fs::symlink("../../../..", directory.path().join("out")).unwrap();
        let mut tree = Tree::open(directory.path()).unwrap();
        for path in ["up/inside", "out/inside"] {
            tree.directory(&CleanPath::parse(path.as_bytes()).unwrap()).unwrap();
        }
        assert!(directory.path().join("inside").is_dir());
        assert!(tree.find_plain(&CleanPath::parse(b"up").unwrap()).is_err());
    }
}
