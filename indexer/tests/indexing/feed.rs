//! The feed: the new elements of each commit.

use futures::StreamExt as _;
use kittengrad_support::wait::{soon, until};
use serde_json::Value;

use crate::world::{Indexing, TATE, canonical, draft};

/// A reader of server-sent events, each with name and data.
struct Events {
    body: std::pin::Pin<Box<dyn futures::Stream<Item = reqwest::Result<bytes::Bytes>>>>,
    text: String,
}

impl Events {
    async fn of(indexing: &Indexing) -> Self {
        let response = indexing.get("/api/feed").await;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            body: Box::pin(response.bytes_stream()),
            text: String::new(),
        }
    }

    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    event
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .map(str::to_owned)
                };
                let (name, data) = (field("event: "), field("data: "));
                self.text = rest.to_owned();
                if let (Some(name), Some(data)) = (name, data) {
                    return Some((name, serde_json::from_str(&data).unwrap()));
                }
                continue;
            }
            let piece = soon(self.body.next()).await?;
            self.text
                .push_str(std::str::from_utf8(&piece.ok()?).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_new_element_is_told_once_with_its_name_and_publisher() {
    let mut indexing = Indexing::start().await;
    let mut events = Events::of(&indexing).await;
    let (name, data) = events.next().await.unwrap();
    assert_eq!((&*name, &data["documents"]), ("hello", &Value::from(0)));
    let statement = draft(TATE, 1, "tate:artwork:1", "Line\nbreak </script>", "{}").statement();
    indexing.learn(TATE, vec![statement.clone()]).await;
    // In a later block the same statement is not news, but the one besides it is.
    let more = draft(TATE, 2, "tate:artwork:2", "More", "{}").statement();
    indexing.learn(TATE, vec![statement.clone(), more]).await;
    let (name, first) = events.next().await.unwrap();
    assert_eq!(name, "commit");
    assert_eq!(first["elements"].as_array().unwrap().len(), 1);
    let element = &first["elements"][0];
    assert_eq!(
        element["canonical"],
        canonical("tate:artwork:1").0.to_string()
    );
    assert_eq!(element["update"], statement.0.update.unwrap().to_string());
    assert_eq!(element["name"], "Line\nbreak </script>");
    assert_eq!(element["type"], "artefact");
    assert_eq!(element["what"], "said");
    assert_eq!(element["publisher_name"], "Tate");
    assert_eq!(element["time_ms"], 1_700_000_000_000_u64);
    let (_, second) = events.next().await.unwrap();
    assert_eq!(second["elements"].as_array().unwrap().len(), 1);
    assert_eq!(second["elements"][0]["name"], "More");
    assert_eq!(
        (&second["documents"], &second["updates"]),
        (&Value::from(2), &Value::from(2))
    );
    indexing.end().await;
    assert_eq!(events.next().await, None, "the feed ends with the process");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_commit_lists_its_newest_elements() {
    let mut indexing = Indexing::start().await;
    let mut events = Events::of(&indexing).await;
    events.next().await.unwrap();
    let statements = (0..150)
        .map(|n| draft(TATE, n, &format!("test:{n}"), &format!("{n}"), "{}").statement())
        .collect();
    indexing.learn(TATE, statements).await;
    let (_, data) = events.next().await.unwrap();
    assert_eq!(data["skipped"], 50);
    assert_eq!(data["elements"].as_array().unwrap().len(), 100);
    assert_eq!(data["elements"][99]["name"], "149");
    indexing.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_is_dropped_and_delays_no_other() {
    let mut indexing = Indexing::start().await;
    let mut events = Events::of(&indexing).await;
    events.next().await.unwrap();
    until("the reader is counted", async || {
        indexing
            .get("/metrics")
            .await
            .text()
            .await
            .unwrap()
            .contains("kittengrad_indexer_feed_readers 1")
    })
    .await;
    // Far more than the buffers of the connection and the feed can hold.
    let long = "x".repeat(4_000);
    let commit = |n: u64| {
        let statements = (0..100).map(|m| {
            draft(
                TATE,
                n,
                &format!("test:{n}:{m}"),
                &format!("{long}{n}"),
                "{}",
            )
            .statement()
        });
        commit_of(statements.collect(), n)
    };
    let publishers = kittengrad_indexer_core::Publishers::default();
    for n in 0..150 {
        indexing.feed.tell(&commit(n), &publishers);
        tokio::task::yield_now().await;
    }
    indexing
        .learn(
            TATE,
            vec![draft(TATE, 1, "test:after", "After", "{}").statement()],
        )
        .await;
    assert_eq!(indexing.names("q=after").await, ["After"]);
    let mut last = None;
    while let Some((name, data)) = events.next().await {
        last = Some((name, data));
    }
    let (name, data) = last.unwrap();
    assert_eq!(name, "dropped");
    assert!(data["missed"].as_u64().unwrap() > 0);
    indexing.end().await;
}

/// Makes the commit of one block with the core.
fn commit_of(
    statements: Vec<crate::world::Statement>,
    height: u64,
) -> kittengrad_indexer_core::Commit {
    use kittengrad_indexer_core::{
        Indexer, Input, Output, Publishers, State, Store, StoreError, Stored,
    };
    struct Nothing;
    impl Store for Nothing {
        fn load(&self, _: &kittengrad_proto::id::RecordId) -> Result<Option<Stored>, StoreError> {
            Ok(None)
        }
        fn incomplete(&self, _: usize) -> Result<Vec<kittengrad_proto::id::RecordId>, StoreError> {
            Ok(Vec::new())
        }
    }
    let mut indexer = Indexer::resume(State::new(crate::world::overlay()), Publishers::default());
    let mut out = Output::default();
    let block = crate::world::block(height, TATE, statements);
    indexer
        .handle(0, Input::Block(block), &Nothing, &mut out)
        .unwrap();
    indexer.handle(0, Input::Cut, &Nothing, &mut out).unwrap();
    out.commit.unwrap()
}
