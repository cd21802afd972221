//! The words of a run's calls, one compressed file each. Never in the database, which they would bloat.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use autores_domain::{CallKey, RunId, TranscriptError, Transcripts};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

const ENDING: &str = ".json.gz";

/// A transcript larger than this is not one that this program wrote.
const LARGEST: u64 = 256 << 20;

/// The transcripts of one run, in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranscriptFolder(PathBuf);

impl TranscriptFolder {
    /// Those of a run below a home folder; the folder is made when the first is kept.
    pub fn of(home: &Path, run: &RunId) -> Self {
        Self(home.join("runs").join(run.as_str()).join("calls"))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn file(&self, key: &CallKey) -> PathBuf {
        self.0.join(format!("{key}{ENDING}"))
    }
}

impl Transcripts for TranscriptFolder {
    fn find(&self, key: &CallKey) -> Result<Option<Vec<u8>>, TranscriptError> {
        let path = self.file(key);
        let refuse = |error| refused("read", &path, &error);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(refuse(error)),
        };
        let mut text = Vec::new();
        GzDecoder::new(file).take(LARGEST).read_to_end(&mut text).map_err(refuse)?;
        Ok(Some(text))
    }

    fn keep(&self, key: &CallKey, transcript: &[u8]) -> Result<(), TranscriptError> {
        let path = self.file(key);
        write(&self.0, &path, transcript).map_err(|error| refused("write", &path, &error))
    }

    fn keys(&self) -> Result<Vec<CallKey>, TranscriptError> {
        let refuse = |error| refused("list", &self.0, &error);
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(refuse(error)),
        };
        let mut keys = Vec::new();
        for entry in entries {
            let name = entry.map_err(refuse)?.file_name();
            let stem = name.to_str().and_then(|name| name.strip_suffix(ENDING));
            // What was being written when the process died has no key.
            keys.extend(stem.and_then(|stem| stem.parse::<CallKey>().ok()));
        }
        keys.sort();
        Ok(keys)
    }
}

/// Whole or not at all, and durable.
fn write(folder: &Path, path: &Path, transcript: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.partial", std::process::id()));
    let partial = PathBuf::from(partial);
    let mut encoder = GzEncoder::new(File::create(&partial)?, Compression::default());
    encoder.write_all(transcript)?;
    encoder.finish()?.sync_all()?;
    crash_point!("results.before_transcript");
    fs::rename(&partial, path)?;
    File::open(folder)?.sync_all()?;
    crash_point!("results.after_transcript");
    Ok(())
}

fn refused(what: &str, path: &Path, error: &io::Error) -> TranscriptError {
    TranscriptError(format!("cannot {what} the transcript {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> CallKey {
        text.parse().unwrap()
    }

    #[test]
    fn a_transcript_is_found_under_its_key_and_compressed() {
        let home = tempfile::tempdir().unwrap();
        let transcripts = TranscriptFolder::of(home.path(), &"r".parse().unwrap());
        assert_eq!(transcripts.keys(), Ok(Vec::new()));
        assert_eq!(transcripts.find(&key("b1")), Ok(None));
        let words = b"the same words ".repeat(1000);
        transcripts.keep(&key("b1"), &words).unwrap();
        transcripts.keep(&key("i7.r0.c2.v1"), b"other words").unwrap();
        transcripts.keep(&key("b1"), &words).unwrap();
        assert_eq!(transcripts.find(&key("b1")), Ok(Some(words)));
        assert_eq!(transcripts.keys(), Ok(vec![key("b1"), key("i7.r0.c2.v1")]));
        let size = fs::metadata(transcripts.file(&key("b1"))).unwrap().len();
        assert!(size < 1000, "{size} bytes");
    }

    #[test]
    fn what_is_damaged_is_named() {
        let home = tempfile::tempdir().unwrap();
        let transcripts = TranscriptFolder::of(home.path(), &"r".parse().unwrap());
        transcripts.keep(&key("b1"), b"words").unwrap();
        fs::write(transcripts.file(&key("b1")), b"no gzip").unwrap();
        let error = transcripts.find(&key("b1")).unwrap_err();
        assert!(error.0.contains("b1.json.gz"), "{error}");
    }
}
