//! What another client is told, resolved.

use std::time::Duration;

use crate::compare::clients::other_client::OtherClient;
use crate::compare::clients::request_fields::RequestFields;
use crate::compare::clients::work::ClientWork;
use crate::net::dns::Override;

/// What a client is told.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// Who it is.
    pub client: OtherClient,
    /// The CPUs that it may use.
    pub cpus: Vec<usize>,
    /// Connections in all, at least one for each CPU that is used.
    pub connections: usize,
    /// Time for one request, from the moment that a connection is free for it.
    pub timeout: Duration,
    /// Time for one connect.
    pub connect_timeout: Duration,
    /// Fixed answers to name lookups.
    pub overrides: Vec<Override>,
    /// What each request says besides its target.
    pub fields: RequestFields,
    /// What it does.
    pub work: ClientWork,
}

impl ClientSettings {
    /// Whether the client can do what it is told.
    ///
    /// # Errors
    ///
    /// Why not, for a person.
    pub fn check(&self) -> Result<(), String> {
        self.client.refusal(&self.fields.method).map_or(Ok(()), Err)
    }

    /// Notes for a reader of its numbers.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.client.notes(&self.work)
    }
}
