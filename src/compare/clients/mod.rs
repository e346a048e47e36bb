//! Other HTTP clients, made to do what ringfetch does, for `compare` (feature `peers`).
//!
//! A client is given the same requests, due at the same instants, and is counted by the same rules.
//! There is one loop that loads it, whatever the client, the runtime and the workload.
//!
//! ```text
//! other_client   which clients there are       settings, work, request_fields   what one is told
//! load           slices, and their CPU time    threads    which runtime carries which client
//! group          the lanes of one CPU          lane       the loop
//! feed           what is due next, and when    page       redirects and extraction
//! client         what the loop asks with       tally      counts and times of a slice
//! connector      names and connects            idle       connections between two requests
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

pub use load::{Load, fetch_list};
pub use other_client::OtherClient;
pub use request_fields::RequestFields;
pub use settings::ClientSettings;
pub use work::{ClientWork, Pages};
