//! Checks receipts against the ring: are the peers that confirmed the replicas?
//!
//! A receipt does not carry the ring. [`Receipt::verify`] alone proves that some peers of the network have the
//! transaction on disk, not that these are its replicas. With the ring, [`check`] proves that too.

use std::collections::BTreeSet;

use kittengrad_overlay::{quorum::Ack, view::View};
use kittengrad_proto::{id::PublicKey, receipt::Receipt};
use thiserror::Error;

/// Why a receipt proves less than required in the known ring. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RingError {
    /// It claims fewer peers for each element than required.
    #[error("the receipt claims {claimed} peers for each element; {needed} are needed")]
    Claim {
        /// Peers that the receipt claims.
        claimed: u32,
        /// Peers that are required.
        needed: usize,
    },
    /// It names an arc that is not a cell of the ring.
    #[error("the receipt names a cell that is not in this ring")]
    Cell,
    /// It names a peer for a cell of which the peer is not a replica.
    #[error("peer {peer} is not a replica of the cell that the receipt names")]
    Stranger {
        /// The peer.
        peer: PublicKey,
    },
    /// It names fewer replicas of a cell than required.
    #[error("{named} replicas confirm a cell; {needed} are needed")]
    Short {
        /// Different replicas named.
        named: usize,
        /// Replicas that are required.
        needed: usize,
    },
}

/// Checks that a verified receipt proves what `ack` requires in the ring of `view`: its cells are cells of the ring,
/// the peers that it names are their replicas, and there are enough of them.
///
/// # Errors
/// The first condition that does not hold.
pub fn check(receipt: &Receipt, view: &View, ack: Ack) -> Result<(), RingError> {
    for (arc, peers) in &receipt.cells {
        let cell = view.cell_at(arc.to);
        if cell.arc() != *arc {
            return Err(RingError::Cell);
        }
        let replicas = view.replicas(&cell);
        let needed = ack.needed(view.replication(), replicas.len());
        if (receipt.quorum as usize) < needed {
            let claimed = receipt.quorum;
            return Err(RingError::Claim { claimed, needed });
        }
        let peers: BTreeSet<_> = peers.iter().collect();
        if let Some(peer) = peers.iter().find(|peer| !replicas.contains(peer)) {
            return Err(RingError::Stranger { peer: **peer });
        }
        let named = peers.len();
        if named < needed {
            return Err(RingError::Short { named, needed });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use kittengrad_overlay::file::NetworkFile;
    use kittengrad_pki::{
        authority::{Authority, Request},
        key_file::generate_key,
    };
    use kittengrad_proto::{
        certificate::Role,
        id::{Id, RecordId},
        identity::{Addresses, Identity, IdentityFields, State},
        signed::{Signer, SigningKey},
        transaction::{Entry, Envelope, POLICY, Transaction},
    };
    use kittengrad_ring::{KeyRange, Replicas};

    use super::*;

    const NOW_MS: u64 = 1_790_000_000_000;

    /// The ring of `peers` members with three copies of each set.
    fn view(peers: usize) -> View {
        let authority = Authority::generate("test", NOW_MS).unwrap().0;
        let (namespace, root) = ("works".parse().unwrap(), authority.root().clone());
        let mut file = NetworkFile::new(namespace, root, Replicas::default());
        for _ in 0..peers {
            let key = generate_key().unwrap();
            let request = Request {
                role: Role::Peer,
                name: "peer",
                key: &key.public(),
                validity: Duration::from_secs(60),
                now_ms: NOW_MS,
            };
            let fields = IdentityFields {
                seq: 1,
                state: State::Active,
                role: Role::Peer,
                addresses: Addresses::default(),
                chain: authority.certify(&request).unwrap().0,
            };
            let identity = Identity::sign(file.overlay(), &fields, &key).unwrap();
            file.add(identity).unwrap();
        }
        file.view().unwrap()
    }

    fn receipt(view: &View, quorum: u32, cells: Vec<(KeyRange, Vec<PublicKey>)>) -> Receipt {
        let envelope = Envelope {
            chain: Id::ZERO,
            policy: POLICY,
            created_ms: NOW_MS,
            nonce: [1; 16],
        };
        let entry = Entry {
            canonical: RecordId::of(&Bytes::from_static(b"work")),
            insert: true,
            updates: Vec::new(),
        };
        let key = SigningKey::from_seed(&[1; 32]);
        let transaction = Transaction::sign(view.overlay(), &envelope, vec![entry], &key);
        Receipt {
            transaction: transaction.unwrap(),
            quorum,
            cells,
            confirmations: Vec::new(),
        }
    }

    #[test]
    fn only_enough_replicas_of_real_cells_are_a_quorum() {
        let view = view(7);
        let members: Vec<_> = view.peers().map(|peer| peer.key).collect();
        let cell = view.cell(&members[3]).unwrap();
        let replicas = view.replicas(&cell);
        let is_stranger = |member: &&PublicKey| !replicas.contains(member);
        let stranger = *members.iter().find(is_stranger).unwrap();
        let cell = cell.arc();
        let of = |quorum, cell, peers: &[PublicKey], ack| {
            check(
                &receipt(&view, quorum, vec![(cell, peers.to_vec())]),
                &view,
                ack,
            )
        };

        assert_eq!(of(1, cell, &replicas[..1], Ack::One), Ok(()));
        assert_eq!(of(2, cell, &replicas[1..], Ack::Quorum), Ok(()));
        assert_eq!(of(3, cell, &replicas, Ack::All), Ok(()));

        let (named, needed) = (1, 2);
        let short = Err(RingError::Short { named, needed });
        assert_eq!(of(2, cell, &replicas[..1], Ack::Quorum), short);
        let twice = [replicas[0], replicas[0]];
        assert_eq!(
            of(2, cell, &twice, Ack::Quorum),
            short,
            "one peer counts once"
        );
        let claimed = 1;
        let claim = Err(RingError::Claim { claimed, needed });
        assert_eq!(of(1, cell, &replicas, Ack::Quorum), claim);
        let peer = stranger;
        let foreign = Err(RingError::Stranger { peer });
        assert_eq!(of(2, cell, &[replicas[0], peer], Ack::Quorum), foreign);
        let peer = PublicKey::new([9; 32]);
        let foreign = Err(RingError::Stranger { peer });
        assert_eq!(of(2, cell, &[replicas[0], peer], Ack::Quorum), foreign);

        let wider = KeyRange::new(view.cell(&members[2]).unwrap().arc().from, cell.to);
        let whole = KeyRange::new(cell.to, cell.to);
        for no_cell in [wider, whole] {
            assert_eq!(of(2, no_cell, &replicas, Ack::Quorum), Err(RingError::Cell));
        }
    }

    #[test]
    fn all_of_fewer_replicas_than_a_quorum_are_none() {
        let view = view(1);
        let peer = view.peers().next().unwrap().key;
        let cell = view.cell(&peer).unwrap().arc();
        let alone = receipt(&view, 1, vec![(cell, vec![peer])]);
        let (claimed, needed) = (1, 2);
        let claim = Err(RingError::Claim { claimed, needed });
        assert_eq!(check(&alone, &view, Ack::All), claim);
        assert_eq!(check(&alone, &view, Ack::One), Ok(()));
    }
}
