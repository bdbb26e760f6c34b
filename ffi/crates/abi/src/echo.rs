//! Says back what it is told: what every transport is tested with.

use std::time::Duration;

use k3ts_frames::{CallContext, Code, RpcError, ServerStream};
use k3ts_proto::v1::{EchoDetail, EchoService, RepeatRequest, RepeatResponse, SayRequest, SayResponse};

/// Most bytes of one repeated message: what a frame takes, with room for its other fields.
const SIZE_BYTES_MAX: u32 = 16 * 1024 * 1024 - 1024;

pub struct Echo;

impl EchoService for Echo {
    async fn say(&self, _: CallContext, request: SayRequest) -> Result<SayResponse, RpcError> {
        pause(request.delay_ms).await;
        if request.fail_code != 0 {
            return Err(
                RpcError::new(Code::from_number(request.fail_code), request.text.clone())
                    .with_detail(&EchoDetail { text: request.text }),
            );
        }
        Ok(SayResponse {
            text: request.text,
            data: request.data,
        })
    }

    async fn repeat(
        &self,
        _: CallContext,
        request: RepeatRequest,
        responses: ServerStream<RepeatResponse>,
    ) -> Result<(), RpcError> {
        if request.size_bytes > SIZE_BYTES_MAX {
            return Err(RpcError::invalid_argument(format!(
                "Cannot repeat as size_bytes must be at most {SIZE_BYTES_MAX}: current value is {}",
                request.size_bytes
            )));
        }
        let data = vec![0; request.size_bytes as usize];
        for index in 0..request.times {
            if request.fail_after != 0 && index == request.fail_after {
                return Err(
                    RpcError::new(Code::Aborted, format!("Ended after {index} messages, as asked")).with_detail(
                        &EchoDetail {
                            text: index.to_string(),
                        },
                    ),
                );
            }
            pause(request.delay_ms).await;
            responses
                .send(RepeatResponse {
                    index,
                    data: data.clone().into(),
                })
                .await?;
        }
        Ok(())
    }
}

async fn pause(milliseconds: u32) {
    if milliseconds > 0 {
        tokio::time::sleep(Duration::from_millis(milliseconds.into())).await;
    }
}
