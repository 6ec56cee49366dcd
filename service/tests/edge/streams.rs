//! Subscriptions, and blocks by height.

use kittengrad_journal::{Follower, Step};
use kittengrad_pki::credentials::Credentials;
use kittengrad_proto::{
    block::Block,
    cursor::Cursor,
    error::ErrorDetail,
    id::RecordId,
    identity::Heartbeat,
    signed::Ed25519,
    transaction::Transaction,
    wire::{self, WithBodies, frame::Kind, subscribe_request::From},
};
use kittengrad_support::wait::soon;
use tonic::{Code, Streaming};

use crate::{network::Served, world::World};

pub(crate) fn request(world: &World, from: From) -> wire::SubscribeRequest {
    wire::SubscribeRequest {
        namespace: world.overlay.namespace.to_string(),
        bodies: WithBodies::Records.into(),
        no_follow: false,
        from: Some(from),
        head: None,
    }
}

pub(crate) async fn subscribe(
    served: &Served,
    caller: &Credentials,
    request: wire::SubscribeRequest,
) -> Streaming<wire::Frame> {
    let mut journal = served.journal(caller).await;
    soon(journal.subscribe(request)).await.unwrap().into_inner()
}

/// The next frame.
pub(crate) async fn next(frames: &mut Streaming<wire::Frame>) -> Option<Kind> {
    Some(soon(frames.message()).await.unwrap()?.kind.unwrap())
}

/// The next block, past any heartbeats.
async fn next_block(frames: &mut Streaming<wire::Frame>) -> wire::FrameBlock {
    loop {
        match next(frames).await.unwrap() {
            Kind::Block(block) => return block,
            Kind::Heartbeat(_) => {}
            Kind::Problem(problem) => panic!("{problem:?}"),
        }
    }
}

/// All blocks up to the head.
async fn all(world: &World, served: &Served, bodies: WithBodies) -> Vec<wire::FrameBlock> {
    let request = wire::SubscribeRequest {
        no_follow: true,
        bodies: bodies.into(),
        ..request(world, From::Genesis(true))
    };
    let mut frames = subscribe(served, &world.publisher, request).await;
    let mut blocks = Vec::new();
    while let Some(kind) = next(&mut frames).await {
        match kind {
            Kind::Block(block) => blocks.push(block),
            other => panic!("{other:?}"),
        }
    }
    blocks
}

fn block(world: &World, frame: &wire::FrameBlock) -> Block {
    Block::from_wire(
        frame.header.clone(),
        frame.items.clone(),
        frame.through.clone(),
        &world.overlay,
    )
    .unwrap()
}

/// Keeps S4.
#[tokio::test]
async fn a_subscription_is_exactly_the_journal() {
    let mut world = World::new();
    for transactions in [&[1][..], &[0, 5, 2], &[], &[100], &[1, 1, 1]] {
        world.block(transactions);
    }
    world.open(9);
    world.block(&[4]);
    let served = Served::start(&world).await;

    let mut follower = Follower::new(served.owner, 7);
    let mut offset = 0;
    for frame in all(&world, &served, WithBodies::Records).await {
        let block = block(&world, &frame);
        match follower.accept(&block, &Ed25519).unwrap().step {
            Step::Next => {}
            Step::Began => offset = 0,
            Step::Known => panic!("block {} came twice", block.header.height),
        }
        assert_eq!(frame.offset, offset);
        for body in frame.bodies {
            let transaction = Transaction::from_wire(body.transaction, &world.overlay).unwrap();
            let entry = &transaction.entries()[0];
            let came: Vec<_> = body
                .records
                .iter()
                .map(|record| RecordId::of(record))
                .collect();
            let named = entry.updates.iter().chain([&entry.canonical]);
            assert_eq!(came, named.copied().collect::<Vec<_>>());
            offset += transaction.elements().count() as u64;
        }
    }
    assert_eq!(follower.head(), Some(world.tip().head));
    served.stop().await;
}

