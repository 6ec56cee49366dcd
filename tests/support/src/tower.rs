//! Makes towers of certificates from one-byte seeds, valid ones and deviating ones.

use bytes::Bytes;
use kittengrad_proto::{
    certificate::{Chain, Role, Root, transport_label, transport_name},
    id::PublicKey,
    signed::{Signer, SigningKey},
};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData, SanType,
    SerialNumber, SignatureAlgorithm, date_time_ymd,
};

/// A key that rcgen can sign with.
pub struct Key {
    signing: SigningKey,
    public: PublicKey,
}

impl Key {
    /// The key of this seed.
    pub fn of(seed: u8) -> Self {
        Self::from_seed(&[seed; 32])
    }

    /// The key of this whole seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let signing = SigningKey::from_seed(seed);
        Self {
            public: signing.public(),
            signing,
        }
    }

    /// The public key.
    pub const fn public(&self) -> PublicKey {
        self.public
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        self.public.as_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.signing.sign(message).to_vec())
    }
}

/// The key of all transport leaves here: the generator of P-256. No test signs with it.
pub struct TransportKey;

impl TransportKey {
    /// The point, uncompressed (SEC 2, section 2.4.2).
    #[rustfmt::skip]
    pub const POINT: [u8; 65] = [
        4,
        0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2,
        0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96,
        0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16,
        0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
    ];
}

