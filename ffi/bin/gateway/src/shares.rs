//! Parts of something bounded, counted by who holds them.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Knows only those who hold something.
pub struct Shares<K> {
    counts: Mutex<HashMap<K, usize>>,
}

/// Given back when it is dropped.
pub struct Share<K: Eq + Hash> {
    shares: Arc<Shares<K>>,
    holder: K,
}

impl<K: Clone + Eq + Hash> Shares<K> {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            counts: Mutex::default(),
        })
    }

    /// None when the holder has `most` already.
    pub fn take(self: &Arc<Self>, holder: K, most: usize) -> Option<Share<K>> {
        let mut counts = self.counts();
        let count = counts.entry(holder.clone()).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Share {
            shares: self.clone(),
            holder,
        })
    }
}

impl<K> Shares<K> {
    fn counts(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let mut counts = self.shares.counts();
        if let Some(count) = counts.get_mut(&self.holder) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_so_many_and_nobody_is_remembered() {
        let shares = Shares::new();
        let first = shares.take("a", 2).unwrap();
        let second = shares.take("a", 2).unwrap();
        assert!(shares.take("a", 2).is_none());
        let other = shares.take("b", 2);
        assert!(other.is_some());
        drop(first);
        let third = shares.take("a", 2).unwrap();
        drop((second, third, other));
        assert!(shares.counts().is_empty());
    }
}
