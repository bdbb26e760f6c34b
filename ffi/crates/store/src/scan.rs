//! Rows in key order.

use std::ops::Bound;

use k3ts_frames::{RpcError, ServerStream};
use k3ts_proto::v1::{ScanRequest, ScanResponse};
use slatedb::DbReadOps;
use slatedb::config::{DurabilityLevel, ScanOptions};

use crate::errors;

const PAGE_BYTES: usize = 1024 * 1024;
/// A page may exceed its size by one row, and must still fit a frame.
const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Sends the rows of a range, as they were when the scan began.
pub async fn scan<E: DbReadOps + Sync>(
    engine: &E,
    request: ScanRequest,
    pages: ServerStream<ScanResponse>,
) -> Result<(), RpcError> {
    let page_bytes = match request.page_bytes as usize {
        0 => PAGE_BYTES,
        bytes => bytes.min(PAGE_BYTES_MAX),
    };
    let failed = errors::of_engine("Cannot scan the store");
    let end = if request.end.is_empty() {
        Bound::Unbounded
    } else {
        Bound::Excluded(request.end)
    };
    let options = ScanOptions::default()
        .with_durability_filter(DurabilityLevel::Remote)
        .with_read_ahead_bytes(4 * 1024 * 1024)
        .with_max_fetch_tasks(2);
    let mut rows = engine
        .scan_with_options((Bound::Included(request.start), end), &options)
        .await
        .map_err(&failed)?;
    let mut page = Vec::new();
    while let Some(row) = rows.next().await.map_err(&failed)? {
        // Shorter than a frame, as they came in one.
        page.extend_from_slice(&(row.key.len() as u32).to_le_bytes());
        page.extend_from_slice(&(row.value.len() as u32).to_le_bytes());
        page.extend_from_slice(&row.key);
        page.extend_from_slice(&row.value);
        if page.len() >= page_bytes {
            pages
                .send(ScanResponse {
                    rows: std::mem::take(&mut page).into(),
                })
                .await?;
        }
    }
    if !page.is_empty() {
        pages.send(ScanResponse { rows: page.into() }).await?;
    }
    Ok(())
}
