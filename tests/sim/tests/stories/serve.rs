//! Serving: what a peer sends to partners that read its journal, and how much of it at once.

use kittengrad_node_core::{Delivery, Output};
use kittengrad_overlay::quorum::Ack;
use kittengrad_proto::{
    block::{Block, Head, Holds, Item},
    id::{Id, RecordId},
    limits::FRAMES_BYTES_MAX,
    link::{Frames, Message, Push},
};
use kittengrad_ring::KeyRanges;

use kittengrad_sim::{
    About, Publication, Shape, World,
    story::solo::{Partner, Solo, said_to, submit},
};

/// Bytes after which an answer with blocks ends.
const ANSWER_BYTES: usize = FRAMES_BYTES_MAX / 64;

fn follow(incarnation: u64, from_height: u64) -> Message {
    Message::Follow {
        incarnation,
        from_height,
    }
}

/// All messages with blocks of a round to a partner.
fn frames<'a>(output: &'a Output, partner: &Partner) -> Vec<&'a Frames> {
    let messages = said_to(output, partner).into_iter();
    let frames = messages.filter_map(|message| match message {
        Message::Frames(frames) => Some(frames),
        _ => None,
    });
    frames.collect()
}

/// The heights of the blocks of a round's only message with blocks to a partner, and the head in it.
fn sent(output: &Output, partner: &Partner) -> Option<(Vec<u64>, Option<Head>)> {
    let [frames] = frames(output, partner)[..] else {
        return None;
    };
    let heights = frames.blocks.iter();
    let heights = heights.map(|block| block.header.height);
    Some((heights.collect(), frames.head))
}

/// A core with the transactions of a publisher.
struct Writing {
    solo: Solo,
    cluster: World,
}

impl Writing {
    fn start() -> (Self, Vec<Partner>) {
        let (solo, partners) = Solo::open(Shape::new(3, 3));
        let cluster = World::new(0, Shape::new(3, 3));
        (Self { solo, cluster }, partners)
    }

    /// Runs a round with one new transaction.
    fn write(&mut self) -> Output {
        let name = self.cluster.name();
        let publication = self.cluster.say(&[&name]);
        self.solo.round(vec![submit(1, &publication, Ack::One)])
    }

    fn head(&self) -> Head {
        self.solo.status().tip.unwrap().head
    }
}

/// Bytes of a block as an answer counts them: with 8 for each item and 512 for the header.
fn bytes(block: &Block) -> usize {
    let items = block.items.iter().map(|item| item.len() + 8);
    items.sum::<usize>() + 512
}

#[test]
fn a_journal_is_sent_in_parts_and_then_as_it_grows() {
    let (mut it, partners) = Writing::start();
    for _ in 0..300 {
        it.write();
    }
    let head = it.head();
    let (mut next, mut answers) = (0, 0);
    while next <= head.height {
        let output = it.solo.hear(&partners[0], follow(head.incarnation, next));
        let (heights, told) = sent(&output, &partners[0]).unwrap();
        assert_eq!(told, Some(head));
        let end = next + heights.len() as u64;
        assert_eq!(heights, Vec::from_iter(next..end));
        let blocks = &frames(&output, &partners[0])[0].blocks;
        let all: Vec<_> = blocks.iter().map(bytes).collect();
        let before_last: usize = all[..all.len() - 1].iter().sum();
        assert!(before_last < ANSWER_BYTES);
        let is_last = end > head.height;
        assert_eq!(all.iter().sum::<usize>() < ANSWER_BYTES, is_last);
        (next, answers) = (end, answers + 1);
    }
    assert!(answers > 2);
    for height in next..next + 3 {
        let output = it.write();
        let expected = (vec![height], Some(it.head()));
        assert_eq!(sent(&output, &partners[0]), Some(expected));
        assert_eq!(sent(&output, &partners[1]), None, "it did not ask");
    }
}

#[test]
fn a_reader_that_is_behind_or_ahead_gets_no_new_blocks() {
    for (back, is_live) in [(2, false), (1, false), (0, true)] {
        let (mut it, partners) = Writing::start();
        for _ in 0..130 {
            it.write();
        }
        // The answer ends before the last block, unless the request is for a late one.
        let head = it.head();
        let from = if is_live { head.height } else { back };
        it.solo.hear(&partners[0], follow(head.incarnation, from));
        assert_eq!(sent(&it.write(), &partners[0]).is_some(), is_live);
    }
    for (incarnation, ahead, is_live) in [(0, 1, true), (0, 2, false), (1, 0, false)] {
        let (mut it, partners) = Writing::start();
        it.write();
        let head = it.head();
        let ask = follow(head.incarnation + incarnation, head.height + ahead);
        let output = it.solo.hear(&partners[0], ask);
        let nothing = (Vec::new(), Some(head));
        assert_eq!(sent(&output, &partners[0]), Some(nothing));
        assert_eq!(sent(&it.write(), &partners[0]).is_some(), is_live);
    }
}

