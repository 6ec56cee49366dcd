//! Replicas and sources that sign what is not so: heads, positions in other journals, arcs and checkpoints.

use kittengrad_aggregator_core::{How, Input, Plan, SourceBlock, SourceState};
use kittengrad_proto::{
    block::{Block, Head, Header, HeaderFields},
    checkpoint::{Checkpoint, Holdings, Through, ThroughList},
    id::{Id, PublicKey},
    identity::Beat,
    signed::{Signer as _, SigningKey},
};
use kittengrad_ring::KeyRanges;

use crate::{
    peers::{Peers, overlay, transact},
    process::{Process, scene, unread_scene},
};

/// A second later, asks all peers. `change` alters their answers. Returns the time of the question.
fn ask(process: &mut Process, peers: &Peers, change: impl Fn(PublicKey, &mut Beat)) -> u64 {
    process.pass(1_000);
    let at = process.now;
    for (member, mut beat) in peers.beats(at.wall_ms) {
        change(member, &mut beat);
        let beat = Box::new(beat);
        process.handle(Input::Asked { member, at, beat });
    }
    process.handle(Input::Tick);
    at.wall_ms
}

/// The heads up to which a peer is established, in each cell that it holds.
fn heads(process: &Process, of: PublicKey) -> Vec<Head> {
    let cells = process.view().cells.into_iter();
    let all = cells.flat_map(|cell| cell.established);
    let found = all.filter(|found| found.peer == of);
    found.map(|found| found.head).collect()
}

/// The least time to which a cell is complete.
fn complete_to(process: &Process) -> Option<u64> {
    process.view().complete_to_ms
}

/// A peer writes a transaction over 16 canonicals, of which every peer holds one, in a new block.
fn write(peers: &mut Peers, number: usize, nonce: u8) {
    let entries: Vec<(u8, &[u8])> = (0..16).map(|canonical| (canonical, &[1][..])).collect();
    peers.apply(number, &transact(nonce, &entries));
    peers.peers[number].cut();
}

/// Some peers with three copies, of which one of each cell may be faulty, and an aggregator that read its sources.
fn tolerant(count: u8) -> (Peers, Process) {
    let mut peers = Peers::new(count, 3);
    peers.peers.iter_mut().for_each(|peer| peer.cut());
    let network = peers.network_that_tolerates(1);
    let mut process = Process::start(&peers);
    process.follow(Plan::of(&network, |_| true));
    process.handle(Input::Network(network));
    process.read_all(&peers);
    ask(&mut process, &peers, |_, _| ());
    (peers, process)
}

/// Replaces the position in the journal of `of`.
fn say(beat: &mut Beat, of: PublicKey, head: Head) {
    let others = beat.through.iter().filter(|(key, _)| **key != of);
    let others = others.map(|(key, through)| (*key, through.clone()));
    let word = (of, Through { head, arcs: None });
    beat.through = others.chain([word]).collect::<ThroughList>();
}

fn other_block(head: Head) -> Head {
    let hash = Id::new([7; 32]);
    Head { hash, ..head }
}

#[test]
fn second_head_of_a_source_is_not_established() {
    let (peers, mut process, source, number) = scene();
    let head = peers.peers[number].head();
    let first_ms = ask(&mut process, &peers, |_, _| ());
    for _ in 0..5 {
        ask(&mut process, &peers, |member, beat| {
            if member == source {
                beat.heartbeat.head = other_block(head);
            }
        });
    }
    assert_eq!(heads(&process, source), [head; 3]);
    // The two others establish each cell, if the word of the liar counts.
    assert!(complete_to(&process) > Some(first_ms));
    let waiting = process.view().sources.remove(0);
    assert_eq!(waiting.state, SourceState::Behind, "not level with it");
}

#[test]
fn old_head_signed_anew_proves_no_more_than_it_has() {
    let (mut peers, mut process, unread) = unread_scene();
    let key = peers.peers[unread].key();
    let old = peers.peers[unread].head();
    write(&mut peers, unread, 0);
    assert!(peers.peers[unread].head().height > old.height);
    ask(&mut process, &peers, |member, beat| {
        if member == key {
            beat.heartbeat.head = old;
        }
    });
    assert_eq!(heads(&process, key), [old; 3]);
}

#[test]
fn word_of_one_source_that_may_lie_establishes_nobody() {
    let (mut peers, mut process) = tolerant(5);
    let sources = process.sources();
    let unread = peers
        .peers
        .iter()
        .position(|peer| !sources.contains(&peer.key()));
    let unread = unread.unwrap();
    let key = peers.peers[unread].key();
    let old = peers.peers[unread].head();
    write(&mut peers, unread, 0);
    let new = peers.peers[unread].head();
    let later = Head {
        height: new.height + 1_000,
        ..other_block(new)
    };
    for (what, claim) in [("its head", new), ("a block of the future", later)] {
        for liar in &sources {
            ask(&mut process, &peers, |member, beat| {
                let head = if member == *liar { claim } else { old };
                if member != key {
                    say(beat, key, head);
                }
            });
            assert!(
                heads(&process, key).iter().all(|head| *head == old),
                "{what}"
            );
        }
    }
}

