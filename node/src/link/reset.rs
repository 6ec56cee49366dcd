//! Keys of the endpoint that stay the same after a restart, so that partners notice the end of the old process at once.
//!
//! A partner that dialled the old process keeps sending to it until the connection's idle time is over. Until then the
//! new process has no link to this partner, because the partner is the side that dials. So the new process would wait
//! that long for an answer that it needs before it signs. With the same keys, it answers the old packets with a
//! stateless reset (RFC 9000, section 10.3). The partner accepts the reset and dials again.

use std::sync::Arc;

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use kittengrad_proto::signed::Signer;
use quinn::EndpointConfig;
use quinn_proto::HashedConnectionIdGenerator;

/// The text whose signature is the secret, which only the holder of the key can derive again. The text has the form of
/// no other signed object, and the signature never leaves the process.
const SUBJECT: &[u8] = b"kittengrad: keys of the QUIC endpoint, 1";

/// Makes the configuration of an endpoint whose keys are derived from `signer`.
pub(super) fn endpoint_config(signer: &dyn Signer) -> EndpointConfig {
    // Ed25519 is deterministic (RFC 8032, section 5.1.6).
    let secret = hmac::Key::new(HMAC_SHA256, &signer.sign(SUBJECT));
    let derived = |label: &[u8]| hmac::sign(&secret, label);
    let reset = hmac::Key::new(HMAC_SHA256, derived(b"reset").as_ref());
    let ids = derived(b"connection ids");
    let ids = ids.as_ref().first_chunk().copied().map(u64::from_be_bytes);
    let mut config = EndpointConfig::new(Arc::new(reset));
    config.cid_generator(move || {
        Box::new(HashedConnectionIdGenerator::from_key(
            ids.unwrap_or_default(),
        ))
    });
    config
}

#[cfg(test)]
mod tests {
    use std::{
        net::{Ipv4Addr, SocketAddr},
        time::Duration,
    };

    use kittengrad_pki::{authority::Authority, directory::InitOptions, tls};
    use kittengrad_service::clock::unix_ms;
    use quinn::ConnectionError;
    use tempfile::TempDir;
    use tokio::runtime::Runtime;

    use crate::link::endpoint::fixture::{admit, connect, listen};

    #[test]
    fn partner_hears_at_once_that_a_process_is_gone() {
        tls::install_provider();
        let dir = TempDir::new().unwrap();
        let options = InitOptions {
            name: "test".to_owned(),
            now_ms: unix_ms(),
        };
        let authority = Authority::init(&dir.path().join("ca"), &options).unwrap();
        let authority = authority.authority;
        let ours = admit(&authority, &dir.path().join("ours"));
        let theirs = admit(&authority, &dir.path().join("theirs"));
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));

        let partner = Runtime::new().unwrap();
        let killed = Runtime::new().unwrap();
        let first = killed.block_on(async { listen(anywhere, &ours) });
        let address = first.local_addr().unwrap();
        let dialling = partner.block_on(async { listen(anywhere, &theirs) });
        let connected = partner.block_on(async {
            let accepted = killed.spawn(async move { first.accept().await.unwrap().await });
            let connected = connect(&dialling, address, &theirs, &ours).await;
            (connected.unwrap(), accepted.await.unwrap().unwrap())
        });
        let (connection, lost) = connected;
        // The runtime ends before the connection is dropped, so that no close packet is sent.
        killed.shutdown_timeout(Duration::from_secs(60));
        drop(lost);
        let next = partner.block_on(async { listen(address, &ours) });
        let ended = partner.block_on(connection.closed());
        assert_eq!(ended, ConnectionError::Reset);
        drop(next);
    }
}
