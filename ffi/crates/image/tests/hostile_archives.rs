//! Archives that mean harm. Needs root.

mod support;

use k3ts_frames::Code;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use support::{Archive, Header, Place, digest};

#[test]
fn paths_do_not_climb() {
    let place = Place::new();
    for path in ["../victim/new", "a/../../victim/new", "..", "a/.."] {
        assert!(
            place
                .unpack("climb", &Archive::new().file(path, b"x").finish())
                .is_err(),
            "{path}"
        );
    }
    place
        .unpack(
            "absolute",
            &Archive::new().file(&format!("{}/new", place.victim()), b"x").finish(),
        )
        .unwrap();
    assert!(place.victim_is_untouched());
}

#[test]
fn links_lead_nowhere_outside() {
    let place = Place::new();
    let up = "../".repeat(30);
    let victim = place.victim();
    let links = [
        victim.clone(),
        format!("{up}{victim}"),
        "../victim".to_owned(),
        format!("/proc/self/root{victim}"),
    ];
    for (number, link) in links.iter().enumerate() {
        let archives = [
            Archive::new().symbolic_link("l", link).file("l/file", b"changed"),
            Archive::new().symbolic_link("l", link).file("l/new", b"x"),
            Archive::new().symbolic_link("l", link).directory("l"),
            Archive::new().symbolic_link("l", link).directory("l/new"),
            Archive::new().symbolic_link("l", link).file("l", b"replaced"),
            Archive::new()
                .symbolic_link("l", &format!("{link}/file"))
                .file("l", b"replaced"),
            Archive::new().symbolic_link("l", link).file("l/.wh.file", b""),
            Archive::new().symbolic_link("l", link).file("l/.wh..wh..opq", b""),
            Archive::new()
                .symbolic_link("l", link)
                .hard_link("h", "l/file")
                .file("h", b"changed"),
            Archive::new()
                .hard_link("h", &format!("{link}/file"))
                .file("h", b"changed"),
            Archive::new()
                .symbolic_link("a", link)
                .symbolic_link("b", "a")
                .file("b/file", b"changed"),
        ];
        for (which, archive) in archives.into_iter().enumerate() {
            // Whether it can be unpacked is not what matters.
            let _ = place.unpack(&format!("layer-{number}-{which}"), &archive.finish());
            assert!(place.victim_is_untouched(), "{link}, archive {which}");
        }
    }
    assert_eq!(support::xattr(&place.path("victim"), "trusted.overlay.opaque"), None);
}

#[test]
fn a_directory_that_became_a_link_does_not_pass_on_its_time() {
    let place = Place::new();
    let before = fs::metadata(place.path("victim")).unwrap().mtime();
    let tar = Archive::new()
        .directory("a")
        .directory("a/victim")
        .symbolic_link("a", place.directory.path().to_str().unwrap())
        .finish();
    place.unpack("layer", &tar).unwrap();
    assert_eq!(fs::metadata(place.path("victim")).unwrap().mtime(), before);
}

#[test]
fn devices_are_left_out_but_for_harmless_ones() {
    let place = Place::new();
    let tar = Archive::new()
        .device(b'4', "disk", (8, 0))
        .device(b'3', "mem", (1, 1))
        .device(b'3', "whiteout", (0, 0))
        .device(b'3', "null", (1, 3))
        .finish();
    place.unpack("layer", &tar).unwrap();
    let names: Vec<_> = fs::read_dir(place.path("layer"))
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(names, ["null"]);
    assert!(
        fs::metadata(place.path("layer/null"))
            .unwrap()
            .file_type()
            .is_char_device()
    );
}

#[test]
fn attributes_of_overlayfs_are_not_a_layers_to_set() {
    let place = Place::new();
    let tar = Archive::new()
        .extended(&[
            ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
            ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
            ("SCHILY.xattr.user.overlay.redirect", b"/etc"),
            ("SCHILY.xattr.user.note", b"kept"),
        ])
        .directory("dir")
        .extended(&[(
            "SCHILY.xattr.security.capability",
            b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        )])
        .file("ping", b"")
        .finish();
    place.unpack("layer", &tar).unwrap();
    let xattr = |name: &str, attribute: &str| support::xattr(&place.path("layer").join(name), attribute);
    assert_eq!(xattr("dir", "user.note").as_deref(), Some("kept"));
    for attribute in [
        "trusted.overlay.redirect",
        "trusted.overlay.opaque",
        "user.overlay.redirect",
    ] {
        assert_eq!(xattr("dir", attribute), None, "{attribute}");
    }
    assert!(xattr("ping", "security.capability").is_some());
}