#[test]
fn a_source_vouches_in_the_cells_of_its_own_only() {
    let (peers, mut process) = tolerant(5);
    // All sources say that they hold everything, settled.
    ask(&mut process, &peers, |_, beat| {
        let whole = KeyRanges::whole();
        let checkpoint = beat.heartbeat.checkpoint.as_mut().unwrap();
        checkpoint.holds = Holdings::new(&whole, &whole);
    });
    let mut vouched = 0;
    for cell in process.view().cells {
        for found in cell.established {
            if let How::Vouched(by) = found.how {
                let replicas = peers.replicas(cell.arc);
                assert!(by.iter().all(|source| replicas.contains(source)));
                assert_eq!(by.len(), 2);
                vouched += 1;
            }
        }
    }
    assert_eq!(vouched, 3, "the cells of the peer that is not read");
}

#[test]
fn a_block_that_one_source_names_is_not_stated() {
    let (peers, mut process) = tolerant(3);
    let sources = process.sources();
    let unread = peers
        .peers
        .iter()
        .find(|peer| !sources.contains(&peer.key()));
    let unread = unread.unwrap();
    let head = unread.head();
    let later = Head {
        height: head.height + 1_000,
        ..other_block(head)
    };
    for (liar, claim) in sources
        .iter()
        .flat_map(|liar| [(*liar, other_block(head)), (*liar, later)])
    {
        ask(&mut process, &peers, |member, beat| {
            if member == liar {
                say(beat, unread.key(), claim);
            }
        });
        let statement = process.handled(Input::Flush).statement.unwrap();
        let stated = statement.through.get(&unread.key()).map(|of| of.head);
        assert_eq!(stated, Some(head));
    }
}

/// A block of a source, signed again with a checkpoint of this height.
fn with_checkpoint(
    peers: &Peers,
    source: PublicKey,
    block: &Block,
    (previous, height): (Id, u64),
) -> Block {
    let beats = peers.beats(0);
    let own = beats.into_iter().find(|(member, _)| *member == source);
    let (_, Beat { heartbeat, through }) = own.unwrap();
    let checkpoint = Checkpoint {
        height,
        blocks: height + 1,
        ..*heartbeat.checkpoint.unwrap()
    };
    let header = &block.header;
    let fields = HeaderFields {
        incarnation: header.incarnation,
        height: header.height,
        previous,
        time_ms: header.time_ms,
        items_root: header.items_root,
        item_count: header.item_count,
        fork: header.fork,
        checkpoint: Some(checkpoint),
        hold: header.hold,
    };
    let mut keys = (1..=5).map(|seed| SigningKey::from_seed(&[seed; 32]));
    let key = keys.find(|key| key.public() == source).unwrap();
    Block {
        header: Header::sign(&overlay(), &fields, &key),
        items: block.items.clone(),
        through,
    }
}

#[test]
fn a_checkpoint_that_goes_back_in_the_journal_is_a_lie() {
    for (last, state) in [
        (2, SourceState::Level),
        (1, SourceState::Level),
        (0, SourceState::Lying),
    ] {
        let (mut peers, mut process, source, number) = scene();
        (0..3).for_each(|_| peers.settle(number));
        let mut previous = peers.peers[number].block(0).block.header.hash();
        for (height, at) in [(1, 0), (2, 1), (3, last)] {
            let block = peers.peers[number].block(height).block;
            let block = with_checkpoint(&peers, source, &block, (previous, at));
            previous = block.header.hash();
            let entries = Some(Vec::new());
            let block = SourceBlock { block, entries };
            process.handle(Input::Block(source, Box::new(block)));
            process.flush();
        }
        assert_eq!(process.view().sources[0].state, state, "{last} after 1");
    }
}

#[test]
fn an_older_answer_takes_no_word_back() {
    let (mut peers, mut process, unread) = unread_scene();
    let key = peers.peers[unread].key();
    let before = peers.beats(process.now.wall_ms);
    (0..5).for_each(|number| peers.settle(number));
    process.read_all(&peers);
    // The answers of before come late, by another connection.
    let now = peers.beats(process.now.wall_ms);
    for (source, beat) in now.into_iter().chain(before) {
        process.handle(Input::Alive(source, Box::new(beat)));
    }
    ask(&mut process, &peers, |member, beat| {
        if member != key {
            beat.heartbeat.checkpoint = None;
        }
    });
    assert_eq!(heads(&process, key), [peers.peers[unread].head(); 3]);
}
