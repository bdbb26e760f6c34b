//! Mounts, which every test takes away again. Needs root.

mod support;

use k3ts_image::{bind_below, list_mounts, mount, unmount};
use k3ts_proto::v1::{BindBelowRequest, MountRequest};
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use support::{Archive, Place};

fn request(kind: &str, source: &str, target: &Path, options: &[&str]) -> MountRequest {
    MountRequest {
        r#type: kind.into(),
        source: source.into(),
        target: target.display().to_string(),
        options: options.iter().map(|option| option.to_string()).collect(),
    }
}

#[test]
fn layers_make_one_root_with_what_was_removed_gone() {
    let place = Place::new();
    let lower = Archive::new()
        .file("etc/gone", b"")
        .file("etc/kept", b"")
        .file("dir/old", b"")
        .finish();
    let upper = Archive::new()
        .file("etc/.wh.gone", b"")
        .file("dir/.wh..wh..opq", b"")
        .file("dir/new", b"")
        .finish();
    place.unpack("one", &lower).unwrap();
    place.unpack("two", &upper).unwrap();
    let path = |name: &str| place.path(name).display().to_string();
    let layers = format!("lowerdir={}:{}", path("two"), path("one"));
    mount(&request("overlay", "overlay", &place.path("root"), &[&layers])).unwrap();
    let names = |directory: &str| {
        let names = fs::read_dir(place.path("root").join(directory)).unwrap().flatten();
        names
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect::<Vec<_>>()
    };
    let seen = (names("etc"), names("dir"));
    unmount(&path("root")).unwrap();
    assert_eq!(seen, (vec!["kept".to_owned()], vec!["new".to_owned()]));
}

#[test]
fn more_layers_than_fit_into_a_page_are_mounted() {
    let place = Place::new();
    let long = "x".repeat(60);
    let layers: Vec<String> = (0..120)
        .map(|number| {
            let layer = place.path(&format!("{long}-{number}:with,odd"));
            fs::create_dir(&layer).unwrap();
            fs::write(layer.join(format!("file-{number}")), "").unwrap();
            layer.display().to_string().replace(':', "\\:").replace(',', "\\,")
        })
        .collect();
    for name in ["upper", "work"] {
        fs::create_dir(place.path(name)).unwrap();
    }
    let (upper, work) = (place.path("upper"), place.path("work"));
    let options = [
        format!("lowerdir={}", layers.join(":")),
        format!("upperdir={}", upper.display()),
        format!("workdir={}", work.display()),
    ];
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    mount(&request("overlay", "overlay", &place.path("root"), &options)).unwrap();
    let count = fs::read_dir(place.path("root")).unwrap().count();
    let written = fs::write(place.path("root/new"), "new");
    unmount(place.path("root").to_str().unwrap()).unwrap();
    written.unwrap();
    assert_eq!(
        (count, fs::read_to_string(upper.join("new")).unwrap()),
        (120, "new".to_owned())
    );
}

#[test]
fn binds_are_read_only_when_asked_and_files_get_a_file_to_be_put_on() {
    let place = Place::new();
    let (source, target) = (place.path("victim/file"), place.path("deep/down/file"));
    mount(&request(
        "bind",
        source.to_str().unwrap(),
        &target,
        &["ro", "nosuid", "rprivate"],
    ))
    .unwrap();
    let written = fs::write(&target, "changed");
    let listed = list_mounts(place.directory.path().to_str().unwrap()).unwrap();
    unmount(target.to_str().unwrap()).unwrap();
    assert!(written.is_err() && place.victim_is_untouched());
    assert_eq!(listed, [target.display().to_string()]);
    assert!(
        list_mounts(place.directory.path().to_str().unwrap())
            .unwrap()
            .is_empty()
    );
}

#[test]
fn everything_at_a_place_is_unmounted_even_when_busy_and_nothing_is_no_error() {
    let place = Place::new();
    let target = place.path("tmp");
    for _ in 0..2 {
        mount(&request("tmpfs", "tmpfs", &target, &["size=64k", "mode=0700"])).unwrap();
    }
    let listed = list_mounts(target.to_str().unwrap()).unwrap().len();
    let busy = fs::File::create(target.join("open")).unwrap();
    unmount(target.to_str().unwrap()).unwrap();
    unmount(target.to_str().unwrap()).unwrap();
    unmount(place.path("never").to_str().unwrap()).unwrap();
    drop(busy);
    assert_eq!((listed, list_mounts(target.to_str().unwrap()).unwrap().len()), (2, 0));
}

