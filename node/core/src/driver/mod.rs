//! The deciding part of a peer's driver: which connections count, what one round takes, and in which order its outcome
//! is performed. The process and the simulator run the same one, each with its own sockets, disk and clock.

mod links;
mod steps;

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

/// Something that an edge has for the peer. `L` is the edge's own end of a link, for example a queue.
#[derive(Debug)]
pub enum Command<L> {
    /// An input that no connection brought: a tick, a submission, a verified transaction.
    Input(Input),
    /// An input that came on a connection. It counts only while that is the newest one of the partner.
    Heard {
        /// Who said it.
        partner: PublicKey,
        /// The connection that it came on.
        connection: u64,
        /// The input.
        input: Input,
    },
    /// A connection is up. It replaces an older one to the same partner.
    LinkUp {
        /// Who is at the other end.
        partner: PublicKey,
        /// A number that no other connection of this process has.
        connection: u64,
        /// Where messages for the partner go.
        to: L,
    },
    /// A connection is gone.
    LinkDown {
        /// Who was at the other end.
        partner: PublicKey,
        /// Its number.
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
    /// Partners whose links had no room. The peer hears of it in the next round.
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

    /// What the peer shows of itself. Between [`Taking::end`] and the commit it shows what is not on disk yet.
    #[must_use]
    pub fn status(&self) -> Status {
        self.peer.status()
    }

    /// The connection that messages for a partner go to.
    #[must_use]
    pub fn link(&self, partner: &PublicKey) -> Option<&Link<L>> {
        self.links.get(partner)
    }

    /// The link to a partner had no room for a message: it is closed, and the partner catches up on the next one.
    pub fn fell(&mut self, partner: PublicKey) {
        self.links.close(&partner);
        self.fallen.push(partner);
    }

    /// Whether a round is due although no command waits.
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
    /// Takes a command. Returns whether the peer heard of it: it does not hear of connections that were replaced.
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

    /// Ends the round. Its steps have to be performed before the next one begins.
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
