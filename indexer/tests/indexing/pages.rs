//! The pages for operators and browsers.

use std::time::Instant;

use kittengrad_indexer::source::SourceStatus;
use kittengrad_proto::{block::Head, id::Id};
use serde_json::{Value, json};

use crate::world::{Indexing, JOURNAL, TATE, cursor, draft, overlay};

#[tokio::test(flavor = "multi_thread")]
async fn ready_is_never_green_by_default() {
    let mut indexing = Indexing::start().await;
    assert_eq!(indexing.get("/livez").await.status(), 200);
    let response = indexing.get("/readyz").await;
    assert_eq!(response.status(), 503);
    assert!(
        response
            .text()
            .await
            .unwrap()
            .contains("the aggregator sent nothing yet")
    );
    let mut status = SourceStatus::default();
    status.journal = Some(JOURNAL);
    let head = Head {
        incarnation: 1,
        height: 0,
        hash: Id::ZERO,
    };
    status.heard_head(head, Instant::now());
    indexing.source.send_replace(status);
    assert_eq!(indexing.get("/readyz").await.status(), 503);
    indexing
        .learn(
            TATE,
            vec![draft(TATE, 1, "test:1", "One", "{}").statement()],
        )
        .await;
    assert_eq!(
        indexing.json("/readyz").await,
        json!({"ready": true, "reasons": []})
    );
    indexing.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_says_what_the_index_is_the_fold_of() {
    let mut indexing = Indexing::start().await;
    indexing
        .learn(
            TATE,
            vec![draft(TATE, 1, "test:1", "One", "{}").statement()],
        )
        .await;
    let status = indexing.json("/status").await;
    assert_eq!(status["role"], "indexer");
    assert_eq!(status["namespace"], "demo");
    assert_eq!(status["network"], overlay().network.to_string());
    assert_eq!(status["cursor"], cursor(0).to_string());
    assert_eq!(
        (&status["documents"], &status["updates"]),
        (&Value::from(1), &Value::from(1))
    );
    assert_eq!(status["digest"].as_str().unwrap().len(), 64);
    let metrics = indexing.get("/metrics").await.text().await.unwrap();
    for line in [
        "kittengrad_indexer_documents 1",
        "kittengrad_indexer_cursor_height 0",
        "kittengrad_commits_total 1",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    indexing.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ring_has_the_form_of_the_command_line() {
    let indexing = Indexing::start().await;
    let ring = indexing.json("/api/ring").await;
    assert_eq!((&ring["replicas"], &ring["quorum"]), (&json!(3), &json!(2)));
    assert_eq!(ring["peers"][0]["state"], "settled");
    assert_eq!(
        ring["peers"][0]["cell"],
        json!({"from": "0".repeat(64), "to": "8".repeat(64)})
    );
    assert_eq!(
        ring["cover"][0],
        json!({"peer": "a".repeat(64), "from": "0".repeat(64), "to": "8".repeat(64)})
    );
    assert_eq!(ring["peers"][2]["cell"], json!(null), "it is joining");
    indexing.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_loads_its_own_files_and_nothing_else() {
    let indexing = Indexing::start().await;
    let response = indexing.get("/").await;
    let policy = response.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.contains("default-src 'none'") && policy.contains("script-src 'self';"),
        "{policy}"
    );
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    let page = response.text().await.unwrap();
    assert!(page.contains("demo") && page.contains(&overlay().network.to_string()[..8]));
    assert!(
        !page.contains("<script>") && !page.contains("style=\"") && !page.contains(" on"),
        "no inline code"
    );
    let mut to_load: Vec<String> = references(&page, &["src=\"", "href=\"/"]);
    let mut loaded = 0;
    while let Some(path) = to_load.pop() {
        let path = path.trim_start_matches('/');
        let response = indexing.get(&format!("/{path}")).await;
        assert_eq!(response.status(), 200, "{path}");
        let kind = response.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        let text = response.text().await.unwrap();
        assert!(!text.is_empty(), "{path}");
        if kind.starts_with("text/javascript") {
            let imported = references(&text, &["from \"./"]);
            to_load.extend(imported.into_iter().map(|name| format!("assets/{name}")));
        }
        loaded += 1;
        assert!(loaded < 100);
    }
    assert!(loaded >= 4, "style, icon and scripts");
    assert_eq!(indexing.get("/assets/..%2fstyle.css").await.status(), 404);
    indexing.end().await;
}

fn references(text: &str, begins: &[&str]) -> Vec<String> {
    let of = |begin: &&str| {
        let found = text
            .split(*begin)
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        found
            .filter(|path| !path.is_empty() && !path.starts_with('#'))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    begins.iter().flat_map(of).collect()
}

#[test]
fn the_scripts_write_text_and_never_markup() {
    let assets = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    for file in std::fs::read_dir(assets)
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        let text = std::fs::read_to_string(&file).unwrap();
        for way_in in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "Function(",
            "DOMParser",
            "createContextualFragment",
            "srcdoc",
            "javascript:",
            "setHTML",
        ] {
            assert!(!text.contains(way_in), "{} uses {way_in}", file.display());
        }
    }
}
