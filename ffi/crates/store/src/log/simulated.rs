//! A disk for tests that keeps of what was not synced what it likes, and fails when it is told to.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::log::disk::{Disk, LogFile};

const SECTOR: usize = 16;

/// SplitMix64: numbers that look random and are the same for the same seed.
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    pub fn coin(&mut self) -> bool {
        self.below(2) == 0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process ends in the middle of an operation: this and all later ones do not return what they did.
    Death,
    /// ENOSPC or EIO, once.
    Error(ErrorKind),
}

#[derive(Clone)]
pub struct SimulatedDisk(Arc<Mutex<State>>);

struct State {
    random: Random,
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    /// As they are on the disk.
    names_kept: BTreeMap<String, usize>,
    names_changed: Vec<Naming>,
    /// Operations until the fault comes.
    fault: Option<(usize, Fault)>,
    dead: bool,
}

#[derive(Default)]
struct File {
    bytes: Vec<u8>,
    kept: Vec<u8>,
    changed: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Truncate(usize),
}

#[derive(Clone)]
enum Naming {
    Create(String, usize),
    Remove(String),
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes } => {
                to.resize(to.len().max(at + bytes.len()), 0);
                to[*at..at + bytes.len()].copy_from_slice(bytes);
            }
            Self::Truncate(length) => to.resize(*length, 0),
        }
    }

    /// What of it got through: all, nothing, the beginning, or any of its sectors. Where only later sectors did, the
    /// file has its length, with zeros in between.
    fn part(&self, random: &mut Random) -> Vec<Change> {
        let Self::Write { at, bytes } = self else {
            return if random.coin() { vec![self.clone()] } else { vec![] };
        };
        match random.below(4) {
            0 => vec![self.clone()],
            1 => vec![],
            2 => vec![Self::Write {
                at: *at,
                bytes: bytes[..random.below(bytes.len() + 1)].to_vec(),
            }],
            _ => {
                let sectors = bytes.chunks(SECTOR).enumerate().filter(|_| random.coin());
                sectors
                    .map(|(index, sector)| Self::Write {
                        at: at + index * SECTOR,
                        bytes: sector.to_vec(),
                    })
                    .collect()
            }
        }
    }
}

impl Naming {
    fn apply(&self, to: &mut BTreeMap<String, usize>) {
        match self {
            Self::Create(name, file) => drop(to.insert(name.clone(), *file)),
            Self::Remove(name) => drop(to.remove(name)),
        }
    }
}

impl SimulatedDisk {
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            random: Random(seed),
            files: Vec::new(),
            names: BTreeMap::new(),
            names_kept: BTreeMap::new(),
            names_changed: Vec::new(),
            fault: None,
            dead: false,
        })))
    }

    /// The fault comes in the operation after so many.
    pub fn fail_after(&self, operations: usize, fault: Fault) {
        self.state().fault = Some((operations, fault));
    }

    /// The next process finds what the last one wrote, as the kernel has it in memory.
    pub fn next_process(&self) {
        let mut state = self.state();
        state.dead = false;
        state.fault = None;
    }

    /// Loss of power: of what was not synced anything may be there, in any order.
    pub fn crash(&self) {
        let state = &mut *self.state();
        for file in &mut state.files {
            for change in std::mem::take(&mut file.changed) {
                change
                    .part(&mut state.random)
                    .iter()
                    .for_each(|part| part.apply(&mut file.kept));
            }
            file.bytes = file.kept.clone();
        }
        for naming in std::mem::take(&mut state.names_changed) {
            if state.random.coin() {
                naming.apply(&mut state.names_kept);
            }
        }
        state.names = state.names_kept.clone();
        state.dead = false;
        state.fault = None;
    }

    /// Changes a file behind everybody's back.
    pub fn damage(&self, name: &str, damage: impl FnOnce(&mut Vec<u8>)) {
        let state = &mut *self.state();
        let file = &mut state.files[state.names[name]];
        damage(&mut file.bytes);
        file.kept = file.bytes.clone();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Does all of an operation, or a part of it and fails.
    fn operate(&self, whole: impl FnOnce(&mut State), part: impl FnOnce(&mut State)) -> io::Result<()> {
        let state = &mut *self.state();
        if state.dead {
            return Err(io::Error::other("the process is dead"));
        }
        match &mut state.fault {
            Some((0, fault)) => {
                let fault = *fault;
                state.fault = None;
                state.dead = fault == Fault::Death;
                part(state);
                Err(match fault {
                    Fault::Death => io::Error::other("the process is dead"),
                    Fault::Error(kind) => kind.into(),
                })
            }
            fault => {
                if let Some((operations, _)) = fault {
                    *operations -= 1;
                }
                whole(state);
                Ok(())
            }
        }
    }
}

