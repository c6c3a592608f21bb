//! `windtunnel data fetch`: a published archive, downloaded from where an interrupted
//! try stopped, checked against its checksum, unpacked whole or not at all.
//! The only part of the crate's data side that uses a network. Must not know file formats.

mod unpack;

use crate::digest::hex;
use crate::progress::Progress;
use crate::scenario::params::Complaint;
use crate::stop::Stopped;
use md5::{Digest, Md5};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::http::{StatusCode, header};

/// Where GroupLens, the publisher of MovieLens, keeps its archives.
pub const PUBLISHER: &str = "https://files.grouplens.org/datasets/movielens";

/// An archive that can be fetched.
#[derive(Clone, Copy, Debug)]
pub struct Archive {
    /// Its name, which is also that of its one folder.
    pub name: &'static str,
    /// Its MD5 sum as published; `None` where the archive changes and the sum beside it tells.
    md5: Option<&'static str>,
}

/// Every archive, in alphabetical order.
pub static ARCHIVES: [Archive; 3] = [
    Archive { name: "ml-100k", md5: Some("0e33842e24a9c977be4e0107933c0723") },
    Archive { name: "ml-1m", md5: Some("c4d9eecfca2ab87c1945afe126590906") },
    Archive { name: "ml-latest-small", md5: None },
];

/// How often a download that breaks off or is refused for the moment is tried.
const ATTEMPTS_MAX: u32 = 6;
/// A longer archive is not one of ours.
const ARCHIVE_BYTES_MAX: u64 = 2 << 30;
/// A longer checksum file is none.
const CHECKSUM_BYTES_MAX: u64 = 4096;
/// How long a server may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// What a fetch did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The folder that holds the files.
    pub folder: PathBuf,
    /// Whether it was there already and nothing was downloaded.
    pub was_there: bool,
}

/// Why an archive could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The download was asked to stop; what has come is gone on with the next time.
    #[error("the download was stopped")]
    Stopped(#[from] Stopped),
    /// There is no archive of this name.
    #[error(transparent)]
    UnknownName(Complaint),
    /// The server cannot be reached.
    #[error("cannot reach {url}; without a network, unpack the archive by hand as {folder}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// Where the files would have gone.
        folder: PathBuf,
        /// What the system said.
        source: Box<ureq::Error>,
    },
    /// The server answers, but not with the archive.
    #[error("{url} answers {status}, expected the archive")]
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The download broke off, again and again.
    #[error(
        "{url} broke off {n_attempts} times, {n_bytes} bytes are in {part}; run the same command again to go on"
    )]
    BrokeOff {
        /// What was asked for.
        url: String,
        /// How often it was tried.
        n_attempts: u32,
        /// How much is there.
        n_bytes: u64,
        /// Where it is.
        part: PathBuf,
        /// The last failure.
        source: io::Error,
    },
    /// What arrived is not what was published.
    #[error("{url} has MD5 sum {found}, expected {expected}; nothing was kept")]
    Checksum {
        /// What was asked for.
        url: String,
        /// The sum of what arrived.
        found: String,
        /// The sum as published.
        expected: String,
    },
    /// The checksum file holds no checksum.
    #[error("{url} holds no MD5 sum, expected 32 hexadecimal digits")]
    NoChecksum {
        /// What was asked for.
        url: String,
    },
    /// Another process is fetching the same archive.
    #[error("{part} is in use by another fetch; wait for it, or remove the file")]
    Busy {
        /// The file both want.
        part: PathBuf,
    },
    /// The archive is not one that may be unpacked.
    #[error("{archive}: {problem}")]
    BadArchive {
        /// Which archive.
        archive: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file could not be written or read.
    #[error("cannot write {path}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl FetchError {
    /// Whether the request, rather than the network or the disk, is at fault.
    pub fn is_bad_input(&self) -> bool {
        matches!(self, FetchError::UnknownName(_))
    }
}

/// Shorthand for the file error at a path.
fn io_at(path: &Path) -> impl Fn(io::Error) -> FetchError + '_ {
    move |source| FetchError::Io { path: path.to_owned(), source }
}

