//! Limits that decide a verdict are the same in every version, because every peer must give the same one for ever.

use kittengrad_proto::limits::{
    BLOCK_BYTES_MAX, BLOCK_ITEMS_MAX, CERTIFICATE_BYTES_MAX, CHAIN_CERTIFICATES_MAX,
    CREATED_AHEAD_MS_MAX, CREATED_PAST_MS_MAX, HEADER_BYTES_MAX, HEARTBEAT_BYTES_MAX,
    HOLD_ARCS_MAX, ITEM_BYTES_MAX, MESSAGE_BYTES_MAX, NAMESPACE_BYTES_MAX, NONCE_BYTES,
    RECORD_BYTES_MAX, RECORD_DEPTH_MAX, RECORD_LINKS_MAX, RECORD_NAME_BYTES_MAX,
    RECORD_PREVIOUS_MAX, RECORD_SALT_BYTES_MAX, REL_BYTES_MAX, RING_MEMBERS_MAX,
    SUBMISSION_BYTES_MAX, THROUGH_BYTES_MAX, THROUGH_ENTRY_BYTES_MAX, TRANSACTION_BYTES_MAX,
    TRANSACTION_ENTRIES_MAX, TRANSACTION_UPDATES_MAX,
};

#[test]
fn a_record_has_the_limits_that_it_always_had() {
    assert_eq!((RECORD_BYTES_MAX, RECORD_DEPTH_MAX), (65_536, 64));
    assert_eq!((RECORD_LINKS_MAX, RECORD_PREVIOUS_MAX), (1_000, 1_000));
    let bytes = [RECORD_NAME_BYTES_MAX, RECORD_SALT_BYTES_MAX, REL_BYTES_MAX];
    assert_eq!(bytes, [4_096, 64, 64]);
}

#[test]
fn a_transaction_has_the_limits_that_it_always_had() {
    let counts = [TRANSACTION_ENTRIES_MAX, TRANSACTION_UPDATES_MAX];
    assert_eq!(counts, [1_000, 1_000]);
    let bytes = [TRANSACTION_BYTES_MAX, SUBMISSION_BYTES_MAX, NONCE_BYTES];
    assert_eq!(bytes, [131_072, 4_194_304, 16]);
    let certificates = (CHAIN_CERTIFICATES_MAX, CERTIFICATE_BYTES_MAX);
    assert_eq!(certificates, (3, 4_096));
    assert_eq!(NAMESPACE_BYTES_MAX, 63);
    // An hour and ten minutes.
    let ages_ms = (CREATED_PAST_MS_MAX, CREATED_AHEAD_MS_MAX);
    assert_eq!(ages_ms, (3_600_000, 600_000));
}

#[test]
fn a_block_has_the_limits_that_it_always_had() {
    assert_eq!((BLOCK_ITEMS_MAX, BLOCK_BYTES_MAX), (10_000, 8_388_608));
    assert_eq!((HEADER_BYTES_MAX, ITEM_BYTES_MAX), (32_768, 32_768));
    assert_eq!(MESSAGE_BYTES_MAX, 16_777_216);
}

#[test]
fn a_checkpoint_has_the_limits_that_it_always_had() {
    assert_eq!((HOLD_ARCS_MAX, RING_MEMBERS_MAX), (400, 10_000));
    let bytes = (THROUGH_ENTRY_BYTES_MAX, THROUGH_BYTES_MAX);
    assert_eq!(bytes, (32_768, 1_048_576));
    assert_eq!(HEARTBEAT_BYTES_MAX, HEADER_BYTES_MAX);
}
