//! The engine's errors as ours.

use k3ts_frames::{Code, RpcError};
use k3ts_proto::v1::{StoreFenced, StoreFull};
use std::io::ErrorKind as IoErrorKind;

use slatedb::{CloseReason, Error, ErrorKind};

/// What the engine said, as the cause of a failed action.
pub fn of_engine(action: &str) -> impl Fn(Error) -> RpcError {
    move |error| {
        if is_full(&error) {
            return full(action).caused_by(&error);
        }
        let code = match error.kind() {
            ErrorKind::Closed(CloseReason::Fenced) => return fenced(action).caused_by(&error),
            ErrorKind::Closed(_) | ErrorKind::Unavailable => Code::Unavailable,
            ErrorKind::Transaction => Code::Aborted,
            ErrorKind::Invalid => Code::InvalidArgument,
            ErrorKind::Data => Code::DataLoss,
            _ => Code::Internal,
        };
        RpcError::new(code, format!("{action}: {}", innermost(&error))).caused_by(&error)
    }
}

/// "No space left on device", which the engine wraps five times.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

pub fn fenced(action: &str) -> RpcError {
    RpcError::failed_precondition(format!(
        "{action} as no other writer may have opened the store: one has"
    ))
    .with_detail(&StoreFenced {})
}

/// As the operating system says it.
pub fn full(action: &str) -> RpcError {
    RpcError::resource_exhausted(format!("{action}: No space left on device")).with_detail(&StoreFull {})
}

fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| {
        error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| matches!(error.kind(), IoErrorKind::StorageFull | IoErrorKind::QuotaExceeded))
    })
}
