//! Receipts prove what they claim: so many different peers of this network have each element on disk.

use kittengrad_proto::{
    block::{Block, Header, Item},
    certificate::{CertificateError, Root},
    id::Id,
    receipt::{ItemProof, Receipt, ReceiptError},
    signed::{Ed25519, Kind, Signed, SigningKey},
    transaction::{Element, Transaction, TransactionError},
};
use kittengrad_support::tower::{Made, Tower, level1_params, root_params};

use crate::samples::{
    Member, TIME_MS, WORLD, adds, block, bulk, confirmation, entry, fields, half, minimal, overlay,
    prove, receipt, transaction, updates, whole,
};

fn verify(receipt: &Receipt) -> Result<(), ReceiptError> {
    // As it travels: what cannot be read is refused as well.
    let found = Receipt::decode(receipt.encode().into(), overlay())?;
    found.verify(&WORLD.root, &Ed25519)
}

fn check(
    what: &str,
    change: impl FnOnce(&mut Receipt),
    is_expected: impl Fn(&ReceiptError) -> bool,
) {
    let mut receipt = receipt();
    change(&mut receipt);
    match verify(&receipt) {
        Err(error) => assert!(is_expected(&error), "{what}: {error}"),
        Ok(()) => panic!("{what} proves it"),
    }
}

fn is_short(element: usize, proved: usize) -> impl Fn(&ReceiptError) -> bool {
    move |error| matches!(error, ReceiptError::Short { element: e, proved: p, .. } if (*e, *p) == (element, proved))
}

const fn is_proof(error: &ReceiptError) -> bool {
    matches!(error, ReceiptError::Proof { .. })
}

const fn is_cell(error: &ReceiptError) -> bool {
    matches!(error, ReceiptError::Cell { .. })
}

const fn is_malformed(error: &ReceiptError) -> bool {
    matches!(error, ReceiptError::Malformed(_))
}

/// A proof that `peer` has these elements of [`updates`].
fn proof(peer: &Member, height: u64, bits: [bool; 3]) -> ItemProof {
    prove(
        &block(peer, height, Id::ZERO, &[adds(&updates(), &bits)]),
        0,
    )
}

#[test]
fn the_sample_proves_what_it_claims() {
    assert_eq!(verify(&receipt()), Ok(()));
    let mut modest = receipt();
    modest.quorum = 1;
    assert_eq!(verify(&modest), Ok(()));
}

#[test]
fn it_takes_as_many_different_peers_as_claimed() {
    let [first, second, third] = &WORLD.peers;
    check(
        "a quorum of three with two peers",
        |r| r.quorum = 3,
        is_short(0, 2),
    );
    check("one peer", |r| r.confirmations.truncate(1), is_short(0, 1));
    check("no peer", |r| r.confirmations.clear(), is_short(0, 0));
    check("a quorum of none", |r| r.quorum = 0, is_malformed);
    check(
        "a quorum without end",
        |r| r.quorum = u32::MAX,
        is_short(0, 2),
    );
    let repeat = |r: &mut Receipt| r.confirmations[1] = r.confirmations[0].clone();
    check("one peer twice", repeat, is_short(0, 1));
    let twice = vec![proof(first, 1, [true; 3]), proof(first, 2, [true; 3])];
    let one_peer = vec![confirmation(first, twice)];
    check(
        "one peer in two blocks",
        |r| r.confirmations = one_peer,
        is_short(0, 1),
    );
    let nothing = confirmation(third, Vec::new());
    check(
        "a third peer that proves nothing",
        |r| (r.confirmations.push(nothing), r.quorum = 3).1,
        is_short(0, 2),
    );
    let other = [first, second].map(|peer| {
        let block = block(peer, 1, Id::ZERO, &[adds(&bulk(), &[true; 1_000])]);
        confirmation(
            peer,
            vec![ItemProof {
                transaction: Some(bulk()),
                ..prove(&block, 0)
            }],
        )
    });
    check(
        "proofs of something else",
        |r| r.confirmations = other.into(),
        is_short(0, 0),
    );
}

#[test]
fn a_quorum_of_none_proves_nothing_even_if_it_was_never_read() {
    let mut receipt = receipt();
    receipt.quorum = 0;
    receipt.confirmations.clear();
    let refused = receipt.verify(&WORLD.root, &Ed25519).unwrap_err();
    assert!(is_short(0, 0)(&refused), "{refused}");
}

#[test]
fn every_element_needs_its_own_proof() {
    let [first, second, _] = &WORLD.peers;
    let both = |bits| {
        move |r: &mut Receipt| {
            let peers = [first, second];
            r.confirmations = peers
                .map(|peer| confirmation(peer, vec![proof(peer, 1, bits)]))
                .into();
        }
    };
    check(
        "the last is missing",
        both([true, true, false]),
        is_short(2, 0),
    );
    check(
        "the first is missing",
        both([false, true, true]),
        is_short(0, 0),
    );
    let parts = |r: &mut Receipt| {
        let parts = vec![
            proof(first, 1, [true, false, true]),
            proof(first, 2, [false, true, false]),
        ];
        r.confirmations[0] = confirmation(first, parts);
    };
    let mut in_parts = receipt();
    parts(&mut in_parts);
    assert_eq!(verify(&in_parts), Ok(()));
    let without_earlier = |r: &mut Receipt| drop(r.confirmations[1].proofs.remove(0));
    check(
        "without the earlier transaction",
        without_earlier,
        is_short(2, 1),
    );
}

