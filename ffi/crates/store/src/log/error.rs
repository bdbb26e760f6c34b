//! What can go wrong with the log, in words that reach whoever opens the store.

use std::fmt;
use std::io;
use std::sync::Arc;

use slatedb::wal::WalError;

#[derive(Debug, Clone)]
pub enum LogError {
    /// The disk did not do what it was asked.
    Io(Arc<io::Error>),
    /// What is there is nothing that a crash can leave.
    Damaged(Arc<Damage>),
    /// Frames went away while they were looked for: from this number on.
    Truncated(u64),
    /// A later writer has the log.
    Fenced,
}

#[derive(Debug)]
pub struct Damage(String);

impl LogError {
    pub fn damaged(message: impl Into<String>) -> Self {
        Self::Damaged(Arc::new(Damage(message.into())))
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Damage {}

impl From<io::Error> for LogError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

/// The engine keeps the cause behind a pointer, which hides it from whoever looks through the causes: this shows it.
#[derive(Debug)]
struct Because<E>(Arc<E>);

impl<E> fmt::Display for Because<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the log of the store failed")
    }
}

impl<E: std::error::Error + 'static> std::error::Error for Because<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

impl From<LogError> for WalError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Io(error) => Self::Unavailable(Arc::new(Because(error))),
            LogError::Damaged(damage) => Self::DataError(Arc::new(Because(damage))),
            LogError::Truncated(number) => Self::WalTruncated(number),
            LogError::Fenced => Self::Fenced,
        }
    }
}
