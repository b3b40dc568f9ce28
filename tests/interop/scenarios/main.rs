//! Every scenario: one folder, one module.

mod attach;
mod charon_with_charon;
mod libreswan;
