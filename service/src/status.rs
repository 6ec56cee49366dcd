//! Refusals: what is wrong, a stable code for programs, and what to do next for people.

use std::fmt;

use kittengrad_journal::{StateError, StoreError};
pub use kittengrad_proto::error::ErrorCode;
use kittengrad_proto::{
    error::{ErrorDetail, Responsible},
    namespace::Overlay,
};
use tonic::{Code, Status};

/// Why a call is refused; becomes a gRPC status with the detail in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    message: String,
    detail: ErrorDetail,
}

impl Refusal {
    /// Refuses with a code and the words for it. The hint is the code's until [`Refusal::hint`] gives a better one.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            detail: ErrorDetail::new(code),
        }
    }

    /// Something that no caller can bring about or help.
    #[must_use]
    pub fn internal(error: impl fmt::Display) -> Self {
        Self::new(ErrorCode::Internal, error.to_string())
    }

    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.detail.hint = hint.into();
        self
    }

    /// Names who holds what this process does not.
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
        // The hint travels in the detail alone, where clients find it: said in both it would be shown twice.
        let detail = refusal.detail.encode();
        Self::with_details(code, refusal.message, detail)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store does not answer");
        Self::internal(error)
    }
}

impl From<StateError> for Refusal {
    fn from(error: StateError) -> Self {
        tracing::error!(%error, "the store does not answer");
        Self::internal(error)
    }
}

/// Checks that a request names the namespace that is served.
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
        format!("namespace {named:?} is not served here, {served} is"),
    ))
}
