//! The beginnings of requests' bodies, and how fast they must come.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use crate::body::Broken;
use crate::limits::{BODY_PROGRESS, BODY_WHOLE, BodyRule, GATHERED_BYTES_MAX};

/// A request's body up to this is sent along with its head, in one piece.
const WHOLE_BYTES_MAX: usize = 64 * 1024;

/// How much may be gathered at a time, by many.
pub struct Budget {
    used: AtomicUsize,
    max: usize,
}

/// What all requests share, as clients may begin many and end none.
pub static ALL_REQUESTS: Budget = Budget::of(GATHERED_BYTES_MAX);

impl Budget {
    const fn of(max: usize) -> Self {
        Self {
            used: AtomicUsize::new(0),
            max,
        }
    }
}

/// The beginning of a body, which counts for as long as it is held.
pub struct Gathered<'a> {
    budget: &'a Budget,
    bytes: BytesMut,
}

impl<'a> Gathered<'a> {
    pub fn of(budget: &'a Budget) -> Self {
        Self {
            budget,
            bytes: BytesMut::new(),
        }
    }

    /// Reads until the end (true), or until there is more than is sent in one piece, or than all may hold together.
    pub async fn gather<B: Body<Data = Bytes> + Unpin>(&mut self, body: &mut B, pace: Pace) -> Result<bool, Broken> {
        while self.bytes.len() <= WHOLE_BYTES_MAX && self.budget.used.load(Ordering::Relaxed) < self.budget.max {
            match pace.next(body).await? {
                Some(piece) => {
                    self.budget.used.fetch_add(piece.len(), Ordering::Relaxed);
                    self.bytes.extend_from_slice(&piece);
                }
                None => return Ok(true),
            }
        }
        Ok(false)
    }

    pub fn take(&mut self) -> Bytes {
        let bytes = std::mem::take(&mut self.bytes).freeze();
        self.budget.used.fetch_sub(bytes.len(), Ordering::Relaxed);
        bytes
    }
}

impl Drop for Gathered<'_> {
    fn drop(&mut self) {
        self.take();
    }
}

/// By when a body must be whole, if it must; then it must also go on all the time.
#[derive(Clone, Copy)]
pub struct Pace(Option<Instant>);

impl Pace {
    pub fn of(rule: BodyRule) -> Self {
        Self(match rule {
            BodyRule::Stream => None,
            BodyRule::Bounded(_) => Some(Instant::now() + BODY_WHOLE),
        })
    }

    /// What comes next; None at the end.
    pub async fn next<B: Body<Data = Bytes> + Unpin>(self, body: &mut B) -> Result<Option<Bytes>, Broken> {
        loop {
            let frame = match self.0 {
                None => body.frame().await,
                Some(deadline) => timeout_at(deadline.min(Instant::now() + BODY_PROGRESS), body.frame())
                    .await
                    .map_err(|_| Broken::TooSlow)?,
            };
            let Some(frame) = frame else { return Ok(None) };
            // Trailers of requests mean nothing to anybody here.
            if let Ok(piece) = frame.map_err(|_| Broken::Aborted)?.into_data() {
                return Ok(Some(piece));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::StreamExt;
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_must_go_on_and_come_to_its_end() {
        let every = |pause: Duration| {
            let pieces = futures::stream::unfold((), move |()| async move {
                tokio::time::sleep(pause).await;
                Some((Ok::<_, Broken>(Frame::data(Bytes::from_static(b"a"))), ()))
            });
            StreamBody::new(Box::pin(pieces))
        };
        let pace = Pace::of(BodyRule::Bounded(1));
        let mut silent = every(BODY_PROGRESS * 2);
        assert_eq!(pace.next(&mut silent).await, Err(Broken::TooSlow));
        let (began, pace) = (Instant::now(), Pace::of(BodyRule::Bounded(1)));
        let mut dripping = every(BODY_PROGRESS / 2);
        while let Ok(Some(_)) = pace.next(&mut dripping).await {}
        assert_eq!(began.elapsed().as_secs(), BODY_WHOLE.as_secs());
        let mut slow = every(BODY_WHOLE * 2);
        assert!(matches!(Pace::of(BodyRule::Stream).next(&mut slow).await, Ok(Some(_))));
    }

    /// Pieces of 32 KiB, and then the end, or nothing more.
    fn pieces(count: usize, ends: bool) -> impl Body<Data = Bytes, Error = Broken> + Unpin {
        let piece = || Ok(Frame::data(Bytes::from(vec![0; WHOLE_BYTES_MAX / 2])));
        let sent = futures::stream::iter((0..count).map(move |_| piece()));
        StreamBody::new(Box::pin(sent.chain(futures::stream::pending().take_until(
            async move {
                if !ends {
                    futures::future::pending::<()>().await;
                }
            },
        ))))
    }

    #[tokio::test]
    async fn a_body_is_gathered_whole_when_it_is_small() {
        let (budget, pace) = (Budget::of(GATHERED_BYTES_MAX), Pace::of(BodyRule::Stream));
        for (count, whole) in [(0, true), (2, true), (3, false), (100, false)] {
            let mut begun = Gathered::of(&budget);
            assert_eq!(begun.gather(&mut pieces(count, true), pace).await, Ok(whole), "{count}");
            assert_eq!(begun.take().len(), count.min(3) * WHOLE_BYTES_MAX / 2);
        }
        assert_eq!(budget.used.into_inner(), 0);
    }

    #[tokio::test]
    async fn what_all_gather_is_bounded_and_what_one_gives_up_others_have() {
        let (budget, pace) = (Budget::of(4 * WHOLE_BYTES_MAX), Pace::of(BodyRule::Stream));
        let mut held = Vec::new();
        // They have sent something and send no more.
        for _ in 0..100 {
            let mut begun = Gathered::of(&budget);
            let silent =
                tokio::time::timeout(Duration::from_millis(1), begun.gather(&mut pieces(1, false), pace)).await;
            held.push((begun, silent.ok()));
        }
        assert_eq!(budget.used.load(Ordering::Relaxed), budget.max);
        assert!(held[..7].iter().all(|(_, ended)| ended.is_none()));
        assert_eq!(held[7].1, Some(Ok(false)));
        // The others are sent on as they come, with nothing gathered.
        assert!(
            held[8..]
                .iter()
                .all(|(begun, ended)| begun.bytes.is_empty() && *ended == Some(Ok(false)))
        );
        held.truncate(6);
        let mut begun = Gathered::of(&budget);
        assert_eq!(begun.gather(&mut pieces(1, true), pace).await, Ok(true));
        drop((held, begun));
        assert_eq!(budget.used.into_inner(), 0);
    }
}
