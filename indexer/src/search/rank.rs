//! Ranks: a total order over hits that does not depend on the layout of the index on the disk.

use tantivy::{
    DocAddress, DocId, Score, SegmentReader, TantivyError,
    aggregation::{
        AggContextParams, AggregationCollector,
        agg_req::Aggregations,
        agg_result::{AggregationResult, AggregationResults, BucketResult},
    },
    collector::{Collector, SegmentCollector, TopNComputer, sort_key::NaturalComparator},
    columnar::Column,
    query::Query,
};

use super::request::{FACETS_MAX, Facets};
use crate::index::{
    Snapshot,
    schema::{ORDER, PUBLISHER_KEY, TYPE, UPDATED_MS},
};

/// The rank of a hit. The greatest comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// Bits of the score, or the time of the newest head in Unix milliseconds. The bits ascend with the score, because
    /// it is never negative.
    pub(super) main: u64,
    /// Decides between hits of equal `main`: the first eight bytes of the canonical.
    pub(super) order: u64,
}

impl Rank {
    pub(super) fn score(self) -> f32 {
        u32::try_from(self.main).map_or(0.0, f32::from_bits)
    }
}

/// Collects the best hits below a rank.
pub(super) struct TopRanked {
    /// Most hits.
    pub(super) limit: usize,
    /// Collects only hits below this rank.
    pub(super) after: Option<Rank>,
    /// Ranks by score, else by time of the newest head.
    pub(super) by_score: bool,
}

impl Collector for TopRanked {
    type Fruit = Vec<(Rank, DocAddress)>;
    type Child = SegmentTop;

    fn for_segment(
        &self,
        segment_ord: u32,
        segment: &SegmentReader,
    ) -> tantivy::Result<SegmentTop> {
        let columns = segment.fast_fields();
        let updated_ms = if self.by_score {
            None
        } else {
            Some(columns.u64(UPDATED_MS)?)
        };
        Ok(SegmentTop {
            segment_ord,
            order: columns.u64(ORDER)?,
            updated_ms,
            after: self.after,
            top: TopNComputer::new_with_comparator(self.limit, NaturalComparator),
        })
    }

    fn requires_scoring(&self) -> bool {
        self.by_score
    }

    fn merge_fruits(&self, segments: Vec<Self::Fruit>) -> tantivy::Result<Self::Fruit> {
        let mut all: Vec<_> = segments.into_iter().flatten().collect();
        all.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
        all.truncate(self.limit);
        Ok(all)
    }
}

/// The best hits of one segment.
pub(super) struct SegmentTop {
    segment_ord: u32,
    order: Column<u64>,
    updated_ms: Option<Column<u64>>,
    after: Option<Rank>,
    top: TopNComputer<Rank, DocId, NaturalComparator>,
}

impl SegmentCollector for SegmentTop {
    type Fruit = Vec<(Rank, DocAddress)>;

    fn collect(&mut self, doc: DocId, score: Score) {
        let main = match &self.updated_ms {
            Some(updated_ms) => updated_ms.first(doc).unwrap_or(0),
            None => u64::from(score.max(0.0).to_bits()),
        };
        let rank = Rank {
            main,
            order: self.order.first(doc).unwrap_or(0),
        };
        if self.after.is_none_or(|after| rank < after) {
            self.top.push(rank, doc);
        }
    }

    fn harvest(self) -> Self::Fruit {
        let address = |doc| DocAddress::new(self.segment_ord, doc);
        self.top
            .into_vec()
            .into_iter()
            .map(|found| (found.sort_key, address(found.doc)))
            .collect()
    }
}

/// Counts hits by type and publisher.
pub(super) fn facets(snapshot: &Snapshot, query: &dyn Query) -> Result<Facets, TantivyError> {
    let terms = |field: &str| serde_json::json!({"terms": {"field": field, "size": FACETS_MAX}});
    let request = serde_json::json!({"types": terms(TYPE), "publishers": terms(PUBLISHER_KEY)});
    let request: Aggregations = serde_json::from_value(request)
        .map_err(|error| TantivyError::InvalidArgument(error.to_string()))?;
    let collector = AggregationCollector::from_aggs(request, AggContextParams::default());
    let counted = snapshot.searcher.search(query, &collector)?;
    Ok(Facets {
        types: buckets(&counted, "types"),
        publishers: buckets(&counted, "publishers"),
    })
}

fn buckets(counted: &AggregationResults, name: &str) -> Vec<(String, u64)> {
    match counted.0.get(name) {
        Some(AggregationResult::BucketResult(BucketResult::Terms { buckets, .. })) => buckets
            .iter()
            .map(|bucket| (bucket.key.to_string(), bucket.doc_count))
            .collect(),
        _ => Vec::new(),
    }
}
