//! Sources of lines: files, standard input and texts, compressed or not, cut into batches.

use std::{
    fs::File,
    io::{self, Cursor, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context, bail};
use flate2::read::MultiGzDecoder;
use kittengrad_client_core::ingest::{Line, Lines};
use tokio::sync::mpsc;

/// Lines of one batch: with five cells a batch still makes transactions of several hundred updates.
const BATCH_LINES_MAX: usize = 4_000;
/// Bytes of the lines of one batch, from which on it is full.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes that are read at once.
const PIECE_BYTES: usize = 64 * 1024;
/// First bytes of every gzip file (RFC 1952, section 2.3.1). No JSON begins with them.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Where lines come from.
pub(crate) struct Source {
    name: String,
    input: Input,
    bytes: Option<u64>,
    read: Arc<AtomicU64>,
}

enum Input {
    File(File),
    Stdin,
    Text(&'static str),
}

/// A line of its own, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OwnedLine {
    pub(super) number: u64,
    pub(super) text: Vec<u8>,
    pub(super) is_cut: bool,
}

impl OwnedLine {
    pub(super) fn line(&self) -> Line<'_> {
        Line {
            number: self.number,
            text: &self.text,
            is_cut: self.is_cut,
        }
    }
}

impl Source {
    /// A file, or standard input for `-`. The file is opened, so that one that is not there is noticed early.
    pub(crate) fn at(path: &PathBuf) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let (input, bytes) = if path == Path::new("-") {
            (Input::Stdin, None)
        } else {
            let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
            let metadata = file
                .metadata()
                .with_context(|| format!("cannot read {name}"))?;
            if metadata.is_dir() {
                bail!("{name} is a folder, not a file of JSON lines");
            }
            let bytes = metadata.is_file().then_some(metadata.len());
            (Input::File(file), bytes)
        };
        Ok(Self {
            name,
            input,
            bytes,
            read: Arc::default(),
        })
    }

    /// A text that is part of this program.
    pub(crate) fn text(name: &str, lines: &'static str) -> Self {
        let bytes = Some(lines.len() as u64);
        Self {
            name: name.to_owned(),
            input: Input::Text(lines),
            bytes,
            read: Arc::default(),
        }
    }

    /// The name of the file, as given.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its bytes, compressed as they are, if that is known.
    pub(super) const fn bytes(&self) -> Option<u64> {
        self.bytes
    }

    /// Counts the bytes that were read, while they are.
    pub(super) fn read(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.read)
    }

    /// Reads everything, on the thread of the caller. A batch is sent when it is full, and before that whenever
    /// somebody waits for one, so that a slow source is not held back.
    pub(super) fn send(self, batches: &mpsc::Sender<io::Result<Vec<OwnedLine>>>) {
        let counted = Counted {
            read: self.read,
            inner: match self.input {
                Input::File(file) => Box::new(file) as Box<dyn Read>,
                Input::Stdin => Box::new(io::stdin()),
                Input::Text(text) => Box::new(Cursor::new(text)),
            },
        };
        let mut batch = Batcher {
            batches,
            lines: Vec::new(),
            bytes: 0,
        };
        // If the receiver is gone, the batch is not needed.
        let _ = match read_lines(counted, &mut batch) {
            Ok(()) => batch.send_all(),
            Err(Stopped::NobodyListens) => Ok(()),
            Err(Stopped::Failed(error)) => batch.send_all().and_then(|()| {
                batches
                    .blocking_send(Err(error))
                    .map_err(|_| Stopped::NobodyListens)
            }),
        };
    }
}

/// Why reading ended early.
enum Stopped {
    Failed(io::Error),
    NobodyListens,
}

fn read_lines(mut source: Counted, batch: &mut Batcher<'_>) -> Result<(), Stopped> {
    let mut magic = [0; GZIP.len()];
    let begun = read_full(&mut source, &mut magic).map_err(Stopped::Failed)?;
    let whole = Cursor::new(magic[..begun].to_vec()).chain(source);
    let mut source: Box<dyn Read> = if magic[..begun] == GZIP {
        Box::new(MultiGzDecoder::new(whole))
    } else {
        Box::new(whole)
    };
    let mut lines = Lines::default();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match source.read(&mut piece) {
            Ok(0) => break,
            Ok(bytes) => lines.push(&piece[..bytes], |line| batch.take(line)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Stopped::Failed(error)),
        }
        batch.send_if_wanted()?;
    }
    lines.finish(|line| batch.take(line));
    Ok(())
}

