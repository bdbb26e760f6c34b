//! Which service answers which method.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use crate::context::{CallContext, ServerStream};
use crate::error::RpcError;

pub type CallFuture<'a> = Pin<Box<dyn Future<Output = Result<(), RpcError>> + Send + 'a>>;

/// Answers calls, one future each. Made from the protocol's files by `k3ts-proto`.
pub trait Service: Send + Sync + 'static {
    /// Full name: `k3ts.v1.EchoService`.
    fn name(&self) -> &'static str;

    /// Sends the answers of a method, such as `Say`: one for a unary method.
    fn call<'a>(
        &'a self,
        method: &'a str,
        context: CallContext,
        request: Bytes,
        responses: ServerStream<Bytes>,
    ) -> CallFuture<'a>;
}

#[derive(Default)]
pub struct Router {
    services: HashMap<&'static str, Arc<dyn Service>>,
}

impl Router {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a service, or replaces the one of the same name.
    #[must_use]
    pub fn with(mut self, service: impl Service) -> Self {
        self.services.insert(service.name(), Arc::new(service));
        self
    }

    /// Splits `k3ts.v1.EchoService/Say`.
    pub(crate) fn find<'a>(&self, path: &'a str) -> Result<(Arc<dyn Service>, &'a str), RpcError> {
        path.split_once('/')
            .and_then(|(service, method)| Some((self.services.get(service)?.clone(), method)))
            .ok_or_else(|| RpcError::unimplemented(format!("Cannot call \"{path}\" as it is not served here")))
    }
}
