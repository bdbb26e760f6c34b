//! Mounts, which every test takes away again. Needs root.

mod support;

use k3ts_image::{list_mounts, mount, unmount};
use k3ts_proto::v1::MountRequest;
use std::fs;
use std::path::Path;
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
