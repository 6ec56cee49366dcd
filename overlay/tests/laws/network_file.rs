//! The network file: what is written is read back, and nothing that is not vouched for gets in.

use data_encoding::BASE64URL_NOPAD;
use kittengrad_overlay::file::{MemberFault, NetworkError, NetworkFile};
use kittengrad_proto::{
    certificate::Role,
    identity::{Addresses, IdentityError, State, ring_id},
    limits::RING_MEMBERS_MAX,
    namespace::Overlay,
};
use kittengrad_ring::Replicas;

use crate::network::{Member, Network};

/// The network file of these peers.
pub(crate) fn file(net: &Network, peers: &[Member]) -> NetworkFile {
    let root = net.tower.trusted();
    let mut file = NetworkFile::new(net.overlay.namespace.clone(), root, Replicas::default());
    for (number, peer) in peers.iter().enumerate() {
        let address = format!("127.0.0.1:{number}");
        file.add(net.at(peer, &address, 1)).unwrap();
    }
    file
}

/// A network and so many peers of it.
pub(crate) fn network(peers: u8) -> (Network, Vec<Member>) {
    let net = Network::new();
    let peers = (0..peers).map(|number| net.member(100 + number, Role::Peer));
    let peers = peers.collect();
    (net, peers)
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
    let (net, peers) = network(5);
    let mut file = file(&net, &peers);
    file.add(net.at(&net.member(90, Role::Aggregator), "a:1", 1))
        .unwrap();
    let seconds = net.at(&net.member(91, Role::Aggregator), "", 1);
    file.add(seconds).unwrap();
    let read = NetworkFile::parse(&file.to_toml()).unwrap();
    assert_eq!(read.members(), file.members());
    assert_eq!(read.to_toml(), file.to_toml());
    assert_eq!(read.root().der(), net.tower.trusted().der());
    assert_eq!(read.overlay(), &net.overlay);
    assert_eq!(read.replicas(), Replicas::default());

    let view = read.view().unwrap();
    assert_eq!(view.overlay(), &net.overlay);
    assert_eq!(view.replication(), Replicas::default());
    assert_eq!((view.peers().count(), view.aggregators().count()), (5, 2));
}

#[test]
fn joining_peers_are_named_but_hold_nothing_yet() {
    let (net, peers) = network(3);
    let mut file = file(&net, &peers);
    let joiner = net.member(90, Role::Peer);
    file.add(net.identity(&joiner, "", 1, State::Joining))
        .unwrap();
    let view = file.view().unwrap();
    assert_eq!((view.peers().count(), view.joining().count()), (3, 1));
    assert!(!view.is_in_ring(&joiner.public()));
    let all: Vec<_> = view
        .identities()
        .iter()
        .map(|member| (&member.key, member.state))
        .collect();
    assert_eq!(view.ring_id(), ring_id(view.replication(), all));
}

#[test]
fn the_newest_identity_of_a_key_wins_in_any_order() {
    let (net, peers) = network(1);
    let [old, new, twin] =
        [("old", 4), ("new", 5), ("twin", 5)].map(|(address, seq)| net.at(&peers[0], address, seq));
    let winner = std::cmp::max_by_key(new.clone(), twin.clone(), |identity| identity.signed().id());
    for order in [
        [&old, &new, &twin],
        [&twin, &new, &old],
        [&new, &old, &twin],
    ] {
        let mut file = file(&net, &peers);
        order
            .into_iter()
            .for_each(|identity| file.add(identity.clone()).unwrap());
        assert_eq!(file.members(), std::slice::from_ref(&winner));
    }
}

#[test]
fn members_without_a_place_in_the_network_are_refused() {
    let (net, peers) = network(1);
    let add = |identity| {
        let mut file = file(&net, &peers);
        let refused = file.add(identity).unwrap_err();
        assert_eq!(file.members(), [net.at(&peers[0], "127.0.0.1:0", 1)]);
        refused
    };
    let stranger = net.uncertified(&net.member(90, Role::Peer));
    let refused = add(net.at(&stranger, "x:1", 1));
    assert!(matches!(
        refused,
        MemberFault::Identity(IdentityError::Holder { .. })
    ));
    let elsewhere = Network {
        overlay: Overlay {
            namespace: "other".parse().unwrap(),
            ..net.overlay.clone()
        },
        ..Network::new()
    };
    let refused = add(elsewhere.at(&peers[0], "x:1", 9));
    assert!(matches!(
        refused,
        MemberFault::Identity(IdentityError::Foreign(_))
    ));
    for member in [net.member(91, Role::Registrar), net.leaf(92, Role::Client)] {
        let identity = net.at(&member, "x:1", 1);
        let role = identity.role;
        assert_eq!(add(identity), MemberFault::Role(role));
    }
}

#[test]
fn a_file_lists_peers_aggregators_and_indexers() {
    let (net, peers) = network(1);
    let mut file = file(&net, &peers);
    let aggregator = net.at(&net.member(90, Role::Aggregator), "a:1", 1);
    let indexer = net.at(&net.leaf(91, Role::Indexer), "i:1", 1);
    for member in [&aggregator, &indexer] {
        file.add(member.clone()).unwrap();
    }
    let view = NetworkFile::parse(&file.to_toml()).unwrap().view().unwrap();
    assert_eq!(view.peers().count(), 1);
    assert!(view.aggregators().eq([&aggregator]));
    assert!(view.indexers().eq([&indexer]));
    assert_eq!(view.me(), None, "a client sees it");
}

