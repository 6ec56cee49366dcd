//! The network file: what is written is read back, and nothing that is not vouched for gets in.

use data_encoding::BASE64URL_NOPAD;
use kittengrad_overlay::file::{MemberFault, NetworkError, NetworkFile};
use kittengrad_pki::{authority::Authority, credentials::Credentials};
use kittengrad_proto::{
    certificate::Role,
    id::RecordId,
    identity::{Addresses, Identity, IdentityError, IdentityFields, State, ring_id},
    namespace::Overlay,
    signed::{Ed25519, Signer},
};
use kittengrad_ring::Replicas;
use kittengrad_support::authority::{admit, authority};

use crate::world::identity;

struct Paper {
    authority: Authority,
    overlay: Overlay,
    peers: Vec<Credentials>,
}

fn paper(peers: usize) -> Paper {
    let authority = authority();
    let overlay = Overlay {
        network: authority.root().network(),
        namespace: "demo".parse().unwrap(),
    };
    let peers = (0..peers).map(|_| admit(&authority, Role::Peer)).collect();
    Paper {
        authority,
        overlay,
        peers,
    }
}

impl Paper {
    fn file(&self) -> NetworkFile {
        let root = self.authority.root().clone();
        let mut file = NetworkFile::new(self.overlay.namespace.clone(), root, Replicas::default());
        for (number, peer) in self.peers.iter().enumerate() {
            file.add(identity(
                &self.overlay,
                peer,
                &format!("127.0.0.1:{number}"),
                1,
            ))
            .unwrap();
        }
        file
    }
}

fn in_state(overlay: &Overlay, credentials: &Credentials, state: State) -> Identity {
    let fields = IdentityFields {
        seq: 1,
        state,
        role: credentials.holder().role,
        addresses: Addresses::default(),
        chain: credentials.chain().clone(),
    };
    Identity::sign(overlay, &fields, credentials.key()).unwrap()
}

/// Checks that a text is refused with words that contain `expected`.
fn check(text: &str, expected: &str) {
    let error = NetworkFile::parse(text).unwrap_err().to_string();
    assert!(
        error.contains(expected),
        "{error:?} does not say {expected:?}"
    );
}

#[test]
fn a_file_is_read_as_it_was_written() {
    let paper = paper(5);
    let mut file = paper.file();
    file.add(identity(
        &paper.overlay,
        &admit(&paper.authority, Role::Aggregator),
        "a:1",
        1,
    ))
    .unwrap();
    file.add(identity(
        &paper.overlay,
        &admit(&paper.authority, Role::Indexer),
        "",
        1,
    ))
    .unwrap();
    let read = NetworkFile::parse(&file.to_toml()).unwrap();
    assert_eq!(read.members(), file.members());
    assert_eq!(read.to_toml(), file.to_toml());

    let view = read.view().unwrap();
    assert_eq!(view.overlay(), &paper.overlay);
    assert_eq!(view.replication(), Replicas::default());
    assert_eq!(
        (
            view.peers().count(),
            view.aggregators().count(),
            view.indexers().count()
        ),
        (5, 1, 1)
    );
}

#[test]
fn a_point_and_a_key_lead_to_each_other() {
    let view = paper(7).file().view().unwrap();
    for (peer, point) in view.peers().zip(view.ring().members()) {
        assert_eq!(*point, peer.key.point());
        assert_eq!(view.key_at(*point), Some(peer.key));
        assert!(view.is_in_ring(&peer.key));
    }
    let canonical = RecordId::new([9; 32]);
    let holders: Vec<_> = view
        .holders(&canonical)
        .iter()
        .map(|peer| peer.key)
        .collect();
    assert_eq!(holders.len(), 3);
    assert_eq!(view.holders_of_all([&canonical]), holders);
    let everywhere: Vec<_> = (0..=255).map(|byte| RecordId::new([byte; 32])).collect();
    assert!(
        view.holders_of_all(&everywhere).is_empty(),
        "nobody of 7 holds everything"
    );
}

#[test]
fn joining_peers_are_named_but_hold_nothing_yet() {
    let paper = paper(3);
    let mut file = paper.file();
    let joiner = admit(&paper.authority, Role::Peer);
    file.add(in_state(&paper.overlay, &joiner, State::Joining))
        .unwrap();
    let view = file.view().unwrap();
    assert_eq!((view.peers().count(), view.joining().count()), (3, 1));
    assert!(!view.is_in_ring(&joiner.key().public()));
    let all: Vec<_> = view
        .identities()
        .iter()
        .map(|member| (&member.key, member.state))
        .collect();
    assert_eq!(view.ring_id(), ring_id(view.replication(), all));
}

