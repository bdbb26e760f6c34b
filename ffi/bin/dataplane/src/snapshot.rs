//! Takes over the snapshot that the agent leaves on disk.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arc_swap::ArcSwap;
use k3ts_frames::{CallContext, RpcError};
use k3ts_proto::v1 as pb;
use k3ts_supervisor::log;
use prost::Message;

use crate::forward::Forwarder;
use crate::handler::Served;
use crate::zone::Zone;

/// A million names would be less.
const SNAPSHOT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// `DnsService`.
pub struct Snapshots {
    path: PathBuf,
    served: Arc<ArcSwap<Served>>,
    serial: AtomicU32,
}

impl Snapshots {
    /// Begins with what is on disk, and with nothing when that cannot be used.
    pub fn open(path: PathBuf) -> Result<Self, String> {
        let empty = Served {
            zone: Zone::new(&pb::DnsSnapshot::default(), 0)?,
            forwarder: Arc::new(Forwarder::new(Vec::new())?),
        };
        let snapshots = Self {
            path,
            served: Arc::new(ArcSwap::from_pointee(empty)),
            serial: AtomicU32::new(0),
        };
        if let Err(error) = snapshots.load() {
            log::error(&error, &[]);
        }
        Ok(snapshots)
    }

    pub fn served(&self) -> Arc<ArcSwap<Served>> {
        self.served.clone()
    }

    /// On an error what was served is served on.
    fn load(&self) -> Result<pb::LoadSnapshotResponse, String> {
        let snapshot = self.read()?;
        let zone = Zone::new(&snapshot, self.serial.fetch_add(1, Ordering::Relaxed) + 1)?;
        if !zone.skipped.is_empty() {
            let message = "Cannot serve all names as they must be well-formed";
            let first = zone.skipped.first().cloned().unwrap_or_default();
            log::warn(message, &[("skipped", &zone.skipped.len()), ("first", &first)]);
        }
        let upstreams = snapshot.upstreams.iter().map(|address| {
            address
                .parse()
                .map_err(|_| format!("Cannot forward as a resolver must be like 192.0.2.1:53: it is \"{address}\""))
        });
        let upstreams: Vec<_> = upstreams.collect::<Result<_, _>>()?;
        // What has been learned is kept as long as it comes from the same.
        let before = self.served.load();
        let forwarder = match before.forwarder.upstreams == upstreams {
            true => before.forwarder.clone(),
            false => Arc::new(Forwarder::new(upstreams)?),
        };
        let response = pb::LoadSnapshotResponse {
            names: zone.listed,
            version: zone.version.clone(),
        };
        self.served.store(Arc::new(Served { zone, forwarder }));
        Ok(response)
    }

    fn read(&self) -> Result<pb::DnsSnapshot, String> {
        let failed = |error: &dyn std::fmt::Display| {
            format!(
                "Cannot take over {} as it must be a DnsSnapshot: {error}",
                self.path.display()
            )
        };
        let file = match File::open(&self.path) {
            Ok(file) => file,
            // Nobody has written one yet.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(pb::DnsSnapshot::default()),
            Err(error) => return Err(failed(&error)),
        };
        let mut bytes = Vec::new();
        file.take(SNAPSHOT_BYTES_MAX)
            .read_to_end(&mut bytes)
            .map_err(|error| failed(&error))?;
        pb::DnsSnapshot::decode(bytes.as_slice()).map_err(|error| failed(&error))
    }
}

impl pb::DnsService for Snapshots {
    async fn load_snapshot(
        &self,
        _: CallContext,
        _: pb::LoadSnapshotRequest,
    ) -> Result<pb::LoadSnapshotResponse, RpcError> {
        self.load().map_err(RpcError::failed_precondition)
    }
}
