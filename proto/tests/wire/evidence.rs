//! Evidence convicts whoever signed a broken rule, and nobody else.

use bytes::Bytes;
use kittengrad_proto::{
    block::{Bitmap, Block, Cells, CellsError, Head, Header, HeaderFields, Holds, Item, ItemError},
    checkpoint::{Checkpoint, CheckpointError, Holdings, ThroughList},
    evidence::{Evidence, EvidenceError, RefutedCheckpoint, RefutedItem, Rule},
    id::Id,
    identity::{Heartbeat, HeartbeatFields},
    receipt::ItemProof,
    signed::{Ed25519, Kind, Signed},
    signed_head::SignedHead,
    transaction::Transaction,
    wire,
};
use kittengrad_ring::{KeyRange, KeyRanges, Point};
use prost::Message as _;

use crate::{
    checkpoint_samples::{arc, checkpoint, key, position, through},
    samples::{Member, TIME_MS, WORLD, block, entry, fields, half, overlay, transaction, updates},
};

/// The rule that evidence proves, as it travels.
fn check(evidence: &Evidence) -> Result<Rule, EvidenceError> {
    let found = Evidence::decode(evidence.encode().into(), overlay())?;
    assert_eq!(&found, evidence);
    found.check(&Ed25519)
}

fn is_innocent(evidence: &Evidence) -> bool {
    matches!(check(evidence), Err(EvidenceError::Innocent(_)))
}

fn header(block: &Block) -> SignedHead {
    SignedHead::Header(Box::new(block.header.clone()))
}

fn beat(peer: &Member, head: Head, checkpoint: Option<Checkpoint>) -> SignedHead {
    let fields = HeartbeatFields {
        head,
        time_ms: TIME_MS,
        nonce: None,
        checkpoint,
    };
    let beat = Heartbeat::sign_fields(overlay(), fields, &peer.key);
    SignedHead::Heartbeat(Box::new(beat))
}

/// The two halves of the circle.
fn halves() -> Holds {
    let upper = KeyRange::new(half().to, Point::ZERO);
    Holds::new(vec![half(), upper]).unwrap()
}

/// The first block of the journal of a peer that holds the two halves.
fn begun(peer: &Member) -> Block {
    block(peer, 0, Id::ZERO, &[Item::Hold(halves())])
}

/// An item of [`updates`], all of which lie in the upper half.
fn lists(cells: [bool; 2]) -> Item {
    Item::Transaction {
        id: updates().id(),
        bitmap: Bitmap::new([true; 3]),
        cells: Cells::new(cells),
    }
}

/// Proves the first item of a block, with its transaction.
fn prove(block: &Block, transaction: Option<Transaction>) -> ItemProof {
    ItemProof::of(block, 0, transaction).unwrap()
}

/// Accuses the signer of block 1 of a wrong item, by the `hold` of a genesis.
fn accuse(block: &Block, genesis: &Block) -> RefutedItem {
    RefutedItem {
        item: prove(block, Some(updates())),
        hold: Some(prove(genesis, None)),
    }
}

fn of_item(item: &RefutedItem) -> Evidence {
    Evidence::Item(Box::new(item.clone()))
}

/// Keeps S7.
#[test]
fn two_blocks_for_one_height_convict_their_signer() {
    let [peer, other, _] = &WORLD.peers;
    let one = begun(peer);
    let two = block(peer, 0, Id::ZERO, &[Item::Hold(half().into())]);
    let broken = Ok(Rule::TwoHeads {
        incarnation: TIME_MS,
        height: 0,
    });
    let evidence = Evidence::Heads(header(&one), header(&two));
    assert_eq!(
        (check(&evidence), evidence.accused()),
        (broken.clone(), peer.public)
    );
    let beats = Evidence::Heads(header(&one), beat(peer, two.head(), None));
    assert_eq!(check(&beats), broken);
    // The same block, a later one, and a block of another peer break no rule.
    let later = block(peer, 1, one.header.hash(), &[lists([false, true])]);
    let of_other = block(other, 0, Id::ZERO, &[Item::Hold(half().into())]);
    for second in [
        header(&one),
        beat(peer, one.head(), None),
        header(&later),
        header(&of_other),
    ] {
        assert!(is_innocent(&Evidence::Heads(header(&one), second)));
    }
}

