//! Submitting: signed once, sent until acknowledged, the same bytes every time.

use std::{collections::BTreeSet, sync::Arc};

use kittengrad_client::{
    Client,
    config::Timeouts,
    submit::{Ack, Draft, GroupLimits, SendError, SubmitError, SubmitOptions},
};
use kittengrad_proto::{
    certificate::Role,
    condition::Condition,
    error::ErrorCode,
    id::{PublicKey, RecordId},
    record::{Canonical, CanonicalType, Record, Update},
    signed::Signer,
};
use kittengrad_support::{
    authority::{admit, authority},
    wait::soon,
};

use crate::{
    fake::{Fake, refusal},
    serve::Server,
    world::{TIMEOUTS, World},
};

/// A work by its number.
pub(crate) fn work(number: usize) -> Record {
    Record::Canonical(Canonical::identified(
        CanonicalType::Artefact,
        format!("test:work:{number}"),
    ))
}

/// A draft that inserts a work and says so many things about it.
pub(crate) fn draft(publisher: PublicKey, number: usize, updates: u64) -> Draft {
    let mut draft = Draft::insert(&work(number)).unwrap();
    for timestamp_ms in 1..=updates {
        let update = Update {
            reference: draft.canonical,
            publisher,
            timestamp_ms,
            name: Some(format!("work {number}")),
            meta: Default::default(),
            previous: Vec::new(),
            links: Vec::new(),
            salt: None,
        };
        draft.updates.push(Record::Update(update).encode().unwrap());
    }
    draft
}

fn publisher(world: &World) -> PublicKey {
    world.publisher.key().public()
}

/// The fakes that hold the canonical, owner first.
fn holders<'a>(world: &'a World, client: &Client, canonical: &RecordId) -> Vec<&'a Arc<Fake>> {
    let keys: Vec<_> = client
        .view()
        .holders(canonical)
        .iter()
        .map(|peer| peer.key)
        .collect();
    keys.iter().map(|key| world.fake(key)).collect()
}

fn seen(fake: &Fake) -> usize {
    fake.seen.lock().unwrap().len()
}

#[tokio::test]
async fn a_bulk_load_is_signed_once_per_cell() {
    let world = World::new(5).await;
    let client = world.client();
    let drafts: Vec<_> = (0..60)
        .map(|number| draft(publisher(&world), number, 2))
        .collect();
    let outcomes = soon(client.submit(&publisher(&world), drafts, SubmitOptions::default()))
        .await
        .unwrap();
    assert!(outcomes.len() <= 5);
    let view = client.view();
    let mut elements = BTreeSet::new();
    for outcome in &outcomes {
        let submitted = outcome.result.as_ref().unwrap();
        assert!(submitted.acknowledged);
        for element in outcome.transaction.elements() {
            assert!(view.holds(&submitted.peer, &element.canonical));
            elements.insert(element);
        }
    }
    assert_eq!(elements.len(), 120);
}

#[tokio::test]
async fn a_replica_that_is_down_is_passed_over_with_the_same_bytes() {
    let mut world = World::new(3).await;
    let client = world.client();
    let draft = draft(publisher(&world), 1, 1);
    let owner = client.view().holders(&draft.canonical)[0].key;
    let prepared = client
        .prepare(&publisher(&world), vec![draft], GroupLimits::default())
        .unwrap();
    let number = world
        .members
        .iter()
        .position(|member| member.fake.key() == owner)
        .unwrap();
    world.members[number].kill();

    let submitted = soon(client.send(&prepared[0], SubmitOptions::default()))
        .await
        .unwrap();
    assert_ne!(submitted.peer, owner);
    let taken = world.fake(&submitted.peer).seen.lock().unwrap();
    assert_eq!(
        taken[0].transaction,
        Some(prepared[0].transaction().signed().to_wire())
    );
}

