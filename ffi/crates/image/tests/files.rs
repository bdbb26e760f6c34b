//! Changes of files. Needs root.

mod support;

use k3ts_frames::{Code, RpcError};
use k3ts_image::{change_files, list_mounts, mount};
use k3ts_proto::v1::file_step::Step;
use k3ts_proto::v1::{
    ChangeFilesRequest, FileStep, MakeDirectory, MakeLink, MountRequest, RemoveFile, RenameFile, UnmountBelow,
    WriteFile,
};
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use support::Place;

fn change(steps: impl IntoIterator<Item = Step>) -> Result<(), RpcError> {
    let steps = steps.into_iter().map(|step| FileStep { step: Some(step) }).collect();
    change_files(&ChangeFilesRequest { steps })
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn directory(path: &Path, mode: u32) -> Step {
    Step::MakeDirectory(MakeDirectory {
        path: text(path),
        mode,
        gid: 9,
    })
}

fn file(path: &Path, content: &str) -> WriteFile {
    WriteFile {
        path: text(path),
        content: content.as_bytes().to_vec().into(),
        mode: 0o644,
        ..WriteFile::default()
    }
}

fn removal(path: &Path) -> Step {
    Step::RemoveFile(RemoveFile {
        path: text(path),
        below: true,
    })
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn steps_are_done_in_their_order_with_the_modes_and_owners_that_are_asked_for() {
    let place = Place::new();
    let root = place.path("a/b");
    change([
        directory(&root, 0o1777),
        Step::WriteFile(WriteFile {
            mode: 0o666,
            uid: 7,
            gid: 8,
            ..file(&root.join("one"), "1")
        }),
        Step::WriteFile(WriteFile {
            whole: true,
            sync: true,
            mode: 0o640,
            ..file(&root.join("two"), "2")
        }),
        Step::MakeLink(MakeLink {
            target: "two".into(),
            path: text(&root.join("link")),
        }),
        Step::RenameFile(RenameFile {
            from: text(&root.join("one")),
            to: text(&root.join("first")),
        }),
    ])
    .unwrap();
    assert_eq!(
        (mode(&root), mode(&root.join("first")), mode(&root.join("two"))),
        (0o1777, 0o666, 0o640)
    );
    let owner = fs::metadata(root.join("first")).unwrap();
    assert_eq!((owner.uid(), owner.gid()), (7, 8));
    assert_eq!(fs::read_to_string(root.join("link")).unwrap(), "2");
    assert_eq!(fs::read_dir(&root).unwrap().count(), 3);
    assert_eq!(fs::metadata(&root).unwrap().gid(), 9);
    // What is there stays as it is.
    change([directory(&root, 0o700)]).unwrap();
    assert_eq!(mode(&root), 0o1777);
}

#[test]
fn a_file_that_is_written_whole_is_another_one_and_else_the_same() {
    let place = Place::new();
    let path = place.path("file");
    fs::write(&path, "before, and longer").unwrap();
    let inode = || fs::metadata(&path).unwrap().ino();
    let first = inode();
    change([Step::WriteFile(file(&path, "in place"))]).unwrap();
    assert_eq!(
        (inode(), fs::read_to_string(&path).unwrap()),
        (first, "in place".to_owned())
    );
    change([Step::WriteFile(WriteFile {
        whole: true,
        ..file(&path, "whole")
    })])
    .unwrap();
    assert_ne!(inode(), first);
    assert_eq!(fs::read_to_string(&path).unwrap(), "whole");
}

#[test]
fn nothing_is_done_after_a_step_that_fails_and_nothing_is_left_of_it() {
    let place = Place::new();
    let into = place.path("directory");
    fs::create_dir(&into).unwrap();
    let error = change([
        Step::WriteFile(WriteFile {
            whole: true,
            ..file(&into, "")
        }),
        directory(&place.path("after"), 0o755),
    ])
    .unwrap_err();
    assert!(error.message.contains(&text(&into)), "{}", error.message);
    assert!(!place.path("after").exists());
    // Beside what the place itself has.
    assert_eq!(fs::read_dir(place.path("")).unwrap().count(), 2);
    for path in ["", "relative", "/tmp/../etc"] {
        assert_eq!(
            change([removal(Path::new(path))]).unwrap_err().code,
            Code::InvalidArgument,
            "{path}"
        );
    }
    assert_eq!(
        change_files(&ChangeFilesRequest {
            steps: vec![FileStep::default()]
        })
        .unwrap_err()
        .code,
        Code::InvalidArgument
    );
}

#[test]
fn a_link_is_neither_written_through_nor_followed_when_it_goes() {
    let place = Place::new();
    let outside = place.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("kept"), "kept").unwrap();
    let inside = place.path("inside");
    fs::create_dir(&inside).unwrap();
    symlink(&outside, inside.join("to")).unwrap();
    symlink(outside.join("kept"), inside.join("file")).unwrap();
    assert!(change([Step::WriteFile(file(&inside.join("file"), "lost"))]).is_err());
    change([removal(&inside)]).unwrap();
    assert!(!inside.exists());
    assert_eq!(fs::read_to_string(outside.join("kept")).unwrap(), "kept");
    // What is not there is gone.
    change([removal(&inside), removal(&inside.join("a/b"))]).unwrap();
}

#[test]
fn a_directory_goes_only_when_nothing_is_mounted_in_it() {
    let place = Place::new();
    let (precious, at) = (place.path("precious"), place.path("pod/volumes/v"));
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("file"), "kept").unwrap();
    // Of the same file system, so that no number tells of it.
    mount(&MountRequest {
        r#type: "bind".into(),
        source: text(&precious),
        target: text(&at),
        options: Vec::new(),
    })
    .unwrap();
    let refused = change([removal(&place.path("pod"))]);
    let kept = fs::read_to_string(precious.join("file"));
    change([Step::UnmountBelow(UnmountBelow {
        path: text(&place.path("pod")),
    })])
    .unwrap();
    assert_eq!(refused.unwrap_err().code, Code::FailedPrecondition);
    assert_eq!(kept.unwrap(), "kept");
    assert!(list_mounts(&text(&place.path("pod"))).unwrap().is_empty());
    change([
        Step::UnmountBelow(UnmountBelow {
            path: text(&place.path("never")),
        }),
        removal(&place.path("pod")),
    ])
    .unwrap();
    assert!(!place.path("pod").exists());
    assert_eq!(fs::read_to_string(precious.join("file")).unwrap(), "kept");
}

#[test]
fn a_directory_goes_however_deep_it_is() {
    let place = Place::new();
    let root = place.path("deep");
    fs::create_dir(&root).unwrap();
    fs::write(root.join(".deep-0"), "a name that is taken").unwrap();
    let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut at = openat(AT_FDCWD, &root, flags, Mode::empty()).unwrap();
    for _ in 0..5000 {
        mkdirat(&at, "d", Mode::S_IRWXU).unwrap();
        mkdirat(&at, "e", Mode::S_IRWXU).unwrap();
        at = openat(&at, "d", flags, Mode::empty()).unwrap();
    }
    drop(at);
    change([removal(&root)]).unwrap();
    assert!(!root.exists());
}
