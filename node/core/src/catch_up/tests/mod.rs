//! Tests of the parts that read partners' journals.

mod follow;
mod wants;
