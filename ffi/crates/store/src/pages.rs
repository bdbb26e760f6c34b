//! Rows on their way out, packed as `ScanResponse` describes them.

use bytes::Bytes;
use k3ts_proto::v1::{ScanRequest, ScanResponse};

const PAGE_BYTES: usize = 1024 * 1024;
/// A page may exceed its size by one row, and must still fit a frame.
const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// One page being filled.
pub struct Page {
    bytes: Vec<u8>,
    full_at: usize,
}

impl Page {
    pub fn of(request: &ScanRequest) -> Self {
        let full_at = match request.page_bytes as usize {
            0 => PAGE_BYTES,
            bytes => bytes.min(PAGE_BYTES_MAX),
        };
        Self {
            bytes: Vec::new(),
            full_at,
        }
    }

    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        // Shorter than a frame, as they came in one.
        self.bytes.extend_from_slice(&(key.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
    }

    pub fn is_full(&self) -> bool {
        self.bytes.len() >= self.full_at
    }

    /// What there is of it, unless that is nothing.
    pub fn take(&mut self) -> Option<ScanResponse> {
        if self.bytes.is_empty() {
            return None;
        }
        // Of its length, so that not every page keeps what the growing of the first one left over.
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.shrink_to_fit();
        Some(ScanResponse {
            rows: Bytes::from(bytes),
        })
    }
}
