//! Requests that wait: which confirmations count for each, and the quorum.

use std::{collections::BTreeSet, sync::Arc};

use kittengrad_overlay::{change::Change, quorum::Ack, view::Cell};
use kittengrad_plants::Plants;
use kittengrad_proto::{
    block::Bitmap,
    id::{Id, PublicKey, RecordId},
    signed::Signer as _,
};
use kittengrad_support::journals::{FakeKey, submission};

use crate::{
    fixtures::{identity, keys, view_of},
    io::{Now, RequestId, Timing},
    write::acks::{Acks, Added, Ask, Joined, Waiting},
};

const ME: PublicKey = PublicKey::new([1; 32]);
const OTHER: PublicKey = PublicKey::new([2; 32]);

fn ask(request: RequestId, ack: Ack) -> Ask {
    let now = Now {
        monotonic_ms: 1_000,
        wall_ms: 7,
    };
    Ask::new(request, ack, false, now, Timing::DEFAULT)
}

/// The result of a transaction that added an element and created so many canonicals.
pub(super) fn added(created: usize) -> Added {
    Added {
        bitmap: Bitmap::new([true]),
        created: vec![RecordId::new([1; 32]); created],
    }
}

fn waiting(nonce: u8, cells: BTreeSet<Cell>) -> Waiting {
    let submission = submission(nonce, &[(u64::from(nonce), true, Vec::new())]);
    let chain = Arc::new(identity(FakeKey(1)).chain);
    Waiting::new(ask(1, Ack::Quorum), submission, chain, added(1), cells)
}

/// Lets the transaction with this nonce wait.
pub(super) fn begin(acks: &mut Acks, nonce: u8) -> Id {
    let waiting = waiting(nonce, BTreeSet::new());
    let id = waiting.submission.transaction.id();
    acks.begin(waiting);
    id
}

pub(super) fn join(acks: &mut Acks, id: Id, request: RequestId) -> Option<bool> {
    let joined = acks.join(id, ask(request, Ack::Quorum), Plants::NONE)?;
    Some(matches!(joined, Joined::Waits(_)))
}

/// The members that confirmed since each request.
fn confirmed(waiting: &Waiting) -> Vec<Vec<PublicKey>> {
    let asks = waiting.asks.iter();
    asks.map(|ask| waiting.confirmed_for(ask).into_keys().collect())
        .collect()
}

#[test]
fn a_request_counts_the_confirmations_after_it() {
    let mut acks = Acks::default();
    let id = begin(&mut acks, 1);
    let waiting = acks.get_mut(&id).unwrap();
    assert!(waiting.lacks(ME) && waiting.lacks(OTHER));
    waiting.confirm(ME, Vec::new());
    waiting.confirm(OTHER, Vec::new());
    assert!(!waiting.lacks(ME) && !waiting.lacks(OTHER));
    assert_eq!(join(&mut acks, id, 2), Some(true));
    let waiting = acks.get_mut(&id).unwrap();
    assert_eq!(confirmed(waiting), [vec![ME, OTHER], vec![]]);
    assert!(waiting.lacks(ME) && waiting.lacks(OTHER));
    waiting.confirm(OTHER, Vec::new());
    assert_eq!(confirmed(waiting), [vec![ME, OTHER], vec![OTHER]]);
    assert!(waiting.lacks(ME) && !waiting.lacks(OTHER));
    waiting.forget(OTHER);
    assert_eq!(confirmed(waiting), [vec![ME], vec![]]);
    assert!(waiting.lacks(OTHER) && waiting.proofs(OTHER).is_none());
}

#[test]
fn a_quorum_is_needed_in_every_cell() {
    let all = keys(7);
    let view = view_of(all[3], &all, 3);
    // The cells of the members before and after this peer.
    let cells = [2, 4].map(|number: usize| view.cell(&all[number].public()).unwrap());
    let change = Change::none(view);
    for (ack, members, expected) in [
        (Ack::One, vec![], false),
        (Ack::One, vec![2], false),
        (Ack::One, vec![3], true),
        (Ack::Quorum, vec![3], false),
        (Ack::Quorum, vec![2, 3], false),
        (Ack::Quorum, vec![1, 2, 3], false),
        (Ack::Quorum, vec![2, 3, 5], true),
        (Ack::Quorum, vec![0, 3, 6], false),
        (Ack::All, vec![1, 2, 3, 4], false),
        (Ack::All, vec![1, 2, 3, 4, 5], true),
    ] {
        let mut waiting = waiting(1, cells.into());
        for member in &members {
            let member: usize = *member;
            waiting.confirm(all[member].public(), Vec::new());
        }
        let is_reached = waiting.is_reached(&ask(1, ack), &change, Plants::NONE);
        assert_eq!(is_reached, expected, "{ack:?} {members:?}");
    }
}

#[test]
fn a_request_joins_with_this_peers_own_confirmation_to_come() {
    let mut acks = Acks::default();
    let id = begin(&mut acks, 1);
    acks.take_fresh();
    join(&mut acks, id, 2);
    assert_eq!(acks.take_fresh(), [id].into());
    let transaction = Arc::clone(&acks.get(&id).unwrap().submission.transaction);
    acks.owe(ME, Arc::clone(&transaction));
    acks.owe(OTHER, transaction);
    let owed: Vec<_> = acks.take_owed().into_iter().map(|(to, _)| to).collect();
    assert_eq!(owed, [ME, OTHER]);
    assert!(acks.take_owed().is_empty());
}

#[test]
fn a_request_waits_for_the_time_of_its_quorum() {
    let deadline_ms = 1_000 + Timing::DEFAULT.ack_ms;
    assert_eq!(ask(1, Ack::One).deadline_ms, deadline_ms);
}
