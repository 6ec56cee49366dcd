//! Measures what the tests see. Mutants are small mistakes in the pure crates, and the tests should fail under each of
//! them.
//!
//! All mutants are in one build of a copy of the workspace, each behind a switch that an environment variable turns on.
//! So the crates compile once, and a mutant costs only the tests that run under it.
//!
//! | file | what it does |
//! | --- | --- |
//! | `definition` | reads the mutants of `definitions/` |
//! | `place` | finds the text that a mutant replaces in a function, regardless of line breaks |
//! | `weave` | puts all mutants of a file into its text, each behind its switch |
//! | `copy` | keeps a copy of the workspace with all mutants in it |
//! | `build` | compiles the copy, and finds the test binaries |
//! | `suite` | runs one test binary under a mutant |
//! | `last` | remembers the test that saw each mutant, to try it first |
//! | `trial` | runs suites under mutants until one fails |
//! | `score` | counts the seen mutants, as a table or as JSON |

pub mod build;
pub mod copy;
pub mod definition;
pub mod last;
pub mod place;
pub mod score;
pub mod suite;
pub mod trial;
pub mod weave;
