//! A strict reader of RocksDB's logs: finds whether a write-ahead log or a manifest is whole, torn or damaged.
//!
//! RocksDB's own recovery takes some single flipped bits for the end of a log. A length that reaches past the
//! end of the file looks like a write that a crash cut short. A record type of recycled logs looks like the remains
//! of an older log, or makes recovery loop for ever. The records after it are then lost without an error. So this
//! module checks every log before RocksDB opens it.
//!
//! ```text
//! log    = blocks of 32 KiB; the last may be shorter
//! block  = records; if fewer than 7 bytes are left, they are zero
//! record = masked CRC-32C of type and data (4) ‖ length of data (2) ‖ type (1) ‖ data, integers little-endian
//! type   = 1 whole, 2 first part, 3 middle part, 4 last part
//! data of a write-ahead log, parts joined = sequence of the first write (8) ‖ number of writes (4) ‖ …
//! ```
//!
//! # Source
//! RocksDB, `db/log_format.h` and `db/log_reader.cc`.

use std::io::{self, Read};

use crc32c::{crc32c, crc32c_append};
use thiserror::Error;

/// Why a log is not intact. Nothing changed.
#[derive(Debug, Error)]
pub(crate) enum LogError {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Its bytes differ from the bytes written.
    #[error("{why} at byte {at}")]
    Damaged {
        /// Offset of the damage in bytes from the beginning of the log.
        at: u64,
        /// The damage.
        why: &'static str,
    },
}

/// A log without damage: it has every synced record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Intact {
    /// The last record is cut short: a crash interrupted a write that was not acknowledged.
    pub(crate) is_torn: bool,
    /// The sequence number of the last write, in a write-ahead log.
    pub(crate) last_sequence: Option<u64>,
}

/// Checks all records of a log.
///
/// # Errors
/// [`LogError::Damaged`] for damage anywhere but at a cut end of the last record.
pub(crate) fn check(mut log: impl Read) -> Result<Intact, LogError> {
    let mut walk = Walk {
        block_at: 0,
        is_inside: false,
        head: Vec::new(),
        last_sequence: None,
    };
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let bytes = fill(&mut log, &mut block)?;
        let is_torn = match walk.block(&block[..bytes])? {
            Step::Whole if bytes == BLOCK_BYTES => {
                walk.block_at += BLOCK_BYTES as u64;
                continue;
            }
            // The end of the log. Inside a record in parts, the log is torn.
            Step::Whole => walk.is_inside,
            Step::Torn => true,
            Step::Zeros { at } => {
                check_zeros(&mut log, &mut block, at)?;
                true
            }
        };
        return Ok(Intact {
            is_torn,
            last_sequence: walk.last_sequence,
        });
    }
}

/// The end of a block.
enum Step {
    /// After its last record.
    Whole,
    /// Inside a record, at the end of the file.
    Torn,
    /// In zeros from `at` on: reserved space, never written.
    Zeros { at: u64 },
}

/// The state of reading a log, block by block.
struct Walk {
    /// Offset of the block in the file, in bytes.
    block_at: u64,
    /// The first part of a record was read, the last part not yet.
    is_inside: bool,
    /// The first bytes of the record, at most [`SEQUENCE_BYTES`].
    head: Vec<u8>,
    last_sequence: Option<u64>,
}

