//! A single pass over strict DAG-CBOR without allocation, for the check that replicas make of every record.
//!
//! It recurses as deep as the caller allows, and each step takes at least one byte, so that hostile lengths and nesting
//! end in an error.

use super::RecordError;
use crate::id::RecordId;

pub(super) const UNSIGNED: u8 = 0;
pub(super) const NEGATIVE: u8 = 1;
pub(super) const BYTES: u8 = 2;
pub(super) const TEXT: u8 = 3;
pub(super) const LIST: u8 = 4;
pub(super) const MAP: u8 = 5;
const TAG: u8 = 6;

pub(super) const FALSE: u8 = 0xf4;
pub(super) const TRUE: u8 = 0xf5;
pub(super) const NULL: u8 = 0xf6;
pub(super) const FLOAT_64: u8 = 0xfb;
/// Tag 42, the only tag allowed, in its shortest form.
pub(super) const TAG_CID: [u8; 2] = [0xd8, 0x2a];
/// All bytes of a link to a record before the digest: tag 42, 37 bytes, the prefix 0, CIDv1, dag-cbor, sha2-256, 32
/// bytes.
pub(super) const RECORD_LINK: [u8; 9] = [0xd8, 0x2a, 0x58, 0x25, 0x00, 0x01, 0x71, 0x12, 0x20];
/// Bytes of the longest digest that a CID holds.
const DIGEST_BYTES_MAX: u64 = 64;

type Scanned<T> = Result<T, RecordError>;

/// The bytes to read.
pub(super) struct Scan<'a> {
    rest: &'a [u8],
    bytes: usize,
}

/// The previous key, which the next one must follow.
#[derive(Default)]
pub(super) struct LastKey<'a>(Option<&'a str>);

