//! Subscriptions: exactly once, in order, across whatever happens to the connection.

use std::{sync::Arc, time::Duration};

use kittengrad_client::{
    Client,
    config::Timeouts,
    fault::CallError,
    subscribe::{Bodies, Event, Start, SubscribeError, SubscribeOptions, VerifiedBlock},
};
use kittengrad_proto::{
    block::Item,
    cursor::{Cursor, Position},
    id::PublicKey,
    signed::Signer,
    transaction::Element,
    wire::{self, cursor_problem, frame::Kind},
};
use kittengrad_support::wait::soon;

use crate::{
    fake::{Ending, Fake},
    submissions::draft,
    world::{TIMEOUTS, World},
};

/// Applies so many transactions, each with one to four elements, and each in a block of its own.
pub(crate) fn write(world: &World, client: &Client, fake: &Fake, from: usize, count: usize) {
    let publisher = world.publisher.key().public();
    for number in from..from + count {
        let draft = draft(publisher, number, (number % 5) as u64);
        let prepared = client
            .prepare(&publisher, vec![draft], Default::default())
            .unwrap();
        let request = wire::SubmitRequest {
            transaction: Some(prepared[0].transaction().signed().to_wire()),
            records: prepared[0].records().to_vec(),
            chain: Some(world.publisher.chain().to_wire()),
            ..Default::default()
        };
        fake.apply(&request).unwrap();
    }
}

/// A world with one peer that has written `blocks` blocks.
pub(crate) async fn written(blocks: usize) -> (World, Client, Arc<Fake>) {
    let world = World::new(1).await;
    let (client, fake) = (world.client(), Arc::clone(&world.members[0].fake));
    write(&world, &client, &fake, 0, blocks);
    (world, client, fake)
}

pub(crate) const ONCE: SubscribeOptions = SubscribeOptions {
    start: Start::Genesis,
    bodies: Bodies::Records,
    follow: false,
    give_up_after: None,
    own_head: None,
};

/// All events of a subscription up to its end.
pub(crate) async fn all(
    client: &Client,
    source: PublicKey,
    options: SubscribeOptions,
) -> (Vec<Event>, Option<SubscribeError>) {
    let mut subscription = client.subscribe(source, options);
    let mut events = Vec::new();
    while let Some(event) = soon(subscription.next()).await {
        match event {
            Ok(event) => events.push(event),
            Err(error) => return (events, Some(error)),
        }
    }
    (events, None)
}

pub(crate) fn blocks(events: &[Event]) -> Vec<&VerifiedBlock> {
    fn block(event: &Event) -> Option<&VerifiedBlock> {
        match event {
            Event::Block(block) => Some(block),
            _ => None,
        }
    }
    events.iter().filter_map(block).collect()
}

/// Each element with its offset and the position behind it.
fn elements(events: &[Event]) -> Vec<(Element, u64, Position)> {
    let blocks = blocks(events).into_iter();
    blocks
        .flat_map(|block| {
            block
                .elements()
                .map(|at| (at.element, at.offset, at.position))
                .collect::<Vec<_>>()
        })
        .collect()
}

#[tokio::test]
async fn everything_comes_once_in_order_with_its_place() {
    let (_world, client, fake) = written(12).await;
    let (events, error) = all(&client, fake.key(), ONCE).await;
    assert_eq!(error, None);
    assert!(matches!(events[0], Event::Began { fork: None, .. }));
    assert!(
        matches!(events.last(), Some(Event::Alive(beat)) if Some(beat.heartbeat.head) == fake.head())
    );
    let elements = elements(&events);
    assert_eq!(
        elements.len(),
        fake.log.lock().unwrap().store.elements().len()
    );
    assert!(
        elements
            .iter()
            .enumerate()
            .all(|(number, (_, offset, _))| *offset == number as u64)
    );
    for entry in blocks(&events).iter().flat_map(|block| &block.entries) {
        assert_eq!(entry.publisher.as_ref().unwrap().holder.name, "Tate");
        assert!(
            entry
                .added
                .iter()
                .filter_map(|e| e.update)
                .all(|id| entry.records.contains_key(&id))
        );
    }
}

/// Keeps S11.
#[tokio::test]
async fn a_stream_that_breaks_anywhere_goes_on_exactly_where_it_was() {
    let (_world, client, fake) = written(9).await;
    let (undisturbed, _) = all(&client, fake.key(), ONCE).await;
    for breaks in [vec![0], vec![1], vec![3, 0, 2], vec![8], vec![2, 2, 2, 2]] {
        *fake.endings.lock().unwrap() = breaks.iter().map(|count| Ending::Broken(*count)).collect();
        let (events, error) = all(&client, fake.key(), ONCE).await;
        assert_eq!(error, None);
        assert_eq!(elements(&events), elements(&undisturbed), "{breaks:?}");
        let waits = events
            .iter()
            .filter(|event| matches!(event, Event::Waiting { .. }))
            .count();
        assert_eq!(waits, breaks.len());
    }
}

