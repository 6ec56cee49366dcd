//! Small values that a peer keeps besides its journal: settled arcs, heads of partners, unfinished transactions.
//!
//! ```text
//! key      = kind (1 byte) ‖ subject
//! settled  = 0x10 ‖ "settled"            2 (1 byte) ‖ incarnation (8) ‖ settled arcs, each from (32) ‖ to (32);
//!                                      1 ‖ incarnation, for all held arcs
//! seen     = 0x11 ‖ partner's key (32), or the own key for a head of this peer that a partner showed too late
//!                                      2 (1 byte) ‖ protobuf `SignedHead`; 1 ‖ a head without signature, ignored
//! partial  = 0x12 ‖ transaction's id (32)   version (1 byte) ‖ 1 while parts are missing, 0 afterwards
//! ```
//! Integers are big-endian. A seen head is kept with its owner's signature, because the owner believes no other. The
//! kinds below 0x10 belong to the journal.

use std::collections::BTreeSet;

use bytes::Bytes;
use kittengrad_journal::{self as journal, Store, StoreError, Write};
use kittengrad_plants::{Plant, Plants};
use kittengrad_proto::{
    id::{Id, PublicKey},
    namespace::Overlay,
    signed_head::SignedHead,
};
use kittengrad_ring::KeyRanges;

const VERSION: u8 = 1;
/// Versions of the settled arcs: the old one means all held arcs, the new one has a list.
const SETTLED_EVERYWHERE: u8 = 1;
const SETTLED_VERSION: u8 = 2;
/// Versions of a seen head: without and with its owner's signature.
const SEEN_UNSIGNED: u8 = 1;
const SEEN_VERSION: u8 = 2;
const SETTLED: &[u8] = b"\x10settled";
const SEEN: u8 = 0x11;
const PARTIAL: u8 = 0x12;

/// Writes the arcs in which an incarnation is settled.
pub(crate) fn keep_settled(incarnation: u64, settled: &KeyRanges) -> Write {
    let mut value = vec![SETTLED_VERSION];
    value.extend_from_slice(&incarnation.to_be_bytes());
    journal::write_arcs(settled.arcs(), &mut value);
    Write::State(SETTLED.into(), value.into())
}

/// Reads the arcs in which this incarnation is settled, limited to the `held` ones.
pub(crate) fn settled(
    incarnation: u64,
    held: &KeyRanges,
    plants: Plants,
    store: &dyn Store,
) -> Result<KeyRanges, StoreError> {
    let Some(value) = store.state(SETTLED)? else {
        return Ok(KeyRanges::EMPTY);
    };
    let damaged = || StoreError::Damaged("the settled arcs are unreadable".to_owned());
    let (head, arcs) = value.split_first_chunk::<9>().ok_or_else(damaged)?;
    let arcs = journal::read_arcs(arcs).ok_or_else(damaged)?;
    if plants.has(Plant::SettledForever) {
        return Ok(held.clone());
    }
    if head[1..] != incarnation.to_be_bytes() {
        return Ok(KeyRanges::EMPTY);
    }
    match head[0] {
        SETTLED_VERSION => Ok(held.intersection(&arcs.into_iter().collect())),
        // Rings did not change at the time of this version, so the arcs held today are the arcs settled then.
        SETTLED_EVERYWHERE if arcs.is_empty() => Ok(held.clone()),
        _ => Err(damaged()),
    }
}

/// Writes the highest head seen of a partner's journal.
pub(crate) fn keep_seen(partner: PublicKey, head: &SignedHead) -> Write {
    let value = [&[SEEN_VERSION], &head.encode()[..]].concat();
    Write::State(key(SEEN, partner.as_bytes()), value.into())
}

