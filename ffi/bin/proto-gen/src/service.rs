//! The Rust of one service.
//!
//! Frames carry unary and server-streaming calls, so methods whose caller streams are left out: a server answers
//! them with `unimplemented`.

use std::fmt::Write;

use prost_build::{Comments, Method, Service, ServiceGenerator};

pub struct Generator;

impl ServiceGenerator for Generator {
    fn generate(&mut self, service: Service, out: &mut String) {
        let methods: Vec<&Method> = service
            .methods
            .iter()
            .filter(|method| !method.client_streaming)
            .collect();
        write_trait(&service, &methods, out);
        write_server(&service, &methods, out);
        write_client(&service, &methods, out);
    }
}

fn write_trait(service: &Service, methods: &[&Method], out: &mut String) {
    docs(&service.comments, out);
    put(out, &format!("pub trait {}: Send + Sync + 'static {{", service.name));
    for method in methods {
        docs(&method.comments, out);
        let Method {
            name,
            input_type,
            output_type,
            ..
        } = method;
        let (responses, output) = match method.server_streaming {
            true => (format!(", responses: ::k3ts_frames::ServerStream<{output_type}>"), "()"),
            false => (String::new(), output_type.as_str()),
        };
        put(
            out,
            &format!(
                "fn {name}(&self, context: ::k3ts_frames::CallContext, request: {input_type}{responses})
                 -> impl ::core::future::Future<Output = Result<{output}, ::k3ts_frames::RpcError>> + Send;"
            ),
        );
    }
    put(out, "}");
}

fn write_server(service: &Service, methods: &[&Method], out: &mut String) {
    let Service {
        name,
        package,
        proto_name,
        ..
    } = service;
    put(
        out,
        &format!(
            "/// Puts a [`{name}`] into a router.
             pub struct {name}Server<T>(pub T);
             impl<T: {name}> ::k3ts_frames::Service for {name}Server<T> {{
                fn name(&self) -> &'static str {{ \"{package}.{proto_name}\" }}
                fn call<'a>(
                    &'a self,
                    method: &'a str,
                    context: ::k3ts_frames::CallContext,
                    request: ::prost::bytes::Bytes,
                    responses: ::k3ts_frames::ServerStream<::prost::bytes::Bytes>,
                ) -> ::k3ts_frames::CallFuture<'a> {{
                    match method {{"
        ),
    );
    for method in methods {
        let Method { name, proto_name, .. } = method;
        let answer = match method.server_streaming {
            true => format!("self.0.{name}(context, request, responses.of()).await"),
            false => format!("responses.of().send(self.0.{name}(context, request).await?).await"),
        };
        put(
            out,
            &format!(
                "\"{proto_name}\" => Box::pin(async move {{
                    let request = ::prost::Message::decode(request)?;
                    {answer}
                }}),"
            ),
        );
    }
    put(
        out,
        &format!(
            "_ => Box::pin(async move {{
                Err(::k3ts_frames::RpcError::unimplemented(
                    format!(\"Cannot call \\\"{package}.{proto_name}/{{method}}\\\" as it is not served here\"),
                ))
            }}),
            }} }} }}"
        ),
    );
}

fn write_client(service: &Service, methods: &[&Method], out: &mut String) {
    let Service {
        name,
        package,
        proto_name: service_name,
        ..
    } = service;
    put(
        out,
        &format!(
            "/// Calls a [`{name}`] over a channel.
             #[derive(Clone)]
             pub struct {name}Client(pub ::k3ts_frames::Channel);
             impl {name}Client {{"
        ),
    );
    for method in methods {
        let Method {
            name,
            proto_name,
            input_type,
            output_type,
            ..
        } = method;
        let (output, call) = match method.server_streaming {
            true => (format!("::k3ts_frames::Responses<{output_type}>"), "call_stream"),
            false => (output_type.clone(), "call_unary"),
        };
        put(
            out,
            &format!(
                "pub async fn {name}(&self, request: &{input_type}, options: ::k3ts_frames::CallOptions)
                 -> Result<{output}, ::k3ts_frames::RpcError> {{
                    self.0.{call}(\"{package}.{service_name}/{proto_name}\", request, options).await
                 }}"
            ),
        );
    }
    put(out, "}");
}

fn docs(comments: &Comments, out: &mut String) {
    comments.append_with_indent(0, out);
}

fn put(out: &mut String, code: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{code}");
}