/// Keeps S11.
#[tokio::test]
async fn replicas_that_cannot_now_are_asked_again_until_one_can() {
    let world = World::new(3).await;
    let client = world.client();
    for fake in world.members.iter().map(|member| &member.fake) {
        for code in [
            ErrorCode::Filling,
            ErrorCode::Starting,
            ErrorCode::Overloaded,
        ] {
            fake.refuse_next(refusal(code));
        }
    }
    let drafts = vec![draft(publisher(&world), 1, 1)];
    let outcomes = soon(client.submit(&publisher(&world), drafts, SubmitOptions::default()))
        .await
        .unwrap();
    assert!(outcomes[0].result.as_ref().unwrap().acknowledged);
    let requests: Vec<_> = world
        .members
        .iter()
        .flat_map(|member| member.fake.seen.lock().unwrap().clone())
        .collect();
    assert_eq!(requests.len(), 10, "nine refusals and one that was taken");
    assert!(
        requests
            .iter()
            .all(|request| request.transaction == requests[0].transaction)
    );
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_once_and_not_carried_around() {
    let world = World::new(3).await;
    let client = world.client();
    let draft = draft(publisher(&world), 1, 1);
    let holders = holders(&world, &client, &draft.canonical);
    holders[0].refuse_next(refusal(ErrorCode::Invalid));
    let outcomes = soon(client.submit(&publisher(&world), vec![draft], SubmitOptions::default()))
        .await
        .unwrap();
    let Err(SendError::Refused(error)) = &outcomes[0].result else {
        panic!("{:?}", outcomes[0].result)
    };
    assert_eq!(error.code(), Some(ErrorCode::Invalid));
    assert_eq!(
        holders.iter().map(|fake| seen(fake)).collect::<Vec<_>>(),
        [1, 0, 0]
    );
}

#[tokio::test]
async fn a_canonical_that_no_replica_knows_is_an_error_at_once() {
    let world = World::new(3).await;
    let client = world.client();
    for member in &world.members {
        member
            .fake
            .refuse_next(refusal(ErrorCode::UnknownCanonical));
    }
    let drafts = vec![draft(publisher(&world), 1, 1)];
    let outcomes = soon(client.submit(&publisher(&world), drafts, SubmitOptions::default()))
        .await
        .unwrap();
    let Err(SendError::Exhausted { last, .. }) = &outcomes[0].result else {
        panic!("{:?}", outcomes[0].result)
    };
    assert_eq!(last.code(), Some(ErrorCode::UnknownCanonical));
    assert!(last.to_string().contains("kittengrad put"), "{last}");
}

#[tokio::test]
async fn peers_with_another_clock_are_skipped_with_a_hint() {
    let world = World::new(3).await;
    let client = world.client();
    let me = publisher(&world);
    let submit = |number| {
        let drafts = vec![draft(me, number, 1)];
        soon(client.submit(&me, drafts, SubmitOptions::default()))
    };
    let owner = holders(&world, &client, &draft(publisher(&world), 1, 0).canonical)[0];
    owner.refuse_next(refusal(ErrorCode::NotFresh));
    let outcome = submit(1).await.unwrap().remove(0);
    assert!(outcome.result.unwrap().acknowledged);

    for member in &world.members {
        member.fake.refuse_next(refusal(ErrorCode::NotFresh));
    }
    let outcome = submit(2).await.unwrap().remove(0);
    let why = outcome.result.unwrap_err().to_string();
    assert!(why.contains("check the clock"), "{why}");
}

#[tokio::test]
async fn a_chain_is_sent_once_per_connection_unless_unknown() {
    let world = World::new(1).await;
    let (client, fake) = (world.client(), &world.members[0].fake);
    for number in 0..3 {
        let drafts = vec![draft(publisher(&world), number, 1)];
        let done = soon(client.submit(&publisher(&world), drafts, SubmitOptions::default()))
            .await
            .unwrap();
        assert!(done[0].result.is_ok());
    }
    let with_chain = || {
        fake.seen
            .lock()
            .unwrap()
            .iter()
            .map(|r| r.chain.is_some())
            .collect::<Vec<_>>()
    };
    assert_eq!(with_chain(), [true, false, false]);

    fake.log.lock().unwrap().chains.clear();
    let drafts = vec![draft(publisher(&world), 9, 1)];
    let done = soon(client.submit(&publisher(&world), drafts, SubmitOptions::default()))
        .await
        .unwrap();
    assert!(done[0].result.is_ok());
    assert_eq!(with_chain()[3..], [false, true]);
}

#[tokio::test]
async fn a_repeat_adds_nothing_and_is_acknowledged() {
    let world = World::new(1).await;
    let client = world.client();
    let prepared = client.prepare(
        &publisher(&world),
        vec![draft(publisher(&world), 1, 3)],
        GroupLimits::default(),
    );
    let prepared = &prepared.unwrap()[0];
    let first = soon(client.send(prepared, SubmitOptions::default()))
        .await
        .unwrap();
    let again = soon(client.send(prepared, SubmitOptions::default()))
        .await
        .unwrap();
    assert_eq!((first.added.count(), again.added.count()), (3, 0));
    assert_eq!((first.created.len(), again.created.len()), (1, 0));
    assert!(again.acknowledged);
}

#[tokio::test]
async fn a_write_on_too_few_disks_is_repeated_then_reported() {
    let world = World::new(3).await;
    let client = world.client_with(
        &world.file(0..3),
        Timeouts {
            write_ms: 2_000,
            ..TIMEOUTS
        },
    );
    for member in &world.members {
        *member.fake.acknowledges.lock().unwrap() = false;
    }
    let drafts = vec![draft(publisher(&world), 1, 1)];
    let outcomes = soon(client.submit(&publisher(&world), drafts, SubmitOptions::default()))
        .await
        .unwrap();
    let submitted = outcomes[0].result.as_ref().unwrap();
    assert!(!submitted.acknowledged && submitted.synced.len() == 1);
    assert!(
        world.members.iter().all(|member| seen(&member.fake) >= 1),
        "every replica was tried"
    );
}

#[tokio::test]
async fn a_write_is_new_even_if_a_repeat_acknowledges_it() {
    let world = World::new(1).await;
    let (client, fake) = (world.client(), &world.members[0].fake);
    *fake.doubts.lock().unwrap() = 2;
    let drafts = vec![draft(publisher(&world), 1, 3)];
    let outcomes = soon(client.submit(&publisher(&world), drafts, SubmitOptions::default()))
        .await
        .unwrap();
    let submitted = outcomes[0].result.as_ref().unwrap();
    assert!(submitted.acknowledged && seen(fake) == 3);
    assert_eq!((submitted.added.count(), submitted.created.len()), (3, 1));
}

#[tokio::test]
async fn a_ring_that_grew_is_learnt_from_whoever_is_not_responsible() {
    let world = World::new(6).await;
    let client = world.client_of(&world.file(0..5));
    // A work that the sixth member owns, which the client does not know.
    let all = world.file(0..6).view().unwrap();
    let newcomer = world.members[5].fake.key();
    let number = (0..).find(|number| {
        let canonical = Draft::insert(&work(*number)).unwrap().canonical;
        all.holders(&canonical)[0].key == newcomer
    });
    let draft = draft(publisher(&world), number.unwrap(), 1);
    let canonical = draft.canonical;
    for fake in holders(&world, &client, &canonical) {
        fake.refuse_next(refusal(ErrorCode::NotResponsible));
    }
    let outcomes = soon(client.submit(&publisher(&world), vec![draft], SubmitOptions::default()))
        .await
        .unwrap();
    assert!(outcomes[0].result.is_ok(), "{:?}", outcomes[0].result);
    assert_eq!(client.view().peers().count(), 6);
    assert_eq!(client.route(&canonical).replicas[0].key, newcomer);
}

#[tokio::test]
async fn a_group_that_nobody_holds_any_more_is_signed_anew() {
    let world = World::new(6).await;
    let client = world.client_of(&world.file(0..3));
    let drafts: Vec<_> = (0..40)
        .map(|number| draft(publisher(&world), number, 1))
        .collect();
    for member in &world.members[..3] {
        member.fake.refuse_next(refusal(ErrorCode::NotResponsible));
    }
    let outcomes = soon(client.submit(&publisher(&world), drafts, SubmitOptions::default()))
        .await
        .unwrap();
    assert!(outcomes.len() > 1 && outcomes.iter().all(|outcome| outcome.result.is_ok()));
    let elements: BTreeSet<_> = outcomes
        .iter()
        .flat_map(|outcome| outcome.transaction.elements().collect::<Vec<_>>())
        .collect();
    assert_eq!(elements.len(), 40);
}

#[tokio::test]
async fn nothing_is_sent_that_every_peer_would_refuse() {
    let world = World::new(1).await;
    let client = world.client();
    let stranger = PublicKey::new([7; 32]);
    let own = publisher(&world);
    let submit = async |key: PublicKey, draft: Draft| {
        soon(client.submit(&key, vec![draft], SubmitOptions::default()))
            .await
            .unwrap_err()
    };
    assert_eq!(
        submit(stranger, draft(own, 1, 1)).await,
        SubmitError::Publisher(stranger)
    );
    assert!(matches!(
        submit(own, draft(stranger, 1, 1)).await,
        SubmitError::Mismatch { .. }
    ));
    let other = Draft {
        canonical: RecordId::new([1; 32]),
        ..draft(own, 1, 1)
    };
    assert!(matches!(
        submit(own, other).await,
        SubmitError::Mismatch { .. }
    ));
    let noise = Draft {
        updates: vec!["noise".into()],
        ..draft(own, 1, 0)
    };
    assert!(matches!(
        submit(own, noise).await,
        SubmitError::Record { .. }
    ));
    assert_eq!(seen(&world.members[0].fake), 0);
}

/// Keeps S10.
#[tokio::test]
async fn whoever_shows_another_certificate_is_not_spoken_to() {
    let mut world = World::new(1).await;
    let fake = Arc::clone(&world.members[0].fake);
    let shown = [
        admit(&world.authority, Role::Peer),
        admit(&world.authority, Role::Aggregator),
        admit(&authority(), Role::Peer),
    ];
    for shown in shown {
        world.members[0] = Server::start_showing(Arc::clone(&fake), &shown).await;
        let error = soon(world.client().head_of(&fake.key())).await.unwrap_err();
        assert!(error.to_string().contains("cannot be reached"), "{error}");
    }
    assert_eq!(seen(&fake), 0);
}

#[tokio::test]
async fn members_report_their_heads_and_the_dead_are_unreachable() {
    let mut world = World::new(3).await;
    let client = world.client();
    let drafts = vec![draft(publisher(&world), 1, 2)];
    let outcomes = soon(client.submit(&publisher(&world), drafts, SubmitOptions::default()))
        .await
        .unwrap();
    let taker = outcomes[0].result.as_ref().unwrap().peer;
    let dead = world
        .members
        .iter()
        .position(|member| member.fake.key() != taker)
        .unwrap();
    world.members[dead].kill();
    let dead = world.members[dead].fake.key();
    for report in soon(client.reports()).await {
        let expected = if report.identity.key == taker {
            assert_eq!(report.journal.unwrap().elements, 2);
            Condition::Settled
        } else if report.identity.key == dead {
            Condition::Unreachable
        } else {
            Condition::Starting
        };
        assert_eq!(report.condition, expected);
    }
}

#[tokio::test]
async fn a_receipt_below_a_quorum_is_refused() {
    let world = World::new(1).await;
    let client = world.client();
    let me = publisher(&world);
    let submit = |ack| {
        let draft = draft(me, 1, 1);
        let options = SubmitOptions {
            ack,
            receipt: true,
            ..SubmitOptions::default()
        };
        soon(client.submit(&me, vec![draft], options))
    };
    let outcome = submit(Ack::One).await.unwrap().remove(0);
    assert!(outcome.result.unwrap().receipt.is_some());
    let refused = submit(Ack::Quorum).await.unwrap().remove(0).result;
    let why = refused.unwrap_err().to_string();
    assert!(why.contains("misbehaves"), "{why}");
}
