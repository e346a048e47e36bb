//! What another client says in each request: method, header fields and body.
//!
//! Invariant: it is what the own engine's requests say, field for field.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri, Version};

use crate::base::target::Target;
use crate::compare::clients::client::ClientFault;
use crate::http::http1::Persistence;

/// What a request calls itself where nobody chose.
const USER_AGENT: &str = concat!("ringfetch/", env!("CARGO_PKG_VERSION"));

/// What each request says besides its target.
#[derive(Clone, Debug)]
pub struct RequestFields {
    pub(super) method: Method,
    pub(super) fields: HeaderMap,
    pub(super) body: Option<Bytes>,
    /// Whether the request says that it is the connection's last.
    pub(super) closes: bool,
}

impl RequestFields {
    /// A request by `method`, or by GET (POST where there is a body). `headers` replace the fields
    /// that the own engine sends by itself.
    ///
    /// # Errors
    ///
    /// Where the method, a name or a value cannot be sent.
    pub fn new(
        method: Option<&str>,
        headers: &[(String, String)],
        body: Option<Vec<u8>>,
        connection: Persistence,
    ) -> Result<Self, String> {
        let method = match (method, &body) {
            (Some(name), _) => name.parse().map_err(|_| format!("no request method: {name:?}"))?,
            (None, Some(_)) => Method::POST,
            (None, None) => Method::GET,
        };
        let mut fields = HeaderMap::new();
        for (name, value) in headers {
            let refused = || format!("the header cannot be sent: {name}");
            let name: HeaderName = name.parse().map_err(|_| refused())?;
            let value = value.trim_matches([' ', '\t']).parse().map_err(|_| refused())?;
            fields.append(name, value);
        }
        let mut add = |name: HeaderName, value| {
            fields.entry(name).or_insert(HeaderValue::from_static(value));
        };
        add(header::USER_AGENT, USER_AGENT);
        add(header::ACCEPT, "*/*");
        match connection {
            Persistence::Persistent => {}
            Persistence::KeepAlive => add(header::CONNECTION, "keep-alive"),
            Persistence::Close => add(header::CONNECTION, "close"),
        }
        // These methods expect a body, so its absence is told (RFC 9110 section 8.6).
        if body.is_none() && [Method::POST, Method::PUT, Method::PATCH].contains(&method) {
            fields.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let closes = says_close(&fields);
        Ok(Self { method, fields, body: body.map(Bytes::from), closes })
    }

    /// The request for `target` as it goes over a connection of its own, with the body that `body`
    /// makes: the path alone, and the host in its field.
    pub(super) fn request<B>(
        &self,
        target: &Target,
        body: impl FnOnce(Bytes) -> B,
    ) -> Result<http::Request<B>, ClientFault> {
        let mut request = http::Request::new(body(self.body.clone().unwrap_or_default()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = target.path_and_query().parse::<Uri>().map_err(ClientFault::new)?;
        *request.version_mut() = Version::HTTP_11;
        *request.headers_mut() = self.fields.clone();
        if !self.fields.contains_key(header::HOST) {
            let host = HeaderValue::from_str(target.authority()).map_err(ClientFault::new)?;
            request.headers_mut().insert(header::HOST, host);
        }
        Ok(request)
    }
}

/// Whether `fields` have the option `close` (RFC 9110 section 7.6.1).
pub(super) fn says_close(fields: &HeaderMap) -> bool {
    let values = fields.get_all(header::CONNECTION).iter().filter_map(|v| v.to_str().ok());
    values.flat_map(|v| v.split(',')).any(|option| option.trim().eq_ignore_ascii_case("close"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The request that `method`, `headers` and `body` make, in one line.
    fn check(
        method: Option<&str>,
        headers: &[(&str, &str)],
        body: Option<&str>,
        connection: Persistence,
        expected: &str,
    ) {
        let headers: Vec<_> =
            headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let body = body.map(|text| text.as_bytes().to_vec());
        let fields = RequestFields::new(method, &headers, body, connection).unwrap();
        let target = Target::parse("http://a.test:81/b?c").unwrap();
        let request = fields.request(&target, |bytes| bytes).unwrap();
        let mut said: Vec<_> = request
            .headers()
            .iter()
            .filter(|(name, _)| *name != header::USER_AGENT)
            .map(|(name, value)| format!("{name}={}", value.to_str().unwrap()))
            .collect();
        said.sort();
        let body = String::from_utf8(request.body().to_vec()).unwrap();
        let line = format!("{} {} {} {body}", request.method(), request.uri(), said.join(" "));
        assert_eq!(line.trim_end(), expected);
        let says_agent = request.headers().get_all(header::USER_AGENT).iter().count();
        assert_eq!((says_agent, fields.closes), (1, expected.contains("lose")));
    }

    #[test]
    fn a_request_says_what_the_own_engine_says() {
        let (persistent, close) = (Persistence::Persistent, Persistence::Close);
        check(None, &[], None, persistent, "GET /b?c accept=*/* host=a.test:81");
        check(None, &[], Some("x"), persistent, "POST /b?c accept=*/* host=a.test:81 x");
        check(
            Some("PUT"),
            &[("Host", "b"), ("ACCEPT", " text/html ")],
            None,
            close,
            "PUT /b?c accept=text/html connection=close content-length=0 host=b",
        );
        check(
            None,
            &[("connection", "x, Close")],
            None,
            Persistence::KeepAlive,
            "GET /b?c accept=*/* connection=x, Close host=a.test:81",
        );
    }
}