impl<'a> Scan<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            bytes: bytes.len(),
        }
    }

    /// Checks that no bytes follow.
    pub(super) fn end(&self) -> Scanned<()> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.malformed("there are bytes behind the end"))
        }
    }

    /// The number of entries of the map that begins here.
    #[inline]
    pub(super) fn map(&mut self) -> Scanned<u64> {
        self.head(MAP, "expected a map")
    }

    /// The number of items of the list that begins here.
    pub(super) fn list(&mut self) -> Scanned<u64> {
        self.head(LIST, "expected a list")
    }

    #[inline]
    pub(super) fn unsigned(&mut self) -> Scanned<u64> {
        self.head(UNSIGNED, "expected a time in milliseconds")
    }

    #[inline]
    pub(super) fn text(&mut self) -> Scanned<&'a str> {
        let length = self.head(TEXT, "expected text")?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| self.malformed("the text before is not UTF-8"))
    }

    #[inline]
    pub(super) fn bytes(&mut self) -> Scanned<&'a [u8]> {
        let length = self.head(BYTES, "expected bytes")?;
        self.take(length)
    }

    /// A map's next key: text, longer than the last one, or as long and greater.
    #[inline]
    pub(super) fn key(&mut self, last: &mut LastKey<'a>) -> Scanned<&'a str> {
        let key = self.text()?;
        if last
            .0
            .is_some_and(|last| (last.len(), last) >= (key.len(), key))
        {
            return Err(self.malformed("the key before is out of order or there twice"));
        }
        last.0 = Some(key);
        Ok(key)
    }

    /// A link to a record.
    #[inline]
    pub(super) fn record_id(&mut self) -> Scanned<RecordId> {
        let rest = self.rest.strip_prefix(&RECORD_LINK);
        let Some((digest, rest)) = rest.and_then(|rest| rest.split_first_chunk::<32>()) else {
            return Err(self.malformed("expected a link to a record"));
        };
        self.rest = rest;
        Ok(RecordId::new(*digest))
    }

    /// Any map, which nests at most `levels` maps and lists, itself included.
    pub(super) fn map_within(&mut self, levels: usize) -> Scanned<()> {
        let levels = self.descend(levels)?;
        let mut last = LastKey::default();
        for _ in 0..self.map()? {
            self.key(&mut last)?;
            self.value_within(levels)?;
        }
        Ok(())
    }

    fn list_within(&mut self, levels: usize) -> Scanned<()> {
        let levels = self.descend(levels)?;
        for _ in 0..self.list()? {
            self.value_within(levels)?;
        }
        Ok(())
    }

    fn value_within(&mut self, levels: usize) -> Scanned<()> {
        let first = *self
            .rest
            .first()
            .ok_or_else(|| self.malformed(ENDS_EARLY))?;
        match first >> 5 {
            major @ (UNSIGNED | NEGATIVE) => self.head(major, ENDS_EARLY).map(drop),
            BYTES => self.bytes().map(drop),
            TEXT => self.text().map(drop),
            LIST => self.list_within(levels),
            MAP => self.map_within(levels),
            TAG => self.cid(),
            _ => self.simple(first),
        }
    }

    fn descend(&self, levels: usize) -> Scanned<usize> {
        levels
            .checked_sub(1)
            .ok_or_else(|| self.malformed("it nests deeper than allowed"))
    }

    fn simple(&mut self, first: u8) -> Scanned<()> {
        match first {
            FALSE | TRUE | NULL => self.take(1).map(drop),
            FLOAT_64 => {
                let Some((bits, rest)) = self.rest[1..].split_first_chunk() else {
                    return Err(self.malformed(ENDS_EARLY));
                };
                let float = f64::from_be_bytes(*bits);
                if !float.is_finite() || (float == 0.0 && float.is_sign_negative()) {
                    return Err(
                        self.malformed("there is a float that is not finite, or negative zero")
                    );
                }
                self.rest = rest;
                Ok(())
            }
            _ => Err(self.malformed("there is neither false, true, null nor a 64-bit float")),
        }
    }

    /// Tag 42 over the binary form of a CID, with any version, codec and hash.
    fn cid(&mut self) -> Scanned<()> {
        let Some(rest) = self.rest.strip_prefix(&TAG_CID) else {
            return Err(self.malformed("there is a tag other than 42"));
        };
        self.rest = rest;
        let bytes = self.bytes()?;
        match bytes.split_first() {
            Some((0, cid)) if is_cid(cid) => Ok(()),
            _ => Err(self.malformed("the preceding link is not a CID")),
        }
    }

    /// The argument of a head of this major type, in its shortest form.
    #[inline]
    fn head(&mut self, major: u8, otherwise: &'static str) -> Scanned<u64> {
        let Some((&first, rest)) = self.rest.split_first() else {
            return Err(self.malformed(ENDS_EARLY));
        };
        if first >> 5 != major {
            return Err(self.malformed(otherwise));
        }
        let short = first & 0x1f;
        if short < 24 {
            self.rest = rest;
            return Ok(u64::from(short));
        }
        self.long_head(short, rest)
    }

    fn long_head(&mut self, width: u8, rest: &'a [u8]) -> Scanned<u64> {
        let read = match width {
            24 => rest
                .split_first_chunk()
                .map(|(b, rest)| (u64::from(u8::from_be_bytes(*b)), 24, rest)),
            25 => rest
                .split_first_chunk()
                .map(|(b, rest)| (u64::from(u16::from_be_bytes(*b)), 1 << 8, rest)),
            26 => rest
                .split_first_chunk()
                .map(|(b, rest)| (u64::from(u32::from_be_bytes(*b)), 1 << 16, rest)),
            27 => rest
                .split_first_chunk()
                .map(|(b, rest)| (u64::from_be_bytes(*b), 1 << 32, rest)),
            _ => return Err(self.malformed("there is an indefinite or reserved length")),
        };
        let Some((argument, shortest, rest)) = read else {
            return Err(self.malformed(ENDS_EARLY));
        };
        if argument < shortest {
            return Err(
                self.malformed("there is a number or length that is not in its shortest form")
            );
        }
        self.rest = rest;
        Ok(argument)
    }

    #[inline]
    fn take(&mut self, length: u64) -> Scanned<&'a [u8]> {
        let split = usize::try_from(length)
            .ok()
            .and_then(|length| self.rest.split_at_checked(length));
        let Some((taken, rest)) = split else {
            return Err(self.malformed(ENDS_EARLY));
        };
        self.rest = rest;
        Ok(taken)
    }

    #[cold]
    const fn malformed(&self, why: &'static str) -> RecordError {
        RecordError::Malformed {
            at: self.bytes - self.rest.len(),
            why,
        }
    }
}

/// Whether these are all the bytes of one CID, version 0 or 1.
fn is_cid(bytes: &[u8]) -> bool {
    let Some((version, rest)) = varint(bytes) else {
        return false;
    };
    let Some((codec, rest)) = varint(rest) else {
        return false;
    };
    match (version, codec) {
        // A CIDv0 is a bare multihash: sha2-256 and 32 bytes.
        (0x12, 0x20) => rest.len() == 32,
        (1, _) => is_multihash(rest),
        _ => false,
    }
}

fn is_multihash(bytes: &[u8]) -> bool {
    let Some((_, rest)) = varint(bytes) else {
        return false;
    };
    let Some((length, digest)) = varint(rest) else {
        return false;
    };
    length <= DIGEST_BYTES_MAX && digest.len() as u64 == length
}

/// An unsigned LEB128 number of 64 bits in its shortest form.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().take(10).enumerate() {
        let is_last = byte & 0x80 == 0;
        let is_padding = byte == 0 && index > 0;
        let is_overflow = index == 9 && byte > 1;
        if is_padding || is_overflow {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (index * 7);
        if is_last {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

const ENDS_EARLY: &str = "it ends early";
