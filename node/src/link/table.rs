//! Which connection to each partner counts: the last one that came up.

use std::collections::HashMap;

use kittengrad_node_core::Outbound;
use kittengrad_proto::id::PublicKey;

use super::lanes::Lanes;

/// The connections that count, by partner.
#[derive(Default)]
pub(crate) struct Links(HashMap<PublicKey, Current>);

struct Current {
    connection: u64,
    to: Lanes,
}

impl Links {
    /// A connection came up; an older one to the same partner ends.
    pub(crate) fn up(&mut self, partner: PublicKey, connection: u64, to: Lanes) {
        self.0.insert(partner, Current { connection, to });
    }

    /// A connection is gone. Returns whether it was the one that counts.
    pub(crate) fn down(&mut self, partner: PublicKey, connection: u64) -> bool {
        let is_current = self.is_current(partner, connection);
        if is_current {
            self.0.remove(&partner);
        }
        is_current
    }

    /// Whether what comes on a connection counts: what a partner said on an older one may come after the newer one's
    /// hello, and would take that back.
    pub(crate) fn is_current(&self, partner: PublicKey, connection: u64) -> bool {
        let link = self.0.get(&partner);
        link.is_some_and(|link| link.connection == connection)
    }

    /// Hands a message to its link. Returns whether that link had no room: then it is closed.
    pub(crate) fn send(&mut self, Outbound { to, message }: Outbound) -> bool {
        let link = self.0.get(&to);
        let is_full = link.is_some_and(|link| link.to.send(message).is_err());
        if is_full {
            self.0.remove(&to);
        }
        is_full
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::lanes::lanes;

    const PARTNER: PublicKey = PublicKey::new([1; 32]);

    #[test]
    fn only_the_newest_connection_to_a_partner_counts() {
        let mut links = Links::default();
        assert!(!links.is_current(PARTNER, 0));
        links.up(PARTNER, 0, lanes().0);
        links.up(PARTNER, 1, lanes().0);
        assert!(!links.is_current(PARTNER, 0) && links.is_current(PARTNER, 1));
        assert!(!links.down(PARTNER, 0), "the older one is gone long since");
        assert!(links.is_current(PARTNER, 1));
        assert!(links.down(PARTNER, 1) && !links.is_current(PARTNER, 1));
    }
}