#[test]
fn the_first_block_of_all_is_sent_to_those_who_wait_for_it() {
    let (mut solo, partners) = Solo::start(Shape::new(3, 3));
    solo.meet(&partners[0]);
    let output = solo.hear(&partners[0], follow(0, 0));
    assert_eq!(sent(&output, &partners[0]), Some((Vec::new(), None)));
    let output = solo.meet(&partners[1]);
    let head = solo.status().tip.map(|tip| tip.head);
    assert_eq!(sent(&output, &partners[0]), Some((vec![0], head)));
}

#[test]
fn blocks_of_a_large_round_come_in_order_and_parts() {
    let (mut it, partners) = Writing::start();
    let head = it.head();
    it.solo
        .hear(&partners[0], follow(head.incarnation, head.height + 1));
    // The round has several blocks, because of the bytes of its transactions.
    let all: Vec<_> = (0..30)
        .map(|number| large(&mut it.cluster, number))
        .collect();
    let inputs = all
        .iter()
        .map(|publication| submit(1, publication, Ack::One));
    let inputs = inputs.collect();
    let output = it.solo.round(inputs);
    let mut next = head.height + 1;
    for frames in frames(&output, &partners[0]) {
        for block in &frames.blocks {
            assert_eq!(block.header.height, next);
            next += 1;
        }
        let last = frames.blocks.last().map(Block::head);
        assert_eq!(frames.head, last);
    }
    assert!(next > head.height + 2);
    assert_eq!(next, it.head().height + 1);
}

#[test]
fn a_block_has_no_more_bytes_of_transactions_than_allowed() {
    use kittengrad_proto::limits::BLOCK_BYTES_MAX;

    let (mut it, partners) = Writing::start();
    let head = it.head();
    it.solo
        .hear(&partners[0], follow(head.incarnation, head.height + 1));
    let all: Vec<_> = (0..20)
        .map(|number| large(&mut it.cluster, number))
        .collect();
    let submits = all
        .iter()
        .map(|publication| submit(1, publication, Ack::One));
    let output = it.solo.round(submits.collect());
    let mut sizes = all
        .iter()
        .map(|publication| publication.submission.size_bytes());
    let frames = frames(&output, &partners[0]);
    let blocks: Vec<_> = frames.iter().flat_map(|frames| &frames.blocks).collect();
    assert!(blocks.len() > 2);
    for (number, block) in blocks.iter().enumerate() {
        let bytes: usize = sizes.by_ref().take(block.items.len()).sum();
        assert!(bytes < BLOCK_BYTES_MAX);
        // All but the last block are nearly full.
        assert!(number + 1 == blocks.len() || bytes > BLOCK_BYTES_MAX * 4 / 5);
    }
    assert_eq!(sizes.next(), None);
}

/// A transaction of nearly a million bytes.
fn large(cluster: &mut World, number: usize) -> Publication {
    let texts = (0..16).map(|text| format!("{text} of {number} {}", "x".repeat(60_000)));
    cluster.say_all(vec![About {
        name: format!("large work {number}"),
        inserts: true,
        updates: texts.collect(),
    }])
}

/// Whether each item of a round's only block for a partner touches an arc that the partner holds.
fn touches(output: &Output, partner: &Partner, holds: &Holds, held: &KeyRanges) -> Vec<bool> {
    let items = frames(output, partner)[0].blocks[0].decode_items();
    let items = items.unwrap().into_iter();
    let touch = items.map(|item| match item {
        Item::Transaction { cells, .. } => {
            let mut arcs = holds.arcs().iter().enumerate();
            arcs.any(|(number, arc)| cells.is_set(number) && held.overlaps(*arc))
        }
        other => panic!("{other:?} is not a transaction"),
    });
    touch.collect()
}

