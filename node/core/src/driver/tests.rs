//! The driver passes on the commands of current connections, and ends links that fell.

use std::sync::Arc;

use kittengrad_journal::MemoryStore;
use kittengrad_overlay::view::View;
use kittengrad_proto::{
    id::PublicKey,
    link::{Hello, Message},
    signed::Signer as _,
};
use kittengrad_support::journals::{Fake, FakeKey};

use super::{Command, Driver, Step};
use crate::{
    config::PeerConfig,
    fixtures::{identity, keys, view_of},
    io::{Input, Now, Timing},
    peer::Peer,
};

const NOW: Now = Now {
    monotonic_ms: 0,
    wall_ms: 1_790_000_000_000,
};

/// A peer with two partners, and its disk. The end of a link is its name.
struct Running {
    driver: Driver<&'static str>,
    store: MemoryStore,
    view: Arc<View>,
    partners: [FakeKey; 2],
}

impl Running {
    fn start() -> Self {
        let keys = keys(3);
        let view = view_of(keys[0], &keys, 3);
        let config = PeerConfig {
            view: Arc::clone(&view),
            identity: identity(keys[0]),
            signer: Arc::new(keys[0]),
            verifier: Arc::new(Fake),
            timing: Timing::DEFAULT,
        };
        let store = MemoryStore::default();
        let driver = Driver::new(Peer::new(config, &store, NOW).unwrap());
        Self {
            driver,
            store,
            view,
            partners: [keys[1], keys[2]],
        }
    }

    /// Runs a round with these commands. Returns whether each was passed on.
    fn round(&mut self, commands: Vec<Command<&'static str>>) -> Vec<bool> {
        let mut round = self.driver.begin(NOW, &self.store).unwrap();
        let commands = commands.into_iter();
        let taken = commands.map(|command| round.take(command).unwrap());
        let taken = taken.collect();
        for step in round.end().unwrap() {
            if let Step::Commit(writes) = step {
                self.store.commit(writes);
            }
        }
        taken
    }

    fn hello(&self, partner: usize, connection: u64) -> Command<&'static str> {
        let key = self.partners[partner];
        let hello = Hello {
            ring: self.view.ring_id(),
            head: None,
            seen: None,
            is_settled: true,
            is_open: true,
            identity: identity(key),
            time_ms: NOW.wall_ms,
        };
        let partner = key.public();
        Command::Heard {
            partner,
            connection,
            input: Input::Message(partner, Message::Hello(Box::new(hello))),
        }
    }

    fn key(&self, partner: usize) -> PublicKey {
        self.partners[partner].public()
    }

    fn up(&self, partner: usize, connection: u64, to: &'static str) -> Command<&'static str> {
        let partner = self.key(partner);
        Command::LinkUp {
            partner,
            connection,
            to,
        }
    }

    fn down(&self, partner: usize, connection: u64) -> Command<&'static str> {
        let partner = self.key(partner);
        Command::LinkDown {
            partner,
            connection,
        }
    }

    /// Whether the peer heard both partners on their connections.
    fn is_heard(&self) -> [bool; 2] {
        let status = self.driver.status();
        let of = |partner: usize| {
            let mut partners = status.partners.iter();
            partners.any(|(key, of)| *key == self.key(partner) && of.is_up)
        };
        [of(0), of(1)]
    }

    fn link(&self, partner: usize) -> Option<(u64, &'static str)> {
        let link = self.driver.link(&self.key(partner))?;
        Some((link.connection, link.to))
    }
}

#[test]
fn a_link_that_fell_is_not_used_and_ends_in_the_next_round() {
    let mut it = Running::start();
    let commands = vec![
        it.up(0, 7, "first"),
        it.up(1, 8, "second"),
        it.hello(0, 7),
        it.hello(1, 8),
    ];
    assert_eq!(it.round(commands), [true; 4]);
    assert_eq!((it.is_heard(), it.driver.is_due()), ([true; 2], false));
    it.driver.fell(it.key(0));
    assert!(it.driver.is_due());
    assert_eq!((it.link(0), it.link(1)), (None, Some((8, "second"))));
    // Late messages of that link are dropped, and so is its end.
    let late = vec![it.hello(0, 7), it.down(0, 7), it.hello(1, 8)];
    assert_eq!(it.round(late), [false, false, true]);
    assert_eq!((it.is_heard(), it.driver.is_due()), ([false, true], false));
    // The next connection is not ended by what fell before.
    let again = vec![it.up(0, 9, "again"), it.hello(0, 9)];
    assert_eq!(it.round(again), [true; 2]);
    it.round(Vec::new());
    assert_eq!((it.is_heard(), it.link(0)), ([true; 2], Some((9, "again"))));
}

#[test]
fn only_commands_of_current_connections_reach_the_peer() {
    let mut it = Running::start();
    assert_eq!(it.round(vec![it.hello(0, 7)]), [false]);
    assert_eq!(it.is_heard(), [false; 2]);
    let replaced = vec![
        it.up(0, 7, "old"),
        it.up(0, 8, "new"),
        it.hello(0, 7),
        it.down(0, 7),
        Command::Input(Input::Tick),
    ];
    assert_eq!(it.round(replaced), [true, true, false, false, true]);
    assert_eq!((it.is_heard(), it.link(0)), ([false; 2], Some((8, "new"))));
    // A number counts for its own partner only.
    assert_eq!(
        it.round(vec![it.hello(1, 8), it.hello(0, 8)]),
        [false, true]
    );
    assert_eq!(it.is_heard(), [true, false]);
    assert_eq!(it.round(vec![it.down(0, 8)]), [true]);
    assert_eq!((it.is_heard(), it.link(0)), ([false; 2], None));
}

#[test]
fn a_round_writes_what_the_peer_decides() {
    use kittengrad_journal::BlockStore as _;

    let mut it = Running::start();
    for partner in 0..2 {
        it.round(vec![it.up(partner, 7, "link"), it.hello(partner, 7)]);
    }
    let tip = it.driver.status().tip.map(|tip| tip.head);
    assert!(tip.is_some() && it.driver.status().is_settled);
    assert_eq!(it.store.head(), Ok(tip));
}
