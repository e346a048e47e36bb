//! Other clients, loaded as the own engine is: what they send, and how they are counted.
//!
//! Invariant: each test holds for every client that can run here.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ringfetch::base::instant::Instant;
use ringfetch::base::target::Target;
use ringfetch::bench::Loop;
use ringfetch::bench::arrivals::{Arrivals, Law, Profile};
use ringfetch::compare::clients::{
    ClientSettings, ClientWork, Load, OtherClient, Pages, RequestFields, fetch_list,
};
use ringfetch::compare::slice::Slice;
use ringfetch::fetch::policy::StatusPolicy;
use ringfetch::http::http1::{Method, Persistence, RequestSpec, RequestTemplate};
use ringfetch::input::source::{Line, Source};
use ringfetch::net::dns::Override;
use ringfetch::runtime::cores;
use ringfetch::testserver::{TestServer, TestServerSettings};

use crate::engines::engines;
use crate::server::{Act, Server, ok, redirect};

const LEAD_IN: Duration = Duration::from_millis(20);
const WINDOW: Duration = Duration::from_millis(80);
/// Connections, or fetches at a time.
const CONNECTIONS: usize = 6;
/// One title in HTML.
const PAGE: &str = "<!doctype html><title>page</title><a href=/x>one two</a>";

/// Every client whose engine can run here.
fn clients() -> impl Iterator<Item = OtherClient> {
    let on_a_ring = [OtherClient::MonoioHttp, OtherClient::UringHyper];
    let has_rings = engines().any(|engine| engine.word() == "uring");
    OtherClient::ALL.into_iter().filter(move |client| has_rings || !on_a_ring.contains(client))
}

/// What `client` is told to do `work` with, unless a test changes it.
fn settings(client: OtherClient, work: ClientWork) -> ClientSettings {
    ClientSettings {
        client,
        cpus: cores::available(),
        connections: CONNECTIONS,
        timeout: Duration::from_secs(30),
        connect_timeout: Duration::from_secs(5),
        overrides: Vec::new(),
        fields: RequestFields::new(None, &[], None, Persistence::Persistent).unwrap(),
        work,
    }
}

/// A closed loop on `url`.
fn closed(client: OtherClient, url: &str) -> ClientSettings {
    settings(client, ClientWork::Bench(vec![Target::parse(url).unwrap()], Loop::Closed))
}

fn started() -> TestServer {
    TestServer::start(&TestServerSettings::local()).unwrap()
}

fn url_at(server: &TestServer, path: &str) -> String {
    format!("http://{}{path}", server.addr())
}

#[test]
fn the_server_has_answered_what_a_client_says_it_has_handled() {
    for client in clients() {
        let server = started();
        let mut load = Load::start(closed(client, &url_at(&server, "/bytes/64"))).unwrap();
        let slices = [(); 2].map(|()| load.bench(0, LEAD_IN, WINDOW).unwrap());
        for slice in &slices {
            assert!(
                0 < slice.completed && slice.completed <= slice.handled,
                "{client:?}: {slice:?}"
            );
            assert!(slice.p50_us.is_some() && slice.user_s + slice.sys_s > 0.0, "{client:?}");
        }
        assert_eq!(slices.iter().map(|slice| slice.errors).sum::<u64>(), 0, "{client:?}");
        let handled: u64 = slices.iter().map(|slice| slice.handled).sum();
        let served = server.served();
        assert_eq!((served.requests, served.refused), (handled, 0), "{client:?}");
        // All of them are used, and they stay from one slice to the next. reqwest begins to connect
        // while it waits for a connection to come back, and keeps both.
        let most = if client == OtherClient::Reqwest { 4 * CONNECTIONS } else { CONNECTIONS };
        let connections = CONNECTIONS as u64..=most as u64;
        assert!(connections.contains(&served.connections), "{client:?}: {served:?}");
        drop(load);
        // What ends with the load was not asked for.
        assert_eq!(server.stop().unwrap().requests, handled, "{client:?}");
    }
}

#[test]
fn a_connection_for_each_request_is_just_that() {
    for client in clients() {
        let server = started();
        let fields = RequestFields::new(None, &[], None, Persistence::Close).unwrap();
        let plain = closed(client, &url_at(&server, "/bytes/64"));
        let mut load = Load::start(ClientSettings { fields, ..plain }).unwrap();
        let slice = load.bench(0, LEAD_IN, WINDOW).unwrap();
        let served = server.served();
        assert_eq!((slice.errors, served.requests), (0, slice.handled), "{client:?}");
        assert_eq!(served.connections, served.requests, "{client:?}");
    }
}

