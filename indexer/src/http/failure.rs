//! Failures: what a caller hears when there is no answer.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;
use tantivy::TantivyError;
use tokio::task::JoinError;

use crate::search::SearchError;

/// A status, and why.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    message: String,
}

impl Failure {
    /// The caller asked for something that cannot be.
    pub(super) fn bad_request(message: impl ToString) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            message: message.to_string(),
        }
    }

    /// There is no such thing.
    pub(super) fn not_found(message: impl ToString) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            message: message.to_string(),
        }
    }

    /// Too much is asked for at the same time.
    pub(super) fn busy() -> Self {
        let message = "too many requests at the same time; try again".to_owned();
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            message,
        }
    }

    /// It is our fault, and the operator must know.
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
        Self::internal(format!("the index cannot be read: {error}"))
    }
}

impl From<JoinError> for Failure {
    fn from(error: JoinError) -> Self {
        Self::internal(format!("a task failed: {error}"))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.message }))).into_response()
    }
}

/// Answers whatever has no route.
pub(super) async fn no_such_page() -> Failure {
    Failure::not_found(
        "no such page; the pages are /, /api/search, /api/document/CID, /api/documents, /api/feed, \
        /api/ring, /status, /metrics, /livez and /readyz",
    )
}