#[tokio::test]
async fn bodies_come_as_asked_and_chains_once() {
    let mut world = World::new();
    world.block(&[1, 2]);
    world.block(&[3]);
    let served = Served::start(&world).await;
    for (bodies, transactions, records, chains) in [
        (WithBodies::Unspecified, 0, 0, 0),
        (WithBodies::Records, 3, 9, 1),
        (WithBodies::Transactions, 3, 0, 0),
    ] {
        let blocks = all(&world, &served, bodies).await;
        let found: Vec<_> = blocks.into_iter().flat_map(|block| block.bodies).collect();
        assert_eq!(found.len(), transactions, "{bodies:?}");
        let found_records: usize = found.iter().map(|body| body.records.len()).sum();
        assert_eq!(found_records, records, "{bodies:?}");
        let found_chains = found.iter().filter(|body| body.chain.is_some()).count();
        assert_eq!(found_chains, chains, "{bodies:?}");
    }
    served.stop().await;
}

#[tokio::test]
async fn many_readers_of_a_live_journal_see_the_same_blocks() {
    let mut world = World::new();
    let served = Served::start(&world).await;
    let mut readers = Vec::new();
    for bodies in [
        WithBodies::Unspecified,
        WithBodies::Transactions,
        WithBodies::Records,
    ] {
        for _ in 0..3 {
            let request = wire::SubscribeRequest {
                bodies: bodies.into(),
                ..request(&world, From::Now(true))
            };
            readers.push(subscribe(&served, &world.publisher, request).await);
        }
    }
    for round in 0..20 {
        world.block(&[round % 3, 1]);
    }
    for reader in &mut readers {
        for height in 0..20 {
            let frame = next_block(reader).await;
            assert_eq!(block(&world, &frame).header.height, height);
        }
    }
    drop(readers);
    served.stop().await;
}

#[tokio::test]
async fn a_reader_from_now_sees_the_next_block_first() {
    let mut world = World::new();
    world.block(&[1]);
    let served = Served::start(&world).await;
    let mut frames = subscribe(&served, &world.publisher, request(&world, From::Now(true))).await;
    assert!(matches!(next(&mut frames).await, Some(Kind::Heartbeat(_))));
    world.block(&[2]);
    let frame = next_block(&mut frames).await;
    assert_eq!(block(&world, &frame).head(), world.tip().head);
    drop(frames);
    served.stop().await;
}

#[tokio::test]
async fn a_quiet_journal_says_its_head_again_and_again() {
    let mut world = World::new();
    world.block(&[1]);
    let served = Served::start(&world).await;
    let from = From::Genesis(true);
    let mut frames = subscribe(&served, &world.publisher, request(&world, from)).await;
    assert!(matches!(next(&mut frames).await, Some(Kind::Block(_))));
    let mut before_ms = 0;
    for _ in 0..2 {
        let Some(Kind::Heartbeat(beat)) = next(&mut frames).await else {
            panic!("no heartbeat");
        };
        let heartbeat = Heartbeat::from_wire(beat.heartbeat, &world.overlay).unwrap();
        heartbeat.verify(&Ed25519).unwrap();
        assert_eq!(
            (heartbeat.peer, heartbeat.head),
            (served.owner, world.tip().head)
        );
        assert!(heartbeat.time_ms > before_ms);
        before_ms = heartbeat.time_ms;
    }
    drop(frames);
    served.stop().await;
}

#[tokio::test]
async fn a_journal_without_blocks_is_read_from_its_first_one_on() {
    let mut world = World::new();
    let served = Served::start(&world).await;
    assert!(all(&world, &served, WithBodies::Records).await.is_empty());
    let from = From::Genesis(true);
    let mut frames = subscribe(&served, &world.publisher, request(&world, from)).await;
    world.block(&[1]);
    world.block(&[1]);
    assert_eq!(
        block(&world, &next_block(&mut frames).await).header.height,
        0
    );
    assert_eq!(
        block(&world, &next_block(&mut frames).await).header.height,
        1
    );
    drop(frames);
    served.stop().await;
}

/// Keeps S9.
#[tokio::test]
async fn a_slow_reader_misses_nothing() {
    let mut world = World::new();
    let served = Served::start(&world).await;
    let from = From::Genesis(true);
    let mut frames = subscribe(&served, &world.publisher, request(&world, from)).await;
    // Writes far more than the buffers hold before the first frame is taken.
    for _ in 0..60 {
        world.block(&[1_000]);
    }
    for height in 0..60 {
        let frame = next_block(&mut frames).await;
        assert_eq!(block(&world, &frame).header.height, height);
        assert_eq!(frame.offset, height * 1_000);
    }
    drop(frames);
    served.stop().await;
}

