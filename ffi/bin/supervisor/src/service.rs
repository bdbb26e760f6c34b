//! `SupervisorService` and `MetricsService`: turns calls into requests to the one task that holds everything.

use k3ts_frames::{CallContext, Code, RpcError};
use k3ts_proto::v1 as pb;
use k3ts_supervisor::metrics::Exposition;
use tokio::sync::{mpsc, oneshot};

use crate::config::Config;

/// Requests that wait for the one before them; callers beyond wait too.
pub const REQUESTS_MAX: usize = 16;

pub enum Request {
    Status(oneshot::Sender<pb::GetStatusResponse>),
    Configure(Config, oneshot::Sender<Result<(), String>>),
    Restart(String, oneshot::Sender<Result<(), String>>),
    /// Resolves once its caller has been answered, or has gone.
    Stop(oneshot::Receiver<()>),
}

#[derive(Clone)]
pub struct Service {
    pub requests: mpsc::Sender<Request>,
}

impl Service {
    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, RpcError> {
        let ending = || RpcError::unavailable("Cannot answer as the supervisor is ending");
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| ending())?;
        answer.await.map_err(|_| ending())
    }
}

impl pb::MetricsService for Service {
    async fn get_metrics(&self, _: CallContext, _: pb::GetMetricsRequest) -> Result<pb::GetMetricsResponse, RpcError> {
        let status = self.ask(Request::Status).await?;
        let mut text = Exposition::default();
        text.process();
        write(&status.processes, &mut text);
        Ok(pb::GetMetricsResponse { text: text.into_text() })
    }
}

fn write(processes: &[pb::ProcessStatus], text: &mut Exposition) {
    let names: Vec<_> = processes
        .iter()
        .map(|process| [("name", process.name.as_str())])
        .collect();
    let each = |value: fn(&pb::ProcessStatus) -> u64| {
        let labels = names.iter().map(|labels| &labels[..]);
        labels.zip(processes.iter().map(value)).collect::<Vec<_>>()
    };
    let help = "Whether the process runs.";
    text.gauge(
        "k3ts_supervisor_process_running",
        help,
        each(|process| process.running.into()),
    );
    let help = "How often the process was started again.";
    text.counter(
        "k3ts_supervisor_process_restarts_total",
        help,
        each(|process| process.restarts.into()),
    );
    let help = "Resident memory of the process.";
    text.gauge(
        "k3ts_supervisor_process_memory_bytes",
        help,
        each(|process| process.memory_bytes),
    );
    let help = "When the process was last started, since the epoch.";
    let started = names.iter().zip(processes).filter(|(_, process)| process.running);
    text.gauge(
        "k3ts_supervisor_process_start_time_seconds",
        help,
        started.map(|(labels, process)| (&labels[..], process.started_at_ms as f64 / 1000.0)),
    );
}

impl pb::SupervisorService for Service {
    async fn get_status(&self, _: CallContext, _: pb::GetStatusRequest) -> Result<pb::GetStatusResponse, RpcError> {
        self.ask(Request::Status).await
    }

    async fn configure(
        &self,
        _: CallContext,
        request: pb::ConfigureRequest,
    ) -> Result<pb::ConfigureResponse, RpcError> {
        let config = Config::from_message(request.config.unwrap_or_default()).map_err(RpcError::invalid_argument)?;
        self.ask(|reply| Request::Configure(config, reply))
            .await?
            .map_err(RpcError::failed_precondition)?;
        Ok(pb::ConfigureResponse {})
    }

    async fn restart(&self, _: CallContext, request: pb::RestartRequest) -> Result<pb::RestartResponse, RpcError> {
        let restarted = self.ask(|reply| Request::Restart(request.name, reply)).await?;
        restarted.map_err(|message| RpcError::new(Code::NotFound, message))?;
        Ok(pb::RestartResponse {})
    }

    async fn stop(&self, _: CallContext, _: pb::StopRequest) -> Result<pb::StopResponse, RpcError> {
        // Dropped on return, and on this one thread nothing runs between that and the answer's being queued.
        let (_answered, answered) = oneshot::channel();
        let ending = |_| RpcError::unavailable("Cannot answer as the supervisor is ending");
        self.requests.send(Request::Stop(answered)).await.map_err(ending)?;
        Ok(pb::StopResponse {})
    }
}
