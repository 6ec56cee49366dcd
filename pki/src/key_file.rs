//! Private keys as files: PKCS#8 version 1 in PEM, which OpenSSL reads and writes.

use getrandom::fill;
use kittengrad_proto::{certificate::pem::write_section, signed::SigningKey};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use thiserror::Error;
use zeroize::Zeroizing;

/// The bytes of an Ed25519 `PrivateKeyInfo`, version 1, before the 32 bytes of the seed (RFC 8410 section 7). Version 2
/// adds the public key, which OpenSSL 3.0 cannot read.
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
];
/// Beginning of an encrypted key.
const ENCRYPTED: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";

/// Why a key cannot be read or made. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyFileError {
    /// The section is missing or damaged.
    #[error("it is not a PEM file with a section \"PRIVATE KEY\": {0}")]
    Malformed(String),
    /// The key is of another kind.
    #[error(
        "its key is not Ed25519 in PKCS#8 version 1, as `openssl genpkey -algorithm ed25519` writes it"
    )]
    NotEd25519,
    /// The key is encrypted.
    #[error(
        "its key is encrypted, which is not supported; decrypt it with \
         `openssl pkey -in KEY -out PLAIN`"
    )]
    Encrypted,
    /// The system returned no random bytes.
    #[error("the system returned no random bytes: {0}")]
    Randomness(String),
}

/// The content of a key file. Encrypted keys are recognised, and refused for now.
#[derive(Debug, Clone)]
pub enum KeyFile {
    /// An unencrypted key.
    Plain(Box<SigningKey>),
    /// An `EncryptedPrivateKeyInfo`.
    Encrypted,
}

impl KeyFile {
    /// Reads the text of a key file.
    ///
    /// # Errors
    /// If it is not PEM, or has a key of another kind.
    pub fn read(text: &[u8]) -> Result<Self, KeyFileError> {
        if text
            .windows(ENCRYPTED.len())
            .any(|window| window == ENCRYPTED)
        {
            return Ok(Self::Encrypted);
        }
        let der = PrivatePkcs8KeyDer::from_pem_slice(text)
            .map_err(|e| KeyFileError::Malformed(e.to_string()))?;
        let seed = der.secret_pkcs8_der().strip_prefix(&PKCS8_PREFIX);
        let seed = seed.and_then(|seed| <&[u8; 32]>::try_from(seed).ok());
        let key = SigningKey::from_seed(seed.ok_or(KeyFileError::NotEd25519)?);
        Ok(Self::Plain(Box::new(key)))
    }

    /// The key, ready to sign.
    ///
    /// # Errors
    /// [`KeyFileError::Encrypted`] if it is encrypted.
    pub fn unlock(self) -> Result<SigningKey, KeyFileError> {
        match self {
            Self::Plain(key) => Ok(*key),
            Self::Encrypted => Err(KeyFileError::Encrypted),
        }
    }
}

/// The text of a key file.
#[must_use]
pub fn write_key(key: &SigningKey) -> Zeroizing<String> {
    write_pkcs8(&pkcs8(key))
}

/// The text of a key file, of a key as PKCS#8.
pub(crate) fn write_pkcs8(der: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(write_section("PRIVATE KEY", der))
}

/// The key as PKCS#8, version 1.
#[must_use]
pub fn pkcs8(key: &SigningKey) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([&PKCS8_PREFIX[..], key.seed()].concat())
}

/// A new key from the system's random generator.
///
/// # Errors
/// [`KeyFileError::Randomness`] if it returns no bytes.
pub fn generate_key() -> Result<SigningKey, KeyFileError> {
    let mut seed = Zeroizing::new([0; 32]);
    fill(&mut *seed).map_err(|e| KeyFileError::Randomness(e.to_string()))?;
    Ok(SigningKey::from_seed(&seed))
}

/// A new key for a transport leaf.
pub(crate) fn generate_transport_key() -> Result<KeyPair, KeyFileError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
        .map_err(|e| KeyFileError::Randomness(e.to_string()))
}

#[cfg(test)]
mod tests {
    use kittengrad_proto::signed::Signer;

    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_written() {
        let key = generate_key().unwrap();
        let read = KeyFile::read(write_key(&key).as_bytes())
            .unwrap()
            .unlock()
            .unwrap();
        assert_eq!(read.public(), key.public());
        assert_ne!(generate_key().unwrap().public(), key.public());
    }

    #[test]
    fn an_encrypted_key_says_what_to_do() {
        let text =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let error = KeyFile::read(text.as_bytes())
            .unwrap()
            .unlock()
            .unwrap_err();
        assert_eq!(error, KeyFileError::Encrypted);
        assert!(error.to_string().contains("openssl pkey"));
    }

    #[test]
    fn other_keys_and_noise_are_refused() {
        let other = write_section("PRIVATE KEY", &[0x30, 3, 2, 1, 0]);
        assert_eq!(
            KeyFile::read(other.as_bytes()).unwrap_err(),
            KeyFileError::NotEd25519
        );
        for text in [
            "",
            "hello",
            "-----BEGIN PRIVATE KEY-----\n",
            &write_section("CERTIFICATE", b"x"),
        ] {
            assert!(
                matches!(
                    KeyFile::read(text.as_bytes()),
                    Err(KeyFileError::Malformed(_))
                ),
                "{text:?}"
            );
        }
    }
}
