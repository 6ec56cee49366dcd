//! Names: digests and keys of 32 bytes, with one type for each meaning.

use std::{fmt, str::FromStr};

use cid::Cid;
use data_encoding::HEXLOWER;
use kittengrad_ring::Point;
use multihash::Multihash;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// Multicodec of DAG-CBOR.
const CODEC_DAG_CBOR: u64 = 0x71;
/// Multihash code of SHA-256.
const HASH_SHA2_256: u64 = 0x12;

/// Why bytes or text are not a name. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdError {
    /// A name has exactly 32 bytes.
    #[error("{what} has {bytes} bytes, not 32")]
    Length {
        /// The name of the expected type.
        what: &'static str,
        /// The number of bytes.
        bytes: usize,
    },
    /// The text is not lower-case hexadecimal of 64 characters.
    #[error("{what} {text:?} is not 64 lower-case hexadecimal characters")]
    Hex {
        /// The name of the expected type.
        what: &'static str,
        /// The text, shortened.
        text: String,
    },
    /// The text is not a CIDv1 of DAG-CBOR with SHA-256.
    #[error("{text:?} is not a record's CID, which is bafyrei and 52 more characters: {why}")]
    Cid {
        /// The text, shortened.
        text: String,
        /// The error.
        why: String,
    },
}

macro_rules! bytes32 {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Wraps 32 bytes.
            #[must_use]
            pub const fn new(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// Takes exactly 32 bytes.
            ///
            /// # Errors
            /// [`IdError::Length`] for any other number.
            pub fn from_slice(bytes: &[u8]) -> Result<Self, IdError> {
                let bytes = bytes
                    .try_into()
                    .map_err(|_| IdError::Length { what: $what, bytes: bytes.len() })?;
                Ok(Self(bytes))
            }

            /// Splits concatenated 32-byte names.
            ///
            /// # Errors
            /// [`IdError::Length`] if the length is not a multiple of 32.
            pub fn list_from_slice(bytes: &[u8]) -> Result<Vec<Self>, IdError> {
                let (chunks, rest) = bytes.as_chunks::<32>();
                if !rest.is_empty() {
                    return Err(IdError::Length { what: $what, bytes: bytes.len() });
                }
                Ok(chunks.iter().copied().map(Self).collect())
            }

            /// Concatenates names.
            #[must_use]
            pub fn concat<'a>(names: impl IntoIterator<Item = &'a Self>) -> bytes::Bytes {
                let mut out = Vec::new();
                for name in names {
                    out.extend_from_slice(&name.0);
                }
                out.into()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER.encode(&self.0[..4]))
            }
        }
    };
}

macro_rules! hex_text {
    ($name:ident, $what:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER.encode(&self.0))
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| IdError::Hex {
                    what: $what,
                    text: shorten(text),
                })?;
                Self::from_slice(&bytes)
            }
        }
    };
}

bytes32!(
    /// SHA-256 of a record's DAG-CBOR bytes: the digest of its CID. Names canonicals, updates and retractions.
    RecordId,
    "a record's digest"
);
bytes32!(
    /// SHA-256 of a signed object: names transactions, blocks, chains; also the network and rings.
    Id,
    "an id"
);
bytes32!(
    /// A raw Ed25519 public key: names publishers, peers and their journals.
    PublicKey,
    "a public key"
);
hex_text!(Id, "an id");
hex_text!(PublicKey, "a public key");

impl Id {
    /// The hash before the first block.
    pub const ZERO: Self = Self([0; 32]);

    /// SHA-256 of `parts`, one after another.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}

impl PublicKey {
    /// The point of this key's owner on the circle: SHA-256 of the raw key.
    #[must_use]
    pub fn point(&self) -> Point {
        Point::new(Sha256::digest(self.0).into())
    }
}

impl RecordId {
    /// The name of the record with these bytes.
    #[must_use]
    pub fn of(record: &[u8]) -> Self {
        Self(Sha256::digest(record).into())
    }

    /// The point of a canonical with this id on the circle: its digest.
    #[must_use]
    pub const fn point(&self) -> Point {
        Point::new(self.0)
    }

    /// The whole CID.
    #[must_use]
    pub fn cid(&self) -> Cid {
        let hash =
            Multihash::wrap(HASH_SHA2_256, &self.0).expect("32 bytes fit a 64-byte multihash");
        Cid::new_v1(CODEC_DAG_CBOR, hash)
    }

