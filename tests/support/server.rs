//! A scripted server on a loopback port: each request is answered by what its test says, act by
//! act.
//!
//! Knows nothing of HTTP but where a request head ends, and its body by the Content-Length. Threads
//! of their own, one for each connection, so that it shares nothing with the engines under test.
//!
//! Invariant: a request counts as in flight from the end of its head to just before the last byte
//! of its answer, so a client that keeps to a cap is never seen above it.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ringfetch::net::dns::Override;

/// How long a request lingers under [`Act::Linger`].
const LINGER: Duration = Duration::from_millis(2);
/// Pause between the bytes of [`Act::Drip`].
const DRIP: Duration = Duration::from_millis(5);

/// One thing that the server does with a connection.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Sends these bytes at once.
    Send(Vec<u8>),
    /// Sends this byte again and again until the client has had enough.
    Drip(u8),
    /// Sends these bytes again and again until the client has had enough.
    Flood(Vec<u8>),
    /// Lets a little time pass: before an answer others can be in flight beside it, and two pieces
    /// of one become two reads.
    Linger,
    /// Closes the connection.
    Close,
    /// Resets the connection.
    Reset,
    /// Sends nothing more and waits until the client closes.
    Hold,
}

/// One request as the server saw it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// The value of its Host field.
    pub(crate) host: String,
    /// The target of its request line.
    pub(crate) target: String,
    /// Its whole head as text.
    pub(crate) head: String,
    /// Its body, which is read in pieces of a few kilobytes.
    pub(crate) body: Vec<u8>,
    /// Which connection it came on, from 0 in the order of acceptance.
    pub(crate) connection: usize,
    /// Which request of that connection it is, from 0.
    pub(crate) turn: usize,
}

impl Request {
    /// The value of the first field called `name`, in whatever case.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let field = fields.find(|(found, _)| found.eq_ignore_ascii_case(name));
        field.map(|(_, value)| value.trim())
    }
}

/// What the server does about a request.
type Script = dyn Fn(&Request) -> Vec<Act> + Send + Sync;

/// A server that runs until it is dropped.
pub(crate) struct Server {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

/// What the threads of one server share.
struct Shared {
    script: Box<Script>,
    is_over: AtomicBool,
    seen: Mutex<Seen>,
    /// Told of every connection that the client has closed.
    closed: flume::Sender<usize>,
    closings: flume::Receiver<usize>,
    /// Told of every request.
    arrived: flume::Sender<String>,
    arrivals: flume::Receiver<String>,
}

/// What was recorded.
#[derive(Default)]
struct Seen {
    connections: usize,
    requests: Vec<Request>,
    in_flight: HashMap<String, usize>,
    in_flight_max: HashMap<String, usize>,
}

impl Server {
    /// A server that does with each request what `script` says, and serves the next one on the same
    /// connection where that neither closed nor reset it.
    pub(crate) fn start(script: impl Fn(&Request) -> Vec<Act> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a port");
        let addr = listener.local_addr().expect("a bound listener has an address");
        let (closed, closings) = flume::unbounded();
        let (arrived, arrivals) = flume::unbounded();
        let (script, is_over) = (Box::new(script), AtomicBool::new(false));
        let seen = Mutex::default();
        let shared =
            Arc::new(Shared { script, is_over, seen, closed, closings, arrived, arrivals });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || accept_all(&listener, &accepting));
        Self { addr, shared }
    }

    /// A server that answers every request with `answer`.
    pub(crate) fn answering(answer: Vec<u8>) -> Self {
        Self::start(move |_| vec![Act::Send(answer.clone())])
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The URL of `path` on it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// The rule that leads every host and port to it.
    pub(crate) fn for_every_host(&self) -> Override {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Override { host: None, port: None, ip, to_port: Some(self.addr.port()) }
    }

    /// The same rule as `--resolve` takes it.
    pub(crate) fn resolve_every_host(&self) -> String {
        format!("*:*:{}", self.addr)
    }

    /// Connections that were accepted.
    pub(crate) fn connections(&self) -> usize {
        self.seen().connections
    }

    /// The requests, in the order in which their heads were complete.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.seen().requests.clone()
    }

    /// The most requests that were in flight at one time for one Host, over all hosts.
    pub(crate) fn in_flight_max(&self) -> usize {
        self.seen().in_flight_max.values().copied().max().unwrap_or(0)
    }

    /// Waits until a request has arrived that was not waited for before; its target.
    pub(crate) fn wait_for_request(&self) -> String {
        self.shared.arrivals.recv_timeout(PATIENCE).expect("a request arrives")
    }

    /// Waits until the client has closed a connection that was not waited for before.
    pub(crate) fn wait_for_close(&self) -> usize {
        self.shared.closings.recv_timeout(PATIENCE).expect("the client closes a connection")
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.shared.seen.lock().expect("no thread of the server panics")
    }
}

