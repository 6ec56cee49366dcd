//! The pure part of a peer's driver: it selects the current connections, collects the inputs of a round, and orders the
//! steps of its outcome. The process and the simulator both run it, each with its own sockets, disk and clock.

mod links;
mod steps;
#[cfg(test)]
mod tests;

use std::mem;

use kittengrad_journal::Store;
use kittengrad_proto::id::PublicKey;

pub use self::{
    links::{Link, Links},
    steps::{Step, Steps},
};
use crate::{
    io::{Fatal, Input, Now, Output},
    peer::Peer,
    status::Status,
};

/// An input of the driver. `L` is the process's end of a link, for example a queue.
#[derive(Debug)]
pub enum Command<L> {
    /// An input without a connection: a tick, a submission, a verified transaction.
    Input(Input),
    /// An input from a connection. It is dropped unless the connection is the partner's current one.
    Heard {
        /// The partner.
        partner: PublicKey,
        /// The number of the connection.
        connection: u64,
        /// The input.
        input: Input,
    },
    /// A connection is up. It replaces an older one to the same partner.
    LinkUp {
        /// The partner.
        partner: PublicKey,
        /// The number of the connection, unique in this process.
        connection: u64,
        /// The process's end, which takes messages for the partner.
        to: L,
    },
    /// A connection ended.
    LinkDown {
        /// The partner.
        partner: PublicKey,
        /// The number of the connection.
        connection: u64,
    },
}

/// A peer with the connections to its partners.
///
/// ```text
/// begin ─ take, take, … ─ end ─ Steps: forward, commit, tell, send, reply
///   ↑                                             │ a link has no room
///   └──────────────── fell ───────────────────────┘
/// ```
pub struct Driver<L> {
    peer: Peer,
    links: Links<L>,
    /// Partners whose links had no room. The next round gives the peer an [`Input::LinkDown`] for each.
    fallen: Vec<PublicKey>,
}

impl<L> Driver<L> {
    /// A driver without connections.
    #[must_use]
    pub fn new(peer: Peer) -> Self {
        Self {
            peer,
            links: Links::default(),
            fallen: Vec::new(),
        }
    }

    /// The status of the peer. Between [`Taking::end`] and the commit it includes writes that are not on disk yet.
    #[must_use]
    pub fn status(&self) -> Status {
        self.peer.status()
    }

    /// The current connection to a partner.
    #[must_use]
    pub fn link(&self, partner: &PublicKey) -> Option<&Link<L>> {
        self.links.get(partner)
    }

    /// Closes the link to a partner that had no room for a message. The partner catches up on its next connection.
    pub fn fell(&mut self, partner: PublicKey) {
        self.links.close(&partner);
        self.fallen.push(partner);
    }

    /// Whether a round is due without a command, because a link was closed.
    #[must_use]
    pub const fn is_due(&self) -> bool {
        !self.fallen.is_empty()
    }

    /// Begins a round.
    ///
    /// # Errors
    /// If the store fails: the process stops without a commit.
    pub fn begin<'a>(&'a mut self, now: Now, store: &'a dyn Store) -> Result<Taking<'a, L>, Fatal> {
        let fallen = mem::take(&mut self.fallen);
        let mut taking = Taking {
            driver: self,
            now,
            store,
            out: Output::default(),
        };
        for partner in fallen {
            taking.input(Input::LinkDown(partner))?;
        }
        Ok(taking)
    }
}

/// A round that takes commands.
pub struct Taking<'a, L> {
    driver: &'a mut Driver<L>,
    now: Now,
    store: &'a dyn Store,
    out: Output,
}

impl<L> Taking<'_, L> {
    /// Takes a command. Returns whether it was passed to the peer. Commands of replaced connections are dropped.
    ///
    /// # Errors
    /// If the store fails: the process stops without a commit.
    pub fn take(&mut self, command: Command<L>) -> Result<bool, Fatal> {
        let links = &mut self.driver.links;
        let (counts, input) = match command {
            Command::Input(input) => (true, input),
            Command::Heard {
                partner,
                connection,
                input,
            } => (links.is_current(&partner, connection), input),
            Command::LinkUp {
                partner,
                connection,
                to,
            } => {
                links.up(partner, connection, to);
                (true, Input::LinkUp(partner))
            }
            Command::LinkDown {
                partner,
                connection,
            } => (links.down(&partner, connection), Input::LinkDown(partner)),
        };
        if counts {
            self.input(input)?;
        }
        Ok(counts)
    }

    /// Ends the round. The caller must perform its steps before the next round begins.
    ///
    /// # Errors
    /// If the store fails: the process stops without a commit.
    pub fn end(mut self) -> Result<Steps, Fatal> {
        self.input(Input::Flush)?;
        Ok(Steps::of(self.out))
    }

    fn input(&mut self, input: Input) -> Result<(), Fatal> {
        let peer = &mut self.driver.peer;
        peer.handle(self.now, input, self.store, &mut self.out)
    }
}
