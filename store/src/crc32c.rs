//! CRC-32C (Castagnoli), the checksum of RocksDB's logs.
//!
//! # Source
//! RFC 3720, appendix B.4 (polynomial and vectors); Kounavis and Berry, "Novel Table Lookup-Based Algorithms
//! for High-Performance CRC Generation" (slicing by 8).

/// Continues the checksum `crc` of what came before over `bytes`; 0 before the first byte.
pub(crate) fn extend(crc: u32, bytes: &[u8]) -> u32 {
    let mut state = !crc;
    let (chunks, rest) = bytes.as_chunks::<8>();
    for chunk in chunks {
        let low = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]) ^ state;
        let [a, b, c, d] = low.to_le_bytes();
        state = table(7, a)
            ^ table(6, b)
            ^ table(5, c)
            ^ table(4, d)
            ^ table(3, chunk[4])
            ^ table(2, chunk[5])
            ^ table(1, chunk[6])
            ^ table(0, chunk[7]);
    }
    for &byte in rest {
        state = (state >> 8) ^ table(0, byte ^ state.to_le_bytes()[0]);
    }
    !state
}

const fn table(number: usize, byte: u8) -> u32 {
    TABLES[number][byte as usize]
}

/// `TABLES[k][b]`: what byte `b` does to the checksum when `k` zero bytes follow it.
static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte: usize = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "byte is below 256")]
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ POLYNOMIAL
            } else {
                crc >> 1
            };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut number = 1;
    while number < 8 {
        let mut byte: usize = 0;
        while byte < 256 {
            let before = tables[number - 1][byte];
            tables[number][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        number += 1;
    }
    tables
}

/// Castagnoli's polynomial, bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksums_are_those_of_rfc_3720() {
        let ascending: Vec<u8> = (0..32).collect();
        let descending: Vec<u8> = (0..32).rev().collect();
        for (bytes, expected) in [
            (&[0; 32][..], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
            (&ascending, 0x46dd_794e),
            (&descending, 0x113f_db5c),
            (b"123456789", 0xe306_9283),
            (b"", 0),
        ] {
            assert_eq!(extend(0, bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_checksum_can_be_taken_in_parts() {
        let bytes: Vec<u8> = (0..100).map(|i: u8| i.wrapping_mul(37)).collect();
        for at in 0..bytes.len() {
            assert_eq!(
                extend(extend(0, &bytes[..at]), &bytes[at..]),
                extend(0, &bytes),
                "{at}"
            );
        }
    }
}
