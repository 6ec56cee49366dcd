//! Partners that sign what they must not: the peer keeps evidence, which convicts them without its word.

use kittengrad_journal::{Shown, evidence};
use kittengrad_node_core::{Delivery, Event, Input};
use kittengrad_proto::{
    block::{Bitmap, Block, Cells, Holds, Item},
    evidence::{Evidence, Rule},
    identity::Heartbeat,
    link::Message,
    signed_head::SignedHead,
};
use kittengrad_sim::{
    Scheme, Shape, World,
    story::solo::{Partner, Solo, frames},
};

fn gap(height: u64) -> Item {
    Item::Gap {
        incarnation: 0,
        from_height: height,
    }
}

/// A peer that read two blocks of its first partner.
fn read() -> (Solo, Vec<Partner>) {
    let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
    partners[0].write(&[gap(0)]);
    partners[0].write(&[gap(1)]);
    solo.hear(&partners[0], partners[0].frames(0));
    (solo, partners)
}

/// Another block at the height of the last one.
fn second(partner: &mut Partner, number: u64) -> Block {
    let last = partner.blocks.pop().unwrap();
    let other = partner.next(&[gap(number)], last.header.time_ms);
    partner.blocks.push(last);
    other
}

fn header(block: &Block) -> SignedHead {
    SignedHead::Header(Box::new(block.header.clone()))
}

/// The rules that the peer saw broken, by evidence.
fn rules(solo: &Solo) -> Vec<Rule> {
    let told = solo.told.iter().filter_map(|told| match told {
        Event::Convicted { rule, .. } => Some(rule.clone()),
        _ => None,
    });
    told.collect()
}

/// The evidence on disk, which convicts by itself.
fn kept(solo: &Solo, partners: &[Partner]) -> Vec<Shown> {
    let kept = evidence(solo.disk(), partners[0].overlay()).unwrap();
    for shown in &kept {
        let found = shown.evidence.check(&*Scheme::Fast.verifier());
        assert!(found.is_ok(), "{found:?}");
    }
    kept
}

/// Keeps S7.
#[test]
fn two_blocks_of_a_partner_are_kept_as_evidence() {
    let (mut solo, mut partners) = read();
    let other = second(&mut partners[0], 7);
    solo.hear(
        &partners[0],
        frames(std::slice::from_ref(&other), Some(&other)),
    );
    let (incarnation, height) = other.head().place();
    let rule = Rule::TwoHeads {
        incarnation,
        height,
    };
    assert_eq!(rules(&solo), [rule]);
    let heads = Evidence::Heads(header(&partners[0].blocks[1]), header(&other));
    let shown = kept(&solo, &partners);
    assert_eq!(shown.len(), 1);
    assert_eq!(
        (&shown[0].evidence, shown[0].by),
        (&heads, partners[0].key())
    );
    solo.restart();
    assert_eq!(kept(&solo, &partners), shown, "after a start");
}

#[test]
fn a_heartbeat_with_another_block_is_kept_as_evidence() {
    let (mut solo, mut partners) = read();
    let other = second(&mut partners[0], 7).head();
    let beat = Heartbeat::sign(partners[0].overlay(), other, 9, &partners[0].signer());
    solo.hear(&partners[0], Message::Alive(beat));
    assert!(matches!(rules(&solo)[..], [Rule::TwoHeads { .. }]));
    assert_eq!(kept(&solo, &partners).len(), 1);
}

#[test]
fn an_item_that_its_transaction_refutes_is_kept_as_evidence() {
    let publication = World::new(0, Shape::new(3, 3)).say(&["a work"]);
    let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
    solo.deliver(&partners[1], Delivery::Push, &publication);
    let bits = publication.elements().into_iter().map(|_| true);
    let item = Item::Transaction {
        id: publication.id(),
        bitmap: Bitmap::new(bits),
        cells: Cells::new([true, true]),
    };
    let point = publication.elements()[0].canonical.point();
    let inside = kittengrad_ring::KeyRange::new(kittengrad_ring::Point::ZERO, point);
    let rest = kittengrad_ring::KeyRange::new(point, kittengrad_ring::Point::ZERO);
    let halves = Holds::new(vec![inside, rest]).unwrap();
    partners[0].write(&[Item::Hold(halves)]);
    partners[0].write(&[item]);
    solo.hear(&partners[0], partners[0].frames(0));
    assert!(matches!(rules(&solo)[..], [Rule::Cells { height: 1, .. }]));
    assert_eq!(kept(&solo, &partners).len(), 1);
}

#[test]
fn two_pieces_of_evidence_are_kept_against_a_key() {
    let (mut solo, mut partners) = read();
    for number in [7, 7, 8, 9, 7] {
        let other = second(&mut partners[0], number);
        let heads = Evidence::Heads(header(&partners[0].blocks[1]), header(&other));
        let (by, evidence) = (partners[1].key(), Box::new(heads));
        solo.round(vec![Input::Evidence { by, evidence }]);
    }
    let shown = kept(&solo, &partners);
    assert_eq!((rules(&solo).len(), shown.len()), (2, 2));
    assert_eq!(shown[0].by, partners[1].key());
    // After a start it still knows that two are there.
    solo.restart();
    let other = second(&mut partners[0], 10);
    let heads = Evidence::Heads(header(&partners[0].blocks[1]), header(&other));
    let (by, evidence) = (partners[1].key(), Box::new(heads));
    solo.round(vec![Input::Evidence { by, evidence }]);
    assert_eq!(kept(&solo, &partners).len(), 2);
}

#[test]
fn evidence_that_convicts_nobody_is_not_kept() {
    let (mut solo, partners) = read();
    let [first, last] = [0, 1].map(|number| header(&partners[0].blocks[number]));
    let own = header(&partners[1].next(&[gap(0)], 1));
    for heads in [
        (first.clone(), last.clone()),
        (last.clone(), last),
        (first, own),
    ] {
        let evidence = Box::new(Evidence::Heads(heads.0, heads.1));
        let by = partners[1].key();
        solo.round(vec![Input::Evidence { by, evidence }]);
    }
    assert!(rules(&solo).is_empty() && kept(&solo, &partners).is_empty());
}
