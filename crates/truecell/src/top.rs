//! `truecell top`: what a node does, live.
//!
//! A [`look`] at the node over its control socket gives counters; [`picture`] makes rates of two looks,
//! purely; [`screen`] holds what the person has chosen, purely; [`view`] draws both; [`terminal`] reads
//! keys and looks again each interval. Rates are per second, of bits and packets within the tunnels.

pub(crate) mod history;
pub(crate) mod look;
pub(crate) mod picture;
pub(crate) mod screen;
pub(crate) mod terminal;
pub(crate) mod units;
pub(crate) mod view;

#[cfg(test)]
pub(crate) mod sample;
