//! What is promised of the log, on a disk that loses, tears and reorders what was not synced, fails in any operation, and
//! under a process that may end in any of them.

use std::io::ErrorKind;
use std::sync::Arc;

use bytes::Bytes;
use slatedb::{RowEntry, ValueDeletable};

use super::appender::Appender;
use super::disk::Disk;
use super::error::LogError;
use super::frame::Filling;
use super::recovery::{Known, look, recover, segments};
use super::simulated::{Fault, Random, SimulatedDisk};

const SEGMENT_BYTES: u64 = 400;
const ROUNDS: usize = 12;
const OPERATIONS: usize = 60;

type Rows = Vec<RowEntry>;

/// A log with what may be asked of it.
struct World {
    disk: SimulatedDisk,
    random: Random,
    epoch: u64,
    origin: u64,
    /// From the origin on: what was acknowledged, or has been seen to be there.
    certain: Vec<Rows>,
    /// What was appended last, and may be there.
    possible: Option<Rows>,
    in_tables: u64,
    seq: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let origin = 1 + random.below(3) as u64 * 1000;
        Self {
            disk: SimulatedDisk::new(random.next()),
            random,
            epoch: 1,
            origin,
            certain: Vec::new(),
            possible: None,
            in_tables: origin - 1,
            seq: 0,
        }
    }

    fn last(&self) -> u64 {
        self.origin + self.certain.len() as u64 - 1
    }

    fn rows(&mut self) -> Rows {
        self.seq += 1;
        let count = 1 + self.random.below(4);
        (0..count)
            .map(|_| RowEntry {
                key: self.bytes(20),
                value: if self.random.coin() {
                    ValueDeletable::Value(self.bytes(120))
                } else {
                    ValueDeletable::Tombstone
                },
                seq: self.seq,
                create_ts: Some(self.random.next() as i64),
                expire_ts: None,
            })
            .collect()
    }

    /// At times what a frame looks like from outside, as somebody could store it.
    fn bytes(&mut self, end: usize) -> Bytes {
        let length = self.random.below(end);
        if self.random.below(8) == 0 && !self.certain.is_empty() {
            let old = self.certain[self.random.below(self.certain.len())].clone();
            return filled(&old).finish(self.last() + 1, self.random.below(3) as u64).into();
        }
        (0..length).map(|_| self.random.next() as u8).collect()
    }

    fn known(&mut self) -> Known {
        let durable = self.in_tables.max(self.origin - 1);
        let more = (self.last().max(durable) - durable) as usize;
        Known {
            origin: self.origin,
            in_tables: self.in_tables,
            durable: durable + self.random.below(more + 1) as u64,
        }
    }

    /// Opens the log as the next writer does. Fails only where the disk did.
    fn recover(&mut self) -> Result<Appender, LogError> {
        self.epoch += 1;
        let known = self.known();
        let mut frames = recover(&self.disk, known, self.epoch)?;
        let mut found = Vec::new();
        while let Some((number, rows)) = frames.next()? {
            assert_eq!(
                number,
                self.in_tables + 1 + found.len() as u64,
                "the frames follow each other"
            );
            found.push(rows);
        }
        let expected = &self.certain[(self.in_tables + 1 - self.origin) as usize..];
        let (kept, beyond) = found.split_at_checked(expected.len()).unwrap_or((&found, &[]));
        assert!(
            kept == expected,
            "every acknowledged frame is there as it was: {} of {}",
            kept.len(),
            expected.len()
        );
        match beyond {
            [] => {}
            [rows] => {
                assert!(
                    Some(rows) == self.possible.as_ref(),
                    "nothing is there that was never appended"
                );
                self.certain.push(rows.clone());
            }
            _ => panic!("{} frames are there that were not acknowledged", beyond.len()),
        }
        self.possible = None;
        assert_eq!(frames.last, self.last());
        Ok(Appender::new(
            Arc::new(self.disk.clone()),
            self.epoch,
            self.last() + 1,
            SEGMENT_BYTES,
        ))
    }

    fn append(&mut self, appender: &mut Appender) -> Result<(), LogError> {
        let rows = self.rows();
        self.possible = Some(rows.clone());
        let number = appender.append(filled(&rows))?;
        self.certain.push(rows);
        self.possible = None;
        assert_eq!(number, self.last());
        Ok(())
    }

    /// As the engine does when it has written tables.
    fn collect(&mut self) {
        self.in_tables += self.random.below((self.last() - self.in_tables) as usize + 1) as u64;
        let names = segments(&self.disk).unwrap();
        for pair in names.windows(2).filter(|pair| pair[1].first <= self.in_tables) {
            if self.random.coin() {
                self.disk.remove(&pair[0].to_string()).unwrap();
            }
        }
    }

    fn next_fault(&mut self) -> Fault {
        match self.random.below(4) {
            0 => Fault::Error(ErrorKind::StorageFull),
            1 => Fault::Error(ErrorKind::Other),
            _ => Fault::Death,
        }
    }

    /// Whatever went before, the next process finds the machine as it was or as it is after a loss of power.
    fn restart(&mut self) {
        if self.random.coin() {
            self.disk.crash();
        } else {
            self.disk.next_process();
        }
    }
}

fn filled(rows: &Rows) -> Filling {
    let mut filling = Filling::new();
    rows.iter().for_each(|row| filling.push(row));
    filling
}

