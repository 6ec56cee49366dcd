//! Which connection to each partner counts: the last one that came up.

use std::collections::BTreeMap;

use kittengrad_proto::id::PublicKey;

/// A connection to a partner.
#[derive(Debug)]
pub struct Link<L> {
    /// Its number.
    pub connection: u64,
    /// The edge's end of it.
    pub to: L,
}

/// The connections that count, by partner.
#[derive(Debug)]
pub struct Links<L>(BTreeMap<PublicKey, Link<L>>);

impl<L> Default for Links<L> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<L> Links<L> {
    /// A connection came up; an older one to the same partner no longer counts.
    pub fn up(&mut self, partner: PublicKey, connection: u64, to: L) {
        self.0.insert(partner, Link { connection, to });
    }

    /// A connection is gone. Returns whether it was the one that counts.
    pub fn down(&mut self, partner: &PublicKey, connection: u64) -> bool {
        let is_current = self.is_current(partner, connection);
        if is_current {
            self.close(partner);
        }
        is_current
    }

    /// Whether messages of a connection count. A message of an older connection may come after the newer one's hello,
    /// and would take that back.
    #[must_use]
    pub fn is_current(&self, partner: &PublicKey, connection: u64) -> bool {
        self.get(partner)
            .is_some_and(|link| link.connection == connection)
    }

    /// The connection to a partner.
    #[must_use]
    pub fn get(&self, partner: &PublicKey) -> Option<&Link<L>> {
        self.0.get(partner)
    }

    /// Drops the connection to a partner, whichever it is.
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
