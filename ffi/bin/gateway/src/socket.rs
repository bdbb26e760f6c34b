//! The unix socket of a process that may be away for a while: whoever connects waits for it to come back.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::limits::{SERVER_WAIT, WAITING_MAX};

/// Between two attempts to connect.
const ATTEMPTS: Duration = Duration::from_millis(20);

pub struct Socket {
    path: PathBuf,
    /// One for each that may wait.
    places: Semaphore,
    /// Held by the one that tries to connect while the others wait for it.
    turn: tokio::sync::Mutex<()>,
}

impl Socket {
    pub fn new(path: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            path,
            places: Semaphore::new(WAITING_MAX),
            turn: tokio::sync::Mutex::new(()),
        })
    }

    /// How many wait for the process to come back.
    pub fn waiting(&self) -> u32 {
        (WAITING_MAX - self.places.available_permits()) as u32
    }

    /// Fails when the process stays away, or too many wait for it already.
    pub async fn connect(&self, deadline: Instant) -> Result<UnixStream, String> {
        match UnixStream::connect(&self.path).await {
            Err(error) if is_away(&error) => {}
            outcome => return outcome.map_err(|error| self.away(&error.to_string())),
        }
        let Ok(_place) = self.places.try_acquire() else {
            return Err(self.away(&format!("{WAITING_MAX} requests wait for it already")));
        };
        let attempts = async {
            let _turn = self.turn.lock().await;
            loop {
                match UnixStream::connect(&self.path).await {
                    Err(error) if is_away(&error) => tokio::time::sleep(ATTEMPTS).await,
                    outcome => return outcome,
                }
            }
        };
        match timeout_at(deadline, attempts).await {
            Ok(outcome) => outcome.map_err(|error| self.away(&error.to_string())),
            Err(_) => Err(self.away(&format!("it has been away for {SERVER_WAIT:?}"))),
        }
    }

    /// Says in the middle of a sentence that the process does not do its part.
    pub fn away(&self, reason: &str) -> String {
        format!("the process behind {} must answer: {reason}", self.path.display())
    }
}

/// Nobody listens, or nobody accepts as fast as others connect.
fn is_away(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::WouldBlock
    )
}
