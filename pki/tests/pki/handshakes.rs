//! Real handshakes in memory: who gets through, and who does not.

use std::sync::Arc;

use kittengrad_pki::{
    authority::Authority,
    key_file::pkcs8,
    tls::{Revocations, client_config, holder_of, install_provider, server_config, server_name},
    transport::{Transport, rustls_certificates},
};
use kittengrad_proto::certificate::{CertificateError, Holder, Role};
use kittengrad_support::{
    authority::{admit_at, authority_at},
    clock::{DAY_MS, unix_ms},
};
use rustls::{
    ClientConfig, ClientConnection, Connection, HandshakeKind, RootCertStore, ServerConfig,
    ServerConnection, SignatureScheme, SupportedProtocolVersion, crypto::aws_lc_rs,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};

const ALPN: &[&[u8]] = &[b"kittengrad/1"];

/// Both ends after their handshake, or the refusal of one of them.
type Ends = Result<(ClientConnection, ServerConnection), String>;

fn shake(
    client: &Arc<ClientConfig>,
    name: ServerName<'static>,
    server: &Arc<ServerConfig>,
) -> Ends {
    let mut ends = (
        Connection::from(ClientConnection::new(client.clone(), name).unwrap()),
        Connection::from(ServerConnection::new(server.clone()).unwrap()),
    );
    while ends.0.wants_write() || ends.1.wants_write() {
        pass(&mut ends.0, &mut ends.1).map_err(|e| format!("server: {e}"))?;
        pass(&mut ends.1, &mut ends.0).map_err(|e| format!("client: {e}"))?;
    }
    assert!(!ends.0.is_handshaking() && !ends.1.is_handshaking());
    match ends {
        (Connection::Client(client), Connection::Server(server)) => Ok((client, server)),
        _ => unreachable!("made above"),
    }
}

/// Moves the waiting bytes of `from` to `to`.
fn pass(from: &mut Connection, to: &mut Connection) -> Result<(), rustls::Error> {
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes).unwrap();
    }
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        to.read_tls(&mut rest).unwrap();
        to.process_new_packets()?;
    }
    Ok(())
}

/// A network, and the certificates that its holders present.
struct Net {
    authority: Authority,
    now_ms: u64,
}

impl Net {
    fn new() -> Self {
        install_provider();
        let now_ms = unix_ms();
        Self {
            authority: authority_at(now_ms - 90 * DAY_MS),
            now_ms,
        }
    }

    fn transport(&self, role: Role) -> Arc<Transport> {
        let credentials = admit_at(self.now_ms - 60 * DAY_MS, &self.authority, role);
        Transport::of(&credentials, self.now_ms).unwrap()
    }

    fn holder(&self, certificates: Option<&[CertificateDer<'_>]>) -> Holder {
        holder_of(certificates.unwrap(), self.authority.root(), self.now_ms).unwrap()
    }
}

fn server(transport: &Arc<Transport>) -> Arc<ServerConfig> {
    Arc::new(server_config(transport, &Revocations::default(), ALPN).unwrap())
}

fn client(transport: &Arc<Transport>) -> Arc<ClientConfig> {
    Arc::new(client_config(transport, &Revocations::default(), ALPN).unwrap())
}

fn name_of(transport: &Arc<Transport>) -> ServerName<'static> {
    server_name(&transport.holder().key, transport.holder().role)
}

/// `caller` calls `listener` by its right name.
fn call(caller: &Arc<Transport>, listener: &Arc<Transport>) -> Ends {
    shake(&client(caller), name_of(listener), &server(listener))
}

fn check_refused(ends: Ends, by: &str, because: &str) {
    let error = ends.map(|_| "nobody refused").unwrap_err();
    assert!(error.starts_with(by) && error.contains(because), "{error}");
}

#[test]
fn every_role_can_call_a_peer_or_aggregator() {
    let net = Net::new();
    for listener in [Role::Peer, Role::Aggregator].map(|role| net.transport(role)) {
        for role in [Role::Peer, Role::Aggregator, Role::Client, Role::Indexer] {
            let caller = net.transport(role);
            let (client, server) = call(&caller, &listener).unwrap();
            assert_eq!(net.holder(server.peer_certificates()), caller.holder());
            assert_eq!(net.holder(client.peer_certificates()), listener.holder());
            assert_eq!(client.alpn_protocol(), Some(ALPN[0]));
            assert_eq!(
                client.protocol_version(),
                Some(rustls::ProtocolVersion::TLSv1_3)
            );
        }
    }
}

