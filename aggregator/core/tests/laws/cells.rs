//! The completeness of cells: which replicas are established up to which head, and the time that follows.

use kittengrad_aggregator_core::{Established, How, Input, Now, Plan};
use kittengrad_proto::{
    block::Head,
    checkpoint::Through,
    id::{Id, PublicKey},
    identity::Beat,
};
use kittengrad_ring::KeyRange;

use crate::{
    peers::{Peer, Peers, transact},
    process::{Process, scene, unread_scene},
};

/// A second later, asks all peers, of which these answer. Each says with `word` what it has of another one's journal.
/// Returns the time of the question.
fn ask(
    process: &mut Process,
    peers: &Peers,
    answers: impl Fn(PublicKey) -> bool,
    word: impl Fn(&Peer, &Peer) -> Head,
) -> u64 {
    process.pass(1_000);
    let at = process.now;
    let mut beats = peers.beats_with(at.wall_ms, word);
    beats.retain(|(member, _)| answers(*member));
    take(process, at, beats);
    at.wall_ms
}

/// Like [`ask`]. All answer, and each says with `word` its whole position in another one's journal, or in its own.
fn ask_whole(process: &mut Process, peers: &Peers, word: impl Fn(&Peer, &Peer) -> Option<Through>) {
    process.pass(1_000);
    let at = process.now;
    take(process, at, peers.beats_that_say(at.wall_ms, word));
}

/// Takes answers to a question.
fn take(process: &mut Process, at: Now, beats: Vec<(PublicKey, Beat)>) {
    for (member, beat) in beats {
        let beat = Box::new(beat);
        process.handle(Input::Asked { member, at, beat });
    }
    process.handle(Input::Tick);
}

fn ask_all(process: &mut Process, peers: &Peers) -> u64 {
    ask(process, peers, |_| true, |_, other| other.head())
}

/// What is established of a peer, in each cell that it holds.
fn established(process: &Process, of: PublicKey) -> Vec<Established> {
    let cells = process.view().cells.into_iter();
    let all = cells.flat_map(|cell| cell.established);
    all.filter(|found| found.peer == of).collect()
}

/// The times to which the cells are complete, each once.
fn times(process: &Process) -> Vec<Option<u64>> {
    let cells = process.view().cells.into_iter();
    let mut times: Vec<_> = cells.map(|cell| cell.complete_to_ms).collect();
    times.sort_unstable();
    times.dedup();
    times
}

/// A transaction over 16 canonicals, of which every peer holds one.
fn write(peers: &mut Peers, number: usize) {
    let entries: Vec<(u8, &[u8])> = (0..16).map(|canonical| (canonical, &[1][..])).collect();
    peers.apply(number, &transact(0, &entries));
    peers.peers[number].cut();
}

#[test]
fn replicas_are_read_or_vouched_for_by_a_source() {
    let (peers, mut process, unread) = unread_scene();
    let asked_ms = ask_all(&mut process, &peers);
    assert_eq!(times(&process), [Some(asked_ms)]);
    let sources = process.sources();
    for peer in &peers.peers {
        for found in established(&process, peer.key()) {
            assert_eq!(found.head, peer.head());
            match found.how {
                How::Read => assert!(sources.contains(&peer.key())),
                How::Vouched(by) => {
                    let is_source = by.len() == 1 && sources.contains(&by[0]);
                    assert!(is_source && !sources.contains(&peer.key()), "{by:?}");
                }
            }
        }
    }
    let cells = established(&process, peers.peers[unread].key()).len();
    assert_eq!(
        cells, 3,
        "it holds three cells, and some source holds each of them"
    );
}

