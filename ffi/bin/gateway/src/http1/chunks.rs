//! The chunked transfer coding, as it is read: RFC 9112, section 7.1.

use bytes::{Buf, Bytes, BytesMut};

use super::Malformed;

/// Of what is neither a size nor a body: extensions, and trailers, which mean nothing to anybody here.
const ASIDE_BYTES_MAX: usize = 16 * 1024;
/// More could overflow, and no body is that long.
const SIZE_DIGITS_MAX: u8 = 15;

#[derive(Debug)]
pub struct Chunks {
    state: State,
    aside: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size {
        value: u64,
        digits: u8,
    },
    /// After the size, to the end of its line.
    Extension(u64),
    /// The line's last character is still to come.
    SizeEnd(u64),
    Data(u64),
    DataCr,
    DataLf,
    /// At the beginning of a trailer, or of the line that ends them.
    TrailerBegin,
    Trailer,
    LastLf,
    Done,
}

const SIZE: State = State::Size { value: 0, digits: 0 };

impl Chunks {
    pub fn new() -> Self {
        Self { state: SIZE, aside: 0 }
    }

    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes the next piece of the body from what was read; None when more must be read, or when it is done.
    pub fn take(&mut self, input: &mut BytesMut) -> Result<Option<Bytes>, Malformed> {
        while !self.is_done() {
            if let State::Data(left) = self.state {
                if input.is_empty() {
                    return Ok(None);
                }
                let count = left.min(input.len() as u64);
                self.state = if count == left {
                    State::DataCr
                } else {
                    State::Data(left - count)
                };
                let piece = input.split_to(count as usize).freeze();
                // What ends it may be there already.
                self.pass_frame(input)?;
                return Ok(Some(piece));
            }
            if !self.pass_frame(input)? {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Reads on to the next data or to the end. False when more must be read for that.
    fn pass_frame(&mut self, input: &mut BytesMut) -> Result<bool, Malformed> {
        while !matches!(self.state, State::Data(_) | State::Done) {
            let Some(byte) = input.first().copied() else {
                return Ok(false);
            };
            input.advance(1);
            self.state = self.next(byte)?;
        }
        Ok(true)
    }

    fn next(&mut self, byte: u8) -> Result<State, Malformed> {
        const WRONG: Malformed = Malformed("a chunk's frame cannot be read");
        Ok(match (self.state, byte) {
            (State::Size { digits, .. }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') if digits >= SIZE_DIGITS_MAX => {
                return Err(WRONG);
            }
            (State::Size { value, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).ok_or(WRONG)?;
                let value = value * 16 + u64::from(digit);
                State::Size {
                    value,
                    digits: digits + 1,
                }
            }
            (State::Size { digits: 0, .. }, _) => return Err(WRONG),
            (State::Size { value, .. }, b'\r') => State::SizeEnd(value),
            (State::Size { value, .. }, b';' | b' ' | b'\t') => State::Extension(value),
            (State::Extension(value), b'\r') => State::SizeEnd(value),
            (State::Extension(value), byte) if byte != b'\n' => self.pass(State::Extension(value))?,
            (State::SizeEnd(0), b'\n') => State::TrailerBegin,
            (State::SizeEnd(value), b'\n') => State::Data(value),
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => SIZE,
            (State::TrailerBegin, b'\r') => State::LastLf,
            (State::Trailer, b'\n') => State::TrailerBegin,
            (State::TrailerBegin | State::Trailer, byte) if byte != b'\n' => self.pass(State::Trailer)?,
            (State::LastLf, b'\n') => State::Done,
            _ => return Err(WRONG),
        })
    }

    fn pass(&mut self, state: State) -> Result<State, Malformed> {
        self.aside += 1;
        if self.aside > ASIDE_BYTES_MAX {
            return Err(Malformed("what is beside its body is too large"));
        }
        Ok(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body and what is left; None when it cannot be read.
    fn read(text: &str, size: usize) -> Option<(String, bool, usize)> {
        let mut chunks = Chunks::new();
        let (mut input, mut body) = (BytesMut::new(), Vec::new());
        for piece in text.as_bytes().chunks(size) {
            input.extend_from_slice(piece);
            while let Some(taken) = chunks.take(&mut input).ok()? {
                assert!(!taken.is_empty());
                body.extend_from_slice(&taken);
            }
        }
        Some((String::from_utf8(body).unwrap(), chunks.is_done(), input.len()))
    }

    #[test]
    fn a_body_is_read_however_it_is_cut() {
        let text = "3\r\nabc\r\n0A ; x=\"y\"\r\n0123456789\r\n000\r\nTrailer: x\r\nb: c\r\n\r\nrest";
        for size in 1..text.len() {
            let (body, done, left) = read(text, size).unwrap();
            assert_eq!(
                (body.as_str(), done),
                ("abc0123456789", true),
                "cut into pieces of {size}"
            );
            assert!(left <= 4);
        }
        assert_eq!(read(text, text.len()).unwrap().2, 4);
    }

    #[test]
    fn its_end_is_known_with_its_last_piece() {
        let mut chunks = Chunks::new();
        let mut input = BytesMut::from("1\r\na\r\n0\r\n\r\n");
        assert_eq!(chunks.take(&mut input).unwrap().unwrap(), "a");
        assert!(chunks.is_done());
    }

    #[test]
    fn what_breaks_off_is_not_done_and_what_is_wrong_is_refused() {
        assert_eq!(read("3\r\nab", 9).unwrap(), ("ab".to_owned(), false, 0));
        for wrong in [
            "\r\n",
            "g\r\n",
            "-1\r\n",
            "1\nab",
            "1\r\nab",
            "1\r\na\rx",
            "1\r\na\r\n\r\n",
            "0\r\n\n",
            "0\r\na: b\n\n",
            "1;\n",
            "1000000000000000\r\n",
            " 1\r\n",
        ] {
            let outcome = read(wrong, 1);
            assert!(
                outcome.as_ref().is_none_or(|(_, done, _)| !done),
                "{wrong:?} {outcome:?}"
            );
        }
        assert!(read(&format!("1;{}\r\n", "x".repeat(ASIDE_BYTES_MAX + 1)), 999).is_none());
        assert!(read(&format!("0\r\n{}", "x: y\r\n".repeat(ASIDE_BYTES_MAX)), 999).is_none());
    }
}
