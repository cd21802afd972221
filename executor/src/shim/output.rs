//! What the stages print: a log for people, metrics for the search, the last lines for a fault.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use autores_domain::{Fault, FaultClass, MetricPoint};

use super::lines::{Lines, Piece};
use super::log::Log;
use super::meter::{Meter, lock};
use super::supervise::Happening;
use super::{GAP_PREFIX, OWN_PREFIX, values};
use crate::attempt::AttemptFolder;

const METRICS: &[u8] = b"@metrics ";
const CHUNK: usize = 64 << 10;
/// A point costs more to keep and to read than its line does to print.
const MOST_POINTS: usize = 10_000;
const TAIL_LINES: usize = 20;
const TAIL_CHARACTERS: usize = 400;
const MIB: u64 = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Output,
    Error,
}

/// The last lines of a stage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) lines: Vec<String>,
    /// The last line of standard error that is not empty, else of standard output.
    pub(super) last: Option<String>,
}

pub(super) struct Output {
    state: Mutex<State>,
    meter: Arc<Meter>,
    happenings: Sender<Happening>,
    limit_mb: u64,
}

struct State {
    log: Log,
    metrics: File,
    points: usize,
    tail: VecDeque<String>,
    last_output: Option<String>,
    last_error: Option<String>,
    bytes: u64,
    last_at: Instant,
    /// The attempt is being ended for what was printed; nothing more is written.
    is_closed: bool,
}

/// The files it writes.
pub(super) struct Files {
    log: Log,
    metrics: File,
}

impl Files {
    pub(super) fn create(folder: &AttemptFolder) -> io::Result<Self> {
        Ok(Self { log: Log::create(&folder.output())?, metrics: File::create(folder.metrics())? })
    }
}

impl Output {
    pub(super) fn new(
        Files { log, metrics }: Files,
        limit_mb: u64,
        meter: Arc<Meter>,
        happenings: Sender<Happening>,
    ) -> Self {
        let state = State {
            log,
            metrics,
            points: 0,
            tail: VecDeque::new(),
            last_output: None,
            last_error: None,
            bytes: 0,
            last_at: Instant::now(),
            is_closed: false,
        };
        Self { state: Mutex::new(state), meter, happenings, limit_mb }
    }

    /// Writes a line of the supervisor's own and forgets the last lines of the stage before.
    pub(super) fn begin_stage(&self, name: &str) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.tail.clear();
        state.last_output = None;
        state.last_error = None;
        state.last_at = Instant::now();
        state.log.write(format!("=== stage {name}\n").as_bytes())
    }

    pub(super) fn tail(&self) -> Tail {
        let state = lock(&self.state);
        Tail {
            lines: state.tail.iter().cloned().collect(),
            last: state.last_error.clone().or_else(|| state.last_output.clone()),
        }
    }

    /// When something was printed last.
    pub(super) fn last_at(&self) -> Instant {
        lock(&self.state).last_at
    }

    /// Makes the files final.
    pub(super) fn finish(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.log.finish()?;
        state.metrics.sync_all()
    }

    /// Reads a stream to its end.
    pub(super) fn drain(&self, stream: Stream, mut pipe: impl Read) {
        let mut chunk = vec![0; CHUNK];
        let mut lines = Lines::default();
        loop {
            match pipe.read(&mut chunk) {
                Ok(0) => break,
                Ok(length) => self.take(stream, &mut lines, &chunk[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let mut state = lock(&self.state);
        lines.end(&mut |piece| self.piece(&mut state, stream, piece));
    }

    fn take(&self, stream: Stream, lines: &mut Lines, chunk: &[u8]) {
        let mut state = lock(&self.state);
        state.last_at = Instant::now();
        state.bytes += chunk.len() as u64;
        if state.is_closed {
            return;
        }
        if state.bytes > self.limit_mb.saturating_mul(MIB) {
            let reason =
                format!("the output exceeded the limit of {} MiB (output_mb)", self.limit_mb);
            self.close(&mut state, Fault::new(FaultClass::Policy, reason));
            return;
        }
        lines.take(chunk, &mut |piece| self.piece(&mut state, stream, piece));
    }

    fn close(&self, state: &mut State, fault: Fault) {
        if !state.is_closed {
            state.is_closed = true;
            // The receiver is gone only when the attempt is over.
            let _ = self.happenings.send(Happening::Broken(fault));
        }
    }

    fn piece(&self, state: &mut State, stream: Stream, piece: Piece<'_>) {
        if state.is_closed {
            return;
        }
        if let Piece::Line(line) = piece
            && let Some(json) = line.strip_prefix(METRICS)
            && let Ok(text) = std::str::from_utf8(json)
            && let Ok(values) = values::parse(text.trim())
        {
            self.metrics(state, values);
            return;
        }
        let (bytes, is_start) = match piece {
            Piece::Line(line) | Piece::Start(line) => (line, true),
            Piece::Rest(bytes) => (bytes, false),
        };
        if is_start {
            state.remember(stream, bytes);
        }
        if let Err(error) = state.log.write(bytes) {
            let reason = format!("cannot write output.log: {error}");
            self.close(state, Fault::new(FaultClass::Infra, reason));
        }
    }

    fn metrics(&self, state: &mut State, values: values::Values) {
        let step = values.finite.get("step").map(|step| format!(" at step {step}"));
        if let Err(error) = self.keep(state, values.finite) {
            let reason = format!("cannot write metrics.jsonl: {error}");
            self.close(state, Fault::new(FaultClass::Infra, reason));
        } else if let Some((key, word)) = values.not_finite.first_key_value() {
            let reason = format!("metric {key} is {word}{}", step.unwrap_or_default());
            self.close(state, Fault::new(FaultClass::Diverged, reason));
        }
    }

    fn keep(&self, state: &mut State, values: BTreeMap<String, f64>) -> io::Result<()> {
        state.points += 1;
        if state.points > MOST_POINTS {
            // Said once, and no reason for a fault.
            let is_first = state.points == MOST_POINTS + 1;
            let note = format!(
                "{OWN_PREFIX}more than {MOST_POINTS} @metrics lines; the rest is not kept\n"
            );
            return if is_first { state.log.write(note.as_bytes()) } else { Ok(()) };
        }
        let cpu_s = self.meter.recent().cpu_s;
        let point = MetricPoint { wall_s: self.meter.wall_s(), cpu_s, values };
        let mut line = serde_json::to_vec(&point)?;
        line.push(b'\n');
        state.metrics.write_all(&line)
    }
}

impl State {
    fn remember(&mut self, stream: Stream, bytes: &[u8]) {
        let start = &bytes[..bytes.len().min(4 * TAIL_CHARACTERS)];
        let text = String::from_utf8_lossy(start);
        let line: String = text.trim_end().chars().take(TAIL_CHARACTERS).collect();
        if line.is_empty() || line.starts_with(GAP_PREFIX) {
            return;
        }
        match stream {
            Stream::Output => self.last_output = Some(line.clone()),
            Stream::Error => self.last_error = Some(line.clone()),
        }
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail.push_back(line);
    }
}