#[test]
fn sizes_have_limits() {
    let place = Place::new();
    let file = Archive::new().file("file", &[0; 2000]).finish();
    let refused = place.unpack_limited("one", &file, &digest(&file), 1999).unwrap_err();
    assert_eq!(refused.code, Code::ResourceExhausted);
    place.unpack_limited("fits", &file, &digest(&file), 2000).unwrap();
    let two = Archive::new().file("a", &[0; 1000]).file("b", &[0; 1000]).finish();
    assert!(place.unpack_limited("two", &two, &digest(&two), 1500).is_err());
    // Announced, but never there.
    let huge = Archive::new()
        .header(Header {
            size: (8 << 30) - 1,
            ..Header::new(b'0', "huge")
        })
        .finish();
    assert_eq!(
        place.unpack_limited("huge", &huge, "", 1 << 20).unwrap_err().code,
        Code::ResourceExhausted
    );
    assert!(place.unpack("short", &huge).is_err());
    let long_name = Archive::new()
        .header(Header {
            size: 1 << 30,
            ..Header::new(b'L', "n")
        })
        .finish();
    assert_eq!(place.unpack("name", &long_name).unwrap_err().code, Code::DataLoss);
    let long_extended = Archive::new()
        .header(Header {
            size: 1 << 30,
            ..Header::new(b'x', "n")
        })
        .finish();
    assert_eq!(
        place.unpack("extended", &long_extended).unwrap_err().code,
        Code::DataLoss
    );
    assert!(place.leftovers().is_empty());
}

#[test]
fn names_that_cannot_be_are_refused() {
    let place = Place::new();
    let archives = [
        Archive::new().file("a/.wh.", b""),
        Archive::new().file("a/.wh..", b""),
        Archive::new().file("a/.wh...", b""),
        Archive::new().file(&"x".repeat(100), b"").file("", b""),
        Archive::new().hard_link("a", "b"),
        Archive::new().directory("d").hard_link("a", "d"),
        Archive::new().hard_link("a", "/"),
        Archive::new().symbolic_link("a", ""),
        Archive::new().file("a", b"").file("a/b", b""),
        Archive::new().extended(&[("path", b"a\0b")]).file("a", b""),
        Archive::new().header(Header::new(b'Z', "a")),
    ];
    for (number, archive) in archives.into_iter().enumerate() {
        assert!(
            place.unpack(&format!("name-{number}"), &archive.finish()).is_err(),
            "archive {number}"
        );
    }
    assert!(place.leftovers().is_empty());
}

#[test]
fn damaged_archives_end_in_an_error_or_a_layer_and_nothing_else() {
    let place = Place::new();
    let whole = Archive::new()
        .directory("a")
        .extended(&[("path", b"a/long"), ("SCHILY.xattr.user.a", b"b"), ("mtime", b"1.5")])
        .file("x", b"content")
        .symbolic_link("a/l", "../../victim")
        .file("a/l/file", b"changed")
        .hard_link("a/h", "a/long")
        .file("a/.wh.gone", b"")
        .finish();
    // A simple generator, so that every run is the same.
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for round in 0..1500 {
        let mut damaged = whole.clone();
        for _ in 0..=random(3) {
            let (at, byte) = (random(damaged.len()), random(256) as u8);
            damaged[at] = byte;
            repair_checksum(&mut damaged, at);
        }
        let name = format!("damaged-{round}");
        let request = k3ts_proto::v1::ExtractArchiveRequest {
            archive: place.path("damaged.tar").display().to_string(),
            target: place.path(&name).display().to_string(),
            limit_bytes: 1 << 20,
        };
        fs::write(place.path("damaged.tar"), &damaged).unwrap();
        let _ = k3ts_image::extract_archive(&request, &|| false);
        assert!(place.victim_is_untouched(), "round {round}");
        fs::remove_dir_all(place.path(&name)).unwrap();
    }
}

/// Else nearly all damage is found by the checksum alone.
fn repair_checksum(tar: &mut [u8], at: usize) {
    let start = at / 512 * 512;
    let block = &mut tar[start..start + 512];
    if &block[257..262] == b"ustar" {
        block[148..156].copy_from_slice(b"        ");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}
