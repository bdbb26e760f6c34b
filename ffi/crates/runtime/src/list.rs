//! The state of containers, from disk and the kernel.

use crate::oci_runtime;
use crate::record::{Exit, Record};
use crate::settings::Settings;
use k3ts_frames::RpcError;
use k3ts_proto::v1::{ContainerState, ContainerStatus};

/// The containers of these ids, or all sorted by id; but for those that are being created.
pub fn list(settings: &Settings, ids: Vec<String>) -> Result<Vec<ContainerState>, RpcError> {
    let mut states = Vec::new();
    let wanted = if ids.is_empty() { Record::ids(settings)? } else { ids };
    for id in wanted {
        if settings.creating().contains(&id) {
            continue;
        }
        // One that was removed meanwhile is none.
        match Record::read(settings, &id)? {
            Some(record) => states.push(state(settings, id, &record)),
            None if Record::is_there(settings, &id) => states.push(lost(id)),
            None => {}
        }
    }
    Ok(states)
}

/// Whether the shim watches it and has seen no end.
pub fn is_alive(record: &Record) -> bool {
    record.shim_pid().is_some() && record.exit().is_none()
}

pub fn state(settings: &Settings, id: String, record: &Record) -> ContainerState {
    let mut state = ContainerState {
        directory: record.directory.display().to_string(),
        started_at: record.started_at(),
        ..ContainerState::default()
    };
    if let Some(exit) = record.exit() {
        set_exit(&mut state, exit);
    } else if record.shim_pid().is_some() {
        let pid = record.pid();
        state.pid = pid.unwrap_or(0);
        let waits = pid.is_none() || oci_runtime::is_waiting(settings, &id);
        state.set_status(if waits {
            ContainerStatus::Created
        } else {
            ContainerStatus::Running
        });
    } else if let Some(exit) = record.exit() {
        // It ended between the two looks.
        set_exit(&mut state, exit);
    } else {
        state.set_status(ContainerStatus::Lost);
    }
    state.id = id;
    state
}

/// Nothing is known of it but that it was to be.
fn lost(id: String) -> ContainerState {
    let mut state = ContainerState {
        id,
        ..ContainerState::default()
    };
    state.set_status(ContainerStatus::Lost);
    state
}

fn set_exit(state: &mut ContainerState, exit: Exit) {
    state.set_status(ContainerStatus::Exited);
    (state.exit_code, state.signal, state.oom_killed) = (exit.code, exit.signal, exit.oom_killed);
    state.finished_at = exit.finished_at;
}
