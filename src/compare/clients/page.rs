//! What a lane does with one request: asks, follows redirects, and has the page extracted.
//!
//! A page is extracted where it was read, as most people would do it: meanwhile its thread does
//! nothing else.
//!
//! Invariant: a load reads every body to its end and keeps nothing of it; every page of a list is
//! extracted as the own engine's are.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::base::target::Target;
use crate::compare::clients::client::{Client, ClientFault, ResponseParts, ResponseReading};
use crate::compare::clients::feed::What;
use crate::compare::clients::tally::RequestOutcome;
use crate::compare::clients::work::{ClientWork, Pages};
use crate::extract::Extractor;
use crate::fetch::policy::StatusPolicy;

thread_local! {
    /// Extracts the pages of this thread: compiled selectors cannot change threads. A thread
    /// serves one run alone.
    static EXTRACTOR: RefCell<Option<Extractor>> = const { RefCell::new(None) };
}

/// What all lanes of a client ask for.
pub(super) struct ClientPlan<R> {
    /// The targets of a load, each with its request.
    targets: Vec<(Target, R)>,
    /// What is done with a list.
    pages: Option<Pages>,
}

impl<R: 'static> ClientPlan<R> {
    /// Prepares `work` for clients like `client`.
    pub(super) fn new<C: Client<Request = R>>(
        work: &ClientWork,
        client: &C,
    ) -> Result<Arc<Self>, ClientFault> {
        Ok(Arc::new(match work {
            ClientWork::Bench(targets, _) => {
                let prepare = |target: &Target| Ok((target.clone(), client.request(target)?));
                Self {
                    targets: targets.iter().map(prepare).collect::<Result<_, _>>()?,
                    pages: None,
                }
            }
            ClientWork::Fetch(pages) => Self { targets: Vec::new(), pages: Some(pages.clone()) },
        }))
    }

    /// How many targets there are.
    pub(super) fn target_count(&self) -> usize {
        self.targets.len()
    }

    /// Makes the request for `what`, and its redirects.
    pub(super) async fn exchange<C: Client<Request = R>>(
        &self,
        client: &mut C,
        what: &What,
    ) -> RequestOutcome {
        let outcome = match what {
            What::Target(idx) => self.load(client, *idx).await,
            What::Line(line) => self.fetch(client, line).await,
        };
        outcome.unwrap_or_else(|fault| {
            tracing::debug!(%fault, ?what, "no answer");
            RequestOutcome::Failed
        })
    }

    /// Asks for target `idx` of a load.
    async fn load<C: Client<Request = R>>(
        &self,
        client: &mut C,
        idx: usize,
    ) -> Result<RequestOutcome, ClientFault> {
        let (target, request) = &self.targets[idx];
        let mut reading = ResponseReading::new(ResponseParts::Status, u64::MAX);
        client.ask(target, request, &mut reading).await?;
        Ok(if reading.status < 400 { RequestOutcome::Answered } else { RequestOutcome::Refused })
    }

    /// Fetches what a line of a list names.
    async fn fetch<C: Client<Request = R>>(
        &self,
        client: &mut C,
        line: &str,
    ) -> Result<RequestOutcome, ClientFault> {
        let pages = self.pages.as_ref().expect("lines come with a list");
        let keep =
            if pages.selectors.is_some() { ResponseParts::Page } else { ResponseParts::Fields };
        let mut target = parsed(Target::parse(line))?;
        for redirects in 0..=pages.redirects_max {
            let request = client.request(&target)?;
            let mut reading = ResponseReading::new(keep, pages.body_bytes_max);
            client.ask(&target, &request, &mut reading).await?;
            let is_redirect = matches!(reading.status, 301 | 302 | 303 | 307 | 308);
            match reading.location.take() {
                Some(location) if is_redirect && pages.redirects_max > 0 => {
                    if redirects == pages.redirects_max {
                        break;
                    }
                    target = parsed(target.join(location.trim()))?;
                }
                _ => return Ok(pages.outcome(&reading, &target)),
            }
        }
        Err(ClientFault::new("more redirects than allowed"))
    }
}

impl Pages {
    /// How a response counts that is no redirect; its page is extracted, if it has one.
    fn outcome(&self, reading: &ResponseReading, target: &Target) -> RequestOutcome {
        if reading.status >= 400 && self.status == StatusPolicy::Fail {
            return RequestOutcome::Failed;
        }
        if let Some(selectors) = &self.selectors {
            let content_type = reading.content_type.as_deref();
            if Extractor::is_page(content_type, &reading.body) {
                let url = reading.url.as_deref().unwrap_or(target.url());
                extract(selectors, &reading.body, content_type, url);
            }
        }
        RequestOutcome::Answered
    }
}

/// Has `body` extracted, and forgets what was found.
fn extract(selectors: &[(String, String)], body: &[u8], content_type: Option<&str>, url: &str) {
    EXTRACTOR.with_borrow_mut(|extractor| {
        let extractor = extractor.get_or_insert_with(|| {
            Extractor::new(selectors).expect("the options have been checked")
        });
        // A page that breaks the extractor is a fetch without a page, for the own engine as well.
        let extract = || drop(std::hint::black_box(extractor.extract(body, content_type, url)));
        if catch_unwind(AssertUnwindSafe(extract)).is_err() {
            tracing::warn!(url, "the extraction panicked");
        }
    });
}

fn parsed(target: Result<Target, crate::base::failure::Failure>) -> Result<Target, ClientFault> {
    target.map_err(|failure| ClientFault::new(failure.to_string()))
}
