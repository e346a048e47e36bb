//! Options of a job from the arguments that several commands share: `compare` takes those of a
//! bench and of a fetch.

use crate::bench::options::{Bench, SEED_DEFAULT, Spread, UrlOrder};
use crate::cli::args::{ArrivalsArg, ExtractArg, GeneralArgs, LoadArgs, PagesArgs, WireArgs};
use crate::fetch::options::{Extract, Fetch};
use crate::fetch::policy::StatusPolicy;
use crate::runtime::cores;
use crate::runtime::launch::Pinning;

/// The options of a bench, but for its URLs, its connections and how long it lasts.
pub(super) fn of_load(
    load: &LoadArgs,
    wire: &WireArgs,
    common: &GeneralArgs,
) -> anyhow::Result<Bench> {
    Ok(Bench {
        order: if load.shuffle { UrlOrder::Shuffled } else { UrlOrder::InTurn },
        engine: common.engine,
        cpus: common.cores.as_deref().map(cores::parse).transpose()?,
        cores_max: load.threads,
        pinning: if common.no_pin { Pinning::Free } else { Pinning::Pinned },
        rate_per_s: load.rate,
        spread: match load.arrivals {
            ArrivalsArg::Poisson => Spread::Poisson,
            ArrivalsArg::Even => Spread::Even,
        },
        seed: load.seed.unwrap_or(SEED_DEFAULT),
        timeout: wire.timeout,
        connect_timeout: wire.connect_timeout,
        method: load.method.clone(),
        headers: wire.header.clone(),
        body: load.body.clone().map(|body| body.0),
        pipeline: load.pipeline,
        keep_alive: !load.no_keepalive,
        spin: load.spin,
        overrides: wire.resolve.clone(),
        ..Bench::default()
    })
}

/// The options of a fetch, but for its URLs, its connections and its rate.
pub(super) fn of_pages(
    pages: &PagesArgs,
    wire: &WireArgs,
    common: &GeneralArgs,
) -> anyhow::Result<Fetch> {
    Ok(Fetch {
        engine: common.engine,
        cpus: common.cores.as_deref().map(cores::parse).transpose()?,
        pinning: if common.no_pin { Pinning::Free } else { Pinning::Pinned },
        per_host: pages.per_host,
        delay: pages.delay,
        timeout: wire.timeout,
        connect_timeout: wire.connect_timeout,
        retries: pages.retries,
        redirects: pages.redirects,
        body_bytes_max: pages.max_body,
        headers: wire.header.clone(),
        user_agent: pages.user_agent.clone(),
        extract: match pages.extract {
            ExtractArg::Page => Extract::Page,
            ExtractArg::None => Extract::Nothing,
        },
        selectors: pages.select.clone(),
        status: if pages.fail { StatusPolicy::Fail } else { StatusPolicy::Accept },
        overrides: wire.resolve.clone(),
        ..Fetch::new()
    })
}
