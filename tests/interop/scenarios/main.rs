//! Every scenario: one folder, one module.

mod charon_with_charon;