fn live(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..ROUNDS {
        let operations = world.random.below(OPERATIONS);
        let fault = world.next_fault();
        world.disk.fail_after(operations, fault);
        if let Ok(mut appender) = world.recover() {
            while world.append(&mut appender).is_ok() {}
            let fault = || world.disk.list().is_err();
            // An error of the disk's ends the writer for ever, though the disk works again.
            assert!(fault() || appender.append(filled(&vec![])).is_err());
        }
        world.restart();
        if world.random.below(3) == 0 {
            // Twice gives the same, and what the second finds was on the disk after the first.
            world.recover().unwrap();
            world.disk.crash();
            world.recover().unwrap();
            world.collect();
            if world.random.coin() {
                world.disk.crash();
            }
        }
    }
    world.recover().unwrap();
}

#[test]
fn acknowledged_frames_survive_crashes_kills_and_errors_and_nothing_else_appears() {
    let seeds = std::env::var("K3TS_LOG_SEEDS").map_or(5_000, |seeds| seeds.parse().unwrap());
    for seed in 0..seeds {
        if std::panic::catch_unwind(|| live(seed)).is_err() {
            panic!("with seed {seed}");
        }
    }
}

/// Twenty frames in several segments, all synced.
fn written(seed: u64) -> World {
    let mut world = World::new(seed);
    let mut appender = world.recover().unwrap();
    for _ in 0..20 {
        world.append(&mut appender).unwrap();
    }
    assert!(segments(&world.disk).unwrap().len() > 2);
    world
}

fn refusal(world: &mut World) -> String {
    let known = Known {
        durable: world.last(),
        ..world.known()
    };
    match recover(&world.disk, known, 100) {
        Err(LogError::Damaged(damage)) => damage.to_string(),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("the log was opened"),
    }
}

#[test]
fn a_damaged_byte_anywhere_keeps_the_log_closed_and_as_it_is() {
    for seed in 0..200 {
        let mut world = written(seed);
        let names = segments(&world.disk).unwrap();
        let name = names[world.random.below(names.len())].to_string();
        let mut random = world.random.clone();
        world.disk.damage(&name, |bytes| {
            let place = random.below(bytes.len());
            bytes[place] ^= 1 << random.below(8);
        });
        let before = world.disk.read(&name).unwrap();
        refusal(&mut world);
        assert_eq!(world.disk.read(&name).unwrap(), before);
    }
}

#[test]
fn a_frame_that_is_bad_while_later_ones_are_good_is_told_from_one_that_was_cut_off() {
    let mut world = written(1);
    let last = *segments(&world.disk).unwrap().last().unwrap();
    let mut appender = Appender::new(Arc::new(world.disk.clone()), last.epoch + 1, world.last() + 1, u64::MAX);
    for _ in 0..3 {
        world.append(&mut appender).unwrap();
    }
    let name = segments(&world.disk).unwrap().last().unwrap().to_string();
    world.disk.damage(&name, |bytes| bytes[20] ^= 1);
    // What the engine knows to be durable is not needed to see it.
    let known = world.known();
    let Err(LogError::Damaged(damage)) = recover(&world.disk, Known { durable: 0, ..known }, 100) else {
        panic!("the log was opened");
    };
    assert!(damage.to_string().contains("behind it is whole"), "{damage}");
}

#[test]
fn a_frame_that_was_cut_off_is_taken_away() {
    let mut world = written(4);
    let name = segments(&world.disk).unwrap().last().unwrap().to_string();
    let whole = world.disk.read(&name).unwrap();
    world.disk.damage(&name, |bytes| bytes.extend([7; 30]));
    world.recover().unwrap();
    assert_eq!(world.disk.read(&name).unwrap(), whole);
}

#[test]
fn a_missing_segment_keeps_the_log_closed() {
    for index in 0..3 {
        let mut world = written(2);
        let name = segments(&world.disk).unwrap()[index].to_string();
        world.disk.remove(&name).unwrap();
        refusal(&mut world);
    }
}

#[test]
fn tables_of_an_older_copy_are_told_from_a_log_that_went_on() {
    let mut world = written(3);
    let known = world.known();
    let outcome = recover(&world.disk, known, world.epoch);
    assert!(matches!(outcome, Err(LogError::Damaged(damage)) if damage.to_string().contains("older copy")));
}

#[test]
fn a_reader_sees_what_is_acknowledged_and_changes_nothing() {
    for seed in 0..200 {
        let mut world = written(seed);
        let mut appender = world.recover().unwrap();
        let operations = world.random.below(8);
        world.disk.fail_after(operations, Fault::Error(ErrorKind::StorageFull));
        while world.append(&mut appender).is_ok() {}
        let before: Vec<_> = segments(&world.disk).unwrap();
        let mut frames = look(&world.disk, world.origin, world.in_tables).unwrap();
        let mut found = Vec::new();
        while let Some((_, rows)) = frames.next().unwrap() {
            found.push(rows);
        }
        assert!(found.starts_with(&world.certain) && found.len() <= world.certain.len() + 1);
        assert_eq!(segments(&world.disk).unwrap(), before);
        // What it was shown is not lost with the machine... unless it is the last, whose sync had failed before it came.
        world.disk.crash();
        world.recover().unwrap();
    }
}
