//! The nodes of a world: their keys, hosts, disks and journals.

use std::sync::Arc;

use kittengrad_journal::Tip;
use kittengrad_overlay::view::View;
use kittengrad_proto::{
    checkpoint::Statement,
    id::{PublicKey, RecordId},
    signed::Signer,
};

use crate::{
    disk::SimDisk,
    host::{Host, Node},
    world::World,
};

impl World {
    /// All peers, by number.
    #[must_use]
    pub fn members(&self) -> Vec<usize> {
        (0..self.machines.len()).collect()
    }

    /// The key of a peer.
    #[must_use]
    pub fn key(&self, member: usize) -> PublicKey {
        self.machines[member].key()
    }

    /// The ring, which all peers see alike.
    pub(crate) fn view(&self) -> &View {
        &self.machines[0].view
    }

    /// The numbers of some peers.
    pub(crate) fn numbers_of(&self, keys: &[PublicKey]) -> Vec<usize> {
        let numbers = keys.iter().filter_map(|key| self.numbers.get(key));
        numbers.copied().collect()
    }

    /// The peers that keep a canonical, its owner first.
    pub(crate) fn holders(&self, canonical: &RecordId) -> Vec<usize> {
        self.numbers_of(&self.view().keys_holding(canonical))
    }

    /// The peers with which a peer shares a cell.
    #[must_use]
    pub fn partners(&self, member: usize) -> Vec<usize> {
        self.numbers_of(&self.machines[member].view.partners())
    }

    /// Whether a peer runs.
    #[must_use]
    pub fn is_up(&self, member: usize) -> bool {
        self.machines[member].process.is_some()
    }

    /// All nodes.
    pub(crate) fn nodes(&self) -> Vec<Node> {
        let peers = (0..self.machines.len()).map(Node::Peer);
        let aggregator = self.aggregator.iter().map(|_| Node::Aggregator);
        let indexer = self.indexer.iter().map(|_| Node::Indexer);
        let clients = (0..self.clients.len()).map(Node::Client);
        peers
            .chain(aggregator)
            .chain(indexer)
            .chain(clients)
            .collect()
    }

    pub(crate) fn host(&self, node: Node) -> &Host {
        match node {
            Node::Peer(member) => &self.machines[member].host,
            Node::Aggregator => &self.aggregator.as_ref().expect("it is there").host,
            Node::Indexer => &self.indexer.as_ref().expect("it is there").host,
            Node::Client(client) => &self.clients[client].host,
        }
    }

    pub(crate) fn host_mut(&mut self, node: Node) -> &mut Host {
        match node {
            Node::Peer(member) => &mut self.machines[member].host,
            Node::Aggregator => &mut self.aggregator.as_mut().expect("it is there").host,
            Node::Indexer => &mut self.indexer.as_mut().expect("it is there").host,
            Node::Client(client) => &mut self.clients[client].host,
        }
    }

    /// The disk of a journal's owner.
    pub(crate) fn disk(&self, node: Node) -> Option<&SimDisk> {
        match node {
            Node::Peer(member) => Some(&self.machines[member].disk),
            Node::Aggregator => Some(&self.aggregator.as_ref()?.disk),
            Node::Indexer | Node::Client(_) => None,
        }
    }

    /// The last block that a journal's owner publishes.
    pub(crate) fn tip(&self, node: Node) -> Option<Tip> {
        match node {
            Node::Peer(member) => self.machines[member].process.as_ref()?.shown.tip,
            Node::Aggregator => self.aggregator.as_ref()?.process.as_ref()?.tip,
            Node::Indexer | Node::Client(_) => None,
        }
    }

    /// What a journal's owner says of its set, as of its tip or an earlier block.
    pub(crate) fn statement(&self, node: Node) -> Option<Arc<Statement>> {
        match node {
            Node::Peer(member) => {
                let process = self.machines[member].process.as_ref()?;
                process.shown.statement.clone()
            }
            Node::Aggregator => {
                let process = self.aggregator.as_ref()?.process.as_ref()?;
                process.statement.clone()
            }
            Node::Indexer | Node::Client(_) => None,
        }
    }

    /// The signer of a journal's owner.
    pub(crate) fn signer(&self, node: Node) -> Arc<dyn Signer> {
        match node {
            Node::Peer(member) => Arc::clone(&self.machines[member].signer),
            _ => Arc::clone(&self.aggregator.as_ref().expect("it is there").signer),
        }
    }

    /// The peer with a key.
    pub(crate) fn peer_of(&self, key: &PublicKey) -> Option<Node> {
        self.numbers.get(key).copied().map(Node::Peer)
    }

    /// Ends the calls, subscriptions and asks of a process that ended.
    pub(crate) fn left(&mut self, node: Node) {
        self.hang_up(node);
        self.hang_up_streams(node);
        self.forget_asks(node);
        let now_us = self.queue.now_us;
        self.trace.line(now_us, || format!("{node} is gone"));
    }
}
