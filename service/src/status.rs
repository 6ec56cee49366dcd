//! Refusals: an error message, a stable code for programs, and a hint for people.

use std::fmt;

use kittengrad_journal::{StateError, StoreError};
pub use kittengrad_proto::error::ErrorCode;
use kittengrad_proto::{
    error::{ErrorDetail, Responsible, cut_message},
    namespace::Overlay,
};
use tonic::{Code, Status};

/// Why a call is refused. Becomes a gRPC status with the bytes of an [`ErrorDetail`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    message: String,
    detail: ErrorDetail,
}

impl Refusal {
    /// A refusal with the default hint of `code`. [`Refusal::hint`] replaces the hint.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            detail: ErrorDetail::new(code),
        }
    }

    /// An internal error. No caller can cause or fix it.
    #[must_use]
    pub fn internal(error: impl fmt::Display) -> Self {
        Self::new(ErrorCode::Internal, error.to_string())
    }

    /// Sets the hint, which says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.detail.hint = hint.into();
        self
    }

    /// Names the peers that hold the data that this process does not.
    #[must_use]
    pub fn responsible(mut self, responsible: Vec<Responsible>) -> Self {
        self.detail.responsible = responsible;
        self
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.detail.code
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.detail.hint)
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let code = Code::from(refusal.detail.code.grpc_status());
        // Only the detail has the hint. In the message too, clients would show it twice.
        let message = cut_message(&refusal.message);
        let details = refusal.detail.encode(message);
        Self::with_details(code, message, details)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store failed");
        Self::internal(error)
    }
}

impl From<StateError> for Refusal {
    fn from(error: StateError) -> Self {
        tracing::error!(%error, "the store failed");
        Self::internal(error)
    }
}

/// Checks that a request names the served namespace.
///
/// # Errors
/// [`ErrorCode::WrongNamespace`] if it names another.
pub fn check_namespace(overlay: &Overlay, namespace: &str) -> Result<(), Refusal> {
    if namespace == overlay.namespace.as_str() {
        return Ok(());
    }
    let named: String = namespace.chars().take(80).collect();
    let served = &overlay.namespace;
    Err(Refusal::new(
        ErrorCode::WrongNamespace,
        format!("namespace {named:?} is not served here; this process serves {served}"),
    ))
}
