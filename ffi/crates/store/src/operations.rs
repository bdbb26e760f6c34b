//! Packed operations, as `AppendRequest` describes them.

use bytes::{Buf, Bytes};
use k3ts_frames::RpcError;

#[derive(Debug, PartialEq, Eq)]
pub enum Operation {
    Put { key: Bytes, value: Bytes },
    Delete { key: Bytes },
}

/// u8 kind, u32 key length, u32 value length.
const HEAD_BYTES: usize = 9;

/// Keys and values share the memory of the request.
pub fn decode(mut packed: Bytes) -> Result<Vec<Operation>, RpcError> {
    let mut operations = Vec::new();
    while packed.has_remaining() {
        if packed.remaining() < HEAD_BYTES {
            return Err(torn(operations.len()));
        }
        let kind = packed.get_u8();
        let key_length = packed.get_u32_le() as usize;
        let value_length = packed.get_u32_le() as usize;
        if packed.remaining() < key_length.saturating_add(value_length) {
            return Err(torn(operations.len()));
        }
        let key = packed.split_to(key_length);
        let value = packed.split_to(value_length);
        if key.is_empty() {
            return Err(RpcError::invalid_argument(
                "Cannot append as every key must have a byte: one has none",
            ));
        }
        operations.push(match kind {
            0 => Operation::Put { key, value },
            1 => Operation::Delete { key },
            other => {
                return Err(RpcError::invalid_argument(format!(
                    "Cannot append as an operation's kind must be 0 or 1: current value is {other}"
                )));
            }
        });
    }
    Ok(operations)
}

fn torn(index: usize) -> RpcError {
    RpcError::invalid_argument(format!(
        "Cannot append as operation {index} must be whole: it is cut off"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_read_in_order() {
        let packed = b"\x00\x01\0\0\0\x02\0\0\0kvv\x01\x01\0\0\0\0\0\0\0d";
        let operations = decode(Bytes::from_static(packed)).unwrap();
        assert_eq!(
            operations,
            [
                Operation::Put {
                    key: Bytes::from_static(b"k"),
                    value: Bytes::from_static(b"vv")
                },
                Operation::Delete {
                    key: Bytes::from_static(b"d")
                },
            ]
        );
    }

    #[test]
    fn what_is_cut_off_or_of_no_kind_is_refused() {
        for packed in [
            &b"\x00\x01\0\0"[..],
            b"\x00\x05\0\0\0\0\0\0\0k",
            b"\x07\x01\0\0\0\0\0\0\0k",
            b"\0\0\0\0\0\0\0\0\0",
        ] {
            assert!(decode(Bytes::from_static(packed)).is_err());
        }
    }
}
