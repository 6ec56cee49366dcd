//! The current connection to each partner: the last one that came up.

use std::collections::BTreeMap;

use kittengrad_proto::id::PublicKey;

/// A connection to a partner.
#[derive(Debug)]
pub struct Link<L> {
    /// Its number.
    pub connection: u64,
    /// The process's end of the link, for example a queue.
    pub to: L,
}

/// The current connections, by partner.
#[derive(Debug)]
pub struct Links<L>(BTreeMap<PublicKey, Link<L>>);

impl<L> Default for Links<L> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<L> Links<L> {
    /// Adds a connection. It replaces an older one to the same partner.
    pub fn up(&mut self, partner: PublicKey, connection: u64, to: L) {
        self.0.insert(partner, Link { connection, to });
    }

    /// Removes a connection that ended. Returns whether it was the current one.
    pub fn down(&mut self, partner: &PublicKey, connection: u64) -> bool {
        let is_current = self.is_current(partner, connection);
        if is_current {
            self.close(partner);
        }
        is_current
    }

    /// Whether a connection is the current one. Messages of older ones are dropped: such a message may come after the
    /// hello of the current connection, and would revert it.
    #[must_use]
    pub fn is_current(&self, partner: &PublicKey, connection: u64) -> bool {
        self.get(partner)
            .is_some_and(|link| link.connection == connection)
    }

    /// The current connection to a partner.
    #[must_use]
    pub fn get(&self, partner: &PublicKey) -> Option<&Link<L>> {
        self.0.get(partner)
    }

    /// Drops the current connection to a partner.
    pub fn close(&mut self, partner: &PublicKey) {
        self.0.remove(partner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTNER: PublicKey = PublicKey::new([1; 32]);

    #[test]
    fn only_the_newest_connection_to_a_partner_counts() {
        let mut links = Links::default();
        assert!(!links.is_current(&PARTNER, 0));
        links.up(PARTNER, 0, ());
        links.up(PARTNER, 1, ());
        assert!(!links.is_current(&PARTNER, 0) && links.is_current(&PARTNER, 1));
        assert!(!links.down(&PARTNER, 0), "the older one was replaced");
        assert!(links.is_current(&PARTNER, 1));
        assert!(links.down(&PARTNER, 1) && !links.is_current(&PARTNER, 1));
    }
}
