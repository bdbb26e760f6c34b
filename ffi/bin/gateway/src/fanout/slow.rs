//! Whose answers are broken off, as they do not take what they are sent.
//!
//! One client's are when it alone is too slow. When too much waits for all together the server is listened to no further
//! while clients take much of it; when they do not, those go who have taken nothing for longest, whoever was sent the most:
//! nobody is broken off in favour of clients that do not read.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::Fanout;
use super::stream::Stream;

/// Between two looks at all streams for those that are too slow.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What may wait for any client for as long as it likes.
const BYTES_ALWAYS: usize = 64 * 1024;
const IDLE_MAX: Duration = Duration::from_secs(10);
/// With more than this waiting a client must take something sooner, and must not be far behind.
const BYTES_MUCH: usize = 4 * 1024 * 1024;
const IDLE_MAX_OF_MUCH: Duration = Duration::from_secs(5);
const BEHIND_MAX_OF_MUCH: Duration = Duration::from_secs(30);
/// While too much waits for all, what they must take together, within which time…
const PROGRESS_BYTES: u64 = 4 * 1024 * 1024;
const PROGRESS_WITHIN: Duration = Duration::from_secs(2);
/// …and how long others wait for them at most.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// What a client has not taken.
pub struct Backlog {
    pub bytes: usize,
    pub pieces: usize,
    /// For how long the client has taken nothing.
    pub idle: Duration,
    /// For how long the first of it has waited.
    pub behind: Duration,
}

impl Backlog {
    fn is_too_much(&self) -> bool {
        // A single one may be as large as it likes.
        let (much, some) = (self.pieces > 1 && self.bytes > BYTES_MUCH, self.bytes > BYTES_ALWAYS);
        much && (self.idle >= IDLE_MAX_OF_MUCH || self.behind >= BEHIND_MAX_OF_MUCH) || some && self.idle >= IDLE_MAX
    }

    fn is_stalled(&self) -> bool {
        self.bytes > BYTES_ALWAYS && self.idle >= PROGRESS_WITHIN
    }

    /// The greater, the sooner it is broken off: who takes nothing before who takes little.
    fn rank(&self) -> (bool, Duration, Duration) {
        let stalled = if self.is_stalled() { self.idle } else { Duration::ZERO };
        (self.bytes > BYTES_ALWAYS, stalled, self.behind)
    }
}

impl Fanout {
    pub fn may_be_slow(&self) -> bool {
        self.waiting.bytes() > BYTES_ALWAYS
    }

    pub fn break_off_slow(&self) {
        for (stream, backlog) in self.backlogs() {
            if backlog.is_too_much() {
                stream.break_off(self);
            }
        }
    }

    /// Waits while clients take what waits for them, and makes room at the cost of the slowest when they do not.
    pub async fn make_room(&self) {
        let begun = Instant::now();
        loop {
            let taken = self.waiting.taken();
            if timeout(PROGRESS_WITHIN, self.waiting.room()).await.is_ok() {
                return;
            }
            if self.waiting.taken() - taken < PROGRESS_BYTES || begun.elapsed() >= PAUSE_MAX {
                return self.break_off_slowest();
            }
        }
    }

    fn break_off_slowest(&self) {
        let mut backlogs = self.backlogs();
        backlogs.sort_by_key(|(_, backlog)| std::cmp::Reverse(backlog.rank()));
        for (stream, backlog) in backlogs {
            // Others are not to wait for each of the stalled in turn.
            let is_enough = match backlog.is_stalled() {
                true => self.waiting.has_much_room(),
                false => self.waiting.has_room(),
            };
            if is_enough {
                return;
            }
            stream.break_off(self);
        }
    }

