//! The limits of every size and age that a peer accepts. Relations between them are checked at compile time.

/// Bytes of one record as DAG-CBOR.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;
/// Levels of maps and lists in a record's field, without the record's own map.
pub const RECORD_DEPTH_MAX: usize = 64;
/// Bytes of a record's `name`.
pub const RECORD_NAME_BYTES_MAX: usize = 4 * 1024;
/// Links of one update.
pub const RECORD_LINKS_MAX: usize = 1_000;
/// Updates that one update may replace.
pub const RECORD_PREVIOUS_MAX: usize = 1_000;
/// Bytes of an update's `salt`.
pub const RECORD_SALT_BYTES_MAX: usize = 64;
/// Bytes of the `rel` of a link.
pub const REL_BYTES_MAX: usize = 64;

/// Updates in one transaction.
pub const TRANSACTION_UPDATES_MAX: usize = 1_000;
/// Entries in one transaction: a bare insert is an entry without updates.
pub const TRANSACTION_ENTRIES_MAX: usize = 1_000;
/// Elements of one transaction: its updates, and its entries without updates.
pub const TRANSACTION_ELEMENTS_MAX: usize = TRANSACTION_UPDATES_MAX + TRANSACTION_ENTRIES_MAX;
/// Bytes of one transaction together with its records.
pub const SUBMISSION_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Records that accompany one transaction: its canonicals and its updates.
pub const SUBMISSION_RECORDS_MAX: usize = TRANSACTION_ENTRIES_MAX + TRANSACTION_UPDATES_MAX;
/// Bytes of a submission from a client: with the publisher's chain, and the tags and lengths around everything.
pub const SUBMIT_BYTES_MAX: usize = SUBMISSION_BYTES_MAX
    + SUBMISSION_RECORDS_MAX * TAG_BYTES
    + CHAIN_CERTIFICATES_MAX * (CERTIFICATE_BYTES_MAX + TAG_BYTES)
    + NAMESPACE_BYTES_MAX
    + ENVELOPE_BYTES;
/// Bytes of a transaction's body alone.
pub const TRANSACTION_BYTES_MAX: usize = 128 * 1024;
/// Bytes of a nonce, exactly: of a transaction, and of a question for the head.
pub const NONCE_BYTES: usize = 16;
/// Bytes of a transaction's stamp; policy 1 has none.
pub const STAMP_BYTES_MAX: usize = 256;
/// Age of a transaction at its coordinator, in milliseconds. Replicas do not check it, because their verdict must be
/// the same for ever.
pub const CREATED_PAST_MS_MAX: u64 = 60 * 60 * 1_000;
/// The same for transactions from the future, of publishers whose clock is fast.
pub const CREATED_AHEAD_MS_MAX: u64 = 10 * 60 * 1_000;

/// Bytes of one block: header, items and positions, the transactions and records that it adds, and
/// [`CHAIN_BYTES_MAX`] for each publisher of them.
pub const BLOCK_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Items of one block.
pub const BLOCK_ITEMS_MAX: usize = 10_000;
/// Bytes of one item. An item of a transaction has at most 400. The evidence of a drop is a signed header with a
/// checkpoint of each replica, about 2 KiB each.
pub const ITEM_BYTES_MAX: usize = 32 * 1024;
/// Arcs in one `hold`, `settled` or `drop`. A peer holds R cells, at most 255, and more while the ring changes.
pub const HOLD_ARCS_MAX: usize = 400;
/// Bytes of a block's header. Without a checkpoint it has 300; a checkpoint has the arcs of its owner.
pub const HEADER_BYTES_MAX: usize = 32 * 1024;
/// Hashes in the proof that an item is in a block.
pub const ITEM_PATH_MAX: usize = 14;
/// Bytes of a heartbeat. Without a checkpoint it has 200.
pub const HEARTBEAT_BYTES_MAX: usize = 32 * 1024;
/// Bytes of one position in the list beside a checkpoint. Without arcs it has 80.
pub const THROUGH_ENTRY_BYTES_MAX: usize = 32 * 1024;
/// Bytes of all positions beside a checkpoint. An aggregator has one of every member.
pub const THROUGH_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a head with its owner's signature: a header or a heartbeat, its signature and their frames.
pub const SIGNED_HEAD_BYTES_MAX: usize = HEADER_BYTES_MAX + 128;

/// Bytes of one piece of evidence: two headers, an item each, and a transaction or the list beside a checkpoint.
pub const EVIDENCE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Certificates in one chain: leaf, Level-1 and Level-0.
pub const CHAIN_CERTIFICATES_MAX: usize = 3;
/// Bytes of one certificate.
pub const CERTIFICATE_BYTES_MAX: usize = 4 * 1024;
/// Bytes of one chain, as it travels.
pub const CHAIN_BYTES_MAX: usize = CHAIN_CERTIFICATES_MAX * (CERTIFICATE_BYTES_MAX + 4) + 64;
/// Bytes of a namespace's name.
pub const NAMESPACE_BYTES_MAX: usize = 63;
/// Bytes of "host:port".
pub const ADDRESS_BYTES_MAX: usize = 300;
/// Bytes of a signed identity.
pub const IDENTITY_BYTES_MAX: usize = 16 * 1024;
/// Members of one ring.
pub const RING_MEMBERS_MAX: usize = 10_000;

