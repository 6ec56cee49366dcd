//! The door: admitted and refused connections.

use std::sync::Arc;

use kittengrad_pki::{
    tls::{Revocations, client_config, server_name},
    transport::Transport,
};
use kittengrad_proto::{certificate::Role, limits::REQUEST_BYTES_MAX, signed::Ed25519, wire};
use kittengrad_service::{clock::unix_ms, metrics::RefusedBecause};
use kittengrad_support::wait::soon;
use rustls::{ClientConfig, SignatureScheme, client::ResolvesClientCert, sign::CertifiedKey};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::{
    network::{Network, Served, channel},
    world::World,
};

fn head_of(world: &World) -> wire::GetHeadRequest {
    wire::GetHeadRequest {
        namespace: world.overlay.namespace.to_string(),
        nonce: bytes::Bytes::new(),
    }
}

/// Whether a caller with these credentials gets an answer.
async fn is_answered(
    world: &World,
    served: &Served,
    caller: &kittengrad_pki::credentials::Credentials,
) -> bool {
    match soon(served.connect(caller)).await {
        Ok(mut journal) => soon(journal.get_head(head_of(world))).await.is_ok(),
        Err(_) => false,
    }
}

/// A revocation list of an authority outside the network. It leaves the status of the network's certificates unknown.
fn list_of_a_stranger() -> Revocations {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let mut stranger = rcgen::CertificateParams::default();
    stranger.key_usages = vec![rcgen::KeyUsagePurpose::CrlSign];
    let list = rcgen::CertificateRevocationListParams {
        this_update: rcgen::date_time_ymd(2026, 1, 1),
        next_update: rcgen::date_time_ymd(2046, 1, 1),
        crl_number: rcgen::SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: vec![],
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    };
    let list = list.signed_by(&rcgen::Issuer::from_params(&stranger, &key));
    Revocations::new(vec![list.unwrap().der().clone()])
}

#[tokio::test]
async fn revocation_lists_count_from_the_next_connection_on() {
    let world = World::new();
    let served = Served::start(&world).await;
    let mut open = served.journal(&world.publisher).await;
    soon(open.get_head(head_of(&world))).await.unwrap();
    served.handshakes.revoke(&list_of_a_stranger()).unwrap();
    assert!(!is_answered(&world, &served, &world.publisher).await);
    soon(open.get_head(head_of(&world))).await.unwrap();
    served.handshakes.revoke(&Revocations::default()).unwrap();
    assert!(is_answered(&world, &served, &world.publisher).await);
    served.stop().await;
}

/// Keeps S10.
#[tokio::test]
async fn callers_of_the_admitted_roles_are_served_and_no_others() {
    let world = World::new();
    let served = Served::start(&world).await;
    for (role, expected) in [
        (Role::Client, true),
        (Role::Aggregator, true),
        (Role::Indexer, false),
        (Role::Peer, false),
    ] {
        let caller = world.network.admit(role);
        assert_eq!(
            is_answered(&world, &served, &caller).await,
            expected,
            "{role}"
        );
    }
    served.stop().await;
}

/// Keeps S10.
#[tokio::test]
async fn a_caller_of_another_root_is_refused() {
    let world = World::new();
    let served = Served::start(&world).await;
    let stranger = Network::new().admit(Role::Client);
    let transport = Transport::of(&stranger, unix_ms()).unwrap();
    let trusted = Transport::of(&world.publisher, unix_ms()).unwrap();
    // The caller trusts the server, so that only the server can refuse.
    let mut config = client_config(&trusted, &Revocations::default(), &[b"h2"]).unwrap();
    let with_strangers = client_config(&transport, &Revocations::default(), &[b"h2"]).unwrap();
    config.client_auth_cert_resolver = with_strangers.client_auth_cert_resolver;
    assert!(!connects(&world, &served, config).await);
    served.stop().await;
}

/// Keeps S10.
#[tokio::test]
async fn a_caller_without_certificate_is_refused() {
    let world = World::new();
    let served = Served::start(&world).await;
    let trusted = Transport::of(&world.publisher, unix_ms()).unwrap();
    let mut config = client_config(&trusted, &Revocations::default(), &[b"h2"]).unwrap();
    config.client_auth_cert_resolver = Arc::new(Nothing);
    assert!(!connects(&world, &served, config).await);
    served.stop().await;
}

/// Shows no certificate.
#[derive(Debug)]
struct Nothing;

