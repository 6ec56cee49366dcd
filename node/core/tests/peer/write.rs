//! Inserting and updating: what is acknowledged, by whom, and what a client is told when it is not.

use kittengrad_node_core::Ack;

use crate::cluster::{Cluster, Shape};

#[test]
fn an_acknowledged_transaction_is_on_a_quorum_of_disks_and_reaches_all() {
    for (peers, replicas) in [(1, 1), (2, 3), (3, 3), (5, 3), (5, 5), (7, 3), (7, 5)] {
        let mut c = Cluster::booted(peers as u64, Shape::new(peers, replicas));
        for owner in c.members() {
            let name = c.name_in(owner);
            let said = c.say(&[&name]);
            for coordinator in c.replicas(&name) {
                let submitted = c.put(coordinator, &said);
                assert_eq!(submitted.synced[0], c.key(coordinator));
                assert!(submitted.synced.len() >= c.quorum());
                assert!(submitted.receipt.is_some());
            }
            assert!(c.ask(owner, &said, Ack::All).unwrap().is_acknowledged);
        }
        c.settle();
        c.assert_nothing_is_lost();
    }
}