#[test]
fn an_open_loop_starts_what_the_own_schedule_has() {
    let (lead_in, window) = (Duration::from_millis(50), Duration::from_millis(200));
    let profile = Arc::new(Profile::constant(300.0).unwrap());
    for law in [Law::Even, Law::Poisson { seed: 7 }] {
        // The streams of all cores, each up to the end of the slice.
        let cores = cores::available().len().min(CONNECTIONS);
        let start = Instant::from_ns(1_000_000_000);
        let starts = |idx| {
            let mut stream = Arrivals::new(Arc::clone(&profile), law, idx, cores, start);
            let mut count = 0_u64;
            while stream.next_at() < start + lead_in + window {
                count += 1;
                stream.advance();
            }
            count
        };
        let expected: u64 = (0..cores).map(starts).sum();
        for client in clients() {
            let server = started();
            let target = Target::parse(&url_at(&server, "/bytes/64")).unwrap();
            let work = ClientWork::Bench(vec![target], Loop::Open(Arc::clone(&profile), law));
            let mut load = Load::start(settings(client, work)).unwrap();
            let slice = load.bench(0, lead_in, window).unwrap();
            assert_eq!((slice.errors, server.requests()), (0, slice.handled), "{client:?}");
            // A start just before the end may be overtaken by it on a busy machine.
            assert!(slice.handled <= expected, "{client:?}: {} of {expected}", slice.handled);
            assert!(slice.handled * 2 > expected, "{client:?}: {} of {expected}", slice.handled);
        }
    }
}

/// The fields of a head, in no order, with their names in lower case, and its request line.
fn lines(head: &str) -> BTreeSet<String> {
    let lower = |line: &str| match line.split_once(": ") {
        Some((name, value)) => format!("{}: {value}", name.to_ascii_lowercase()),
        None => line.to_owned(),
    };
    head.lines().filter(|line| !line.is_empty()).map(lower).collect()
}

/// Checks that every client sends for these options what the own engine sends.
fn check_sent(method: Option<&str>, headers: &[(&str, &str)], body: Option<&str>) {
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let body = body.map(|text| text.as_bytes().to_vec());
    let name = method.unwrap_or(if body.is_some() { "POST" } else { "GET" });
    let template = RequestTemplate::new(&RequestSpec {
        headers: &headers,
        body: body.as_deref(),
        ..RequestSpec::new(&name.parse::<Method>().unwrap())
    });
    let template = template.unwrap();
    for client in clients().filter(|client| name != "HEAD" || *client != OtherClient::MonoioHttp) {
        let answer = match name {
            "HEAD" => b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".to_vec(),
            _ => ok("fine!"),
        };
        let server = Server::answering(answer);
        let mut own = Vec::new();
        template.write(&mut own, &server.addr().to_string(), "/p?q=1");
        let own = String::from_utf8(own).unwrap();
        let (own_head, own_body) = own.split_once("\r\n\r\n").unwrap();
        let fields =
            RequestFields::new(method, &headers, body.clone(), Persistence::Persistent).unwrap();
        let plain = closed(client, &server.url("/p?q=1"));
        let settings = ClientSettings { fields, connections: 1, ..plain };
        let slice = Load::start(settings).unwrap().bench(0, Duration::ZERO, WINDOW).unwrap();
        assert!(slice.completed > 0 && slice.errors == 0, "{client:?} {name}: {slice:?}");
        for request in server.requests() {
            assert_eq!(lines(&request.head), lines(own_head), "{client:?}");
            assert_eq!(request.body, own_body.as_bytes(), "{client:?}");
        }
    }
}

#[test]
fn a_client_sends_what_the_own_engine_sends() {
    check_sent(None, &[], None);
    check_sent(None, &[("X-One", "1"), ("Accept", "text/html"), ("X-One", "2")], Some("a body"));
    check_sent(Some("PUT"), &[("Host", "other.test"), ("User-Agent", "me")], None);
    check_sent(Some("DELETE"), &[], Some("x"));
    check_sent(Some("HEAD"), &[], None);
    check_sent(Some("BREW"), &[], None);
}

#[test]
fn statuses_from_400_on_and_broken_answers_are_errors_and_only_the_first_are_completed() {
    for client in clients() {
        let server = started();
        let run = |path| {
            let mut load = Load::start(closed(client, &url_at(&server, path))).unwrap();
            load.bench(0, LEAD_IN, WINDOW).unwrap()
        };
        let refused = run("/status/404");
        assert!(refused.errors > 0 && refused.completed >= refused.errors, "{client:?}");
        let reset = run("/fault/reset");
        assert!(reset.errors > 0 && reset.completed == 0, "{client:?}: {reset:?}");
        assert_eq!(reset.p50_us, None, "{client:?}");
    }
}

#[test]
fn a_request_that_takes_too_long_is_an_error_and_the_next_goes_on() {
    for client in clients() {
        let server = started();
        let plain = closed(client, &url_at(&server, "/delay/60000/bytes/1"));
        let settings = ClientSettings { timeout: Duration::from_millis(5), ..plain };
        let slice = Load::start(settings).unwrap().bench(0, LEAD_IN, WINDOW).unwrap();
        assert!(slice.errors > 0 && slice.completed == 0, "{client:?}: {slice:?}");
    }
}

