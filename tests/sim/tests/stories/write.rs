//! Inserting and updating: acknowledgements, the disks behind them, and refusals.

use kittengrad_node_core::Refusal;
use kittengrad_overlay::quorum::Ack;

use kittengrad_sim::{About, Shape, World};

#[test]
fn acknowledged_write_is_on_a_quorum_of_disks_and_spreads() {
    for (peers, replicas) in [(1, 1), (2, 3), (3, 3), (5, 3), (5, 5), (7, 3), (7, 5)] {
        let mut c = World::booted(peers as u64, Shape::new(peers, replicas));
        for owner in c.members() {
            let name = c.name_in(owner);
            let publication = c.say(&[&name]);
            for coordinator in c.replicas(&name) {
                let submitted = c.put(coordinator, &publication);
                assert_eq!(submitted.synced[0], c.key(coordinator));
                assert!(submitted.synced.len() >= c.quorum());
                assert!(submitted.receipt.is_some());
            }
            assert!(
                c.ask_for(owner, &publication, Ack::All)
                    .unwrap()
                    .is_acknowledged
            );
        }
        c.settle();
        c.assert_nothing_is_lost();
    }
}

/// Keeps S1.
#[test]
fn acknowledged_write_survives_the_loss_of_either_disk() {
    for lost in [0, 1] {
        let mut c = World::booted(lost as u64, Shape::new(3, 3));
        c.isolate(2);
        let name = c.name();
        let publication = c.say(&[&name]);
        let submitted = c.put(0, &publication);
        assert_eq!(submitted.synced, [c.key(0), c.key(1)]);
        c.wipe(lost);
        c.heal();
        c.start(lost);
        c.settle();
        c.assert_nothing_is_lost();
    }
}

/// Keeps S11.
#[test]
fn write_without_a_quorum_is_answered_so_and_spreads_later() {
    let mut c = World::booted(1, Shape::new(3, 3));
    c.isolate(0);
    let name = c.name();
    let publication = c.say(&[&name]);
    let submitted = c.ask_for(0, &publication, Ack::Quorum).unwrap();
    assert!(!submitted.is_acknowledged);
    assert_eq!(submitted.synced, [c.key(0)]);
    assert_eq!(submitted.added.count(), 1);
    assert!(submitted.receipt.is_none());
    assert_eq!(Some(submitted.block), c.status(0).tip.map(|tip| tip.head));
    c.heal();
    c.settle();
    assert!(
        c.members()
            .into_iter()
            .all(|member| c.has(member, &publication))
    );
}

#[test]
fn a_lone_peer_is_no_quorum_unless_it_was_configured_to_be() {
    let mut c = World::booted(1, Shape::new(1, 3));
    let name = c.name();
    let publication = c.say(&[&name]);
    assert!(
        !c.ask_for(0, &publication, Ack::Quorum)
            .unwrap()
            .is_acknowledged
    );
    assert!(
        !c.ask_for(0, &publication, Ack::All)
            .unwrap()
            .is_acknowledged
    );
    assert!(
        c.ask_for(0, &publication, Ack::One)
            .unwrap()
            .is_acknowledged
    );

    let mut c = World::booted(1, Shape::new(1, 1));
    let name = c.name();
    let publication = c.say(&[&name]);
    assert!(
        c.ask_for(0, &publication, Ack::Quorum)
            .unwrap()
            .is_acknowledged
    );
}

#[test]
fn one_disk_or_all_are_enough_if_a_client_asks_so() {
    let mut c = World::booted(1, Shape::new(3, 3));
    c.crash(2);
    let name = c.name();
    let publication = c.say(&[&name]);
    let one = c.ask_for(0, &publication, Ack::One).unwrap();
    assert!(one.is_acknowledged);
    assert_eq!(one.synced, [c.key(0)]);
    let all = c.ask_for(0, &publication, Ack::All).unwrap();
    assert!(!all.is_acknowledged);
    assert_eq!(all.synced, [c.key(0), c.key(1)]);
    c.start(2);
    c.run_until("a third peer", |c| c.status(2).is_open);
    let all = c.ask_for(0, &publication, Ack::All).unwrap();
    assert!(all.is_acknowledged && all.receipt.is_some_and(|receipt| receipt.quorum == 3));
}

