//! Layers, honest and not. Needs root.

mod support;

use k3ts_frames::Code;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use support::{Archive, Header, Place, digest};

#[test]
fn a_layer_keeps_owners_modes_times_and_links() {
    let place = Place::new();
    let tar = Archive::new()
        .header(Header {
            mode: 0o1777,
            ..Header::new(b'5', "tmp/")
        })
        .header(Header {
            mode: 0o4755,
            owner: 1000,
            mtime: 1_234_567_890,
            ..Header::new(b'0', "bin/su")
        })
        .hard_link("bin/sudo", "bin/su")
        .symbolic_link("sh", "/bin/su")
        .header(Header::new(b'6', "pipe"))
        .extended(&[
            ("mtime", b"1000000001.5"),
            ("path", b"long/name/\xc3\xa9"),
            ("uid", b"70000"),
        ])
        .file("short", b"content")
        .finish();
    let unpacked = place.unpack("layer", &tar).unwrap();
    assert_eq!((unpacked.entries, unpacked.bytes), (6, 7));
    let look = |name: &str| fs::symlink_metadata(place.path("layer").join(name)).unwrap();
    assert_eq!(
        (look("tmp").permissions().mode() & 0o7777, look("tmp").mtime()),
        (0o1777, 1_000_000_000)
    );
    let su = look("bin/su");
    assert_eq!(
        (su.mode() & 0o7777, su.uid(), su.gid(), su.mtime()),
        (0o4755, 1000, 1000, 1_234_567_890)
    );
    assert_eq!((su.ino(), su.nlink()), (look("bin/sudo").ino(), 2));
    assert_eq!(fs::read_link(place.path("layer/sh")).unwrap(), Path::new("/bin/su"));
    assert!(look("pipe").file_type().is_fifo());
    let long = look("long/name/é");
    assert_eq!(
        (long.uid(), long.mtime(), long.mtime_nsec()),
        (70_000, 1_000_000_001, 500_000_000)
    );
    assert!(place.leftovers().is_empty());
}

#[test]
fn whiteouts_become_those_of_overlayfs() {
    let place = Place::new();
    let tar = Archive::new()
        .directory("etc")
        .file("etc/.wh.gone", b"")
        .file("opaque/.wh..wh..opq", b"")
        .file("opaque/new", b"")
        .file(".wh.both", b"")
        .file("both/new", b"")
        .directory("late")
        .file(".wh.late", b"")
        .file(".wh..wh.plnk", b"")
        .finish();
    place.unpack("layer", &tar).unwrap();
    let gone = fs::symlink_metadata(place.path("layer/etc/gone")).unwrap();
    assert!(gone.file_type().is_char_device() && gone.rdev() == 0);
    let opaque = |name: &str| support::xattr(&place.path("layer").join(name), "trusted.overlay.opaque");
    assert_eq!(opaque("opaque").as_deref(), Some("y"));
    assert_eq!(
        opaque("late").as_deref(),
        Some("y"),
        "a directory of the layer itself stays"
    );
    assert_eq!(
        opaque("both").as_deref(),
        Some("y"),
        "what comes after its whiteout hides what was below"
    );
    assert!(place.path("layer/opaque/new").exists() && place.path("layer/both/new").exists());
    assert!(!place.path("layer/.wh..wh.plnk").exists() && !place.path("layer/plnk").exists());
}

#[test]
fn every_compression_gives_the_same() {
    let place = Place::new();
    let tar = Archive::new().file("file", &vec![7; 100_000]).finish();
    let (first, second) = tar.split_at(50_000);
    let mut gzip = Vec::new();
    // In two members, as some tools make them.
    for part in [first, second] {
        let mut encoder = flate2::write::GzEncoder::new(&mut gzip, flate2::Compression::fast());
        encoder.write_all(part).unwrap();
        encoder.finish().unwrap();
    }
    let zstd = zstd::encode_all(&tar[..], 1).unwrap();
    for (name, blob) in [("plain", &tar), ("gzip", &gzip), ("zstd", &zstd)] {
        place.unpack_limited(name, blob, &digest(&tar), 0).unwrap();
        assert_eq!(
            fs::read(place.path(name).join("file")).unwrap(),
            vec![7; 100_000],
            "{name}"
        );
    }
}