#[test]
fn a_forged_head_convicts_nobody() {
    let [peer, other, _] = &WORLD.peers;
    let one = begun(peer);
    // Another peer signs a block in the name of the first one.
    let body = block(peer, 0, Id::ZERO, &[Item::Hold(half().into())]);
    let body = body.header.signed().body().clone();
    let forged = Signed::new(Kind::Block, body, &other.key).to_wire();
    let forged = Header::from_wire(Some(forged), overlay()).unwrap();
    let forged = SignedHead::Header(Box::new(forged));
    for heads in [(header(&one), forged.clone()), (forged, header(&one))] {
        let found = check(&Evidence::Heads(heads.0, heads.1));
        assert!(matches!(found, Err(EvidenceError::Signed(_))), "{found:?}");
    }
}

#[test]
fn a_wrong_cell_bit_convicts_by_hold_and_transaction() {
    let peer = &WORLD.peers[0];
    let genesis = begun(peer);
    for (cells, error) in [
        ([true, true], CellsError::Claimed(0)),
        ([true, false], CellsError::Claimed(0)),
    ] {
        let block = block(peer, 1, genesis.header.hash(), &[lists(cells)]);
        let evidence = of_item(&accuse(&block, &genesis));
        let (height, id) = (1, updates().id());
        let expected = Rule::Cells { height, id, error };
        assert_eq!(check(&evidence), Ok(expected));
        assert_eq!(evidence.accused(), peer.public);
    }
    let right = block(peer, 1, genesis.header.hash(), &[lists([false, true])]);
    assert!(is_innocent(&of_item(&accuse(&right, &genesis))));
}

#[test]
fn an_element_outside_the_hold_convicts() {
    let peer = &WORLD.peers[0];
    let genesis = block(peer, 0, Id::ZERO, &[Item::Hold(half().into())]);
    let item = Item::Transaction {
        id: updates().id(),
        bitmap: Bitmap::new([true; 3]),
        cells: Cells::new([true]),
    };
    let outside = block(peer, 1, genesis.header.hash(), &[item]);
    let found = check(&of_item(&accuse(&outside, &genesis)));
    let unheld = |rule: &Rule| {
        matches!(
            rule,
            Rule::Cells {
                error: CellsError::Unheld(_),
                ..
            }
        )
    };
    assert!(found.as_ref().is_ok_and(unheld), "{found:?}");
}

#[test]
fn an_item_is_judged_by_the_hold_that_its_header_names() {
    let [peer, other, _] = &WORLD.peers;
    let genesis = begun(peer);
    // Bits of the one arc that block 1 holds are wrong for the two arcs of the genesis.
    let moved = block(
        peer,
        1,
        genesis.header.hash(),
        &[Item::Hold(KeyRange::WHOLE.into())],
    );
    let item = Item::Transaction {
        id: updates().id(),
        bitmap: Bitmap::new([true; 3]),
        cells: Cells::new([true]),
    };
    let (mut named, items) = fields(2, moved.header.hash(), &[item]);
    named.hold = 1;
    let listed = Block {
        header: Header::sign(overlay(), &named, &peer.key),
        items,
        through: ThroughList::default(),
    };
    assert!(
        is_innocent(&of_item(&accuse(&listed, &genesis))),
        "an old hold"
    );
    assert!(
        is_innocent(&of_item(&accuse(&listed, &moved))),
        "the hold in force"
    );
    let wrong = block(peer, 1, genesis.header.hash(), &[lists([true, true])]);
    assert!(
        is_innocent(&of_item(&accuse(&wrong, &begun(other)))),
        "of another"
    );
    let mut later = accuse(&wrong, &genesis);
    let two = [Item::Settled(half().into()), Item::Hold(halves())];
    let unusual = block(peer, 0, Id::ZERO, &two);
    later.hold = ItemProof::of(&unusual, 1, None);
    assert!(is_innocent(&of_item(&later)), "not the first item");
    later.hold = None;
    assert!(is_innocent(&of_item(&later)), "no hold");
}

