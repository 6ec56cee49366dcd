//! Golden vectors of headers that refer to a hold, and of evidence.

use kittengrad_proto::{
    block::{Block, Header, HeaderFields, Item},
    checkpoint::ThroughList,
    evidence::{Evidence, RefutedCheckpoint, RefutedItem, Rule},
    receipt::ItemProof,
    signed::Ed25519,
    signed_head::SignedHead,
};

use crate::{
    checkpoint_samples::{checkpointed_beat, early},
    golden::{check, signed},
    samples::{WORLD, adds, block, fields, half, ordinary, overlay, updates},
};

const EVIDENCE: &str = include_str!("../../testdata/evidence.txt");

/// Block 2 of the sample journal: from here on its owner holds half of the circle.
fn moved() -> Block {
    let hold = [Item::Hold(half().into())];
    block(&WORLD.peers[0], 2, ordinary().header.hash(), &hold)
}

/// Block 3, which lists elements of the other half.
fn outside() -> Block {
    after(&[adds(&updates(), &[true; 3])], |_| {})
}

fn after(items: &[Item], change: impl FnOnce(&mut HeaderFields)) -> Block {
    let (mut fields, items) = fields(3, moved().header.hash(), items);
    fields.hold = 2;
    change(&mut fields);
    Block {
        header: Header::sign(overlay(), &fields, &WORLD.peers[0].key),
        items,
        through: ThroughList::default(),
    }
}

fn header(block: Block) -> SignedHead {
    SignedHead::Header(Box::new(block.header))
}

/// Another block 1.
fn second() -> Block {
    let items = [Item::Settled(half().into())];
    block(&WORLD.peers[0], 1, ordinary().header.previous, &items)
}

/// Block 3 with a checkpoint of height 0, after a heartbeat with one of height 1.
fn back() -> Evidence {
    let items = [Item::Settled(half().into())];
    let statement = after(&items, |fields| {
        fields.checkpoint = Some(early(&ThroughList::default()));
    });
    let mut refuted = RefutedCheckpoint::of(header(statement));
    let earlier = checkpointed_beat().heartbeat;
    refuted.earlier = Some(SignedHead::Heartbeat(Box::new(earlier)));
    Evidence::Checkpoint(Box::new(refuted))
}

fn evidence() -> [(&'static str, Evidence); 3] {
    let item = RefutedItem {
        item: ItemProof::of(&outside(), 0, Some(updates())).unwrap(),
        hold: ItemProof::of(&moved(), 0, None),
    };
    [
        (
            "evidence.heads",
            Evidence::Heads(header(ordinary()), header(second())),
        ),
        ("evidence.item", Evidence::Item(Box::new(item))),
        ("evidence.checkpoint", back()),
    ]
}

#[test]
fn evidence_has_the_bytes_that_it_always_had() {
    let mut made = Vec::new();
    for (names, block) in [
        (["header.hold", "header.hold.id"], moved()),
        (["header.after-hold", "header.after-hold.id"], outside()),
    ] {
        made.extend(signed(names, block.header.signed()));
    }
    let encoded = |(name, evidence): (_, Evidence)| (name, hex::encode(evidence.encode()));
    made.extend(evidence().map(encoded));
    check(EVIDENCE, &made);
}

#[test]
fn the_evidence_of_the_vectors_convicts() {
    for (name, evidence) in evidence() {
        let rule = evidence.check(&Ed25519);
        let is_expected = matches!(
            (name, &rule),
            ("evidence.heads", Ok(Rule::TwoHeads { height: 1, .. }))
                | ("evidence.item", Ok(Rule::Cells { height: 3, .. }))
                | ("evidence.checkpoint", Ok(Rule::Checkpoint(_)))
        );
        assert!(is_expected, "{name}: {rule:?}");
    }
}
