//! Lookups: what several replicas say is united, and every record is what it is named.

use bytes::Bytes;
use kittengrad_client::{
    Client,
    lookup::{Consistency, LookupError},
    submit::{Draft, SubmitOptions},
};
use kittengrad_proto::{
    error::ErrorCode,
    id::{PublicKey, RecordId},
    signed::Signer,
};
use kittengrad_support::wait::soon;

use crate::{
    fake::{Fake, refusal},
    submissions::draft,
    world::World,
};

fn publisher(world: &World) -> PublicKey {
    world.publisher.key().public()
}

/// Gives each holder of the draft one of its updates, in the order of the ring: the first holder the first one, ...
fn scatter(world: &World, client: &Client, draft: &Draft) {
    let holders: Vec<_> = client
        .view()
        .holders(&draft.canonical)
        .iter()
        .map(|peer| peer.key)
        .collect();
    for (holder, update) in holders.iter().zip(&draft.updates) {
        let part = Draft {
            updates: vec![update.clone()],
            ..draft.clone()
        };
        give(world, client, world.fake(holder), &part);
    }
}

/// Gives one member a draft, and nobody else.
fn give(world: &World, client: &Client, fake: &Fake, draft: &Draft) {
    let prepared = client
        .prepare(&publisher(world), vec![draft.clone()], Default::default())
        .unwrap();
    let request = kittengrad_proto::wire::SubmitRequest {
        transaction: Some(prepared[0].transaction().signed().to_wire()),
        records: prepared[0].records().to_vec(),
        chain: Some(world.publisher.chain().to_wire()),
        ..Default::default()
    };
    fake.apply(&request).unwrap();
}

