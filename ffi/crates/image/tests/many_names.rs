//! A directory with more names than anybody should hold at once. Alone in its process, whose memory it looks at.

mod support;

use k3ts_image::{change_files, measure};
use k3ts_proto::v1::file_step::Step;
use k3ts_proto::v1::{ChangeFilesRequest, FileStep, RemoveFile};
use std::fs::{self, File};
use support::Place;

const NAMES: usize = 60_000;
/// The names together have 15 MB.
const GROWTH_KB_MAX: u64 = 8_000;

/// The most that this process has had.
fn peak_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_directory_of_many_names_is_measured_and_goes_without_all_of_them_in_memory() {
    let place = Place::new();
    let root = place.path("many");
    fs::create_dir_all(root.join("below")).unwrap();
    for at in 0..NAMES {
        File::create(root.join(format!("below/{at:0>250}"))).unwrap();
    }
    let before = peak_kb();
    let path = root.display().to_string();
    let used = measure(std::slice::from_ref(&path)).unwrap();
    assert_eq!(used[0].inodes, NAMES as u64 + 2);
    let step = Some(Step::RemoveFile(RemoveFile { path, below: true }));
    change_files(&ChangeFilesRequest {
        steps: vec![FileStep { step }],
    })
    .unwrap();
    assert!(!root.exists());
    let growth = peak_kb() - before;
    assert!(growth < GROWTH_KB_MAX, "{growth} kB");
}