#[test]
fn an_item_is_judged_by_its_own_transaction_in_its_own_block() {
    let peer = &WORLD.peers[0];
    let genesis = begun(peer);
    let wrong = block(peer, 1, genesis.header.hash(), &[lists([true, true])]);
    let right = accuse(&wrong, &genesis);
    let mut other = right.clone();
    other.item.transaction = Some(transaction(9, vec![entry(0x11, true, &[])]));
    assert!(is_innocent(&of_item(&other)), "another transaction");
    other.item.transaction = None;
    assert!(is_innocent(&of_item(&other)), "no transaction");
    let mut outside = right.clone();
    outside.item.item = lists([true, false]).encode();
    assert!(is_innocent(&of_item(&outside)), "not in the block");
    let mut moved = right;
    moved.hold.as_mut().unwrap().item = Item::Hold(half().into()).encode();
    assert!(is_innocent(&of_item(&moved)), "a hold of another block");
}

#[test]
fn an_item_out_of_place_convicts_without_a_transaction() {
    let peer = &WORLD.peers[0];
    let late = block(
        peer,
        0,
        Id::ZERO,
        &[Item::Hold(half().into()), Item::Hold(halves())],
    );
    let evidence = |block: &Block, index, hold: Option<&Block>| {
        of_item(&RefutedItem {
            item: ItemProof::of(block, index, None).unwrap(),
            hold: hold.map(|hold| prove(hold, None)),
        })
    };
    let rule = |error| {
        let (height, item) = (0, 1);
        Ok(Rule::Item {
            height,
            item,
            error,
        })
    };
    assert_eq!(check(&evidence(&late, 1, None)), rule(ItemError::LateHold));
    let none = block(peer, 0, Id::ZERO, &[Item::Settled(half().into())]);
    assert_eq!(check(&evidence(&none, 0, None)), Ok(Rule::NoHold(TIME_MS)));
    let settles = Item::Settled(arc(0x90, 0xa0).into());
    let unheld = block(peer, 0, Id::ZERO, &[Item::Hold(half().into()), settles]);
    let error = ItemError::SettlesUnheld(arc(0x90, 0xa0));
    assert_eq!(check(&evidence(&unheld, 1, Some(&unheld))), rule(error));
    assert!(is_innocent(&evidence(&unheld, 0, Some(&unheld))));
}

/// A block of a peer that holds the two halves, with a checkpoint.
fn attests(height: u64, change: impl FnOnce(&mut HeaderFields)) -> Block {
    let (mut fields, items) = fields(height, Id::new([7; 32]), &[lists([false, true])]);
    let holds = Holdings::new(&KeyRanges::whole(), &KeyRanges::EMPTY);
    let statement = checkpoint(0, holds, &through());
    let height = height - 1;
    fields.checkpoint = Some(Checkpoint {
        height,
        blocks: 100,
        ..statement
    });
    change(&mut fields);
    Block {
        header: Header::sign(overlay(), &fields, &WORLD.peers[0].key),
        items,
        through: through(),
    }
}

fn of_checkpoint(statement: SignedHead, change: impl FnOnce(&mut RefutedCheckpoint)) -> Evidence {
    let mut refuted = RefutedCheckpoint::of(statement);
    change(&mut refuted);
    Evidence::Checkpoint(Box::new(refuted))
}

