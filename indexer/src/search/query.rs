//! Queries: typed text as a Tantivy query. Every text is a valid query.
//!
//! All words must occur, in a name or in the text. `"words in quotes"` must occur in that order, and `-word` must not
//! occur. `wor*` is the beginning of a word. Everything else is text: `tate:artwork:1035` names no field by accident,
//! and no operator is expensive.

use kittengrad_proto::{limits::LOOKUP_CANONICALS_MAX, record::CanonicalType};
use tantivy::{
    TantivyError, Term,
    collector::TopDocs,
    query::{
        BooleanQuery, BoostQuery, ConstScoreQuery, DisjunctionMaxQuery, EmptyQuery, FuzzyTermQuery,
        Occur, PhraseQuery, Query, TermQuery, TermSetQuery,
    },
    schema::{Field, IndexRecordOption},
};

use super::request::Search;
use crate::index::{
    Snapshot,
    schema::Fields,
    words::{names, texts, words},
};

/// A query, ready to run.
pub(super) struct Built {
    pub(super) query: Box<dyn Query>,
    /// Whether any word must occur, so that hits have different scores.
    pub(super) has_words: bool,
}

/// Builds the query for the documents of `search`. Without words they all have the same score.
pub(super) fn matching(snapshot: &Snapshot, search: &Search) -> Built {
    let fields = &snapshot.fields;
    let mut parts: Vec<(Occur, Box<dyn Query>)> = Vec::new();
    let mut has_words = false;
    for clause in parse(&search.words) {
        if let Some(query) = clause_query(fields, &clause) {
            has_words |= !clause.is_excluded;
            parts.push((
                if clause.is_excluded {
                    Occur::MustNot
                } else {
                    Occur::Must
                },
                query,
            ));
        }
    }
    for filter in filters(fields, search) {
        parts.push((Occur::Must, Box::new(ConstScoreQuery::new(filter, 0.0))));
    }
    // Only documents have words, types, publishers and links. Without such a clause, sets and publishers would match.
    if !parts.iter().any(|(occur, _)| *occur == Occur::Must) {
        parts.push((Occur::Must, Box::new(snapshot.is_document())));
    }
    Built {
        query: Box::new(BooleanQuery::new(parts)),
        has_words,
    }
}

/// Builds the query for the same documents, ranked by links: first the entities that others link to, and the documents
/// that link to them.
///
/// There are several painters called Turner. Thousands of works link to one of them as their maker, so a search for
/// Turner most likely means him and these works.
pub(super) fn ranked(snapshot: &Snapshot, search: &Search) -> Result<Built, TantivyError> {
    let built = matching(snapshot, search);
    let fields = &snapshot.fields;
    let in_names = parse(&search.words)
        .into_iter()
        .filter(|clause| !clause.is_excluded)
        .filter_map(|clause| {
            let query = words_query(
                fields.name,
                words(&mut names(), &clause.text),
                clause.is_prefix,
            )?;
            Some((Occur::Must, query))
        });
    let mut in_names: Vec<_> = in_names.collect();
    if in_names.is_empty() {
        return Ok(built);
    }
    let entity = Term::from_field_text(fields.kind, CanonicalType::Entity.as_str());
    let is_entity = TermQuery::new(entity, IndexRecordOption::Basic);
    in_names.push((
        Occur::Must,
        Box::new(ConstScoreQuery::new(Box::new(is_entity), 0.0)),
    ));
    let top = TopDocs::with_limit(LINKED_MAX).order_by_score();
    let mut parts = vec![(Occur::Must, built.query)];
    for (_, at) in snapshot
        .searcher
        .search(&BooleanQuery::new(in_names), &top)?
    {
        let canonical = snapshot.brief_at(at)?.canonical;
        let links = Term::from_field_text(fields.link, &canonical);
        let count = snapshot.searcher.doc_freq(&links)?;
        if count > 0 {
            let weight = (1.0 + count as f32).ln();
            for (term, share) in [
                (Term::from_field_text(fields.canonical, &canonical), 1.0),
                (links, 0.5),
            ] {
                let is_it = TermQuery::new(term, IndexRecordOption::Basic);
                parts.push((
                    Occur::Should,
                    Box::new(ConstScoreQuery::new(Box::new(is_it), weight * share)),
                ));
            }
        }
    }
    Ok(Built {
        query: Box::new(BooleanQuery::new(parts)),
        has_words: built.has_words,
    })
}

fn filters(fields: &Fields, search: &Search) -> Vec<Box<dyn Query>> {
    let exact = |field: Field, text: &str| -> Box<dyn Query> {
        Box::new(TermQuery::new(
            Term::from_field_text(field, text),
            IndexRecordOption::Basic,
        ))
    };
    let mut filters = Vec::new();
    if let Some(kind) = search.kind {
        filters.push(exact(fields.kind, kind.as_str()));
    }
    if let Some(to) = search.links_to {
        filters.push(exact(fields.link, &to.to_string()));
    }
    if let Some(publishers) = &search.publishers {
        let terms = publishers.iter().take(LOOKUP_CANONICALS_MAX);
        let terms = terms.map(|key| Term::from_field_text(fields.publisher, &key.to_string()));
        filters.push(match publishers.is_empty() {
            true => Box::new(EmptyQuery),
            false => Box::new(TermSetQuery::new(terms)),
        });
    }
    filters
}

/// A part of the typed text: a word, or words in quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Clause {
    text: String,
    is_excluded: bool,
    is_prefix: bool,
}