    fn backlogs(&self) -> Vec<(Arc<Stream>, Backlog)> {
        let now = Instant::now();
        let with_backlog = |stream: &Arc<Stream>| Some((stream.clone(), stream.backlog(now)?));
        self.streams().values().filter_map(with_backlog).collect()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::time::advance;

    use super::*;
    use crate::fanout::Followed;
    use crate::fanout::tests::{body, fanout, followed, taken};
    use crate::fanout::waiting::Piece;

    const MIB: usize = 1024 * 1024;

    fn attached(fanout: &Arc<Fanout>, count: usize) -> Vec<Followed> {
        let all: Vec<_> = (0..count).map(|_| followed(fanout)).collect();
        assert!(all.iter().all(|followed| followed.stream.attach(fanout)));
        all
    }

    /// Alone for the one stream.
    fn tell(fanout: &Fanout, followed: &Followed, bytes: usize) {
        followed
            .stream
            .push(&Piece::new(Bytes::from(vec![0; bytes]), &fanout.waiting));
    }

    fn left(all: &[Followed]) -> Vec<bool> {
        all.iter().map(|followed| followed.stream.is_attached()).collect()
    }

    async fn looked_after(fanout: &Fanout, seconds: u64) {
        for _ in 0..seconds {
            advance(LOOK_EVERY).await;
            fanout.break_off_slow();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_broken_off_when_more_than_a_little_waits() {
        let fanout = fanout();
        let mut all = attached(&fanout, 4);
        for (followed, bytes) in all.iter().zip([1000, BYTES_ALWAYS, MIB, 3 * MIB]) {
            tell(&fanout, followed, bytes);
            tell(&fanout, followed, bytes);
        }
        looked_after(&fanout, 4).await;
        assert_eq!(left(&all), [true; 4]);
        looked_after(&fanout, 1).await;
        assert_eq!(left(&all), [true, true, true, false], "much waits for the last");
        // One takes something at last.
        let mut reads = body(all.remove(2));
        assert!(matches!(taken(&mut reads, 1).await[..], [Some(Ok(_))]));
        looked_after(&fanout, 5).await;
        assert_eq!(left(&all), [true, false, false]);
        assert!(matches!(taken(&mut reads, 1).await[..], [Some(Ok(_))]));
        assert_eq!(fanout.metrics.watches_slow.value(), 2);
        assert!(fanout.waiting.bytes() < 4 * 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_a_little_now_and_then_must_not_fall_far_behind() {
        let fanout = fanout();
        let [drips] = attached(&fanout, 1).try_into().ok().unwrap();
        for _ in 0..100 {
            tell(&fanout, &drips, MIB / 8);
        }
        let stream = drips.stream.clone();
        let mut drips = body(drips);
        for _ in 0..29 {
            looked_after(&fanout, 1).await;
            taken(&mut drips, 1).await;
        }
        assert!(stream.is_attached());
        looked_after(&fanout, 1).await;
        assert!(!stream.is_attached());
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_what_the_server_wrote_by_itself_goes_on_too() {
        use http_body_util::{BodyExt, Full};
        let fanout = fanout();
        let [reads, stalls] = attached(&fanout, 2).try_into().ok().unwrap();
        for followed in [&reads, &stalls] {
            tell(&fanout, followed, MIB);
        }
        advance(IDLE_MAX / 2).await;
        let streams = [reads.stream.clone(), stalls.stream.clone()];
        let mut reads = reads.after(Full::new(Bytes::from_static(b"own")));
        assert!(reads.frame().await.unwrap().is_ok());
        looked_after(&fanout, 6).await;
        assert_eq!(streams.map(|stream| stream.is_attached()), [true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_broken_off_in_favour_of_clients_that_do_not_read() {
        let fanout = fanout();
        // One client's, to the brim, and quiet since.
        let stalled = attached(&fanout, 33);
        for followed in &stalled {
            tell(&fanout, followed, 2 * MIB - 1000);
        }
        advance(Duration::from_secs(3)).await;
        let healthy = attached(&fanout, 20);
        for followed in &healthy {
            for _ in 0..10 {
                tell(&fanout, followed, 100_000);
            }
        }
        assert!(fanout.waiting.is_too_much());
        let begun = Instant::now();
        fanout.make_room().await;
        assert_eq!(begun.elapsed().as_secs(), PROGRESS_WITHIN.as_secs());
        assert!(fanout.waiting.has_room());
        assert_eq!(left(&healthy), [true; 20]);
        let kept = left(&stalled).iter().filter(|kept| **kept).count();
        assert!(
            (5..=7).contains(&kept),
            "no more than needed are broken off: {kept} are left"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn while_clients_read_all_wait_for_them_for_a_while() {
        let fanout = fanout();
        let mut all = attached(&fanout, 3);
        let piece = Piece::new(Bytes::from(vec![0; 2 * MIB]), &fanout.waiting);
        for followed in &all {
            for _ in 0..3 {
                followed.stream.push(&piece);
            }
        }
        drop(piece);
        // What waits for all is held once.
        assert!(fanout.waiting.bytes() < 3 * MIB);
        for _ in 0..32 {
            tell(&fanout, &all[0], 2 * MIB);
        }
        // Reads at its pace, which is enough.
        let reads = all.remove(0);
        let stream = reads.stream.clone();
        let reading = tokio::spawn(async move {
            let mut reads = body(reads);
            loop {
                tokio::time::sleep(PROGRESS_WITHIN / 4).await;
                taken(&mut reads, 1).await;
            }
        });
        fanout.make_room().await;
        assert!(fanout.waiting.has_room());
        assert!(stream.is_attached());
        assert_eq!(left(&all), [true; 2]);
        // Nobody waits for one that hardly reads, nor for ever.
        reading.abort();
        let _ = reading.await;
        assert!(!stream.is_attached());
        let [dribbles] = attached(&fanout, 1).try_into().ok().unwrap();
        for _ in 0..64 {
            tell(&fanout, &dribbles, MIB);
        }
        let (stream, begun) = (dribbles.stream.clone(), Instant::now());
        let mut dribbles = body(dribbles);
        let reading = async {
            loop {
                tokio::time::sleep(PROGRESS_WITHIN * 9 / 10).await;
                taken(&mut dribbles, 1).await;
            }
        };
        tokio::select! {
            () = fanout.make_room() => {}
            () = reading => {}
        }
        assert_eq!(begun.elapsed(), PROGRESS_WITHIN);
        assert!(fanout.waiting.has_room());
        assert!(!stream.is_attached());
        assert_eq!(left(&all), [false; 2], "they have taken nothing at all");
    }
}