/// Keeps S12.
#[tokio::test]
async fn a_stream_that_falls_silent_is_begun_anew() {
    let (world, _, fake) = written(4).await;
    let timeouts = Timeouts {
        silence_ms: 400,
        ..TIMEOUTS
    };
    let client = world.client_with(&world.file(0..1), timeouts);
    fake.endings.lock().unwrap().push_back(Ending::Silent(2));
    let (events, error) = all(&client, fake.key(), ONCE).await;
    assert_eq!((blocks(&events).len(), error), (4, None));
    let waiting = events.iter().find_map(|event| match event {
        Event::Waiting { error, .. } => Some(error),
        _ => None,
    });
    assert!(
        matches!(waiting, Some(CallError::TimedOut { .. })),
        "{waiting:?}"
    );
}

#[tokio::test]
async fn a_reader_goes_on_behind_any_element() {
    let (_world, client, fake) = written(6).await;
    let (events, _) = all(&client, fake.key(), ONCE).await;
    let everything = elements(&events);
    for (number, (_, _, position)) in everything.iter().enumerate() {
        let options = SubscribeOptions {
            start: Start::Cursor(*position),
            ..ONCE
        };
        let (events, error) = all(&client, fake.key(), options).await;
        assert_eq!(error, None);
        assert_eq!(
            elements(&events),
            everything[number + 1..],
            "behind {position}"
        );
    }
}

