//! Keeps the processes' logs small. They write straight to their files, so that neither the death nor the slowness
//! of the supervisor is ever felt by them; the price is that lines written while a log is rotated can be lost.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub const LOG_BYTES_MAX: u64 = 10 * 1024 * 1024;
pub const CHECK_EVERY: Duration = Duration::from_secs(10);

/// Copies a log that has grown too large to `<log>.1` and empties it. Its writers append, and so go on at its start.
pub fn rotate(log: &Path, bytes_max: u64) -> io::Result<()> {
    let size = match fs::metadata(log) {
        Ok(file) if file.is_file() => file.len(),
        _ => 0,
    };
    if size <= bytes_max {
        return Ok(());
    }
    let mut from = File::open(log)?;
    // What a runaway wrote since the last look is not worth keeping whole.
    from.seek(io::SeekFrom::Start(size.saturating_sub(bytes_max * 2)))?;
    io::copy(&mut from, &mut File::create(old(log))?)?;
    OpenOptions::new().write(true).open(log)?.set_len(0)
}

fn old(log: &Path) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(".1");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_writer_goes_on_at_the_start_of_its_emptied_log() {
        let folder = std::env::temp_dir().join(format!("k3ts-logs-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let log = folder.join("a.log");
        let mut writer = OpenOptions::new().append(true).create(true).open(&log).unwrap();
        writer.write_all(b"0123456789").unwrap();
        rotate(&log, 10).unwrap();
        assert_eq!(fs::read(&log).unwrap(), b"0123456789", "small enough");
        writer.write_all(b"x").unwrap();
        rotate(&log, 10).unwrap();
        writer.write_all(b"new").unwrap();
        assert_eq!(fs::read(&log).unwrap(), b"new");
        assert_eq!(fs::read(old(&log)).unwrap(), b"0123456789x");
        fs::remove_dir_all(&folder).unwrap();
    }
}
