//! Frames: what one commit adds to the log.
//!
//! ```text
//! u32  CRC-32 of the segment's salt and all that follows
//! u32  CRC-32 of the segment's salt and the rest of the head
//! u32  length of the rows, never 0
//! u64  number
//! rows
//! ```
//!
//! Whoever stores values does not know the salt, and can make nothing that looks like a head: what is looked through for
//! frames is looked through once.
//!
//! A row: u8 what it is (0 a value, 1 a deletion, 2 a merge; + 4 when it has a time of creation, + 8 one of expiry), u32
//! key length, u32 value length, u64 sequence number, the times (i64 each), key, value. Integers are little-endian.

use std::ops::Range;

use bytes::{Buf, Bytes};
use slatedb::{RowEntry, ValueDeletable};

pub const HEAD_BYTES: usize = 20;

const VALUE: u8 = 0;
const DELETION: u8 = 1;
const MERGE: u8 = 2;
const KINDS: u8 = 3;
const CREATED: u8 = 4;
const EXPIRES: u8 = 8;

const ROW_HEAD_BYTES: usize = 17;

/// A frame that is being filled.
pub struct Filling {
    bytes: Vec<u8>,
    pub rows: usize,
    pub last_seq: u64,
}

impl Filling {
    pub fn new() -> Self {
        Self {
            bytes: vec![0; HEAD_BYTES],
            rows: 0,
            last_seq: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.bytes.len() - HEAD_BYTES
    }

    pub fn push(&mut self, row: &RowEntry) {
        let (kind, value) = match &row.value {
            ValueDeletable::Value(value) => (VALUE, &value[..]),
            ValueDeletable::Merge(value) => (MERGE, &value[..]),
            ValueDeletable::Tombstone => (DELETION, &[][..]),
        };
        let times = [(CREATED, row.create_ts), (EXPIRES, row.expire_ts)];
        let flags = times.iter().filter(|(_, time)| time.is_some()).map(|(flag, _)| flag);
        self.bytes.push(flags.fold(kind, |all, flag| all | flag));
        // Both came in a frame of the ABI, whose length is a u32.
        self.bytes.extend_from_slice(&(row.key.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(&row.seq.to_le_bytes());
        for time in times.iter().filter_map(|(_, time)| *time) {
            self.bytes.extend_from_slice(&time.to_le_bytes());
        }
        self.bytes.extend_from_slice(&row.key);
        self.bytes.extend_from_slice(value);
        self.rows += 1;
        self.last_seq = row.seq;
    }

    /// The frame, as it is written.
    pub fn finish(mut self, number: u64, salt: u64) -> Vec<u8> {
        let length = self.len() as u32;
        self.bytes[8..12].copy_from_slice(&length.to_le_bytes());
        self.bytes[12..20].copy_from_slice(&number.to_le_bytes());
        let of_head = checksum(salt, &self.bytes[8..HEAD_BYTES]);
        self.bytes[4..8].copy_from_slice(&of_head.to_le_bytes());
        let of_all = checksum(salt, &self.bytes[4..]);
        self.bytes[..4].copy_from_slice(&of_all.to_le_bytes());
        self.bytes
    }
}

/// Where the rows of a frame are that begins at `at`, has this number and is whole.
pub fn rows_at(bytes: &[u8], at: usize, number: u64, salt: u64) -> Option<Range<usize>> {
    let head = head_at(bytes, at)?;
    (head.number == number).then_some(())?;
    head.rows_if_whole(bytes, at, salt)
}

/// The first whole frame behind a place, wherever it begins, with this number or a later one.
pub fn find_after(bytes: &[u8], at: usize, number: u64, salt: u64) -> Option<(usize, u64)> {
    // Fewer frames than bytes fit, so that nearly no place needs a checksum computed.
    let numbers = number..=number.saturating_add(bytes.len() as u64);
    (at + 1..bytes.len()).find_map(|place| {
        let head = head_at(bytes, place)?;
        numbers.contains(&head.number).then_some(())?;
        head.rows_if_whole(bytes, place, salt).map(|_| (place, head.number))
    })
}

struct Head {
    checksum: u32,
    checksum_of_head: u32,
    length: usize,
    number: u64,
}

impl Head {
    fn rows_if_whole(&self, bytes: &[u8], at: usize, salt: u64) -> Option<Range<usize>> {
        let begin = at + HEAD_BYTES;
        let end = begin.checked_add(self.length)?;
        let whole = self.length > 0
            && end <= bytes.len()
            && checksum(salt, &bytes[at + 8..begin]) == self.checksum_of_head
            && checksum(salt, &bytes[at + 4..end]) == self.checksum;
        whole.then_some(begin..end)
    }
}

fn head_at(bytes: &[u8], at: usize) -> Option<Head> {
    let mut head = bytes.get(at..at.checked_add(HEAD_BYTES)?)?;
    Some(Head {
        checksum: head.get_u32_le(),
        checksum_of_head: head.get_u32_le(),
        length: head.get_u32_le() as usize,
        number: head.get_u64_le(),
    })
}

fn checksum(salt: u64, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

/// The rows of a frame, which share its memory. None where they are none, whatever the checksum says.
pub fn decode(mut rows: Bytes) -> Option<Vec<RowEntry>> {
    let mut decoded = Vec::new();
    while rows.has_remaining() {
        if rows.remaining() < ROW_HEAD_BYTES {
            return None;
        }
        let flags = rows.get_u8();
        let key_length = rows.get_u32_le() as usize;
        let value_length = rows.get_u32_le() as usize;
        let seq = rows.get_u64_le();
        let mut time = |flag: u8| -> Option<Option<i64>> {
            if flags & flag == 0 {
                return Some(None);
            }
            (rows.remaining() >= 8).then(|| Some(rows.get_i64_le()))
        };
        let create_ts = time(CREATED)?;
        let expire_ts = time(EXPIRES)?;
        if rows.remaining() < key_length.checked_add(value_length)? {
            return None;
        }
        let key = rows.split_to(key_length);
        let value = rows.split_to(value_length);
        decoded.push(RowEntry {
            key,
            value: match flags & KINDS {
                VALUE => ValueDeletable::Value(value),
                DELETION => ValueDeletable::Tombstone,
                MERGE => ValueDeletable::Merge(value),
                _ => return None,
            },
            seq,
            create_ts,
            expire_ts,
        });
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn row(key: &'static str, value: ValueDeletable, create_ts: Option<i64>, expire_ts: Option<i64>) -> RowEntry {
        RowEntry {
            key: Bytes::from_static(key.as_bytes()),
            value,
            seq: 7,
            create_ts,
            expire_ts,
        }
    }

    fn rows() -> Vec<RowEntry> {
        vec![
            row("a", ValueDeletable::Value(Bytes::from_static(b"1")), Some(-1), None),
            row("b", ValueDeletable::Tombstone, None, None),
            row("c", ValueDeletable::Merge(Bytes::new()), None, Some(i64::MAX)),
            row("d", ValueDeletable::Value(Bytes::from_static(b"4")), Some(0), Some(0)),
        ]
    }

    fn frame(number: u64, salt: u64) -> Vec<u8> {
        let mut filling = Filling::new();
        rows().iter().for_each(|row| filling.push(row));
        assert_eq!((filling.rows, filling.last_seq), (4, 7));
        filling.finish(number, salt)
    }

    #[test]
    fn rows_are_read_back_as_they_were() {
        let bytes = Bytes::from(frame(3, 9));
        let place = rows_at(&bytes, 0, 3, 9).unwrap();
        assert_eq!(place, HEAD_BYTES..bytes.len());
        assert_eq!(decode(bytes.slice(place)).unwrap(), rows());
    }

    #[test]
    fn a_frame_counts_only_whole_in_its_segment_and_in_its_turn() {
        let bytes = frame(3, 9);
        assert!(rows_at(&bytes, 0, 4, 9).is_none());
        assert!(rows_at(&bytes, 0, 3, 8).is_none());
        for end in 0..bytes.len() {
            assert!(rows_at(&bytes[..end], 0, 3, 9).is_none(), "cut off at {end}");
        }
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 0x10;
            assert!(rows_at(&changed, 0, 3, 9).is_none(), "changed at {place}");
        }
        assert!(rows_at(&[0; 64], 0, 0, 0).is_none());
    }

    #[test]
    fn a_later_frame_is_found_wherever_it_begins() {
        let bytes = [vec![0; 5], frame(4, 9), frame(5, 9)].concat();
        assert_eq!(find_after(&bytes, 0, 3, 9), Some((5, 4)));
        assert_eq!(find_after(&bytes, 5, 3, 9).map(|(_, number)| number), Some(5));
        assert_eq!(find_after(&bytes, 0, 6, 9), None);
        assert_eq!(find_after(&bytes, 0, 3, 8), None);
    }

    #[test]
    fn a_tail_full_of_heads_that_somebody_stored_is_looked_through_at_once() {
        let mut filling = Filling::new();
        let rows = vec![0; 4 * 1024 * 1024];
        filling.push(&row("a", ValueDeletable::Value(rows.into()), None, None));
        // As they are made without the salt, each for all the bytes behind it.
        let mut bytes = filling.finish(4, 9);
        for place in (HEAD_BYTES..bytes.len() - HEAD_BYTES).step_by(HEAD_BYTES) {
            let length = (bytes.len() - place - HEAD_BYTES) as u32;
            bytes[place + 8..place + 12].copy_from_slice(&length.to_le_bytes());
            bytes[place + 12..place + 20].copy_from_slice(&5_u64.to_le_bytes());
        }
        let begin = Instant::now();
        assert_eq!(find_after(&bytes, 0, 4, 9), None);
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    }

    #[test]
    fn what_is_no_row_is_refused() {
        let bytes = frame(3, 9);
        let rows = &bytes[HEAD_BYTES..];
        for end in 1..rows.len() {
            if let Some(decoded) = decode(Bytes::copy_from_slice(&rows[..end])) {
                assert!(decoded.len() < 4);
            }
        }
        assert!(decode(Bytes::from([&[3][..], &[0; 16]].concat())).is_none());
        assert!(decode(Bytes::from([&[0][..], &[0xff; 16]].concat())).is_none());
    }
}
