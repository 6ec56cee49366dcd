//! Every way to tamper with a stream is noticed, and nothing of the tampered block is handed on.

use bytes::Bytes;
use kittengrad_client::subscribe::{
    Bodies, BodyFault, Event, FrameFault, SubscribeError, SubscribeOptions,
};
use kittengrad_journal::FollowError;
use kittengrad_proto::{
    block::{Bitmap, BlockError, Cells, Head, Header, HeaderFields, Item},
    certificate::Role,
    id::Id,
    identity::{Heartbeat, IdentityError},
    merkle::Tree,
    namespace::Overlay,
    signed::{Signer, SigningKey},
    transaction::{Entry, Envelope, POLICY, Transaction},
    wire::{self, frame::Kind},
};
use kittengrad_support::{
    authority::{admit, authority},
    clock::unix_ms,
};

use crate::{
    fake::{Fake, Tamper},
    subscriptions::{ONCE, all, blocks, written},
    world::World,
};

/// Which block is tampered with. It has one transaction with two updates.
const HEIGHT: usize = 2;

/// Tampers with that block.
fn block(change: impl Fn(&mut wire::FrameBlock) + Send + Sync + 'static) -> Tamper {
    Box::new(move |frames| match &mut frames[HEIGHT].kind {
        Some(Kind::Block(block)) => change(block),
        other => panic!("{other:?}"),
    })
}

/// Tampers with the body of that block.
fn body(change: impl Fn(&mut wire::Body) + Send + Sync + 'static) -> Tamper {
    block(move |block| change(&mut block.bodies[0]))
}

/// Changes the block and signs it again.
fn resigned(
    fake: &Fake,
    signer: SigningKey,
    change: impl Fn(&mut HeaderFields, &mut Vec<Bytes>) + Send + Sync + 'static,
) -> Tamper {
    let overlay = fake.overlay.clone();
    block(move |block| {
        let header = Header::from_wire(block.header.clone(), &overlay).unwrap();
        let mut fields = HeaderFields {
            incarnation: header.incarnation,
            height: header.height,
            previous: header.previous,
            time_ms: header.time_ms,
            items_root: header.items_root,
            item_count: header.item_count,
            fork: header.fork,
            checkpoint: None,
            hold: header.hold,
        };
        change(&mut fields, &mut block.items);
        fields.items_root = Tree::new(block.items.iter().map(|item| &item[..])).root();
        block.header = Some(Header::sign(&overlay, &fields, &signer).signed().to_wire());
    })
}

fn flip(bytes: &Bytes) -> Bytes {
    let mut bytes = bytes.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    bytes.into()
}

/// Checks that the stream ends with the fault, and that exactly the blocks before it were handed on.
async fn check(
    name: &str,
    tamper: impl FnOnce(&World, &Fake) -> Tamper,
    is_expected: impl Fn(&FrameFault) -> bool,
) {
    let (world, client, fake) = written(5).await;
    let tamper = tamper(&world, &fake);
    *fake.tamper.lock().unwrap() = Some(tamper);
    let (events, error) = all(&client, fake.key(), ONCE).await;
    let Some(SubscribeError::Tampered(fault)) = &error else {
        panic!("{name}: {error:?}")
    };
    assert!(is_expected(fault), "{name}: {fault}");
    assert_eq!(blocks(&events).len(), HEIGHT, "{name}");
}

fn is_body(fault: &FrameFault, is_expected: impl Fn(&BodyFault) -> bool) -> bool {
    matches!(fault, FrameFault::Body { height, fault, .. } if *height == HEIGHT as u64 && is_expected(fault))
}

#[tokio::test]
async fn a_header_that_is_not_signed_by_its_owner_is_refused() {
    let signature = |_: &World, _: &Fake| {
        block(|block| {
            let header = block.header.as_mut().unwrap();
            header.signature = flip(&header.signature);
        })
    };
    check("signature", signature, |fault| {
        matches!(fault, FrameFault::Block(BlockError::Header(_)))
    })
    .await;
    check(
        "missing",
        |_, _| block(|block| block.header = None),
        |fault| matches!(fault, FrameFault::Block(BlockError::Header(_))),
    )
    .await;
    check(
        "another key",
        |_, fake| resigned(fake, SigningKey::from_seed(&[7; 32]), |_, _| {}),
        |fault| matches!(fault, FrameFault::Follow(FollowError::OtherJournal { .. })),
    )
    .await;
}

