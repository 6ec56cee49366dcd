//! Damage: every decoder is total, and a signed object verifies only with its signed bytes.

use std::sync::LazyLock;

use bytes::Bytes;
use kittengrad_proto::{
    block::{Block, Header, Item},
    checkpoint::ThroughList,
    cursor::{Cursor, Position},
    error::{ErrorCode, ErrorDetail, Responsible},
    id::{Id, PublicKey, RecordId},
    identity::{Beat, Heartbeat, Identity, State},
    link::{Frames, Message},
    namespace::Namespace,
    receipt::{ItemProof, Receipt},
    signed::{Ed25519, Signed},
    transaction::Transaction,
    wire,
};
use proptest::{collection::vec, prelude::*, sample::Index};
use prost::Message as _;

use crate::{
    checkpoint_samples::{asked, checkpointed, checkpointed_beat, through},
    noise::{changes, messages_of_any_kind, texts},
    samples::{
        WORLD, genesis, heartbeat, identity, messages, minimal, ordinary, overlay, prove, receipt,
        record, updates,
    },
};

/// The result of a decoder for bytes that it accepted.
#[derive(Debug, PartialEq)]
struct Taken {
    /// The bytes of the decoded value, encoded again.
    again: Vec<u8>,
    /// Whether all signatures and proofs in it hold; `None` if there is nothing to verify.
    is_genuine: Option<bool>,
}

impl Taken {
    fn signed(signed: &Signed, is_genuine: bool) -> Self {
        Self {
            again: signed.encode(),
            is_genuine: Some(is_genuine),
        }
    }
}

type Decoder = fn(Bytes) -> Option<Taken>;

fn transaction(bytes: Bytes) -> Option<Taken> {
    let found = Transaction::decode(bytes, overlay()).ok()?;
    Some(Taken::signed(
        found.signed(),
        found.verify(&Ed25519).is_ok(),
    ))
}

fn header(bytes: Bytes) -> Option<Taken> {
    let found = Header::from_wire(wire::Signed::decode(bytes).ok(), overlay()).ok()?;
    Some(Taken::signed(
        found.signed(),
        found.verify(&Ed25519).is_ok(),
    ))
}

fn identities(bytes: Bytes) -> Option<Taken> {
    let found = Identity::decode(bytes, overlay()).ok()?;
    Some(Taken::signed(
        found.signed(),
        found.verify(&WORLD.root, &Ed25519).is_ok(),
    ))
}

fn heartbeats(bytes: Bytes) -> Option<Taken> {
    let found = Heartbeat::from_wire(wire::Signed::decode(bytes).ok(), overlay()).ok()?;
    Some(Taken::signed(
        found.signed(),
        found.verify(&Ed25519).is_ok(),
    ))
}

fn block(bytes: Bytes) -> Option<Taken> {
    let found = wire::Block::decode(bytes).ok()?;
    let found = Block::from_wire(found.header, found.items, found.through, overlay()).ok()?;
    // The decoder of items is total too, for any items root in the header.
    let _ = found.decode_items();
    let header = Some(found.header.signed().to_wire());
    let is_genuine = Some(found.verify(&Ed25519).is_ok());
    let again = wire::Block {
        header,
        items: found.items,
        through: found.through.to_wire(),
    };
    Some(Taken {
        again: again.encode_to_vec(),
        is_genuine,
    })
}

fn beat(bytes: Bytes) -> Option<Taken> {
    let found = wire::FrameHeartbeat::decode(bytes).ok()?;
    let found = Beat::from_wire(found.heartbeat, found.through, overlay()).ok()?;
    let again = wire::FrameHeartbeat {
        heartbeat: Some(found.heartbeat.signed().to_wire()),
        through: found.through.to_wire(),
    };
    Some(Taken {
        again: again.encode_to_vec(),
        is_genuine: Some(found.heartbeat.verify(&Ed25519).is_ok()),
    })
}

/// An entry of the list beside a checkpoint of the first peer.
fn position(bytes: Bytes) -> Option<Taken> {
    let found = ThroughList::from_wire(vec![bytes], WORLD.peers[0].public).ok()?;
    Some(Taken {
        again: found.to_wire().remove(0).to_vec(),
        is_genuine: None,
    })
}

