//! A log file of bounded size that keeps the beginning and the end, and can be followed meanwhile.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

const HEAD: u64 = 1 << 20;
const TAIL: u64 = 1 << 20;
/// How far the end may grow before it is cut back to its size.
const SLACK: u64 = 1 << 20;

/// The file.
pub(super) struct Log {
    file: File,
    length: u64,
    /// Where the end begins, once something was left out.
    tail_from: u64,
    left_out: u64,
}

impl Log {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        Ok(Self { file, length: 0, tail_from: HEAD, left_out: 0 })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        if self.length > self.tail_from + TAIL + SLACK { self.cut() } else { Ok(()) }
    }

    /// Cuts the end back to its size.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        if self.length > self.tail_from + TAIL { self.cut() } else { Ok(()) }
    }

    fn cut(&mut self) -> io::Result<()> {
        let mut tail = Vec::with_capacity(TAIL as usize);
        self.file.seek(SeekFrom::Start(self.length - TAIL))?;
        (&self.file).take(TAIL).read_to_end(&mut tail)?;
        self.left_out += self.length - TAIL - self.tail_from;
        let mark = format!("\n... {} bytes were left out here ...\n", self.left_out);
        self.file.seek(SeekFrom::Start(HEAD))?;
        self.file.write_all(mark.as_bytes())?;
        self.file.write_all(&tail)?;
        self.tail_from = HEAD + mark.len() as u64;
        self.length = self.tail_from + tail.len() as u64;
        self.file.set_len(self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_log_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = Log::create(&path).unwrap();
        log.write(b"one\n").unwrap();
        log.write(b"two\n").unwrap();
        log.finish().unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn a_long_log_keeps_its_beginning_and_end_and_says_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = Log::create(&path).unwrap();
        let mut whole: Vec<u8> = Vec::new();
        for number in 0..900_000 {
            let line = format!("line {number}\n");
            log.write(line.as_bytes()).unwrap();
            whole.extend(line.as_bytes());
        }
        log.finish().unwrap();
        let kept = std::fs::read(&path).unwrap();
        let (head, tail) = (HEAD as usize, TAIL as usize);
        assert_eq!(kept[..head], whole[..head]);
        assert_eq!(kept[kept.len() - tail..], whole[whole.len() - tail..]);
        let middle = String::from_utf8_lossy(&kept[head..kept.len() - tail]).into_owned();
        let left_out = whole.len() - head - tail;
        assert_eq!(middle, format!("\n... {left_out} bytes were left out here ...\n"));
    }
}
