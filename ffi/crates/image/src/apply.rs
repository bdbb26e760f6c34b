//! Writing one entry of an archive into a tree.

use crate::decompress::TooLarge;
use crate::pax::invalid;
use crate::sys::set_xattr;
use crate::tar::{Entry, Kind, Tar};
use crate::tree::{CleanPath, Tree, at, is_directory, look, open_child};
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{
    FchmodatFlags, Mode, SFlag, UtimensatFlags, fchmod, fchmodat, futimens, makedev, mkdirat, mknodat, utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchown, fchownat, linkat, symlinkat};
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

const COPY_BYTES: usize = 128 * 1024;
const ENTRIES_MAX: u64 = 2_000_000;

/// Devices that every container may use anyway, major and minor. Others are left out: they could only do harm, and a
/// runtime makes those that it wants itself.
const HARMLESS_DEVICES: [(u64, u64); 7] = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2)];

/// Writes entries and keeps account of them.
pub struct Writer {
    pub tree: Tree,
    pub bytes: u64,
    pub entries: u64,
    limit: u64,
    buffer: Vec<u8>,
    /// Set last: whatever is written into a directory changes its time.
    directory_times: Vec<(CleanPath, (i64, i64))>,
}

/// What was where an entry has been put.
#[derive(PartialEq)]
pub enum Replaced {
    Nothing,
    /// A directory that stays, with what is in it.
    Kept,
    Whiteout,
    Other,
}

impl Writer {
    pub fn new(tree: Tree, limit: u64) -> Self {
        Writer {
            tree,
            bytes: 0,
            entries: 0,
            limit,
            buffer: vec![0; COPY_BYTES],
            directory_times: Vec::new(),
        }
    }

    /// Counts an entry, which need not be written.
    pub fn count(&mut self) -> Result<()> {
        self.entries += 1;
        if self.entries > ENTRIES_MAX {
            Err(Error::other(TooLarge))
        } else {
            Ok(())
        }
    }

    pub fn write<R: Read>(&mut self, entry: &Entry, content: &mut Tar<R>) -> Result<Replaced> {
        self.put(entry, content).map_err(|error| at(&entry.path, error))
    }

    fn put<R: Read>(&mut self, entry: &Entry, content: &mut Tar<R>) -> Result<Replaced> {
        let path = CleanPath::parse(&entry.path)?;
        let Some((parent, name)) = path.split() else {
            return self.put_root(entry);
        };
        let parent = self.tree.directory(&parent)?;
        let replaced = self.make_room(entry, &parent, name)?;
        match entry.kind {
            Kind::File => self.put_file(entry, content, &parent, name)?,
            Kind::Directory => {
                if replaced != Replaced::Kept {
                    mkdirat(&*parent, name, Mode::S_IRWXU)?;
                }
                set_attributes(entry, &open_child(&parent, name)?)?;
                self.directory_times.push((path, entry.mtime));
            }
            Kind::SymbolicLink => {
                symlinkat(OsStr::from_bytes(&entry.link), &*parent, name)?;
                set_attributes_at(entry, &parent, name)?;
            }
            Kind::HardLink => self.put_hard_link(entry, &parent, name)?,
            Kind::Fifo => put_node(entry, &parent, name, SFlag::S_IFIFO)?,
            Kind::CharacterDevice if HARMLESS_DEVICES.contains(&entry.device) => {
                put_node(entry, &parent, name, SFlag::S_IFCHR)?;
            }
            Kind::CharacterDevice | Kind::BlockDevice => {}
        }
        Ok(replaced)
    }

    /// The root is there already; only how it looks is the archive's.
    fn put_root(&mut self, entry: &Entry) -> Result<Replaced> {
        if entry.kind != Kind::Directory {
            return Err(invalid("a root that is no directory"));
        }
        set_attributes(entry, self.tree.root())?;
        self.directory_times.push((CleanPath::parse(b"")?, entry.mtime));
        Ok(Replaced::Kept)
    }

    fn make_room(&mut self, entry: &Entry, parent: &OwnedFd, name: &OsStr) -> Result<Replaced> {
        let Some(found) = look(parent, name)? else {
            return Ok(Replaced::Nothing);
        };
        if entry.kind == Kind::Directory && is_directory(&found) {
            return Ok(Replaced::Kept);
        }
        self.tree.remove(parent, name)?;
        Ok(if crate::tree::is_whiteout(&found) {
            Replaced::Whiteout
        } else {
            Replaced::Other
        })
    }

