//! No position in a partner's journal passes an element that is not here (S3): a crash skips no block that was not
//! applied.

use kittengrad_journal as journal;

use super::{
    Replica, Verdict, check,
    explained::{added, blocks},
};

/// Compares a disk with the journals that its peer read.
pub(crate) fn check_positions(replica: Replica<'_>, others: &[Replica<'_>]) -> Verdict {
    let overlay = replica.view.overlay();
    let disk = replica.disk;
    for other in others {
        let key = other.owner();
        let Some(position) = journal::applied(disk, key).unwrap() else {
            continue;
        };
        let position = position
            .follower
            .head()
            .expect("a kept position is a block");
        let other = other.disk;
        let stored = other.block(position.incarnation, position.height).unwrap();
        if stored.is_none_or(|stored| stored.block.header.hash() != position.hash) {
            // The other disk was wiped or restored since, so its blocks of today were not passed.
            continue;
        }
        let passed = |head: (u64, u64)| head <= (position.incarnation, position.height);
        for block in blocks(other) {
            if !passed((block.header.incarnation, block.header.height)) {
                break;
            }
            for item in block.decode_items().unwrap() {
                let mut elements = added(other, overlay, &item);
                elements.retain(|element| replica.view.holds_here(&element.canonical));
                let here = disk.contains(&elements).unwrap();
                check(
                    here.into_iter().all(|is_here| is_here),
                    "positions",
                    "S3",
                    || {
                        let (me, height) = (replica.owner(), block.header.height);
                        format!("{me:?} passed block {height} of {key:?} and lacks {item:?}")
                    },
                )?;
            }
        }
    }
    Ok(())
}
