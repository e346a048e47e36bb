//! `bench`: loads on real sockets, and what is told of them.

mod ends;
mod faults;
mod ledger;
mod loads;
mod pipelines;
mod reports;
mod requests;
mod searches;