#[test]
fn word_that_does_not_reach_the_head_vouches_for_nothing() {
    let (mut peers, mut process, unread) = unread_scene();
    ask_all(&mut process, &peers);
    let key = peers.peers[unread].key();
    let first = peers.peers[unread].head();
    write(&mut peers, unread);
    let new = peers.peers[unread].head();
    assert!(new.height > first.height, "it holds one of them");
    let other_hash = Head {
        hash: Id::new([7; 32]),
        ..new
    };
    let other_incarnation = Head {
        incarnation: new.incarnation + 1,
        ..new
    };
    for (what, said) in [
        ("an earlier block", first),
        ("another block at its height", other_hash),
        ("another incarnation", other_incarnation),
    ] {
        let word = |_: &Peer, of: &Peer| match of.key() == key {
            true => said,
            false => of.head(),
        };
        ask(&mut process, &peers, |_| true, word);
        let heads = established(&process, key);
        assert!(heads.iter().all(|found| found.head == first), "{what}");
    }
    let later = |_: &Peer, of: &Peer| Head {
        height: of.head().height + 1,
        hash: Id::new([7; 32]),
        ..of.head()
    };
    ask(&mut process, &peers, |_| true, later);
    let heads = established(&process, key);
    assert!(heads.iter().all(|found| found.head == new), "a later block");
}

/// The cells in which a peer is established.
fn cells_of(process: &Process, of: PublicKey) -> Vec<KeyRange> {
    let mut cells = process.view().cells;
    cells.retain(|cell| cell.established.iter().any(|found| found.peer == of));
    cells.into_iter().map(|cell| cell.arc).collect()
}

#[test]
fn word_counts_in_the_arcs_for_which_it_was_given() {
    let (peers, mut process, unread) = unread_scene();
    let key = peers.peers[unread].key();
    ask_all(&mut process, &peers);
    let all = cells_of(&process, key);
    assert_eq!(all.len(), 3, "the cells that it holds");
    for cell in &all {
        let (peers, mut process, _) = unread_scene();
        ask_whole(&mut process, &peers, |peer, of| {
            let arcs = (of.key() == key).then(|| (*cell).into());
            let head = of.head();
            (peer.key() != of.key()).then_some(Through { head, arcs })
        });
        assert_eq!(cells_of(&process, key), [*cell]);
    }
}

#[test]
fn a_cell_without_words_holds_up_no_other() {
    let (mut peers, mut process, unread) = unread_scene();
    let key = peers.peers[unread].key();
    let cells = {
        let (_, mut process, _) = unread_scene();
        ask_all(&mut process, &peers);
        cells_of(&process, key)
    };
    // All words are ten seconds old, and there are none for the first of the cells.
    let mut heads = Vec::new();
    for second in 0..60 {
        heads.push(peers.peers[unread].head());
        let old = heads[usize::saturating_sub(second, 10)];
        ask_whole(&mut process, &peers, |peer, of| {
            let is_unread = of.key() == key;
            let (head, arcs) = match is_unread {
                true => (old, Some(cells[1..].iter().copied().collect())),
                false => (of.head(), None),
            };
            (peer.key() != of.key()).then_some(Through { head, arcs })
        });
        peers.settle(unread);
    }
    let found = established(&process, key);
    assert_eq!(found.len(), 2);
    for of in found {
        assert!(of.head.height >= heads[30].height, "{of:?}");
    }
}

#[test]
fn an_answer_to_an_older_question_changes_nothing() {
    let (peers, mut process, _) = unread_scene();
    let at = process.now;
    let late = peers.beats(at.wall_ms);
    let new_ms = ask_all(&mut process, &peers);
    take(&mut process, at, late);
    assert_eq!(times(&process), [Some(new_ms)]);
}

#[test]
fn source_that_lied_establishes_nobody() {
    let (peers, mut process, _) = unread_scene();
    ask_all(&mut process, &peers);
    let all = |process: &Process| {
        let peers = peers.peers.iter();
        let found = peers.map(|peer| established(process, peer.key()));
        found.collect::<Vec<_>>()
    };
    let before = all(&process);
    for source in process.sources() {
        process.handle(Input::Lying(source, "forged".to_owned()));
    }
    // Neither its own journal, which was read, nor its word for others has a newer time.
    ask_all(&mut process, &peers);
    assert_eq!(all(&process), before);
}

#[test]
fn source_does_not_vouch_for_its_own_journal() {
    let (mut peers, mut process, source, number) = scene();
    ask_all(&mut process, &peers);
    let first = peers.peers[number].head();
    let later = Head {
        height: first.height + 5,
        ..first
    };
    // As of a block that we have, it says that it contains blocks that we do not have.
    ask_whole(&mut process, &peers, |peer, of| {
        let is_own = peer.key() == source && of.key() == source;
        let (head, arcs) = (if is_own { later } else { of.head() }, None);
        (is_own || peer.key() != of.key()).then_some(Through { head, arcs })
    });
    write(&mut peers, number);
    let unread = peers.peers[number].head();
    assert!(unread.height > first.height && unread.height < later.height);
    ask_all(&mut process, &peers);
    let heads = established(&process, source);
    assert!(!heads.is_empty() && heads.iter().all(|found| found.head == first));
}