#[test]
fn a_checkpoint_that_breaks_a_rule_by_itself_convicts() {
    let peer = &WORLD.peers[0];
    let above = attests(5, |fields| fields.checkpoint.as_mut().unwrap().height = 5);
    let statement = header(&above).to_wire();
    let refuted = RefutedCheckpoint::of_wire(statement, Vec::new(), overlay()).unwrap();
    let evidence = Evidence::Checkpoint(Box::new(refuted));
    let last = Some(4);
    let error = CheckpointError::Above { height: 5, last };
    assert_eq!(check(&evidence), Ok(Rule::Checkpoint(error)));
    assert_eq!(evidence.accused(), peer.public);

    let head = above.head();
    let statement = above
        .header
        .checkpoint
        .as_deref()
        .cloned()
        .map(|it| Checkpoint { height: 6, ..it });
    let refuted =
        RefutedCheckpoint::of_wire(beat(peer, head, statement).to_wire(), Vec::new(), overlay());
    let evidence = Evidence::Checkpoint(Box::new(refuted.unwrap()));
    let error = CheckpointError::Above {
        height: 6,
        last: Some(5),
    };
    assert_eq!(check(&evidence), Ok(Rule::Checkpoint(error)));

    let sound = header(&attests(5, |_| {}));
    let of_sound = RefutedCheckpoint::of_wire(sound.to_wire(), through().to_wire(), overlay());
    assert!(is_innocent(&Evidence::Checkpoint(Box::new(
        of_sound.unwrap()
    ))));
    assert!(is_innocent(
        &of_checkpoint(sound, |it| it.through = through().to_wire())
    ));
}

#[test]
fn a_broken_checkpoint_of_a_forger_convicts_nobody() {
    let above = attests(5, |fields| fields.checkpoint.as_mut().unwrap().height = 5);
    let body = above.header.signed().body().clone();
    let forged = Signed::new(Kind::Block, body, &WORLD.peers[1].key).to_wire();
    let kind = Some(wire::signed_head::Kind::Header(forged));
    let refuted =
        RefutedCheckpoint::of_wire(wire::SignedHead { kind }, Vec::new(), overlay()).unwrap();
    let found = check(&Evidence::Checkpoint(Box::new(refuted)));
    assert!(matches!(found, Err(EvidenceError::Signed(_))), "{found:?}");
}

#[test]
fn a_checkpoint_that_goes_back_convicts() {
    let peer = &WORLD.peers[0];
    let back = |to| attests(9, |fields| fields.checkpoint.as_mut().unwrap().height = to);
    let before = attests(5, |_| {});
    let evidence = |earlier: SignedHead, later: &Block| {
        of_checkpoint(header(later), |it| it.earlier = Some(earlier))
    };
    let error = CheckpointError::WentBack {
        height: 3,
        before: 4,
    };
    assert_eq!(
        check(&evidence(header(&before), &back(3))),
        Ok(Rule::Checkpoint(error.clone()))
    );
    let statement = before.header.checkpoint.as_deref().cloned();
    let heard = beat(peer, before.head(), statement);
    assert_eq!(
        check(&evidence(heard, &back(3))),
        Ok(Rule::Checkpoint(error))
    );
    assert!(
        is_innocent(&evidence(header(&before), &back(4))),
        "the same height"
    );
    assert!(
        is_innocent(&evidence(header(&back(8)), &before)),
        "the later one first"
    );
    let elsewhere = attests(5, |fields| fields.incarnation += 1);
    assert!(
        is_innocent(&evidence(header(&elsewhere), &back(3))),
        "another incarnation"
    );
    let (mut fields, _) = fields(5, Id::ZERO, &[]);
    fields.checkpoint = before.header.checkpoint.as_deref().cloned();
    let foreign = Header::sign(overlay(), &fields, &WORLD.peers[1].key);
    let foreign = SignedHead::Header(Box::new(foreign));
    let found = check(&evidence(foreign, &back(3)));
    assert!(matches!(found, Err(EvidenceError::Signed(_))), "{found:?}");
}