fn item(bytes: Bytes) -> Option<Taken> {
    let found = Item::decode(&bytes).ok()?;
    Some(Taken {
        again: found.encode().to_vec(),
        is_genuine: None,
    })
}

fn item_proof(bytes: Bytes) -> Option<Taken> {
    let found = wire::ItemProof::decode(bytes).ok()?;
    let found = ItemProof::from_wire(found, overlay()).ok()?;
    let is_genuine = found
        .verify(&WORLD.peers[0].public, &updates(), &Ed25519)
        .is_ok();
    Some(Taken {
        again: found.to_wire().encode_to_vec(),
        is_genuine: Some(is_genuine),
    })
}

fn receipts(bytes: Bytes) -> Option<Taken> {
    let found = Receipt::decode(bytes, overlay()).ok()?;
    let is_genuine = found.verify(&WORLD.root, &Ed25519).is_ok();
    Some(Taken {
        again: found.encode(),
        is_genuine: Some(is_genuine),
    })
}

fn message(bytes: Bytes) -> Option<Taken> {
    let found = Message::decode(bytes, overlay()).ok()?;
    Some(Taken {
        again: found.encode(overlay()),
        is_genuine: None,
    })
}

/// The message of a failed call; a reader of the detail does not keep it.
const WHY: &str = "why";

fn error_detail(bytes: Bytes) -> Option<Taken> {
    let found = ErrorDetail::decode(&bytes, overlay()).ok()?;
    Some(Taken {
        again: found.encode(WHY).to_vec(),
        is_genuine: None,
    })
}

fn cursor(bytes: Bytes) -> Option<Taken> {
    let found = Cursor::from_wire(wire::Cursor::decode(bytes).ok().as_ref()).ok()?;
    Some(Taken {
        again: found.to_wire().encode_to_vec(),
        is_genuine: None,
    })
}

const DECODERS: [Decoder; 13] = [
    transaction,
    header,
    identities,
    heartbeats,
    block,
    beat,
    position,
    item,
    item_proof,
    receipts,
    message,
    error_detail,
    cursor,
];

/// Every format with valid bytes of it.
static VALID: LazyLock<Vec<(Decoder, Vec<u8>)>> = LazyLock::new(valid);

fn valid() -> Vec<(Decoder, Vec<u8>)> {
    let as_block = |block: Block| wire::Block {
        header: Some(block.header.signed().to_wire()),
        items: block.items,
        through: block.through.to_wire(),
    };
    let as_beat = |beat: Beat| wire::FrameHeartbeat {
        heartbeat: Some(beat.heartbeat.signed().to_wire()),
        through: beat.through.to_wire(),
    };
    let peers = vec![identity(7, State::Active)];
    let responsible = vec![Responsible {
        canonical: record(0xc1),
        peers,
    }];
    let detail = ErrorDetail {
        responsible,
        ..ErrorDetail::new(ErrorCode::NotResponsible)
    };
    let journal = WORLD.peers[0].public;
    let at = Cursor {
        journal,
        incarnation: 7,
        height: Some(0),
    };
    let mut all: Vec<(Decoder, Vec<u8>)> = vec![
        (transaction, minimal().signed().encode()),
        (transaction, updates().signed().encode()),
        (header, genesis().header.signed().encode()),
        (identities, identity(7, State::Active).signed().encode()),
        (heartbeats, heartbeat().signed().encode()),
        (block, as_block(genesis()).encode_to_vec()),
        (block, as_block(ordinary()).encode_to_vec()),
        (header, checkpointed().header.signed().encode()),
        (block, as_block(checkpointed()).encode_to_vec()),
        (heartbeats, asked().signed().encode()),
        (beat, as_beat(heartbeat().into()).encode_to_vec()),
        (beat, as_beat(checkpointed_beat()).encode_to_vec()),
        (item_proof, prove(&ordinary(), 0).to_wire().encode_to_vec()),
        (receipts, receipt().encode()),
        (error_detail, detail.encode(WHY).to_vec()),
        (cursor, at.to_wire().encode_to_vec()),
    ];
    let items = [genesis().items, ordinary().items].concat();
    all.extend(
        items
            .into_iter()
            .map(|bytes| (item as Decoder, bytes.to_vec())),
    );
    let positions = through().to_wire().into_iter();
    all.extend(positions.map(|bytes| (position as Decoder, bytes.to_vec())));
    let frames = Message::Frames(Frames {
        blocks: vec![checkpointed()],
        head: None,
    });
    all.push((message, frames.encode(overlay())));
    let messages = messages().into_iter();
    all.extend(messages.map(|(_, sample)| (message as Decoder, sample.encode(overlay()))));
    all
}

