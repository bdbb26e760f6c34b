//! News of containers: the start and the end of each, and the loss of a shim.

use crate::record::Record;
use crate::settings::Settings;
use crate::sys;
use k3ts_frames::{ErrorContext, RpcError};
use k3ts_shim::files;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use std::collections::{BTreeSet, HashMap};
use std::io::{PipeReader, PipeWriter, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

struct Watched {
    directory: WatchDescriptor,
    /// Ready when the shim has ended.
    shim: Option<OwnedFd>,
}

/// Watches from its creation on: what is listed afterwards misses nothing.
pub struct Watcher {
    settings: Arc<Settings>,
    inotify: Inotify,
    records: WatchDescriptor,
    watched: HashMap<String, Watched>,
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
            stop,
        };
        watcher.follow()?;
        Ok((watcher, Stop { _pipe: writer }))
    }

    fn changes(&mut self) -> Result<Option<Vec<String>>, RpcError> {
        loop {
            let Some(ended) = self.wait()? else { return Ok(None) };
            let mut changed: BTreeSet<String> = ended.into_iter().collect();
            for id in &changed {
                if let Some(watched) = self.watched.get_mut(id) {
                    watched.shim = None;
                }
            }
            for event in self.events()? {
                changed.extend(self.meaning(&event));
            }
            changed.extend(self.follow()?);
            if !changed.is_empty() {
                return Ok(Some(changed.into_iter().collect()));
            }
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

    fn meaning(&self, event: &InotifyEvent) -> Vec<String> {
        if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            return self.watched.keys().cloned().collect();
        }
        let is_news = event
            .name
            .as_ref()
            .is_some_and(|name| name == files::EXIT || name == files::STARTED);
        if event.wd == self.records || !is_news {
            return Vec::new();
        }
        let of = |(id, watched): (&String, &Watched)| (watched.directory == event.wd).then(|| id.clone());
        self.watched.iter().filter_map(of).collect()
    }

    /// Watches those that are new, and drops those that were deleted. Returns what changed before it could be seen.
    fn follow(&mut self) -> Result<Vec<String>, RpcError> {
        let ids = Record::ids(&self.settings)?;
        let gone: Vec<String> = self
            .watched
            .keys()
            .filter(|id| ids.binary_search(id).is_err())
            .cloned()
            .collect();
        for id in gone {
            if let Some(watched) = self.watched.remove(&id) {
                // The directory may be gone already, and the watch with it.
                let _ = self.inotify.rm_watch(watched.directory);
            }
        }
        let mut changed = Vec::new();
        for id in ids {
            let is_followed = self.watched.get(&id).is_some_and(|watched| watched.shim.is_some());
            if is_followed {
                continue;
            }
            let Some(record) = Record::read(&self.settings, &id)? else {
                continue;
            };
            let flags = AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_CLOSE_WRITE;
            let Ok(directory) = self.inotify.add_watch(&record.directory, flags) else {
                continue;
            };
            let shim = record.shim_pid().and_then(|pid| sys::pidfd(pid).ok());
            let is_new = self.watched.insert(id.clone(), Watched { directory, shim }).is_none();
            if is_new && (record.exit().is_some() || !record.started_at().is_empty()) {
                changed.push(id);
            }
        }
        Ok(changed)
    }
}

/// Blocks until something has changed, and gives the ids. Ends when it was stopped.
impl Iterator for Watcher {
    type Item = Result<Vec<String>, RpcError>;

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