#[test]
fn a_proof_leads_to_a_block_that_its_peer_signed() {
    let [first, second, _] = &WORLD.peers;
    let change = |change: fn(&mut ItemProof)| {
        move |r: &mut Receipt| change(&mut r.confirmations[0].proofs[0])
    };
    check("another index", change(|proof| proof.index = 1), is_proof);
    check(
        "an index beyond the block",
        change(|proof| proof.index = 3),
        is_proof,
    );
    check(
        "a shorter path",
        change(|proof| proof.path.truncate(1)),
        is_proof,
    );
    check(
        "a longer path",
        change(|proof| proof.path.push(Id::ZERO)),
        is_proof,
    );
    check(
        "a path without end",
        change(|proof| proof.path = vec![Id::ZERO; 15]),
        is_malformed,
    );
    let all = adds(&updates(), &[true; 3]).encode();
    check(
        "an item that is not in the block",
        |r| r.confirmations[1].proofs[1].item = all,
        is_proof,
    );
    let bare = prove(&block(first, 1, Id::ZERO, &[Item::Hold(whole().into())]), 0);
    check(
        "an item that adds nothing",
        |r| r.confirmations[0].proofs = vec![bare],
        is_proof,
    );
    let wide = prove(
        &block(first, 1, Id::ZERO, &[adds(&updates(), &[true; 9])]),
        0,
    );
    check(
        "a bitmap for more elements",
        |r| r.confirmations[0].proofs = vec![wide],
        is_proof,
    );
    let foreign = proof(second, 1, [true; 3]);
    check(
        "another peer's block",
        |r| r.confirmations[0].proofs = vec![foreign],
        is_proof,
    );

    let forged = |r: &mut Receipt| {
        let (fields, items) = fields(1, Id::ZERO, &[adds(&updates(), &[true; 3])]);
        // Signed by the second peer, with a body that names the first one.
        let header = signed_by(second, &Header::sign(overlay(), &fields, &first.key));
        let block = Block {
            header,
            items,
            through: kittengrad_proto::checkpoint::ThroughList::default(),
        };
        r.confirmations[0].proofs.push(prove(&block, 0));
    };
    check("a forged header", forged, |e| {
        matches!(e, ReceiptError::Header(_))
    });
}

#[test]
fn every_header_carries_its_own_right_signature() {
    let right = || receipt().confirmations[0].proofs[0].clone();
    // The same header, and so the same hash, with somebody else's signature.
    let forged = || {
        let header = signed_by(&WORLD.peers[1], &right().header);
        assert_eq!(header.hash(), right().header.hash());
        ItemProof { header, ..right() }
    };
    let is_header = |e: &ReceiptError| matches!(e, ReceiptError::Header(_));
    for (what, proofs) in [
        ("a forged one alone", vec![forged()]),
        ("a forged one after the right one", vec![right(), forged()]),
        ("a forged one before the right one", vec![forged(), right()]),
    ] {
        check(what, |r| r.confirmations[0].proofs = proofs, is_header);
    }
    let alone = |proof: ItemProof| proof.verify(&WORLD.peers[0].public, &updates(), &Ed25519);
    assert_eq!(alone(right()).map(|elements| elements.len()), Ok(3));
    assert!(is_header(&alone(forged()).unwrap_err()));
}

/// The same header with the signature of `member`, whoever it names.
fn signed_by(member: &Member, header: &Header) -> Header {
    let body = header.signed().body().clone();
    let signed = Signed::new(Kind::Block, body, &member.key);
    Header::from_wire(Some(signed.to_wire()), overlay()).unwrap()
}

#[test]
fn a_proof_names_the_transaction_that_it_is_about() {
    let change = |change: fn(&mut ItemProof)| {
        move |r: &mut Receipt| change(&mut r.confirmations[1].proofs[0])
    };
    check(
        "its transaction is missing",
        change(|proof| proof.transaction = None),
        is_proof,
    );
    check(
        "it brings another",
        change(|proof| proof.transaction = Some(minimal())),
        is_proof,
    );
    let is_transaction =
        |e: &ReceiptError| matches!(e, ReceiptError::Transaction(TransactionError::Signed(_)));
    let forged = |r: &mut Receipt| r.transaction = by_another(&r.transaction);
    check("the transaction is forged", forged, is_transaction);
    let forged = change(|proof| proof.transaction = proof.transaction.as_ref().map(by_another));
    check("the one that it brings is forged", forged, is_transaction);
    let another =
        |r: &mut Receipt| r.transaction = transaction(9, vec![entry(0xc1, true, &[0x11])]);
    check("another transaction", another, is_proof);
}