#[test]
fn what_cannot_be_mounted_says_why() {
    let place = Place::new();
    let error = mount(&request("nosuchfs", "none", &place.path("t"), &[])).unwrap_err();
    assert!(
        error.message.contains("nosuchfs") && error.message.contains("No such device"),
        "{}",
        error.message
    );
    assert!(mount(&request("tmpfs", "none", Path::new("relative"), &[])).is_err());
}

fn bind(place: &Place, path: &str, target: &str) -> Result<(), k3ts_frames::RpcError> {
    bind_below(&BindBelowRequest {
        root: place.path("volume").display().to_string(),
        path: path.to_owned(),
        target: place.path(target).display().to_string(),
    })
}

#[test]
fn what_lies_below_a_volume_is_bound_and_made_with_its_mode() {
    let place = Place::new();
    let volume = place.path("volume");
    fs::create_dir(&volume).unwrap();
    fs::set_permissions(&volume, fs::Permissions::from_mode(0o2770)).unwrap();
    fs::write(volume.join("file"), "content").unwrap();
    symlink("file", volume.join("link")).unwrap();
    bind(&place, "a/b", "directory").unwrap();
    bind(&place, "link", "file").unwrap();
    fs::write(place.path("directory/new"), "").unwrap();
    let seen = (
        volume.join("a/b/new").exists(),
        fs::read_to_string(place.path("file")).unwrap(),
    );
    for target in ["directory", "file"] {
        unmount(&place.path(target).display().to_string()).unwrap();
    }
    assert_eq!(seen, (true, "content".to_owned()));
    assert_eq!(
        fs::metadata(volume.join("a")).unwrap().permissions().mode() & 0o7777,
        0o2770
    );
}

#[test]
fn no_link_leads_out_of_a_volume() {
    let place = Place::new();
    let volume = place.path("volume");
    fs::create_dir(&volume).unwrap();
    fs::create_dir(place.path("outside")).unwrap();
    symlink("/", volume.join("root")).unwrap();
    symlink("../outside", volume.join("up")).unwrap();
    symlink("/proc/self/root", volume.join("magic")).unwrap();
    for path in [
        "root",
        "root/etc",
        "up",
        "up/made",
        "magic",
        "../outside",
        "/etc",
        "a/../../outside",
    ] {
        assert!(bind(&place, path, "target").is_err(), "{path}");
    }
    assert_eq!(
        fs::read_dir(place.path("outside")).unwrap().count(),
        0,
        "nothing was made there"
    );
    assert!(
        list_mounts(&place.path("target").display().to_string())
            .unwrap()
            .is_empty()
    );
}

#[test]
fn whoever_swaps_a_directory_for_a_link_meanwhile_gets_nothing_either() {
    let place = Place::new();
    let volume = place.path("volume");
    fs::create_dir_all(volume.join("inner/deep")).unwrap();
    fs::create_dir_all(place.path("outside/deep")).unwrap();
    symlink(place.path("outside"), volume.join("link")).unwrap();
    fs::write(place.path("outside/deep/secret"), "").unwrap();
    let over = AtomicBool::new(false);
    let (inner, link) = (volume.join("inner"), volume.join("link"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                renameat2(AT_FDCWD, &inner, AT_FDCWD, &link, RenameFlags::RENAME_EXCHANGE).unwrap();
            }
        });
        for round in 0..2000 {
            let target = format!("target-{round}");
            if bind(&place, "inner/deep", &target).is_ok() {
                let escaped = place.path(&target).join("secret").exists();
                unmount(&place.path(&target).display().to_string()).unwrap();
                if escaped {
                    over.store(true, Ordering::Relaxed);
                    panic!("round {round} bound what lies outside");
                }
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(!place.path("outside/deep/deep").exists());
}