/// Clients built on BoringSSL are such callers: they verify Ed25519 in the certificates above the leaf, they sign with
/// it, and they do not offer it to servers.
#[test]
fn a_caller_that_offers_no_ed25519_gets_through() {
    let net = Net::new();
    let caller = net.transport(Role::Client);
    let config = without_ed25519(&caller);
    for listener in [Role::Peer, Role::Aggregator].map(|role| net.transport(role)) {
        let (client, server) = shake(&config, name_of(&listener), &server(&listener)).unwrap();
        assert_eq!(net.holder(client.peer_certificates()), listener.holder());
        assert_eq!(net.holder(server.peer_certificates()), caller.holder());
    }
    // A listener with an Ed25519 key, such as a client's, has no signature for this caller.
    let listener = net.transport(Role::Client);
    check_refused(
        shake(&config, name_of(&listener), &server(&listener)),
        "server",
        "NoSignatureSchemesInCommon",
    );
}

#[test]
fn a_certificate_of_another_root_is_refused_by_both_ends() {
    // Their roots have the same name, so that only the signature can tell.
    let (ours, theirs) = (Net::new(), Net::new());
    check_refused(
        call(&ours.transport(Role::Client), &theirs.transport(Role::Peer)),
        "client",
        "BadSignature",
    );
    // A caller that trusts the listener's root and shows another network's certificate.
    let listener = theirs.transport(Role::Peer);
    let caller = ours.transport(Role::Client);
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(theirs.authority.root().der().to_vec()))
        .unwrap();
    let config = with_alpn(anonymous(roots).with_client_cert_resolver(caller));
    check_refused(
        shake(&config, name_of(&listener), &server(&listener)),
        "server",
        "BadSignature",
    );
}

#[test]
fn a_caller_without_a_certificate_is_refused() {
    let net = Net::new();
    let listener = net.transport(Role::Peer);
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(net.authority.root().der().to_vec()))
        .unwrap();
    let config = with_alpn(anonymous(roots).with_no_client_auth());
    check_refused(
        shake(&config, name_of(&listener), &server(&listener)),
        "server",
        "peer sent no certificates",
    );
}

#[test]
fn a_level_1_certificate_is_no_end_of_a_connection() {
    let net = Net::new();
    let peer = admit_at(net.now_ms - DAY_MS, &net.authority, Role::Peer);
    let chain = || rustls_certificates(peer.chain());
    let key = || PrivateKeyDer::from(PrivatePkcs8KeyDer::from(pkcs8(peer.key()).to_vec()));
    let other = net.transport(Role::Peer);

    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(net.authority.root().der().to_vec()))
        .unwrap();
    let caller = anonymous(roots)
        .with_client_auth_cert(chain(), key())
        .map(with_alpn)
        .unwrap();
    check_refused(
        shake(&caller, name_of(&other), &server(&other)),
        "server",
        "CaUsedAsEndEntity",
    );

    let mut listener = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain(), key())
        .unwrap();
    listener.alpn_protocols = vec![ALPN[0].to_vec()];
    let name = server_name(&peer.holder().key, Role::Peer);
    check_refused(
        shake(&client(&other), name, &Arc::new(listener)),
        "client",
        "CaUsedAsEndEntity",
    );
}

/// Keeps S10.
#[test]
fn an_expired_leaf_is_refused_by_both_ends() {
    let net = Net::new();
    let peer = admit_at(net.now_ms - 60 * DAY_MS, &net.authority, Role::Peer);
    let expired = Transport::of(&peer, net.now_ms - 31 * DAY_MS).unwrap();
    let other = net.transport(Role::Peer);
    check_refused(call(&other, &expired), "client", "certificate expired");
    check_refused(call(&expired, &other), "server", "certificate expired");
    assert!(matches!(
        holder_of(
            &rustls_certificates(expired.identity().chain()),
            net.authority.root(),
            net.now_ms
        ),
        Err(CertificateError::Expired { .. })
    ));
}

#[test]
fn a_listener_of_another_name_is_refused() {
    let net = Net::new();
    let (caller, listener, other) = (
        net.transport(Role::Client),
        net.transport(Role::Peer),
        net.transport(Role::Peer),
    );
    let as_aggregator = server_name(&listener.holder().key, Role::Aggregator);
    for name in [
        name_of(&other),
        as_aggregator,
        ServerName::try_from("localhost").unwrap(),
    ] {
        check_refused(
            shake(&client(&caller), name, &server(&listener)),
            "client",
            "not valid for name",
        );
    }
}

#[test]
fn a_client_cannot_pass_for_a_listener() {
    let net = Net::new();
    let (caller, impostor) = (net.transport(Role::Client), net.transport(Role::Client));
    check_refused(
        call(&caller, &impostor),
        "client",
        "invalid peer certificate",
    );
}

