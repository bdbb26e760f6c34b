//! The control groups of a container, in version 1 (a tree for each controller) and 2 (one tree).

use crate::container::wait_for_end;
use crate::sys;
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const ROOT: &str = "/sys/fs/cgroup";
/// Processes that are killed may have started others by then, so it takes some rounds.
const KILL_ROUNDS_MAX: usize = 100;
const KILL_ROUND_TIME_MAX: Duration = Duration::from_secs(2);
/// Of a directory without others in it: its name and its own dot.
const LINKS_OF_LEAF: u64 = 2;

pub fn version() -> u32 {
    if statfs(ROOT).is_ok_and(|found| found.filesystem_type() == CGROUP2_SUPER_MAGIC) {
        2
    } else {
        1
    }
}

/// What can be limited here.
pub fn controllers() -> Vec<String> {
    if version() == 2 {
        let text = fs::read_to_string(Path::new(ROOT).join("cgroup.controllers")).unwrap_or_default();
        return text.split_whitespace().map(str::to_owned).collect();
    }
    // Name, hierarchy, count, enabled; hierarchy 0 is not mounted.
    let text = fs::read_to_string("/proc/cgroups").unwrap_or_default();
    let mounted = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        matches!(columns[..], [_, hierarchy, _, "1"] if hierarchy != "0").then(|| columns[0].to_owned())
    });
    mounted.filter(|name| Path::new(ROOT).join(name).exists()).collect()
}

/// Sends a signal to every process of a group and of the groups below it.
pub fn signal(path: &str, signal: i32) -> io::Result<()> {
    for process in processes(path)? {
        sys::send_signal(&process, signal)?;
    }
    Ok(())
}

/// Kills until nobody is left.
pub fn kill(path: &str) -> io::Result<()> {
    for _ in 0..KILL_ROUNDS_MAX {
        let processes = processes(path)?;
        if processes.is_empty() {
            return Ok(());
        }
        for process in &processes {
            sys::send_signal(process, libc::SIGKILL)?;
        }
        for process in &processes {
            wait_for_end(process, KILL_ROUND_TIME_MAX)?;
        }
    }
    Err(io::Error::new(
        ErrorKind::TimedOut,
        format!("processes of {path} go on after {KILL_ROUNDS_MAX} rounds of SIGKILL"),
    ))
}

/// Removes the group and those below it, wherever they are still there, and the group above it if that is a pod's and
/// nobody is left in it. What is right below the root stays: others may be about to put something there.
pub fn remove(path: &str) -> io::Result<()> {
    let parent = Path::new(path.trim_matches('/'))
        .parent()
        .filter(|parent| parent.components().count() > 1);
    remove_groups(path)?;
    for tree in parent.into_iter().flat_map(|parent| trees(&parent.to_string_lossy())) {
        // Refused when it is in use.
        let _ = fs::remove_dir(tree);
    }
    Ok(())
}

/// Removes the group and those below it, wherever they are still there.
pub fn remove_groups(path: &str) -> io::Result<()> {
    for tree in trees(path) {
        for group in groups(&tree) {
            match fs::remove_dir(&group) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(io::Error::new(error.kind(), format!("{}: {error}", group.display())));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn processes(path: &str) -> io::Result<Vec<OwnedFd>> {
    let mut pids = BTreeSet::new();
    for group in trees(path).iter().flat_map(|tree| groups(tree)) {
        let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        pids.extend(
            text.lines()
                .filter_map(|line| line.parse::<i32>().ok())
                .filter(|pid| *pid > 0),
        );
    }
    // Those that end meanwhile are no longer wanted.
    Ok(pids
        .into_iter()
        .filter_map(|pid| sys::pidfd(pid).ok())
        .filter(|process| !has_ended(process))
        .collect())
}

/// One that nobody has reaped yet still counts as a member, but can do no harm.
fn has_ended(process: &OwnedFd) -> bool {
    wait_for_end(process, Duration::ZERO).unwrap_or(true)
}

/// The group's directory in each tree that has it.
fn trees(path: &str) -> Vec<PathBuf> {
    let relative = path.trim_matches('/');
    // An empty path, or one that climbs, would name groups that are not the container's.
    if relative.is_empty() || relative.split('/').any(|part| part == "..") {
        return Vec::new();
    }
    let mut roots = vec![PathBuf::from(ROOT)];
    if version() == 1 {
        roots = fs::read_dir(ROOT)
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
    }
    roots
        .into_iter()
        .map(|root| root.join(relative))
        .filter(|tree| tree.is_dir())
        .collect()
}

/// A group and all below it, deepest first.
fn groups(tree: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    // The kernel counts those below as links; to read a group's own files for nothing is costly.
    let has_more = fs::metadata(tree).is_ok_and(|group| group.nlink() > LINKS_OF_LEAF);
    let entries = has_more.then(|| fs::read_dir(tree).ok()).flatten();
    for entry in entries.into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(groups(&entry.path()));
        }
    }
    found.push(tree.to_owned());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_empty_or_climbs_names_nothing() {
        for path in ["", "/", "/..", "/a/../.."] {
            assert!(trees(path).is_empty(), "{path}");
        }
    }
}
