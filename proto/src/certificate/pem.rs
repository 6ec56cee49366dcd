//! Certificates as PEM, the text that OpenSSL and tonic read.

use bytes::Bytes;
use data_encoding::BASE64;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use thiserror::Error;

/// Characters of base64 on a line (RFC 7468).
const LINE_CHARACTERS: usize = 64;

/// Why a text holds no certificates. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PemError {
    /// A section is damaged.
    #[error("not PEM: {0}")]
    Malformed(String),
    /// There is no section of the expected kind.
    #[error("no section {0:?}")]
    Empty(&'static str),
}

/// Writes certificates one after another.
#[must_use]
pub fn write_certificates<'a>(certificates: impl IntoIterator<Item = &'a Bytes>) -> String {
    certificates
        .into_iter()
        .map(|der| write_section("CERTIFICATE", der))
        .collect()
}

/// Reads all certificates of a text, in their order.
///
/// # Errors
/// If a section is damaged or there is none.
pub fn read_certificates(text: &[u8]) -> Result<Vec<Bytes>, PemError> {
    let found = CertificateDer::pem_slice_iter(text)
        .map(|der| der.map(|der| Bytes::copy_from_slice(&der)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| PemError::Malformed(e.to_string()))?;
    if found.is_empty() {
        Err(PemError::Empty("CERTIFICATE"))
    } else {
        Ok(found)
    }
}

/// Writes one section, such as `CERTIFICATE` or `PRIVATE KEY`.
#[must_use]
pub fn write_section(label: &str, der: &[u8]) -> String {
    let base64 = BASE64.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(LINE_CHARACTERS.min(rest.len()));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_read_as_they_were_written() {
        for bytes in [1, 47, 48, 49, 500] {
            let ders = vec![Bytes::from(vec![7; bytes]), Bytes::from_static(b"another")];
            let text = write_certificates(&ders);
            assert!(text.lines().all(|line| line.len() <= LINE_CHARACTERS));
            assert_eq!(read_certificates(text.as_bytes()), Ok(ders));
        }
    }

    #[test]
    fn sections_of_another_kind_are_no_certificates() {
        let key = write_section("PRIVATE KEY", b"key");
        let empty = Err(PemError::Empty("CERTIFICATE"));
        assert_eq!(read_certificates(key.as_bytes()), empty);
        let der = Bytes::from_static(b"certificate");
        let text = key + &write_certificates([&der]);
        assert_eq!(read_certificates(text.as_bytes()), Ok(vec![der]));
    }

    #[test]
    fn a_text_without_certificates_says_so() {
        assert_eq!(
            read_certificates(b"hello"),
            Err(PemError::Empty("CERTIFICATE"))
        );
        let cut = b"-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert!(matches!(
            read_certificates(cut),
            Err(PemError::Malformed(_))
        ));
    }
}
