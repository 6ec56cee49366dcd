//! Where a subscription begins, and the typed answers for cursors that it cannot begin at.

use kittengrad_proto::{
    block::Head,
    cursor::{Cursor, CursorError},
    id::PublicKey,
    wire::{self, cursor_problem::Kind, subscribe_request},
};

use crate::{
    store::{Store, StoreError},
    writer::Tip,
};

/// The next block to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which journal of the owner.
    pub incarnation: u64,
    /// Height of the block.
    pub height: u64,
}

impl Place {
    /// Where a block stands.
    #[must_use]
    pub const fn of(head: Head) -> Self {
        Self {
            incarnation: head.incarnation,
            height: head.height,
        }
    }

    /// The block after it, if its incarnation goes on.
    #[must_use]
    pub const fn next(self) -> Self {
        Self {
            height: self.height.saturating_add(1),
            ..self
        }
    }
}

/// What a reader asked to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// After the last block that it processed.
    Cursor(Cursor),
    /// The first block there is.
    Genesis,
    /// After the last one.
    Now,
}

/// The answer to it.
#[derive(Debug, Clone, PartialEq)]
pub enum Start {
    /// Here; `None` while the journal has no block at all.
    At(Option<Place>),
    /// Nowhere.
    Problem(wire::CursorProblem),
}

impl Beginning {
    /// Reads the request.
    ///
    /// # Errors
    /// If it says nothing, or a cursor is none.
    pub fn from_wire(from: Option<&subscribe_request::From>) -> Result<Self, CursorError> {
        match from {
            Some(subscribe_request::From::Cursor(cursor)) => {
                Ok(Self::Cursor(Cursor::from_wire(Some(cursor))?))
            }
            Some(subscribe_request::From::Genesis(true)) => Ok(Self::Genesis),
            Some(subscribe_request::From::Now(true)) => Ok(Self::Now),
            _ => Err(CursorError::Missing),
        }
    }
}

/// Decides where a subscription to the journal of `own` begins, of which blocks up to `tip` are published.
///
/// # Errors
/// If the store does not answer.
pub fn start(
    from: Beginning,
    own: PublicKey,
    tip: Option<Tip>,
    store: &dyn Store,
) -> Result<Start, StoreError> {
    match from {
        Beginning::Now => Ok(Start::At(tip.map(|tip| Place::of(tip.head).next()))),
        Beginning::Genesis => Ok(Start::At(oldest(tip, store)?)),
        Beginning::Cursor(cursor) => at_cursor(cursor, own, tip, store),
    }
}

/// The first block there is.
///
/// # Errors
/// If the store does not answer.
pub fn oldest(tip: Option<Tip>, store: &dyn Store) -> Result<Option<Place>, StoreError> {
    let Some(tip) = tip else { return Ok(None) };
    let first = store
        .incarnations()?
        .first()
        .map(|last| (last.incarnation, last.height));
    let Some((incarnation, last)) = first else {
        return Ok(None);
    };
    let last = if incarnation == tip.head.incarnation {
        tip.head.height
    } else {
        last
    };
    let height = first_present(incarnation, 0, last, store)?;
    Ok(Some(Place {
        incarnation,
        height,
    }))
}

fn at_cursor(
    cursor: Cursor,
    own: PublicKey,
    tip: Option<Tip>,
    store: &dyn Store,
) -> Result<Start, StoreError> {
    if cursor.journal != own {
        return Ok(problem(Kind::OtherJournal, own, oldest(tip, store)?));
    }
    let Some(tip) = tip else {
        return Ok(problem(Kind::UnknownIncarnation, own, None));
    };
    let place = Place {
        incarnation: cursor.incarnation,
        height: cursor.next_height(),
    };
    match extent(cursor.incarnation, tip, store)? {
        Extent::Unknown => {
            let start = begun_after(cursor.incarnation, tip, store)?;
            Ok(problem(Kind::UnknownIncarnation, own, Some(start)))
        }
        Extent::Known { last, following } if place.height > last + 1 => {
            let end = following.unwrap_or(Place {
                incarnation: place.incarnation,
                height: last + 1,
            });
            Ok(problem(Kind::Future, own, Some(end)))
        }
        Extent::Known { last, .. } if place.height == last + 1 => Ok(Start::At(Some(place))),
        Extent::Known { last, .. } if store.block(place.incarnation, place.height)?.is_none() => {
            let height = first_present(place.incarnation, place.height, last, store)?;
            Ok(problem(Kind::TooOld, own, Some(Place { height, ..place })))
        }
        Extent::Known { .. } => Ok(Start::At(Some(place))),
    }
}

/// The first block of the lowest published incarnation above `incarnation`, so that a reader passes over none;
/// of the current one if there is none above.
fn begun_after(incarnation: u64, tip: Tip, store: &dyn Store) -> Result<Place, StoreError> {
    let current = tip.head.incarnation;
    let published = store.incarnations()?;
    let next = published
        .iter()
        .map(|last| last.incarnation)
        .find(|found| (incarnation..=current).contains(found));
    Ok(Place {
        incarnation: next.unwrap_or(current),
        height: 0,
    })
}

/// How far an incarnation reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// There is no such incarnation.
    Unknown,
    /// There is.
    Known {
        /// Height of its last published block.
        last: u64,
        /// Where the journal goes on after it, if it ended.
        following: Option<Place>,
    },
}

/// Looks an incarnation up among those that are published.
///
/// # Errors
/// If the store does not answer.
pub fn extent(incarnation: u64, tip: Tip, store: &dyn Store) -> Result<Extent, StoreError> {
    if incarnation == tip.head.incarnation {
        return Ok(Extent::Known {
            last: tip.head.height,
            following: None,
        });
    }
    let published = store.incarnations()?;
    let mut published = published
        .iter()
        .filter(|last| last.incarnation <= tip.head.incarnation);
    let Some(found) = published
        .by_ref()
        .find(|last| last.incarnation == incarnation)
    else {
        return Ok(Extent::Unknown);
    };
    let following = published.next().map(|next| Place {
        incarnation: next.incarnation,
        height: 0,
    });
    Ok(Extent::Known {
        last: found.height,
        following,
    })
}

/// The lowest height from `from` to `last` whose block is there, given that older blocks go first;
/// `last + 1` if none is.
fn first_present(
    incarnation: u64,
    from: u64,
    last: u64,
    store: &dyn Store,
) -> Result<u64, StoreError> {
    let (mut absent_below, mut present_from) = (from, last + 1);
    while absent_below < present_from {
        let middle = absent_below + (present_from - absent_below) / 2;
        if store.block(incarnation, middle)?.is_some() {
            present_from = middle;
        } else {
            absent_below = middle + 1;
        }
    }
    Ok(present_from)
}

/// A problem whose start is the cursor just before `start`.
fn problem(kind: Kind, journal: PublicKey, start: Option<Place>) -> Start {
    Start::Problem(cursor_problem(kind, journal, start))
}

/// As it travels.
#[must_use]
pub fn cursor_problem(kind: Kind, journal: PublicKey, start: Option<Place>) -> wire::CursorProblem {
    let start = start.map(|place| {
        let height = place.height.checked_sub(1);
        Cursor {
            journal,
            incarnation: place.incarnation,
            height,
        }
        .to_wire()
    });
    wire::CursorProblem {
        kind: kind.into(),
        start,
    }
}
