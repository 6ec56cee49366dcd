//! Failures: HTTP answers with an error.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;
use tantivy::TantivyError;
use tokio::task::JoinError;

use crate::search::SearchError;

/// A status, and the reason as JSON `{"error"}`.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    message: String,
}

impl Failure {
    /// 400: the request is wrong.
    pub(super) fn bad_request(message: impl ToString) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            message: message.to_string(),
        }
    }

    /// 404: no such page, asset or document.
    pub(super) fn not_found(message: impl ToString) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            message: message.to_string(),
        }
    }

    /// 503: too many requests at the same time.
    pub(super) fn busy() -> Self {
        let message = "too many requests at the same time; try again".to_owned();
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            message,
        }
    }

    /// 500: the indexer failed. Logs the reason for the operator.
    fn internal(message: String) -> Self {
        tracing::error!(%message, "a request failed");
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            message,
        }
    }
}

impl From<SearchError> for Failure {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Index(error) => error.into(),
            error => Self::bad_request(error),
        }
    }
}

impl From<TantivyError> for Failure {
    fn from(error: TantivyError) -> Self {
        Self::internal(format!(
            "the index cannot be read: {error}; try again, and look at the indexer's log"
        ))
    }
}

impl From<JoinError> for Failure {
    fn from(error: JoinError) -> Self {
        Self::internal(format!("the request's task failed: {error}"))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.message }))).into_response()
    }
}

/// Answers all paths without a route.
pub(super) async fn no_such_page() -> Failure {
    Failure::not_found(
        "no such page; the pages are /, /api/search, /api/document/CID, /api/documents, /api/feed, \
        /api/ring, /status, /metrics, /livez and /readyz",
    )
}
