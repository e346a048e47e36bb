//! Floor 3: other people's HTTP clients, made to do what ringfetch does, for `compare`.
//!
//! Built with the feature `peers` alone. Knows neither the own engine's lanes nor the origin; a
//! client is given the same requests, due at the same instants, and is counted by the same rules.
//!
//! Invariant: there is one loop that loads a client, whatever the client, the runtime and the workload.
//!
//! ```text
//! client       who there is                      settings   what one is told
//! load       slices, and their CPU time        threads    which runtime carries whom
//! group      the lanes of one CPU              lane       the loop
//! feed       what is due next, and when        page       redirects and extraction
//! client     the seam to the clients             tally      what came of a slice
//! connector     names and connects                kept       connections between two requests
//! hyper, monoio_http, reqwest                  the clients themselves
//! ```

mod client;
mod connector;
mod feed;
mod group;
mod hyper;
mod idle;
mod lane;
mod load;
mod monoio_http;
mod other_client;
mod page;
mod request_fields;
mod reqwest;
mod settings;
mod tally;
mod threads;
mod work;

pub use load::{Load, fetch};
pub use other_client::OtherClient;
pub use request_fields::RequestFields;
pub use settings::ClientSettings;
pub use work::{ClientWork, Pages};
