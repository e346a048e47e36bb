//! Floor 3: other people's HTTP clients, made to do what ringfetch does, for `compare`.
//!
//! Built with the feature `peers` alone. Knows neither the own engine's lanes nor the origin; a
//! peer is given the same requests, due at the same instants, and is counted by the same rules.
//!
//! Invariant: there is one loop that loads a peer, whatever the peer, the runtime and the workload.
//!
//! ```text
//! peer       who there is                      settings   what one is told
//! load       slices, and their CPU time        threads    which runtime carries whom
//! group      the lanes of one CPU              lane       the loop
//! feed       what is due next, and when        page       redirects and extraction
//! client     the seam to the peers             tally      what came of a slice
//! supply     names and connects                kept       connections between two requests
//! hyper, monoio_http, reqwest                  the peers themselves
//! ```

mod client;
mod feed;
mod group;
mod hyper;
mod kept;
mod lane;
mod load;
mod monoio_http;
mod page;
mod peer;
mod reqwest;
mod settings;
mod supply;
mod tally;
mod threads;

pub use load::{Load, fetch};
pub use peer::Peer;
pub use settings::{Fields, Pace, Pages, PeerSettings, Work};
