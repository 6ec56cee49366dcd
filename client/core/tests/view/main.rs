//! The views that command line and web page show.

mod document;
mod ring;