/// Reads until the buffer is full or the source ends.
fn read_full(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Lines on their way into a batch.
struct Batcher<'a> {
    batches: &'a mpsc::Sender<io::Result<Vec<OwnedLine>>>,
    lines: Vec<OwnedLine>,
    bytes: usize,
}

impl Batcher<'_> {
    fn take(&mut self, line: Line<'_>) {
        self.bytes += line.text.len();
        self.lines.push(OwnedLine {
            number: line.number,
            text: line.text.to_vec(),
            is_cut: line.is_cut,
        });
    }

    fn send_if_wanted(&mut self) -> Result<(), Stopped> {
        if self.lines.is_empty() {
            return Ok(());
        }
        if self.lines.len() >= BATCH_LINES_MAX || self.bytes >= BATCH_BYTES_MAX {
            return self.send_all();
        }
        match self.batches.try_reserve() {
            Ok(place) => {
                place.send(Ok(std::mem::take(&mut self.lines)));
                self.bytes = 0;
                Ok(())
            }
            Err(mpsc::error::TrySendError::Full(())) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(())) => Err(Stopped::NobodyListens),
        }
    }

    /// Sends the lines so far. One piece may have many more lines than a batch.
    fn send_all(&mut self) -> Result<(), Stopped> {
        self.bytes = 0;
        let mut lines = std::mem::take(&mut self.lines);
        while !lines.is_empty() {
            let rest = lines.split_off(lines.len().min(BATCH_LINES_MAX));
            self.batches
                .blocking_send(Ok(lines))
                .map_err(|_| Stopped::NobodyListens)?;
            lines = rest;
        }
        Ok(())
    }
}

/// Counts the bytes that pass.
struct Counted {
    inner: Box<dyn Read>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.inner.read(buffer)?;
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    /// All lines of a file with these bytes, and the error at its end if there is one.
    fn read(bytes: &[u8]) -> (Vec<(u64, String)>, Option<io::Error>) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let source = Source::at(&file.path().to_owned()).unwrap();
        let (sender, mut batches) = mpsc::channel(1);
        let reader = std::thread::spawn(move || source.send(&sender));
        let (mut lines, mut failure) = (Vec::new(), None);
        while let Some(batch) = batches.blocking_recv() {
            match batch {
                Ok(batch) => {
                    assert!(!batch.is_empty() && batch.len() <= BATCH_LINES_MAX);
                    lines.extend(
                        batch
                            .into_iter()
                            .map(|l| (l.number, String::from_utf8(l.text).unwrap())),
                    );
                }
                Err(error) => failure = Some(error),
            }
        }
        reader.join().unwrap();
        (lines, failure)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn numbered(lines: u64) -> (String, Vec<(u64, String)>) {
        let lines: Vec<_> = (1..=lines)
            .map(|number| (number, format!("{{\"id\":{number}}}")))
            .collect();
        (
            lines.iter().map(|(_, line)| format!("{line}\n")).collect(),
            lines,
        )
    }

    #[test]
    fn every_line_comes_once_and_in_order_compressed_or_not() {
        let (text, expected) = numbered(20_000);
        assert_eq!(read(text.as_bytes()).0, expected);
        assert_eq!(read(&gzip(text.as_bytes())).0, expected);
    }

    #[test]
    fn files_of_gzip_may_have_several_members() {
        let (text, expected) = numbered(30);
        let (begin, end) = text.as_bytes().split_at(100);
        assert_eq!(read(&[gzip(begin), gzip(end)].concat()).0, expected);
    }

    #[test]
    fn a_damaged_file_gives_lines_up_to_the_damage_and_an_error() {
        let (text, expected) = numbered(20_000);
        let mut bytes = gzip(text.as_bytes());
        bytes.truncate(bytes.len() - 20);
        let (lines, failure) = read(&bytes);
        assert_eq!(
            failure.map(|error| error.kind()),
            Some(io::ErrorKind::UnexpectedEof)
        );
        assert!(lines.len() > 10_000 && lines.len() < 20_000);
        assert_eq!(lines[..], expected[..lines.len()]);
    }

    #[test]
    fn short_files_are_read_too() {
        assert_eq!(read(b"").0, []);
        assert_eq!(read(b"1").0, [(1, "1".to_owned())]);
        assert_eq!(read(b"\n\n").0, []);
    }

    #[test]
    fn what_is_not_there_is_noticed_before_anything_is_done() {
        assert!(Source::at(&PathBuf::from("no-such-file.ndjson")).is_err());
        assert!(Source::at(&std::env::temp_dir()).is_err());
    }
}
