//! The calls, each on a thread that may block.

use crate::settings::Settings;
use crate::watch::{News, Watcher};
use crate::{cgroup, container, exec, list, oci_runtime, pause, sandbox};
use k3ts_frames::{CallContext, ErrorContext, RpcError, ServerStream, Service};
use k3ts_proto::v1::{
    CreateContainerRequest, CreateContainerResponse, CreateSandboxRequest, CreateSandboxResponse,
    DeleteContainerRequest, DeleteContainerResponse, ListContainersRequest, ListContainersResponse,
    RemoveSandboxRequest, RemoveSandboxResponse, RuntimeService, RuntimeServiceExecRequest, RuntimeServiceExecResponse,
    RuntimeServiceOpenRequest, RuntimeServiceOpenResponse, RuntimeServiceServer, SignalContainerRequest,
    SignalContainerResponse, SignalExecRequest, SignalExecResponse, StartContainerRequest, StartContainerResponse,
    VersionRequest, VersionResponse, WatchContainersRequest, WatchContainersResponse,
};
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

/// Changes that wait for a slow caller; those after them wait in the kernel.
const WATCH_QUEUE_MAX: usize = 16;

/// The service, which has to be told by `Open` where its state is.
pub fn service() -> impl Service {
    RuntimeServiceServer(Runtime::default())
}

#[derive(Default)]
struct Runtime {
    settings: OnceLock<Arc<Settings>>,
}

impl Runtime {
    fn settings(&self) -> Result<Arc<Settings>, RpcError> {
        self.settings.get().cloned().ok_or_else(|| {
            RpcError::failed_precondition("Cannot use the runtime as it must be opened first: Open was not called")
        })
    }

    /// Goes on to its end even when the caller has gone: nothing is left half done.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Settings) -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let settings = self.settings()?;
        spawn_blocking(move || work(&settings)).await?
    }
}

impl RuntimeService for Runtime {
    async fn open(
        &self,
        _: CallContext,
        request: RuntimeServiceOpenRequest,
    ) -> Result<RuntimeServiceOpenResponse, RpcError> {
        let asked = Arc::new(spawn_blocking(move || Settings::open(&request)).await??);
        if self.settings.get_or_init(|| asked.clone()).is_same(&asked) {
            return Ok(RuntimeServiceOpenResponse {});
        }
        Err(RpcError::failed_precondition(
            "Cannot open the runtime as it must be the same for one process: it is another",
        ))
    }

    async fn version(&self, _: CallContext, _: VersionRequest) -> Result<VersionResponse, RpcError> {
        self.run(|settings| {
            Ok(VersionResponse {
                runtime: settings.runtime_name(),
                version: oci_runtime::version(settings)?,
                cgroup_controllers: cgroup::controllers(),
                cgroup_version: cgroup::version(),
            })
        })
        .await
    }

    async fn create_sandbox(
        &self,
        _: CallContext,
        request: CreateSandboxRequest,
    ) -> Result<CreateSandboxResponse, RpcError> {
        if !request.shared_processes {
            return spawn_blocking(move || sandbox::create_sandbox(&request)).await?;
        }
        self.run(move |settings| {
            let mut response = sandbox::create_sandbox(&request)?;
            response.pid_namespace = pause::ensure(settings, &request.directory)?;
            Ok(response)
        })
        .await
    }

    async fn remove_sandbox(
        &self,
        _: CallContext,
        request: RemoveSandboxRequest,
    ) -> Result<RemoveSandboxResponse, RpcError> {
        spawn_blocking(move || {
            sandbox::remove_sandbox(&request.directory)?;
            cgroup::remove_groups(&request.cgroup).doing(|| format!("Cannot remove the cgroup {:?}", request.cgroup))
        })
        .await??;
        Ok(RemoveSandboxResponse {})
    }

    async fn create_container(
        &self,
        _: CallContext,
        request: CreateContainerRequest,
    ) -> Result<CreateContainerResponse, RpcError> {
        let pid = self.run(move |settings| container::create(settings, &request)).await?;
        Ok(CreateContainerResponse { pid })
    }

    async fn start_container(
        &self,
        _: CallContext,
        request: StartContainerRequest,
    ) -> Result<StartContainerResponse, RpcError> {
        let started_at = self
            .run(move |settings| container::start(settings, &request.id))
            .await?;
        Ok(StartContainerResponse { started_at })
    }

    async fn signal_container(
        &self,
        _: CallContext,
        request: SignalContainerRequest,
    ) -> Result<SignalContainerResponse, RpcError> {
        self.run(move |settings| container::signal(settings, &request)).await?;
        Ok(SignalContainerResponse {})
    }

    async fn delete_container(
        &self,
        _: CallContext,
        request: DeleteContainerRequest,
    ) -> Result<DeleteContainerResponse, RpcError> {
        self.run(move |settings| container::delete(settings, &request.id))
            .await?;
        Ok(DeleteContainerResponse {})
    }

    async fn list_containers(
        &self,
        _: CallContext,
        request: ListContainersRequest,
    ) -> Result<ListContainersResponse, RpcError> {
        let containers = self.run(move |settings| list::list(settings, request.ids)).await?;
        Ok(ListContainersResponse { containers })
    }

    async fn watch_containers(
        &self,
        _: CallContext,
        _: WatchContainersRequest,
        responses: ServerStream<WatchContainersResponse>,
    ) -> Result<(), RpcError> {
        let settings = self.settings()?;
        // The watcher ends when this future is dropped, and `stop` with it.
        let (watcher, _stop) = spawn_blocking(move || Watcher::new(settings)).await??;
        responses.send(WatchContainersResponse::default()).await?;
        let (sender, mut receiver) = mpsc::channel(WATCH_QUEUE_MAX);
        std::thread::Builder::new()
            .name("k3ts-watch".to_owned())
            .spawn(move || {
                for news in watcher {
                    let is_last = news.is_err();
                    if sender.blocking_send(news).is_err() || is_last {
                        return;
                    }
                }
            })?;
        while let Some(news) = receiver.recv().await {
            let News { ids, containers } = news?;
            responses.send(WatchContainersResponse { ids, containers }).await?;
        }
        Ok(())
    }

    async fn exec(
        &self,
        _: CallContext,
        request: RuntimeServiceExecRequest,
    ) -> Result<RuntimeServiceExecResponse, RpcError> {
        let socket = self.run(move |settings| exec::exec(settings, &request)).await?;
        Ok(RuntimeServiceExecResponse {
            attach_socket: socket.display().to_string(),
        })
    }

    async fn signal_exec(&self, _: CallContext, request: SignalExecRequest) -> Result<SignalExecResponse, RpcError> {
        self.run(move |settings| exec::signal_exec(settings, &request)).await?;
        Ok(SignalExecResponse {})
    }
}