#[test]
fn a_replica_that_returns_in_time_completes_the_quorum() {
    let mut c = World::booted(1, Shape::new(3, 3));
    c.isolate(0);
    let name = c.name();
    let publication = c.say(&[&name]);
    let request = c.submit(0, &publication, Ack::Quorum);
    c.run_for(1_000);
    assert!(c.outcome(request).is_none());
    c.heal();
    c.run_until("the answer", |c| c.outcome(request).is_some());
    assert!(
        c.outcome(request)
            .unwrap()
            .as_ref()
            .unwrap()
            .is_acknowledged
    );
}

#[test]
fn repeat_through_another_peer_is_confirmed_and_not_journalled() {
    let mut c = World::booted(1, Shape::new(5, 3));
    let name = c.name_in(2);
    let publication = c.say(&[&name]);
    let first = c.put(2, &publication);
    assert_eq!(first.added.count(), 1);
    assert_eq!(first.created.len(), 1);
    let second = c.put(3, &publication);
    assert_eq!(second.added.count(), 0);
    assert!(second.created.is_empty() && second.receipt.is_some());
    c.settle();
    for member in c.replicas(&name) {
        assert_eq!(c.listings(member, publication.id()), 1);
    }
    // Two of three replicas have had it for long, but they are down and cannot confirm.
    c.run_for(1_000);
    c.crash(1);
    c.crash(2);
    assert!(
        !c.ask_for(3, &publication, Ack::Quorum)
            .unwrap()
            .is_acknowledged
    );
}

#[test]
fn repeat_through_the_same_peer_is_told_what_was_new_at_first() {
    let mut c = World::booted(1, Shape::new(3, 3));
    let name = c.name();
    let publication = c.say(&[&name]);
    let first = c.put(0, &publication);
    assert_eq!((first.added.count(), first.created.len()), (1, 1));
    // The client repeats the request, as if the first answer was lost.
    let again = c.put(0, &publication);
    assert_eq!(again.added, first.added);
    assert_eq!(again.created, first.created);
    assert_eq!(c.listings(0, publication.id()), 1);
}

#[test]
fn a_request_that_joins_another_is_confirmed_again() {
    let mut c = World::booted(1, Shape::new(3, 3));
    c.crash(2);
    let name = c.name();
    let publication = c.say(&[&name]);
    // This request waits for a disk that is down, long after the second disk confirmed.
    let all = c.submit(0, &publication, Ack::All);
    c.run_for(1_000);
    let quorum = c.submit(0, &publication, Ack::Quorum);
    c.run_for(1_000);
    assert!(c.outcome(all).is_none());
    let submitted = c.outcome(quorum).cloned().expect("an answer").unwrap();
    assert!(submitted.is_acknowledged);
    assert_eq!(submitted.synced, [c.key(0), c.key(1)]);
}

#[test]
fn joining_request_does_not_count_earlier_confirmations() {
    let mut c = World::booted(1, Shape::new(3, 3));
    c.crash(2);
    let name = c.name();
    let publication = c.say(&[&name]);
    // This request waits for a disk that is down, long after the second disk confirmed.
    let all = c.submit(0, &publication, Ack::All);
    c.run_for(1_000);
    c.crash(1);
    let quorum = c.submit(0, &publication, Ack::Quorum);
    c.run_until("both answers", |c| {
        c.outcome(quorum).is_some() && c.outcome(all).is_some()
    });
    let submitted = c.outcome(quorum).cloned().unwrap().unwrap();
    assert!(!submitted.is_acknowledged);
    assert_eq!(submitted.synced, [c.key(0)]);
}

#[test]
fn lost_disk_confirms_anew_what_it_confirmed_before() {
    let mut shape = Shape::new(3, 3);
    shape.timing.ack_ms = 5 * shape.timing.suspicion_ms;
    let mut c = World::booted(1, shape);
    c.crash(2);
    let name = c.name();
    let publication = c.say(&[&name]);
    let all = c.submit(0, &publication, Ack::All);
    c.run_for(100);
    assert_eq!(c.bodies(1, &publication), (1, 0));
    c.wipe(1);
    c.start(1);
    c.run_until("the second push", |c| c.bodies(1, &publication).0 == 2);
    assert!(c.outcome(all).is_none());
    c.start(2);
    c.run_until("the answer", |c| c.outcome(all).is_some());
    assert!(c.outcome(all).cloned().unwrap().unwrap().is_acknowledged);
    c.settle();
}

