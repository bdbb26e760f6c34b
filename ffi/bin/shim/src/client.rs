//! A client of the attach socket: frames of u8 stream, u32 length (little-endian), data.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

pub const STDOUT: u8 = 1;
pub const STDERR: u8 = 2;
const STDIN: u8 = 0;
const RESIZE: u8 = 3;
const EXIT: u8 = 4;
const TAKE_INPUT: u8 = 5;

const HEADER_BYTES: usize = 5;
const READ_BYTES_MAX: usize = 16 * 1024;
const UNREAD_READS_MAX: usize = 64;

/// What a client may have waiting before the process has to wait for it.
pub const WAITING_BYTES_MAX: usize = 1 << 20;

#[derive(Debug, PartialEq)]
pub enum Input {
    Data(Vec<u8>),
    End,
    /// The input is this client's to give, and so to end.
    Take,
    Resize {
        columns: u16,
        rows: u16,
    },
}

pub struct Client {
    socket: UnixStream,
    decoder: Decoder,
    waiting: Vec<u8>,
    sent: usize,
    closed: bool,
    /// The process's input ends with this client, where it ends with any.
    pub gives_input: bool,
    /// When it took something last, or had nothing to take.
    moved: Instant,
}

impl Client {
    pub fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Client {
            socket,
            decoder: Decoder::default(),
            waiting: Vec::new(),
            sent: 0,
            closed: false,
            gives_input: false,
            moved: Instant::now(),
        })
    }

    pub fn waiting_bytes(&self) -> usize {
        self.waiting.len() - self.sent
    }

    /// How long it has taken nothing of what waits for it.
    pub fn stalled(&self) -> Duration {
        if self.waiting_bytes() > 0 {
            self.moved.elapsed()
        } else {
            Duration::ZERO
        }
    }

    pub fn push(&mut self, stream: u8, data: &[u8]) {
        if self.waiting_bytes() == 0 {
            self.moved = Instant::now();
        }
        self.waiting.push(stream);
        self.waiting.extend_from_slice(&(data.len() as u32).to_le_bytes());
        self.waiting.extend_from_slice(data);
    }

    pub fn push_exit(&mut self, code: i32) {
        self.push(EXIT, &code.to_le_bytes());
    }

    /// Marks the client as gone; the next [`Client::send`] fails.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Sends what the socket takes now. An error means that the client is gone.
    pub fn send(&mut self) -> io::Result<()> {
        if self.closed {
            return Err(ErrorKind::BrokenPipe.into());
        }
        while self.sent < self.waiting.len() {
            match self.socket.write(&self.waiting[self.sent..]) {
                Ok(count) => {
                    self.sent += count;
                    self.moved = Instant::now();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.sent == self.waiting.len() {
            // A burst must not cost its memory for ever.
            self.waiting = Vec::new();
            self.sent = 0;
        } else if self.sent > WAITING_BYTES_MAX {
            self.waiting.drain(..self.sent);
            self.sent = 0;
        }
        Ok(())
    }

    /// Reads once. An error means that the client is gone, or speaks something else.
    pub fn receive(&mut self) -> io::Result<Vec<Input>> {
        let mut buffer = [0; READ_BYTES_MAX];
        match self.socket.read(&mut buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.decoder.push(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// Input that nobody read would make the kernel reset the connection, and the client lose its last frames.
impl Drop for Client {
    fn drop(&mut self) {
        let mut buffer = [0; READ_BYTES_MAX];
        for _ in 0..UNREAD_READS_MAX {
            if !matches!(self.socket.read(&mut buffer), Ok(count) if count > 0) {
                return;
            }
        }
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Cuts a stream into input. Data is handed on as it comes, so a frame may be longer than memory.
#[derive(Default)]
struct Decoder {
    header: Vec<u8>,
    /// The rest of a frame of standard input.
    left: usize,
    resize: Vec<u8>,
}

impl Decoder {
    fn push(&mut self, mut data: &[u8]) -> io::Result<Vec<Input>> {
        let mut inputs = Vec::new();
        while !data.is_empty() {
            if self.left > 0 {
                let (part, rest) = data.split_at(self.left.min(data.len()));
                self.left -= part.len();
                inputs.push(Input::Data(part.to_vec()));
                data = rest;
                continue;
            }
            let (part, rest) = data.split_at((HEADER_BYTES - self.header.len()).min(data.len()));
            self.header.extend_from_slice(part);
            data = rest;
            if let [stream, a, b, c, d] = self.header[..] {
                let length = u32::from_le_bytes([a, b, c, d]) as usize;
                match (stream, length) {
                    (STDIN, 0) => inputs.push(Input::End),
                    (STDIN, _) => self.left = length,
                    (TAKE_INPUT, 0) => inputs.push(Input::Take),
                    (RESIZE, 4) => {
                        let (part, rest) = data.split_at((4 - self.resize.len()).min(data.len()));
                        self.resize.extend_from_slice(part);
                        data = rest;
                        let [a, b, c, d] = self.resize[..] else { break };
                        inputs.push(Input::Resize {
                            columns: u16::from_le_bytes([a, b]),
                            rows: u16::from_le_bytes([c, d]),
                        });
                        self.resize.clear();
                    }
                    _ => {
                        let text = format!("a frame of stream {stream} with {length} bytes is not for the shim");
                        return Err(io::Error::new(ErrorKind::InvalidData, text));
                    }
                }
                self.header.clear();
            }
        }
        Ok(inputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(inputs: Vec<Input>) -> Vec<Input> {
        let mut joined: Vec<Input> = Vec::new();
        for input in inputs {
            match (joined.last_mut(), input) {
                (Some(Input::Data(before)), Input::Data(more)) => before.extend(more),
                (_, input) => joined.push(input),
            }
        }
        joined
    }

    #[test]
    fn frames_are_found_however_they_were_cut() {
        let bytes = [
            5, 0, 0, 0, 0, 0, 3, 0, 0, 0, b'a', b'b', b'c', 3, 4, 0, 0, 0, 80, 0, 24, 0, 0, 1, 0, 0, 0, b'd', 0, 0, 0,
            0, 0,
        ];
        let expected = [
            Input::Take,
            Input::Data(b"abc".to_vec()),
            Input::Resize { columns: 80, rows: 24 },
            Input::Data(b"d".to_vec()),
            Input::End,
        ];
        for size in 1..=bytes.len() {
            let mut decoder = Decoder::default();
            let inputs = bytes
                .chunks(size)
                .flat_map(|chunk| decoder.push(chunk).unwrap())
                .collect();
            assert_eq!(joined(inputs), expected, "in chunks of {size}");
        }
    }

    #[test]
    fn other_frames_are_refused() {
        assert!(Decoder::default().push(&[1, 0, 0, 0, 0]).is_err());
        assert!(Decoder::default().push(&[3, 5, 0, 0, 0]).is_err());
    }
}