#[test]
fn a_newer_identity_takes_the_place_of_the_older_one() {
    let (net, peers) = network(3);
    let mut file = file(&net, &peers);
    let mut expected = file.members().to_vec();
    expected[1] = net.at(&peers[1], "moved:1", 2);
    file.add(expected[1].clone()).unwrap();
    assert_eq!(file.members(), expected);
}

#[test]
fn errors_name_the_line_and_the_key() {
    let (net, peers) = network(2);
    let file = file(&net, &peers);
    let text = file.to_toml();
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
    let bytes = file.members()[1].signed().encode();
    let encoded = BASE64URL_NOPAD.encode(&bytes);
    check(
        &text.replace(&encoded, "?"),
        &format!("line {second}: `identity` of member 2: it is not base64url"),
    );
    let mut forged = net.at(&peers[0], "evil:1", 1).signed().encode();
    *forged.last_mut().unwrap() ^= 1;
    check(
        &text.replace(&encoded, &BASE64URL_NOPAD.encode(&forged)),
        "of member 2: identity: signature is not by",
    );
}

#[test]
fn a_file_without_peers_can_be_written_and_makes_no_network() {
    let (net, peers) = network(0);
    let text = file(&net, &peers).to_toml();
    let file = NetworkFile::parse(&text).unwrap();
    assert!(matches!(file.view(), Err(NetworkError::Ring { .. })));
}

#[test]
fn what_a_member_says_of_its_addresses_stays_in_its_comment() {
    let (net, peers) = network(1);
    let mut file = file(&net, &peers);
    file.add(net.at(&peers[0], "x\n[[evil]]", 2)).unwrap();
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

#[test]
fn a_fault_of_a_file_names_the_file() {
    let (net, peers) = network(0);
    let text = file(&net, &peers).to_toml();
    let path = std::path::Path::new("some/network.toml");
    let check = |error: NetworkError| {
        let error = error.to_string();
        assert!(error.starts_with("some/network.toml"), "{error}");
    };
    let read = NetworkFile::load(path, |_| Ok(text.clone())).unwrap();
    check(read.view().unwrap_err());
    let newer = text.replace("version = 1", "version = 2");
    check(NetworkFile::load(path, |_| Ok(newer)).unwrap_err());
}

#[test]
fn a_file_has_one_root_certificate() {
    let (net, peers) = network(0);
    let text = file(&net, &peers).to_toml();
    let (begin, end) = ("-----BEGIN", "\"\"\"\n");
    let from = text.find(begin).unwrap();
    let to = from + text[from..].find(end).unwrap();
    let twice = [&text[..to], &text[from..to], &text[to..]].concat();
    check(&twice, "it has 2 certificates, it must have one");
}

#[test]
fn the_view_of_a_file_has_its_number_of_copies() {
    let (net, peers) = network(1);
    let replicas = Replicas::new(5).unwrap();
    let root = net.tower.trusted();
    let mut file = NetworkFile::new(net.overlay.namespace.clone(), root, replicas);
    file.add(net.at(&peers[0], "", 1)).unwrap();
    let read = NetworkFile::parse(&file.to_toml()).unwrap();
    assert_eq!(read.replicas(), replicas);
    assert_eq!(read.view().unwrap().replication(), replicas);
}

#[test]
fn only_addresses_that_a_member_has_are_named() {
    let (net, peers) = network(1);
    let text = file(&net, &peers).to_toml();
    assert!(text.contains(": grpc 127.0.0.1:0\n"), "{text}");
}

#[test]
fn a_member_is_named_in_the_line_above_it() {
    let (net, _) = network(0);
    let mut file = file(&net, &[]);
    let aggregator = net.member(90, Role::Aggregator);
    let [grpc, quic, http] = ["a:1", "b:2", "c:3"].map(str::to_owned);
    let addresses = Addresses { grpc, quic, http };
    file.add(net.reachable(&aggregator, addresses, 1, State::Active))
        .unwrap();
    let key = aggregator.public();
    let line = format!("# aggregator {key}: grpc a:1 quic b:2 http c:3\n[[member]]\n");
    assert!(file.to_toml().contains(&line), "{line}");
}

#[test]
fn a_file_has_as_many_members_as_a_ring() {
    let (net, peers) = network(1);
    let mut file = file(&net, &peers);
    let member = |number: usize| {
        let name = format!("Peer {number}");
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&(number as u64).to_be_bytes());
        net.at(&net.named(seed, &name, Role::Peer), "", 1)
    };
    for number in 1..RING_MEMBERS_MAX {
        file.add(member(number)).unwrap();
    }
    assert_eq!(file.add(member(RING_MEMBERS_MAX)), Err(MemberFault::Full));
    assert_eq!(
        file.add(net.at(&peers[0], "moved:1", 2)),
        Ok(()),
        "a known key"
    );
    let text = file.to_toml();
    let read = NetworkFile::parse(&text).unwrap();
    assert_eq!(read.members().len(), RING_MEMBERS_MAX);
    let encoded = BASE64URL_NOPAD.encode(&member(RING_MEMBERS_MAX).signed().encode());
    let more = format!("{text}\n[[member]]\nidentity = \"{encoded}\"\n");
    check(&more, "10001 members");
}