#[test]
fn the_newest_identity_of_a_key_wins_in_any_order() {
    let paper = paper(1);
    let [old, new, twin] = [("old", 4), ("new", 5), ("twin", 5)]
        .map(|(address, seq)| identity(&paper.overlay, &paper.peers[0], address, seq));
    let winner = std::cmp::max_by_key(new.clone(), twin.clone(), |identity| identity.signed().id());
    for order in [
        [&old, &new, &twin],
        [&twin, &new, &old],
        [&new, &old, &twin],
    ] {
        let mut file = paper.file();
        order
            .into_iter()
            .for_each(|identity| file.add(identity.clone()).unwrap());
        assert_eq!(file.members(), std::slice::from_ref(&winner));
    }
}

#[test]
fn a_ring_is_learnt_only_from_verified_identities() {
    let paper = paper(4);
    let file = paper.file();
    let (root, view) = (file.root(), file.view().unwrap());
    let moved = identity(&paper.overlay, &paper.peers[2], "elsewhere:1", 2);
    let newer = view
        .learn([moved.clone()], root, &Ed25519)
        .unwrap()
        .unwrap();
    assert_eq!(newer.member(&moved.key), Some(&moved));
    let again = newer.learn([moved], root, &Ed25519).unwrap();
    assert!(again.is_none(), "it was known");

    let other = authority();
    let stranger = identity(&paper.overlay, &admit(&other, Role::Peer), "x:1", 1);
    assert!(matches!(
        view.learn([stranger], root, &Ed25519),
        Err(IdentityError::Certificate(_))
    ));
}

#[test]
fn nobody_is_listed_whom_the_root_does_not_vouch_for() {
    let paper = paper(1);
    let other = authority();
    let stranger = identity(&paper.overlay, &admit(&other, Role::Peer), "x:1", 1);
    assert!(matches!(
        paper.file().add(stranger),
        Err(MemberFault::Identity(IdentityError::Certificate(_)))
    ));
    let elsewhere = Overlay {
        namespace: "other".parse().unwrap(),
        ..paper.overlay.clone()
    };
    let foreign = identity(&elsewhere, &paper.peers[0], "x:1", 9);
    assert!(matches!(
        paper.file().add(foreign),
        Err(MemberFault::Identity(IdentityError::Foreign(_)))
    ));
    let client = identity(
        &paper.overlay,
        &admit(&paper.authority, Role::Client),
        "x:1",
        1,
    );
    assert_eq!(
        paper.file().add(client),
        Err(MemberFault::Role(Role::Client))
    );
}

#[test]
fn errors_name_the_line_and_the_key() {
    let paper = paper(2);
    let text = paper.file().to_toml();
    check(
        &text.replace("version = 1", "version = 2\nnews = 1"),
        "line 3: `version` is 2; this program knows 1",
    );
    check(
        &text.replace("replicas = 3", "replicas = 4"),
        "line 6: `replicas`: the number of replicas must be odd",
    );
    check(
        &text.replace("\"demo\"", "\"De mo\""),
        "line 4: `namespace`",
    );
    check(
        &text.replace("replicas = 3", "replicas = 3\nreplica = 3"),
        "line 7: unknown field `replica`",
    );
    check(&text.replace("BEGIN CERT", "BEGIN CRET"), "`root`: ");
    check("version = 1", "missing field");
    check("version = ", "line 1");

    let second = text
        .lines()
        .position(|line| line.starts_with("identity"))
        .unwrap();
    let second = text
        .lines()
        .skip(second + 1)
        .position(|line| line.starts_with("identity"))
        .unwrap()
        + second
        + 2;
    let bytes = paper.file().members()[1].signed().encode();
    let encoded = BASE64URL_NOPAD.encode(&bytes);
    check(
        &text.replace(&encoded, "?"),
        &format!("line {second}: `identity` of member 2: it is not base64url"),
    );
    let forged = identity(&paper.overlay, &paper.peers[0], "evil:1", 1)
        .signed()
        .encode();
    let mut forged = forged.clone();
    *forged.last_mut().unwrap() ^= 1;
    check(
        &text.replace(&encoded, &BASE64URL_NOPAD.encode(&forged)),
        "of member 2: identity: signature is not by",
    );
}

#[test]
fn a_file_without_peers_can_be_written_and_makes_no_network() {
    let text = paper(0).file().to_toml();
    let file = NetworkFile::parse(&text).unwrap();
    assert!(matches!(file.view(), Err(NetworkError::Ring { .. })));
}

#[test]
fn what_a_member_says_of_its_addresses_stays_in_its_comment() {
    let paper = paper(1);
    let mut file = paper.file();
    file.add(identity(&paper.overlay, &paper.peers[0], "x\n[[evil]]", 2))
        .unwrap();
    assert_eq!(
        NetworkFile::parse(&file.to_toml()).unwrap().members(),
        file.members()
    );
}

#[test]
fn a_file_that_is_not_there_says_what_makes_one() {
    let path = std::path::Path::new("nowhere/network.toml");
    let error = NetworkFile::load(path, std::fs::read_to_string)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("nowhere/network.toml") && error.contains("network make"),
        "{error}"
    );
}