/// Reads the highest head seen of a partner's journal.
pub(crate) fn seen(
    partner: PublicKey,
    overlay: &Overlay,
    store: &dyn Store,
) -> Result<Option<SignedHead>, StoreError> {
    let Some(value) = store.state(&key(SEEN, partner.as_bytes()))? else {
        return Ok(None);
    };
    let damaged = |why: String| {
        StoreError::Damaged(format!("the head seen of {partner} is unreadable: {why}"))
    };
    match value.first() {
        Some(&SEEN_VERSION) => {
            let head = SignedHead::decode(value.slice(1..), overlay);
            head.map(Some).map_err(|error| damaged(error.to_string()))
        }
        // The owner believes no head without its signature.
        Some(&SEEN_UNSIGNED) => Ok(None),
        other => Err(damaged(format!("its version is {other:?}"))),
    }
}

/// Writes whether parts of a transaction are missing.
pub(crate) fn keep_partial(id: &Id, is_partial: bool) -> Write {
    let value = vec![VERSION, u8::from(is_partial)];
    Write::State(key(PARTIAL, id.as_bytes()), value.into())
}

/// Reads the ids of transactions with missing parts.
pub(crate) fn partial(store: &dyn Store) -> Result<BTreeSet<Id>, StoreError> {
    let damaged =
        || StoreError::Damaged("the key of an unfinished transaction is unreadable".to_owned());
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
    use kittengrad_ring::{KeyRange, Point};

    use super::*;

    const INCARNATION: u64 = 1_780_000_000_000;

    /// Gives every message the same signature. Kept values are not verified when they are read.
    struct Stamp;

    impl Signer for Stamp {
        fn public(&self) -> PublicKey {
            PublicKey::new([0x22; 32])
        }

        fn sign(&self, _: &[u8]) -> [u8; SIGNATURE_BYTES] {
            [0x5a; SIGNATURE_BYTES]
        }
    }

    /// The value of `name` in the file of vectors, in hexadecimal.
    fn vector(name: &str) -> &'static str {
        let named = |line: &'static str| line.strip_prefix(name)?.strip_prefix(' ');
        let vectors = include_str!("../testdata/kept.txt");
        vectors.lines().find_map(named).unwrap()
    }

    fn check(write: &Write, key: &str, value: &str) {
        let hex = |bytes: &Bytes| -> String { bytes.iter().map(|b| format!("{b:02x}")).collect() };
        let Write::State(found_key, found_value) = write else {
            panic!("{write:?} is not a state")
        };
        assert_eq!(hex(found_key), vector(key));
        assert_eq!(hex(found_value), vector(value));
    }

    #[test]
    fn a_transaction_that_became_whole_stays_whole_after_a_start() {
        let [whole, part] = [1, 2].map(|byte| Id::new([byte; 32]));
        let mut store = MemoryStore::default();
        let writes = [(whole, true), (part, true), (whole, false)];
        for (id, is_partial) in writes {
            store.commit(vec![keep_partial(&id, is_partial)]);
        }
        assert_eq!(partial(&store), Ok(BTreeSet::from([part])));
    }

    fn overlay() -> Overlay {
        Overlay {
            network: Id::new([0x4e; 32]),
            namespace: "works".parse().unwrap(),
        }
    }

    fn arc(from: u8, to: u8) -> KeyRanges {
        KeyRange::new(Point::new([from; 32]), Point::new([to; 32])).into()
    }

    #[test]
    fn settled_arcs_are_kept_with_their_incarnation() {
        let settled_in = |incarnation, held: &KeyRanges, store: &MemoryStore| {
            settled(incarnation, held, Plants::NONE, store).unwrap()
        };
        let mut store = MemoryStore::default();
        assert_eq!(
            settled_in(INCARNATION, &arc(1, 2), &store),
            KeyRanges::EMPTY
        );
        let write = keep_settled(INCARNATION, &arc(1, 2));
        check(&write, "settled.key", "settled.value");
        store.commit(vec![write]);
        assert_eq!(settled_in(INCARNATION, &arc(1, 2), &store), arc(1, 2));
        assert_eq!(settled_in(INCARNATION, &arc(1, 9), &store), arc(1, 2));
        let held = arc(2, 9);
        assert_eq!(
            settled_in(INCARNATION, &held, &store),
            KeyRanges::EMPTY,
            "no longer held"
        );
        let other = settled_in(INCARNATION + 1, &arc(1, 2), &store);
        assert_eq!(
            other,
            KeyRanges::EMPTY,
            "another incarnation may lack elements"
        );
    }

    #[test]
    fn settled_before_there_were_arcs_is_settled_everywhere() {
        let bytes = vector("settled.everywhere").as_bytes().chunks(2);
        let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        let mut store = MemoryStore::default();
        store.commit(vec![Write::State(
            SETTLED.into(),
            bytes.map(byte).collect(),
        )]);
        let found = settled(INCARNATION, &arc(1, 9), Plants::NONE, &store);
        assert_eq!(found, Ok(arc(1, 9)));
    }

    #[test]
    fn settled_arcs_in_another_form_are_damage() {
        let Write::State(_, value) = keep_settled(INCARNATION, &arc(1, 2)) else {
            panic!("it is a state")
        };
        let version = [&[3], &value[1..]].concat();
        let mixed = [&[SETTLED_EVERYWHERE], &value[1..]].concat();
        for bytes in [
            &[][..],
            &value[..8],
            &value[..value.len() - 1],
            &version,
            &mixed,
        ] {
            let mut store = MemoryStore::default();
            let bytes = Bytes::copy_from_slice(bytes);
            store.commit(vec![Write::State(SETTLED.into(), bytes)]);
            let found = settled(INCARNATION, &arc(1, 2), Plants::NONE, &store);
            assert!(matches!(found, Err(StoreError::Damaged(_))), "{found:?}");
        }
    }

    #[test]
    fn the_highest_head_seen_is_kept_with_its_signature() {
        let head = Head {
            incarnation: INCARNATION,
            height: 42,
            hash: Id::new([0xaa; 32]),
        };
        let heartbeat = Heartbeat::sign(&overlay(), head, INCARNATION + 123, &Stamp);
        let head = SignedHead::Heartbeat(Box::new(heartbeat));
        let write = keep_seen(Stamp.public(), &head);
        check(&write, "seen.key", "seen.value");
        let mut store = MemoryStore::default();
        store.commit(vec![write.clone()]);
        assert_eq!(seen(Stamp.public(), &overlay(), &store), Ok(Some(head)));
        let Write::State(key, _) = write else {
            panic!("it is a state")
        };
        let unsigned = [&[SEEN_UNSIGNED][..], &[0; 48]].concat();
        store.commit(vec![Write::State(key, unsigned.into())]);
        assert_eq!(seen(Stamp.public(), &overlay(), &store), Ok(None));
    }

    #[test]
    fn whether_a_transaction_is_partly_here_is_kept() {
        let id = Id::new([0x33; 32]);
        check(&keep_partial(&id, true), "partial.key", "partial.value");
        check(&keep_partial(&id, false), "partial.key", "partial.done");
    }

    #[test]
    fn a_seen_head_in_another_form_is_damage() {
        let key = |partner: PublicKey| key(SEEN, partner.as_bytes());
        for bytes in [&[][..], &[3], &[SEEN_VERSION], &[SEEN_VERSION, 0xff, 0xff]] {
            let mut store = MemoryStore::default();
            let value = Bytes::copy_from_slice(bytes);
            store.commit(vec![Write::State(key(Stamp.public()), value)]);
            let found = seen(Stamp.public(), &overlay(), &store);
            assert!(matches!(found, Err(StoreError::Damaged(_))), "{found:?}");
            let other = PublicKey::new([0x23; 32]);
            assert_eq!(seen(other, &overlay(), &store), Ok(None));
        }
    }

    #[test]
    fn an_unfinished_transaction_under_another_key_is_damage() {
        let mut store = MemoryStore::default();
        let value = Bytes::copy_from_slice(&[VERSION, 1]);
        store.commit(vec![Write::State(key(PARTIAL, &[7; 31]), value)]);
        let found = partial(&store);
        assert!(matches!(found, Err(StoreError::Damaged(_))), "{found:?}");
    }
}
