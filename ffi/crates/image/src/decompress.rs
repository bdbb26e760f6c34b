//! From a blob to the bytes of its tar.

use flate2::read::MultiGzDecoder;
use k3ts_frames::{Code, ErrorContext, RpcError};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufReader, Chain, Cursor, Error, ErrorKind, Read, Result, copy, sink};
use std::path::Path;

const BUFFER_BYTES: usize = 256 * 1024;
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Headers and padding may take this much beside the limit of what is written.
const OVERHEAD_BYTES_MAX: u64 = 1 << 30;

/// Looks at the first bytes: what registries say about a blob is often wrong, and the digest of the content is checked.
pub fn open(path: &Path) -> std::result::Result<Box<dyn Read>, RpcError> {
    let doing = || format!("Cannot read {}", path.display());
    let mut file = File::open(path).doing(doing)?;
    let mut magic = [0; 4];
    let mut filled = 0;
    while filled < magic.len() {
        match file.read(&mut magic[filled..]).doing(doing)? {
            0 => break,
            count => filled += count,
        }
    }
    let magic = &magic[..filled];
    let whole: BufReader<Chain<Cursor<Vec<u8>>, File>> =
        BufReader::with_capacity(BUFFER_BYTES, Cursor::new(magic.to_vec()).chain(file));
    Ok(match magic {
        _ if magic.starts_with(GZIP) => Box::new(MultiGzDecoder::new(whole)),
        _ if magic == ZSTD => Box::new(zstd::Decoder::with_buffer(whole).doing(doing)?),
        _ => Box::new(whole),
    })
}

/// Counts and digests what is read, and ends what is too long or no longer wanted.
pub struct Counted<'a> {
    source: Box<dyn Read>,
    left: u64,
    digest: Sha256,
    is_cancelled: crate::IsCancelled<'a>,
}

impl<'a> Counted<'a> {
    pub fn new(source: Box<dyn Read>, limit: u64, is_cancelled: crate::IsCancelled<'a>) -> Self {
        let left = limit.saturating_add(OVERHEAD_BYTES_MAX);
        Counted {
            source,
            left,
            digest: Sha256::new(),
            is_cancelled,
        }
    }

    /// Reads to the end: `sha256:...` of everything.
    pub fn finish(mut self) -> Result<String> {
        copy(&mut self, &mut sink())?;
        let hexadecimal: String = self
            .digest
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(format!("sha256:{hexadecimal}"))
    }
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if (self.is_cancelled)() {
            return Err(Error::other(Cancelled));
        }
        let count = self.source.read(buffer)?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| Error::other(TooLarge))?;
        self.digest.update(&buffer[..count]);
        Ok(count)
    }
}

#[derive(Debug)]
pub struct TooLarge;

impl std::fmt::Display for TooLarge {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("it is larger than its limit")
    }
}

impl std::error::Error for TooLarge {}

#[derive(Debug)]
pub struct Cancelled;

impl std::fmt::Display for Cancelled {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the call was cancelled")
    }
}

impl std::error::Error for Cancelled {}

/// Keeps the meaning of the errors of archives.
pub fn archive_error(action: String, error: Error) -> RpcError {
    let code = match error.get_ref() {
        Some(inner) if inner.is::<TooLarge>() => Code::ResourceExhausted,
        Some(inner) if inner.is::<Cancelled>() => Code::Canceled,
        _ if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => Code::DataLoss,
        _ => RpcError::from(Error::from(error.kind())).code,
    };
    RpcError::new(code, format!("{action}: {error}"))
}
