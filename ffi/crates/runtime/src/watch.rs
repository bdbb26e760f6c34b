//! News of containers: the start and the end of each, and the loss of a shim.

use crate::record::Record;
use crate::settings::Settings;
use crate::{list, sys};
use k3ts_frames::{ErrorContext, RpcError};
use k3ts_proto::v1::{ContainerState, ContainerStatus};
use k3ts_shim::files;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use std::collections::{BTreeSet, HashMap};
use std::io::{PipeReader, PipeWriter, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

struct Watched {
    record: Record,
    directory: WatchDescriptor,
    /// Ready when the shim has ended.
    shim: Option<OwnedFd>,
    /// Its end was told: nothing more will be of it.
    has_ended: bool,
}

/// What has changed, and what it is like now.
#[derive(Debug)]
pub struct News {
    pub ids: Vec<String>,
    /// Without those that were deleted meanwhile.
    pub containers: Vec<ContainerState>,
}

/// Watches from its creation on: what is listed afterwards misses nothing. Of a change it reads what has changed alone.
pub struct Watcher {
    settings: Arc<Settings>,
    inotify: Inotify,
    records: WatchDescriptor,
    watched: HashMap<String, Watched>,
    /// Whose directory it is.
    ids: HashMap<WatchDescriptor, String>,
    stop: PipeReader,
}

/// Ends the wait of its watcher when it is dropped.
pub struct Stop {
    _pipe: PipeWriter,
}

impl Watcher {
    pub fn new(settings: Arc<Settings>) -> Result<(Self, Stop), RpcError> {
        let doing = || "Cannot watch the containers".to_owned();
        let (stop, writer) = pipe().doing(doing)?;
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)
            .map_err(io_error)
            .doing(doing)?;
        let flags = AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_DELETE;
        let records = inotify
            .add_watch(&settings.records, flags)
            .map_err(io_error)
            .doing(doing)?;
        let mut watcher = Watcher {
            settings,
            inotify,
            records,
            watched: HashMap::new(),
            ids: HashMap::new(),
            stop,
        };
        watcher.look()?;
        Ok((watcher, Stop { _pipe: writer }))
    }

    fn changes(&mut self) -> Result<Option<News>, RpcError> {
        loop {
            let Some(ended) = self.wait()? else { return Ok(None) };
            let mut changed = BTreeSet::new();
            for id in ended {
                if let Some(watched) = self.watched.get_mut(&id) {
                    watched.shim = None;
                    if !watched.has_ended {
                        changed.insert(id);
                    }
                }
            }
            for event in self.events()? {
                changed.extend(self.meaning(&event)?);
            }
            if !changed.is_empty() {
                return Ok(Some(self.news(changed)));
            }
        }
    }

    fn news(&mut self, changed: BTreeSet<String>) -> News {
        let mut containers = Vec::new();
        for id in &changed {
            if let Some(watched) = self.watched.get_mut(id) {
                let state = list::state(&self.settings, id.clone(), &watched.record);
                watched.has_ended = state.status() == ContainerStatus::Exited;
                containers.push(state);
            }
        }
        News {
            ids: changed.into_iter().collect(),
            containers,
        }
    }

    /// Ids whose shim has ended; `None` when stopped.
    fn wait(&self) -> Result<Option<Vec<String>>, RpcError> {
        let shims: Vec<(&String, &OwnedFd)> = self
            .watched
            .iter()
            .filter_map(|(id, watched)| Some((id, watched.shim.as_ref()?)))
            .collect();
        let mut polls = vec![readable(&self.stop), readable(&self.inotify)];
        polls.extend(shims.iter().map(|(_, shim)| readable(*shim)));
        match poll(&mut polls, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(io_error(error)).doing(|| "Cannot wait for containers".to_owned()),
        }
        let is_ready = |entry: &PollFd| entry.revents().is_some_and(|events| !events.is_empty());
        if is_ready(&polls[0]) {
            return Ok(None);
        }
        let ended = shims.iter().zip(&polls[2..]).filter(|(_, entry)| is_ready(entry));
        Ok(Some(ended.map(|((id, _), _)| (*id).clone()).collect()))
    }

    fn events(&self) -> Result<Vec<InotifyEvent>, RpcError> {
        match self.inotify.read_events() {
            Err(Errno::EAGAIN) => Ok(Vec::new()),
            events => events.map_err(io_error).doing(|| "Cannot read what changed".to_owned()),
        }
    }

    /// Ids of those that there is news of.
    fn meaning(&mut self, event: &InotifyEvent) -> Result<Vec<String>, RpcError> {
        if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            // Whatever was missed.
            self.look()?;
            return Ok(self.watched.keys().cloned().collect());
        }
        let Some(name) = &event.name else { return Ok(Vec::new()) };
        if event.wd == self.records {
            let Some(id) = Record::id_of(name) else {
                return Ok(Vec::new());
            };
            if event.mask.contains(AddWatchFlags::IN_DELETE) {
                self.drop(&id);
            } else if self.follow(&id)? {
                return Ok(vec![id]);
            }
            return Ok(Vec::new());
        }
        let Some((id, watched)) = self
            .ids
            .get(&event.wd)
            .and_then(|id| Some((id, self.watched.get_mut(id)?)))
        else {
            return Ok(Vec::new());
        };
        if watched.shim.is_none() && !watched.has_ended {
            watched.shim = shim_of(&watched.record);
        }
        // The shim has its file open for as long as it lives.
        let is_over = name == files::SHIM_PID && !watched.has_ended;
        let is_news = name == files::EXIT || name == files::STARTED || is_over;
        Ok(if is_news { vec![id.clone()] } else { Vec::new() })
    }

    /// Watches those that are there.
    fn look(&mut self) -> Result<(), RpcError> {
        let ids = Record::ids(&self.settings)?;
        let gone = |id: &&String| ids.binary_search(id).is_err();
        for id in self.watched.keys().filter(gone).cloned().collect::<Vec<_>>() {
            self.drop(&id);
        }
        for id in ids {
            self.follow(&id)?;
        }
        Ok(())
    }

    fn drop(&mut self, id: &str) {
        if let Some(watched) = self.watched.remove(id) {
            self.ids.remove(&watched.directory);
            // The directory may be gone already, and the watch with it.
            let _ = self.inotify.rm_watch(watched.directory);
        }
    }

    /// Watches one that may be new. True when something of it has changed before it could be seen.
    fn follow(&mut self, id: &str) -> Result<bool, RpcError> {
        let Some(record) = Record::read(&self.settings, id)? else {
            return Ok(false);
        };
        let flags = AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_CLOSE_WRITE;
        let Ok(directory) = self.inotify.add_watch(&record.directory, flags) else {
            return Ok(false);
        };
        let shim = shim_of(&record);
        let has_begun = record.exit().is_some() || !record.started_at().is_empty();
        self.ids.insert(directory, id.to_owned());
        let watched = Watched {
            record,
            directory,
            shim,
            has_ended: false,
        };
        let before = self.watched.insert(id.to_owned(), watched);
        if let Some(before) = before.as_ref().filter(|before| before.directory != directory) {
            self.ids.remove(&before.directory);
            let _ = self.inotify.rm_watch(before.directory);
        }
        Ok(before.is_none() && has_begun)
    }
}

fn shim_of(record: &Record) -> Option<OwnedFd> {
    sys::pidfd(record.shim_pid()?).ok()
}

/// Blocks until something has changed, and gives the news. Ends when it was stopped.
impl Iterator for Watcher {
    type Item = Result<News, RpcError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.changes().transpose()
    }
}

fn readable<T: AsFd>(source: &T) -> PollFd<'_> {
    PollFd::new(source.as_fd(), PollFlags::POLLIN)
}

fn io_error(error: Errno) -> std::io::Error {
    error.into()
}