#[test]
fn question_before_a_step_of_the_clock_dates_no_head() {
    for (step_ms, is_dated) in [(1_000, true), (1_001, false), (3_600_000, false)] {
        let (peers, mut process, _) = unread_scene();
        let at = process.now;
        process.now.wall_ms += step_ms;
        process.handle(Input::Tick);
        take(&mut process, at, peers.beats(at.wall_ms));
        let expected = is_dated.then_some(at.wall_ms);
        assert_eq!(times(&process), [expected], "a step of {step_ms} ms");
    }
}

#[test]
fn cell_has_the_time_that_enough_replicas_answered() {
    let (peers, mut process, _) = unread_scene();
    let first_ms = ask_all(&mut process, &peers);
    let honest = |_: &Peer, other: &Peer| other.head();
    // One of three replicas answers in each cell, for some cells two.
    let one = peers.peers[0].key();
    ask(&mut process, &peers, |member| member == one, honest);
    assert_eq!(times(&process), [Some(first_ms)]);
    // Every cell has at least two of these four.
    let second_ms = ask(&mut process, &peers, |member| member != one, honest);
    assert_eq!(times(&process), [Some(second_ms)]);
    for cell in process.view().cells {
        assert_eq!((cell.needed, cell.waits_for), (2, Vec::new()));
    }
}

#[test]
fn cell_waits_for_the_replicas_that_do_not_answer() {
    let (peers, mut process, _) = unread_scene();
    let first_ms = ask_all(&mut process, &peers);
    let silent = [peers.peers[0].key(), peers.peers[1].key()];
    for _ in 0..4 {
        let answers = |member| !silent.contains(&member);
        ask(&mut process, &peers, answers, |_, other| other.head());
    }
    let cells = process.view().cells;
    let (old, new): (Vec<_>, Vec<_>) = cells
        .into_iter()
        .partition(|cell| cell.complete_to_ms == Some(first_ms));
    // Neighbours on the ring hold two cells together.
    assert_eq!((old.len(), new.len()), (2, 3));
    for cell in old {
        assert!(silent.iter().all(|key| cell.waits_for.contains(key)));
    }
    assert!(new.iter().all(|cell| cell.waits_for.is_empty()));
}

#[test]
fn replica_that_is_filling_shows_nothing_of_what_it_confirmed() {
    let (mut peers, mut process, unread) = unread_scene();
    ask_all(&mut process, &peers);
    let key = peers.peers[unread].key();
    let before = established(&process, key);
    peers.open_filling(unread, 11);
    ask_all(&mut process, &peers);
    assert_eq!(established(&process, key), before);
    peers.settle(unread);
    ask_all(&mut process, &peers);
    let after = established(&process, key);
    assert_eq!(after.len(), 3);
    assert!(after.iter().all(|found| found.head.incarnation == 11));
}

#[test]
fn one_liar_does_not_complete_a_cell_that_tolerates_one() {
    let peers = Peers::new(5, 3);
    let network = peers.network_that_tolerates(1);
    let mut process = Process::start(&peers);
    process.follow(Plan::of(&network, |_| true));
    process.handle(Input::Network(network));
    process.read_all(&peers);
    let all_ms = ask_all(&mut process, &peers);
    for cell in process.view().cells {
        assert_eq!((cell.needed, cell.complete_to_ms), (3, Some(all_ms)));
        for found in cell.established {
            let is_vouched = matches!(&found.how, How::Vouched(by) if by.len() == 2);
            assert!(is_vouched || found.how == How::Read, "{found:?}");
        }
    }
    // A replica that is silent may be the one that has a write, because another one may lie.
    let silent = peers.peers[0].key();
    let answers = |member| member != silent;
    ask(&mut process, &peers, answers, |_, other| other.head());
    let cells = process.view().cells;
    let old = cells
        .iter()
        .filter(|cell| cell.complete_to_ms == Some(all_ms));
    assert_eq!(old.count(), 3, "the cells that it holds");
}
