//! Assets: the page, its style and its scripts, as parts of the binary.

use askama::Template;
use axum::{
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
};
use kittengrad_proto::namespace::Overlay;

use super::{App, failure::Failure};

/// The frame of the page. Scripts draw its content.
#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    namespace: &'a str,
    network: &'a str,
    version: &'a str,
}

/// The rendered frame, made once.
#[derive(Debug)]
pub(super) struct Shell(String);

impl Shell {
    pub(super) fn new(overlay: &Overlay) -> Self {
        let network = overlay.network.to_string();
        let page = Page {
            namespace: overlay.namespace.as_str(),
            network: &network,
            version: env!("CARGO_PKG_VERSION"),
        };
        // Rendering to a string fails only if a value cannot be formatted. These values are strings.
        Self(page.render().unwrap_or_default())
    }
}

pub(super) async fn page(State(app): State<App>) -> Response {
    (
        [(header::CONTENT_TYPE, "text/html; charset=utf-8")],
        app.0.shell.0.clone(),
    )
        .into_response()
}

pub(super) async fn favicon() -> Response {
    serve("image/svg+xml", include_str!("../../assets/favicon.svg"))
}

pub(super) async fn asset(Path(name): Path<String>) -> Response {
    let script = "text/javascript; charset=utf-8";
    match &*name {
        "style.css" => serve(
            "text/css; charset=utf-8",
            include_str!("../../assets/style.css"),
        ),
        "app.js" => serve(script, include_str!("../../assets/app.js")),
        "dom.js" => serve(script, include_str!("../../assets/dom.js")),
        "search.js" => serve(script, include_str!("../../assets/search.js")),
        "document.js" => serve(script, include_str!("../../assets/document.js")),
        "compare.js" => serve(script, include_str!("../../assets/compare.js")),
        "feed.js" => serve(script, include_str!("../../assets/feed.js")),
        "ring.js" => serve(script, include_str!("../../assets/ring.js")),
        _ => Failure::not_found(format!("no asset {name:?}")).into_response(),
    }
}

fn serve(kind: &'static str, text: &'static str) -> Response {
    (
        [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, "no-cache"),
        ],
        text,
    )
        .into_response()
}
