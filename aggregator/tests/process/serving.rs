//! The services of an aggregator: journal, lookups, submissions and the ring.

use kittengrad_proto::{
    error::{ErrorCode, ErrorDetail},
    id::RecordId,
    wire,
};
use kittengrad_support::samples::canonical;
use tonic::Code;

use crate::network::World;

/// Twenty canonicals: some in every cell.
fn all_over() -> Vec<(u8, u8)> {
    (0..20).map(|number| (number, number % 4)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_emitted_once_and_can_be_looked_up() {
    let mut world = World::new(5).await;
    let mut expected = Vec::new();
    for entry in all_over() {
        expected.extend(world.publish(&[entry]));
    }
    // A transaction that spans all cells: no source holds all of it.
    expected.extend(world.publish(&all_over().iter().map(|(n, _)| (*n, 1)).collect::<Vec<_>>()));
    let running = world.start().await;
    world.until_emitted(&expected).await;
    running.until_ready(true).await;

    let blocks = world.read().await;
    let mut ids: Vec<_> = blocks
        .iter()
        .flat_map(|b| &b.entries)
        .map(|entry| entry.transaction.id())
        .collect();
    let items = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(
        (ids.len(), items),
        (21, 22),
        "a part from each of two sources"
    );
    assert!(blocks.iter().flat_map(|b| &b.entries).all(|entry| {
        entry
            .added
            .iter()
            .filter_map(|element| element.update)
            .all(|id| entry.records.contains_key(&id))
    }));

    let canonicals: Vec<_> = (0..20)
        .map(|n| RecordId::of(&canonical(n).encode().unwrap()))
        .collect();
    let request = wire::LookupRequest {
        namespace: "works".to_owned(),
        canonicals: RecordId::concat(&canonicals),
        records: true,
        ..wire::LookupRequest::default()
    };
    let mut store = world.client.member(&world.aggregator).unwrap().store();
    let found = store.lookup(request).await.unwrap().into_inner();
    assert!(
        found
            .sets
            .iter()
            .all(|set| set.exists && !set.record.is_empty())
    );
    let updates: usize = found
        .sets
        .iter()
        .map(|set| set.records.iter().filter(|r| !r.is_empty()).count())
        .sum();
    assert_eq!(updates, 30 + 20);
    assert_eq!(found.chains, [world.publisher.chain().to_wire()]);

    let status = running.status().await;
    assert_eq!(status["complete"], true);
    assert_eq!(status["elements"], expected.len());
    assert_eq!(
        status["sources"].as_array().map(Vec::len),
        Some(2),
        "ceil(5/3) sources"
    );
    assert!(
        running
            .page("/metrics")
            .await
            .1
            .contains("kittengrad_ready 1")
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_later_comes_too() {
    let mut world = World::new(3).await;
    let running = world.start().await;
    running.until_ready(true).await;
    let mut expected = Vec::new();
    for number in 0..10 {
        expected.extend(world.publish(&[(number, 2)]));
    }
    world.until_emitted(&expected).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_is_refused_with_those_who_take_it() {
    let mut world = World::new(5).await;
    let running = world.start().await;
    let submission = world.transact(&[(1, 1)]);
    let asked = submission.transaction.entries()[0].canonical;
    let request = wire::SubmitRequest {
        namespace: "works".to_owned(),
        transaction: Some(submission.transaction.signed().to_wire()),
        records: submission.records.into_values().collect(),
        ..wire::SubmitRequest::default()
    };
    let mut store = world.client.member(&world.aggregator).unwrap().store();
    let refused = store.submit(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let detail = ErrorDetail::decode(refused.details(), &world.overlay).unwrap();
    assert_eq!(detail.code, ErrorCode::NotResponsible);
    let named: Vec<_> = detail.responsible[0]
        .peers
        .iter()
        .map(|peer| peer.key)
        .collect();
    assert_eq!(named, world.client.view().keys_holding(&asked));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ring_is_told_with_what_is_known_of_the_sources() {
    let world = World::new(5).await;
    let running = world.start().await;
    running.until_ready(true).await;
    let mut routing = world.client.member(&world.aggregator).unwrap().routing();
    let request = wire::GetRingRequest {
        namespace: "works".to_owned(),
    };
    let ring = routing.get_ring(request).await.unwrap().into_inner();
    assert_eq!(
        (ring.members.len(), ring.aggregators.len(), ring.replicas),
        (5, 1, 3)
    );
    assert_eq!(ring.statuses.len(), 3, "the aggregator and two sources");
    assert!(
        ring.statuses
            .iter()
            .all(|status| status.state == "settled" && status.head.is_some())
    );
    running.stop().await;
}
