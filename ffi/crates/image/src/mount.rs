//! Mounting and unmounting.

use crate::mount_options::{MountOptions, parse};
use crate::service::absolute;
use k3ts_frames::{ErrorContext, RpcError};
use k3ts_proto::v1::MountRequest;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::mount::{MntFlags, MsFlags, mount as mount_call, umount2};
use nix::sys::stat::Mode;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

/// What mount(2) takes as data: a page, with the zero byte at its end.
const DATA_BYTES_MAX: usize = 4095;
/// Mounts on top of each other at one place.
const STACK_MAX: usize = 64;

pub fn mount(request: &MountRequest) -> Result<(), RpcError> {
    let target = absolute("target", &request.target)?;
    let options = parse(&request.r#type, &request.options);
    let doing = || {
        format!(
            "Cannot mount {:?} of type {:?} at {}",
            request.source,
            request.r#type,
            target.display()
        )
    };
    make_target(&request.source, &target, &options).doing(doing)?;
    let flags = options.flags.0;
    let is_bind = flags.intersects(MsFlags::MS_BIND) && !flags.contains(MsFlags::MS_REMOUNT);
    if is_bind {
        bind(&request.source, &target, flags).doing(doing)?;
    } else {
        let source = Some(request.source.as_str()).filter(|source| !source.is_empty());
        let kind = Some(request.r#type.as_str()).filter(|kind| !kind.is_empty());
        // The directories stay open until the call is over.
        let (data, _layers) = data_of(&options).doing(doing)?;
        let data = Some(data.as_str()).filter(|data| !data.is_empty());
        mount_call(source, &target, kind, flags, data)
            .map_err(io::Error::from)
            .doing(doing)?;
    }
    for propagation in &options.propagation {
        let set = mount_call(None::<&str>, &target, None::<&str>, *propagation, None::<&str>);
        undo_if_failed(&target, set.map_err(io::Error::from)).doing(doing)?;
    }
    Ok(())
}

/// A bind takes its flags in a second call.
fn bind(source: &str, target: &Path, flags: MsFlags) -> io::Result<()> {
    let how = flags & (MsFlags::MS_BIND | MsFlags::MS_REC);
    mount_call(Some(source), target, None::<&str>, how, None::<&str>)?;
    let rest = flags - how;
    if rest.is_empty() {
        return Ok(());
    }
    let again = rest | MsFlags::MS_BIND | MsFlags::MS_REMOUNT;
    let set = mount_call(None::<&str>, target, None::<&str>, again, None::<&str>);
    undo_if_failed(target, set.map_err(io::Error::from))
}

fn undo_if_failed(target: &Path, set: io::Result<()>) -> io::Result<()> {
    if set.is_err() {
        umount2(target, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW)?;
    }
    set
}

fn make_target(source: &str, target: &Path, options: &MountOptions) -> io::Result<()> {
    if target.exists() {
        return Ok(());
    }
    let binds_file = options.flags.0.contains(MsFlags::MS_BIND) && fs::metadata(source).is_ok_and(|it| !it.is_dir());
    if !binds_file {
        return fs::create_dir_all(target);
    }
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    File::create(target).map(drop)
}

/// Many layers make more data than fits: then each is named by a descriptor, which is short. The kernel looks them up
/// during the call and keeps what it found.
fn data_of(options: &MountOptions) -> io::Result<(String, Vec<OwnedFd>)> {
    let whole = options.data.join(",");
    if whole.len() <= DATA_BYTES_MAX {
        return Ok((whole, Vec::new()));
    }
    let (mut words, mut layers) = (Vec::new(), Vec::new());
    for word in &options.data {
        match word.strip_prefix("lowerdir=") {
            None => words.push(word.clone()),
            Some(paths) => {
                let mut names = Vec::new();
                for path in split_layers(paths) {
                    let fd = openat(
                        AT_FDCWD,
                        path.as_str(),
                        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
                        Mode::empty(),
                    )
                    .map_err(|error| io::Error::new(io::Error::from(error).kind(), format!("{path}: {error}")))?;
                    names.push(format!("/proc/self/fd/{}", fd.as_raw_fd()));
                    layers.push(fd);
                }
                words.push(format!("lowerdir={}", names.join(":")));
            }
        }
    }
    match words.join(",") {
        data if data.len() <= DATA_BYTES_MAX => Ok((data, layers)),
        data => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "options must be at most {DATA_BYTES_MAX} bytes: they are {}",
                data.len()
            ),
        )),
    }
}

/// At colons; what follows a backslash is meant literally.
fn split_layers(paths: &str) -> Vec<String> {
    let (mut layers, mut layer, mut escaped) = (Vec::new(), String::new(), false);
    for character in paths.chars() {
        match character {
            '\\' if !escaped => escaped = true,
            ':' if !escaped => layers.push(std::mem::take(&mut layer)),
            other => {
                layer.push(other);
                escaped = false;
            }
        }
    }
    layers.push(layer);
    layers
}

/// Everything that is mounted at the place; lazily what is busy.
pub fn unmount(target: &str) -> Result<(), RpcError> {
    let path = absolute("target", target)?;
    for _ in 0..STACK_MAX {
        let unmounted = match umount2(&path, MntFlags::UMOUNT_NOFOLLOW) {
            Err(Errno::EBUSY) => umount2(&path, MntFlags::UMOUNT_NOFOLLOW | MntFlags::MNT_DETACH),
            unmounted => unmounted,
        };
        match unmounted {
            Ok(()) => {}
            // Nothing is mounted there, or nothing is there.
            Err(Errno::EINVAL | Errno::ENOENT | Errno::ENOTDIR) => return Ok(()),
            Err(error) => return Err(io::Error::from(error)).doing(|| format!("Cannot unmount {target}")),
        }
    }
    Err(RpcError::internal(format!(
        "Cannot unmount {target} as at most {STACK_MAX} mounts may be there: more are"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_split_where_nothing_is_escaped() {
        assert_eq!(split_layers("/a:/b"), ["/a", "/b"]);
        assert_eq!(split_layers("/a\\:b:/c\\\\d"), ["/a:b", "/c\\d"]);
    }

    #[test]
    fn few_layers_keep_their_names() {
        let options = parse("overlay", &["lowerdir=/a:/b".into(), "index=off".into()]);
        assert_eq!(data_of(&options).unwrap().0, "lowerdir=/a:/b,index=off");
    }
}
