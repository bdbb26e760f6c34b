//! HTTP/1.1 as a client of the server and of agents, driven by the requests themselves: a request, its connection and its
//! answer are one task, so that nothing is handed from one to another between a client and its answer.

mod answer;
mod chunks;
mod exchange;
mod head;
mod link;
mod upload;

pub use answer::AnswerBody;
pub use exchange::{Exchange, Failure};
pub use link::Link;
pub use upload::RequestBody;

use std::error::Error;
use std::fmt;

/// What the other side said that is no HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the answer must be HTTP/1.1: {}", self.0)
    }
}

impl Error for Malformed {}

impl From<Malformed> for std::io::Error {
    fn from(malformed: Malformed) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, malformed)
    }
}