#[test]
fn a_checkpoint_with_other_arcs_than_the_hold_convicts() {
    let genesis = begun(&WORLD.peers[0]);
    let hold = Some(prove(&genesis, None));
    let holding = |held: KeyRanges| {
        attests(5, |fields| {
            let checkpoint = fields.checkpoint.as_mut().unwrap();
            checkpoint.holds = Holdings::new(&held, &KeyRanges::EMPTY);
        })
    };
    let evidence = |block: &Block| of_checkpoint(header(block), |it| it.hold.clone_from(&hold));
    let error = CheckpointError::OtherArcs(4);
    assert_eq!(
        check(&evidence(&holding(half().into()))),
        Ok(Rule::Checkpoint(error))
    );
    assert!(is_innocent(&evidence(&holding(KeyRanges::whole()))));
    // Between an older height and the block, another hold could have been in force.
    let older = attests(5, |fields| {
        let checkpoint = fields.checkpoint.as_mut().unwrap();
        checkpoint.height = 3;
        checkpoint.holds = Holdings::new(&half().into(), &KeyRanges::EMPTY);
    });
    assert!(is_innocent(&evidence(&older)));
}

#[test]
fn a_wrong_list_convicts_only_under_the_signed_root() {
    let own: ThroughList = [(key(0), position(3, 3, None))].into_iter().collect();
    let names_itself = attests(5, |fields| {
        fields.checkpoint.as_mut().unwrap().through_root = own.root();
    });
    let evidence =
        |entries: Vec<Bytes>| of_checkpoint(header(&names_itself), |it| it.through = entries);
    let error = CheckpointError::EntryOrder {
        entry: 0,
        peer: key(0),
    };
    assert_eq!(check(&evidence(own.to_wire())), Ok(Rule::Checkpoint(error)));
    assert!(is_innocent(&evidence(through().to_wire())), "another list");
    assert!(is_innocent(&evidence(Vec::new())), "no list");
}

#[test]
fn a_changed_byte_of_evidence_convicts_nobody_else() {
    let peer = &WORLD.peers[0];
    let genesis = begun(peer);
    let wrong = block(peer, 1, genesis.header.hash(), &[lists([true, true])]);
    let two = block(peer, 0, Id::ZERO, &[Item::Hold(half().into())]);
    for evidence in [
        Evidence::Heads(header(&genesis), header(&two)),
        of_item(&accuse(&wrong, &genesis)),
    ] {
        let rule = check(&evidence).unwrap();
        let bytes = evidence.encode();
        for (at, bit) in (0..bytes.len()).flat_map(|at| [(at, 1), (at, 0x80)]) {
            let mut changed = bytes.clone();
            changed[at] ^= bit;
            let Ok(read) = Evidence::decode(changed.into(), overlay()) else {
                continue;
            };
            // Bytes that nothing signs may change, such as the signature of the transaction.
            if let Ok(found) = read.check(&Ed25519) {
                assert_eq!(
                    (found, read.accused()),
                    (rule.clone(), peer.public),
                    "byte {at}"
                );
            }
        }
    }
}

#[test]
fn evidence_of_an_unknown_kind_or_version_is_refused() {
    let malformed = |wire: &wire::Evidence| {
        let found = Evidence::decode(wire.encode_to_vec().into(), overlay());
        assert!(
            matches!(found, Err(EvidenceError::Malformed(_))),
            "{found:?}"
        );
    };
    let peer = &WORLD.peers[0];
    let evidence = Evidence::Heads(header(&begun(peer)), header(&begun(peer)));
    let wire = wire::Evidence::decode(&evidence.encode()[..]).unwrap();
    malformed(&wire::Evidence {
        version: 2,
        ..wire.clone()
    });
    malformed(&wire::Evidence { version: 0, ..wire });
    let (version, kind) = (1, None);
    malformed(&wire::Evidence { version, kind });
    let empty = wire::evidence::Kind::Heads(wire::TwoHeads::default());
    let kind = Some(empty);
    malformed(&wire::Evidence { version, kind });
}
