//! How a process ended, and whether its memory limit was the reason.

use k3ts_shim::files;
use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// The exit code that shells give: 128 and the signal for a process that a signal ended.
pub fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Writes `exit` whole or not at all.
pub fn write(directory: &Path, status: ExitStatus, finished_at: &str, oom_killed: bool) -> io::Result<()> {
    let (code, signal) = (code(status), status.signal().unwrap_or(0));
    let text = format!(
        "{{\"code\":{code},\"signal\":{signal},\"finishedAt\":\"{finished_at}\",\"oomKilled\":{oom_killed}}}\n"
    );
    let temporary = directory.join(".exit");
    fs::write(&temporary, text)?;
    fs::rename(temporary, directory.join(files::EXIT))
}

/// The memory cgroup of a container, whose kernel counts the processes that were killed for want of memory. The count
/// is read when the container has ended and its cgroup is still there: no event can be missed or come too late.
pub struct MemoryCgroup {
    counts: PathBuf,
}

impl MemoryCgroup {
    pub fn of(pid: i32) -> Option<Self> {
        let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        Some(MemoryCgroup {
            counts: counts_file(&cgroups)?,
        })
    }

    pub fn has_killed(&self) -> bool {
        fs::read_to_string(&self.counts).is_ok_and(|text| oom_kills(&text) > 0)
    }
}

/// From /proc/PID/cgroup: cgroup v1 with a memory controller, else v2.
fn counts_file(cgroups: &str) -> Option<PathBuf> {
    let path_of = |wanted: &str| {
        cgroups.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            parts
                .next()?
                .split(',')
                .any(|name| name == wanted)
                .then(|| parts.next())?
        })
    };
    match path_of("memory") {
        Some(path) => Some(format!("/sys/fs/cgroup/memory{path}/memory.oom_control").into()),
        None => path_of("").map(|path| format!("/sys/fs/cgroup{path}/memory.events").into()),
    }
}

fn oom_kills(counts: &str) -> u64 {
    counts
        .lines()
        .find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_counts_of_either_version() {
        let first = "5:devices:/a\n4:memory,hugetlb:/k/b:c\n0::/x\n";
        assert_eq!(
            counts_file(first),
            Some("/sys/fs/cgroup/memory/k/b:c/memory.oom_control".into())
        );
        assert_eq!(
            counts_file("0::/k/b\n"),
            Some("/sys/fs/cgroup/k/b/memory.events".into())
        );
        assert_eq!(counts_file("5:devices:/a\n"), None);
    }

    #[test]
    fn counts_kills_and_not_their_group() {
        assert_eq!(oom_kills("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"), 2);
        assert_eq!(oom_kills("oom 3\noom_group_kill 1\n"), 0);
    }

    #[test]
    fn a_signal_makes_128_and_its_number() {
        assert_eq!(code(ExitStatus::from_raw(9)), 137);
        assert_eq!(code(ExitStatus::from_raw(3 << 8)), 3);
    }
}