#[tokio::test]
async fn stopping_ends_subscriptions_with_a_word() {
    let mut world = World::new();
    world.block(&[1]);
    let served = Served::start(&world).await;
    let mut frames = subscribe(&served, &world.publisher, request(&world, From::Now(true))).await;
    assert!(matches!(next(&mut frames).await, Some(Kind::Heartbeat(_))));
    let stopped = tokio::spawn(served.stop());
    let ended = loop {
        match soon(frames.message()).await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the stream ended without a status"),
            Err(status) => break status,
        }
    };
    assert_eq!(ended.code(), Code::Unavailable, "{ended}");
    soon(stopped).await.unwrap();
}

#[tokio::test]
async fn blocks_are_given_by_height_and_never_beyond_the_head() {
    let mut world = World::new();
    for _ in 0..5 {
        world.block(&[1]);
    }
    let served = Served::start(&world).await;
    let mut journal = served.journal(&world.publisher).await;
    let mut get = async |incarnation, from_height, limit| {
        let request = wire::GetBlocksRequest {
            namespace: "works".to_owned(),
            incarnation,
            from_height,
            limit,
            bodies: WithBodies::Transactions.into(),
        };
        let blocks = soon(journal.get_blocks(request))
            .await
            .map(|found| found.into_inner().blocks);
        blocks.map(|blocks| {
            blocks
                .iter()
                .map(|b| block(&world, b).header.height)
                .collect()
        })
    };
    let heights: Vec<u64> = get(7, 1, 3).await.unwrap();
    assert_eq!(heights, [1, 2, 3]);
    let heights: Vec<u64> = get(7, 3, u32::MAX).await.unwrap();
    assert_eq!(heights, [3, 4]);
    let heights: Vec<u64> = get(7, 5, 1).await.unwrap();
    assert!(heights.is_empty());
    let refused = get(8, 0, 1).await.unwrap_err();
    assert!(refused.message().contains("no incarnation 8"), "{refused}");
    served.stop().await;
}

#[tokio::test]
async fn a_request_that_makes_no_sense_is_refused_with_what_to_do() {
    let world = World::new();
    let served = Served::start(&world).await;
    let good = request(&world, From::Genesis(true));
    let bad_key = Cursor {
        journal: served.owner,
        incarnation: 1,
        height: None,
    };
    let mut bad_key = bad_key.to_wire();
    bad_key.journal.truncate(31);
    for (request, words) in [
        (
            wire::SubscribeRequest {
                namespace: "other".to_owned(),
                ..good.clone()
            },
            "serves works",
        ),
        (
            wire::SubscribeRequest {
                bodies: 7,
                ..good.clone()
            },
            "use 0",
        ),
        (
            wire::SubscribeRequest {
                from: None,
                ..good.clone()
            },
            "genesis",
        ),
        (
            wire::SubscribeRequest {
                from: Some(From::Now(false)),
                ..good.clone()
            },
            "genesis",
        ),
        (
            wire::SubscribeRequest {
                from: Some(From::Cursor(bad_key)),
                ..good
            },
            "31 bytes",
        ),
    ] {
        let mut journal = served.journal(&world.publisher).await;
        let refused = soon(journal.subscribe(request)).await.unwrap_err();
        let detail = ErrorDetail::decode(refused.details(), &world.overlay).unwrap();
        let text = format!("{}; {}", refused.message(), detail.hint);
        assert!(text.contains(words), "{text:?} lacks {words:?}");
    }
    served.stop().await;
}

#[tokio::test]
async fn a_frame_fits_a_message_whatever_its_block_repeats() {
    let mut world = World::new();
    world.block_of_repeats(400);
    let served = Served::start(&world).await;
    let blocks = all(&world, &served, WithBodies::Records).await;
    let bytes = prost::Message::encoded_len(&blocks[0]);
    assert!((8 << 20..16 << 20).contains(&bytes), "{bytes} bytes");
    // The frame has every update, and the canonical at least once.
    let canonical = |body: &wire::Body| body.records.iter().any(|record| record.len() > 50_000);
    let update = |body: &wire::Body| body.records.iter().any(|record| record.len() < 50_000);
    assert!(blocks[0].bodies.iter().all(update) && blocks[0].bodies.iter().any(canonical));
    served.stop().await;
}