#[tokio::test]
async fn items_that_are_not_those_signed_are_refused() {
    let changed = |_: &World, _: &Fake| block(|block| block.items[0] = flip(&block.items[0]));
    check("changed", changed, |fault| {
        matches!(fault, FrameFault::Block(BlockError::Root { .. }))
    })
    .await;
    check(
        "left out",
        |_, _| block(|block| block.items.clear()),
        |fault| matches!(fault, FrameFault::Block(BlockError::Count { .. })),
    )
    .await;
}

#[tokio::test]
async fn a_block_that_does_not_continue_the_journal_is_refused() {
    let skipped =
        |_: &World, _: &Fake| -> Tamper { Box::new(|frames| drop(frames.remove(HEIGHT))) };
    check("skipped", skipped, |fault| {
        matches!(fault, FrameFault::Follow(FollowError::Skipped { .. }))
    })
    .await;
    let own = |fake: &Fake| fake.credentials.key().clone();
    check(
        "link",
        |_, fake| resigned(fake, own(fake), |fields, _| fields.previous = Id::ZERO),
        |fault| matches!(fault, FrameFault::Follow(FollowError::Link { .. })),
    )
    .await;
    check(
        "time",
        |_, fake| resigned(fake, own(fake), |fields, _| fields.time_ms = 1),
        |fault| matches!(fault, FrameFault::Follow(FollowError::TimeWentBack { .. })),
    )
    .await;
}

/// Keeps S7.
#[tokio::test]
async fn two_blocks_in_one_place_are_noticed() {
    let (_world, client, fake) = written(5).await;
    let (events, _) = all(&client, fake.key(), ONCE).await;
    let resume = blocks(&events)[HEIGHT].resume();
    let (overlay, signer) = (fake.overlay.clone(), fake.credentials.key().clone());
    *fake.tamper.lock().unwrap() = Some(Box::new(move |frames| {
        let head = Head {
            hash: Id::ZERO,
            ..resume.head
        };
        let heartbeat = Heartbeat::sign(&overlay, head, 1, &signer)
            .signed()
            .to_wire();
        *frames = vec![wire::Frame {
            kind: Some(Kind::Heartbeat(wire::FrameHeartbeat {
                heartbeat: Some(heartbeat),
                through: Vec::new(),
            })),
        }];
    }));
    let options = SubscribeOptions {
        start: kittengrad_client::subscribe::Start::Resume(resume),
        ..ONCE
    };
    let (_, error) = all(&client, fake.key(), options).await;
    let is_expected = matches!(
        &error,
        Some(SubscribeError::Tampered(FrameFault::Follow(
            FollowError::Equivocation { .. }
        )))
    );
    assert!(is_expected, "{error:?}");
}

/// Keeps S2.
#[tokio::test]
async fn a_transaction_that_is_not_the_one_listed_is_refused() {
    let forged = |_: &World, _: &Fake| {
        body(|body| {
            let transaction = body.transaction.as_mut().unwrap();
            transaction.signature = flip(&transaction.signature);
        })
    };
    check("forged", forged, |fault| {
        is_body(fault, |fault| matches!(fault, BodyFault::Transaction(_)))
    })
    .await;
    let other = |world: &World, fake: &Fake| {
        let transaction = signed(world, &fake.overlay);
        body(move |body| body.transaction = Some(transaction.signed().to_wire()))
    };
    check("other", other, |fault| {
        is_body(fault, |fault| matches!(fault, BodyFault::Other { .. }))
    })
    .await;
    check(
        "missing",
        |_, _| body(|body| body.transaction = None),
        |fault| is_body(fault, |fault| matches!(fault, BodyFault::Transaction(_))),
    )
    .await;
    check(
        "none",
        |_, _| block(|block| block.bodies.clear()),
        |fault| {
            matches!(
                fault,
                FrameFault::Bodies {
                    expected: 1,
                    found: 0,
                    ..
                }
            )
        },
    )
    .await;
}

