//! Stored sets that no version of this program wrote.

use bytes::Bytes;
use kittengrad_indexer_core::{Set, SetError};
use kittengrad_proto::{id::RecordId, limits::RECORD_BYTES_MAX};

/// Bytes of a set without its canonical's record. Each element is a byte and the length of its record.
fn stored(elements: &[(u8, usize)]) -> Vec<u8> {
    let mut bytes = vec![1, 0, 0, 0, 0];
    bytes.extend((elements.len() as u32).to_be_bytes());
    for (element, length) in elements {
        bytes.extend([*element; 32]);
        bytes.extend((*length as u32).to_be_bytes());
        bytes.resize(bytes.len() + length, 7);
    }
    bytes
}

fn elements(bytes: Vec<u8>) -> Result<usize, SetError> {
    Set::decode(Bytes::from(bytes)).map(|set| set.elements().len())
}

#[test]
fn elements_of_a_stored_set_ascend() {
    assert_eq!(elements(stored(&[(1, 3), (2, 0)])), Ok(2));
    for wrong in [[(1, 0), (1, 0)], [(2, 0), (1, 0)]] {
        let found = elements(stored(&wrong));
        assert_eq!(found, Err(SetError::Damaged(9 + 36 + 32)), "{wrong:?}");
    }
}

#[test]
fn a_stored_record_is_no_larger_than_any_record() {
    assert_eq!(elements(stored(&[(1, RECORD_BYTES_MAX)])), Ok(1));
    let found = elements(stored(&[(1, RECORD_BYTES_MAX + 1)]));
    assert_eq!(found, Err(SetError::Damaged(9 + 36)));
}

#[test]
fn a_stored_set_ends_where_it_says() {
    let whole = stored(&[(1, 3)]);
    let mut longer = whole.clone();
    longer.push(0);
    assert_eq!(elements(longer), Err(SetError::Damaged(whole.len())));
    assert!(elements(whole[..whole.len() - 1].to_vec()).is_err());
}

#[test]
fn a_set_that_was_read_weighs_what_it_weighed() {
    let mut set = Set::default();
    set.supply_record(&Bytes::from_static(b"canonical"));
    set.add(RecordId::new([1; 32]));
    set.supply(RecordId::new([1; 32]), &Bytes::from_static(b"update"));
    let read = Set::decode(set.encode()).unwrap();
    assert_eq!(read.weight_bytes(), set.weight_bytes());
}