    /// Reads a CIDv1 of DAG-CBOR with SHA-256.
    ///
    /// # Errors
    /// [`IdError::Cid`] for every other kind of CID.
    pub fn from_cid(cid: &Cid) -> Result<Self, IdError> {
        let refuse = |why: String| IdError::Cid {
            text: shorten(&cid.to_string()),
            why,
        };
        if cid.version() != cid::Version::V1 {
            return Err(refuse("it is a CIDv0".to_owned()));
        }
        if cid.codec() != CODEC_DAG_CBOR {
            return Err(refuse(format!("its codec is {:#x}", cid.codec())));
        }
        if cid.hash().code() != HASH_SHA2_256 {
            return Err(refuse(format!("its hash is {:#x}", cid.hash().code())));
        }
        Self::from_slice(cid.hash().digest()).map_err(|e| refuse(e.to_string()))
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cid().fmt(f)
    }
}

impl FromStr for RecordId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let cid = Cid::from_str(text).map_err(|_| IdError::Cid {
            text: shorten(text),
            why: "something is missing or mistyped".to_owned(),
        })?;
        Self::from_cid(&cid)
    }
}

/// At most 80 characters of untrusted text, for an error message.
fn shorten(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_id_is_written_as_its_cid_and_read_back() {
        let id = RecordId::of(b"\xa0");
        let text = id.to_string();
        assert!(text.starts_with("bafyrei"), "{text}");
        assert_eq!(text.parse(), Ok(id));
    }

    #[test]
    fn other_codecs_hashes_and_noise_are_no_record() {
        for text in [
            "",
            "bafy",
            "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG",
            "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e",
        ] {
            assert!(
                matches!(text.parse::<RecordId>(), Err(IdError::Cid { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn a_digest_of_another_hash_or_length_is_no_record() {
        let cid = |hash, bytes| {
            let digest = vec![7; bytes];
            Cid::new_v1(CODEC_DAG_CBOR, Multihash::wrap(hash, &digest).unwrap())
        };
        let id = RecordId::new([7; 32]);
        assert_eq!(RecordId::from_cid(&cid(HASH_SHA2_256, 32)), Ok(id));
        let sha3_256 = 0x16;
        for (hash, bytes) in [(sha3_256, 32), (HASH_SHA2_256, 31), (HASH_SHA2_256, 33)] {
            let refused = RecordId::from_cid(&cid(hash, bytes));
            assert!(
                matches!(refused, Err(IdError::Cid { .. })),
                "{bytes} bytes of {hash:#x}"
            );
        }
    }

    #[test]
    fn keys_are_written_in_hex_and_read_back() {
        let key = PublicKey::new([0xab; 32]);
        assert_eq!(key.to_string().parse(), Ok(key));
        for text in ["", "zz", "ab", &"AB".repeat(32), &"ab".repeat(33)] {
            assert!(text.parse::<PublicKey>().is_err(), "{text}");
        }
        let refused = IdError::Hex {
            what: "a public key",
            text: "é".repeat(80),
        };
        assert_eq!("é".repeat(81).parse::<PublicKey>(), Err(refused));
    }

    #[test]
    fn a_name_has_exactly_32_bytes() {
        assert_eq!(Id::from_slice(&[7; 32]), Ok(Id::new([7; 32])));
        for bytes in [0, 31, 33, 64] {
            let what = "an id";
            let refused = Err(IdError::Length { what, bytes });
            assert_eq!(Id::from_slice(&vec![7; bytes]), refused);
        }
    }

    #[test]
    fn names_are_split_as_they_were_concatenated() {
        for count in 0..4 {
            let names: Vec<_> = (0..count).rev().map(|n| Id::new([n; 32])).collect();
            let bytes = Id::concat(&names);
            assert_eq!(Id::list_from_slice(&bytes), Ok(names));
        }
        for bytes in [1, 31, 33, 63, 65] {
            let what = "an id";
            let refused = Err(IdError::Length { what, bytes });
            assert_eq!(Id::list_from_slice(&vec![7; bytes]), refused);
        }
    }

    #[test]
    fn a_key_lies_at_its_hash_and_a_canonical_at_its_digest() {
        let key = PublicKey::new([0xab; 32]);
        assert_eq!(key.point().as_bytes(), Id::of(&[&[0xab; 32]]).as_bytes());
        let canonical = RecordId::new([0xab; 32]);
        assert_eq!(canonical.point().as_bytes(), canonical.as_bytes());
    }
}