/// Keeps S10.
#[test]
fn nothing_is_resumed() {
    let net = Net::new();
    let listener = net.transport(Role::Peer);
    let (caller, accepting) = (client(&net.transport(Role::Client)), server(&listener));
    for _ in 0..3 {
        let (mut client, server) = shake(&caller, name_of(&listener), &accepting).unwrap();
        assert_eq!(client.handshake_kind(), Some(HandshakeKind::Full));
        assert_eq!(server.handshake_kind(), Some(HandshakeKind::Full));
        assert_eq!(client.tls13_tickets_received(), 0);
        assert!(client.early_data().is_none());
    }
}

#[test]
fn a_renewed_leaf_is_shown_from_the_next_handshake_on() {
    let net = Net::new();
    let peer = admit_at(net.now_ms - 60 * DAY_MS, &net.authority, Role::Peer);
    let listener = Transport::of(&peer, net.now_ms - 31 * DAY_MS).unwrap();
    let caller = Transport::of(&peer, net.now_ms - 31 * DAY_MS).unwrap();
    let (calling, accepting) = (client(&caller), server(&listener));
    let ends = || shake(&calling, name_of(&listener), &accepting);
    check_refused(ends(), "client", "certificate expired");
    assert!(listener.renew_at_ms() < net.now_ms);
    listener.renew(&peer, net.now_ms).unwrap();
    assert!(listener.renew_at_ms() > net.now_ms);
    check_refused(ends(), "server", "certificate expired");
    caller.renew(&peer, net.now_ms).unwrap();
    let (client, _) = ends().unwrap();
    assert_eq!(net.holder(client.peer_certificates()), listener.holder());
}

#[test]
fn ends_without_a_common_protocol_are_refused() {
    let net = Net::new();
    let (caller, listener) = (net.transport(Role::Client), net.transport(Role::Peer));
    let other = client_config(&caller, &Revocations::default(), &[b"h2"]).unwrap();
    let ends = shake(&Arc::new(other), name_of(&listener), &server(&listener));
    check_refused(ends, "server", "doesn't support any known protocol");
}

#[test]
fn a_revocation_list_is_asked_about_once_there_is_one() {
    use rcgen::{CertificateRevocationListParams, KeyIdMethod, SerialNumber};

    let net = Net::new();
    let listener = net.transport(Role::Peer);
    let root_key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let mut stranger = rcgen::CertificateParams::default();
    stranger.key_usages = vec![rcgen::KeyUsagePurpose::CrlSign];
    let list = CertificateRevocationListParams {
        this_update: rcgen::date_time_ymd(2026, 1, 1),
        next_update: rcgen::date_time_ymd(2046, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: vec![],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let list = list
        .signed_by(&rcgen::Issuer::from_params(&stranger, &root_key))
        .unwrap();
    let revocations = Revocations::new(vec![list.der().clone()]);
    let accepting = Arc::new(server_config(&listener, &revocations, ALPN).unwrap());
    let caller = client(&net.transport(Role::Client));
    check_refused(
        shake(&caller, name_of(&listener), &accepting),
        "server",
        "UnknownRevocationStatus",
    );
}

#[test]
fn certificates_that_are_no_chain_have_no_holder() {
    let net = Net::new();
    let leaf = rustls_certificates(net.transport(Role::Peer).identity().chain());
    let root = net.authority.root();
    for certificates in [&leaf[..0], &leaf[..1], &leaf[1..2], &leaf[..2]] {
        assert!(holder_of(certificates, root, net.now_ms).is_err());
    }
    assert!(holder_of(&leaf, root, net.now_ms).is_ok());
    assert!(holder_of(&leaf, Net::new().authority.root(), net.now_ms).is_err());
}

type WantsClientCert = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

fn anonymous(roots: RootCertStore) -> WantsClientCert {
    const TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
    ClientConfig::builder_with_protocol_versions(TLS13).with_root_certificates(roots)
}

/// The configuration of a caller that accepts Ed25519 in certificates only.
fn without_ed25519(caller: &Arc<Transport>) -> Arc<ClientConfig> {
    let mut provider = aws_lc_rs::default_provider();
    let algorithms = &mut provider.signature_verification_algorithms;
    let mut offered = algorithms.mapping.to_vec();
    offered.retain(|(scheme, _)| *scheme != SignatureScheme::ED25519);
    algorithms.mapping = offered.leak();
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(caller.root().der().to_vec()))
        .unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_cert_resolver(caller.clone());
    with_alpn(config)
}

fn with_alpn(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.alpn_protocols = vec![ALPN[0].to_vec()];
    Arc::new(config)
}
