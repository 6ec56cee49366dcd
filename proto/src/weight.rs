//! Weighing: the memory that a message needs, computed from its bytes before it is decoded.
//!
//! An empty part of a message has two bytes on the wire and up to two hundred in memory, so that a decoder makes
//! gigabytes of a message of 16 MiB. Messages of honest senders need about as much memory as they have bytes. A message
//! that would need several times as much is refused without decoding it.

use prost::encoding::{WireType, decode_key, decode_varint};
use thiserror::Error;

/// Bytes of memory that a message may take for each of its bytes.
const MEMORY_PER_BYTE_MAX: usize = 4;
/// Bytes of memory that every message may need besides. Example: a thousand absent records are two bytes each.
const MEMORY_FREE: usize = 64 * 1024;

/// Why a message is not decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum WeightError {
    /// Not a protobuf message.
    #[error("not a protobuf message")]
    Malformed,
    /// It has more parts than its size allows.
    #[error("more parts than a message of {bytes} bytes may have")]
    TooManyParts {
        /// Bytes of the message.
        bytes: usize,
    },
}

/// A field that a message may repeat often, or that contains such fields.
pub(crate) struct Part {
    /// Number of the field.
    pub(crate) field: u32,
    /// Bytes of memory for each of them.
    memory: usize,
    /// The parts in it, if it is a message itself.
    pub(crate) parts: &'static [Self],
    /// Numbers packed into one field. The last byte of each has no top bit.
    is_packed: bool,
}

impl Part {
    /// The field with this number, held as a `T`.
    pub(crate) const fn new<T>(field: u32, parts: &'static [Self]) -> Self {
        Self {
            field,
            memory: size_of::<T>(),
            parts,
            is_packed: false,
        }
    }

    /// Numbers held as `T`, packed into the field with this number.
    #[cfg(any(test, feature = "grpc"))]
    pub(crate) const fn packed<T>(field: u32) -> Self {
        Self {
            is_packed: true,
            ..Self::new::<T>(field, &[])
        }
    }

    /// The memory for this content, without the parts in it.
    fn memory(&self, content: &[u8]) -> usize {
        if self.is_packed {
            let ends = content.iter().filter(|byte| **byte < 0x80);
            ends.count().saturating_mul(self.memory)
        } else {
            self.memory
        }
    }
}

/// Checks that decoding `message`, which has these `parts`, needs no more memory than its size allows.
pub(crate) fn check(message: &[u8], parts: &[Part]) -> Result<(), WeightError> {
    let mut left = MEMORY_FREE + MEMORY_PER_BYTE_MAX * message.len();
    weigh(message, parts, &mut left).map_err(|error| match error {
        WeightError::TooManyParts { .. } => WeightError::TooManyParts {
            bytes: message.len(),
        },
        WeightError::Malformed => error,
    })
}

/// Subtracts the weight of `message` from `left`. Recurses as deep as `parts`.
fn weigh(mut message: &[u8], parts: &[Part], left: &mut usize) -> Result<(), WeightError> {
    while !message.is_empty() {
        let (field, wire_type) = decode_key(&mut message).map_err(|_| WeightError::Malformed)?;
        let bytes = match wire_type {
            WireType::Varint => {
                decode_varint(&mut message).map_err(|_| WeightError::Malformed)?;
                continue;
            }
            WireType::ThirtyTwoBit => 4,
            WireType::SixtyFourBit => 8,
            WireType::LengthDelimited => {
                decode_varint(&mut message).map_err(|_| WeightError::Malformed)?
            }
            // No version of any message has groups.
            WireType::StartGroup | WireType::EndGroup => return Err(WeightError::Malformed),
        };
        let bytes = usize::try_from(bytes).map_err(|_| WeightError::Malformed)?;
        let (content, rest) = message
            .split_at_checked(bytes)
            .ok_or(WeightError::Malformed)?;
        message = rest;
        if let Some(part) = parts.iter().find(|part| part.field == field) {
            let too_many = WeightError::TooManyParts {
                bytes: content.len(),
            };
            *left = left.checked_sub(part.memory(content)).ok_or(too_many)?;
            if !part.parts.is_empty() {
                weigh(content, part.parts, left)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const BRANCH: &[Part] = &[Part::new::<Bytes>(2, &[])];
    const TREE: &[Part] = &[Part::new::<u64>(1, BRANCH), Part::new::<Bytes>(3, &[])];

    #[test]
    fn what_weighs_about_as_much_as_it_has_bytes_is_decoded() {
        let mut message = Vec::new();
        for _ in 0..10_000 {
            message.extend([3 << 3 | 2, 30]);
            message.extend([7; 30]);
        }
        assert_eq!(check(&message, TREE), Ok(()));
    }

    #[test]
    fn many_empty_parts_are_refused_at_any_depth() {
        let flat = [3 << 3 | 2, 0].repeat(10_000);
        let deep = [1 << 3 | 2, 4, 2 << 3 | 2, 0, 2 << 3 | 2, 0].repeat(5_000);
        for message in [flat, deep] {
            let bytes = message.len();
            assert_eq!(
                check(&message, TREE),
                Err(WeightError::TooManyParts { bytes })
            );
        }
    }

    /// A message of so many equal numbers, each of `bytes` bytes, packed into field 4.
    fn packed(count: usize, bytes: usize) -> Vec<u8> {
        let number = [&vec![0x80; bytes - 1][..], &[1]].concat();
        let numbers = number.repeat(count);
        let mut message = vec![4 << 3 | 2];
        prost::encoding::encode_varint(numbers.len() as u64, &mut message);
        [message, numbers].concat()
    }

    #[test]
    fn packed_numbers_weigh_as_much_as_they_take_in_memory() {
        let numbers = &[Part::packed::<u64>(4)];
        for bytes in 2..=10 {
            let message = packed(100_000, bytes);
            assert_eq!(check(&message, numbers), Ok(()), "of {bytes} bytes each");
        }
        // Four bytes of head: 64 KiB and four bytes for each byte are eight for each of 16,388 numbers.
        assert_eq!(check(&packed(16_388, 1), numbers), Ok(()));
        let bytes = 16_389 + 4;
        assert_eq!(
            check(&packed(16_389, 1), numbers),
            Err(WeightError::TooManyParts { bytes })
        );
    }

    #[test]
    fn other_fields_weigh_nothing() {
        let mut message = [9 << 3 | 2, 0].repeat(10_000);
        message.extend([
            9 << 3,
            1,
            9 << 3 | 5,
            1,
            2,
            3,
            4,
            9 << 3 | 1,
            1,
            2,
            3,
            4,
            5,
            6,
            7,
            8,
        ]);
        assert_eq!(check(&message, TREE), Ok(()));
    }

    #[test]
    fn what_ends_early_or_has_groups_is_no_message() {
        for message in [
            &[0x80][..],
            &[3 << 3 | 2, 5, 1],
            &[3 << 3 | 1, 1],
            &[3 << 3 | 5, 1, 2, 3],
            &[3 << 3, 0x80],
            &[3 << 3 | 2, 0x80],
            &[3 << 3 | 3],
            &[3 << 3 | 4],
            &[0, 0],
        ] {
            assert_eq!(
                check(message, TREE),
                Err(WeightError::Malformed),
                "{message:?}"
            );
        }
    }
}
