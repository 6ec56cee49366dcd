//! The configurations of a demo's processes.

/// What every process keeps free of its disk, in mebibytes.
pub(super) const RESERVE_MIB: u64 = 64;
/// What a demo writes besides logs before it is ready: tables, an index, the databases' own notes.
pub(super) const DATA_MIB: u64 = 32;
/// What a peer or an aggregator keeps of writes in memory, in mebibytes. Its log takes as much when it begins.
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