/// Another transaction of the publisher.
fn signed(world: &World, overlay: &Overlay) -> Transaction {
    let canonical = kittengrad_proto::id::RecordId::new([5; 32]);
    let entries = vec![Entry {
        canonical,
        insert: true,
        updates: Vec::new(),
    }];
    let chain = world.publisher.chain().id();
    let envelope = Envelope {
        chain,
        policy: POLICY,
        created_ms: unix_ms(),
        nonce: [1; 16],
    };
    Transaction::sign(overlay, &envelope, entries, world.publisher.key()).unwrap()
}

#[tokio::test]
async fn a_bitmap_that_does_not_fit_is_refused_even_if_it_is_signed() {
    let tamper = |_: &World, fake: &Fake| {
        resigned(fake, fake.credentials.key().clone(), |_, items| {
            let Item::Transaction { id, cells, .. } = Item::decode(&items[0]).unwrap() else {
                panic!()
            };
            let bitmap = Bitmap::from_bytes(Bytes::from_static(&[0xff]));
            items[0] = Item::Transaction { id, bitmap, cells }.encode();
        })
    };
    check("bitmap", tamper, |fault| {
        is_body(fault, |fault| matches!(fault, BodyFault::Bitmap(_)))
    })
    .await;
}

/// Keeps S2.
#[tokio::test]
async fn a_record_that_is_not_one_of_its_elements_is_refused() {
    let changed = |_: &World, _: &Fake| body(|body| body.records[0] = flip(&body.records[0]));
    let is_record =
        |fault: &FrameFault| is_body(fault, |fault| matches!(fault, BodyFault::Record { .. }));
    check("changed", changed, is_record).await;
    check(
        "noise",
        |_, _| body(|body| body.records.push(Bytes::from_static(b"noise"))),
        is_record,
    )
    .await;
}

/// Keeps S2.
#[tokio::test]
async fn a_publisher_that_nobody_vouches_for_is_refused() {
    // The chain is on the body of the first block; in this stream no later one names it again.
    let everywhere = |change: fn(&mut wire::Body)| -> Tamper {
        Box::new(move |frames| {
            for frame in frames {
                if let Some(Kind::Block(block)) = &mut frame.kind {
                    block.bodies.iter_mut().for_each(change);
                }
            }
        })
    };
    let (_world, client, fake) = written(2).await;
    *fake.tamper.lock().unwrap() = Some(everywhere(|body| body.chain = None));
    let (events, error) = all(&client, fake.key(), ONCE).await;
    assert!(blocks(&events).is_empty());
    let is_missing = |fault: &BodyFault| matches!(fault, BodyFault::ChainMissing(_));
    assert!(
        matches!(&error, Some(SubscribeError::Tampered(FrameFault::Body { fault, .. })) if is_missing(fault)),
        "{error:?}"
    );

    check(
        "another network",
        |_, _| {
            let other = authority();
            let chain = admit(&other, Role::Client).chain().to_wire();
            body(move |body| body.chain = Some(chain.clone()))
        },
        |fault| is_body(fault, |fault| matches!(fault, BodyFault::Chain(_))),
    )
    .await;
    // A block of the source itself with a transaction by somebody who is no client.
    check(
        "no client",
        |world, fake| {
            let indexer = admit(&world.authority, Role::Indexer);
            smuggled(fake, indexer.key(), indexer.chain().clone(), unix_ms())
        },
        |fault| is_body(fault, |fault| matches!(fault, BodyFault::Vouch(_))),
    )
    .await;
    check(
        "too late",
        |world, fake| {
            smuggled(
                fake,
                world.publisher.key(),
                world.publisher.chain().clone(),
                u64::MAX,
            )
        },
        |fault| is_body(fault, |fault| matches!(fault, BodyFault::Vouch(_))),
    )
    .await;
    check(
        "another's chain",
        |world, fake| {
            let other = admit(&world.authority, Role::Client);
            smuggled(
                fake,
                other.key(),
                world.publisher.chain().clone(),
                unix_ms(),
            )
        },
        |fault| is_body(fault, |fault| matches!(fault, BodyFault::Vouch(_))),
    )
    .await;
}

