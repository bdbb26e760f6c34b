//! The unix socket on which a program answers frames.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::net::UnixListener;

/// Listens on a unix socket that only its owner may use. A socket file that an earlier process left is replaced, so
/// call it only where a lock, or a supervisor, lets one such process run at a time.
pub fn listen(path: &Path) -> Result<UnixListener, String> {
    let failed = |error: io::Error| {
        format!(
            "Cannot listen on {} as a unix socket must be made there: {error}",
            path.display()
        )
    };
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}