fn ids(updates: &[Bytes]) -> Vec<RecordId> {
    let mut ids: Vec<_> = updates.iter().map(|bytes| RecordId::of(bytes)).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn replicas_are_merged_as_far_as_they_were_asked() {
    let world = World::new(5).await;
    let client = world.client();
    let draft = draft(publisher(&world), 1, 3);
    scatter(&world, &client, &draft);
    for (consistency, count, complete) in [
        (Consistency::One, 1, false),
        (Consistency::Quorum, 2, true),
        (Consistency::All, 3, true),
    ] {
        let found = soon(client.lookup(&[draft.canonical], consistency, true))
            .await
            .unwrap();
        let answer = &found.answers[0];
        assert!(answer.exists);
        assert_eq!(
            answer.updates.keys().copied().collect::<Vec<_>>(),
            ids(&draft.updates[..count])
        );
        assert!(
            answer.updates.values().all(Option::is_some),
            "records of other replicas are fetched by id"
        );
        assert_eq!(answer.record, draft.insert);
        assert_eq!(
            (answer.answered_by.len(), answer.complete),
            (count, complete),
            "{consistency}"
        );
        assert_eq!(found.publishers[&publisher(&world)].name, "Tate");
    }
}

#[tokio::test]
async fn a_replica_can_be_asked_alone() {
    let world = World::new(5).await;
    let client = world.client();
    let draft = draft(publisher(&world), 1, 3);
    scatter(&world, &client, &draft);
    for (number, holder) in client.view().holders(&draft.canonical).iter().enumerate() {
        let found = soon(client.lookup_at(&holder.key, &[draft.canonical], true))
            .await
            .unwrap();
        let updates: Vec<_> = found.answers[0].updates.keys().copied().collect();
        assert_eq!(updates, ids(&draft.updates[number..=number]));
        assert_eq!(found.answers[0].answered_by[0].peer, holder.key);
    }
}

#[tokio::test]
async fn many_canonicals_are_answered_in_the_order_of_the_question() {
    let world = World::new(5).await;
    let client = world.client();
    let drafts: Vec<_> = (0..40)
        .map(|number| draft(publisher(&world), number, 1))
        .collect();
    let mut question: Vec<_> = drafts.iter().map(|draft| draft.canonical).collect();
    question.push(RecordId::new([3; 32]));
    question.push(question[0]);
    // One replica of each has it; whoever else is asked says that it does not exist there.
    soon(client.submit(&publisher(&world), drafts, SubmitOptions::default()))
        .await
        .unwrap();
    let found = soon(client.lookup(&question, Consistency::All, false))
        .await
        .unwrap();
    assert_eq!(
        found
            .answers
            .iter()
            .map(|answer| answer.canonical)
            .collect::<Vec<_>>(),
        question
    );
    assert!(
        found
            .answers
            .iter()
            .all(|answer| answer.exists == (answer.canonical != question[40]))
    );
}

#[tokio::test]
async fn a_replica_that_is_down_makes_an_answer_incomplete() {
    let mut world = World::new(3).await;
    let client = world.client();
    let draft = draft(publisher(&world), 1, 3);
    scatter(&world, &client, &draft);
    world.members[1].kill();
    let found = soon(client.lookup(&[draft.canonical], Consistency::Quorum, true))
        .await
        .unwrap();
    assert!(found.answers[0].complete);
    let found = soon(client.lookup(&[draft.canonical], Consistency::All, true))
        .await
        .unwrap();
    assert!(!found.answers[0].complete && found.answers[0].updates.len() == 2);
    for number in [0, 2] {
        world.members[number].kill();
    }
    let error = soon(client.lookup(&[draft.canonical], Consistency::One, true))
        .await
        .unwrap_err();
    assert!(matches!(error, LookupError::NoAnswer { .. }), "{error}");
}

#[tokio::test]
async fn a_replica_that_fills_is_passed_over() {
    let world = World::new(3).await;
    let client = world.client();
    let draft = draft(publisher(&world), 1, 3);
    scatter(&world, &client, &draft);
    let owner = client.view().holders(&draft.canonical)[0].key;
    world.fake(&owner).refuse_next(refusal(ErrorCode::Filling));
    let found = soon(client.lookup(&[draft.canonical], Consistency::One, true))
        .await
        .unwrap();
    assert_ne!(found.answers[0].answered_by[0].peer, owner);
    assert!(found.answers[0].updates.values().all(Option::is_some));
}

/// Keeps S2.
#[tokio::test]
async fn a_replica_that_lies_is_found_out_and_passed_over() {
    let world = World::new(3).await;
    let client = world.client();
    let draft = draft(publisher(&world), 1, 3);
    scatter(&world, &client, &draft);
    let owner = client.view().holders(&draft.canonical)[0].key;
    let lies: [fn(&mut kittengrad_proto::wire::LookupResponse); 6] = [
        |answer| answer.sets[0].record = Bytes::from_static(b"noise"),
        |answer| answer.sets[0].records[0] = answer.sets[0].record.clone(),
        |answer| answer.sets[0].updates = Bytes::from_static(&[1; 33]),
        |answer| answer.sets.clear(),
        |answer| answer.peer = Bytes::from_static(&[1; 32]),
        |answer| answer.chains[0].certificates.reverse(),
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        *world.fake(&owner).lie.lock().unwrap() = Some(lie);
        let error = soon(client.lookup_at(&owner, &[draft.canonical], true))
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("misbehaves"),
            "{number}: {error}"
        );
        let found = soon(client.lookup(&[draft.canonical], Consistency::One, true))
            .await
            .unwrap();
        assert_ne!(found.answers[0].answered_by[0].peer, owner, "{number}");
        assert!(
            found.answers[0].updates.values().all(Option::is_some),
            "{number}"
        );
    }
}

#[tokio::test]
async fn records_are_fetched_by_id_from_whoever_has_them() {
    let world = World::new(5).await;
    let client = world.client();
    let draft = draft(publisher(&world), 1, 3);
    scatter(&world, &client, &draft);
    let mut wanted = ids(&draft.updates);
    wanted.push(RecordId::new([9; 32]));
    let found = soon(client.records_of(&draft.canonical, &wanted)).await;
    assert_eq!(
        found.keys().copied().collect::<Vec<_>>(),
        ids(&draft.updates)
    );
    assert_eq!(soon(client.records(&wanted)).await, found);
}