/// Bytes of one gRPC message or one message between partners.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of a request without records.
pub const REQUEST_BYTES_MAX: usize = 64 * 1024;
/// Canonicals in one lookup.
pub const LOOKUP_CANONICALS_MAX: usize = 1_000;
/// Bytes of records in the answer to one lookup. The reader fetches further ones by id.
pub const LOOKUP_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Digests in one request for records.
pub const GET_RECORD_MAX: usize = 1_000;
/// Blocks in one answer.
pub const GET_BLOCKS_MAX: u32 = 1_000;
/// Bytes of blocks in one message after which the next message is started.
pub const FRAMES_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Transactions in one fetch between partners.
pub const FETCH_MAX: usize = 256;
/// Items in the proof of one transaction by one peer.
pub const PROOFS_MAX: usize = 1_000;
/// Bytes of the message of an error, on gRPC and between partners.
pub const ERROR_MESSAGE_BYTES_MAX: usize = 1024;
/// Bytes of the hint of an error.
pub const ERROR_HINT_BYTES_MAX: usize = 512;
/// Bytes of the status of a failed call, with its details. It travels as base64 in a header.
pub const ERROR_STATUS_BYTES_MAX: usize = 5 * 1024;
/// Details in the status of a failed call.
pub const ERROR_DETAILS_MAX: usize = 16;
/// Milliseconds for which an error asks its caller to wait. A longer time counts as this one.
pub const RETRY_AFTER_MS_MAX: u64 = 60 * 60 * 1_000;

/// At least the tags and lengths, names, times and nonce around the lists of any signed body.
const ENVELOPE_BYTES: usize = 512;
/// Bytes of an arc in an item: two points, their tags and lengths, and those of the arc.
const ARC_BYTES: usize = 2 * (32 + 2) + 2;
/// At least the tag and length before a record or certificate.
const TAG_BYTES: usize = 8;
/// Bytes of all headers of an answer that gRPC libraries accept by default.
const HEADERS_BYTES_MAX: usize = 8 * 1024;
/// A position without arcs: key, incarnation, height and hash, their tags and lengths.
const THROUGH_ENTRY_BYTES: usize = 2 * (32 + 2) + 2 * 11;

const _: () = assert!(
    TRANSACTION_UPDATES_MAX * 32
        + TRANSACTION_ENTRIES_MAX * 48
        + STAMP_BYTES_MAX
        + NAMESPACE_BYTES_MAX
        + ENVELOPE_BYTES
        <= TRANSACTION_BYTES_MAX
);
const _: () = assert!(RECORD_BYTES_MAX + TRANSACTION_BYTES_MAX < SUBMISSION_BYTES_MAX);
const _: () = assert!(
    SUBMISSION_BYTES_MAX + CHAIN_BYTES_MAX + ITEM_BYTES_MAX + HEADER_BYTES_MAX + THROUGH_BYTES_MAX
        < BLOCK_BYTES_MAX
);
const _: () =
    assert!(TRANSACTION_ELEMENTS_MAX.div_ceil(8) + HOLD_ARCS_MAX.div_ceil(8) + 64 < ITEM_BYTES_MAX);
const _: () = assert!(HOLD_ARCS_MAX * ARC_BYTES + 64 < ITEM_BYTES_MAX);
const _: () = assert!(1 << ITEM_PATH_MAX >= BLOCK_ITEMS_MAX);
const _: () = assert!(HOLD_ARCS_MAX * (ARC_BYTES + 6) + 2 * ENVELOPE_BYTES <= HEADER_BYTES_MAX);
const _: () = assert!(HEADER_BYTES_MAX <= HEARTBEAT_BYTES_MAX);
const _: () = assert!(HOLD_ARCS_MAX * ARC_BYTES + THROUGH_ENTRY_BYTES <= THROUGH_ENTRY_BYTES_MAX);
const _: () = assert!(RING_MEMBERS_MAX * THROUGH_ENTRY_BYTES <= THROUGH_BYTES_MAX);
const _: () = assert!(
    CHAIN_CERTIFICATES_MAX * CERTIFICATE_BYTES_MAX
        + 3 * ADDRESS_BYTES_MAX
        + NAMESPACE_BYTES_MAX
        + ENVELOPE_BYTES
        <= IDENTITY_BYTES_MAX
);
const _: () = assert!(
    2 * (SIGNED_HEAD_BYTES_MAX + ITEM_BYTES_MAX + ITEM_PATH_MAX * 32)
        + TRANSACTION_BYTES_MAX
        + THROUGH_BYTES_MAX
        + RING_MEMBERS_MAX * TAG_BYTES
        + ENVELOPE_BYTES
        <= EVIDENCE_BYTES_MAX
);
const _: () = assert!(BLOCK_BYTES_MAX < MESSAGE_BYTES_MAX);
const _: () = assert!(FRAMES_BYTES_MAX + BLOCK_BYTES_MAX < MESSAGE_BYTES_MAX);
const _: () = assert!(
    LOOKUP_CANONICALS_MAX * 32 + NAMESPACE_BYTES_MAX + ENVELOPE_BYTES <= REQUEST_BYTES_MAX
        && GET_RECORD_MAX * 32 + NAMESPACE_BYTES_MAX + ENVELOPE_BYTES <= REQUEST_BYTES_MAX
);
const _: () = assert!(LOOKUP_BYTES_MAX + LOOKUP_CANONICALS_MAX * 64 < MESSAGE_BYTES_MAX);
const _: () = assert!(
    ERROR_STATUS_BYTES_MAX.div_ceil(3) * 4 + ERROR_MESSAGE_BYTES_MAX + 256 <= HEADERS_BYTES_MAX
);