/// Puts a well-signed transaction of `publisher` into a well-signed block, with `chain` to vouch for it.
fn smuggled(
    fake: &Fake,
    publisher: &dyn Signer,
    chain: kittengrad_proto::certificate::Chain,
    created_ms: u64,
) -> Tamper {
    let canonical = kittengrad_proto::id::RecordId::new([6; 32]);
    let entries = vec![Entry {
        canonical,
        insert: true,
        updates: Vec::new(),
    }];
    let envelope = Envelope {
        chain: chain.id(),
        policy: POLICY,
        created_ms,
        nonce: [2; 16],
    };
    let transaction = Transaction::sign(&fake.overlay, &envelope, entries, publisher).unwrap();
    let id = transaction.id();
    let resign = resigned(fake, fake.credentials.key().clone(), move |_, items| {
        items[0] = Item::Transaction {
            id,
            bitmap: Bitmap::new([true]),
            cells: Cells::new([true]),
        }
        .encode();
    });
    let (signed, chain) = (transaction.signed().to_wire(), chain.to_wire());
    let replace = body(move |body| {
        *body = wire::Body {
            transaction: Some(signed.clone()),
            records: Vec::new(),
            chain: Some(chain.clone()),
        };
    });
    Box::new(move |frames| {
        resign(frames);
        replace(frames);
    })
}

#[tokio::test]
async fn a_heartbeat_that_is_not_the_sources_is_refused() {
    let frame = |signed: wire::Signed| wire::Frame {
        kind: Some(Kind::Heartbeat(wire::FrameHeartbeat {
            heartbeat: Some(signed),
            through: Vec::new(),
        })),
    };
    let insert = move |signed: wire::Signed| -> Tamper {
        Box::new(move |frames| frames.insert(HEIGHT, frame(signed.clone())))
    };
    let head = |fake: &Fake| fake.head().unwrap();
    check(
        "another's",
        |_, fake| {
            let other = SigningKey::from_seed(&[7; 32]);
            insert(
                Heartbeat::sign(&fake.overlay, head(fake), 1, &other)
                    .signed()
                    .to_wire(),
            )
        },
        |fault| matches!(fault, FrameFault::OtherHeartbeat { .. }),
    )
    .await;
    check(
        "forged",
        |_, fake| {
            let mut signed = Heartbeat::sign(&fake.overlay, head(fake), 1, fake.credentials.key())
                .signed()
                .to_wire();
            signed.signature = flip(&signed.signature);
            insert(signed)
        },
        |fault| matches!(fault, FrameFault::Heartbeat(IdentityError::Signed(_))),
    )
    .await;
}

#[tokio::test]
async fn a_frame_with_nothing_in_it_is_refused() {
    check(
        "empty",
        |_, _| Box::new(|frames| frames[HEIGHT].kind = None),
        |fault| matches!(fault, FrameFault::Empty),
    )
    .await;
}

#[tokio::test]
async fn a_reader_without_bodies_notices_what_concerns_it() {
    let (_world, client, fake) = written(5).await;
    *fake.tamper.lock().unwrap() = Some(block(|block| block.items[0] = flip(&block.items[0])));
    let (events, error) = all(
        &client,
        fake.key(),
        SubscribeOptions {
            bodies: Bodies::None,
            ..ONCE
        },
    )
    .await;
    assert!(
        matches!(error, Some(SubscribeError::Tampered(FrameFault::Block(_)))),
        "{error:?}"
    );
    assert_eq!(
        events
            .iter()
            .filter(|event| matches!(event, Event::Block(_)))
            .count(),
        HEIGHT
    );
}
