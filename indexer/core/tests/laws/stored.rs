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
    let shorter = whole[..whole.len() - 1].to_vec();
    assert_eq!(elements(shorter), Err(SetError::Damaged(9 + 36)));
    assert_eq!(elements(Vec::new()), Err(SetError::Damaged(0)));
    // One more element than there are.
    let mut fewer = whole.clone();
    fewer[8] += 1;
    assert_eq!(elements(fewer), Err(SetError::Damaged(whole.len())));
}

#[test]
fn a_stored_set_of_another_version_is_refused() {
    for version in [0, 2] {
        let mut bytes = stored(&[(1, 3)]);
        bytes[0] = version;
        assert_eq!(elements(bytes), Err(SetError::Version(version)));
    }
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

#[test]
fn a_set_weighs_its_elements_and_records_once() {
    let (one, two) = (RecordId::new([1; 32]), RecordId::new([2; 32]));
    let (record, update) = (
        Bytes::from_static(b"canonical"),
        Bytes::from_static(b"update"),
    );
    let mut set = Set::default();
    let empty = set.weight_bytes();
    set.add(one);
    let each = set.weight_bytes() - empty;
    set.add(two);
    assert_eq!(set.weight_bytes(), empty + 2 * each);
    for _ in 0..2 {
        set.add(two);
        set.supply(two, &update);
        set.supply_record(&record);
        let expected = empty + 2 * each + record.len() + update.len();
        assert_eq!(set.weight_bytes(), expected);
    }
    assert!(each >= 32, "more than a name");
}

#[test]
fn absent_records_are_listed_after_the_canonicals_own() {
    let [own, one, two, three] = [9, 1, 2, 3].map(|byte| RecordId::new([byte; 32]));
    let mut set = Set::default();
    for element in [three, one, two] {
        set.add(element);
    }
    set.supply(two, &Bytes::from_static(b"update"));
    assert!(set.absent(own).eq([own, one, three]));
    assert_eq!(set.absent_count(), 3);
    set.supply_record(&Bytes::from_static(b"canonical"));
    assert!(set.absent(own).eq([one, three]));
    assert_eq!(set.absent_count(), 2);
}