impl PublicKeyData for TransportKey {
    fn der_bytes(&self) -> &[u8] {
        &Self::POINT
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

/// A certificate with its key and parameters.
pub struct Made {
    /// The signed content, except issuer and key.
    pub params: CertificateParams,
    /// The certified key.
    pub key: Key,
    /// The certificate.
    pub der: Bytes,
}

impl Made {
    /// A certificate of the seed's key, signed by that key itself.
    pub fn self_signed(params: CertificateParams, seed: u8) -> Self {
        let key = Key::of(seed);
        let der = params.self_signed(&key).unwrap().der().to_vec().into();
        Self { params, key, der }
    }

    /// A certificate of the seed's key, signed by this certificate's key.
    pub fn issue(&self, mut params: CertificateParams, seed: u8) -> Self {
        params
            .serial_number
            .get_or_insert_with(|| SerialNumber::from_slice(&[1, seed]));
        let key = Key::of(seed);
        let der = self.certify(&params, &key);
        Self { params, key, der }
    }

    /// A certificate of the key of a whole seed, signed by this certificate's key.
    pub fn issue_to(&self, seed: &[u8; 32], mut params: CertificateParams) -> Bytes {
        params.serial_number = Some(SerialNumber::from_slice(&[1]));
        self.certify(&params, &Key::from_seed(seed))
    }

    /// A certificate of [`TransportKey`], signed by this certificate's key.
    pub fn issue_transport(&self, mut params: CertificateParams, serial: u8) -> Bytes {
        params.serial_number = Some(SerialNumber::from_slice(&[1, serial]));
        self.certify(&params, &TransportKey)
    }

    /// A certificate of any key, signed by this certificate's key.
    pub fn certify(&self, params: &CertificateParams, key: &impl PublicKeyData) -> Bytes {
        let issuer = Issuer::from_params(&self.params, &self.key);
        let issued = params.signed_by(key, &issuer).unwrap();
        issued.der().to_vec().into()
    }

    /// The certified public key.
    pub fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// The same certificate with a changed signed part, signed again by `issuer`.
    pub fn resigned(&self, issuer: &Self, change: impl FnOnce(&mut Vec<u8>)) -> Bytes {
        // The certificates of this module have two length bytes at both levels.
        let bytes = usize::from(u16::from_be_bytes([self.der[6], self.der[7]]));
        let mut signed = self.der[4..8 + bytes].to_vec();
        change(&mut signed);
        assemble(&signed, &issuer.key)
    }
}

/// Builds a certificate of a signed part, the algorithm and the signature.
pub fn assemble(signed: &[u8], key: &Key) -> Bytes {
    let signature = rcgen::SigningKey::sign(key, signed).unwrap();
    let tail = [
        &[0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x41, 0][..],
        &signature,
    ]
    .concat();
    let length = u16::try_from(signed.len() + tail.len())
        .unwrap()
        .to_be_bytes();
    [&[0x30, 0x82][..], &length, signed, &tail].concat().into()
}

/// The alternative name that states the role of a holder.
pub fn role_uri(role: &str) -> SanType {
    SanType::URI(format!("urn:kittengrad:role:{role}").try_into().unwrap())
}

fn params(name: &str, role: &str, years: (i32, i32)) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(years.0, 1, 1);
    params.not_after = date_time_ymd(years.1, 1, 1);
    params.use_authority_key_identifier_extension = true;
    params.subject_alt_names = vec![role_uri(role)];
    params
}

fn authority(name: &str, role: &str, years: (i32, i32), path: u8) -> CertificateParams {
    let mut params = params(name, role, years);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// The parameters of a valid root.
pub fn root_params() -> CertificateParams {
    let mut params = authority("Sample root", "root", (2025, 2055), 2);
    params.serial_number = Some(SerialNumber::from_slice(&[1]));
    params
}

/// The parameters of a valid principal.
pub fn level0_params() -> CertificateParams {
    authority("Sample principal", "principal", (2025, 2035), 1)
}

/// The parameters of a valid Level-1: a peer, an aggregator or a registrar.
pub fn level1_params(name: &str, role: Role) -> CertificateParams {
    let mut params = authority(name, role.as_str(), (2026, 2028), 0);
    params.key_usages.push(KeyUsagePurpose::DigitalSignature);
    params
}

/// The parameters of a valid leaf.
pub fn level2_params(name: &str, role: Role) -> CertificateParams {
    let mut params = params(name, role.as_str(), (2026, 2027));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// The parameters of the leaf that the member `key` shows in TLS.
pub fn transport_params(key: &PublicKey, role: Role) -> CertificateParams {
    let mut params = level2_params(&transport_label(key), role);
    let dns_name = SanType::DnsName(transport_name(key, role).try_into().unwrap());
    params.subject_alt_names.insert(0, dns_name);
    params.not_before = date_time_ymd(2026, 6, 1);
    params.not_after = date_time_ymd(2026, 7, 1);
    params
        .extended_key_usages
        .insert(0, ExtendedKeyUsagePurpose::ServerAuth);
    params
}

/// A root, a principal and one Level-1 of each role.
pub struct Tower {
    /// The issuer of Level-0.
    pub root: Made,
    /// The principal.
    pub level0: Made,
    /// A peer of Level-1.
    pub peer: Made,
    /// An aggregator of Level-1.
    pub aggregator: Made,
    /// A registrar of Level-1, which certifies clients.
    pub registrar: Made,
}

impl Default for Tower {
    fn default() -> Self {
        Self::new()
    }
}

impl Tower {
    /// The tower. Every call makes the same bytes.
    pub fn new() -> Self {
        let root = Made::self_signed(root_params(), 1);
        let level0 = root.issue(level0_params(), 2);
        let level1 = |name, role, seed| level0.issue(level1_params(name, role), seed);
        Self {
            peer: level1("Sample peer", Role::Peer, 3),
            aggregator: level1("Sample aggregator", Role::Aggregator, 4),
            registrar: level1("Sample registrar", Role::Registrar, 5),
            root,
            level0,
        }
    }

    /// The root as a process trusts it.
    pub fn trusted(&self) -> Root {
        Root::from_der(self.root.der.clone()).unwrap()
    }

    /// The chain of a Level-1.
    pub fn member(&self, level1: &Made) -> Chain {
        self.chain(&[&level1.der])
    }

    /// The chain of a leaf.
    pub fn leaf(&self, leaf: &Made, level1: &Made) -> Chain {
        self.chain(&[&leaf.der, &level1.der])
    }

    /// The chain of `certificates` and Level-0.
    pub fn chain(&self, certificates: &[&Bytes]) -> Chain {
        let all = certificates
            .iter()
            .copied()
            .chain([&self.level0.der])
            .cloned()
            .collect();
        Chain::from_der(all).unwrap()
    }

    /// The chain of the leaf that `member` shows in TLS.
    pub fn transport(&self, member: &Made, role: Role, serial: u8) -> Chain {
        let leaf = member.issue_transport(transport_params(&member.public(), role), serial);
        self.chain(&[&leaf, &member.der])
    }
}
