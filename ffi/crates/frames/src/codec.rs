//! Frames as bytes.

use bytes::{Buf, Bytes, BytesMut};

use crate::error::RpcError;

/// Most bytes that a frame's length field may announce.
pub const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The length field, which does not count itself.
const LENGTH_BYTES: usize = 4;
/// Type and call id, which the length counts.
const HEAD_BYTES: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    Start = 1,
    Message = 2,
    End = 3,
    Credit = 4,
    Cancel = 5,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: FrameKind,
    pub call: u32,
    pub payload: Bytes,
}

impl Frame {
    pub fn new(kind: FrameKind, call: u32, payload: impl Into<Bytes>) -> Self {
        Self {
            kind,
            call,
            payload: payload.into(),
        }
    }

    /// Bytes that [`Frame::encode_into`] appends.
    pub fn encoded_len(&self) -> usize {
        LENGTH_BYTES + HEAD_BYTES + self.payload.len()
    }

    /// Fails when the frame is too large, before anything is appended.
    pub fn encode_into(&self, out: &mut Vec<u8>) -> Result<(), RpcError> {
        let length = HEAD_BYTES + self.payload.len();
        if length > FRAME_BYTES_MAX {
            return Err(RpcError::resource_exhausted(format!(
                "Cannot send a message of {} bytes as a frame holds at most {FRAME_BYTES_MAX}",
                self.payload.len()
            )));
        }
        out.reserve(self.encoded_len());
        // Fits: checked above.
        out.extend_from_slice(&(length as u32).to_le_bytes());
        out.push(self.kind as u8);
        out.extend_from_slice(&self.call.to_le_bytes());
        out.extend_from_slice(&self.payload);
        Ok(())
    }

    /// Takes the first frame off a buffer; `None` while it is not whole. The payload shares the buffer's memory.
    pub fn decode(buffer: &mut BytesMut) -> Result<Option<Self>, RpcError> {
        let Some((kind, call, length)) = Self::decode_head(buffer)? else {
            return Ok(None);
        };
        if buffer.len() < LENGTH_BYTES + length {
            // One growth for the rest of the frame, rather than one a read.
            buffer.reserve(LENGTH_BYTES + length - buffer.len());
            return Ok(None);
        }
        buffer.advance(LENGTH_BYTES + HEAD_BYTES);
        let payload = buffer.split_to(length - HEAD_BYTES).freeze();
        Ok(Some(Self { kind, call, payload }))
    }

    fn decode_head(buffer: &[u8]) -> Result<Option<(FrameKind, u32, usize)>, RpcError> {
        let Some((head, _)) = buffer.split_first_chunk::<{ LENGTH_BYTES + HEAD_BYTES }>() else {
            return Ok(None);
        };
        let [l0, l1, l2, l3, kind, c0, c1, c2, c3] = *head;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if !(HEAD_BYTES..=FRAME_BYTES_MAX).contains(&length) {
            return Err(RpcError::invalid_argument(format!(
                "Cannot read a frame as its length must be {HEAD_BYTES} to {FRAME_BYTES_MAX}: current value is {length}"
            )));
        }
        let kind = match kind {
            1 => FrameKind::Start,
            2 => FrameKind::Message,
            3 => FrameKind::End,
            4 => FrameKind::Credit,
            5 => FrameKind::Cancel,
            other => {
                return Err(RpcError::invalid_argument(format!(
                    "Cannot read a frame as its type must be 1 to 5: current value is {other}"
                )));
            }
        };
        Ok(Some((kind, u32::from_le_bytes([c0, c1, c2, c3]), length)))
    }
}

/// The frames of a buffer that holds whole ones only.
pub fn decode_all(bytes: &[u8]) -> Result<Vec<Frame>, RpcError> {
    let mut buffer = BytesMut::from(bytes);
    let mut frames = Vec::new();
    while let Some(frame) = Frame::decode(&mut buffer)? {
        frames.push(frame);
    }
    if !buffer.is_empty() {
        return Err(RpcError::invalid_argument(format!(
            "Cannot read frames as each must be whole: {} bytes are left over",
            buffer.len()
        )));
    }
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_back_byte_by_byte() {
        let sent = Frame::new(FrameKind::Message, 7, &b"hello"[..]);
        let mut bytes = Vec::new();
        sent.encode_into(&mut bytes).unwrap();
        assert_eq!(bytes, [10, 0, 0, 0, 2, 7, 0, 0, 0, b'h', b'e', b'l', b'l', b'o']);
        let mut buffer = BytesMut::new();
        for byte in &bytes[..bytes.len() - 1] {
            buffer.extend_from_slice(&[*byte]);
            assert_eq!(Frame::decode(&mut buffer).unwrap(), None);
        }
        buffer.extend_from_slice(&bytes[bytes.len() - 1..]);
        assert_eq!(Frame::decode(&mut buffer).unwrap(), Some(sent));
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_frame_with_a_wrong_length_or_type_is_refused() {
        for bytes in [
            [4u8, 0, 0, 0, 1, 0, 0, 0, 0],
            [1, 0, 0, 1, 1, 0, 0, 0, 0],
            [5, 0, 0, 0, 9, 0, 0, 0, 0],
        ] {
            assert!(Frame::decode(&mut BytesMut::from(&bytes[..])).is_err());
        }
    }

    #[test]
    fn a_buffer_with_half_a_frame_is_refused() {
        let mut bytes = Vec::new();
        Frame::new(FrameKind::Cancel, 1, Bytes::new())
            .encode_into(&mut bytes)
            .unwrap();
        assert_eq!(decode_all(&bytes).unwrap().len(), 1);
        assert!(decode_all(&bytes[..bytes.len() - 1]).is_err());
    }
}
