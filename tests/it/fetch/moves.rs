//! Redirects that lead from core to core, in both directions and more than a core can hold.
//!
//! Knows nothing of how a job moves; it counts what comes of it.
//!
//! Invariant: each test holds on every engine.

use ringfetch::Fetch;
use ringfetch::fetch::options::Extract;
use ringfetch::net::dns::Override;
use ringfetch::runtime::cores;
use ringfetch::runtime::launch::Pinning;
use ringfetch::testserver::{TestServer, TestServerSettings};

use crate::engines::engines;
use crate::runs::run;

/// Hosts, of which each core owns about half.
const HOSTS: usize = 64;

/// A line for host `n`, which redirects to the next one, and so on, `hops` times.
fn line(n: usize, hops: usize) -> String {
    let host = |n: usize| format!("h{}.test", n % HOSTS);
    let mut path = "/bytes/1".to_owned();
    for hop in (0..hops).rev() {
        // What is behind `url=` is taken as it stands, but for `%` and `&`.
        let target = format!("http://{}{path}", host(n + hop + 1));
        path = format!("/redirect-to?url={}", target.replace('%', "%25").replace('&', "%26"));
    }
    format!("http://{}{path}", host(n))
}

#[test]
fn jobs_that_redirects_carry_to_and_fro_all_become_rows() {
    let server = TestServer::start(&TestServerSettings::local()).unwrap();
    let cpu = cores::available()[0];
    for engine in engines() {
        let lines = 20_000;
        let fetch = Fetch::new()
            .urls((0..lines).map(|n| line(n, 1)))
            .engine(engine)
            // Two cores on one CPU are two cores.
            .cpus([cpu, cpu])
            .pinning(Pinning::Free)
            .extract(Extract::Nothing)
            .resolve(Override {
                host: None,
                port: None,
                ip: server.addr().ip(),
                to_port: Some(server.addr().port()),
            });
        let (rows, summary) = run(fetch);
        assert_eq!((rows.len(), summary.failed, summary.redirects), (lines, 0, lines as u64));
        let mut ordinals: Vec<u64> = rows.iter().map(|row| row.n).collect();
        ordinals.sort_unstable();
        assert!(ordinals.into_iter().eq(0..lines as u64), "each line has one row");
        assert!(rows.iter().all(|row| row.status == Some(200) && row.attempts == 2));
        assert!(summary.cores.iter().all(|core| core.rows > 0), "both cores have hosts");
    }
}
