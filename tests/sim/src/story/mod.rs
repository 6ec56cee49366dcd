//! Stories: a test drives a world step by step, breaks it, and checks it. Stories panic.

mod breaking;
mod clients;
mod look;
pub mod planted;
mod request;
pub mod solo;
mod view;

pub use request::Request;
