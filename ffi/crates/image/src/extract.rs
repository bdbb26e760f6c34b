//! An archive is written out as it is.

use crate::IsCancelled;
use crate::apply::Writer;
use crate::decompress::{Counted, archive_error, open};
use crate::service::absolute;
use crate::tar::Tar;
use crate::tree::Tree;
use k3ts_frames::{ErrorContext, RpcError};
use k3ts_proto::v1::{ExtractArchiveRequest, ExtractArchiveResponse};
use std::fs;
use std::io;
use std::path::Path;

const LIMIT_BYTES: u64 = 64 << 30;

pub fn extract_archive(
    request: &ExtractArchiveRequest,
    is_cancelled: IsCancelled,
) -> Result<ExtractArchiveResponse, RpcError> {
    let (archive, target) = (
        absolute("archive", &request.archive)?,
        absolute("target", &request.target)?,
    );
    let limit = if request.limit_bytes == 0 {
        LIMIT_BYTES
    } else {
        request.limit_bytes
    };
    fs::create_dir_all(&target).doing(|| format!("Cannot make the directory {}", target.display()))?;
    let source = Counted::new(open(&archive)?, limit, is_cancelled);
    let entries = extract(&target, source, limit)
        .map_err(|error| archive_error(format!("Cannot extract {}", request.archive), error))?;
    Ok(ExtractArchiveResponse { entries })
}

fn extract(root: &Path, source: Counted, limit: u64) -> io::Result<u64> {
    let mut writer = Writer::new(Tree::open(root)?, limit);
    let mut tar = Tar::new(source);
    while let Some(entry) = tar.next_entry()? {
        writer.count()?;
        writer.write(&entry, &mut tar)?;
    }
    // Reads checksums at the end of the compressed stream too.
    tar.into_source().finish()?;
    let entries = writer.entries;
    writer.finish()?;
    Ok(entries)
}
