//! How a call fails: a closed set of codes, a message, typed details and what led to it.

use std::error::Error;
use std::fmt;

use bytes::Bytes;

use crate::generated::{FrameEnd, FrameErrorDetail};

/// The codes of Connect and gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    Canceled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl Code {
    /// The code with a number; what is not one is `Unknown`.
    pub fn from_number(number: u32) -> Self {
        const ALL: [Code; 16] = [
            Code::Canceled,
            Code::Unknown,
            Code::InvalidArgument,
            Code::DeadlineExceeded,
            Code::NotFound,
            Code::AlreadyExists,
            Code::PermissionDenied,
            Code::ResourceExhausted,
            Code::FailedPrecondition,
            Code::Aborted,
            Code::OutOfRange,
            Code::Unimplemented,
            Code::Internal,
            Code::Unavailable,
            Code::DataLoss,
            Code::Unauthenticated,
        ];
        ALL.into_iter()
            .find(|code| *code as u32 == number)
            .unwrap_or(Code::Unknown)
    }
}

/// A protobuf message that a caller can act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorDetail {
    /// Full name of the message: `k3ts.v1.EchoDetail`.
    pub type_name: String,
    pub value: Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcError {
    pub code: Code,
    pub message: String,
    pub details: Vec<ErrorDetail>,
    /// What led to it, outermost first.
    pub causes: Vec<String>,
}

impl RpcError {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Vec::new(),
            causes: Vec::new(),
        }
    }

    pub fn invalid_argument(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Code::NotFound, message)
    }

    pub fn failed_precondition(message: impl Into<String>) -> Self {
        Self::new(Code::FailedPrecondition, message)
    }

    pub fn resource_exhausted(message: impl Into<String>) -> Self {
        Self::new(Code::ResourceExhausted, message)
    }

    pub fn unimplemented(message: impl Into<String>) -> Self {
        Self::new(Code::Unimplemented, message)
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Code::Unavailable, message)
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Code::Internal, message)
    }

    /// Keeps an error, and what led to it, as causes. An `RpcError` gives its details and causes too.
    pub fn caused_by(mut self, error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(cause) = next {
            let text = cause.to_string();
            // Wrappers often repeat what they wrap.
            if self.causes.last() != Some(&text) {
                self.causes.push(text);
            }
            if let Some(inner) = cause.downcast_ref::<RpcError>() {
                self.causes.extend(inner.causes.iter().cloned());
                self.details.extend(inner.details.iter().cloned());
            }
            next = cause.source();
        }
        self
    }

    pub fn with_detail<T: prost::Name>(mut self, message: &T) -> Self {
        self.details.push(ErrorDetail {
            type_name: T::full_name(),
            value: message.encode_to_vec().into(),
        });
        self
    }

    /// The first detail of a type.
    pub fn detail<T: prost::Name + Default>(&self) -> Option<T> {
        let found = self.details.iter().find(|detail| detail.type_name == T::full_name())?;
        T::decode(found.value.clone()).ok()
    }

    pub(crate) fn into_end(self) -> FrameEnd {
        FrameEnd {
            code: self.code as u32,
            message: self.message,
            details: self
                .details
                .into_iter()
                .map(|detail| FrameErrorDetail {
                    r#type: detail.type_name,
                    value: detail.value,
                })
                .collect(),
            causes: self.causes,
            trailers: Default::default(),
        }
    }

    pub(crate) fn from_end(end: FrameEnd) -> Self {
        Self {
            code: Code::from_number(end.code),
            message: end.message,
            details: end
                .details
                .into_iter()
                .map(|detail| ErrorDetail {
                    type_name: detail.r#type,
                    value: detail.value,
                })
                .collect(),
            causes: end.causes,
        }
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl Error for RpcError {}

impl From<std::io::Error> for RpcError {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind;
        let code = match error.kind() {
            ErrorKind::NotFound => Code::NotFound,
            ErrorKind::PermissionDenied => Code::PermissionDenied,
            ErrorKind::AlreadyExists => Code::AlreadyExists,
            ErrorKind::TimedOut => Code::DeadlineExceeded,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::OutOfMemory => Code::ResourceExhausted,
            ErrorKind::InvalidInput => Code::InvalidArgument,
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Code::Unavailable,
            ErrorKind::Unsupported => Code::Unimplemented,
            _ => Code::Internal,
        };
        let mut converted = Self::new(code, error.to_string());
        if let Some(source) = error.source() {
            converted = converted.caused_by(source);
        }
        converted
    }
}

impl From<prost::DecodeError> for RpcError {
    fn from(error: prost::DecodeError) -> Self {
        Self::invalid_argument("Cannot decode a message as it must be valid protobuf").caused_by(&error)
    }
}

impl From<tokio::task::JoinError> for RpcError {
    fn from(error: tokio::task::JoinError) -> Self {
        match error.try_into_panic() {
            Ok(panic) => panicked(panic.as_ref()),
            Err(error) => Self::internal("A task ended before its work was done").caused_by(&error),
        }
    }
}

/// What a handler that has panicked answers.
pub(crate) fn panicked(panic: &(dyn std::any::Any + Send)) -> RpcError {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    let mut error = RpcError::internal("The service failed unexpectedly while it answered");
    error.causes.push(format!("panic: {text}"));
    error
}

/// Says what was being done when something failed.
pub trait ErrorContext<T, E> {
    /// Wraps the error; its own text and what led to it become causes.
    fn or_rpc(self, code: Code, message: impl FnOnce() -> String) -> Result<T, RpcError>
    where
        E: Error + 'static;

    /// Puts an action before the error's text, keeping the code that the error converts to: `Cannot open "/x": ...`.
    fn doing(self, action: impl FnOnce() -> String) -> Result<T, RpcError>
    where
        E: Into<RpcError>;
}

impl<T, E> ErrorContext<T, E> for Result<T, E> {
    fn or_rpc(self, code: Code, message: impl FnOnce() -> String) -> Result<T, RpcError>
    where
        E: Error + 'static,
    {
        self.map_err(|error| RpcError::new(code, message()).caused_by(&error))
    }

    fn doing(self, action: impl FnOnce() -> String) -> Result<T, RpcError>
    where
        E: Into<RpcError>,
    {
        self.map_err(|error| {
            let mut converted: RpcError = error.into();
            converted.message = format!("{}: {}", action(), converted.message);
            converted
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_what_led_to_it() {
        let inner = std::io::Error::new(std::io::ErrorKind::NotFound, "no such disk");
        let error = Err::<(), _>(inner)
            .or_rpc(Code::Unavailable, || "Cannot open the store".to_owned())
            .unwrap_err();
        let outer = RpcError::internal("Cannot start").caused_by(&error);
        assert_eq!(outer.causes, ["Cannot open the store", "no such disk"]);
    }

    #[test]
    fn an_input_output_error_keeps_its_meaning_and_says_what_was_done() {
        let inner = std::io::Error::from(std::io::ErrorKind::NotFound);
        let error = Err::<(), _>(inner)
            .doing(|| "Cannot read \"/x\"".to_owned())
            .unwrap_err();
        assert_eq!(
            (error.code, error.message.as_str()),
            (Code::NotFound, "Cannot read \"/x\": entity not found")
        );
    }

    #[test]
    fn an_error_survives_its_way_through_an_end() {
        let mut error = RpcError::not_found("Cannot find it");
        error.causes.push("it went".to_owned());
        error.details.push(ErrorDetail {
            type_name: "a.B".to_owned(),
            value: Bytes::from_static(b"x"),
        });
        assert_eq!(RpcError::from_end(error.clone().into_end()), error);
    }
}
