//! Certificates of publishers: written with the first element of theirs, once.

use std::sync::Arc;

use bytes::Bytes;
use kittengrad_aggregator_core::{Input, SourceBlock};
use kittengrad_journal::{ChainStore, Write, publisher_chain};
use kittengrad_proto::{certificate::Chain, id::PublicKey, signed::Signer as _};

use crate::{
    peers::{Peers, bodies, chain, publisher, transact},
    process::{Process, scene},
};

/// The source signs a block of a new transaction, which arrives after `change`. Returns the number of chains written.
fn write_next(
    (peers, process, source): (&mut Peers, &mut Process, PublicKey),
    nonce: u8,
    change: impl Fn(&mut SourceBlock),
) -> usize {
    let number = peers.number(source);
    peers.apply(number, &transact(nonce, &[(nonce, &[1])]));
    peers.peers[number].cut();
    let peer = &peers.peers[number];
    let mut frame = peer.frame(peer.block(peer.head().height));
    change(&mut frame);
    process.handle(Input::Block(source, Box::new(frame)));
    let writes = process.flushed();
    let is_chain = |write: &&Write| matches!(write, Write::Chain(..));
    writes.iter().filter(is_chain).count()
}

#[test]
fn certificates_are_written_with_the_first_transaction() {
    let (mut peers, mut process, source, _) = scene();
    let written = [1, 2].map(|nonce| {
        let at = (&mut peers, &mut process, source);
        write_next(at, nonce, |_| {})
    });
    assert_eq!(written, [1, 0]);
    let kept = publisher_chain(&process.store, publisher().public());
    assert_eq!(kept, Ok(Some(chain())));
    process.crash();
    let at = (&mut peers, &mut process, source);
    assert_eq!(write_next(at, 3, |_| {}), 0, "they are on disk");
}

#[test]
fn certificates_are_written_although_records_are_absent() {
    let (mut peers, mut process, source, _) = scene();
    let at = (&mut peers, &mut process, source);
    let written = write_next(at, 1, |frame| bodies(frame)[0].records.clear());
    assert_eq!((written, process.emitted().len()), (1, 1));
}

#[test]
fn nothing_new_writes_no_certificates() {
    let (mut peers, mut process, source, number) = scene();
    let at = (&mut peers, &mut process, source);
    assert_eq!(write_next(at, 1, |_| {}), 1);
    // The source starts again with an empty disk, and lists the same elements, by other certificates.
    peers.wipe(number, 11);
    process.deliver(source, &peers);
    let der = [&b"another leaf"[..], b"level 0"].map(Bytes::from_static);
    let other = Arc::new(Chain::from_der(der.into()).unwrap());
    let at = (&mut peers, &mut process, source);
    let written = write_next(at, 1, |frame| bodies(frame)[0].chain = Arc::clone(&other));
    assert_eq!((written, process.emitted().len()), (0, 1));
    assert_eq!(process.store.chain(&other.id()), Ok(None));
}