/// The same transaction with somebody else's signature.
fn by_another(transaction: &Transaction) -> Transaction {
    let body = transaction.signed().body().clone();
    let wire = Signed::new(Kind::Transaction, body, &WORLD.other.key).to_wire();
    Transaction::from_wire(Some(wire), overlay()).unwrap()
}

#[test]
fn a_peer_is_admitted_as_a_peer_of_this_network_when_it_signed() {
    let is_certificate = |e: &ReceiptError| matches!(e, ReceiptError::Certificate { .. });
    let by = |member: &'static Member| {
        let proofs = vec![proof(member, 1, [true; 3])];
        move |r: &mut Receipt| r.confirmations.push(confirmation(member, proofs))
    };
    check("an aggregator", by(&WORLD.aggregator), is_certificate);
    check("a client", by(&WORLD.publisher), is_certificate);
    let borrowed = |r: &mut Receipt| {
        r.confirmations[0].chain = WORLD.peers[1].chain.clone();
    };
    check("certificates of another peer", borrowed, is_malformed);
    let late = |r: &mut Receipt| {
        let first = &WORLD.peers[0];
        let (mut fields, items) = fields(1, Id::ZERO, &[adds(&updates(), &[true; 3])]);
        fields.time_ms = TIME_MS + 10 * 366 * 86_400_000;
        let header = Header::sign(overlay(), &fields, &first.key);
        let block = Block {
            header,
            items,
            through: kittengrad_proto::checkpoint::ThroughList::default(),
        };
        r.confirmations[0].proofs = vec![prove(&block, 0)];
    };
    let is_expired = |e: &ReceiptError| {
        matches!(
            e,
            ReceiptError::Certificate {
                error: CertificateError::Expired { .. },
                ..
            }
        )
    };
    check("a block after its certificates expired", late, is_expired);
}

#[test]
fn a_receipt_proves_nothing_under_another_root() {
    let root = Made::self_signed(root_params(), 77);
    let other = Root::from_der(root.der).unwrap();
    let refused = receipt().verify(&other, &Ed25519).unwrap_err();
    assert!(
        matches!(refused, ReceiptError::Certificate { .. }),
        "{refused}"
    );
    // A peer that another network's principal admitted, under a root with another key.
    let tower = Tower::new();
    let foreign = tower.aggregator.issue(
        level1_params("Stranger", kittengrad_proto::certificate::Role::Peer),
        78,
    );
    let chain = tower.chain(&[&foreign.der]);
    let key = SigningKey::from_seed(&[78; 32]);
    let member = Member {
        public: foreign.public(),
        key,
        chain,
    };
    let add = |r: &mut Receipt| {
        let proofs = vec![proof(&member, 1, [true; 3])];
        r.confirmations.push(confirmation(&member, proofs));
    };
    check("a peer that nobody admitted", add, |e| {
        matches!(e, ReceiptError::Certificate { .. })
    });
}

#[test]
fn cells_say_what_is_proved_and_nothing_else() {
    let [_, second, third] = &WORLD.peers;
    check("no cells", |r| r.cells.clear(), is_cell);
    check(
        "an element outside of all cells",
        |r| r.cells[0].0 = half(),
        is_cell,
    );
    check(
        "an element in two cells",
        |r| r.cells.push(r.cells[0].clone()),
        is_cell,
    );
    check(
        "a peer that proves nothing",
        |r| r.cells[0].1.push(third.public),
        is_cell,
    );
    let partly = |r: &mut Receipt| {
        r.confirmations[1].proofs.truncate(1);
        r.confirmations
            .push(confirmation(third, vec![proof(third, 1, [true; 3])]));
        r.cells[0].1.push(third.public);
    };
    check("a peer that proves a part", partly, is_cell);
    let mut fewer = receipt();
    fewer.cells[0].1 = vec![second.public];
    assert_eq!(verify(&fewer), Ok(()), "what is proved need not be named");
}

#[test]
fn a_proof_adds_the_elements_of_its_bitmap() {
    let [first, second, _] = &WORLD.peers;
    let elements = |peer: &Member, proof: &ItemProof| {
        proof.verify(&peer.public, &updates(), &Ed25519).unwrap()
    };
    let all: Vec<_> = updates().elements().collect();
    assert_eq!(elements(first, &receipt().confirmations[0].proofs[0]), all);
    let [earlier, later] = &receipt().confirmations[1].proofs[..] else {
        panic!()
    };
    let element = |canonical: u8, update: u8| Element {
        canonical: crate::samples::record(canonical),
        update: Some(crate::samples::record(update)),
    };
    assert_eq!(
        elements(second, earlier),
        [element(0xc2, 0x33), element(0xc2, 0x44)]
    );
    assert_eq!(
        elements(second, later),
        [element(0xc1, 0x11), element(0xc1, 0x22)]
    );
}