/// Splits the typed text into clauses. Never fails: unknown syntax is text. Clauses without words are dropped later.
fn parse(typed: &str) -> Vec<Clause> {
    let (mut clauses, mut prefixes) = (Vec::new(), 0);
    let mut rest = typed.trim_start();
    while !rest.is_empty() && clauses.len() < CLAUSES_MAX {
        let is_excluded = rest.starts_with('-');
        rest = rest.trim_start_matches('-');
        let (text, after) = match rest.strip_prefix(QUOTES) {
            Some(quoted) => quoted.split_once(QUOTES).unwrap_or((quoted, "")),
            None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        let is_prefix = !rest.starts_with(QUOTES)
            && text.ends_with('*')
            && text.chars().filter(|char| char.is_alphanumeric()).count() >= PREFIX_LETTERS_MIN
            && prefixes < PREFIXES_MAX;
        prefixes += usize::from(is_prefix);
        clauses.push(Clause {
            text: text.to_owned(),
            is_excluded,
            is_prefix,
        });
        rest = after.trim_start();
    }
    clauses
}

/// Searches a clause in names, text, identifiers and CIDs; `None` if the clause has no words.
fn clause_query(fields: &Fields, clause: &Clause) -> Option<Box<dyn Query>> {
    let in_name = words_query(
        fields.name,
        words(&mut names(), &clause.text),
        clause.is_prefix,
    )?;
    let in_text = words_query(
        fields.text,
        words(&mut texts(), &clause.text),
        clause.is_prefix,
    )?;
    let is_identifier = Term::from_field_text(fields.identifier, &clause.text);
    let is_canonical = Term::from_field_text(fields.canonical, &clause.text);
    let exact =
        [is_identifier, is_canonical].map(|term| TermQuery::new(term, IndexRecordOption::Basic));
    let mut ways: Vec<Box<dyn Query>> =
        vec![Box::new(BoostQuery::new(in_name, NAME_BOOST)), in_text];
    for query in exact {
        ways.push(Box::new(BoostQuery::new(Box::new(query), EXACT_BOOST)));
    }
    Some(Box::new(DisjunctionMaxQuery::with_tie_breaker(
        ways,
        TIE_BREAKER,
    )))
}

/// Searches `words` in a row in one field. `is_prefix` counts only for one word: `artwork:10*` is a phrase of whole
/// words.
fn words_query(field: Field, mut words: Vec<String>, is_prefix: bool) -> Option<Box<dyn Query>> {
    words.truncate(PHRASE_WORDS_MAX);
    let mut terms: Vec<Term> = words
        .iter()
        .map(|word| Term::from_field_text(field, word))
        .collect();
    match (terms.len(), is_prefix) {
        (0, _) => None,
        (1, true) => Some(Box::new(FuzzyTermQuery::new_prefix(
            terms.remove(0),
            0,
            false,
        ))),
        (1, false) => Some(Box::new(TermQuery::new(
            terms.remove(0),
            IndexRecordOption::WithFreqs,
        ))),
        _ => Some(Box::new(PhraseQuery::new(terms))),
    }
}

/// Straight quotes, and the curly ones of telephone keyboards.
const QUOTES: [char; 3] = ['"', '\u{201c}', '\u{201d}'];
/// Most clauses of a query. The others are left out.
const CLAUSES_MAX: usize = 32;
/// Most prefixes of a query, because each reads all words with that beginning. The others are taken for whole words.
const PREFIXES_MAX: usize = 4;
/// Fewest letters of a prefix. A shorter one is taken for a whole word.
const PREFIX_LETTERS_MIN: usize = 2;
/// Most words of a phrase. The others are left out.
const PHRASE_WORDS_MAX: usize = 32;
/// Weight of a match in a name; the text has 1.
const NAME_BOOST: f32 = 2.0;
/// Weight of a match of a whole identifier or CID.
const EXACT_BOOST: f32 = 10.0;
/// Most entities whose incoming links are counted, those with the best names.
const LINKED_MAX: usize = 10;
/// Share of the weaker matches of a clause in its score.
const TIE_BREAKER: f32 = 0.3;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(typed: &str, expected: &[(&str, bool, bool)]) {
        let found = parse(typed);
        let found: Vec<_> = found
            .iter()
            .map(|c| (&*c.text, c.is_excluded, c.is_prefix))
            .collect();
        assert_eq!(found, expected, "{typed:?}");
    }

    #[test]
    fn words_phrases_exclusions_and_beginnings_are_told_apart() {
        check("", &[]);
        check(
            "  snow   storm ",
            &[("snow", false, false), ("storm", false, false)],
        );
        check(
            "\"snow storm\" turn*",
            &[("snow storm", false, false), ("turn*", false, true)],
        );
        check(
            "-venice -\"grand canal\"",
            &[("venice", true, false), ("grand canal", true, false)],
        );
        check(
            "“snow storm”x",
            &[("snow storm", false, false), ("x", false, false)],
        );
        check("tate:artwork:1035", &[("tate:artwork:1035", false, false)]);
        check("well-known", &[("well-known", false, false)]);
    }

    #[test]
    fn beginnings_are_few_and_not_too_short() {
        check("t* tu*", &[("t*", false, false), ("tu*", false, true)]);
        let found = parse("aa* bb* cc* dd* ee*");
        let prefixes: Vec<_> = found.iter().map(|clause| clause.is_prefix).collect();
        assert_eq!(prefixes, [true, true, true, true, false]);
    }

    #[test]
    fn nonsense_is_text() {
        check("\"snow", &[("snow", false, false)]);
        check("--", &[("", true, false)]);
        check("\"\"\"", &[("", false, false), ("", false, false)]);
        check(
            "[a TO *] AND (",
            &[
                ("[a", false, false),
                ("TO", false, false),
                ("*]", false, false),
                ("AND", false, false),
                ("(", false, false),
            ],
        );
        assert_eq!(parse(&"a ".repeat(500)).len(), CLAUSES_MAX);
    }
}
