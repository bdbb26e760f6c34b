//! The namespaces that a pod's containers share. Each is pinned by a mount of it, so that no process has to live for
//! it and any process finds it by its path.

use crate::namespaces::on_own_thread;
use crate::pause;
use crate::settings::{absolute, make_directory};
use k3ts_frames::{ErrorContext, RpcError};
use k3ts_proto::v1::{CreateSandboxRequest, CreateSandboxResponse};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statfs::{FsType, statfs};
use nix::unistd::sethostname;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const NSFS: FsType = FsType(0x6e73_6673);
const NAMES: [(&str, CloneFlags); 3] = [
    ("net", CloneFlags::CLONE_NEWNET),
    ("ipc", CloneFlags::CLONE_NEWIPC),
    ("uts", CloneFlags::CLONE_NEWUTS),
];
const HOSTNAME_BYTES_MAX: usize = 64;

/// Makes the namespaces that are missing. As they belong together, what is left of an interrupted call is made anew:
/// nobody can have used it yet.
pub fn create_sandbox(request: &CreateSandboxRequest) -> Result<CreateSandboxResponse, RpcError> {
    let directory = absolute("directory", &request.directory)?;
    let settings = sysctl_files(request)?;
    if request.hostname.len() > HOSTNAME_BYTES_MAX {
        return Err(RpcError::invalid_argument(format!(
            "Cannot create a sandbox as its host name must be at most {HOSTNAME_BYTES_MAX} bytes: it is {:?}",
            request.hostname
        )));
    }
    make_directory(&directory)?;
    let wanted: Vec<_> = NAMES.into_iter().filter(|(name, _)| is_own(request, name)).collect();
    let is_whole = wanted.iter().all(|(name, _)| is_pinned(&directory.join(name)));
    if !is_whole {
        unpin_all(&directory)?;
        let made = on_own_thread("k3ts-sandbox", || {
            make(&directory, &wanted, &request.hostname, &settings)
        });
        if let Err(error) = made {
            unpin_all(&directory)?;
            return Err(error);
        }
    }
    let path = |name| {
        let own = wanted.iter().any(|(wanted, _)| *wanted == name);
        if own {
            directory.join(name).display().to_string()
        } else {
            String::new()
        }
    };
    Ok(CreateSandboxResponse {
        network_namespace: path("net"),
        ipc_namespace: path("ipc"),
        uts_namespace: path("uts"),
        pid_namespace: String::new(),
    })
}

/// Unpins the namespaces, which end with their last process, and removes the directory if nothing else is in it.
pub fn remove_sandbox(directory: &str) -> Result<(), RpcError> {
    let directory = absolute("directory", directory)?;
    pause::end(&directory)?;
    unpin_all(&directory)?;
    match fs::remove_dir(&directory) {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => {
            Err(error).doing(|| format!("Cannot remove {}", directory.display()))
        }
        _ => Ok(()),
    }
}

/// A pod on the host's network has the host's name too.
fn is_own(request: &CreateSandboxRequest, name: &str) -> bool {
    match name {
        "ipc" => !request.host_ipc,
        _ => !request.host_network,
    }
}

fn make(
    directory: &Path,
    wanted: &[(&str, CloneFlags)],
    hostname: &str,
    settings: &BTreeMap<PathBuf, String>,
) -> Result<(), RpcError> {
    let flags = wanted.iter().fold(CloneFlags::empty(), |all, (_, flag)| all | *flag);
    unshare(flags).doing_errno(|| "Cannot make namespaces".to_owned())?;
    if flags.contains(CloneFlags::CLONE_NEWUTS) && !hostname.is_empty() {
        sethostname(hostname).doing_errno(|| format!("Cannot set the host name {hostname:?}"))?;
    }
    for (file, value) in settings {
        fs::write(file, value).doing(|| format!("Cannot write {value:?} to {}", file.display()))?;
    }
    for (name, _) in wanted {
        pin(&format!("/proc/thread-self/ns/{name}"), &directory.join(name))?;
    }
    Ok(())
}

/// Only settings that belong to a namespace of the sandbox: others are the whole machine's.
fn sysctl_files(request: &CreateSandboxRequest) -> Result<BTreeMap<PathBuf, String>, RpcError> {
    let mut files = BTreeMap::new();
    for (name, value) in &request.sysctls {
        let is_plain = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        let is_network = name.starts_with("net.") && !request.host_network;
        let is_ipc = (["kernel.shm", "kernel.msg", "fs.mqueue."]
            .iter()
            .any(|prefix| name.starts_with(prefix))
            || name == "kernel.sem")
            && !request.host_ipc;
        if !is_plain || name.contains("..") || !(is_network || is_ipc) {
            return Err(RpcError::invalid_argument(format!(
                "Cannot set {name:?} as it must belong to a namespace of the pod's own"
            )));
        }
        files.insert(Path::new("/proc/sys").join(name.replace('.', "/")), value.clone());
    }
    Ok(files)
}

fn is_pinned(path: &Path) -> bool {
    statfs(path).is_ok_and(|found| found.filesystem_type() == NSFS)
}

fn unpin_all(directory: &Path) -> Result<(), RpcError> {
    for (name, _) in NAMES {
        unpin(&directory.join(name))?;
    }
    Ok(())
}

pub(crate) fn unpin(path: &Path) -> Result<(), RpcError> {
    while is_pinned(path) {
        umount2(path, MntFlags::MNT_DETACH).doing_errno(|| format!("Cannot unmount {}", path.display()))?;
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).doing(|| format!("Cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Mounts a namespace at a file, so that it lives without a process.
pub(crate) fn pin(source: &str, target: &Path) -> Result<(), RpcError> {
    let doing = || format!("Cannot pin the namespace {}", target.display());
    File::create(target).doing(doing)?;
    mount(Some(source), target, None::<&str>, MsFlags::MS_BIND, None::<&str>).doing_errno(doing)
}

trait ErrnoContext<T> {
    fn doing_errno(self, action: impl FnOnce() -> String) -> Result<T, RpcError>;
}

impl<T> ErrnoContext<T> for Result<T, Errno> {
    fn doing_errno(self, action: impl FnOnce() -> String) -> Result<T, RpcError> {
        self.map_err(std::io::Error::from).doing(action)
    }
}
