//! The fields of the index, to search, filter, rank and store.
//!
//! ```text
//! is            document | set | publisher
//!
//! document      canonical  CID                                   exact, stored
//!               type       entity | artefact                     exact, stored, counted
//!               identifier identifier in the canonical's record  exact, stored
//!               name       names in the heads, the newest first  words, stored
//!               text       names and strings of the document     stemmed words
//!               publisher  keys of the heads' publishers         exact, stored, counted
//!               link       CIDs that the heads link to           exact
//!               absent     number of absent records              exact
//!               updated_ms time of the newest head               ranked, stored
//!               order      first eight bytes of the canonical    ranked
//!               summary    a line that tells it from others      stored
//!
//! set           of         the canonical                         exact, stored
//!               set        set of the document, encoded          stored
//!               hash       hash of the document for the digest   stored
//!
//! publisher     key        its key                               exact, stored
//!               named      name in its certificate               stored
//!               named_ms   time of the transaction of the name   stored
//! ```
//!
//! A set may have megabytes. It is a row of its own, so that a list of hits does not read sets.

use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions,
};

use crate::index::words::{NAMES, TEXTS};

/// The fields by their numbers in the index.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields {
    pub(crate) is: Field,
    pub(crate) canonical: Field,
    pub(crate) kind: Field,
    pub(crate) identifier: Field,
    pub(crate) name: Field,
    pub(crate) text: Field,
    pub(crate) publisher: Field,
    pub(crate) link: Field,
    pub(crate) absent: Field,
    pub(crate) updated_ms: Field,
    pub(crate) order: Field,
    pub(crate) summary: Field,
    pub(crate) of: Field,
    pub(crate) set: Field,
    pub(crate) hash: Field,
    pub(crate) key: Field,
    pub(crate) named: Field,
    pub(crate) named_ms: Field,
}

/// Value of `is` in a document.
pub(crate) const DOCUMENT: &str = "document";
/// Value of `is` in a set.
pub(crate) const SET: &str = "set";
/// Value of `is` in a publisher's name.
pub(crate) const PUBLISHER: &str = "publisher";
/// Name of a field that collectors need by name.
pub(crate) const TYPE: &str = "type";
/// See [`TYPE`].
pub(crate) const PUBLISHER_KEY: &str = "publisher";
/// See [`TYPE`].
pub(crate) const UPDATED_MS: &str = "updated_ms";
/// See [`TYPE`].
pub(crate) const ORDER: &str = "order";

/// Makes the schema and its fields. An index with another schema does not open, and must be built again.
pub(crate) fn schema() -> (Schema, Fields) {
    let words = |tokenizer: &str| {
        let indexing = TextFieldIndexing::default()
            .set_tokenizer(tokenizer)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions);
        TextOptions::default().set_indexing_options(indexing)
    };
    let mut builder = Schema::builder();
    let fields = Fields {
        is: builder.add_text_field("is", STRING),
        canonical: builder.add_text_field("canonical", STRING | STORED),
        kind: builder.add_text_field(TYPE, STRING | STORED | FAST),
        identifier: builder.add_text_field("identifier", STRING | STORED),
        name: builder.add_text_field("name", words(NAMES) | STORED),
        text: builder.add_text_field("text", words(TEXTS)),
        publisher: builder.add_text_field(PUBLISHER_KEY, STRING | STORED | FAST),
        link: builder.add_text_field("link", STRING),
        absent: builder.add_u64_field("absent", INDEXED),
        updated_ms: builder.add_u64_field(UPDATED_MS, FAST | STORED),
        order: builder.add_u64_field(ORDER, FAST),
        summary: builder.add_text_field("summary", STORED),
        of: builder.add_text_field("of", STRING | STORED),
        set: builder.add_bytes_field("set", STORED),
        hash: builder.add_bytes_field("hash", STORED),
        key: builder.add_text_field("key", STRING | STORED),
        named: builder.add_text_field("named", STORED),
        named_ms: builder.add_u64_field("named_ms", STORED),
    };
    (builder.build(), fields)
}
