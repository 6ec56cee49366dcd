//! The views of a network that people and programs are shown: the ring, and the document of a canonical.
//!
//! Each is defined once here, with its JSON. The command line, the indexer and its web page all show these.
//!
//! | module | content |
//! | --- | --- |
//! | [`ring`] | members, cells and cover: `ring show --json` and `/api/ring` |
//! | [`document`] | a document and its statements |
//! | [`fold`] | the set of a canonical becomes its document |
//! | [`json`] | a document as JSON: `get --json` and `/api/document` |

pub mod document;
pub mod fold;
pub mod json;
pub mod ring;