#[test]
fn items_touch_arcs_of_those_who_hold_their_elements() {
    for peers in [3, 5] {
        let shape = Shape::new(peers, 3);
        let mut cluster = World::new(0, shape.clone());
        let (mut solo, partners) = Solo::open(shape);
        let view = solo.view_with(&partners);
        let head = solo.status().tip.unwrap().head;
        let ask = || follow(head.incarnation, head.height + 1);
        for partner in &partners {
            solo.hear(partner, ask());
        }
        let [before, own, after] = [peers - 1, 0, 1].map(|member| cluster.name_in(member));
        let entries = [
            vec![&before],
            vec![&after],
            vec![&own],
            vec![&before, &after],
        ];
        let submits = entries.iter().map(|names| {
            let about = names.iter().map(|name| About {
                name: (*name).clone(),
                inserts: true,
                updates: vec![format!("one of {}", names.len())],
            });
            submit(1, &cluster.say_all(about.collect()), Ack::One)
        });
        let submits = submits.collect();
        let output = solo.round(submits);
        for (number, partner) in partners.iter().enumerate() {
            // Partner `n` is member `n + 1`.
            let holds = |name: &&String| cluster.replicas(name).contains(&(number + 1));
            let names = entries.iter().map(|names| names.iter().any(holds));
            let expected: Vec<_> = names.collect();
            let held: KeyRanges = view.held(&partner.key()).into_iter().collect();
            let touched = |output: &Output| touches(output, partner, view.arcs_here(), &held);
            assert_eq!(touched(&output), expected, "live, {number}");
            let output = solo.hear(partner, ask());
            assert_eq!(touched(&output), expected, "from disk, {number}");
        }
    }
}

/// The answer of a round to a fetch.
fn answer<'a>(output: &'a Output, partner: &Partner) -> (&'a [Push], &'a [Id]) {
    let [Message::Bodies { bodies, missing }] = said_to(output, partner)[..] else {
        panic!("one answer")
    };
    (bodies, missing)
}

#[test]
fn a_fetch_of_many_is_answered_in_its_order() {
    let (mut it, partners) = Writing::start();
    let all: Vec<_> = (0..100)
        .map(|number| it.cluster.say(&[&format!("work {number}")]))
        .collect();
    let submits = all
        .iter()
        .map(|publication| submit(1, publication, Ack::One));
    it.solo.round(submits.collect());
    let mut ids: Vec<_> = all.iter().map(Publication::id).collect();
    ids.reverse();
    // Two that nobody has, one of them at the end.
    let unknown = [b"x", b"y"].map(|name| Id::of(&[name]));
    let mut asked = ids.clone();
    asked.insert(40, unknown[0]);
    asked.push(unknown[1]);
    let output = it.solo.hear(&partners[0], Message::Fetch(asked));
    let (bodies, missing) = answer(&output, &partners[0]);
    let found: Vec<_> = bodies.iter().map(|body| body.transaction.id()).collect();
    assert_eq!((found, missing), (ids, &unknown[..]));
    for (number, body) in bodies.iter().enumerate() {
        let expected = (number == 0).then(|| (*all[0].chain).clone());
        assert_eq!((&body.chain, body.records.len()), (&expected, 2));
    }
}

#[test]
fn an_answer_to_a_fetch_ends_where_the_limit_is_reached() {
    let (mut it, partners) = Writing::start();
    let all: Vec<_> = (0..10)
        .map(|number| large(&mut it.cluster, number))
        .collect();
    for publication in &all {
        it.solo.round(vec![submit(1, publication, Ack::One)]);
    }
    let ids: Vec<_> = all.iter().map(Publication::id).collect();
    let sizes = all
        .iter()
        .map(|publication| publication.submission.size_bytes());
    let sums = sizes.scan(0, |sum, bytes| {
        *sum += bytes;
        Some(*sum)
    });
    let expected = sums.take_while(|sum| *sum < FRAMES_BYTES_MAX).count() + 1;
    assert!((2..10).contains(&expected));
    let output = it.solo.hear(&partners[0], Message::Fetch(ids.clone()));
    let (bodies, missing) = answer(&output, &partners[0]);
    let found: Vec<_> = bodies.iter().map(|body| body.transaction.id()).collect();
    // The rest is in neither list, so that the partner asks again.
    assert_eq!((&found[..], missing), (&ids[..expected], &[][..]));
}

#[test]
fn of_a_part_the_entries_that_are_here_are_served() {
    let (mut it, mut partners) = Writing::start();
    let publication = it.cluster.say(&["a work", "another work"]);
    partners[0].list(&publication);
    it.solo.hear(&partners[0], partners[0].frames(0));
    let entry = &publication.submission.transaction.entries()[1];
    let needed = [entry.canonical, entry.updates[0]];
    let mut part = publication.clone();
    part.submission.records.retain(|id, _| needed.contains(id));
    it.solo.deliver(&partners[0], Delivery::Body, &part);
    let fetch = Message::Fetch(vec![publication.id()]);
    let output = it.solo.hear(&partners[1], fetch);
    let (bodies, missing) = answer(&output, &partners[1]);
    let records = bodies.iter().flat_map(|body| &body.records);
    let found: Vec<_> = records.map(|bytes| RecordId::of(bytes)).collect();
    assert_eq!((found, missing), (needed.to_vec(), &[][..]));
}
