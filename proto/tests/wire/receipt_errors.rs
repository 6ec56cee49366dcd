//! A refused receipt names the peer, the block and the element that prove less than they claim.

use bytes::Bytes;
use kittengrad_proto::{
    block::{Block, Header, HeaderError, Item, ItemError},
    certificate::CertificateError,
    id::{Id, IdError},
    receipt::{ItemProof, Receipt, ReceiptError},
    signed::{Ed25519, SignedError},
    transaction::TransactionError,
    wire,
};
use kittengrad_ring::{KeyRange, Point};

use crate::samples::{
    TIME_MS, WORLD, adds, block, bulk, confirmation, fields, overlay, prove, receipt, record,
    updates, whole,
};

fn verdict(change: impl FnOnce(&mut Receipt)) -> Result<(), ReceiptError> {
    let mut receipt = receipt();
    change(&mut receipt);
    receipt.verify(&WORLD.root, &Ed25519)
}

#[test]
fn a_proof_that_does_not_hold_names_its_block_and_its_peer() {
    let [first, second, _] = &WORLD.peers;
    let proof = |peer, item| prove(&block(peer, 5, Id::ZERO, &[item]), 0);
    let all = || adds(&updates(), &[true; 3]);
    let elsewhere = ItemProof {
        index: 1,
        ..proof(second, all())
    };
    for (proof, why) in [
        (proof(first, all()), "the block is another peer's"),
        (elsewhere, "the item is not proved to be in it"),
        (
            proof(second, Item::Hold(whole().into())),
            "the item is not a transaction",
        ),
        (
            proof(second, adds(&bulk(), &[true; 1_000])),
            "the item names another transaction",
        ),
        (
            proof(second, adds(&updates(), &[true; 9])),
            "the item's bitmap does not fit its transaction",
        ),
    ] {
        let refused = ReceiptError::Proof {
            peer: second.public,
            height: 5,
            why,
        };
        let alone = proof.verify(&second.public, &updates(), &Ed25519);
        assert_eq!(alone, Err(refused.clone()));
        let found = verdict(|receipt| receipt.confirmations[1].proofs.push(proof));
        assert_eq!(found, Err(refused));
    }
    let of_nothing = proof(second, adds(&updates(), &[false; 3]));
    let found = verdict(|receipt| receipt.confirmations[1].proofs.push(of_nothing));
    assert_eq!(found, Err(ReceiptError::Item(ItemError::Empty)));
}

#[test]
fn an_element_without_a_quorum_is_named_and_counted() {
    let short = |element, proved, claimed| {
        Err(ReceiptError::Short {
            element,
            proved,
            claimed,
        })
    };
    assert_eq!(verdict(|receipt| receipt.quorum = 3), short(0, 2, 3));
    let without_last = verdict(|receipt| drop(receipt.confirmations[1].proofs.remove(0)));
    assert_eq!(without_last, short(2, 1, 2));
    let of_nobody = verdict(|receipt| {
        receipt.quorum = 0;
        receipt.confirmations.clear();
    });
    assert_eq!(of_nobody, short(0, 0, 1));
}

#[test]
fn an_element_that_does_not_match_its_cell_is_named() {
    let [first, _, third] = &WORLD.peers;
    // The last element is of the canonical c2, the others are of c1.
    let c1 = Point::new([0xc1; 32]);
    let up_to_c1 = KeyRange {
        from: Point::ZERO,
        to: c1,
    };
    let rest = KeyRange {
        from: c1,
        to: Point::ZERO,
    };
    assert_eq!(record(0xc1).point(), c1);
    let peers = || vec![first.public];
    let in_cells = |cells| verdict(|receipt| receipt.cells = cells);
    let refused = |element, why| Err(ReceiptError::Cell { element, why });
    let apart = vec![(up_to_c1, peers()), (rest, peers())];
    assert_eq!(in_cells(apart.clone()), Ok(()));
    assert_eq!(
        in_cells(vec![(up_to_c1, peers())]),
        refused(2, "lies in no cell of the receipt")
    );
    let twice = [apart, vec![(rest, peers())]].concat();
    assert_eq!(
        in_cells(twice),
        refused(2, "lies in two cells of the receipt")
    );
    let named = vec![
        (up_to_c1, peers()),
        (rest, vec![first.public, third.public]),
    ];
    assert_eq!(
        in_cells(named),
        refused(2, "is not proved by all peers named for its cell")
    );
}

