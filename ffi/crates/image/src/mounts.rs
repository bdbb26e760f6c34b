//! What is mounted.

use k3ts_frames::{ErrorContext, RpcError};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Mount points at or below `path`, deepest first, and as often as something is mounted there. They begin with `path`
/// as it was asked for, even where a link leads to it.
pub fn list_mounts(path: &str) -> Result<Vec<String>, RpcError> {
    let asked = crate::service::absolute("path", path)?;
    let real = fs::canonicalize(&asked).unwrap_or_else(|_| asked.clone());
    let text = fs::read("/proc/self/mountinfo").doing(|| "Cannot list mounts".to_owned())?;
    Ok(below(&text, &real, &asked))
}

fn below(mountinfo: &[u8], real: &Path, asked: &Path) -> Vec<String> {
    let lines = mountinfo.split(|byte| *byte == b'\n');
    let points = lines.filter_map(|line| line.split(|byte| *byte == b' ').nth(4).map(unescape));
    let mut targets: Vec<PathBuf> = points
        .filter_map(|point| point.strip_prefix(real).ok().map(|rest| asked.join(rest)))
        // Joining nothing leaves a slash at the end.
        .map(|path| path.components().collect())
        .collect();
    targets.sort_by(|a, b| (b.components().count(), b).cmp(&(a.components().count(), a)));
    targets.into_iter().map(|target| target.display().to_string()).collect()
}

/// Space, tab, line end and backslash stand as octal: `\040`.
fn unescape(field: &[u8]) -> PathBuf {
    let (mut bytes, mut at) = (Vec::with_capacity(field.len()), 0);
    while at < field.len() {
        let octal = field
            .get(at + 1..at + 4)
            .filter(|digits| digits.iter().all(|digit| (b'0'..=b'7').contains(digit)));
        match octal {
            Some(digits) if field[at] == b'\\' => {
                bytes.push(
                    digits
                        .iter()
                        .fold(0u8, |value, digit| value.wrapping_mul(8).wrapping_add(digit - b'0')),
                );
                at += 4;
            }
            _ => {
                bytes.push(field[at]);
                at += 1;
            }
        }
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTINFO: &[u8] = b"22 1 8:1 / / rw - ext4 /dev/a rw
40 22 0:5 / /data/a rw - tmpfs t rw
41 40 0:6 / /data/a/with\\040space rw - tmpfs t rw
42 22 0:7 / /database rw - tmpfs t rw
";

    #[test]
    fn the_deepest_come_first_and_neighbours_not_at_all() {
        let data = Path::new("/data");
        assert_eq!(below(MOUNTINFO, data, data), ["/data/a/with space", "/data/a"]);
        assert_eq!(
            below(MOUNTINFO, Path::new("/data/a"), Path::new("/link")),
            ["/link/with space", "/link"]
        );
    }
}
