//! reqwest: one client, which all requests share. Connections, and the redirects of a list, are
//! reqwest's own business.
//!
//! Invariant: a request goes to where the own engine would send it, or it is a fault: never to
//! another address.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use ::reqwest::dns::{Addrs, Name, Resolve, Resolving};
use ::reqwest::redirect::Policy;
use ::reqwest::{Client as Inner, Request, Url};

use crate::base::limits::IDLE_CONNECTION_MAX;
use crate::base::target::Target;
use crate::compare::clients::client::{Client, ClientFault, ResponseReading};
use crate::compare::clients::request_fields::RequestFields;
use crate::compare::clients::settings::ClientSettings;
use crate::compare::clients::work::ClientWork;
use crate::net::dns::{Override, Resolver, fixed};

/// reqwest.
#[derive(Clone)]
pub(super) struct Reqwest {
    inner: Inner,
    fields: Arc<RequestFields>,
    overrides: Arc<[Override]>,
}

impl Reqwest {
    /// The one client of a run.
    pub(super) fn new(settings: &ClientSettings, resolver: Resolver) -> Result<Self, ClientFault> {
        let builder = Inner::builder()
            .no_proxy()
            .tcp_nodelay(true)
            .connect_timeout(settings.connect_timeout)
            .dns_resolver(Arc::new(NameLookup(resolver)));
        let builder = match (&settings.work, settings.fields.closes) {
            (_, true) => builder.pool_max_idle_per_host(0),
            // Every connection of a load is to stay open, however long a slice of others takes.
            (ClientWork::Bench(..), false) => {
                builder.pool_max_idle_per_host(usize::MAX).pool_idle_timeout(None)
            }
            (ClientWork::Fetch(_), false) => builder.pool_idle_timeout(IDLE_CONNECTION_MAX),
        };
        let redirects_max = match &settings.work {
            ClientWork::Bench(..) => 0,
            ClientWork::Fetch(pages) => pages.redirects_max,
        };
        let policy =
            if redirects_max == 0 { Policy::none() } else { Policy::limited(redirects_max) };
        Ok(Self {
            inner: builder.redirect(policy).build().map_err(ClientFault::new)?,
            fields: Arc::new(settings.fields.clone()),
            overrides: settings.overrides.clone().into(),
        })
    }
}

/// Whether `overrides` can be honoured by a client that resolves names without their ports, and
/// takes the port from the URL where that has one.
fn can_honour(overrides: &[Override], target: &Target) -> bool {
    let Some(wanted) = fixed(overrides, target.host(), target.port()) else { return true };
    let has_port = target.authority() != target.host();
    let is_name =
        target.host().parse::<std::net::Ipv4Addr>().is_err() && !target.host().starts_with('[');
    // The answer of the resolver below, which does not know the port.
    let found = fixed_for_name(overrides, target.host());
    let led = found.map(|addr| match has_port {
        true => SocketAddr::new(addr.ip(), target.port()),
        false => SocketAddr::new(addr.ip(), if addr.port() == 0 { 80 } else { addr.port() }),
    });
    is_name && led == Some(wanted)
}

/// The fixed answer for `host`, whatever the port; port 0 where that is to be the URL's.
fn fixed_for_name(overrides: &[Override], host: &str) -> Option<SocketAddr> {
    let fits = |o: &&Override| o.host.as_deref().is_none_or(|name| name.eq_ignore_ascii_case(host));
    let found = overrides.iter().find(fits)?;
    Some(SocketAddr::new(found.ip, found.to_port.unwrap_or(0)))
}

impl Client for Reqwest {
    type Request = Request;

    fn request(&self, target: &Target) -> Result<Request, ClientFault> {
        if !can_honour(&self.overrides, target) {
            return Err(ClientFault::new(format!(
                "it looks up names and cannot be led from a port or an address to another: {}",
                target.origin()
            )));
        }
        let url = Url::parse(target.url()).map_err(ClientFault::new)?;
        let mut request = Request::new(self.fields.method.clone(), url);
        *request.headers_mut() = self.fields.fields.clone();
        *request.body_mut() = self.fields.body.clone().map(Into::into);
        Ok(request)
    }

    async fn ask(
        &mut self,
        _: &Target,
        request: &Request,
        reading: &mut ResponseReading,
    ) -> Result<(), ClientFault> {
        let request = request.try_clone().expect("a body of bytes can be sent twice");
        let mut response = self.inner.execute(request).await.map_err(ClientFault::new)?;
        reading.handle_head(response.status().as_u16(), response.headers());
        if reading.wants_fields() {
            reading.url = Some(response.url().as_str().to_owned());
            // reqwest has followed it, as far as its policy allows.
            reading.location = None;
        }
        while let Some(piece) = response.chunk().await.map_err(ClientFault::new)? {
            reading.handle_body(&piece)?;
        }
        Ok(())
    }
}

/// Looks up the names that reqwest asks for, as the other clients' are looked up.
struct NameLookup(Resolver);

impl Resolve for NameLookup {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.0.clone();
        Box::pin(async move {
            let host = name.as_str();
            let addr = match fixed_for_name(resolver.overrides(), host) {
                Some(addr) => addr,
                None => resolver
                    .look_up(host, 0)
                    .await
                    .map_err(|failure| Box::<dyn Error + Send + Sync>::from(failure.to_string()))?,
            };
            let addrs: Addrs = Box::new(std::iter::once(addr));
            Ok(addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks whether reqwest can be led from `url` by `host:port:127.0.0.1:to_port`.
    fn check(url: &str, host: Option<&str>, port: Option<u16>, to_port: Option<u16>, can: bool) {
        let ip = [127, 0, 0, 1].into();
        let only = Override { host: host.map(str::to_owned), port, ip, to_port };
        let target = Target::parse(url).unwrap();
        assert_eq!(can_honour(&[only], &target), can, "{url} {host:?} {port:?} {to_port:?}");
    }

    #[test]
    fn what_a_resolver_of_names_cannot_do_is_known() {
        check("http://a/", None, None, Some(9), true);
        check("http://a/", Some("A"), Some(80), None, true);
        check("http://a:81/", Some("a"), Some(81), None, true);
        check("http://a:81/", Some("a"), Some(81), Some(81), true);
        check("http://a:81/", Some("a"), Some(81), Some(9), false);
        check("http://127.0.0.2/", None, None, Some(9), false);
        check("http://[::1]/", None, None, Some(9), false);
        check("http://127.0.0.2/", Some("a"), None, Some(9), true);
    }
}
