//! Lists of arcs as bytes, at the end of small values. Each arc is from (32 bytes) ‖ to (32 bytes).

use kittengrad_ring::{KeyRange, Point};

const ARC_BYTES: usize = 64;

/// Appends the arcs to `out`.
pub fn write_arcs(arcs: &[KeyRange], out: &mut Vec<u8>) {
    for arc in arcs {
        out.extend_from_slice(arc.from.as_bytes());
        out.extend_from_slice(arc.to.as_bytes());
    }
}

/// Decodes arcs, in their order. `None` if `bytes` is not a multiple of 64 bytes.
#[must_use]
pub fn read_arcs(bytes: &[u8]) -> Option<Vec<KeyRange>> {
    let (arcs, rest) = bytes.as_chunks::<ARC_BYTES>();
    let arcs = arcs.iter().map(|ends| {
        let (from, to) = ends.split_at(32);
        Some(KeyRange::new(point(from)?, point(to)?))
    });
    rest.is_empty().then(|| arcs.collect()).flatten()
}

fn point(bytes: &[u8]) -> Option<Point> {
    Some(Point::new(bytes.try_into().ok()?))
}
