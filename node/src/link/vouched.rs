//! The certificate of a partner on one connection. The partner's proofs count only if the certificate was in force when
//! their blocks were signed.

use kittengrad_proto::{
    certificate::{CertificateError, Holder, Role, Root},
    error::ErrorCode,
    id::PublicKey,
    identity::{Identity, IdentityError},
    link::{PushRefusal, PushResult},
    receipt::ItemProof,
    signed::Ed25519,
};
use parking_lot::Mutex;

/// The holder of the certificates in a partner's last hello. The streams of one connection share it, and hold the lock
/// only briefly.
#[derive(Debug, Default)]
pub(super) struct Vouched(Mutex<Option<Holder>>);

impl Vouched {
    /// Verifies the identity in a partner's hello, and keeps its holder with the period of the certificates.
    pub(super) fn hello(&self, identity: &Identity, root: &Root) -> Result<(), IdentityError> {
        let holder = identity.verify(root, &Ed25519)?;
        holder.check_role(&[Role::Peer])?;
        *self.0.lock() = Some(holder);
        Ok(())
    }

    /// Whether a valid hello came.
    pub(super) fn heard_hello(&self) -> bool {
        self.0.lock().is_some()
    }

    /// Turns a confirmation into a refusal if a block in it was signed outside the period of the partner's certificate.
    /// Any check of a receipt with such a block would fail.
    pub(super) fn in_force(&self, partner: PublicKey, result: PushResult) -> PushResult {
        let PushResult { id, outcome } = result;
        let holder = self.0.lock().clone();
        let outcome = outcome.and_then(|proofs| match &holder {
            None => Err(PushRefusal::new(
                ErrorCode::Internal,
                "a confirmation came before the hello",
            )),
            Some(holder) => match check_all(holder, &proofs) {
                Ok(()) => Ok(proofs),
                Err(error) => {
                    tracing::warn!(?partner, %error, "a confirmation does not count");
                    Err(PushRefusal::new(ErrorCode::Internal, error.to_string()))
                }
            },
        });
        PushResult { id, outcome }
    }
}

fn check_all(holder: &Holder, proofs: &[ItemProof]) -> Result<(), CertificateError> {
    let mut times = proofs.iter().map(|proof| proof.header.time_ms);
    times.try_for_each(|time_ms| holder.check_at(time_ms))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use kittengrad_pki::{
        authority::{Authority, Request},
        key_file::generate_key,
    };
    use kittengrad_proto::{
        block::{Header, HeaderFields},
        id::Id,
        identity::{Addresses, IdentityFields, State},
        namespace::Overlay,
        signed::{Signer, SigningKey},
    };

    use super::*;

    const NOW_MS: u64 = 1_790_000_000_000;
    const HOUR_MS: u64 = 60 * 60 * 1_000;

    fn proof(overlay: &Overlay, time_ms: u64, key: &SigningKey) -> ItemProof {
        let fields = HeaderFields {
            incarnation: 1,
            height: 0,
            previous: Id::ZERO,
            time_ms,
            items_root: Id::ZERO,
            item_count: 1,
            fork: None,
            checkpoint: None,
            hold: 0,
        };
        ItemProof {
            header: Header::sign(overlay, &fields, key),
            item: Bytes::new(),
            index: 0,
            path: Vec::new(),
            transaction: None,
        }
    }

    #[test]
    fn confirmation_counts_only_from_blocks_signed_in_force() {
        let authority = Authority::generate("test", NOW_MS - 24 * HOUR_MS)
            .unwrap()
            .0;
        let key = generate_key().unwrap();
        let request = Request {
            role: Role::Peer,
            name: "peer",
            key: &key.public(),
            validity: Duration::from_secs(10 * 60 * 60),
            now_ms: NOW_MS,
        };
        let overlay = Overlay {
            network: authority.root().network(),
            namespace: "test".parse().unwrap(),
        };
        let fields = IdentityFields {
            seq: 1,
            state: State::Active,
            role: Role::Peer,
            addresses: Addresses::default(),
            chain: authority.certify(&request).unwrap().0,
        };
        let identity = Identity::sign(&overlay, &fields, &key).unwrap();
        let vouched = Vouched::default();
        let counts = |times: &[u64]| {
            let proofs = times.iter().map(|time_ms| proof(&overlay, *time_ms, &key));
            let (id, outcome) = (Id::ZERO, Ok(proofs.collect()));
            let result = PushResult { id, outcome };
            vouched.in_force(key.public(), result).outcome.is_ok()
        };

        assert!(!counts(&[NOW_MS]), "no hello came yet");
        vouched.hello(&identity, authority.root()).unwrap();
        assert!(vouched.heard_hello());
        assert!(counts(&[NOW_MS, NOW_MS + 9 * HOUR_MS]));
        assert!(!counts(&[NOW_MS, NOW_MS + 11 * HOUR_MS]), "it had ended");
        assert!(!counts(&[NOW_MS - 2 * HOUR_MS]), "it had not begun");
    }
}