impl State {
    fn find(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn rename(&mut self, naming: Naming) {
        naming.apply(&mut self.names);
        self.names_changed.push(naming);
    }

    fn change(&mut self, file: usize, change: Change) {
        change.apply(&mut self.files[file].bytes);
        self.files[file].changed.push(change);
    }
}

impl Disk for SimulatedDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.operate(|_| {}, |_| {})?;
        Ok(self.state().names.keys().cloned().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.operate(|_| {}, |_| {})?;
        let state = self.state();
        Ok(state.files[state.find(name)?].bytes.clone())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn LogFile>> {
        assert!(self.state().find(name).is_err(), "{name} is there");
        let make = |state: &mut State| {
            state.files.push(File::default());
            state.rename(Naming::Create(name.to_owned(), state.files.len() - 1));
        };
        self.operate(make, |state| {
            if state.random.coin() {
                make(state);
            }
        })?;
        self.open(name)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn LogFile>> {
        self.operate(|_| {}, |_| {})?;
        let file = self.state().find(name)?;
        Ok(Box::new(OpenFile {
            disk: self.clone(),
            file,
        }))
    }

    fn sync_file(&self, name: &str) -> io::Result<()> {
        self.open(name)?.sync()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.state().find(name)?;
        let remove = |state: &mut State| state.rename(Naming::Remove(name.to_owned()));
        self.operate(remove, |state| {
            if state.random.coin() {
                remove(state);
            }
        })
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.operate(
            |state| {
                state.names_changed.clear();
                state.names_kept = state.names.clone();
            },
            |state| {
                // In their order, and only up to some of them.
                let some = state.random.below(state.names_changed.len() + 1);
                let changed: Vec<_> = state.names_changed.drain(..some).collect();
                changed.iter().for_each(|naming| naming.apply(&mut state.names_kept));
            },
        )
    }
}

struct OpenFile {
    disk: SimulatedDisk,
    file: usize,
}

impl LogFile for OpenFile {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let (at, file) = (at as usize, self.file);
        self.disk.operate(
            |state| {
                let bytes = bytes.to_vec();
                state.change(file, Change::Write { at, bytes });
            },
            |state| {
                let bytes = bytes[..state.random.below(bytes.len() + 1)].to_vec();
                state.change(file, Change::Write { at, bytes });
            },
        )
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let file = self.file;
        let truncate = |state: &mut State| state.change(file, Change::Truncate(length as usize));
        self.disk.operate(truncate, |state| {
            if state.random.coin() {
                truncate(state);
            }
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        let file = self.file;
        self.disk.operate(
            |state| {
                let file = &mut state.files[file];
                file.changed.drain(..).for_each(|change| change.apply(&mut file.kept));
            },
            // Some of it got there, and what did not is never tried again: the kernel takes it for clean.
            |state| {
                let file = &mut state.files[file];
                for change in std::mem::take(&mut file.changed) {
                    change
                        .part(&mut state.random)
                        .iter()
                        .for_each(|part| part.apply(&mut file.kept));
                }
            },
        )
    }
}