#[test]
fn known_element_is_proved_by_the_transaction_that_added_it() {
    let mut c = World::booted(1, Shape::new(3, 3));
    let name = c.name();
    let about = |updates: &[&str]| About {
        name: name.clone(),
        inserts: true,
        updates: updates.iter().map(|text| (*text).to_owned()).collect(),
    };
    let first = c.say_all(vec![about(&["a", "b"])]);
    let same = c.say_all(vec![about(&["a"])]);
    let more = c.say_all(vec![about(&["b", "c"])]);
    c.put(0, &first);
    let submitted = c.put(1, &same);
    assert_eq!(submitted.added.count(), 0);
    let proof = &submitted.receipt.unwrap().confirmations[0].proofs[0];
    assert_eq!(
        proof.transaction.as_ref().map(|other| other.id()),
        Some(first.id())
    );
    assert_eq!(c.put(2, &more).added.count(), 1);
    c.settle();
    assert_eq!(c.elements(0).len(), 3);
    assert_eq!(c.listings(0, same.id()), 0);
}

#[test]
fn a_transaction_of_several_cells_needs_a_quorum_in_each() {
    let mut c = World::booted(1, Shape::new(5, 3));
    let (before, after) = (c.name_in(1), c.name_in(3));
    let publication = c.say(&[&before, &after]);
    let submitted = c.put(2, &publication);
    assert_eq!(submitted.receipt.unwrap().cells.len(), 2);
    c.settle();
    // Only 2 is left of the cell of 3; the cell of 1 is whole.
    c.crash(3);
    c.crash(4);
    let (before, after) = (c.name_in(1), c.name_in(3));
    let publication = c.say(&[&before, &after]);
    let submitted = c.ask_for(2, &publication, Ack::Quorum).unwrap();
    assert!(!submitted.is_acknowledged);
    assert_eq!(submitted.synced.len(), 3);
    c.start_all();
    c.settle();
}

#[test]
fn peer_refuses_a_canonical_outside_its_arcs_and_lone_updates() {
    let mut c = World::booted(1, Shape::new(5, 3));
    let (here, there) = (c.name_in(0), c.name_in(2));
    let publication = c.say(&[&here, &there]);
    let refused = Refusal::NotResponsible(kittengrad_sim::canonical(&there));
    assert_eq!(c.ask_for(0, &publication, Ack::Quorum), Err(refused));
    let update = About {
        name: here.clone(),
        inserts: false,
        updates: vec!["it is blue".to_owned()],
    };
    let update = c.say_all(vec![update]);
    let refused = Refusal::UnknownCanonical(kittengrad_sim::canonical(&here));
    assert_eq!(c.ask_for(0, &update, Ack::Quorum), Err(refused));
    let insert = c.say(&[&here]);
    c.put(0, &insert);
    c.put(0, &update);
    assert!(
        c.members()
            .iter()
            .all(|member| c.listings(*member, publication.id()) == 0)
    );
}

/// Keeps S8.
#[test]
fn a_full_disk_takes_no_writes_until_there_is_room_again() {
    let mut c = World::booted(1, Shape::new(3, 3));
    c.set_space(2, false);
    let name = c.name();
    let publication = c.say(&[&name]);
    assert_eq!(c.ask_for(2, &publication, Ack::One), Err(Refusal::DiskFull));
    // The other peers go on. The full one refuses their pushes and fetches nothing.
    assert_eq!(c.put(0, &publication).synced, [c.key(0), c.key(1)]);
    c.run_for(10_000);
    assert!(!c.has(2, &publication));
    assert_eq!(c.bodies(2, &publication), (1, 0));
    c.set_space(2, true);
    c.settle();
    assert_eq!(c.bodies(2, &publication), (1, 1));
}

/// Keeps S1.
#[test]
fn a_crash_between_any_two_steps_of_a_driver_breaks_no_promise() {
    for victim in [0, 1] {
        for steps in 0..24 {
            let mut c = World::booted(steps, Shape::new(3, 3));
            let names = [c.name(), c.name(), c.name()];
            let publications = names.each_ref().map(|name| c.say(&[name]));
            c.crash_after(victim, steps);
            let requests = publications
                .each_ref()
                .map(|publication| c.submit(0, publication, Ack::Quorum));
            c.run_for(3_000);
            if !c.is_up(victim) {
                c.start(victim);
            }
            c.settle();
            c.assert_nothing_is_lost();
            let is_here = publications
                .iter()
                .filter(|publication| c.has(2, publication))
                .count();
            let answers = requests.map(|request| c.outcome(request).cloned());
            assert!(is_here >= answers.iter().flatten().count());
            assert!(
                answers
                    .into_iter()
                    .flatten()
                    .all(|answer| answer.unwrap().is_acknowledged)
            );
        }
    }
}
