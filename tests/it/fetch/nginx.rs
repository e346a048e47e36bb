//! Fetches from a real nginx: what the test server and the library agree on, a server that
//! neither of them knows must agree on too.
//!
//! Knows nothing of the engine's parts; it compares rows with files.
//!
//! Invariant: where nginx is missing the test says so and is left out, but never on CI.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ringfetch::Fetch;
use ringfetch::fetch::output::row::Row;

use crate::engines::engines;
use crate::runs::run;

/// How often a starting nginx is asked: refusals are quick, so this is several seconds.
const TRIES_MAX: usize = 100_000;

/// A folder of files behind nginx on a port of its own.
struct Nginx {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl Nginx {
    /// Starts nginx, or says that there is none.
    #[expect(clippy::print_stdout, reason = "what is left out is said")]
    fn start(name: &str, files: &BTreeMap<String, Vec<u8>>) -> Option<Self> {
        let program = ["nginx", "/usr/sbin/nginx"].into_iter().find(|program| {
            Command::new(program)
                .arg("-v")
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|s| s.success())
        });
        let Some(program) = program else {
            assert!(std::env::var_os("CI").is_none(), "CI has nginx");
            println!("left out: nginx is not installed (Debian: nginx-light)");
            return None;
        };
        let folder = std::env::temp_dir().join(format!("ringfetch-{name}-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("root")).expect("the folder can be made");
        for (path, body) in files {
            std::fs::write(folder.join("root").join(path), body).expect("the file can be written");
        }
        // nginx takes no port 0, and the one found free may be taken before nginx has it.
        (0..10)
            .find_map(|_| Self::try_start(program, &folder))
            .or_else(|| panic!("no port for nginx"))
    }

    fn try_start(program: &str, folder: &Path) -> Option<Self> {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = free.local_addr().expect("it is bound").port();
        drop(free);
        let work = folder.display();
        // Workers of a master that is root's are nobody's, who may not read this folder.
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
        let user = if is_root { "user root; " } else { "" };
        let config = format!(
            "{user}worker_processes 1; daemon off; pid {work}/pid; error_log {work}/error.log;
             events {{ worker_connections 512; }}
             http {{ access_log off; sendfile on; keepalive_requests 100;
                client_body_temp_path {work}/t1; proxy_temp_path {work}/t2;
                fastcgi_temp_path {work}/t3; uwsgi_temp_path {work}/t4; scgi_temp_path {work}/t5;
                types {{ text/html html; }} default_type application/octet-stream;
                server {{ listen 127.0.0.1:{port}; root {work}/root; }} }}"
        );
        std::fs::write(folder.join("nginx.conf"), config).expect("the file can be written");
        let mut child = Command::new(program)
            .arg("-p")
            .arg(folder)
            .arg("-c")
            .arg(folder.join("nginx.conf"))
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx can be started");
        // It answers with this run's file, or it has ended because the port was taken; another
        // server that has the port has no such file.
        let proof = format!("proof-{:016x}", fastrand::u64(..));
        std::fs::write(folder.join("root").join(&proof), &proof).expect("it can be written");
        for _ in 0..TRIES_MAX {
            if answer_of(port, &proof).is_ok_and(|answer| answer.ends_with(&format!("\n{proof}"))) {
                return Some(Self { child, folder: folder.to_owned(), port });
            }
            if child.try_wait().expect("it is a child").is_some() {
                return None;
            }
            std::thread::yield_now();
        }
        let _ = child.kill();
        let _ = child.wait();
        None
    }
}

/// What answers a request for `path`, head and all.
fn answer_of(port: u16, path: &str) -> std::io::Result<String> {
    let mut socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(socket, "GET /{path} HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    Ok(answer)
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master passes a SIGTERM on to its worker, which a SIGKILL would leave behind.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What one link of a file takes; its number has five digits, so that all are of one length.
const UNIT_BYTES: usize = "<p>word <a href='/00000'>link</a> ".len();

/// Files of many sizes, with the edges of blocks and reads among them.
fn files() -> BTreeMap<String, Vec<u8>> {
    let edges = [0, 1, 15_000, 16_383, 16_384, 16_385, 65_536, 262_144, 262_145, 300_001];
    let sizes = (0..200).map(|n| n * 137 % 20_000).chain(edges);
    sizes.enumerate().map(|(n, size)| (format!("{n}.html"), file(n, size))).collect()
}

/// File `n`: its links count up from `n`, so that no other body of its length would do, nor its own
/// with bytes lost, doubled or out of order. It ends where `size` says.
fn file(n: usize, size: usize) -> Vec<u8> {
    let mut html = format!("<title>page {n}</title>");
    let count = size / UNIT_BYTES + 1;
    html.extend((n..n + count).map(|link| format!("<p>word <a href='/{link:05}'>link</a> ")));
    html.truncate(size);
    html.into_bytes()
}

/// Checks the row of file `n` that holds `body`: its page is that of these bytes.
fn check(n: usize, body: &[u8], base: &str, row: &Row) {
    assert_eq!((row.status, row.body_bytes), (Some(200), body.len() as u64), "{n}");
    assert_eq!(row.content_type.as_deref(), Some("text/html"));
    let page = row.page.as_ref().expect("HTML has a page");
    let text = str::from_utf8(body).expect("it was made of text");
    // A title that is cut off in its end tag is another one, and a link in its start tag is none.
    if text.contains("</title>") {
        assert_eq!(page.title, Some(format!("page {n}")));
    }
    let links = text.split("<a href='/").skip(1).filter(|link| link.contains('>'));
    let wanted: Vec<_> = links.map(|link| format!("{base}{}", &link[..5])).collect();
    assert!(page.links == wanted, "{n}: {} links, not {}", page.links.len(), wanted.len());
}

#[test]
fn every_row_is_that_of_its_file_on_every_engine() {
    let files = files();
    let Some(nginx) = Nginx::start("nginx", &files) else { return };
    let base = format!("http://127.0.0.1:{}/", nginx.port);
    let mut seen = Vec::new();
    for engine in engines() {
        // nginx closes each connection after 100 requests, and says so in the last answer.
        let urls = files.keys().map(|path| format!("{base}{path}"));
        let (rows, summary) = run(Fetch::new().engine(engine).urls(urls));
        assert_eq!(summary.engine, engine.word());
        assert_eq!((summary.rows, summary.failed), (files.len() as u64, 0));
        for ((path, body), row) in files.iter().zip(&rows) {
            assert_eq!(row.url, format!("{base}{path}"));
            let n = path.trim_end_matches(".html").parse().expect("files have numbers");
            check(n, body, &base, row);
        }
        seen.push(rows.into_iter().map(|row| (row.n, row.url, row.page)).collect::<Vec<_>>());
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "the same pages from every engine");
}