#[test]
fn each_block_of_a_peer_is_within_its_certificates() {
    let [first, ..] = &WORLD.peers;
    let at = |time_ms| {
        let (mut fields, items) = fields(1, Id::ZERO, &[adds(&updates(), &[true; 3])]);
        fields.time_ms = time_ms;
        let header = Header::sign(overlay(), &fields, &first.key);
        prove(
            &Block {
                header,
                items,
                through: kittengrad_proto::checkpoint::ThroughList::default(),
            },
            0,
        )
    };
    let holder = first.chain.verify(&WORLD.root, &Ed25519).unwrap();
    for (time_ms, is_within) in [
        (holder.not_before_ms - 1, false),
        (holder.not_before_ms, true),
        (TIME_MS, true),
        (holder.not_after_ms, true),
        (holder.not_after_ms + 1, false),
    ] {
        // Also behind a block that is within them.
        let found = verdict(|receipt| receipt.confirmations[0].proofs.push(at(time_ms)));
        let expected = holder.check_at(time_ms);
        assert_eq!(expected.is_ok(), is_within, "{time_ms}");
        let peer = first.public;
        let expected = expected.map_err(|error| ReceiptError::Certificate { peer, error });
        assert_eq!(found, expected, "{time_ms}");
    }
}

#[test]
fn a_member_that_is_not_the_peer_is_named() {
    let member = &WORLD.aggregator;
    let proofs = vec![prove(
        &block(member, 1, Id::ZERO, &[adds(&updates(), &[true; 3])]),
        0,
    )];
    let peer = member.public;
    match verdict(|receipt| receipt.confirmations.push(confirmation(member, proofs))) {
        Err(ReceiptError::Certificate { peer: found, error }) => {
            assert_eq!(found, peer);
            assert!(
                matches!(error, CertificateError::WrongRole { .. }),
                "{error}"
            );
        }
        other => panic!("{other:?}"),
    }
}

type Change = fn(&mut wire::Receipt);

#[test]
fn a_receipt_that_lacks_a_part_is_refused() {
    let changed = |change: Change| {
        let mut wire = receipt().to_wire();
        change(&mut wire);
        Receipt::from_wire(wire, overlay())
    };
    assert_eq!(changed(|_| {}), Ok(receipt()));
    let cases: [(&str, Change); 4] = [
        ("no version", |receipt| receipt.version = 0),
        ("another version", |receipt| receipt.version = 2),
        ("no quorum", |receipt| receipt.quorum = 0),
        ("no certificates", |receipt| {
            receipt.confirmations[1].chain = None
        }),
    ];
    for (what, change) in cases {
        let refused = changed(change);
        assert!(
            matches!(refused, Err(ReceiptError::Malformed(_))),
            "{what}: {refused:?}"
        );
    }
    let refused = changed(|receipt| receipt.cells[0].cell = None);
    assert!(
        matches!(refused, Err(ReceiptError::Item(ItemError::Malformed(_)))),
        "{refused:?}"
    );
    let missing = SignedError::Missing;
    let refused = changed(|receipt| receipt.transaction = None);
    let expected = TransactionError::Signed(missing.clone());
    assert_eq!(refused, Err(expected.into()));
    let refused = changed(|receipt| receipt.confirmations[1].proofs[1].header = None);
    assert_eq!(refused, Err(HeaderError::Signed(missing).into()));
    let refused = changed(|receipt| {
        let chain = receipt.confirmations[1].chain.as_mut();
        chain.unwrap().certificates.truncate(1);
    });
    let peer = WORLD.peers[1].public;
    let error = CertificateError::Count(1);
    assert_eq!(refused, Err(ReceiptError::Certificate { peer, error }));

    let half = |what| Err(ReceiptError::Id(IdError::Length { what, bytes: 16 }));
    let cases: [Change; 2] = [
        |receipt| receipt.cells[0].peers[1].truncate(16),
        |receipt| receipt.confirmations[1].peer.truncate(16),
    ];
    for cut in cases {
        assert_eq!(changed(cut), half("a public key"));
    }
    let refused = changed(|receipt| {
        receipt.confirmations[0].proofs[0].path = Bytes::from_static(&[7; 16]);
    });
    assert_eq!(refused, half("an id"));
}