/// Downloads the archive `name` from `base_url` (the publisher, where it is `None`) and
/// unpacks it as the folder `out_dir/name`. What is there already is left alone.
///
/// # Errors
/// See [`FetchError`]. After an interruption the part already downloaded stays in
/// `out_dir/name.zip.part`, and the next call goes on from there.
pub fn fetch(
    name: &str,
    base_url: Option<&str>,
    out_dir: &Path,
    progress: &dyn Progress,
) -> Result<Fetched, FetchError> {
    let archive = ARCHIVES.iter().find(|archive| archive.name == name).ok_or_else(|| {
        FetchError::UnknownName(Complaint::unknown_name("archive", name, ARCHIVES.iter().map(|a| a.name)))
    })?;
    let folder = out_dir.join(archive.name);
    if folder.is_dir() && folder.read_dir().map_err(io_at(&folder))?.next().is_some() {
        return Ok(Fetched { folder, was_there: true });
    }
    if folder.exists() && !folder.is_dir() {
        return Err(io_at(&folder)(io::ErrorKind::NotADirectory.into()));
    }
    std::fs::create_dir_all(out_dir).map_err(io_at(out_dir))?;
    let base_url = base_url.unwrap_or(PUBLISHER).trim_end_matches('/');
    let job = Job {
        agent: agent(base_url),
        url: format!("{base_url}/{name}.zip"),
        part: out_dir.join(format!("{name}.zip.part")),
        folder: &folder,
        progress,
    };
    let expected = match archive.md5 {
        Some(md5) => md5.to_owned(),
        None => job.published_checksum()?,
    };
    let mut file = job.open_part()?;
    let was_begun = file.metadata().map_err(io_at(&job.part))?.len() > 0;
    job.download(&mut file)?;
    let mut found = checksum(&mut file).map_err(io_at(&job.part))?;
    if found != expected && was_begun {
        // The beginning may be of an older archive, or damaged: once more from nothing.
        file.set_len(0).map_err(io_at(&job.part))?;
        job.download(&mut file)?;
        found = checksum(&mut file).map_err(io_at(&job.part))?;
    }
    if found != expected {
        std::fs::remove_file(&job.part).map_err(io_at(&job.part))?;
        return Err(FetchError::Checksum { url: job.url, found, expected });
    }
    unpack::unpack(&mut file, archive.name, out_dir, progress)?;
    std::fs::remove_file(&job.part).map_err(io_at(&job.part))?;
    Ok(Fetched { folder, was_there: false })
}

/// An HTTP client that waits long for a slow server, but not for a dead one.
fn agent(base_url: &str) -> ureq::Agent {
    let mut config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(SILENCE_MAX))
        .timeout_per_read(Some(SILENCE_MAX))
        .user_agent(concat!("windtunnel/", env!("CARGO_PKG_VERSION")))
        // A range counts bytes of the file, so the file must come as it is.
        .accept_encoding("identity");
    let host = base_url.split("://").last().unwrap_or_default();
    if host.starts_with("127.") || host.starts_with("localhost") || host.starts_with("[::1]") {
        config = config.proxy(None);
    }
    config.build().new_agent()
}

/// One archive on its way.
struct Job<'a> {
    agent: ureq::Agent,
    url: String,
    part: PathBuf,
    folder: &'a Path,
    progress: &'a dyn Progress,
}

/// How one attempt ended without the whole archive.
enum Setback {
    /// Worth another attempt.
    Passing(io::Error),
    /// Not worth one.
    Final(FetchError),
}