impl Walk {
    fn block(&mut self, block: &[u8]) -> Result<Step, LogError> {
        let is_full = block.len() == BLOCK_BYTES;
        let mut at = 0;
        while let Some((header, rest)) = block[at..].split_first_chunk::<HEADER_BYTES>() {
            let record_at = self.block_at + at as u64;
            let damaged = |why| LogError::Damaged { at: record_at, why };
            let &[c0, c1, c2, c3, l0, l1, kind] = header;
            let crc = unmask(u32::from_le_bytes([c0, c1, c2, c3]));
            let length = usize::from(u16::from_le_bytes([l0, l1]));
            if *header == [0; HEADER_BYTES] {
                let is_zero = block[at..].iter().all(|byte| *byte == 0);
                return if is_zero {
                    Ok(Step::Zeros { at: record_at })
                } else {
                    Err(damaged("an empty record"))
                };
            }
            if !(WHOLE..=LAST).contains(&kind) {
                return Err(damaged("a record of unknown type"));
            }
            let Some(data) = rest.get(..length) else {
                // The length is wrong if the record crosses the end of a full block, which no record does, or if a
                // prefix of it fits the checksum. A record that a crash cut short has no such prefix.
                let is_wrong = is_full || some_length_fits(crc, kind, rest);
                return if is_wrong {
                    Err(damaged("a record with a wrong length"))
                } else {
                    Ok(Step::Torn)
                };
            };
            if crc32c_append(crc32c(&[kind]), data) != crc {
                return Err(damaged("a record with a wrong checksum"));
            }
            self.part(kind, data).map_err(damaged)?;
            at += HEADER_BYTES + length;
        }
        let rest = &block[at..];
        if !is_full {
            return Ok(if rest.is_empty() {
                Step::Whole
            } else {
                Step::Torn
            });
        }
        if rest.iter().any(|byte| *byte != 0) {
            let at = self.block_at + at as u64;
            return Err(LogError::Damaged {
                at,
                why: "data in the padding of a block",
            });
        }
        Ok(Step::Whole)
    }

    /// Adds a part to the record that is read.
    fn part(&mut self, kind: u8, data: &[u8]) -> Result<(), &'static str> {
        let begins = kind == WHOLE || kind == FIRST;
        match (begins, self.is_inside) {
            (true, true) => return Err("a record that starts inside another"),
            (false, false) => return Err("a record part without a first part"),
            (true, false) => self.head.clear(),
            (false, true) => {}
        }
        let missing = SEQUENCE_BYTES - self.head.len().min(SEQUENCE_BYTES);
        self.head
            .extend_from_slice(&data[..missing.min(data.len())]);
        self.is_inside = kind == FIRST || kind == MIDDLE;
        if !self.is_inside {
            self.last_sequence = last_sequence(&self.head).max(self.last_sequence);
        }
        Ok(())
    }
}

/// The sequence number of the last write of a batch. `None` if `head` is not the head of a batch.
fn last_sequence(head: &[u8]) -> Option<u64> {
    let (first, rest) = head.split_first_chunk()?;
    let (count, _) = rest.split_first_chunk()?;
    let writes = u64::from(u32::from_le_bytes(*count));
    u64::from_le_bytes(*first)
        .checked_add(writes)?
        .checked_sub(1)
}

/// Whether `crc` is the checksum of a prefix of `data`.
fn some_length_fits(crc: u32, kind: u8, data: &[u8]) -> bool {
    let mut found = crc32c(&[kind]);
    data.iter().any(|byte| {
        let before = found;
        found = crc32c_append(found, std::slice::from_ref(byte));
        before == crc
    }) || found == crc
}

/// Checks that only zeros follow. `at` is the offset of the first zero, in bytes.
fn check_zeros(log: &mut impl Read, block: &mut [u8], at: u64) -> Result<(), LogError> {
    loop {
        let bytes = fill(log, block)?;
        if block[..bytes].iter().any(|byte| *byte != 0) {
            return Err(LogError::Damaged {
                at,
                why: "zeros before data",
            });
        }
        if bytes < block.len() {
            return Ok(());
        }
    }
}

