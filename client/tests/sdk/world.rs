//! A network on loopback: an authority, publishers, and members that are fakes with real keys and journals.

use std::sync::Arc;

use kittengrad_client::{Client, config::Timeouts, publisher::Publisher};
use kittengrad_overlay::file::NetworkFile;
use kittengrad_pki::{authority::Authority, credentials::Credentials};
use kittengrad_proto::{
    certificate::Role,
    id::PublicKey,
    identity::{Addresses, Identity},
    namespace::Overlay,
};
use kittengrad_ring::Replicas;
use kittengrad_support::authority::{self, admit, admit_as};

use crate::{fake::Fake, serve::Server};

/// Short, so that tests of waiting do not wait long.
pub(crate) const TIMEOUTS: Timeouts = Timeouts {
    attempt_ms: 2_000,
    read_ms: 8_000,
    write_ms: 8_000,
    silence_ms: 20_000,
};

pub(crate) struct World {
    pub(crate) authority: Authority,
    pub(crate) overlay: Overlay,
    /// In the order in which they were made, not that of the ring.
    pub(crate) members: Vec<Server>,
    pub(crate) publisher: Credentials,
}

/// The identity of the holder of `credentials`, with gRPC at `grpc`.
pub(crate) fn identity(
    overlay: &Overlay,
    credentials: &Credentials,
    grpc: &str,
    seq: u64,
) -> Identity {
    let addresses = Addresses {
        grpc: grpc.to_owned(),
        ..Addresses::default()
    };
    authority::identity(overlay, credentials, seq, addresses)
}

impl World {
    /// A network of so many peers, all of which serve.
    pub(crate) async fn new(peers: usize) -> Self {
        let authority = authority::authority();
        let overlay = Overlay {
            network: authority.root().network(),
            namespace: "demo".parse().unwrap(),
        };
        let publisher = admit_as("Tate", &authority, Role::Client);
        let mut members = Vec::new();
        for _ in 0..peers {
            let credentials = admit(&authority, Role::Peer);
            members.push(Server::start(Arc::new(Fake::new(overlay.clone(), credentials))).await);
        }
        let world = Self {
            authority,
            overlay,
            members,
            publisher,
        };
        let ring: Vec<_> = world
            .members
            .iter()
            .map(|member| member.identity.clone())
            .collect();
        for member in &world.members {
            *member.fake.ring.lock().unwrap() = ring.clone();
        }
        world
    }

    /// The network file with the members of these numbers.
    pub(crate) fn file(&self, members: impl IntoIterator<Item = usize>) -> NetworkFile {
        let namespace = self.overlay.namespace.clone();
        let mut file = NetworkFile::new(
            namespace,
            self.authority.root().clone(),
            Replicas::default(),
        );
        for number in members {
            file.add(self.members[number].identity.clone()).unwrap();
        }
        file
    }

    /// A client that knows all members and speaks for the publisher.
    pub(crate) fn client(&self) -> Client {
        self.client_of(&self.file(0..self.members.len()))
    }

    pub(crate) fn client_of(&self, file: &NetworkFile) -> Client {
        self.client_with(file, TIMEOUTS)
    }

    pub(crate) fn client_with(&self, file: &NetworkFile, timeouts: Timeouts) -> Client {
        let caller = admit(&self.authority, Role::Client);
        let publisher = Publisher::new("tate".to_owned(), self.publisher.clone()).unwrap();
        let (root, view) = (file.root().clone(), file.view().unwrap());
        Client::new(root, view, caller, vec![publisher], timeouts).unwrap()
    }

    pub(crate) fn fake(&self, key: &PublicKey) -> &Arc<Fake> {
        let member = self.members.iter().find(|member| member.fake.key() == *key);
        &member.unwrap().fake
    }
}