impl Job<'_> {
    fn unreachable(&self, url: &str, source: ureq::Error) -> FetchError {
        FetchError::Unreachable {
            url: url.to_owned(),
            folder: self.folder.to_owned(),
            source: Box::new(source),
        }
    }

    /// The checksum the publisher keeps beside the archive.
    fn published_checksum(&self) -> Result<String, FetchError> {
        let url = format!("{}.md5", self.url);
        let mut response = self.agent.get(&url).call().map_err(|e| self.unreachable(&url, e))?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status { url, status: response.status().as_u16() });
        }
        let mut text = Vec::new();
        let mut body = response.body_mut().as_reader().take(CHECKSUM_BYTES_MAX);
        body.read_to_end(&mut text).map_err(|e| self.unreachable(&url, e.into()))?;
        String::from_utf8_lossy(&text)
            .split(|c: char| !c.is_ascii_alphanumeric())
            .find(|word| word.len() == 32 && word.bytes().all(|b| b.is_ascii_hexdigit()))
            .map(str::to_ascii_lowercase)
            .ok_or(FetchError::NoChecksum { url })
    }

    /// Opens the file of what has arrived so far, for this process alone.
    fn open_part(&self) -> Result<File, FetchError> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&self.part);
        let file = file.map_err(io_at(&self.part))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(FetchError::Busy { part: self.part.clone() }),
            Err(TryLockError::Error(source)) if source.kind() == io::ErrorKind::Unsupported => Ok(file),
            Err(TryLockError::Error(source)) => Err(io_at(&self.part)(source)),
        }
    }

    /// Downloads what is missing from `file`, in as many attempts as are sensible.
    fn download(&self, file: &mut File) -> Result<(), FetchError> {
        let mut last = io::Error::other("not tried");
        for attempt in 0..ATTEMPTS_MAX {
            if attempt > 0 {
                std::thread::sleep(Duration::from_millis(50 << attempt));
            }
            match self.attempt(file) {
                Ok(()) => return Ok(()),
                Err(Setback::Final(error)) => return Err(error),
                Err(Setback::Passing(error)) => last = error,
            }
        }
        Err(FetchError::BrokeOff {
            url: self.url.clone(),
            n_attempts: ATTEMPTS_MAX,
            n_bytes: file.metadata().map_or(0, |m| m.len()),
            part: self.part.clone(),
            source: last,
        })
    }

    /// Asks for what is missing, once.
    fn attempt(&self, file: &mut File) -> Result<(), Setback> {
        let local = |source| Setback::Final(io_at(&self.part)(source));
        let n_there = file.seek(SeekFrom::End(0)).map_err(local)?;
        let mut request = self.agent.get(&self.url);
        if n_there > 0 {
            request = request.header(header::RANGE, format!("bytes={n_there}-"));
        }
        let response = request.call().map_err(|error| match error {
            ureq::Error::Timeout(_) => Setback::Passing(io::Error::other(error)),
            ureq::Error::Io(e) if e.kind() != io::ErrorKind::ConnectionRefused => Setback::Passing(e),
            other => Setback::Final(self.unreachable(&self.url, other)),
        })?;
        let n_to_come = response.body().content_length();
        let (status, range) = (response.status(), content_range(&response));
        match (status, range) {
            (StatusCode::OK, _) => {
                // The server knows no ranges, or this is the beginning.
                file.set_len(0).map_err(local)?;
                file.seek(SeekFrom::Start(0)).map_err(local)?;
                self.progress.begin("downloading", n_to_come.unwrap_or(0));
            }
            (StatusCode::PARTIAL_CONTENT, Some((Some(start), total))) if start == n_there => {
                self.progress.begin("downloading", total.unwrap_or(0));
                self.progress.advance(n_there, "");
            }
            (StatusCode::RANGE_NOT_SATISFIABLE, Some((None, Some(total)))) if total == n_there => {
                return Ok(());
            }
            (StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE, _) => {
                file.set_len(0).map_err(local)?;
                return Err(Setback::Passing(io::Error::other("the server answered with another range")));
            }
            (status, _) if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                return Err(Setback::Passing(io::Error::other(format!("the server answered {status}"))));
            }
            (status, _) => {
                let status = status.as_u16();
                return Err(Setback::Final(FetchError::Status { url: self.url.clone(), status }));
            }
        }
        let done = self.receive(response.into_body().into_reader(), file, n_to_come);
        self.progress.end();
        done
    }

    /// Writes a body behind what the file holds.
    fn receive(&self, mut body: impl Read, file: &mut File, n_to_come: Option<u64>) -> Result<(), Setback> {
        let local = |source| Setback::Final(io_at(&self.part)(source));
        let mut buffer = vec![0; 128 << 10];
        let mut n_received = 0u64;
        loop {
            let n = body.read(&mut buffer).map_err(Setback::Passing)?;
            if n == 0 {
                break;
            }
            file.write_all(&buffer[..n]).map_err(local)?;
            n_received += n as u64;
            self.progress.advance(n as u64, "");
            self.progress.go_on().map_err(|stopped| Setback::Final(stopped.into()))?;
            if file.stream_position().map_err(local)? > ARCHIVE_BYTES_MAX {
                let problem = format!("is longer than {ARCHIVE_BYTES_MAX} bytes");
                return Err(Setback::Final(FetchError::BadArchive { archive: self.url.clone(), problem }));
            }
        }
        match n_to_come {
            Some(n) if n_received < n => {
                Err(Setback::Passing(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was cut")))
            }
            _ => Ok(()),
        }
    }
}

/// First byte and total length of a `Content-Range: bytes 5-9/10` (or `bytes */10`).
fn content_range<T>(response: &ureq::http::Response<T>) -> Option<(Option<u64>, Option<u64>)> {
    let value = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = value.trim().strip_prefix("bytes")?.trim().split_once('/')?;
    let start = range.split('-').next().and_then(|start| start.trim().parse().ok());
    Some((start, total.trim().parse().ok()))
}

/// The MD5 sum of a whole file, in lower-case hex.
fn checksum(file: &mut File) -> io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let mut sum = Md5::new();
    let mut buffer = vec![0; 128 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            n => sum.update(&buffer[..n]),
        }
    }
    Ok(hex(sum.finalize()))
}
