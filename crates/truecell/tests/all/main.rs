//! The built binary from outside: its commands, its daemon, and the commands that the documents show.

mod document;
mod documents;
