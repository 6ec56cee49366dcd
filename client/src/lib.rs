//! Kittengrad.
