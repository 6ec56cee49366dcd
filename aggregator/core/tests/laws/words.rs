//! The words of sources for journals that the aggregator does not read, in its own statement.

use kittengrad_aggregator_core::Input;
use kittengrad_proto::{block::Head, id::PublicKey};

use crate::{
    peers::{Peer, Peers, transact},
    process::{Process, unread_scene},
};

/// Asks all peers, which answer with `word`. Returns the position of the aggregator in the journal of `of`.
fn stated(
    process: &mut Process,
    peers: &Peers,
    of: PublicKey,
    word: impl Fn(&Peer, &Peer) -> Head,
) -> Option<Head> {
    process.pass(1_000);
    let at = process.now;
    for (member, beat) in peers.beats_with(at.wall_ms, word) {
        let beat = Box::new(beat);
        process.handle(Input::Asked { member, at, beat });
    }
    let statement = process.handled(Input::Flush).statement.unwrap();
    statement.through.get(&of).map(|through| through.head)
}

#[test]
fn words_of_two_incarnations_move_no_position() {
    let (mut peers, mut process, lost) = unread_scene();
    let key = peers.peers[lost].key();
    let first = peers.peers[lost].head();
    let now = stated(&mut process, &peers, key, |_, other| other.head());
    assert_eq!(now, Some(first));

    // One source reads a block before it is lost with its disk.
    let old = peers.peers[lost].store.clone();
    let all: Vec<(u8, &[u8])> = (0..16).map(|canonical| (canonical, &[1][..])).collect();
    peers.apply(lost, &transact(0, &all));
    peers.peers[lost].cut();
    let seen = peers.peers[lost].head();
    assert!(seen.height > first.height, "it holds one of them");
    peers.come_back(lost, old, 11);
    let new = peers.peers[lost].head();

    let late = process.sources()[0];
    let word = |from: &Peer, of: &Peer| match from.key() == late && of.key() == key {
        true => seen,
        false => of.head(),
    };
    let split = stated(&mut process, &peers, key, word);
    assert_eq!(split, now, "it stays where it was");
    let all = stated(&mut process, &peers, key, |_, other| other.head());
    assert_eq!(all, Some(new), "all read the new incarnation");
}
