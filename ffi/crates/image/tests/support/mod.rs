//! A tar made by hand, so that it can lie.

#![allow(dead_code)]

use k3ts_frames::RpcError;
use k3ts_image::unpack_layer;
use k3ts_proto::v1::{UnpackLayerRequest, UnpackLayerResponse};
use sha2::{Digest, Sha256};
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub struct Archive(pub Vec<u8>);

pub struct Header {
    pub path: String,
    pub kind: u8,
    pub link: String,
    pub mode: u32,
    pub owner: u32,
    pub mtime: u64,
    pub size: u64,
    pub device: (u32, u32),
}

impl Header {
    pub fn new(kind: u8, path: &str) -> Self {
        let mode = if kind == b'5' { 0o755 } else { 0o644 };
        let (path, link) = (path.to_owned(), String::new());
        Header {
            path,
            kind,
            link,
            mode,
            owner: 0,
            mtime: 1_000_000_000,
            size: 0,
            device: (0, 0),
        }
    }
}

impl Archive {
    pub fn new() -> Self {
        Archive(Vec::new())
    }

    pub fn header(mut self, header: Header) -> Self {
        let mut block = [0u8; 512];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, header.path.as_bytes());
        put(100, format!("{:07o}", header.mode).as_bytes());
        put(108, format!("{:07o}", header.owner).as_bytes());
        put(116, format!("{:07o}", header.owner).as_bytes());
        put(124, format!("{:011o}", header.size).as_bytes());
        put(136, format!("{:011o}", header.mtime).as_bytes());
        put(148, b"        ");
        put(156, &[header.kind]);
        put(157, header.link.as_bytes());
        put(257, b"ustar\x0000");
        put(329, format!("{:07o}", header.device.0).as_bytes());
        put(337, format!("{:07o}", header.device.1).as_bytes());
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend(block);
        self
    }

    fn content(mut self, content: &[u8]) -> Self {
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn file(self, path: &str, content: &[u8]) -> Self {
        self.header(Header {
            size: content.len() as u64,
            ..Header::new(b'0', path)
        })
        .content(content)
    }

    pub fn directory(self, path: &str) -> Self {
        self.header(Header::new(b'5', path))
    }

    pub fn symbolic_link(self, path: &str, link: &str) -> Self {
        self.header(Header {
            link: link.to_owned(),
            ..Header::new(b'2', path)
        })
    }

    pub fn hard_link(self, path: &str, link: &str) -> Self {
        self.header(Header {
            link: link.to_owned(),
            ..Header::new(b'1', path)
        })
    }

    pub fn device(self, kind: u8, path: &str, device: (u32, u32)) -> Self {
        self.header(Header {
            device,
            ..Header::new(kind, path)
        })
    }

    /// An extended header for the entry after it.
    pub fn extended(self, records: &[(&str, &[u8])]) -> Self {
        let mut data = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let length = (rest..)
                .find(|length| length - length.to_string().len() == rest)
                .unwrap();
            data.extend(format!("{length} {key}=").as_bytes());
            data.extend(*value);
            data.push(b'\n');
        }
        self.header(Header {
            size: data.len() as u64,
            ..Header::new(b'x', "pax")
        })
        .content(&data)
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

/// A folder with a place for a layer, and a victim beside it that no layer may reach.
pub struct Place {
    pub directory: TempDir,
}

impl Place {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("victim")).unwrap();
        std::fs::write(directory.path().join("victim/file"), "untouched").unwrap();
        Place { directory }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn victim(&self) -> String {
        self.path("victim").display().to_string()
    }

    pub fn victim_is_untouched(&self) -> bool {
        let names: Vec<_> = std::fs::read_dir(self.path("victim"))
            .unwrap()
            .flatten()
            .map(|e| e.file_name())
            .collect();
        names == ["file"] && std::fs::read_to_string(self.path("victim/file")).unwrap() == "untouched"
    }

    pub fn unpack(&self, name: &str, tar: &[u8]) -> Result<UnpackLayerResponse, RpcError> {
        self.unpack_limited(name, tar, &digest(tar), 0)
    }

    pub fn unpack_limited(
        &self,
        name: &str,
        blob: &[u8],
        diff_id: &str,
        limit_bytes: u64,
    ) -> Result<UnpackLayerResponse, RpcError> {
        let path = self.path(&format!("{name}.blob"));
        std::fs::write(&path, blob).unwrap();
        let request = UnpackLayerRequest {
            blob: path.display().to_string(),
            media_type: String::new(),
            diff_id: diff_id.to_owned(),
            target: self.path(name).display().to_string(),
            limit_bytes,
        };
        unpack_layer(&request, &|| false)
    }

    /// What is beside the layer but should not be.
    pub fn leftovers(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.directory.path()).unwrap().flatten();
        names
            .map(|entry| entry.file_name().into_string().unwrap())
            .filter(|name| name.starts_with('.'))
            .collect()
    }
}

pub fn digest(data: &[u8]) -> String {
    format!(
        "sha256:{}",
        Sha256::digest(data)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    )
}

/// The bytes of an extended attribute, or `None` where the file has none of that name.
#[allow(unsafe_code)]
pub fn xattr(path: &Path, name: &str) -> Option<String> {
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    let name = CString::new(name).unwrap();
    let mut value = [0_u8; 1024];
    // SAFETY: both strings end with NUL, and the buffer is as long as is said; the call keeps none of them.
    let length = unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    if let Ok(length) = usize::try_from(length) {
        return Some(String::from_utf8_lossy(&value[..length]).into_owned());
    }
    let error = std::io::Error::last_os_error();
    assert_eq!(error.raw_os_error(), Some(libc::ENODATA), "{error}");
    None
}