#[test]
fn what_is_valid_is_taken_and_given_back_as_it_came() {
    for (decoder, bytes) in VALID.iter() {
        let taken = decoder(bytes.clone().into()).unwrap();
        assert_eq!(&taken.again, bytes);
        assert_ne!(taken.is_genuine, Some(false));
    }
}

/// Checks that the encoded form of a decoded value decodes to the same value.
fn is_stable(decoder: Decoder, bytes: &[u8]) -> Result<Option<Taken>, TestCaseError> {
    let taken = decoder(Bytes::copy_from_slice(bytes));
    if let Some(taken) = &taken {
        let again = decoder(taken.again.clone().into());
        prop_assert_eq!(again.as_ref(), Some(taken));
    }
    Ok(taken)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn decoders_are_total_on_arbitrary_bytes(bytes in messages_of_any_kind()) {
        for decoder in DECODERS {
            let taken = is_stable(decoder, &bytes)?;
            prop_assert_ne!(taken.and_then(|taken| taken.is_genuine), Some(true));
        }
    }

    #[test]
    fn decoders_are_total_on_damaged_bytes(which in any::<Index>(), changes in vec(changes(), 1..4)) {
        let (decoder, sample) = which.get(&VALID);
        let mut bytes = sample.clone();
        changes.iter().for_each(|change| change.apply(&mut bytes));
        is_stable(*decoder, &bytes)?;
        for decoder in DECODERS {
            let _ = decoder(bytes.clone().into());
        }
    }

    /// Proofs and receipts are not signed themselves; `receipts` tests damage to them.
    #[test]
    fn what_was_signed_verifies_only_as_it_was_signed(
        which in any::<Index>(),
        changes in vec(changes(), 1..4),
    ) {
        let signed: Vec<_> = VALID.iter().filter(|(decoder, _)| is_signed(*decoder)).collect();
        let (decoder, sample) = which.get(&signed);
        let mut bytes = sample.clone();
        changes.iter().for_each(|change| change.apply(&mut bytes));
        if let Some(taken) = decoder(bytes.into()) && taken.is_genuine == Some(true) {
            prop_assert_eq!(&taken.again, sample);
        }
    }

    #[test]
    fn a_damaged_receipt_never_proves_something_else(changes in vec(changes(), 1..4)) {
        let sample = receipt();
        let mut bytes = sample.encode();
        changes.iter().for_each(|change| change.apply(&mut bytes));
        let Ok(found) = Receipt::decode(bytes.into(), overlay()) else { return Ok(()) };
        if found.verify(&WORLD.root, &Ed25519).is_ok() {
            prop_assert_eq!(&found.transaction, &sample.transaction);
            prop_assert!((1..=sample.quorum).contains(&found.quorum));
            let known: Vec<_> = sample.confirmations.iter().map(|known| known.peer).collect();
            prop_assert!(found.confirmations.iter().all(|found| known.contains(&found.peer)));
            prop_assert!(found.cells.iter().flat_map(|(_, peers)| peers).all(|peer| known.contains(peer)));
        }
    }

    #[test]
    fn texts_are_read_in_their_one_form_or_not_at_all(text in texts()) {
        fn check<T: std::str::FromStr + ToString>(text: &str) -> Result<(), TestCaseError> {
            if let Ok(found) = text.parse::<T>() {
                prop_assert_eq!(found.to_string(), text);
            }
            Ok(())
        }
        check::<Cursor>(&text)?;
        check::<Position>(&text)?;
        check::<Id>(&text)?;
        check::<PublicKey>(&text)?;
        check::<Namespace>(&text)?;
        check::<ErrorCode>(&text)?;
        // A CID has several text forms; all of them name the same record.
        if let Ok(id) = text.parse::<RecordId>() {
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }
    }
}

fn is_signed(decoder: Decoder) -> bool {
    let signed: [Decoder; 6] = [transaction, header, identities, heartbeats, block, beat];
    signed
        .iter()
        .any(|other| std::ptr::fn_addr_eq(*other, decoder))
}