    fn put_file<R: Read>(&mut self, entry: &Entry, content: &mut Tar<R>, parent: &OwnedFd, name: &OsStr) -> Result<()> {
        // Known beforehand: nothing of what is too large is written.
        if entry.size > self.limit.saturating_sub(self.bytes) {
            return Err(Error::other(TooLarge));
        }
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut file = File::from(openat(parent, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
        loop {
            match content.read(&mut self.buffer)? {
                0 => break,
                count => file.write_all(&self.buffer[..count])?,
            }
        }
        self.bytes += entry.size;
        let file = OwnedFd::from(file);
        set_attributes(entry, &file)?;
        let time = time_of(entry.mtime);
        Ok(futimens(&file, &time, &time)?)
    }

    fn put_hard_link(&mut self, entry: &Entry, parent: &OwnedFd, name: &OsStr) -> Result<()> {
        let target = CleanPath::parse(&entry.link)?;
        let (target_parent, target_name) = target.split().ok_or_else(|| invalid("a hard link to its root"))?;
        let target_parent = self.tree.find(&target_parent)?;
        match look(&target_parent, target_name)? {
            Some(found) if is_directory(&found) => Err(invalid("a hard link to a directory")),
            Some(_) => Ok(linkat(&target_parent, target_name, parent, name, AtFlags::empty())?),
            None => Err(invalid(&format!(
                "a hard link to {:?}, which is not in it",
                OsStr::from_bytes(&entry.link)
            ))),
        }
    }

    /// Ends the work: returns the tree.
    pub fn finish(self) -> Result<Tree> {
        for (path, mtime) in self.directory_times.iter().rev() {
            // What has been replaced since by something else has its own time.
            match self.tree.find_plain(path) {
                Ok(directory) => futimens(&directory, &time_of(*mtime), &time_of(*mtime))?,
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.tree)
    }
}

fn is_gone(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
        || matches!(error.raw_os_error(), Some(libc::ELOOP | libc::EXDEV))
}

fn put_node(entry: &Entry, parent: &OwnedFd, name: &OsStr, kind: SFlag) -> Result<()> {
    let device = if kind == SFlag::S_IFCHR {
        makedev(entry.device.0, entry.device.1)
    } else {
        0
    };
    mknodat(parent, name, kind, Mode::S_IRUSR, device)?;
    set_attributes_at(entry, parent, name)?;
    // Just made, and so no link.
    Ok(fchmodat(parent, name, mode_of(entry), FchmodatFlags::FollowSymlink)?)
}

/// The owner first: a change of it takes away the right to run as another user, and capabilities.
fn set_attributes(entry: &Entry, file: &OwnedFd) -> Result<()> {
    fchown(file, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)))?;
    fchmod(file, mode_of(entry))?;
    for (name, value) in entry.xattrs.iter().filter(|(name, _)| is_wanted_xattr(name)) {
        let name = CString::new(name.as_slice()).map_err(|_| invalid("an attribute's name with a zero byte"))?;
        match set_xattr(file, &name, value) {
            // A file system without them runs the image all the same, but for capabilities.
            Err(error)
                if error.raw_os_error() == Some(libc::EOPNOTSUPP) && !name.to_bytes().starts_with(b"security.") => {}
            set => set?,
        }
    }
    Ok(())
}

/// Attributes that mean something to overlayfs would let a layer reach files of others.
fn is_wanted_xattr(name: &[u8]) -> bool {
    name == b"security.capability"
        || name == b"system.posix_acl_access"
        || name == b"system.posix_acl_default"
        || (name.starts_with(b"user.") && !name.starts_with(b"user.overlay."))
}

fn set_attributes_at(entry: &Entry, parent: &OwnedFd, name: &OsStr) -> Result<()> {
    let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
    fchownat(parent, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)?;
    let time = time_of(entry.mtime);
    Ok(utimensat(parent, name, &time, &time, UtimensatFlags::NoFollowSymlink)?)
}

fn mode_of(entry: &Entry) -> Mode {
    Mode::from_bits_truncate(entry.mode & 0o7777)
}

fn time_of((seconds, nanoseconds): (i64, i64)) -> TimeSpec {
    TimeSpec::new(seconds, nanoseconds)
}