/// Reads until the block is full or the file ends.
fn fill(log: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut bytes = 0;
    while bytes < block.len() {
        match log.read(&mut block[bytes..]) {
            Ok(0) => break,
            Ok(more) => bytes += more,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(bytes)
}

/// Undoes RocksDB's mask. Stored checksums are masked, because a CRC over bytes that contain CRCs is weak.
const fn unmask(masked: u32) -> u32 {
    masked.wrapping_sub(0xa282_ead8).rotate_left(15)
}

const BLOCK_BYTES: usize = 32 * 1024;
const HEADER_BYTES: usize = 4 + 2 + 1;
const SEQUENCE_BYTES: usize = 8 + 4;

const WHOLE: u8 = 1;
const FIRST: u8 = 2;
const MIDDLE: u8 = 3;
const LAST: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes records as RocksDB does.
    fn log(records: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Vec::new();
        for record in records {
            let mut rest = &record[..];
            let mut is_first = true;
            loop {
                let left = BLOCK_BYTES - out.len() % BLOCK_BYTES;
                if left < HEADER_BYTES {
                    out.resize(out.len() + left, 0);
                    continue;
                }
                let (data, more) = rest.split_at(rest.len().min(left - HEADER_BYTES));
                let kind = match (is_first, more.is_empty()) {
                    (true, true) => WHOLE,
                    (true, false) => FIRST,
                    (false, false) => MIDDLE,
                    (false, true) => LAST,
                };
                let crc = crc32c_append(crc32c(&[kind]), data);
                let masked = crc.rotate_right(15).wrapping_add(0xa282_ead8);
                out.extend_from_slice(&masked.to_le_bytes());
                out.extend_from_slice(&u16::try_from(data.len()).unwrap().to_le_bytes());
                out.push(kind);
                out.extend_from_slice(data);
                (rest, is_first) = (more, false);
                if rest.is_empty() {
                    break;
                }
            }
        }
        out
    }

    /// A batch of one write.
    fn batch(sequence: u64, bytes: usize) -> Vec<u8> {
        let mut batch = sequence.to_le_bytes().to_vec();
        batch.extend_from_slice(&1_u32.to_le_bytes());
        batch.extend((0..bytes).map(|i| (i as u64 * 31 + sequence).to_le_bytes()[0]));
        batch
    }

    fn intact(is_torn: bool, last_sequence: Option<u64>) -> Intact {
        Intact {
            is_torn,
            last_sequence,
        }
    }

    #[test]
    fn log_without_damage_is_whole_for_all_sizes_of_records() {
        assert_eq!(check(&[][..]).unwrap(), intact(false, None));
        for bytes in [
            0,
            1,
            1_000,
            BLOCK_BYTES - 19,
            BLOCK_BYTES - 20,
            BLOCK_BYTES - 26,
            100_000,
        ] {
            let records: Vec<_> = (1..=20).map(|sequence| batch(sequence, bytes)).collect();
            assert_eq!(
                check(&log(&records)[..]).unwrap(),
                intact(false, Some(20)),
                "{bytes}"
            );
        }
    }

    #[test]
    fn a_log_that_ends_early_is_torn_and_has_what_comes_before() {
        let records: Vec<_> = (1..=3).map(|sequence| batch(sequence, 20_000)).collect();
        let whole = log(&records);
        let ends: Vec<_> = (1..=3).map(|n| log(&records[..n]).len()).collect();
        for length in (0..whole.len()).step_by(97).chain(ends.iter().copied()) {
            let expected = ends.iter().filter(|end| **end <= length).count() as u64;
            let found = check(&whole[..length]).unwrap();
            assert_eq!(
                found.last_sequence,
                (expected > 0).then_some(expected),
                "{length}"
            );
            assert_eq!(
                found.is_torn,
                length > 0 && !ends.contains(&length),
                "{length}"
            );
        }
    }

    #[test]
    fn zeros_behind_the_last_record_are_unwritten_space() {
        let mut bytes = log(&[batch(1, 100)]);
        bytes.resize(100_000, 0);
        assert_eq!(check(&bytes[..]).unwrap(), intact(true, Some(1)));
        bytes[90_000] = 1;
        assert!(matches!(check(&bytes[..]), Err(LogError::Damaged { .. })));
    }

    #[test]
    fn no_single_flipped_bit_goes_unnoticed() {
        let records: Vec<_> = [(1, 50), (2, 40_000), (3, 0), (4, 300)]
            .map(|(n, bytes)| batch(n, bytes))
            .into();
        let mut bytes = log(&records);
        let headers = [0, 69, BLOCK_BYTES];
        let tail = bytes.len() - 400..bytes.len();
        let every = (0..bytes.len()).step_by(211);
        for at in headers
            .into_iter()
            .flat_map(|at| at..at + 7)
            .chain(tail)
            .chain(every)
        {
            for bit in 0..8 {
                bytes[at] ^= 1 << bit;
                assert!(
                    matches!(check(&bytes[..]), Err(LogError::Damaged { .. })),
                    "bit {bit} of byte {at}"
                );
                bytes[at] ^= 1 << bit;
            }
        }
    }
}
