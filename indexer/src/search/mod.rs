//! Search: queries, answered from one snapshot.

mod pages;
mod query;
mod rank;
mod request;

use std::sync::Arc;

use tantivy::{TantivyError, collector::Count};

pub use self::{
    pages::Pages,
    request::{
        FACETS_MAX, Facets, Found, Hit, LIMIT_DEFAULT, LIMIT_MAX, QUERY_CHARS_MAX, Search,
        SearchError,
    },
};

use crate::{
    index::Snapshot,
    search::{
        pages::Token,
        rank::{Rank, TopRanked},
    },
};

/// Searches `current`, or the snapshot of the token `next` if that is still in memory.
///
/// # Errors
/// [`SearchError`]; only [`SearchError::Index`] is not the caller's fault.
pub fn search(
    current: &Arc<Snapshot>,
    pages: &Pages,
    search: &Search,
    next: Option<&str>,
    limit: usize,
) -> Result<Found, SearchError> {
    let chars = search.words.chars().count();
    if chars > QUERY_CHARS_MAX {
        return Err(SearchError::TooLong(chars));
    }
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(SearchError::Limit(limit));
    }
    let after = next
        .map(|next| Token::decode(next, search).ok_or(SearchError::Next))
        .transpose()?;
    let snapshot = after
        .as_ref()
        .and_then(|token| pages.find(token))
        .unwrap_or_else(|| Arc::clone(current));

    let query = query::ranked(&snapshot, search)?;
    let top = TopRanked {
        limit: limit + 1,
        after: after.map(|token| token.after),
        by_score: query.has_words,
    };
    let (mut ranked, total) = snapshot.searcher.search(&*query.query, &(top, Count))?;
    let has_more = ranked.len() > limit;
    ranked.truncate(limit);
    let next = ranked
        .last()
        .filter(|_| has_more)
        .map(|(rank, _)| pages.keep(&snapshot, search, *rank));
    let hit = |(rank, at): (Rank, _)| -> Result<Hit, TantivyError> {
        let score = if query.has_words { rank.score() } else { 0.0 };
        Ok(Hit {
            brief: snapshot.brief_at(at)?,
            score,
        })
    };
    let hits = ranked.into_iter().map(hit).collect::<Result<_, _>>()?;
    Ok(Found {
        total,
        hits,
        next,
        snapshot,
    })
}

/// Counts the documents of a search by type and publisher.
///
/// # Errors
/// If the index fails.
pub fn facets(snapshot: &Snapshot, search: &Search) -> Result<Facets, TantivyError> {
    let query = query::matching(snapshot, search);
    rank::facets(snapshot, &*query.query)
}
