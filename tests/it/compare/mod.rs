//! `compare`: its processes, its reports, and other clients.

#[cfg(feature = "peers")]
mod clients;
mod comparisons;
mod ends;
#[cfg(feature = "peers")]
mod other_clients;
