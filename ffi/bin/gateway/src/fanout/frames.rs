//! What is said between server and gateway: length of the rest (32 bits, big endian), kind (8 bits), number of a stream or
//! channel (64 bits), and bytes.

use bytes::{Buf, BufMut, Bytes, BytesMut};

const LENGTH_BYTES: usize = 4;
const HEAD_BYTES: usize = 1 + 8;
/// An event of the largest object in any form, with room to spare.
const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What the server says.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// The stream goes on with what the channel is sent from now on.
    Attach { stream: u64, channel: u64 },
    /// For all streams of a channel.
    Publish { channel: u64, bytes: Bytes },
    /// For one stream alone.
    Tell { stream: u64, bytes: Bytes },
    /// Nothing follows.
    End { stream: u64 },
    /// Nobody is told by it any more.
    Close { channel: u64 },
}

const ATTACH: u8 = 1;
const PUBLISH: u8 = 2;
const TELL: u8 = 3;
const END: u8 = 4;
const CLOSE: u8 = 5;

const HELLO: u8 = 1;
const ATTACHED: u8 = 2;
const GONE: u8 = 3;

/// Takes a frame from the front, if it is there as a whole.
pub fn take(buffer: &mut BytesMut) -> Result<Option<Said>, String> {
    let Some(head) = buffer.first_chunk::<LENGTH_BYTES>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*head) as usize;
    if !(HEAD_BYTES..=FRAME_BYTES_MAX).contains(&length) {
        return Err(format!(
            "Cannot read what the server publishes as a frame must have {HEAD_BYTES} to {FRAME_BYTES_MAX} bytes: it has {length}"
        ));
    }
    if buffer.len() < LENGTH_BYTES + length {
        buffer.reserve(LENGTH_BYTES + length - buffer.len());
        return Ok(None);
    }
    buffer.advance(LENGTH_BYTES);
    let mut frame = buffer.split_to(length);
    let (kind, id) = (frame.get_u8(), frame.get_u64());
    // A copy, as what waits for a slow client must not keep all that was read along with it.
    let bytes = || Bytes::copy_from_slice(&frame);
    Ok(Some(match kind {
        ATTACH if frame.len() == 8 => Said::Attach {
            stream: id,
            channel: frame.get_u64(),
        },
        PUBLISH => Said::Publish {
            channel: id,
            bytes: bytes(),
        },
        TELL => Said::Tell {
            stream: id,
            bytes: bytes(),
        },
        END => Said::End { stream: id },
        CLOSE => Said::Close { channel: id },
        _ => {
            return Err(format!(
                "Cannot read what the server publishes as frames of kind {kind} are unknown"
            ));
        }
    }))
}

/// The first that is said: whose numbers of streams are meant.
pub fn hello(name: &str) -> Bytes {
    frame(HELLO, 0, name.as_bytes())
}

/// What the stream's channel is sent is its client's from now on.
pub fn attached(stream: u64) -> Bytes {
    frame(ATTACHED, stream, &[])
}

/// Nothing can be sent to the client any more.
pub fn gone(stream: u64) -> Bytes {
    frame(GONE, stream, &[])
}

fn frame(kind: u8, id: u64, bytes: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(LENGTH_BYTES + HEAD_BYTES + bytes.len());
    frame.put_u32((HEAD_BYTES + bytes.len()) as u32);
    frame.put_u8(kind);
    frame.put_u64(id);
    frame.put_slice(bytes);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_whole_wherever_they_are_cut() {
        let sent = [
            frame(ATTACH, 7, &9u64.to_be_bytes()),
            frame(PUBLISH, 9, b"event"),
            frame(END, 7, &[]),
        ]
        .concat();
        for cut in 0..sent.len() {
            let mut buffer = BytesMut::new();
            let mut taken = Vec::new();
            for piece in [&sent[..cut], &sent[cut..]] {
                buffer.extend_from_slice(piece);
                while let Some(said) = take(&mut buffer).unwrap() {
                    taken.push(said);
                }
            }
            let bytes = Bytes::from_static(b"event");
            assert_eq!(
                taken,
                [
                    Said::Attach { stream: 7, channel: 9 },
                    Said::Publish { channel: 9, bytes },
                    Said::End { stream: 7 }
                ]
            );
        }
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for bad in [
            &[0, 0, 0, 1, 1][..],
            &[255; 13],
            &frame(99, 1, &[]),
            &frame(ATTACH, 1, &[1]),
        ] {
            assert!(take(&mut BytesMut::from(bad)).is_err(), "{bad:?}");
        }
    }
}