#[test]
fn what_hangs_at_the_end_of_a_slice_is_cut_off_and_the_next_slice_begins_anew() {
    let run = |client| {
        let server = Server::start(|request| match request.connection {
            0..CONNECTIONS => vec![Act::Hold],
            _ => vec![Act::Send(ok("fine!"))],
        });
        let mut load = Load::start(closed(client, &server.url("/"))).unwrap();
        let hung = load.bench(0, LEAD_IN, WINDOW).unwrap();
        let counts = (hung.completed, hung.errors, hung.handled);
        assert_eq!(counts, (0, 0, CONNECTIONS as u64), "{client:?}");
        let next = load.bench(0, LEAD_IN, WINDOW).unwrap();
        assert!(next.completed > 0 && next.errors == 0, "{client:?}: {next:?}");
    };
    // Each waits for the same two seconds.
    std::thread::scope(|scope| clients().for_each(|client| drop(scope.spawn(move || run(client)))));
}

/// A list that ends.
struct Lines(Vec<String>);

impl Source for Lines {
    fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        // The last one stays, for its text is lent out.
        self.0.pop();
        Ok(self.0.last().map(|line| Line::Text(line)))
    }
}

/// The slice of `client` that fetches `urls`; `everywhere` leads every name to the test server.
fn fetched(client: OtherClient, urls: &[String], everywhere: Override, pages: Pages) -> Slice {
    let mut lines = urls.to_vec();
    lines.push("taken first".to_owned());
    let plain = settings(client, ClientWork::Fetch(pages));
    let fields = RequestFields::new(None, &[], None, Persistence::KeepAlive).unwrap();
    let settings = ClientSettings { overrides: vec![everywhere], fields, ..plain };
    fetch_list(settings, Lines(lines), Duration::from_secs(30)).unwrap()
}

fn pages() -> Pages {
    Pages {
        redirects_max: 3,
        body_bytes_max: 1 << 20,
        selectors: Some(vec![("heads".to_owned(), "h1".to_owned())]),
        status: StatusPolicy::Accept,
    }
}

/// The override that leads every name to `server`.
fn everywhere(server: &TestServer) -> Override {
    let addr = server.addr();
    Override { host: None, port: None, ip: addr.ip(), to_port: Some(addr.port()) }
}

#[test]
fn every_line_of_a_list_is_fetched_once_wherever_its_name_leads() {
    for client in clients() {
        let server = started();
        let page = |n: usize| format!("http://host-{}.demo.test/page/{n}", n % 7);
        let urls: Vec<_> = (0..200).map(page).collect();
        let slice = fetched(client, &urls, everywhere(&server), pages());
        let counts = (slice.completed, slice.errors, slice.handled);
        assert_eq!(counts, (200, 0, 200), "{client:?}");
        let served = server.served();
        assert_eq!(served.requests, 200, "{client:?}");
        // A host that has its turn again has its connections still, but for those that were busy.
        assert!(served.connections < 100, "{client:?}: {}", served.connections);
    }
}

#[test]
fn redirects_sizes_statuses_and_nonsense_count_as_they_do_for_the_own_engine() {
    let cases: &[(&str, StatusPolicy, [u64; 3], u64)] = &[
        ("http://a.test/redirect/3", StatusPolicy::Accept, [1, 0, 1], 4),
        ("http://a.test/redirect/4", StatusPolicy::Accept, [0, 1, 1], 4),
        ("http://a.test/status/404", StatusPolicy::Accept, [1, 0, 1], 1),
        ("http://a.test/status/404", StatusPolicy::Fail, [0, 1, 1], 1),
        ("http://a.test/bytes/2000000", StatusPolicy::Accept, [0, 1, 1], 1),
        ("http://a.test/chunked/5000?chunk=100", StatusPolicy::Accept, [1, 0, 1], 1),
        ("http://a.test/fault/reset", StatusPolicy::Accept, [0, 1, 1], 1),
        ("no URL", StatusPolicy::Accept, [0, 1, 1], 0),
    ];
    for client in clients() {
        for (url, status, counts, requests) in cases {
            let server = started();
            let pages = Pages { status: *status, ..pages() };
            let slice = fetched(client, &[(*url).to_owned()], everywhere(&server), pages);
            let counted = [slice.completed, slice.errors, slice.handled];
            assert_eq!(counted, *counts, "{client:?} {url} {status:?}");
            assert_eq!(server.requests(), *requests, "{client:?} {url}");
        }
    }
}

#[test]
fn a_redirect_is_not_followed_where_none_shall_be() {
    for client in clients() {
        let server = Server::start(|request| match request.target.as_str() {
            "/" => vec![Act::Send(redirect(302, "/next"))],
            _ => vec![Act::Send(ok(PAGE))],
        });
        let run = |redirects_max| {
            let pages = Pages { redirects_max, ..pages() };
            let slice =
                fetched(client, &["http://a.test/".to_owned()], server.for_every_host(), pages);
            assert_eq!((slice.completed, slice.errors), (1, 0), "{client:?}");
            server.requests().len()
        };
        assert_eq!((run(0), run(1)), (1, 3), "{client:?}");
    }
}
