//! Lookups of sets and records in a store.

use bytes::Bytes;
use kittengrad_proto::{
    error::ErrorCode,
    id::RecordId,
    limits::{GET_RECORD_MAX, LOOKUP_BYTES_MAX, LOOKUP_CANONICALS_MAX},
    wire,
};
use kittengrad_service::{
    lookup::{PageMax, get_record, lookup},
    status::Refusal,
};

use crate::world::World;

fn ask(world: &World, canonicals: &[RecordId], records: bool) -> wire::LookupResponse {
    let request = wire::LookupRequest {
        namespace: "works".to_owned(),
        canonicals: RecordId::concat(canonicals),
        records,
        after: Bytes::new(),
    };
    let own = world.owner.holder().key;
    lookup(
        &*world.store(),
        &request,
        &world.overlay,
        own,
        Some(world.tip()),
        PageMax::default(),
    )
    .unwrap()
}

#[test]
fn lookup_gives_each_set_with_its_records_and_certificates() {
    let mut world = World::new();
    world.block(&[3]);
    world.block(&[0]);
    let [with, bare] = [world.canonical(1), world.canonical(2)];
    let unknown = RecordId::of(b"unknown");
    let found = ask(&world, &[unknown, with, bare], true);
    let shape: Vec<_> = found
        .sets
        .iter()
        .map(|set| (set.exists, set.updates.len() / 32, set.records.len()))
        .collect();
    assert_eq!(shape, [(false, 0, 0), (true, 3, 3), (true, 0, 0)]);
    let set = &found.sets[1];
    assert_eq!(RecordId::of(&set.record), with);
    let named = RecordId::list_from_slice(&set.updates).unwrap();
    let came: Vec<_> = set
        .records
        .iter()
        .map(|record| RecordId::of(record))
        .collect();
    assert_eq!(named, came);
    assert_eq!(found.chains, [world.publisher.chain().to_wire()]);
    assert_eq!(found.head, Some(world.tip().head.to_wire()));
}

#[test]
fn a_lookup_without_records_gives_names_alone() {
    let mut world = World::new();
    world.block(&[3]);
    let found = ask(&world, &[world.canonical(1)], false);
    assert_eq!(
        (found.sets[0].updates.len(), found.sets[0].records.len()),
        (96, 0)
    );
    assert!(found.sets[0].record.is_empty() && found.chains.is_empty());
}

#[test]
fn records_beyond_the_limit_are_left_empty_and_can_be_fetched() {
    let mut world = World::new();
    world.large = true;
    world.block(&[60]);
    world.block(&[60]);
    world.block(&[60]);
    let canonicals = [1, 2, 3].map(|number| world.canonical(number));
    let found = ask(&world, &canonicals, true);
    let records: Vec<_> = found.sets.iter().flat_map(|set| &set.records).collect();
    assert_eq!(records.len(), 180);
    let bytes: usize = records.iter().map(|record| record.len()).sum();
    assert!(bytes <= LOOKUP_BYTES_MAX);
    let left_out = records.iter().position(|record| record.is_empty()).unwrap();
    assert!(records[left_out..].iter().all(|record| record.is_empty()));

    let mut wanted: Vec<RecordId> = found
        .sets
        .iter()
        .flat_map(|set| RecordId::list_from_slice(&set.updates).unwrap())
        .collect();
    while !wanted.is_empty() {
        let request = wire::GetRecordRequest {
            namespace: "works".to_owned(),
            digests: RecordId::concat(&wanted),
        };
        let found = get_record(&*world.store(), &request, &world.overlay)
            .unwrap()
            .records;
        let before = wanted.len();
        let mut found = found.iter();
        wanted.retain(|id| {
            found
                .next()
                .is_none_or(|record| RecordId::of(record) != *id)
        });
        assert!(
            wanted.len() < before,
            "every answer has at least one record"
        );
    }
}

/// Keeps S9.
#[test]
fn requests_over_a_limit_or_for_another_namespace_are_refused() {
    let mut world = World::new();
    world.block(&[1]);
    let own = world.owner.holder().key;
    let check = |namespace: &str, bytes: usize, expected| {
        let request = wire::LookupRequest {
            namespace: namespace.to_owned(),
            canonicals: Bytes::from(vec![0; bytes]),
            records: true,
            after: Bytes::new(),
        };
        let found = lookup(
            &*world.store(),
            &request,
            &world.overlay,
            own,
            None,
            PageMax::default(),
        );
        assert_eq!(
            found.map(|_| ()).map_err(|refusal| refusal.code()),
            expected
        );
    };
    check("works", LOOKUP_CANONICALS_MAX * 32, Ok(()));
    check(
        "works",
        LOOKUP_CANONICALS_MAX * 32 + 32,
        Err(ErrorCode::TooLarge),
    );
    check("works", 33, Err(ErrorCode::Invalid));
    check("other", 32, Err(ErrorCode::WrongNamespace));

    let request = wire::GetRecordRequest {
        namespace: "works".to_owned(),
        digests: Bytes::from(vec![0; GET_RECORD_MAX * 32 + 32]),
    };
    let refused = get_record(&*world.store(), &request, &world.overlay).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::TooLarge);
}

#[test]
fn a_set_that_does_not_fit_is_read_page_by_page() {
    let mut world = World::new();
    world.block(&[3]);
    world.block(&[5]);
    world.block(&[0]);
    let canonicals = [2, 1, 3].map(|number| world.canonical(number));
    let own = world.owner.holder().key;
    let room = PageMax {
        updates: 2,
        ..PageMax::default()
    };
    let ask = |canonicals: &[RecordId], after: &[u8]| {
        let request = wire::LookupRequest {
            namespace: "works".to_owned(),
            canonicals: RecordId::concat(canonicals),
            records: true,
            after: Bytes::copy_from_slice(after),
        };
        let (store, tip) = (world.store(), Some(world.tip()));
        lookup(&*store, &request, &world.overlay, own, tip, room).map(|found| found.sets)
    };

    let first = ask(&canonicals, &[]).unwrap();
    let shape: Vec<_> = first
        .iter()
        .map(|set| {
            (
                set.exists,
                set.updates.len() / 32,
                set.records.len(),
                set.more,
            )
        })
        .collect();
    assert_eq!(
        shape,
        [(true, 2, 2, true), (true, 0, 0, true), (true, 0, 0, false)]
    );

    let mut pages = vec![first[0].clone()];
    while let Some(page) = pages.last().filter(|page| page.more) {
        let last = &page.updates[page.updates.len() - 32..];
        let next = ask(&canonicals[..1], last).unwrap().remove(0);
        pages.push(next);
    }
    let read: Vec<_> = pages.iter().map(|page| &page.updates[..]).collect();
    let whole = ask_all(&world, canonicals[0]);
    assert_eq!((pages.len(), read.concat()), (3, whole.to_vec()));

    let code = |refused: Result<Vec<wire::Set>, Refusal>| refused.unwrap_err().code();
    assert_eq!(code(ask(&canonicals[..1], &[1; 31])), ErrorCode::Invalid);
    assert_eq!(code(ask(&canonicals, &[1; 32])), ErrorCode::Invalid);
}

fn ask_all(world: &World, canonical: RecordId) -> Bytes {
    ask(world, &[canonical], false).sets[0].updates.clone()
}
