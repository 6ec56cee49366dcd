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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arcs_are_read_in_the_order_in_which_they_were_written() {
        let [a, b, c] = [1, 2, 3].map(|byte| Point::new([byte; 32]));
        let arcs = [KeyRange::new(c, a), KeyRange::new(b, c)];
        let mut bytes = vec![0xff];
        write_arcs(&arcs, &mut bytes);
        assert_eq!(bytes[0], 0xff, "earlier bytes stay");
        assert_eq!(read_arcs(&bytes[1..]), Some(arcs.to_vec()));
        assert_eq!(read_arcs(&[]), Some(Vec::new()));
    }

    #[test]
    fn bytes_that_are_not_whole_arcs_are_refused() {
        for bytes in [1, 32, 63, 65, 96, 127] {
            assert_eq!(read_arcs(&vec![0; bytes]), None, "{bytes} bytes");
        }
    }
}
