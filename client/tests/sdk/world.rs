//! A network on loopback: an authority, publishers, and members that are fakes with real keys and journals.

use std::{sync::Arc, time::Duration};

use kittengrad_client::{Client, config::Timeouts, publisher::Publisher};
use kittengrad_overlay::file::NetworkFile;
use kittengrad_pki::{
    authority::{Authority, Request},
    credentials::Credentials,
    key_file::generate_key,
    tls::install_provider,
};
use kittengrad_proto::{
    certificate::Role,
    id::PublicKey,
    identity::{Addresses, Identity, IdentityFields, State},
    namespace::Overlay,
    signed::{Signer, SigningKey},
};
use kittengrad_ring::Replicas;

use crate::{fake::Fake, serve::Server};

/// No test waits longer than this for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

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

pub(crate) fn now_ms() -> u64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

/// A new key that `authority` admits as `role`.
pub(crate) fn admit(authority: &Authority, role: Role, name: &str) -> Credentials {
    admit_key(authority, role, name, generate_key().unwrap())
}

pub(crate) fn admit_key(
    authority: &Authority,
    role: Role,
    name: &str,
    key: SigningKey,
) -> Credentials {
    let validity = Duration::from_secs(3_600);
    let request = Request {
        role,
        name,
        key: &key.public(),
        validity,
        now_ms: now_ms(),
    };
    let (chain, _) = authority.certify(&request).unwrap();
    Credentials::new(key, chain, authority.root().clone()).unwrap()
}

/// What `credentials` says of itself, listening at `grpc`.
pub(crate) fn identity(
    overlay: &Overlay,
    credentials: &Credentials,
    grpc: &str,
    seq: u64,
) -> Identity {
    let fields = IdentityFields {
        seq,
        state: State::Active,
        role: credentials.holder().role,
        addresses: Addresses {
            grpc: grpc.to_owned(),
            ..Addresses::default()
        },
        chain: credentials.chain().clone(),
    };
    Identity::sign(overlay, &fields, credentials.key()).unwrap()
}

impl World {
    /// A network of so many peers, all of which serve.
    pub(crate) async fn new(peers: usize) -> Self {
        install_provider();
        let (authority, _) = Authority::generate("Test", now_ms()).unwrap();
        let overlay = Overlay {
            network: authority.root().network(),
            namespace: "demo".parse().unwrap(),
        };
        let publisher = admit(&authority, Role::Client, "Tate");
        let mut members = Vec::new();
        for number in 0..peers {
            let credentials = admit(&authority, Role::Peer, &format!("peer {number}"));
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
        let caller = admit(&self.authority, Role::Client, "caller");
        let publisher = Publisher::new("tate".to_owned(), self.publisher.clone()).unwrap();
        let (root, view) = (file.root().clone(), file.view().unwrap());
        Client::new(root, view, caller, vec![publisher], timeouts).unwrap()
    }

    pub(crate) fn fake(&self, key: &PublicKey) -> &Arc<Fake> {
        let member = self.members.iter().find(|member| member.fake.key() == *key);
        &member.unwrap().fake
    }
}

/// The result of `future`, or a failed test after [`DEADLINE`].
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .expect("nothing happened in time")
}
