//! Real peers against Truecell, each in network namespaces of its own.
//!
//! A [`scene::Scene`] is one scenario's world: an [`internet::Internet`] of two routers, hosts on both sides, a NAT where
//! wanted, and a directory for everything that is written. In it run [`charon::Charon`] (strongSwan), `pluto`
//! (libreswan) and [`truecell::Truecell`] (`truecell serve`). What a scenario expects stands in its folder under
//! `scenarios/`, beside the peers' configuration.
//!
//! Everything made is torn down by `Drop`, on panic too, and only what this process made; leavings of a killed run are
//! found by the process id in the namespace's name. Nothing waits for a length of time: every wait is for an event with
//! a deadline ([`deadline::until`]).
//!
//! Needs root, network namespaces, `/dev/net/tun` and the packages that `./test` installs; the tests that use it are
//! therefore ignored unless asked for.

pub mod capture;
pub mod carrier;
pub mod certificate;
pub mod charon;
pub mod deadline;
pub mod internet;
pub mod iperf;
pub mod namespace;
pub mod numbered;
pub mod pluto;
pub mod process;
pub mod relay;
pub mod scene;
pub mod swanctl;
pub mod truecell;