#[tokio::test]
async fn a_reader_continues_after_a_block_or_notices_another() {
    let (_world, client, fake) = written(5).await;
    let (events, _) = all(&client, fake.key(), ONCE).await;
    let blocks = blocks(&events);
    let resume = blocks[2].resume();
    let (rest, error) = all(
        &client,
        fake.key(),
        SubscribeOptions {
            start: Start::Resume(resume.clone()),
            ..ONCE
        },
    )
    .await;
    assert_eq!(error, None);
    assert_eq!(elements(&rest), elements(&events[events.len() - 3..]));

    let mut other = resume;
    other.head.hash = blocks[1].header.hash();
    let (_, error) = all(
        &client,
        fake.key(),
        SubscribeOptions {
            start: Start::Resume(other),
            ..ONCE
        },
    )
    .await;
    assert!(
        matches!(error, Some(SubscribeError::Tampered(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn now_means_the_next_block_across_a_lost_connection() {
    let (world, client, fake) = written(3).await;
    *fake.endings.lock().unwrap() = [Ending::Broken(0), Ending::Broken(0)].into();
    let options = SubscribeOptions {
        start: Start::Now,
        follow: true,
        ..ONCE
    };
    let mut subscription = client.subscribe(fake.key(), options);
    assert!(matches!(
        soon(subscription.next()).await,
        Some(Ok(Event::Waiting { .. }))
    ));
    write(&world, &client, &fake, 3, 1);
    loop {
        match soon(subscription.next()).await.unwrap().unwrap() {
            Event::Block(block) => break assert_eq!(block.header.height, 3),
            Event::Waiting { .. } | Event::Alive(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Keeps S12.
#[tokio::test]
async fn a_new_incarnation_and_what_it_lost_are_told() {
    let (world, client, fake) = written(3).await;
    let old = fake.head().unwrap();
    fake.reincarnate(&[Item::Gap {
        incarnation: old.incarnation,
        from_height: 7,
    }]);
    write(&world, &client, &fake, 3, 2);
    let (events, error) = all(&client, fake.key(), ONCE).await;
    assert_eq!(error, None);
    let told: Vec<_> = events
        .iter()
        .filter(|event| !matches!(event, Event::Block(_)))
        .collect();
    assert!(
        matches!(told[1], Event::Began { fork, .. } if *fork == Some(old)),
        "{told:?}"
    );
    assert!(
        matches!(told[2], Event::Gap { from_height: 7, .. }),
        "{told:?}"
    );
    let offsets: Vec<_> = blocks(&events).iter().map(|block| block.offset).collect();
    assert_eq!(offsets[3], 0, "elements are counted anew");
}

#[tokio::test]
async fn a_source_without_its_first_blocks_says_so() {
    let (_world, client, fake) = written(5).await;
    *fake.tamper.lock().unwrap() = Some(Box::new(|frames| drop(frames.drain(..2))));
    let (events, error) = all(
        &client,
        fake.key(),
        SubscribeOptions {
            bodies: Bodies::None,
            ..ONCE
        },
    )
    .await;
    assert_eq!(error, None);
    assert!(
        matches!(events[0], Event::Missing { to_height: 2, .. }),
        "{:?}",
        events[0]
    );
    assert_eq!(blocks(&events).len(), 3);
}

#[tokio::test]
async fn without_bodies_items_still_verify_and_are_counted() {
    let (_world, client, fake) = written(5).await;
    let (with, _) = all(&client, fake.key(), ONCE).await;
    let (without, error) = all(
        &client,
        fake.key(),
        SubscribeOptions {
            bodies: Bodies::None,
            ..ONCE
        },
    )
    .await;
    assert_eq!(error, None);
    let counts = |events: &[Event]| {
        blocks(events)
            .iter()
            .map(|b| (b.offset, b.added))
            .collect::<Vec<_>>()
    };
    assert_eq!(counts(&with), counts(&without));
    let (transactions, _) = all(
        &client,
        fake.key(),
        SubscribeOptions {
            bodies: Bodies::Transactions,
            ..ONCE
        },
    )
    .await;
    assert_eq!(elements(&transactions), elements(&with));
}

/// Keeps S12.
#[tokio::test]
async fn a_cursor_that_cannot_be_served_ends_with_its_reason() {
    let (_world, client, fake) = written(2).await;
    let key = fake.key();
    let start = Cursor {
        journal: key,
        incarnation: 9,
        height: None,
    };
    let kinds = [
        (
            cursor_problem::Kind::TooOld,
            SubscribeError::TooOld { start },
        ),
        (
            cursor_problem::Kind::UnknownIncarnation,
            SubscribeError::UnknownIncarnation { start },
        ),
        (
            cursor_problem::Kind::Future,
            SubscribeError::Future { start },
        ),
        (
            cursor_problem::Kind::OtherJournal,
            SubscribeError::OtherJournal,
        ),
    ];
    for (kind, expected) in kinds {
        *fake.tamper.lock().unwrap() = Some(Box::new(move |frames| {
            let problem = wire::CursorProblem {
                kind: kind.into(),
                start: Some(start.to_wire()),
            };
            *frames = vec![wire::Frame {
                kind: Some(Kind::Problem(problem)),
            }];
        }));
        assert_eq!(all(&client, key, ONCE).await.1, Some(expected));
    }
    let other = Cursor {
        journal: PublicKey::new([1; 32]),
        ..start
    };
    let options = SubscribeOptions {
        start: Start::Cursor(Position {
            cursor: other,
            elements: 0,
        }),
        ..ONCE
    };
    assert_eq!(
        all(&client, key, options).await.1,
        Some(SubscribeError::OtherJournal)
    );
}

#[tokio::test]
async fn a_position_after_too_many_elements_is_refused() {
    let (_world, client, fake) = written(3).await;
    let (events, _) = all(&client, fake.key(), ONCE).await;
    let cursor = blocks(&events)[1].cursor();
    let position = Position {
        cursor,
        elements: 99,
    };
    let options = SubscribeOptions {
        start: Start::Cursor(position),
        ..ONCE
    };
    let (events, error) = all(&client, fake.key(), options).await;
    assert!(blocks(&events).is_empty());
    assert!(
        matches!(
            error,
            Some(SubscribeError::BehindBlock { elements: 99, .. })
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_stranger_is_not_waited_for() {
    let (_world, client, _) = written(1).await;
    let (events, error) = all(&client, PublicKey::new([1; 32]), ONCE).await;
    assert!(events.is_empty());
    assert!(
        matches!(
            error,
            Some(SubscribeError::Refused(CallError::Stranger { .. }))
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_source_that_has_no_block_yet_is_waited_for() {
    let (_world, client, fake) = written(2).await;
    let (events, _) = all(&client, fake.key(), ONCE).await;
    let start = Start::Resume(blocks(&events)[0].resume());
    let asked = fake.subscriptions.lock().unwrap().len();
    *fake.tamper.lock().unwrap() = Some(Box::new(|frames| {
        let kind = cursor_problem::Kind::UnknownIncarnation.into();
        let problem = wire::CursorProblem { kind, start: None };
        *frames = vec![wire::Frame {
            kind: Some(Kind::Problem(problem)),
        }];
    }));
    let mut subscription = client.subscribe(fake.key(), SubscribeOptions { start, ..ONCE });
    assert!(matches!(
        soon(subscription.next()).await,
        Some(Ok(Event::Waiting { .. }))
    ));
    *fake.tamper.lock().unwrap() = None;
    loop {
        match soon(subscription.next()).await.unwrap().unwrap() {
            Event::Block(block) => break assert_eq!(block.header.height, 1),
            Event::Waiting { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(fake.subscriptions.lock().unwrap().len() > asked + 1);
}

#[tokio::test]
async fn a_reader_with_a_deadline_gets_the_reason() {
    let (mut world, client, fake) = written(1).await;
    world.members[0].kill();
    let options = SubscribeOptions {
        give_up_after: Some(Duration::from_millis(300)),
        ..ONCE
    };
    let (events, error) = all(&client, fake.key(), options).await;
    assert!(
        events
            .iter()
            .all(|event| matches!(event, Event::Waiting { .. }))
    );
    assert!(
        matches!(error, Some(SubscribeError::Unreachable(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn blocks_can_be_looked_at_one_by_one_good_or_bad() {
    let (_world, client, fake) = written(6).await;
    let head = fake.head().unwrap();
    let source = fake.key();
    let found = soon(client.blocks(&source, head.incarnation, 2, 3, Bodies::Transactions))
        .await
        .unwrap();
    assert_eq!(
        found
            .iter()
            .map(|checked| checked.block.header.height)
            .collect::<Vec<_>>(),
        [2, 3, 4]
    );
    assert!(
        found
            .iter()
            .all(|checked| checked.is_signed && !checked.elements.is_empty())
    );
}
