//! The size of the aggregator's own blocks.

use kittengrad_aggregator_core::Input;
use kittengrad_journal::{BlockStore, RecordStore, entries};
use kittengrad_proto::limits::BLOCK_BYTES_MAX;

use crate::{
    peers::{bodies, overlay, transact_much},
    process::{Process, scene},
};

/// The bytes of transactions and records that each own block adds.
fn sizes(process: &Process) -> Vec<usize> {
    let head = process.store.head().unwrap().unwrap();
    let size = |height| {
        let stored = process.store.block(head.incarnation, height).unwrap();
        let listed = entries(&process.store, &overlay(), &stored.unwrap().block).unwrap();
        let of_entry = |entry: &kittengrad_journal::Entry| {
            let ids: Vec<_> = entry.added.iter().map(|e| e.canonical).collect();
            let records = process.store.records(&ids).unwrap();
            let records = records.into_iter().flatten().map(|bytes| bytes.len());
            entry.transaction.signed().size_bytes() + records.sum::<usize>()
        };
        listed.iter().map(of_entry).sum()
    };
    (1..=head.height).map(size).collect()
}

/// Eight transactions of 1.26 MB arrive in one block, with their records or without.
fn emit_much(is_bare: bool) -> Vec<usize> {
    let (mut peers, mut process, source, number) = scene();
    (0..8).for_each(|nonce| peers.apply(number, &transact_much(nonce)));
    peers.peers[number].cut();
    let peer = &peers.peers[number];
    let mut frame = peer.frame(peer.block(1));
    if is_bare {
        bodies(&mut frame)
            .iter_mut()
            .for_each(|e| e.records.clear());
    }
    process.handle(Input::Block(source, Box::new(frame)));
    process.pass(1);
    process.answer(&peers);
    process.flush();
    assert_eq!(process.emitted().len(), 8 * 21);
    sizes(&process)
}

#[test]
fn a_block_has_room_for_all_that_is_sent_with_it() {
    for is_bare in [false, true] {
        let sizes = emit_much(is_bare);
        assert_eq!(sizes.len(), 2, "records were fetched: {is_bare}");
        let fits = |bytes: &usize| *bytes < BLOCK_BYTES_MAX;
        assert!(sizes.iter().all(fits), "{sizes:?}");
    }
}