impl ResolvesClientCert for Nothing {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

async fn connects(world: &World, served: &Served, config: ClientConfig) -> bool {
    let name = server_name(&served.owner, Role::Peer);
    let Ok(channel) = soon(channel(served.address, config, name)).await else {
        return false;
    };
    let mut journal = wire::journal_client::JournalClient::new(channel);
    soon(journal.get_head(head_of(world))).await.is_ok()
}

/// Keeps S10.
#[tokio::test]
async fn tls_1_2_is_refused_with_the_alert_for_versions() {
    let world = World::new();
    let served = Served::start(&world).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(&client_hello_1_2()).await.unwrap();
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await.unwrap();
    const ALERT: u8 = 21;
    const PROTOCOL_VERSION: u8 = 70;
    assert_eq!((answer[0], answer[6]), (ALERT, PROTOCOL_VERSION));
    served.stop().await;
}

/// A ClientHello that offers nothing above TLS 1.2.
fn client_hello_1_2() -> Vec<u8> {
    let extensions: &[u8] = &[
        0x00, 0x0a, 0, 4, 0, 2, 0x00, 0x1d, // supported_groups: x25519
        0x00, 0x0d, 0, 4, 0, 2, 0x08, 0x07, // signature_algorithms: ed25519
        0x00, 0x0b, 0, 2, 1, 0, // ec_point_formats: uncompressed
    ];
    let mut hello = vec![3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x2b, 1, 0, 0, extensions.len() as u8]);
    hello.extend(extensions);
    let mut record = vec![
        22,
        3,
        1,
        0,
        hello.len() as u8 + 4,
        1,
        0,
        0,
        hello.len() as u8,
    ];
    record.extend(hello);
    record
}

/// Keeps S9.
#[tokio::test]
async fn a_caller_that_says_nothing_is_let_go_and_counted() {
    let world = World::new();
    let served = Served::start(&world).await;
    let mut silent = TcpStream::connect(served.address).await.unwrap();
    let mut answer = Vec::new();
    // The system ends the connection with an end of file or with a reset.
    let _ = soon(silent.read_to_end(&mut answer)).await;
    assert!(answer.is_empty());
    let slow = &[("reason", RefusedBecause::Slow)];
    let counted = async {
        while served.metrics.refused.get_or_create(slow).get() == 0 {
            tokio::task::yield_now().await;
        }
    };
    soon(counted).await;
    served.stop().await;
}

/// Keeps S9.
#[tokio::test]
async fn one_key_has_so_many_connections_and_no_more() {
    let world = World::new();
    let served = Served::start(&world).await;
    let mut open = Vec::new();
    for _ in 0..32 {
        let mut journal = served.journal(&world.publisher).await;
        soon(journal.get_head(head_of(&world))).await.unwrap();
        open.push(journal);
    }
    assert!(!is_answered(&world, &served, &world.publisher).await);
    let other = world.network.admit(Role::Client);
    assert!(
        is_answered(&world, &served, &other).await,
        "another key has a limit of its own"
    );
    open.pop();
    let again = async {
        while !is_answered(&world, &served, &world.publisher).await {
            tokio::task::yield_now().await;
        }
    };
    soon(again).await;
    served.stop().await;
}

/// Keeps S9.
#[tokio::test]
async fn silent_connections_of_an_address_shut_nobody_else_out() {
    let world = World::new();
    let served = Served::start(&world).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        silent.push(socket.connect(served.address).await.unwrap());
    }
    assert!(is_answered(&world, &served, &world.publisher).await);
    let full = &[("reason", RefusedBecause::Full)];
    assert_eq!(served.metrics.refused.get_or_create(full).get(), 100 - 64);
    served.stop().await;
}

#[tokio::test]
async fn a_request_that_is_larger_than_any_should_be_is_not_read() {
    let world = World::new();
    let served = Served::start(&world).await;
    let mut journal = served.journal(&world.publisher).await;
    let large = wire::GetHeadRequest {
        namespace: "x".repeat(REQUEST_BYTES_MAX),
        nonce: bytes::Bytes::new(),
    };
    let refused = soon(journal.get_head(large)).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::OutOfRange);
    served.stop().await;
}

#[tokio::test]
async fn head_is_signed_and_comes_with_its_certificate_chain() {
    let mut world = World::new();
    world.block(&[3]);
    let served = Served::start(&world).await;
    let mut journal = served.journal(&world.publisher).await;
    let head = soon(journal.get_head(head_of(&world)))
        .await
        .unwrap()
        .into_inner();
    let chain = kittengrad_proto::certificate::Chain::from_wire(head.chain.unwrap()).unwrap();
    let holder = chain.verify(world.owner.root(), &Ed25519).unwrap();
    let heartbeat =
        kittengrad_proto::identity::Heartbeat::from_wire(head.heartbeat, &world.overlay).unwrap();
    heartbeat.verify(&Ed25519).unwrap();
    assert_eq!(heartbeat.peer, holder.key);
    assert_eq!(heartbeat.head, world.tip().head);
    assert_eq!((head.incarnations, head.elements), (vec![7], 3));
    served.stop().await;
}
