//! What waits for clients, as memory: what is published to many is held once, however many have yet to take it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

/// With more than this the server is listened to no further…
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// …until there is room for some of what it has to say.
const BYTES_RESUME: usize = BYTES_MAX / 16 * 15;
/// Besides its bytes each piece costs something, once…
const PIECE_BYTES: usize = 64;
/// …and for each stream in which it waits.
const PLACE_BYTES: usize = 16;

/// What waits in all streams together.
#[derive(Default)]
pub struct Waiting {
    bytes: AtomicUsize,
    /// What all clients have taken since the beginning, each counted by itself.
    taken: AtomicU64,
    room: Notify,
}

impl Waiting {
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub fn is_too_much(&self) -> bool {
        self.bytes() > BYTES_MAX
    }

    pub fn has_room(&self) -> bool {
        self.bytes() <= BYTES_RESUME
    }

    pub fn has_much_room(&self) -> bool {
        self.bytes() <= BYTES_MAX / 2
    }

    /// Waits until clients have made room.
    pub async fn room(&self) {
        while !self.has_room() {
            self.room.notified().await;
        }
    }

    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    fn hold(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn give_back(&self, bytes: usize) {
        let before = self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        if before > BYTES_RESUME && before - bytes <= BYTES_RESUME {
            self.room.notify_one();
        }
    }
}

/// What was published, or told, in one piece.
pub struct Piece {
    bytes: Bytes,
    pub since: Instant,
    waiting: Arc<Waiting>,
}

impl Piece {
    pub fn new(bytes: Bytes, waiting: &Arc<Waiting>) -> Arc<Self> {
        waiting.hold(bytes.len() + PIECE_BYTES);
        Arc::new(Self {
            bytes,
            since: Instant::now(),
            waiting: waiting.clone(),
        })
    }

    /// What it counts for, for a stream by itself.
    pub fn cost(&self) -> usize {
        self.bytes.len() + PIECE_BYTES
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.waiting.give_back(self.cost());
    }
}

/// A piece in one stream.
pub struct Place(Arc<Piece>);

impl Place {
    pub fn of(piece: &Arc<Piece>) -> Self {
        piece.waiting.hold(PLACE_BYTES);
        Self(piece.clone())
    }

    pub fn piece(&self) -> &Piece {
        &self.0
    }

    /// Gives it to the client.
    pub fn take(self) -> Bytes {
        let cost = self.0.cost() as u64;
        self.0.waiting.taken.fetch_add(cost, Ordering::Relaxed);
        self.0.bytes.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.waiting.give_back(PLACE_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_many_is_counted_once() {
        let waiting = Arc::new(Waiting::default());
        let piece = Piece::new(Bytes::from(vec![0; 10_000]), &waiting);
        let mut places: Vec<_> = (0..100).map(|_| Place::of(&piece)).collect();
        drop(piece);
        assert_eq!(waiting.bytes(), 10_000 + PIECE_BYTES + 100 * PLACE_BYTES);
        let last = places.pop().unwrap();
        places
            .drain(..50)
            .for_each(|place| assert_eq!(place.take().len(), 10_000));
        drop(places);
        assert_eq!(waiting.bytes(), 10_000 + PIECE_BYTES + PLACE_BYTES);
        drop(last);
        assert_eq!(
            (waiting.bytes(), waiting.taken()),
            (0, 50 * (10_000 + PIECE_BYTES as u64))
        );
    }

    #[tokio::test]
    async fn who_waits_for_room_hears_of_it() {
        let waiting = Arc::new(Waiting::default());
        let half = || Piece::new(Bytes::from(vec![0; BYTES_MAX / 2]), &waiting);
        let held = (half(), half());
        assert!(waiting.is_too_much());
        tokio::join!(biased; waiting.room(), async { drop(held.0) });
        assert!(waiting.has_room());
    }
}
