//! Calls over a connection, with a service made from the protocol.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use k3ts_frames::{
    CALLS_MAX, CallContext, CallOptions, CancellationToken, Channel, Code, Frame, FrameKind, INITIAL_CREDIT, Router,
    RpcError, ServerStream, serve,
};
use k3ts_proto::v1::{
    EchoDetail, EchoService, EchoServiceClient, EchoServiceServer, ObserveRequest, ObserveResponse, RepeatRequest,
    RepeatResponse, SayRequest, SayResponse,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Counts the messages that it could send. `say` panics, fails or waits for ever, as its text asks.
#[derive(Default, Clone)]
struct Echo {
    sent: Arc<AtomicU32>,
    started: CancellationToken,
    dropped: CancellationToken,
}

impl EchoService for Echo {
    async fn say(&self, _: CallContext, request: SayRequest) -> Result<SayResponse, RpcError> {
        match request.text.as_str() {
            "panic" => panic!("said so"),
            "fail" => Err(RpcError::not_found("Cannot find it")
                .caused_by(&std::io::Error::other("disk gone"))
                .with_detail(&EchoDetail {
                    text: "detail".to_owned(),
                })),
            "wait" => {
                let _dropped = self.dropped.clone().drop_guard();
                self.started.cancel();
                std::future::pending().await
            }
            _ => Ok(SayResponse {
                text: request.text,
                data: request.data,
            }),
        }
    }

    async fn repeat(
        &self,
        _: CallContext,
        request: RepeatRequest,
        responses: ServerStream<RepeatResponse>,
    ) -> Result<(), RpcError> {
        for index in 0..request.times {
            responses
                .send(RepeatResponse {
                    index,
                    data: Default::default(),
                })
                .await?;
            self.sent.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }

    async fn observe(&self, context: CallContext, request: ObserveRequest) -> Result<ObserveResponse, RpcError> {
        let started = context
            .metadata
            .get(&request.key)
            .and_then(|value| value.parse().ok())
            .unwrap_or_default();
        Ok(ObserveResponse {
            started,
            ..ObserveResponse::default()
        })
    }
}

fn connect(echo: &Echo) -> (Channel, EchoServiceClient) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (reader, writer) = tokio::io::split(far);
    let router = Arc::new(Router::new().with(EchoServiceServer(echo.clone())));
    tokio::spawn(serve(reader, writer, router, CancellationToken::new()));
    let (reader, writer) = tokio::io::split(near);
    let channel = Channel::new(reader, writer);
    (channel.clone(), EchoServiceClient(channel))
}

fn say(text: &str) -> SayRequest {
    SayRequest {
        text: text.to_owned(),
        ..SayRequest::default()
    }
}

#[tokio::test]
async fn a_call_is_answered_with_its_metadata_seen() {
    let (_, echo) = connect(&Echo::default());
    assert_eq!(
        echo.say(&say("hello"), CallOptions::default()).await.unwrap().text,
        "hello"
    );
    let options = CallOptions {
        metadata: [("k".to_owned(), "7".to_owned())].into(),
        timeout: None,
    };
    assert_eq!(
        echo.observe(&ObserveRequest { key: "k".to_owned() }, options)
            .await
            .unwrap()
            .started,
        7
    );
}

#[tokio::test]
async fn an_error_keeps_code_message_details_and_causes() {
    let (_, echo) = connect(&Echo::default());
    let error = echo.say(&say("fail"), CallOptions::default()).await.unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (Code::NotFound, "Cannot find it"));
    assert_eq!(error.causes, ["disk gone"]);
    assert_eq!(error.detail::<EchoDetail>().unwrap().text, "detail");
}

#[tokio::test]
async fn a_panic_is_an_error_and_the_connection_goes_on() {
    let (_, echo) = connect(&Echo::default());
    let error = echo.say(&say("panic"), CallOptions::default()).await.unwrap_err();
    assert_eq!(
        (error.code, error.causes),
        (Code::Internal, vec!["panic: said so".to_owned()])
    );
    echo.say(&say("still here"), CallOptions::default()).await.unwrap();
}

#[tokio::test]
async fn a_deadline_drops_the_handler() {
    let service = Echo::default();
    let (_, echo) = connect(&service);
    let options = CallOptions {
        timeout: Some(Duration::from_millis(20)),
        ..CallOptions::default()
    };
    assert_eq!(
        echo.say(&say("wait"), options).await.unwrap_err().code,
        Code::DeadlineExceeded
    );
    service.dropped.cancelled().await;
}

#[tokio::test]
async fn a_call_that_is_dropped_is_cancelled() {
    let service = Echo::default();
    // The channel stays open.
    let (_channel, echo) = connect(&service);
    let waiting = tokio::spawn(async move { echo.say(&say("wait"), CallOptions::default()).await });
    service.started.cancelled().await;
    waiting.abort();
    service.dropped.cancelled().await;
}

#[tokio::test]
async fn a_stream_waits_for_credit() {
    let service = Echo::default();
    let (_, echo) = connect(&service);
    let request = RepeatRequest {
        times: 100,
        ..RepeatRequest::default()
    };
    let mut responses = echo.repeat(&request, CallOptions::default()).await.unwrap();
    // Answered by the same connection after everything that the stream could send.
    echo.say(&say("in between"), CallOptions::default()).await.unwrap();
    assert_eq!(service.sent.load(Ordering::SeqCst) as usize, INITIAL_CREDIT);
    let mut received = 0;
    while let Some(response) = responses.next().await.unwrap() {
        assert_eq!(response.index, received);
        received += 1;
    }
    assert_eq!(received, 100);
}

#[tokio::test]
async fn what_is_not_served_is_unimplemented() {
    let (channel, _) = connect(&Echo::default());
    for method in ["k3ts.v1.EchoService/Gather", "k3ts.v1.NoService/Say", "nothing"] {
        let outcome = channel
            .call_unary::<_, SayResponse>(method, &say(""), CallOptions::default())
            .await;
        assert_eq!(outcome.unwrap_err().code, Code::Unimplemented);
    }
}

#[tokio::test]
async fn a_call_too_many_is_refused() {
    let (near, far) = tokio::io::duplex(1024 * 1024);
    let (reader, writer) = tokio::io::split(far);
    let router = Arc::new(Router::new().with(EchoServiceServer(Echo::default())));
    tokio::spawn(serve(reader, writer, router, CancellationToken::new()));
    let (mut reader, mut writer) = tokio::io::split(near);
    // A FrameStart with the method alone; without their messages the calls stay open.
    let method = b"\x0a\x17k3ts.v1.EchoService/Say";
    let mut bytes = Vec::new();
    for call in 0..=CALLS_MAX as u32 {
        Frame::new(FrameKind::Start, call * 2 + 1, &method[..])
            .encode_into(&mut bytes)
            .unwrap();
    }
    writer.write_all(&bytes).await.unwrap();
    let mut head = [0; 9];
    reader.read_exact(&mut head).await.unwrap();
    assert_eq!(head[4], FrameKind::End as u8);
    assert_eq!(
        u32::from_le_bytes(head[5..].try_into().unwrap()),
        CALLS_MAX as u32 * 2 + 1
    );
}

#[tokio::test]
async fn calls_fail_when_the_connection_breaks() {
    let (near, far) = tokio::io::duplex(1024);
    let (reader, writer) = tokio::io::split(near);
    let echo = EchoServiceClient(Channel::new(reader, writer));
    let called = tokio::spawn(async move { echo.say(&say("anybody?"), CallOptions::default()).await });
    drop(far);
    assert_eq!(called.await.unwrap().unwrap_err().code, Code::Unavailable);
}