/// How long a test waits for what must come; reaching it is a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // One more connection, so that the accepting thread looks.
        drop(TcpStream::connect(self.addr));
    }
}

/// An answer of status 200 with `body` as text.
pub(crate) fn ok(body: &str) -> Vec<u8> {
    with_type("text/plain", body.as_bytes())
}

/// An answer of status 200 with `body` of `media_type`.
pub(crate) fn with_type(media_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A redirect of `status` to `location`.
pub(crate) fn redirect(status: u16, location: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Go\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n").into()
}

fn accept_all(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.is_over.load(Ordering::Relaxed) {
            return;
        }
        // A client that is gone already is no connection.
        let Ok(stream) = stream else { continue };
        let connection = {
            let mut seen = shared.seen.lock().expect("no thread of the server panics");
            seen.connections += 1;
            seen.connections - 1
        };
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            // Whatever fails here is the client's doing, and the client's row tells of it.
            let _ = serve(stream, connection, &shared);
            let _ = shared.closed.send(connection);
        });
    }
}

/// Serves requests on one connection until it ends.
fn serve(mut stream: TcpStream, connection: usize, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut held = Vec::new();
    for turn in 0.. {
        let Some(head) = read_head(&mut stream, &mut held)? else { return Ok(()) };
        let request = Request { connection, turn, ..request(head) };
        let Some(body) = read_body(&mut stream, &mut held, &request)? else { return Ok(()) };
        let request = Request { body, ..request };
        let host = request.host.clone();
        {
            let mut seen = shared.seen.lock().expect("no thread of the server panics");
            let count = seen.in_flight.entry(host.clone()).or_default();
            *count += 1;
            let count = *count;
            let most = seen.in_flight_max.entry(host.clone()).or_default();
            *most = count.max(*most);
            seen.requests.push(request.clone());
        }
        let _ = shared.arrived.send(request.target.clone());
        let acts = (shared.script)(&request);
        let mut is_counted = true;
        for act in acts {
            if is_counted && !matches!(act, Act::Linger) {
                is_counted = false;
                let mut seen = shared.seen.lock().expect("no thread of the server panics");
                *seen.in_flight.entry(host.clone()).or_default() -= 1;
            }
            if !act.play(&mut stream)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

impl Act {
    /// Does it; whether the connection can go on.
    fn play(self, stream: &mut TcpStream) -> io::Result<bool> {
        match self {
            Self::Send(bytes) => stream.write_all(&bytes)?,
            Self::Drip(byte) => loop {
                stream.write_all(&[byte])?;
                if has_closed(stream, DRIP)? {
                    return Ok(false);
                }
            },
            Self::Flood(bytes) => loop {
                stream.write_all(&bytes)?;
            },
            Self::Linger => drop(has_closed(stream, LINGER)?),
            Self::Close => {
                stream.shutdown(Shutdown::Both)?;
                return Ok(false);
            }
            Self::Reset => {
                // Closing with nothing to linger for makes the kernel send a reset.
                socket2::SockRef::from(&*stream).set_linger(Some(Duration::ZERO))?;
                return Ok(false);
            }
            Self::Hold => {
                while !has_closed(stream, PATIENCE)? {}
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Waits up to `patience` for the client; whether it has closed the connection.
fn has_closed(stream: &TcpStream, patience: Duration) -> io::Result<bool> {
    stream.set_read_timeout(Some(patience))?;
    let peeked = stream.peek(&mut [0]);
    stream.set_read_timeout(None)?;
    match peeked {
        Ok(count) => Ok(count == 0),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads to the end of the next request head; none where the client has closed.
fn read_head(stream: &mut TcpStream, held: &mut Vec<u8>) -> io::Result<Option<String>> {
    loop {
        if let Some(end) = held.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head: Vec<u8> = held.drain(..end + 4).collect();
            return Ok(Some(String::from_utf8_lossy(&head).into_owned()));
        }
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Ok(None);
        }
        held.extend_from_slice(&piece[..count]);
    }
}

/// Reads the body that the head of `request` says there is; none where the client has closed.
fn read_body(
    stream: &mut TcpStream,
    held: &mut Vec<u8>,
    request: &Request,
) -> io::Result<Option<Vec<u8>>> {
    let length = request.field("content-length").map_or(0, |text| text.parse().unwrap_or(0));
    while held.len() < length {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Ok(None);
        }
        held.extend_from_slice(&piece[..count]);
    }
    Ok(Some(held.drain(..length).collect()))
}

fn request(head: String) -> Request {
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let request = Request { target, head, ..Request::default() };
    Request { host: request.field("host").unwrap_or_default().to_owned(), ..request }
}
