//! Faults between processes: blocked directions.

use super::{Kind, Relief};
use crate::{host::Node, world::World};

impl World {
    /// Blocks some directions for a while. Returns whether any of them was open.
    pub(super) fn parted(&mut self, kind: Kind) -> bool {
        let nodes = self.nodes();
        let pairs = match kind {
            Kind::OneWay => {
                let (a, b) = self.any_pair(&nodes);
                vec![(a, b)]
            }
            Kind::Cut => {
                let (a, b) = self.any_pair(&nodes);
                vec![(a, b), (b, a)]
            }
            Kind::Isolate => {
                let node = self.any_node(kind);
                let others = nodes.iter().filter(|other| **other != node);
                others
                    .flat_map(|other| [(node, *other), (*other, node)])
                    .collect()
            }
            Kind::Estrange => self.estranged(),
            _ => self.halves(&nodes),
        };
        let mut new = Vec::new();
        for (from, to) in pairs {
            if from != to && self.block(from, to) {
                new.push((from, to));
            }
        }
        let has_struck = !new.is_empty();
        let us = self.lasting(500_000, 12_000_000);
        self.passes_after(us, Relief::Unblock(new));
        has_struck
    }

    /// All pairs of a peer and its partners. Mostly the peer is a source of the aggregator.
    fn estranged(&mut self) -> Vec<(Node, Node)> {
        let mut members = self.members();
        if self.fate.permille(700)
            && let Some(process) = self.aggregator.as_ref().and_then(|of| of.process.as_ref())
        {
            let is_source = |member: &usize| process.planned.contains(&self.key(*member));
            let sources: Vec<_> = members.iter().copied().filter(is_source).collect();
            members = if sources.is_empty() { members } else { sources };
        }
        let peer = self.fate.pick(&members);
        let partners = self.partners(peer).into_iter();
        let ways = partners.flat_map(|other| [(peer, other), (other, peer)]);
        ways.map(|(from, to)| (Node::Peer(from), Node::Peer(to)))
            .collect()
    }

    /// Draws two processes that may talk to each other.
    fn any_pair(&mut self, nodes: &[Node]) -> (Node, Node) {
        let a = self.fate.next() as usize % self.machines.len();
        let partners = self.partners(a);
        if partners.is_empty() || self.fate.permille(250) {
            let other = self.fate.pick(nodes);
            return (Node::Peer(a), other);
        }
        let b = self.fate.pick(&partners);
        (Node::Peer(a), Node::Peer(b))
    }

    /// All pairs of nodes on different sides of a random line.
    fn halves(&mut self, nodes: &[Node]) -> Vec<(Node, Node)> {
        let sides: Vec<_> = nodes.iter().map(|_| self.fate.permille(500)).collect();
        let mut pairs = Vec::new();
        for (a, side_a) in nodes.iter().zip(&sides) {
            for (b, side_b) in nodes.iter().zip(&sides) {
                if side_a != side_b {
                    pairs.push((*a, *b));
                }
            }
        }
        pairs
    }
}
