//! The configurations of a demo's processes.

/// The disk space that every process keeps free, in mebibytes.
pub(super) const RESERVE_MIB: u64 = 64;
/// The disk space that a demo needs before it is ready, without logs: tables, an index, files of the databases.
pub(super) const DATA_MIB: u64 = 32;
/// The write buffer of a peer or an aggregator, in mebibytes. Its log has the same size at the start.
pub(super) const WRITE_BUFFER_MIB: u64 = 32;

pub(super) fn peer_toml() -> String {
    format!(
        "# A peer of the demo. deploy/peer.toml documents every key.\n\
         network = \"../../network.toml\"\ncredentials = \".\"\ndata = \"data\"\n\n{}",
        store_toml()
    )
}

pub(super) fn aggregator_toml() -> String {
    format!(
        "# The aggregator of the demo. deploy/aggregator.toml documents every key.\n\
         network = \"../network.toml\"\ncredentials = \".\"\ndata = \"data\"\n\n{}",
        store_toml()
    )
}

fn store_toml() -> String {
    format!(
        "[store]\ncache_mib = 32\nwrite_buffer_mib = {WRITE_BUFFER_MIB}\nreserve_mib = {RESERVE_MIB}\n"
    )
}

pub(super) fn indexer_toml(http: &str) -> String {
    format!(
        "# The indexer of the demo. deploy/indexer.toml documents every key.\n\
         network = \"../network.toml\"\ncredentials = \".\"\ndata = \"data\"\n\n[listen]\nhttp = \"{http}\"\n\n\
         [index]\nreserve_mib = {RESERVE_MIB}\n"
    )
}
