//! A client of the attach socket.

use super::PATIENCE;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

pub struct Attached {
    pub socket: UnixStream,
}

#[derive(Debug, PartialEq)]
pub struct Frame {
    pub stream: u8,
    pub data: Vec<u8>,
}

/// All that came until the connection ended.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    pub stdout: String,
    pub stderr: String,
    pub exit: Option<i32>,
}

impl Attached {
    pub fn to(socket: &Path) -> Self {
        let socket = UnixStream::connect(socket).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Attached { socket }
    }

    pub fn send(&mut self, stream: u8, data: &[u8]) {
        self.socket.write_all(&[stream]).unwrap();
        self.socket.write_all(&(data.len() as u32).to_le_bytes()).unwrap();
        self.socket.write_all(data).unwrap();
    }

    pub fn type_text(&mut self, text: &str) {
        self.send(0, text.as_bytes());
    }

    pub fn end_input(&mut self) {
        self.send(0, &[]);
    }

    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.send(3, &[columns.to_le_bytes(), rows.to_le_bytes()].concat());
    }

    /// `None` at the end.
    pub fn frame(&mut self) -> Option<Frame> {
        let mut header = [0; 5];
        match self.socket.read_exact(&mut header) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return None,
            read => read.unwrap(),
        }
        let mut data = vec![0; u32::from_le_bytes([header[1], header[2], header[3], header[4]]) as usize];
        self.socket.read_exact(&mut data).unwrap();
        Some(Frame {
            stream: header[0],
            data,
        })
    }

    /// Reads until standard output has held a text.
    pub fn read_until(&mut self, text: &str) -> String {
        let mut seen = String::new();
        while !seen.contains(text) {
            let frame = self
                .frame()
                .unwrap_or_else(|| panic!("the stream ended before {text:?}: {seen:?}"));
            seen.push_str(&String::from_utf8_lossy(&frame.data));
        }
        seen
    }

    pub fn finish(mut self) -> Outcome {
        let mut outcome = Outcome::default();
        while let Some(frame) = self.frame() {
            assert_eq!(outcome.exit, None, "the exit is the last frame");
            let text = String::from_utf8_lossy(&frame.data);
            match frame.stream {
                1 => outcome.stdout.push_str(&text),
                2 => outcome.stderr.push_str(&text),
                4 => outcome.exit = Some(i32::from_le_bytes(frame.data.try_into().unwrap())),
                other => panic!("a frame of stream {other}"),
            }
        }
        outcome
    }
}
