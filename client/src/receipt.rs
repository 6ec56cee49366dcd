//! Receipts against the ring: signatures say who confirmed, the ring says whether these are the right ones.
//!
//! A receipt carries no ring, so that [`Receipt::verify`] alone proves that some peers of the network have the
//! transaction on disk, and not that they are its replicas. Whoever knows the ring checks that too.

use std::collections::BTreeSet;

use kittengrad_proto::{id::PublicKey, receipt::Receipt};
use thiserror::Error;

use crate::{network::Network, submit::Ack};

/// Why a receipt proves less than was asked for, in the ring that is known. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RingError {
    /// It claims fewer peers for each element than were asked for.
    #[error("the receipt claims {claimed} peers for each element, {needed} are needed")]
    Claim {
        /// Peers that it claims.
        claimed: u32,
        /// Peers that are needed.
        needed: usize,
    },
    /// It names a part of the circle that is no cell.
    #[error("the receipt names a cell that this ring does not have")]
    Cell,
    /// It names a peer for a cell that the peer keeps no copy of.
    #[error("peer {peer} is no replica of the cell that the receipt names it for")]
    Stranger {
        /// The peer.
        peer: PublicKey,
    },
    /// Fewer replicas of a cell are named than were asked for.
    #[error("{named} replicas of a cell confirm it, {needed} are needed")]
    Short {
        /// Different replicas named.
        named: usize,
        /// Replicas that are needed.
        needed: usize,
    },
}

/// Checks that a receipt, which was verified, proves as much as `ack` asks for in the ring of `network`: its cells are
/// cells of the ring, the peers named for each are replicas of it, and there are enough of them.
///
/// # Errors
/// For the first thing that does not hold.
pub fn check(receipt: &Receipt, network: &Network, ack: Ack) -> Result<(), RingError> {
    let ring = network.ring();
    for (cell, peers) in &receipt.cells {
        let owner = ring.owner(cell.to);
        if ring.cell(owner) != *cell {
            return Err(RingError::Cell);
        }
        let replicas = ring.replicas(owner);
        let needed = match ack {
            Ack::One => 1,
            Ack::Quorum => network.replicas().quorum(),
            Ack::All => network.replicas().all(replicas.len()),
        };
        if (receipt.quorum as usize) < needed {
            let claimed = receipt.quorum;
            return Err(RingError::Claim { claimed, needed });
        }
        let peers: BTreeSet<_> = peers.iter().collect();
        for peer in &peers {
            let member = network.index_of(peer);
            if member.is_none_or(|member| !replicas.contains(&member)) {
                return Err(RingError::Stranger { peer: **peer });
            }
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
    use crate::network::NetworkFile;

    const NOW_MS: u64 = 1_790_000_000_000;

    /// A network of so many peers, three copies of everything.
    fn network(peers: usize) -> Network {
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
        file.network().unwrap()
    }

    fn receipt(network: &Network, quorum: u32, cells: Vec<(KeyRange, Vec<PublicKey>)>) -> Receipt {
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
        let transaction = Transaction::sign(network.overlay(), &envelope, vec![entry], &key);
        Receipt {
            transaction: transaction.unwrap(),
            quorum,
            cells,
            confirmations: Vec::new(),
        }
    }

    #[test]
    fn only_enough_replicas_of_real_cells_are_a_quorum() {
        let network = network(7);
        let (ring, key) = (network.ring(), |member| network.key_of(member).unwrap());
        let cell = ring.cell(3);
        let replicas: Vec<_> = ring.replicas(3).into_iter().map(key).collect();
        let stranger = key((0..7).find(|m| !ring.replicas(3).contains(m)).unwrap());
        let of = |quorum, cell, peers: &[PublicKey], ack| {
            check(
                &receipt(&network, quorum, vec![(cell, peers.to_vec())]),
                &network,
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

        let wider = KeyRange::new(ring.cell(2).from, cell.to);
        let whole = KeyRange::new(cell.to, cell.to);
        for no_cell in [wider, whole] {
            assert_eq!(of(2, no_cell, &replicas, Ack::Quorum), Err(RingError::Cell));
        }
    }

    #[test]
    fn all_of_fewer_replicas_than_a_quorum_are_none() {
        let network = network(1);
        let (cell, peer) = (network.ring().cell(0), network.key_of(0).unwrap());
        let alone = receipt(&network, 1, vec![(cell, vec![peer])]);
        let (claimed, needed) = (1, 2);
        let claim = Err(RingError::Claim { claimed, needed });
        assert_eq!(check(&alone, &network, Ack::All), claim);
        assert_eq!(check(&alone, &network, Ack::One), Ok(()));
    }
}
