//! Small values that a peer keeps beside its journal: what it saw of others, and what of its own is unfinished.
//!
//! ```text
//! key      = kind (1 byte) ‖ subject
//! settled  = 0x10 ‖ "settled"            version (1 byte) ‖ incarnation (8)
//! seen     = 0x11 ‖ partner's key (32)   2 (1 byte) ‖ protobuf `SignedHead`; 1 ‖ a head without signature, unread
//! partial  = 0x12 ‖ transaction's id (32)   version (1 byte) ‖ 1 while parts are missing, 0 afterwards
//! ```
//! Integers are big-endian. What was seen keeps its owner's signature: only so does the owner believe it. The kinds below
//! 0x10 are the journal's.

use std::collections::BTreeSet;

use bytes::Bytes;
use kittengrad_journal::{Store, StoreError, Write};
use kittengrad_plants::{Plant, Plants};
use kittengrad_proto::{
    id::{Id, PublicKey},
    namespace::Overlay,
    signed_head::SignedHead,
};

const VERSION: u8 = 1;
/// What was seen, before and since it has its owner's signature.
const SEEN_UNSIGNED: u8 = 1;
const SEEN_VERSION: u8 = 2;
const SETTLED: &[u8] = b"\x10settled";
const SEEN: u8 = 0x11;
const PARTIAL: u8 = 0x12;

/// Keeps that everything was settled in an incarnation.
pub(crate) fn keep_settled(incarnation: u64) -> Write {
    Write::State(SETTLED.into(), settled_value(incarnation))
}

/// Whether everything was settled in this incarnation.
pub(crate) fn was_settled(
    incarnation: u64,
    plants: Plants,
    store: &dyn Store,
) -> Result<bool, StoreError> {
    let kept = store.state(SETTLED)?;
    Ok(match plants.has(Plant::SettledForever) {
        true => kept.is_some(),
        false => kept == Some(settled_value(incarnation)),
    })
}

fn settled_value(incarnation: u64) -> Bytes {
    let mut value = vec![VERSION];
    value.extend_from_slice(&incarnation.to_be_bytes());
    value.into()
}

/// Keeps the highest head of a partner that was seen.
pub(crate) fn keep_seen(partner: PublicKey, head: &SignedHead) -> Write {
    let value = [&[SEEN_VERSION], &head.encode()[..]].concat();
    Write::State(key(SEEN, partner.as_bytes()), value.into())
}

/// The highest head of a partner that was kept.
pub(crate) fn seen(
    partner: PublicKey,
    overlay: &Overlay,
    store: &dyn Store,
) -> Result<Option<SignedHead>, StoreError> {
    let Some(value) = store.state(&key(SEEN, partner.as_bytes()))? else {
        return Ok(None);
    };
    let damaged = |why: String| {
        StoreError::Damaged(format!("what was seen of {partner} is unreadable: {why}"))
    };
    match value.first() {
        Some(&SEEN_VERSION) => {
            let head = SignedHead::decode(value.slice(1..), overlay);
            head.map(Some).map_err(|error| damaged(error.to_string()))
        }
        // Its owner would not believe it.
        Some(&SEEN_UNSIGNED) => Ok(None),
        other => Err(damaged(format!("its version is {other:?}"))),
    }
}

/// Keeps whether parts of a transaction are missing.
pub(crate) fn keep_partial(id: &Id, is_partial: bool) -> Write {
    let value = vec![VERSION, u8::from(is_partial)];
    Write::State(key(PARTIAL, id.as_bytes()), value.into())
}

/// The transactions of which parts are missing.
pub(crate) fn partial(store: &dyn Store) -> Result<BTreeSet<Id>, StoreError> {
    let damaged = || StoreError::Damaged("a key of an unfinished transaction".to_owned());
    let mut ids = BTreeSet::new();
    for (key, value) in store.states(&[PARTIAL])? {
        if value[..] == [VERSION, 1] {
            ids.insert(Id::from_slice(&key[1..]).map_err(|_| damaged())?);
        }
    }
    Ok(ids)
}

fn key(kind: u8, subject: &[u8]) -> Bytes {
    let mut key = vec![kind];
    key.extend_from_slice(subject);
    key.into()
}

#[cfg(test)]
mod tests {
    use kittengrad_journal::MemoryStore;
    use kittengrad_proto::{
        block::Head,
        identity::Heartbeat,
        signed::{SIGNATURE_BYTES, Signer},
    };

    use super::*;

    /// Signs everything alike: what is kept is not verified here.
    struct Stamp;

    impl Signer for Stamp {
        fn public(&self) -> PublicKey {
            PublicKey::new([0x22; 32])
        }

        fn sign(&self, _: &[u8]) -> [u8; SIGNATURE_BYTES] {
            [0x5a; SIGNATURE_BYTES]
        }
    }

    /// What the file has under `name`, in hexadecimal.
    fn vector(name: &str) -> &'static str {
        let named = |line: &'static str| line.strip_prefix(name)?.strip_prefix(' ');
        let vectors = include_str!("../testdata/kept.txt");
        vectors.lines().find_map(named).unwrap()
    }

    fn check(write: &Write, key: &str, value: &str) {
        let hex = |bytes: &Bytes| -> String { bytes.iter().map(|b| format!("{b:02x}")).collect() };
        let Write::State(found_key, found_value) = write else {
            panic!("{write:?} is no state")
        };
        assert_eq!(hex(found_key), vector(key));
        assert_eq!(hex(found_value), vector(value));
    }

    #[test]
    fn what_is_kept_has_the_bytes_that_it_always_had() {
        let settled = keep_settled(1_780_000_000_000);
        check(&settled, "settled.key", "settled.value");
        let head = Head {
            incarnation: 1_780_000_000_000,
            height: 42,
            hash: Id::new([0xaa; 32]),
        };
        let overlay = Overlay {
            network: Id::new([0x4e; 32]),
            namespace: "works".parse().unwrap(),
        };
        let heartbeat = Heartbeat::sign(&overlay, head, 1_780_000_000_123, &Stamp);
        let head = SignedHead::Heartbeat(Box::new(heartbeat));
        let seen = keep_seen(Stamp.public(), &head);
        check(&seen, "seen.key", "seen.value");
        let mut store = MemoryStore::default();
        store.commit(vec![seen.clone()]);
        assert_eq!(
            super::seen(Stamp.public(), &overlay, &store),
            Ok(Some(head))
        );
        let Write::State(key, _) = seen else {
            panic!("it is a state")
        };
        let unsigned = [&[SEEN_UNSIGNED][..], &[0; 48]].concat();
        store.commit(vec![Write::State(key, unsigned.into())]);
        assert_eq!(super::seen(Stamp.public(), &overlay, &store), Ok(None));
        let id = Id::new([0x33; 32]);
        check(&keep_partial(&id, true), "partial.key", "partial.value");
        check(&keep_partial(&id, false), "partial.key", "partial.done");
    }
}