#[test]
fn a_layer_that_is_there_is_given_to_whoever_has_its_content() {
    let place = Place::new();
    let secret = Archive::new().file("secret", b"content").finish();
    place.unpack("layer", &secret).unwrap();
    assert_eq!(place.unpack("layer", &secret).unwrap().entries, 0);
    let other = Archive::new().file("file", b"").finish();
    let claimed = place.unpack_limited("layer", &other, &digest(&secret), 0).unwrap_err();
    assert_eq!(claimed.code, Code::DataLoss);
    assert!(place.path("layer/secret").exists() && place.leftovers().is_empty());
}

#[test]
fn nothing_is_left_of_a_layer_that_is_not_what_it_should_be() {
    let place = Place::new();
    let tar = Archive::new().file("file", b"content").finish();
    let wrong = place.unpack_limited("wrong", &tar, &digest(b""), 0).unwrap_err();
    assert_eq!(wrong.code, Code::DataLoss);
    assert!(wrong.message.contains(&digest(&tar)), "{}", wrong.message);
    assert_eq!(place.unpack("short", &tar[..515]).unwrap_err().code, Code::DataLoss);
    let gzip = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&tar).unwrap();
        encoder.finish().unwrap()
    };
    place
        .unpack_limited("cut", &gzip[..gzip.len() - 4], &digest(&tar), 0)
        .unwrap_err();
    assert!(!place.path("wrong").exists() && !place.path("short").exists() && !place.path("cut").exists());
    assert!(place.leftovers().is_empty());
}

#[test]
fn a_layer_that_is_there_stays() {
    let place = Place::new();
    let tar = Archive::new().file("file", b"content").finish();
    place.unpack("layer", &tar).unwrap();
    let before = fs::metadata(place.path("layer/file")).unwrap().ino();
    place.unpack("layer", &tar).unwrap();
    assert_eq!(fs::metadata(place.path("layer/file")).unwrap().ino(), before);
}

#[test]
fn many_at_once_make_one() {
    let place = Place::new();
    let tar = Archive::new().file("file", &vec![1; 1 << 20]).finish();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let request = k3ts_proto::v1::UnpackLayerRequest {
                    blob: place.path("many.tar").display().to_string(),
                    diff_id: digest(&tar),
                    target: place.path("many").display().to_string(),
                    ..Default::default()
                };
                fs::write(place.path(&format!("{:?}", std::thread::current().id())), &tar).unwrap();
                fs::rename(
                    place.path(&format!("{:?}", std::thread::current().id())),
                    place.path("many.tar"),
                )
                .unwrap();
                k3ts_image::unpack_layer(&request, &|| false).unwrap();
            });
        }
    });
    assert_eq!(fs::metadata(place.path("many/file")).unwrap().len(), 1 << 20);
    assert!(place.leftovers().is_empty());
}

#[test]
fn what_a_killed_process_left_is_removed() {
    let place = Place::new();
    fs::create_dir_all(place.path(".layer.unpacking-1-0/some/thing")).unwrap();
    place.unpack("layer", &Archive::new().finish()).unwrap();
    assert!(place.leftovers().is_empty() && place.path("layer").is_dir());
}

#[test]
fn a_call_that_is_no_longer_wanted_ends() {
    let place = Place::new();
    let tar = Archive::new().file("file", b"content").finish();
    fs::write(place.path("blob"), &tar).unwrap();
    let request = k3ts_proto::v1::UnpackLayerRequest {
        blob: place.path("blob").display().to_string(),
        diff_id: digest(&tar),
        target: place.path("layer").display().to_string(),
        ..Default::default()
    };
    assert_eq!(
        k3ts_image::unpack_layer(&request, &|| true).unwrap_err().code,
        Code::Canceled
    );
    assert!(place.leftovers().is_empty() && !place.path("layer").exists());
}
