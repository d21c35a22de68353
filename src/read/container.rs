//! Opens a file through whatever compression it is in, counting the bytes read from disk.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;

/// A decompressed stream and the count of compressed bytes behind it.
pub struct Container {
    /// The decompressed bytes.
    pub stream: Box<dyn BufRead>,
    /// Bytes of the file on disk read so far.
    pub consumed: Arc<AtomicU64>,
}

/// Opens `path`; gzip and zstd are recognised by their first bytes, whatever the name says.
pub fn open(path: &Path) -> io::Result<Container> {
    let file = File::open(path)?;
    let consumed = Arc::new(AtomicU64::new(0));
    let counted = BufReader::with_capacity(1 << 18, Counted { inner: file, count: consumed.clone() });
    Ok(Container { stream: decompressed(counted)?, consumed })
}

/// A temporary file of what a stream holds; gone with this value.
pub struct Unpacked(pub PathBuf);

impl Unpacked {
    /// Writes all of `stream`.
    pub fn create(mut stream: impl Read) -> io::Result<Unpacked> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("undertone-{}-{number}.parquet", std::process::id());
        let unpacked = Unpacked(std::env::temp_dir().join(name));
        io::copy(&mut stream, &mut private(&unpacked.0)?)?;
        Ok(unpacked)
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A new file that nobody else may read.
fn private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// What `stream` holds, decompressed where its first bytes are gzip's or zstd's.
pub fn decompressed(mut stream: impl BufRead + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    Ok(match stream.fill_buf()? {
        [0x1f, 0x8b, ..] => Box::new(BufReader::with_capacity(1 << 18, MultiGzDecoder::new(stream))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let decoder = zstd::stream::read::Decoder::with_buffer(stream)?;
            Box::new(BufReader::with_capacity(1 << 18, decoder))
        }
        _ => Box::new(stream),
    })
}

struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
