//! Takes questions from the sockets and sends the answers. The sockets are shared with the process that comes after this
//! one, so what this one has taken from them must be answered here: hickory's own servers drop that when told to end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use hickory_server::net::BufDnsStreamHandle;
use hickory_server::net::runtime::TokioTime;
use hickory_server::net::xfer::Protocol;
use hickory_server::proto::op::{Header, HeaderCounts, MessageType, Metadata, ResponseCode};
use hickory_server::proto::serialize::binary::{BinDecodable, BinEncodable};
use hickory_server::server::{Request, RequestHandler, ResponseHandle};
use k3ts_frames::CancellationToken;
use k3ts_supervisor::metrics::Exposition;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::handler::Handler;

/// Questions over UDP and connections over TCP that are served at a time; more wait in the sockets' buffers.
const SERVED_MAX: u32 = 4096;
/// A question over UDP that is larger is cut, and then cannot be read.
const UDP_BYTES_MAX: usize = 4096;
/// For a client on TCP to ask, or to read an answer.
const TCP_TIMEOUT: Duration = Duration::from_secs(5);
/// For a client that was accepted to ask when we are told to end.
const LAST_QUESTION: Duration = Duration::from_secs(1);
/// After a failed read or accept, which fails again at once while the reason lasts.
const PAUSE: Duration = Duration::from_millis(10);

pub struct Front {
    handler: Handler,
    places: Arc<Semaphore>,
    ending: CancellationToken,
}

impl Front {
    pub fn new(handler: Handler) -> Arc<Self> {
        Arc::new(Self {
            handler,
            places: Arc::new(Semaphore::new(SERVED_MAX as usize)),
            ending: CancellationToken::new(),
        })
    }

    /// Takes no more, and returns when all that was taken has been answered.
    pub async fn end(&self) {
        self.ending.cancel();
        // Never closed.
        let _ = self.places.acquire_many(SERVED_MAX).await;
    }

    pub async fn serve_udp(self: Arc<Self>, socket: UdpSocket) {
        let socket = Arc::new(socket);
        let mut bytes = [0; UDP_BYTES_MAX];
        while let Ok(place) = self.places.clone().acquire_owned().await {
            let received = tokio::select! {
                () = self.ending.cancelled() => return,
                received = socket.recv_from(&mut bytes) => received,
            };
            match received {
                Ok((count, from)) => {
                    let (front, socket, question) = (self.clone(), socket.clone(), bytes[..count].to_vec());
                    tokio::spawn(async move {
                        let _place = place;
                        if let Some(answer) = front.answer(question, from, Protocol::Udp).await {
                            // Fails when the client, or the way to it, has gone.
                            let _ = socket.send_to(&answer, from).await;
                        }
                    });
                }
                // Also what the network says about an earlier answer.
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    pub async fn serve_tcp(self: Arc<Self>, listener: TcpListener) {
        while let Ok(place) = self.places.clone().acquire_owned().await {
            let accepted = tokio::select! {
                () = self.ending.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, from)) => {
                    let front = self.clone();
                    tokio::spawn(async move {
                        let _place = place;
                        // Clients may leave as they like.
                        let _ = front.converse(stream, from).await;
                    });
                }
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    /// One question after the other: RFC 7766.
    async fn converse(&self, mut stream: TcpStream, from: SocketAddr) -> io::Result<()> {
        let mut asked = false;
        loop {
            let ended = async {
                self.ending.cancelled().await;
                if !asked {
                    sleep(LAST_QUESTION).await;
                }
            };
            let length = tokio::select! {
                length = timeout(TCP_TIMEOUT, stream.read_u16()) => length??,
                () = ended => return Ok(()),
            };
            let mut question = vec![0; length.into()];
            timeout(TCP_TIMEOUT, stream.read_exact(&mut question)).await??;
            asked = true;
            let Some(answer) = self.answer(question, from, Protocol::Tcp).await else {
                return Ok(());
            };
            let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
            let framed = [&length.to_be_bytes(), answer.as_slice()].concat();
            timeout(TCP_TIMEOUT, stream.write_all(&framed)).await??;
        }
    }

    /// None where nobody waits for a word: what is shorter than a header, and answers that somebody sends around in
    /// circles.
    async fn answer(&self, question: Vec<u8>, from: SocketAddr, protocol: Protocol) -> Option<Vec<u8>> {
        let header = Header::from_bytes(&question).ok()?;
        let reachable = from.port() != 0 && !from.ip().is_unspecified();
        if !reachable || header.metadata.message_type != MessageType::Query {
            return None;
        }
        let Ok(request) = Request::from_bytes(question, from, protocol) else {
            let mut metadata = Metadata::response_from_request(&header.metadata);
            metadata.response_code = ResponseCode::FormErr;
            self.handler.metrics.refused(ResponseCode::FormErr);
            let counts = HeaderCounts::default();
            return (Header { metadata, counts }).to_bytes().ok();
        };
        let begun = Instant::now();
        let (queue, mut answers) = BufDnsStreamHandle::new(from);
        let responses = ResponseHandle::new(from, queue, protocol);
        let said = self.handler.handle_request::<_, TokioTime>(&request, responses).await;
        let answer = answers.next().await.map(|answer| answer.bytes().to_vec());
        let kind = request.request_info().ok().map(|info| info.query.query_type());
        let metrics = &self.handler.metrics;
        metrics.answered(protocol, kind, said.response_code, begun.elapsed());
        answer
    }

    pub fn write_metrics(&self, text: &mut Exposition) {
        let names = self.handler.served.load().zone.listed;
        self.handler.metrics.write(text, names);
    }
}