#[tokio::test]
async fn records_that_one_answer_has_no_room_for_are_asked_for_again() {
    let world = World::new(3).await;
    let client = world.client();
    let draft = draft(publisher(&world), 1, 5);
    for member in &world.members {
        let fake = &member.fake;
        give(&world, &client, fake, &draft);
        *fake.records_max.lock().unwrap() = 2;
        *fake.lie.lock().unwrap() = Some(|answer| {
            answer.sets.iter_mut().for_each(|set| set.records.clear());
        });
    }
    let owner = client.view().holders(&draft.canonical)[0].key;
    let alone = soon(client.lookup_at(&owner, &[draft.canonical], true)).await;
    let together = soon(client.lookup(&[draft.canonical], Consistency::Quorum, true)).await;
    for found in [alone.unwrap(), together.unwrap()] {
        let answer = &found.answers[0];
        assert_eq!(
            (answer.updates.len(), answer.absent_records().count()),
            (5, 0)
        );
    }
}

#[tokio::test]
async fn a_record_outside_the_quorum_is_found() {
    let world = World::new(3).await;
    let client = world.client();
    let draft = draft(publisher(&world), 1, 1);
    let holders: Vec<_> = client
        .view()
        .holders(&draft.canonical)
        .iter()
        .map(|peer| peer.key)
        .collect();
    for holder in &holders {
        give(&world, &client, world.fake(holder), &draft);
    }
    for holder in &holders[..2] {
        let fake = world.fake(holder);
        *fake.records_max.lock().unwrap() = 0;
        *fake.lie.lock().unwrap() = Some(|answer| {
            answer.sets.iter_mut().for_each(|set| set.records.clear());
        });
    }
    let found = soon(client.lookup(&[draft.canonical], Consistency::Quorum, true))
        .await
        .unwrap();
    assert_eq!(found.answers[0].absent_records().count(), 0);
}

#[tokio::test]
async fn a_cell_that_nobody_answers_for_does_not_hide_the_others() {
    let mut world = World::new(7).await;
    let client = world.client();
    let drafts: Vec<_> = (0..40)
        .map(|number| draft(publisher(&world), number, 1))
        .collect();
    let question: Vec<_> = drafts.iter().map(|draft| draft.canonical).collect();
    soon(client.submit(&publisher(&world), drafts, SubmitOptions::default()))
        .await
        .unwrap();
    let dead: Vec<_> = client
        .view()
        .holders(&question[0])
        .iter()
        .map(|peer| peer.key)
        .collect();
    for member in &mut world.members {
        if dead.contains(&member.fake.key()) {
            member.kill();
        }
    }
    let (found, unanswered) = soon(client.lookup_each(&question, Consistency::One, false)).await;
    let silent: Vec<_> = unanswered
        .iter()
        .flat_map(|part| &part.canonicals)
        .collect();
    assert!(silent.contains(&&question[0]));
    assert!(!found.answers.is_empty());
    assert_eq!(found.answers.len() + silent.len(), question.len());
    let all = soon(client.lookup(&question, Consistency::One, false)).await;
    assert!(matches!(all, Err(LookupError::NoAnswer { .. })));
}

#[tokio::test]
async fn sets_of_any_size_are_read_page_by_page() {
    let world = World::new(1).await;
    let (client, fake) = (world.client(), &world.members[0].fake);
    let [one, two] =
        [(1, 7), (2, 4)].map(|(number, updates)| draft(publisher(&world), number, updates));
    let drafts = vec![one.clone(), two.clone()];
    let me = publisher(&world);
    let outcomes = client.submit(&me, drafts, SubmitOptions::default());
    assert!(soon(outcomes).await.unwrap()[0].result.is_ok());

    *fake.page.lock().unwrap() = 3;
    let asked = [one.canonical, two.canonical];
    let found = soon(client.lookup(&asked, Consistency::One, true))
        .await
        .unwrap();
    for (answer, draft) in found.answers.iter().zip([&one, &two]) {
        let updates: Vec<_> = answer.updates.keys().copied().collect();
        assert_eq!(updates, ids(&draft.updates));
        assert!(answer.updates.values().all(Option::is_some));
    }

    // It says that there are more for ever.
    *fake.lie.lock().unwrap() = Some(|answer| {
        for set in &mut answer.sets {
            set.more = true;
        }
    });
    let refused = soon(client.lookup_at(&fake.key(), &asked, false)).await;
    let why = refused.unwrap_err().to_string();
    assert!(why.contains("does not go on"), "{why}");
}
