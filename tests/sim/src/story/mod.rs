//! Stories: a test tells a world who says what to whom, what breaks, and what must be true then. Stories panic.

mod breaking;
mod clients;
mod look;
pub mod planted;
mod request;
pub mod solo;
mod view;

pub use request::Request;
